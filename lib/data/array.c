#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/half.h"
#include "base/signature.h"
#include "base/sort.h"
#include "base/status.h"
#include "base/widen.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/npz.h"
#include "data/stored.h"

/* Marks an array whose elements lie in the mapping of a file; the allocator's `user` is the mapping. release_mapped()
 * never runs: dkvb_array_free() recognises its address and releases the mapping. */
static void release_mapped(void *user, void *ptr)
{
    (void)user;
    (void)ptr;
}

void dkvb_array_free(dkvb_array *array)
{
    if (!array || array->struct_size < sizeof *array)
        return;
    if (array->allocator.release == release_mapped)
        dkvb__mapping_free(array->allocator.user);
    else
        dkvb__free(&array->allocator, array->data);
    *array = (dkvb_array){.struct_size = array->struct_size};
}

void dkvb__half_from_floats(uint16_t *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = dkvb__float_to_half(from[i]);
}

/* Replaces the elements of an array by new ones, and frees the old elements. */
static void replace(struct dkvb__stored *s, void *data, uint32_t dtype)
{
    dkvb__free(&s->array.allocator, s->array.data);
    s->array.data = data;
    s->array.dtype = dtype;
}

/* Gathers elements of an array: to[i] = from[i * stride] for i < n. gather_of() is inlined with a constant element
 * size. */
static inline void gather_of(unsigned char *to, const unsigned char *from, size_t n, size_t stride, size_t size)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * size, from + i * stride * size, size);
}

static void gather(unsigned char *to, const unsigned char *from, size_t n, size_t stride, size_t size)
{
    switch (size) {
    case 1:
        gather_of(to, from, n, stride, 1);
        break;
    case 2:
        gather_of(to, from, n, stride, 2);
        break;
    case 4:
        gather_of(to, from, n, stride, 4);
        break;
    default:
        gather_of(to, from, n, stride, 8);
    }
}

/* Copies elements from Fortran order, `from`, to C order, `to`; neither array is empty. */
static void reorder(unsigned char *to, const unsigned char *from, const dkvb_array *a)
{
    size_t size = dkvb__dtype_size(a->dtype);
    size_t last = a->ndim - 1, width = (size_t)a->shape[last], rows = dkvb__elements(a) / width, offset = 0;
    size_t stride[DKVB_ARRAY_MAX_NDIM] = {1};
    uint64_t index[DKVB_ARRAY_MAX_NDIM] = {0};

    for (size_t d = 1; d <= last; d++)
        stride[d] = stride[d - 1] * (size_t)a->shape[d - 1];
    for (size_t r = 0; r < rows; r++) {
        gather(to + r * width * size, from + offset * size, width, stride[last], size);
        /* this loop moves on to the next index of a many-dimensional array, like an odometer */
        for (size_t d = last; d-- > 0;) {
            offset += stride[d];
            if (++index[d] < a->shape[d])
                break;
            offset -= stride[d] * (size_t)a->shape[d];
            index[d] = 0;
        }
    }
}

/* False if C order and Fortran order of an array's elements are the same bytes: at most one dimension is longer than
 * 1. */
bool dkvb__order_matters(const dkvb_array *a)
{
    uint32_t longer = 0;

    for (uint32_t d = 0; d < a->ndim; d++)
        longer += a->shape[d] > 1;
    return longer > 1;
}

static dkvb_status to_c_order(struct dkvb__stored *s)
{
    size_t count = dkvb__elements(&s->array);
    void *data;

    if (s->fortran && count > 0 && dkvb__order_matters(&s->array)) {
        data = dkvb__alloc(&s->array.allocator, count, dkvb__dtype_size(s->array.dtype));
        if (!data)
            return dkvb__stored_no_memory(s, count, s->array.dtype);
        reorder(data, s->array.data, &s->array);
        replace(s, data, s->array.dtype);
    }
    s->fortran = false;
    return DKVB_OK;
}

static dkvb_status check_arguments(const dkvb_array *out, const char *path, uint32_t how, uint32_t most,
                                   const dkvb_allocator *allocator)
{
    if (how > most)
        return dkvb__fail(DKVB_EINVAL, "array: how is %u, it must be 0 to %u", how, most);
    if (!out || !path)
        return dkvb__fail(DKVB_EINVAL, "%s is NULL", out ? "path" : "out");
    if (out->struct_size < sizeof *out)
        return dkvb__fail(DKVB_EINVAL, "array: struct_size is %zu, %zu wanted; start from DKVB_ARRAY_INIT",
                          out->struct_size, sizeof *out);
    return dkvb__check_allocator(allocator);
}

static dkvb_status read_any(struct dkvb__stored *s, const struct dkvb__file *file)
{
    unsigned char start[6] = {0};
    size_t size = file->size < sizeof start ? (size_t)file->size : sizeof start;
    dkvb_status rc = dkvb__file_read(file, 0, start, size);

    if (rc)
        return rc;
    if (dkvb__npy_sniff(start, size))
        return dkvb__npy_read(s, file);
    if (dkvb__idx_sniff(start, size))
        return dkvb__idx_read(s, file);
    return dkvb__fail_foreign_file(file, DKVB__USE_ARRAY);
}

/* Alignment of an array's elements in bytes; NumPy pads its headers to this alignment. */
enum { ALIGNMENT = 64 };

/* Kinds of arrays that may be used in place in the mapping of a file, without a copy. */
enum mapped { NOTHING, FLOATS, NUMBERS };

/* True if array elements of the type `dtype` can be used in a mapped file without conversion. Elements of type bool or
 * byte may have to be converted, and so are never used in place. */
static bool may_stay(uint32_t dtype, enum mapped map)
{
    return map == FLOATS ? dtype == DKVB_DTYPE_F32 : dkvb__dtype_size(dtype) > 1;
}

/* Lets an array in C order use its elements in the mapping of the array's file, without a copy. If the bytes in the
 * file are no array that can be used as it is (other type, order or alignment), the array's data stay NULL. */
static dkvb_status map_in_place(struct dkvb__stored *s, const struct dkvb__file *file, enum mapped map)
{
    struct dkvb__stored look = *s;
    struct dkvb__mapping *mapping;
    unsigned char start[6] = {0};
    struct dkvb__npy_place place;
    dkvb_status rc = dkvb__file_read(file, 0, start, file->size < sizeof start ? (size_t)file->size : sizeof start);

    if (rc || !dkvb__npy_sniff(start, sizeof start))
        return rc;
    rc = dkvb__npy_look(&look, file, &place);
    if (rc || place.big_endian || place.boolean || !may_stay(look.array.dtype, map) ||
        dkvb__elements(&look.array) == 0 || place.offset % ALIGNMENT != 0 ||
        (look.fortran && dkvb__order_matters(&look.array)))
        return rc;
    rc = dkvb__mapping_open(&mapping, file, &s->array.allocator);
    if (rc)
        return rc;
    *s = look;
    s->fortran = false;
    s->array.data = (void *)(uintptr_t)(mapping->data + place.offset);
    s->array.allocator = (dkvb_allocator){.release = release_mapped, .user = mapping};
    return DKVB_OK;
}

static dkvb_status read_stored(struct dkvb__stored *s, const struct dkvb__source *source, enum mapped map)
{
    dkvb_status rc = DKVB_OK;

    *s = (struct dkvb__stored){.path = source->file.path, .array = {.struct_size = sizeof s->array}};
    s->array.allocator = source->mem;
    if (map != NOTHING && !source->member)
        rc = map_in_place(s, &source->file, map);
    if (!rc && !s->array.data)
        rc = read_any(s, &source->file);
    return rc;
}

/* Gives the array that was read to the caller after a success, or an empty array after a failure. */
static dkvb_status publish(dkvb_array *out, struct dkvb__stored *s, dkvb_status rc)
{
    size_t struct_size = out->struct_size;

    if (rc)
        dkvb_array_free(&s->array);
    *out = s->array;
    out->struct_size = struct_size;
    return rc;
}

/* Reads an array from an open source in the way that `how` says. */
typedef dkvb_status (*read_fn)(dkvb_array *out, const struct dkvb__source *source, uint32_t how);

static dkvb_status read_path(dkvb_array *out, const char *path, const dkvb_allocator *allocator, read_fn read,
                             uint32_t how)
{
    dkvb_allocator mem = dkvb__allocator(allocator);
    struct dkvb__source source;
    dkvb_status rc;

    *out = (dkvb_array){.struct_size = out->struct_size};
    rc = dkvb__source_open(&source, path, &mem);
    if (rc)
        return rc;
    rc = read(out, &source, how);
    dkvb__source_close(&source);
    return rc;
}

/* Converts the elements of an array to float32 and keeps their order. A float64 that is too large becomes infinite (IEC
 * 60559), which check_finite() then finds. */
static dkvb_status to_float(struct dkvb__stored *s)
{
    size_t count = dkvb__elements(&s->array);
    const void *from = s->array.data;
    float *to;

    if (s->array.dtype == DKVB_DTYPE_F32 || count == 0) {
        s->array.dtype = DKVB_DTYPE_F32;
        return DKVB_OK;
    }
    to = dkvb__alloc(&s->array.allocator, count, sizeof *to);
    if (!to)
        return dkvb__stored_no_memory(s, count, DKVB_DTYPE_F32);
    dkvb__widen(to, from, s->array.dtype, count);
    replace(s, to, DKVB_DTYPE_F32);
    return DKVB_OK;
}

/* Converts the elements of an array to float32 in C order. To save memory, the elements are reordered before the
 * conversion if their type in the file is smaller than float32, otherwise after the conversion. */
static dkvb_status to_float_matrix(struct dkvb__stored *s)
{
    bool shrinks = dkvb__dtype_size(s->array.dtype) > sizeof(float);
    dkvb_status rc = shrinks ? to_float(s) : to_c_order(s);

    if (rc)
        return rc;
    return shrinks ? to_c_order(s) : to_float(s);
}

dkvb_status dkvb__features_check(const struct dkvb__stored *s)
{
    const dkvb_array *a = &s->array;

    if (a->dtype != DKVB_DTYPE_U8 && a->dtype != DKVB_DTYPE_F16 && a->dtype != DKVB_DTYPE_F32 &&
        a->dtype != DKVB_DTYPE_F64)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: elements are %s; features must be float16, float32, float64 or uint8: "
                          "astype('float32') makes such of them",
                          s->path, dkvb_name(DKVB_NAME_DTYPE, a->dtype));
    if (a->ndim == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: a single number; features have 1 to %d dimensions", s->path,
                          DKVB_ARRAY_MAX_NDIM);
    for (uint32_t d = 1; d < a->ndim; d++)
        if (a->shape[d] == 0)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: dimension %u is 0, features have at least 1 column", s->path, d);
    return DKVB_OK;
}

/* Gives an array the shape [rows][columns]: all dimensions after the first become columns. */
void dkvb__features_flatten(dkvb_array *a)
{
    uint64_t columns = 1;

    for (uint32_t d = 1; d < a->ndim; d++) {
        columns *= a->shape[d];
        a->shape[d] = 0;
    }
    a->shape[1] = columns;
    a->ndim = 2;
}

dkvb_status dkvb__features_finite(const char *path, const float *x, size_t count, uint64_t first, size_t columns)
{
    size_t bad = 0;

    /* the loop over a row's features has no early exit, so that the processor checks many numbers in one step */
    for (size_t i = 0; i < count; i++)
        bad += (size_t)!isfinite(x[i]);
    for (size_t i = 0; bad > 0 && i < count; i++)
        if (!isfinite(x[i]))
            return dkvb__fail(DKVB_EFORMAT, "%.300s: row %llu, column %llu is %s as float32, a finite number is wanted",
                              path, (unsigned long long)((first + i) / columns),
                              (unsigned long long)((first + i) % columns),
                              isnan(x[i])   ? "nan"
                              : x[i] > 0.0f ? "inf"
                                            : "-inf");
    return DKVB_OK;
}

dkvb_status dkvb__features_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how)
{
    struct dkvb__stored s;
    dkvb_status rc = read_stored(&s, source, how == DKVB_READ_IN_PLACE ? FLOATS : NOTHING);

    if (!rc)
        rc = dkvb__features_check(&s);
    if (!rc)
        rc = to_float_matrix(&s);
    if (!rc) {
        dkvb__features_flatten(&s.array);
        rc = dkvb__features_finite(s.path, s.array.data, dkvb__elements(&s.array), 0, (size_t)s.array.shape[1]);
    }
    return publish(out, &s, rc);
}

dkvb_status dkvb_features_read(dkvb_array *out, const char *path, uint32_t how, const dkvb_allocator *allocator)
{
    dkvb_status rc = check_arguments(out, path, how, DKVB_READ_IN_PLACE, allocator);

    return rc ? rc : read_path(out, path, allocator, dkvb__features_of, how);
}

static dkvb_status check_labels(const struct dkvb__stored *s)
{
    const dkvb_array *a = &s->array;

    if (a->dtype < DKVB_DTYPE_U8 || a->dtype > DKVB_DTYPE_I64)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: elements are %s; labels must be integers (or bool): astype('int64') makes such of "
                          "whole numbers",
                          s->path, dkvb_name(DKVB_NAME_DTYPE, a->dtype));
    if (a->ndim == 2 && a->shape[1] != 1)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: %llu columns, labels must have 1: of one-hot rows argmax(axis=1) makes labels",
                          s->path, (unsigned long long)a->shape[1]);
    if (a->ndim < 1 || a->ndim > 2)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %u dimensions; labels are a vector or a matrix of 1 column", s->path,
                          a->ndim);
    return DKVB_OK;
}

/* Returns element i of an integer array; uint64 values that are too large become the largest int64. */
static int64_t integer_at(uint32_t dtype, const void *data, size_t i)
{
    switch (dtype) {
    case DKVB_DTYPE_U8:
        return ((const uint8_t *)data)[i];
    case DKVB_DTYPE_I8:
        return ((const int8_t *)data)[i];
    case DKVB_DTYPE_U16:
        return ((const uint16_t *)data)[i];
    case DKVB_DTYPE_I16:
        return ((const int16_t *)data)[i];
    case DKVB_DTYPE_U32:
        return ((const uint32_t *)data)[i];
    case DKVB_DTYPE_I32:
        return ((const int32_t *)data)[i];
    case DKVB_DTYPE_U64:
        return ((const uint64_t *)data)[i] > INT64_MAX ? INT64_MAX : (int64_t)((const uint64_t *)data)[i];
    default:
        return ((const int64_t *)data)[i];
    }
}

static dkvb_status fail_label(const struct dkvb__stored *s, size_t row)
{
    char label[24];

    if (s->array.dtype == DKVB_DTYPE_U64)
        snprintf(label, sizeof label, "%llu", (unsigned long long)((const uint64_t *)s->array.data)[row]);
    else
        snprintf(label, sizeof label, "%lld", (long long)integer_at(s->array.dtype, s->array.data, row));
    return dkvb__fail(DKVB_EFORMAT, "%.200s: row %zu has the label %s; labels are 0 to %d, and -1 for rows without one",
                      s->path, row, label, INT32_MAX);
}

/* Converts the elements of an array to labels. Labels have one column, so Fortran order and C order are equal. */
static dkvb_status to_labels(struct dkvb__stored *s)
{
    size_t count = dkvb__elements(&s->array);
    int32_t *to = count ? dkvb__alloc(&s->array.allocator, count, sizeof *to) : NULL;

    if (count && !to)
        return dkvb__stored_no_memory(s, count, DKVB_DTYPE_I32);
    for (size_t i = 0; i < count; i++) {
        int64_t label = integer_at(s->array.dtype, s->array.data, i);

        if (label < -1 || label > INT32_MAX) {
            dkvb__free(&s->array.allocator, to);
            return fail_label(s, i);
        }
        to[i] = (int32_t)label;
    }
    replace(s, to, DKVB_DTYPE_I32);
    s->array.shape[1] = 0;
    s->array.ndim = 1;
    return DKVB_OK;
}

dkvb_status dkvb__labels_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how)
{
    struct dkvb__stored s;
    dkvb_status rc = read_stored(&s, source, NOTHING);

    (void)how; /* labels are copied for every way in which features are read (copied, mapped or in blocks) */
    if (!rc)
        rc = check_labels(&s);
    if (!rc)
        rc = to_labels(&s);
    return publish(out, &s, rc);
}

dkvb_status dkvb_labels_read(dkvb_array *out, const char *path, const dkvb_allocator *allocator)
{
    dkvb_status rc = check_arguments(out, path, DKVB_READ_COPY, DKVB_READ_COPY, allocator);

    return rc ? rc : read_path(out, path, allocator, dkvb__labels_of, DKVB_READ_COPY);
}

dkvb_status dkvb__ids_once(const uint64_t *ids, size_t n, const char *path, const dkvb_allocator *mem)
{
    struct dkvb__keyed *order = dkvb__alloc(mem, n, 2 * sizeof *order);
    dkvb_status rc = DKVB_OK;

    if (!order)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory to compare %zu ids", path, n);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct dkvb__keyed){ids[i], i};
    dkvb__sort_keyed(order, order + n, n);
    for (size_t i = 1; !rc && i < n; i++)
        if (order[i].key == order[i - 1].key)
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: rows %zu and %zu both have id %llu, each id must be there once",
                            path, order[i - 1].index, order[i].index, (unsigned long long)order[i].key);
    dkvb__free(mem, order);
    return rc;
}

static dkvb_status to_ids(struct dkvb__stored *s)
{
    const dkvb_array *a = &s->array;
    size_t n = dkvb__elements(a);
    uint64_t *ids;
    dkvb_status rc = DKVB_OK;

    if (a->ndim != 1 || a->dtype < DKVB_DTYPE_U8 || a->dtype > DKVB_DTYPE_I64)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %s of %u dimensions; ids must be a vector of integers", s->path,
                          dkvb_name(DKVB_NAME_DTYPE, (int32_t)a->dtype), a->ndim);
    if (n == 0) {
        s->array.dtype = DKVB_DTYPE_U64;
        return DKVB_OK;
    }
    ids = dkvb__alloc(&a->allocator, n, sizeof *ids);
    if (!ids)
        return dkvb__stored_no_memory(s, n, DKVB_DTYPE_U64);
    for (size_t i = 0; !rc && i < n; i++) {
        int64_t id = integer_at(a->dtype, a->data, i);

        ids[i] = a->dtype == DKVB_DTYPE_U64 ? ((const uint64_t *)a->data)[i] : (uint64_t)id;
        if (id < 0)
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: row %zu has a negative id, ids are 0 or more", s->path, i);
    }
    if (!rc)
        rc = dkvb__ids_once(ids, n, s->path, &a->allocator);
    if (rc)
        dkvb__free(&a->allocator, ids);
    else
        replace(s, ids, DKVB_DTYPE_U64);
    return rc;
}

dkvb_status dkvb__array_of(dkvb_array *out, const struct dkvb__source *source, uint32_t how)
{
    struct dkvb__stored s;
    dkvb_status rc = read_stored(&s, source, how == DKVB_READ_IN_PLACE ? NUMBERS : NOTHING);

    if (!rc)
        rc = how == DKVB_READ_IDS ? to_ids(&s) : to_c_order(&s);
    return publish(out, &s, rc);
}

dkvb_status dkvb_array_read(dkvb_array *out, const char *path, uint32_t how, const dkvb_allocator *allocator)
{
    dkvb_status rc = check_arguments(out, path, how, DKVB_READ_IDS, allocator);

    return rc ? rc : read_path(out, path, allocator, dkvb__array_of, how);
}
