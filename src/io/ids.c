#include "io/ids.h"

#include <inttypes.h>
#include <stdlib.h>

#include <dkvb/dkvb.h>

#include "io/input.h"
#include "io/paths.h"
#include "tool.h"

/* Element i of an array of integers; false if it is negative. */
static bool integer_at(const dkvb_array *a, size_t i, uint64_t *out)
{
    int64_t value = 0;

    switch (a->dtype) {
    case DKVB_DTYPE_U64:
        *out = ((const uint64_t *)a->data)[i];
        return true;
    case DKVB_DTYPE_I64:
        value = ((const int64_t *)a->data)[i];
        break;
    case DKVB_DTYPE_U32:
        value = ((const uint32_t *)a->data)[i];
        break;
    case DKVB_DTYPE_I32:
        value = ((const int32_t *)a->data)[i];
        break;
    case DKVB_DTYPE_U16:
        value = ((const uint16_t *)a->data)[i];
        break;
    case DKVB_DTYPE_I16:
        value = ((const int16_t *)a->data)[i];
        break;
    case DKVB_DTYPE_U8:
        value = ((const uint8_t *)a->data)[i];
        break;
    default:
        value = ((const int8_t *)a->data)[i];
    }
    *out = (uint64_t)value;
    return value >= 0;
}

static int take_ids(struct ids *out, const dkvb_array *a)
{
    if (a->ndim != 1 || a->dtype < DKVB_DTYPE_U8 || a->dtype > DKVB_DTYPE_I64)
        return tool_fail("%s: %s of %" PRIu32 " dimensions, a vector of integers is wanted", out->path,
                         dkvb_name(DKVB_NAME_DTYPE, a->dtype), a->ndim);
    out->n = (size_t)a->shape[0];
    out->id = input_memory("row ids", sizeof *out->id, out->n, 1, 1);
    if (!out->id)
        return EXIT_FAILURE;
    for (size_t i = 0; i < out->n; i++)
        if (!integer_at(a, i, &out->id[i]))
            return tool_fail("%s: row %zu has a negative id, 0 or more is wanted", out->path, i);
    return EXIT_SUCCESS;
}

struct numbered {
    uint64_t id;
    size_t index;
};

static int compare(const void *a, const void *b)
{
    const struct numbered *p = a, *q = b;

    return p->id != q->id ? (p->id > q->id ? 1 : -1) : (p->index > q->index) - (p->index < q->index);
}

/* order[i] = index of the i-th smallest id; to be free()d. NULL after it has been said that memory is short. */
static size_t *ids_order(const struct ids *ids)
{
    struct numbered *numbered = input_memory("row ids", sizeof *numbered, ids->n, 1, 1);
    size_t *order = numbered ? input_memory("row ids", sizeof *order, ids->n, 1, 1) : NULL;

    for (size_t i = 0; order && i < ids->n; i++)
        numbered[i] = (struct numbered){ids->id[i], i};
    if (order)
        qsort(numbered, ids->n, sizeof *numbered, compare);
    for (size_t i = 0; order && i < ids->n; i++)
        order[i] = numbered[i].index;
    free(numbered);
    return order;
}

static int check_once(const struct ids *ids)
{
    size_t *order = ids_order(ids);
    int code = order ? EXIT_SUCCESS : EXIT_FAILURE;

    for (size_t i = 1; i < ids->n && code == EXIT_SUCCESS; i++)
        if (ids->id[order[i]] == ids->id[order[i - 1]])
            code = tool_fail("%s: rows %zu and %zu both have id %" PRIu64 ", each id once is wanted", ids->path,
                             order[i - 1], order[i], ids->id[order[i]]);
    free(order);
    return code;
}

int ids_read(struct ids *out, const char *path)
{
    dkvb_array array = DKVB_ARRAY_INIT;
    int code;

    *out = (struct ids){.path = path};
    paths_keep_private(path);
    code = tool_check(dkvb_array_read(&array, path, DKVB_READ_COPY, NULL));
    if (code == EXIT_SUCCESS)
        code = take_ids(out, &array);
    dkvb_array_free(&array);
    return code ? code : check_once(out);
}

int ids_of_rows(struct ids *out, const char *path, const char *of, size_t rows)
{
    int code;

    if (path) {
        code = ids_read(out, path);
        if (code == EXIT_SUCCESS && out->n != rows)
            code = tool_fail("%s has %zu ids, %s has %zu rows: as many of both are wanted", path, out->n, of, rows);
        return code;
    }
    *out = (struct ids){.n = rows, .id = input_memory("row ids", sizeof *out->id, rows, 1, 1)};
    for (size_t i = 0; out->id && i < rows; i++)
        out->id[i] = i;
    return out->id ? EXIT_SUCCESS : EXIT_FAILURE;
}

void ids_free(struct ids *ids)
{
    free(ids->id);
    ids->id = NULL;
}
