#include "data/stored.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

size_t dkvb__dtype_size(uint32_t dtype)
{
    static const unsigned char sizes[] = {
        [DKVB_DTYPE_U8] = 1,  [DKVB_DTYPE_I8] = 1,  [DKVB_DTYPE_U16] = 2, [DKVB_DTYPE_I16] = 2,
        [DKVB_DTYPE_U32] = 4, [DKVB_DTYPE_I32] = 4, [DKVB_DTYPE_U64] = 8, [DKVB_DTYPE_I64] = 8,
        [DKVB_DTYPE_F16] = 2, [DKVB_DTYPE_F32] = 4, [DKVB_DTYPE_F64] = 8, [DKVB_DTYPE_BF16] = 2,
    };

    return dtype < sizeof sizes ? sizes[dtype] : 0;
}

bool dkvb__shape_bytes(size_t *bytes, uint32_t dtype, uint32_t ndim, const uint64_t *shape)
{
    size_t product = dkvb__dtype_size(dtype);
    bool none = false;

    for (uint32_t d = 0; d < ndim; d++) {
        if (shape[d] == 0)
            none = true;
        else if (shape[d] > PTRDIFF_MAX || dkvb__mul_overflow(&product, product, (size_t)shape[d]))
            return false;
    }
    *bytes = none ? 0 : product;
    return product <= PTRDIFF_MAX;
}

dkvb_status dkvb__stored_bytes(size_t *bytes, const struct dkvb__stored *s)
{
    const dkvb_array *a = &s->array;

    if (!dkvb__shape_bytes(bytes, a->dtype, a->ndim, a->shape))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: the product of the %u dimensions does not fit in memory", s->path,
                          a->ndim);
    return DKVB_OK;
}

/* Returns the number of elements of an array whose size in bytes is known to fit in memory. */
size_t dkvb__elements(const dkvb_array *a)
{
    size_t count = 1;

    for (uint32_t d = 0; d < a->ndim; d++)
        count *= (size_t)a->shape[d];
    return count;
}

dkvb_status dkvb__stored_no_memory(const struct dkvb__stored *s, size_t count, uint32_t dtype)
{
    return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu elements of type %s", s->path, count,
                      dkvb_name(DKVB_NAME_DTYPE, dtype));
}

dkvb_status dkvb__stored_check_size(const struct dkvb__stored *s, const struct dkvb__file *file, uint64_t offset,
                                    size_t bytes)
{
    uint64_t left = file->size > offset ? file->size - offset : 0;

    if (left > bytes && left - bytes >= 6) {
        unsigned char next[6] = {0};

        if (dkvb__file_read(file, offset + bytes, next, sizeof next) == DKVB_OK && memcmp(next, "\x93NUMPY", 6) == 0)
            return dkvb__fail(
                DKVB_EFORMAT,
                "%.200s: holds a second array from byte %llu on, where numpy.save was called twice on one "
                "file; save each array in a file of its own",
                s->path, (unsigned long long)(offset + bytes));
    }
    if (left != bytes)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu bytes from byte %llu on, type and shape promise %zu", s->path,
                          (unsigned long long)left, (unsigned long long)offset, bytes);
    return DKVB_OK;
}

dkvb_status dkvb__stored_load(struct dkvb__stored *s, const struct dkvb__file *file, uint64_t offset)
{
    dkvb_array *a = &s->array;
    size_t bytes = 0;
    dkvb_status rc = dkvb__stored_bytes(&bytes, s);

    if (!rc)
        rc = dkvb__stored_check_size(s, file, offset, bytes);
    if (rc || bytes == 0)
        return rc;
    a->data = dkvb__alloc(&a->allocator, bytes, 1);
    if (!a->data)
        return dkvb__stored_no_memory(s, dkvb__elements(a), a->dtype);
    return dkvb__file_read(file, offset, a->data, bytes);
}

void dkvb__swap_bytes(unsigned char *bytes, size_t count, size_t size)
{
    for (unsigned char *at = bytes, *end = bytes + count * size; at < end; at += size)
        for (size_t j = 0; j < size / 2; j++) {
            unsigned char byte = at[j];

            at[j] = at[size - 1 - j];
            at[size - 1 - j] = byte;
        }
}

void dkvb__stored_swap(struct dkvb__stored *s)
{
    dkvb__swap_bytes(s->array.data, dkvb__elements(&s->array), dkvb__dtype_size(s->array.dtype));
}
