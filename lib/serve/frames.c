/* The client of a service sends its rows as a stream of frames, `.npy` files one after another. Reading a client's
 * stream cannot start in the middle: a frame whose header is not understood ends the stream. If the header of a frame
 * (one `.npy` file) is understood, the frame's length is known, so the frame can be refused and skipped. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/npy_header.h"
#include "base/status.h"
#include "base/widen.h"
#include "serve/service.h"

static bool is_feature(uint32_t dtype)
{
    return dtype == DKVB_DTYPE_U8 || dtype == DKVB_DTYPE_F16 || dtype == DKVB_DTYPE_F32 || dtype == DKVB_DTYPE_F64;
}

/* Writes to `why` the reason why a frame is refused, or an empty text. The text `name` is the name of the frame in
 * messages. */
static void check(const dkvb_service *s, const struct dkvb__npy_start *start, uint64_t bytes, const char *name,
                  char *why, size_t room)
{
    const dkvb_array *a = &start->array;
    uint64_t columns = a->ndim == 1 ? a->shape[0] : 1;

    for (uint32_t d = 1; d < a->ndim; d++)
        columns *= a->shape[d];
    why[0] = '\0';
    if (!is_feature(a->dtype))
        snprintf(why, room, "%s: elements are %s; float16, float32, float64, uint8 or bool must be sent", name,
                 dkvb_name(DKVB_NAME_DTYPE, a->dtype));
    else if (a->ndim == 0 || columns != s->columns)
        snprintf(why, room, "%s: a row of %llu columns, the model takes %u", name,
                 (unsigned long long)(a->ndim ? columns : 0), s->columns);
    else if (bytes > s->most_bytes)
        snprintf(why, room, "%s: %llu bytes, at most %llu are taken", name, (unsigned long long)bytes,
                 (unsigned long long)s->most_bytes);
}

/* Reorders the elements of an array from Fortran order to C order. */
static void transpose(float *to, const float *from, const dkvb_array *a, size_t count)
{
    size_t stride[DKVB_ARRAY_MAX_NDIM] = {1};

    for (uint32_t d = 1; d < a->ndim; d++)
        stride[d] = stride[d - 1] * (size_t)a->shape[d - 1];
    for (size_t i = 0; i < count; i++) {
        size_t left = i, at = 0;

        for (uint32_t d = a->ndim; d-- > 0; left /= (size_t)a->shape[d])
            at += left % (size_t)a->shape[d] * stride[d];
        to[i] = from[at];
    }
}

/* Converts the elements of a frame, which may have any alignment, into rows of floats. The text `why` becomes empty, or
 * names a feature that is not finite. */
static dkvb_status convert(dkvb_service *s, const struct dkvb__npy_start *start, const char *elements, size_t rows,
                           const char *name, char *why, size_t room)
{
    size_t count = rows * s->columns, size = dkvb__dtype_size(start->array.dtype);
    float *x = s->x + s->rows * s->columns, *to = x;
    struct dkvb__stored stored = {.path = name, .array = start->array, .fortran = start->fortran};
    float *order = NULL;

    stored.array.data = dkvb__alloc(&s->mem, count, size);
    if (start->fortran && rows > 1)
        to = order = dkvb__alloc(&s->mem, count, sizeof *order);
    if (!stored.array.data || !to) {
        dkvb__free(&s->mem, stored.array.data);
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu numbers", name, count);
    }
    memcpy(stored.array.data, elements, count * size);
    if (start->big_endian)
        dkvb__stored_swap(&stored);
    for (size_t i = 0; start->boolean && !*why && i < count; i++)
        if (((unsigned char *)stored.array.data)[i] > 1)
            snprintf(why, room, "%s: a bool is %u, it must be 0 or 1", name, ((unsigned char *)stored.array.data)[i]);
    dkvb__widen(to, stored.array.data, start->array.dtype, count);
    if (order)
        transpose(x, order, &start->array, count);
    for (size_t i = 0; !*why && i < count; i++)
        if (!isfinite(x[i]))
            snprintf(why, room, "%s: row %zu, column %zu is %g, it must be finite", name, i / s->columns,
                     i % s->columns, (double)x[i]);
    dkvb__free_erased(&s->mem, stored.array.data);
    dkvb__free_erased(&s->mem, order);
    return DKVB_OK;
}

/* Takes the frame (one .npy file of a client) that begins at offset s->at of the input. *taken becomes false if the
 * next frame (`.npy` file) has not arrived completely. */
static dkvb_status take_frame(dkvb_service *s, bool *taken)
{
    const unsigned char *bytes = (const unsigned char *)s->in.bytes + s->at;
    size_t available = s->in.size - s->at, size = 0, rows;
    struct dkvb__npy_start start;
    char name[400], why[512];
    dkvb_status rc;

    *taken = false;
    snprintf(name, sizeof name, "%.300s: frame %llu", s->name, (unsigned long long)(s->frame + 1));
    rc = dkvb__npy_start(&start, bytes, available, name, &s->mem);
    if (rc == DKVB_ENOMEM)
        return rc;
    if (rc) {
        dkvb__break(s, rc, dkvb_last_error());
        return DKVB_OK;
    }
    if (start.needed > available) {
        snprintf(why, sizeof why, "%s: the input ends within its header, after %zu bytes", name, available);
        if (s->ended)
            dkvb__break(s, DKVB_EFORMAT, why);
        return DKVB_OK;
    }
    if (!dkvb__shape_bytes(&size, start.array.dtype, start.array.ndim, start.array.shape) ||
        size > SIZE_MAX - start.needed) {
        snprintf(why, sizeof why, "%s: the product of the %u dimensions does not fit in memory", name,
                 start.array.ndim);
        dkvb__break(s, DKVB_EFORMAT, why);
        return DKVB_OK;
    }
    check(s, &start, size, name, why, sizeof why);
    if (!*why && size > available - start.needed) {
        snprintf(why, sizeof why, "%s: the input ends within it, after %zu of %zu bytes", name, available,
                 start.needed + size);
        if (s->ended)
            dkvb__break(s, DKVB_EFORMAT, why);
        return DKVB_OK;
    }
    rows = start.array.ndim == 1 ? 1 : (size_t)start.array.shape[0];
    if (!*why) {
        rc = dkvb__batch_room(s, rows);
        if (!rc && rows > 0)
            rc = convert(s, &start, s->in.bytes + s->at + start.needed, rows, name, why, sizeof why);
        if (rc)
            return rc;
    }
    if (*why) {
        rc = dkvb__item_error(s, s->frame + 1, why);
        if (rc)
            return rc;
    } else {
        s->items[s->item_count++] =
            (struct dkvb__item){DKVB__ITEM_ROWS, start.array.ndim == 1, s->rows, rows, s->frame + 1, s->texts.size, 0};
        s->rows += rows;
    }
    s->frame++;
    s->at += start.needed;
    s->skip = size;
    *taken = true;
    return DKVB_OK;
}

dkvb_status dkvb__frames_take(dkvb_service *s)
{
    bool taken = true;
    dkvb_status rc = DKVB_OK;
    char why[512];

    while (!rc && taken && !s->broken && s->rows < s->most_rows) {
        size_t available = s->in.size - s->at, step = s->skip < available ? (size_t)s->skip : available;

        /* the elements of the last frame (.npy file) are no longer needed: they were converted to rows, or the frame
         * was refused */
        s->at += step;
        s->skip -= step;
        if (s->at < s->in.size)
            rc = take_frame(s, &taken);
        else
            taken = false;
    }
    if (!rc && s->ended && s->skip > 0 && s->at == s->in.size && !s->broken) {
        snprintf(why, sizeof why, "%.300s: frame %llu: the input ends within it, %llu bytes are missing", s->name,
                 (unsigned long long)s->frame, (unsigned long long)s->skip);
        dkvb__break(s, DKVB_EFORMAT, why);
    }
    return rc;
}

dkvb_status dkvb__frames_answer(dkvb_service *s, const struct dkvb__item *item, uint32_t classes)
{
    char header[DKVB__NPY_HEADER], descr[32];
    uint64_t shape[2] = {item->rows, 0};
    const void *data = s->labels + item->first * s->top;
    uint32_t ndim = 1;
    size_t width = s->top, size;
    dkvb_status rc;

    if (item->kind == DKVB__ITEM_ERROR) {
        snprintf(descr, sizeof descr, "|S%zu", item->length);
        size = dkvb__npy_header(header, descr, 0, NULL);
        rc = dkvb__text_add(s, &s->out, header, size);
        return rc ? rc : dkvb__text_add(s, &s->out, s->texts.bytes + item->text, item->length);
    }
    if (s->scores) {
        data = s->logits + item->first * classes;
        width = classes;
    }
    if (s->scores || s->many)
        shape[ndim++] = width;
    size = dkvb__npy_header(header, s->scores ? "<f4" : "<i4", ndim - item->vector, shape + item->vector);
    rc = dkvb__text_add(s, &s->out, header, size);
    return rc ? rc : dkvb__text_add(s, &s->out, data, item->rows * width * 4);
}
