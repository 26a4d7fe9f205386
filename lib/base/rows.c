#include "base/rows.h"

#include <string.h>

#include "base/checksum.h"
#include "base/rng.h"
#include "base/status.h"

dkvb_status dkvb__rows_take(struct dkvb__rows *rows, const float *x, const dkvb_row_source *source, size_t n,
                            size_t width, const char *what)
{
    dkvb_status rc;

    *rows = (struct dkvb__rows){.x = x, .source = DKVB_ROW_SOURCE_INIT, .n = n, .width = width};
    if (x && source)
        return dkvb__fail(DKVB_EINVAL, "%s: an array and a source are given, only one of them can be the rows", what);
    rc = dkvb__take_options(&rows->source, sizeof rows->source, source, "row source");
    if (!rc && n > 0 && !x && !rows->source.read)
        rc = dkvb__fail(DKVB_EINVAL, "%s: %zu rows are announced, and %s is NULL", what, n,
                        source ? "the source's function" : "the pointer to them");
    return rc;
}

/* Copies or reads neighbouring rows of features; `first` is a row number of x or of the source. */
static dkvb_status fetch(const struct dkvb__rows *rows, size_t first, size_t n, float *to)
{
    const uint64_t before = dkvb__fail_count();
    dkvb_status rc;

    if (!rows->source.read) {
        memcpy(to, rows->x + first * rows->width, n * rows->width * sizeof *to);
        return DKVB_OK;
    }
    rc = rows->source.read(rows->source.user, first, n, to);
    /* the caller's function for reading rows has failed without an error message */
    if (rc && dkvb__fail_count() == before)
        rc = dkvb__fail(rc, "the source of rows could not read rows %zu to %zu", first, first + n - 1);
    return rc;
}

dkvb_status dkvb__rows_gather(const struct dkvb__rows *rows, const size_t *pick, size_t n, float *to)
{
    dkvb_status rc = DKVB_OK;

    for (size_t first = 0, end; !rc && first < n; first = end) {
        size_t number = rows->index ? rows->index[pick[first]] : pick[first];

        for (end = first + 1; end < n; end++)
            if ((rows->index ? rows->index[pick[end]] : pick[end]) != number + (end - first))
                break;
        rc = fetch(rows, number, end - first, to + first * rows->width);
    }
    return rc;
}

dkvb_status dkvb__rows_read(const struct dkvb__rows *rows, size_t first, size_t n, float *to)
{
    struct dkvb__rows plain = *rows;

    if (n == 0)
        return DKVB_OK;
    if (!rows->index)
        return fetch(rows, first, n, to);
    plain.index = NULL;
    return dkvb__rows_gather(&plain, rows->index + first, n, to);
}

dkvb_status dkvb__rows_block(const struct dkvb__rows *rows, size_t first, size_t n, float *buffer, const float **x)
{
    *x = buffer;
    if (!dkvb__rows_in_place(rows))
        return dkvb__rows_read(rows, first, n, buffer);
    *x = rows->x + first * rows->width;
    return DKVB_OK;
}

enum { SHARES = 64 }; /* number of parallel tasks that compute a checksum of rows */

struct checksums {
    const float *x;
    size_t first, n, width;
    uint64_t sum[SHARES];
};

static void add_checksums(void *context, size_t share, unsigned worker)
{
    struct checksums *c = context;
    size_t end = c->n * (share + 1) / SHARES;

    (void)worker;
    for (size_t r = c->n * share / SHARES; r < end; r++)
        c->sum[share] += dkvb__rng_of_id(dkvb__checksum(c->x + r * c->width, c->width * sizeof *c->x), 0, c->first + r);
}

uint64_t dkvb__rows_checksum(const struct dkvb__run *run, const float *x, size_t first, size_t n, size_t width)
{
    struct checksums c = {.x = x, .first = first, .n = n, .width = width};
    uint64_t sum = 0;

    dkvb__parallel(run, SHARES, add_checksums, &c);
    for (size_t share = 0; share < SHARES; share++)
        sum += c.sum[share];
    return sum;
}
