#include "bottleneck/project.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/outside.h"
#include "kernels/matrix.h"

enum {
    TILE = DKVB__LANES,
    CHUNK = 64,                /* number of rows that one parallel task checks for finite numbers */
    CHECKED_ROWS = 4096,       /* number of rows that are read and checked for finite numbers at a time */
    PREPARED_BYTES = 32 << 20, /* largest number of bytes of prepared rows that a projector keeps in memory */
};

/* Lowers *lowest to the row number `row` if *lowest is larger; several threads may call lower() at the same time. */
static void lower(atomic_size_t *lowest, size_t row)
{
    size_t seen = atomic_load_explicit(lowest, memory_order_relaxed);

    while (row < seen && !atomic_compare_exchange_weak(lowest, &seen, row))
        ;
}

struct scan {
    const float *x;
    size_t n, width;
    atomic_size_t bad; /* number of the lowest row with a number that is not finite */
};

static void scan_chunk(void *context, size_t task, unsigned worker)
{
    struct scan *s = context;
    size_t end = task * CHUNK + CHUNK < s->n ? task * CHUNK + CHUNK : s->n;

    (void)worker;
    for (size_t r = task * CHUNK; r < end; r++) {
        if (dkvb__all_finite(s->x + r * s->width, s->width))
            continue;
        lower(&s->bad, r);
        return;
    }
}

dkvb_status dkvb__fail_not_finite(const char *what, const float *row, size_t number)
{
    size_t column = 0;

    while (isfinite(row[column]))
        column++;
    return dkvb__fail(DKVB_EINVAL, "%s: row %zu, column %zu is %g, it must be finite", what, number, column,
                      (double)row[column]);
}

dkvb_status dkvb__check_finite(const struct dkvb__run *run, const float *x, size_t n, size_t width, const char *what)
{
    struct scan s = {.x = x, .n = n, .width = width};
    dkvb_status rc;
    size_t bad;

    if (n > 0 && !x)
        return dkvb__fail(DKVB_EINVAL, "%s: %zu rows are announced, and the pointer to them is NULL", what, n);
    atomic_init(&s.bad, n);
    rc = dkvb__parallel_rows(run, n, CHUNK, scan_chunk, &s);
    bad = atomic_load(&s.bad);
    return rc || bad == n ? rc : dkvb__fail_not_finite(what, x + bad * width, bad);
}

dkvb_status dkvb__check_rows(const struct dkvb__run *run, const struct dkvb__rows *rows, const char *what,
                             const dkvb_allocator *mem)
{
    size_t most = rows->n < CHECKED_ROWS ? rows->n : CHECKED_ROWS;
    dkvb_status rc = DKVB_OK;
    float *block;

    if (dkvb__rows_in_place(rows) || rows->n == 0)
        return dkvb__check_finite(run, rows->x, rows->n, rows->width, what);
    block = dkvb__alloc(mem, most, rows->width * sizeof *block);
    if (!block)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to check %zu rows of %zu columns at a time", most, rows->width);
    for (size_t first = 0, n; !rc && first < rows->n; first += n) {
        struct scan s = {.x = block, .width = rows->width};

        n = s.n = rows->n - first < most ? rows->n - first : most;
        rc = dkvb__rows_read(rows, first, n, block);
        if (rc)
            break;
        atomic_init(&s.bad, n);
        dkvb__parallel(run, (n + CHUNK - 1) / CHUNK, scan_chunk, &s);
        if (atomic_load(&s.bad) < n)
            rc = dkvb__fail_not_finite(what, block + atomic_load(&s.bad) * rows->width, first + atomic_load(&s.bad));
        else
            rc = dkvb__report(run, first + n, rows->n);
    }
    dkvb__free_erased(mem, block);
    return rc;
}

static size_t tiles_of(size_t n)
{
    return (n + TILE - 1) / TILE;
}

dkvb_status dkvb__projector_new(struct dkvb__projector *p, const dkvb_codebooks *cb, size_t n, size_t most,
                                const struct dkvb__run *run)
{
    size_t size = cb->round_size, dim = cb->shape.key_dim, width = cb->shape.input_dim;
    size_t room = PREPARED_BYTES / (size * sizeof(float)) / TILE * TILE;

    n = n < most ? n : most;
    n = n < room ? n : room;
    *p = (struct dkvb__projector){.cb = cb, .run = *run, .capacity = n < TILE ? TILE : tiles_of(n) * TILE};
    p->unit_codebooks = dim < size ? size / dim : 1;
    p->units = (cb->shape.codebooks + p->unit_codebooks - 1) / p->unit_codebooks;
    p->tile_bytes = dkvb__quads(dim) * TILE * 4;
    /* A task of the projection either prepares a tile of rows, with two copies of the rows, or transforms a tile and
     * copies a codebook's numbers from it; the scratch memory has room for the larger of these. */
    p->scratch_size = (2 * width > size + dim ? 2 * width : size + dim) * TILE;
    p->prepared = dkvb__alloc(&cb->mem, p->capacity, size * sizeof *p->prepared);
    p->scratch = dkvb__alloc(&cb->mem, p->run.threads, p->scratch_size * sizeof *p->scratch);
    p->lengths = dkvb__alloc(&cb->mem, p->capacity, sizeof *p->lengths);
    if (p->prepared && p->scratch && p->lengths)
        return DKVB_OK;
    dkvb__projector_free(p);
    return dkvb__fail(DKVB_ENOMEM, "out of memory to project %zu rows of %u columns at a time", p->capacity,
                      cb->shape.input_dim);
}

void dkvb__projector_free(struct dkvb__projector *p)
{
    if (!p->cb)
        return;
    dkvb__free_erased(&p->cb->mem, p->prepared);
    dkvb__free_erased(&p->cb->mem, p->scratch);
    dkvb__free_erased(&p->cb->mem, p->lengths);
    p->prepared = NULL;
    p->scratch = NULL;
    p->lengths = NULL;
}

/* The start values of a product with the whitening matrix are zeros. */
static const float zeros[DKVB__MAX_WHITENED];

struct preparation {
    const struct dkvb__projector *p;
    const float *x;
    const size_t *pick;
    size_t n;
    /* numbers of the lowest row with a number that is not finite, and of the lowest row with a number that is too
     * large */
    atomic_size_t not_finite, too_large;
};

static const float *row_of(const struct preparation *j, size_t r)
{
    return j->x + (j->pick ? j->pick[r] : r) * j->p->cb->shape.input_dim;
}

/* Centres and whitens the rows of a tile: y = W (x - center), float[rows][input_dim] at `y`. The rows of a tile are
 * centred (x - center) in one half of the thread's scratch memory, and the whitened rows go to the other half. */
static float *center_tile(const struct preparation *j, size_t first, size_t rows, float *y)
{
    const dkvb_codebooks *cb = j->p->cb;
    size_t m = cb->shape.input_dim;
    struct dkvb__product product;

    for (size_t r = 0; r < rows; r++) {
        const float *x = row_of(j, first + r);

        for (size_t i = 0; i < m; i++)
            y[r * m + i] = x[i] - cb->center[i];
    }
    if (!cb->whitening)
        return y;
    product = (struct dkvb__product){.out = y + TILE * m,
                                     .out_stride = m,
                                     .a = y,
                                     .a_stride = m,
                                     .rows = rows,
                                     .depth = m,
                                     .panels = cb->whitening,
                                     .columns = m,
                                     .start = zeros};
    dkvb__kernels()->multiply(&product);
    return y + TILE * m;
}

/* Scales a prepared row of features to length 1, if the codebooks normalise rows. The squares of a row's numbers are
 * summed in double precision in ascending order. scale_row() returns false if the square of a number is not finite, or
 * if the outputs of a random transform, which are at most the row's length times sqrt(size), could be too large. */
static bool scale_row(const dkvb_codebooks *cb, float *y)
{
    double sum = 0.0, length;

    for (size_t i = 0; i < cb->shape.input_dim; i++)
        sum += (double)y[i] * (double)y[i];
    if (!isfinite(sum) || (!cb->normalize && sum * (double)cb->round_size > 1e74))
        return false;
    length = cb->normalize && sum > 0.0 ? sqrt(sum) : 1.0; /* a row of zeros is not scaled, and stays zeros */
    for (size_t i = 0; cb->normalize && i < cb->shape.input_dim; i++)
        y[i] = (float)((double)y[i] / length);
    return true;
}

static void prepare_tile(void *context, size_t tile, unsigned worker)
{
    struct preparation *j = context;
    const struct dkvb__projector *p = j->p;
    size_t m = p->cb->shape.input_dim, size = p->cb->round_size, first = tile * TILE;
    size_t rows = j->n - first < TILE ? j->n - first : TILE;
    float *to = p->prepared + tile * size * TILE, *y;

    for (size_t r = 0; r < rows; r++)
        if (!dkvb__all_finite(row_of(j, first + r), m)) {
            lower(&j->not_finite, first + r);
            return;
        }
    for (size_t r = 0; r < rows; r++)
        p->lengths[first + r] = dkvb__row_length(row_of(j, first + r), m);
    y = center_tile(j, first, rows, p->scratch + worker * p->scratch_size);
    for (size_t r = 0; r < rows; r++)
        if (!scale_row(p->cb, y + r * m))
            lower(&j->too_large, first + r);
    for (size_t i = 0; i < m; i++)
        for (size_t r = 0; r < TILE; r++)
            to[i * TILE + r] = r < rows ? y[r * m + i] : 0.0f;
    memset(to + m * TILE, 0, (size - m) * TILE * sizeof *to);
}

/* Returns the row number that error messages give for the prepared row r. */
static size_t number_of(const struct preparation *j, size_t r, size_t first_row)
{
    return j->p->numbers ? j->p->numbers[r] : first_row + (j->pick ? j->pick[r] : r);
}

dkvb_status dkvb__projector_prepare(struct dkvb__projector *p, const float *x, const size_t *pick, size_t n,
                                    size_t first_row)
{
    struct preparation j = {.p = p, .x = x, .pick = pick, .n = n};
    size_t bad, large;

    atomic_init(&j.not_finite, n);
    atomic_init(&j.too_large, n);
    dkvb__parallel(&p->run, tiles_of(n), prepare_tile, &j);
    bad = atomic_load(&j.not_finite);
    large = atomic_load(&j.too_large);
    if (bad < n)
        return dkvb__fail_not_finite("features", row_of(&j, bad), number_of(&j, bad, first_row));
    if (large < n)
        return dkvb__fail(DKVB_EINVAL, "features: row %zu holds numbers so large that their sums overflow",
                          number_of(&j, large, first_row));
    return DKVB_OK;
}

/* Copies the projected numbers of codebook c for one tile of rows to `q`, float[key_dim][16]. The array `h` holds the
 * outputs of round number *done of the random projection for one tile of rows. */
static void take_outputs(const struct dkvb__projector *p, size_t c, size_t tile, float *h, size_t *done, float *q)
{
    const dkvb_codebooks *cb = p->cb;
    const uint32_t *order = cb->order + c * cb->shape.key_dim;
    size_t size = cb->round_size;
    /* the number of outputs of a round of the projection is a power of two, so a shift replaces a division, which would
     * take longer than the rest of the loop */
    int shift = __builtin_ctzll(size);

    for (size_t i = 0; i < cb->shape.key_dim; i++) {
        size_t round = order[i] >> shift;

        if (round != *done) {
            dkvb__kernels()->hadamard(h, p->prepared + tile * size * TILE, cb->signs + round * size, size);
            *done = round;
        }
        memcpy(q + i * TILE, h + (order[i] & (size - 1)) * TILE, TILE * sizeof *q);
    }
}

static size_t unit_end(const struct dkvb__projector *p, size_t unit)
{
    size_t end = (unit + 1) * p->unit_codebooks;

    return end < p->cb->shape.codebooks ? end : p->cb->shape.codebooks;
}

struct projection {
    const struct dkvb__projector *p;
    const struct dkvb__projected *to;
    size_t n;
};

/* Counts each row's projected numbers outside the quantisation scale, for the rows from number `first` on. */
static void count_saturated(const struct projection *j, const float *q, float scale, size_t first)
{
    const float most = (float)DKVB__STEPS + 0.5f;

    for (size_t r = 0; r < TILE && first + r < j->n; r++) {
        uint32_t outside = 0;

        for (size_t i = 0; i < j->p->cb->shape.key_dim; i++)
            outside += fabsf(q[i * TILE + r] * scale) > most;
        if (outside)
            __atomic_fetch_add(&j->to->saturated[first + r], outside, __ATOMIC_RELAXED);
    }
}

static void project_unit(void *context, size_t task, unsigned worker)
{
    const struct projection *j = context;
    const struct dkvb__projector *p = j->p;
    size_t tiles = tiles_of(j->n), tile = task % tiles, unit = j->to->first_unit + task / tiles, done = SIZE_MAX;
    float *h = p->scratch + worker * p->scratch_size, *q = h + p->cb->round_size * TILE;

    for (size_t c = unit * p->unit_codebooks; c < unit_end(p, unit); c++) {
        take_outputs(p, c, tile, h, &done, q);
        dkvb__kernels()->round_rows(j->to->rows + (c - j->to->first_unit * p->unit_codebooks) * j->to->codebook_bytes +
                                        tile * p->tile_bytes,
                                    q, p->cb->shape.key_dim, p->cb->scales[c]);
        if (j->to->saturated)
            count_saturated(j, q, p->cb->scales[c], tile * TILE);
    }
}

void dkvb__projector_run(struct dkvb__projector *p, size_t n, const struct dkvb__projected *to)
{
    struct projection j = {p, to, n};

    dkvb__parallel(&p->run, (to->end_unit - to->first_unit) * tiles_of(n), project_unit, &j);
}

void dkvb__sizes_add(struct dkvb__sizes *sizes, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, &x[i], sizeof bits);
        sizes->bins[bits >> 19 & (DKVB__SIZE_BINS - 1)]++;
    }
    sizes->count += count;
}

float dkvb__sizes_scale(const struct dkvb__sizes *sizes)
{
    uint64_t within = 0, wanted = sizes->count - sizes->count / 100;
    uint32_t bin = 0, bits;
    float size;

    /* If nearly all projected numbers are 0, the scale of the codebook follows from the sizes of the numbers other than
     * 0. */
    while (bin + 1 < DKVB__SIZE_BINS && ((within += sizes->bins[bin]) < wanted || (bin == 0 && within < sizes->count)))
        bin++;
    if (bin == 0)
        return 1.0f;
    bits = (bin + 1) << 19;
    memcpy(&size, &bits, sizeof size);
    /* the keys that a caller gives may be as large as FLT_MAX, and no quantisation scale may be 0 */
    size = isfinite(size) ? size : FLT_MAX;
    return size > 1e-30f ? 36.0f / size : 36.0f / 1e-30f;
}

struct scaling {
    const struct dkvb__projector *p;
    float *scales;
    /* distributions of the sizes of projected numbers, counted by each thread, [threads][unit_codebooks] */
    struct dkvb__sizes *sizes;
    size_t unit, n;
};

static void scale_unit(void *context, size_t unit, unsigned worker)
{
    struct scaling *j = context;
    const struct dkvb__projector *p = j->p;
    struct dkvb__sizes *sizes = j->sizes + worker * j->unit;
    float *h = p->scratch + worker * p->scratch_size, *q = h + p->cb->round_size * TILE;
    size_t first = unit * p->unit_codebooks, end = unit_end(p, unit);
    /* a codebook's scale is computed from whole tiles of 16 rows; the rows after the last whole tile count only if
     * there is no whole tile */
    size_t whole = j->n / TILE;

    memset(sizes, 0, j->unit * sizeof *sizes);
    for (size_t tile = 0; tile < (whole ? whole : 1); tile++) {
        size_t done = SIZE_MAX;

        for (size_t c = first; c < end; c++) {
            take_outputs(p, c, tile, h, &done, q);
            for (size_t i = 0; i < p->cb->shape.key_dim; i++)
                dkvb__sizes_add(&sizes[c - first], q + i * TILE, whole ? TILE : j->n);
        }
    }
    for (size_t c = first; c < end; c++)
        j->scales[c] = dkvb__sizes_scale(&sizes[c - first]);
}

dkvb_status dkvb__projector_set_scales(struct dkvb__projector *p, dkvb_codebooks *cb, size_t n)
{
    struct scaling j = {p, cb->scales, NULL, unit_end(p, 0), n};

    j.sizes = dkvb__alloc(&cb->mem, p->run.threads, j.unit * sizeof *j.sizes);
    if (!j.sizes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    dkvb__parallel(&p->run, p->units, scale_unit, &j);
    dkvb__free(&cb->mem, j.sizes);
    return DKVB_OK;
}

/* State of copying projected rows out of the tiles into rows, int8_t[n][codebooks][key_dim]. */
struct copying {
    const struct dkvb__projector *p;
    const int8_t *tiles; /* projected rows in tiles, [codebooks][capacity / 16][quads][16][4], each number times -2 */
    int8_t *rows;
    size_t n;
};

/* Copies a tile of projected rows for some codebooks at a time, so that the copied part of each row fills whole cache
 * lines. A tile's bytes s = -2 r become projected numbers r four at a time: 192 - (s + 128) / 2 is r + 128, and no byte
 * borrows from the next. */
static void copy_tile(void *context, size_t tile, unsigned worker)
{
    enum { CODEBOOKS = 8 };
    const struct copying *j = context;
    const struct dkvb__projector *p = j->p;
    size_t codebooks = p->cb->shape.codebooks, dim = p->cb->shape.key_dim, bytes = p->capacity / TILE * p->tile_bytes;
    size_t rows = j->n - tile * TILE < TILE ? j->n - tile * TILE : TILE;

    (void)worker;
    for (size_t first = 0; first < codebooks; first += CODEBOOKS)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = first; c < first + CODEBOOKS && c < codebooks; c++) {
                const int8_t *from = j->tiles + c * bytes + tile * p->tile_bytes + r * 4;
                int8_t *to = j->rows + ((tile * TILE + r) * codebooks + c) * dim;

                for (size_t i = 0; i < dim; i += 4) {
                    uint32_t quad;

                    memcpy(&quad, from + dkvb__row_offset(0, i), 4);
                    quad = (0xC0C0C0C0 - ((quad ^ 0x80808080) >> 1)) ^ 0x80808080;
                    if (i + 4 <= dim)
                        memcpy(to + i, &quad, 4);
                    else
                        memcpy(to + i, &quad, dim - i);
                }
            }
}

dkvb_status dkvb_codebooks_project(const dkvb_codebooks *cb, const float *x, size_t n, int8_t *rows,
                                   uint32_t *saturated, const dkvb_run_options *opts)
{
    const struct dkvb__shape *s = &cb->shape;
    size_t codebook, row = (size_t)s->codebooks * s->key_dim;
    struct dkvb__projector p;
    struct copying copy = {.p = &p};
    struct dkvb__run run;
    int8_t *tiles;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = dkvb__codebooks_need_frozen(cb);
    if (!rc)
        rc = dkvb__projector_new(&p, cb, n, DKVB__TILE_ROWS, &run);
    if (rc)
        return rc;
    codebook = p.capacity / TILE * p.tile_bytes;
    copy.tiles = tiles = dkvb__alloc(&cb->mem, s->codebooks, codebook);
    if (!tiles)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory to project %zu rows at a time", p.capacity);
    if (saturated && n > 0)
        memset(saturated, 0, n * sizeof *saturated);
    for (size_t first = 0, count; !rc && first < n; first += count) {
        const struct dkvb__projected to = {0, p.units, tiles, codebook, saturated ? saturated + first : NULL};

        count = n - first < p.capacity ? n - first : p.capacity;
        rc = dkvb__projector_prepare(&p, x + first * s->input_dim, NULL, count, first);
        if (rc)
            break;
        dkvb__projector_run(&p, count, &to);
        copy.rows = rows + first * row;
        copy.n = count;
        dkvb__parallel(&run, tiles_of(count), copy_tile, &copy);
        rc = dkvb__report(&run, first + count, n);
    }
    dkvb__free(&cb->mem, tiles);
    dkvb__projector_free(&p);
    return rc;
}
