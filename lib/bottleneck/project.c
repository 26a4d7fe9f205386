#include "bottleneck/project.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "kernels/kernels.h"

void dkvb__lower(atomic_size_t *lowest, size_t row)
{
    size_t seen = atomic_load_explicit(lowest, memory_order_relaxed);

    while (row < seen && !atomic_compare_exchange_weak(lowest, &seen, row))
        ;
}

enum { CHUNK = 64 }; /* rows in one task of the scans below */

struct scan {
    const float *x;
    size_t n, width;
    atomic_size_t bad; /* lowest row seen with a number that is not finite */
};

static void scan_chunk(void *context, size_t task, unsigned worker)
{
    struct scan *s = context;
    size_t end = task * CHUNK + CHUNK < s->n ? task * CHUNK + CHUNK : s->n;

    (void)worker;
    for (size_t r = task * CHUNK; r < end; r++) {
        if (dkvb__all_finite(s->x + r * s->width, s->width))
            continue;
        dkvb__lower(&s->bad, r);
        return;
    }
}

static size_t first_bad_row(const struct dkvb__run *run, const float *x, size_t n, size_t width)
{
    struct scan s = {.x = x, .n = n, .width = width};

    atomic_init(&s.bad, n);
    dkvb__parallel(run, (n + CHUNK - 1) / CHUNK, scan_chunk, &s);
    return atomic_load(&s.bad);
}

static size_t first_bad_column(const float *row)
{
    size_t i = 0;

    while (isfinite(row[i]))
        i++;
    return i;
}

static dkvb_status check_rows(const struct dkvb__run *run, const float *x, size_t n, size_t width, size_t first_row,
                              const char *what)
{
    size_t row = first_bad_row(run, x, n, width), column;

    if (row == n)
        return DKVB_OK;
    column = first_bad_column(x + row * width);
    return dkvb__fail(DKVB_EINVAL, "%s: row %zu, column %zu is %g, a finite number is wanted", what, first_row + row,
                      column, (double)x[row * width + column]);
}

dkvb_status dkvb__check_finite(const struct dkvb__run *run, const float *x, size_t n, size_t width, const char *what)
{
    return check_rows(run, x, n, width, 0, what);
}

struct preparation {
    const dkvb_codebooks *cb;
    const float *x;
    double *to;
    size_t n;
};

/* y = x * s - center, s = 1 or 1 / |x|; |x| from squares summed in double precision in ascending order. */
void dkvb__prepare_row(const dkvb_codebooks *cb, const float *x, double *y)
{
    size_t width = cb->shape.input_dim;
    double length = 1.0, sum = 0.0;

    if (cb->normalize) {
        for (size_t i = 0; i < width; i++)
            sum += (double)x[i] * (double)x[i];
        length = sum > 0.0 ? sqrt(sum) : 1.0; /* a row of zeros stays zeros */
    }
    for (size_t i = 0; i < width; i++)
        y[i] = (double)x[i] / length - (double)cb->center[i];
}

static void prepare_chunk(void *context, size_t task, unsigned worker)
{
    const struct preparation *p = context;
    size_t width = p->cb->shape.input_dim;
    size_t end = task * CHUNK + CHUNK < p->n ? task * CHUNK + CHUNK : p->n;

    (void)worker;
    for (size_t r = task * CHUNK; r < end; r++)
        dkvb__prepare_row(p->cb, p->x + r * width, p->to + r * width);
}

dkvb_status dkvb__prepare_rows(const dkvb_codebooks *cb, const struct dkvb__run *run, const float *x, size_t n,
                               size_t first_row, double *to)
{
    struct preparation p = {cb, x, to, n};
    dkvb_status rc = check_rows(run, x, n, cb->shape.input_dim, first_row, "features");

    if (rc)
        return rc;
    dkvb__parallel(run, (n + CHUNK - 1) / CHUNK, prepare_chunk, &p);
    return DKVB_OK;
}

/* How many rows are prepared at a time: enough to use every key that is loaded often, few enough to stay in cache. */
static size_t tile_rows(const dkvb_codebooks *cb, size_t n, size_t most)
{
    size_t rows = (most << 14) / (cb->shape.input_dim * sizeof(double)); /* 16 KiB a row: wider ones are fewer */

    rows = rows < 16 ? 16 : rows > most ? most : rows;
    return n < rows ? n : rows;
}

size_t dkvb__project_rows(const dkvb_codebooks *cb, size_t c, const double *const *rows, size_t n, float *q)
{
    size_t dim = cb->shape.key_dim;

    dkvb__kernels()->project(q, rows, n, dkvb__codebook_projection(cb, c), cb->shape.input_dim, dim);
    for (size_t r = 0; r < n; r++)
        if (!dkvb__all_finite(q + r * dim, dim))
            return r;
    return n;
}

dkvb_status dkvb__fail_overflow(size_t row)
{
    return dkvb__fail(DKVB_EINVAL, "features: the projection of row %zu overflows, smaller numbers are wanted", row);
}

dkvb_status dkvb__tile_new(struct dkvb__tile *tile, const dkvb_codebooks *cb, size_t n, size_t most,
                           const dkvb_allocator *mem)
{
    size_t width = cb->shape.input_dim;

    tile->capacity = tile_rows(cb, n, most);
    tile->rows = dkvb__alloc(mem, tile->capacity, width * sizeof *tile->rows);
    tile->row = dkvb__alloc(mem, tile->capacity, sizeof *tile->row);
    if (!tile->rows || !tile->row) {
        dkvb__tile_free(tile, mem);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows of width %zu", tile->capacity, width);
    }
    for (size_t r = 0; r < tile->capacity; r++)
        tile->row[r] = tile->rows + r * width;
    return DKVB_OK;
}

void dkvb__tile_free(struct dkvb__tile *tile, const dkvb_allocator *mem)
{
    dkvb__free(mem, tile->rows);
    dkvb__free(mem, tile->row);
    *tile = (struct dkvb__tile){0};
}

struct projection_job {
    const dkvb_codebooks *cb;
    const double *const *rows;
    float *q; /* [n][C][d] */
    size_t n;
    float *scratch; /* [threads][capacity][d] */
    size_t capacity;
    atomic_size_t bad;
};

static void project_task(void *context, size_t c, unsigned worker)
{
    struct projection_job *job = context;
    size_t dim = job->cb->shape.key_dim, stride = job->cb->shape.codebooks * dim;
    float *scratch = job->scratch + worker * job->capacity * dim;

    dkvb__lower(&job->bad, dkvb__project_rows(job->cb, c, job->rows, job->n, scratch));
    for (size_t r = 0; r < job->n; r++)
        memcpy(job->q + r * stride + c * dim, scratch + r * dim, dim * sizeof *scratch);
}

/* All tiles, one after another. */
static dkvb_status project_tiles(struct projection_job *job, struct dkvb__tile *tile, const struct dkvb__run *run,
                                 const float *x, size_t n)
{
    const struct dkvb__shape *shape = &job->cb->shape;
    float *q = job->q;

    for (size_t first = 0; first < n; first += job->n) {
        dkvb_status rc;

        job->n = n - first < tile->capacity ? n - first : tile->capacity;
        job->q = q + first * shape->codebooks * shape->key_dim;
        rc = dkvb__prepare_rows(job->cb, run, x + first * shape->input_dim, job->n, first, tile->rows);
        if (rc)
            return rc;
        atomic_init(&job->bad, job->n);
        dkvb__parallel(run, shape->codebooks, project_task, job);
        if (atomic_load(&job->bad) < job->n)
            return dkvb__fail_overflow(first + atomic_load(&job->bad));
        rc = dkvb__report(run, first + job->n, n);
        if (rc)
            return rc;
    }
    return DKVB_OK;
}

dkvb_status dkvb_codebooks_project(const dkvb_codebooks *cb, const float *x, size_t n, float *q,
                                   const dkvb_run_options *opts)
{
    struct projection_job job = {.cb = cb, .q = q};
    struct dkvb__tile tile;
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (rc || n == 0)
        return rc;
    rc = dkvb__codebooks_need_frozen(cb);
    if (rc)
        return rc;
    rc = dkvb__tile_new(&tile, cb, n, DKVB__TILE_ROWS, &cb->mem);
    if (rc)
        return rc;
    job.rows = tile.row;
    job.capacity = tile.capacity;
    job.scratch = dkvb__alloc(&cb->mem, (size_t)run.threads * tile.capacity, cb->shape.key_dim * sizeof *job.scratch);
    rc = job.scratch ? project_tiles(&job, &tile, &run, x, n) : dkvb__fail(DKVB_ENOMEM, "out of memory");
    dkvb__free(&cb->mem, job.scratch);
    dkvb__tile_free(&tile, &cb->mem);
    return rc;
}
