#include "tensor_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/rng.h"
#include "files.h"

size_t tensor_bytes(unsigned char *to, const char *header, const void *elements, size_t size)
{
    size_t length = strlen(header);

    dkvb__write64(to, length);
    memcpy(to + 8, header, length);
    if (size > 0)
        memcpy(to + 8 + length, elements, size);
    return 8 + length + size;
}

void tensor_file_begin(struct tensor_file *f)
{
    *f = (struct tensor_file){.header = calloc(1, 1), .elements = malloc(1)};
}

void tensor_file_add(struct tensor_file *f, const char *name, const char *dtype, uint32_t ndim, const uint64_t *shape,
                     const void *elements, size_t size)
{
    char entry[512];
    int n = snprintf(entry, sizeof entry, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[", f->header_size ? ',' : '{', name,
                     dtype);

    for (uint32_t d = 0; d < ndim; d++)
        n += snprintf(entry + n, sizeof entry - (size_t)n, "%s%llu", d ? "," : "", (unsigned long long)shape[d]);
    n += snprintf(entry + n, sizeof entry - (size_t)n, "],\"data_offsets\":[%zu,%zu]}", f->size, f->size + size);
    f->header = realloc(f->header, f->header_size + (size_t)n + 1);
    f->elements = realloc(f->elements, f->size + size + 1);
    assert_true(f->header && f->elements);
    memcpy(f->header + f->header_size, entry, (size_t)n + 1);
    if (size > 0)
        memcpy(f->elements + f->size, elements, size);
    f->header_size += (size_t)n;
    f->size += size;
}

void tensor_file_add_random(struct tensor_file *f, const char *name, uint32_t ndim, const uint64_t *shape, float centre,
                            float spread)
{
    struct dkvb__rng rng;
    size_t n = 1;
    float *x;

    for (uint32_t d = 0; d < ndim; d++)
        n *= (size_t)shape[d];
    x = malloc(n * sizeof *x);
    assert_non_null(x);
    dkvb__rng_seed(&rng, dkvb__checksum(name, strlen(name)), 0);
    for (size_t i = 0; i < n; i++)
        x[i] = centre + spread * (float)(2.0 * dkvb__rng_unit(&rng) - 1.0);
    tensor_file_add(f, name, "F32", ndim, shape, x, n * sizeof *x);
    free(x);
}

void tensor_file_write(struct tensor_file *f, const char *path)
{
    unsigned char *bytes = malloc(8 + f->header_size + 2 + f->size);

    assert_non_null(bytes);
    f->header = realloc(f->header, f->header_size + 3);
    assert_non_null(f->header);
    strcpy(f->header + f->header_size, f->header_size ? "}" : "{}");
    write_file(path, bytes, tensor_bytes(bytes, f->header, f->elements, f->size));
    free(bytes);
    free(f->header);
    free(f->elements);
}
