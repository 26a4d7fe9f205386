#include "data_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char data_path[128];

int name_file(void **state)
{
    (void)state;
    snprintf(data_path, sizeof data_path, "%s", temp_path("file"));
    return 0;
}

void put_file(const void *data, size_t size)
{
    write_file(data_path, data, size);
}

size_t npy(unsigned char *to, unsigned version, const char *header, const void *data, size_t size)
{
    size_t length = strlen(header), at = version == 1 ? 10 : 12;

    memcpy(to, "\x93NUMPY", 6);
    to[6] = (unsigned char)version;
    to[7] = 0;
    to[8] = (unsigned char)(length & 255);
    to[9] = (unsigned char)(length >> 8);
    to[10] = to[11] = 0;
    memcpy(to + at, header, length);
    if (size > 0)
        memcpy(to + at + length, data, size);
    return at + length + size;
}

void put_npy(const char *header, const void *data, size_t size)
{
    unsigned char *bytes = malloc(1024 + size);

    assert_non_null(bytes);
    put_file(bytes, npy(bytes, 1, header, data, size));
    free(bytes);
}

void put_vector(const char *type, size_t n, const void *data, size_t size)
{
    char header[128];

    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }\n", type, n);
    put_npy(header, data, size);
}

void assert_refused(read_fn read, const char *name, dkvb_status code, const char *part)
{
    dkvb_array a = DKVB_ARRAY_INIT, empty;

    memset(&empty, 0, sizeof empty);
    empty.struct_size = sizeof empty;
    a.ndim = 7;
    a.data = &a;
    assert_int_equal(read(&a, name, NULL), code);
    assert_memory_equal(&a, &empty, sizeof a);
    assert_non_null(strstr(dkvb_last_error(), name));
    if (!strstr(dkvb_last_error(), part))
        fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), part);
}

dkvb_status copy_array(dkvb_array *out, const char *path, const dkvb_allocator *allocator)
{
    return dkvb_array_read(out, path, DKVB_READ_COPY, allocator);
}

dkvb_status copy_features(dkvb_array *out, const char *path, const dkvb_allocator *allocator)
{
    return dkvb_features_read(out, path, DKVB_READ_COPY, allocator);
}

dkvb_status map_features(dkvb_array *out, const char *path, const dkvb_allocator *allocator)
{
    return dkvb_features_read(out, path, DKVB_READ_IN_PLACE, allocator);
}

void assert_header_refused(const char *header, const char *part)
{
    const unsigned char data[64] = {0};

    put_npy(header, data, sizeof data);
    assert_refused(copy_array, data_path, DKVB_EFORMAT, part);
}

void *measured_get(void *user, size_t size)
{
    struct measured_alloc *f = user;
    size_t *block;

    if (f->calls++ == f->fail_at)
        return NULL;
    block = malloc(size + 2 * sizeof(size_t));
    if (!block)
        return NULL;
    block[0] = size;
    f->live++;
    f->bytes += size;
    if (f->bytes > f->peak)
        f->peak = f->bytes;
    if (size > f->largest)
        f->largest = size;
    return block + 2;
}

void measured_release(void *user, void *ptr)
{
    struct measured_alloc *f = user;
    size_t *block = (size_t *)ptr - 2;

    f->live--;
    f->bytes -= block[0];
    free(block);
}

void let_every_allocation_fail(read_fn read)
{
    for (size_t fail_at = 0;; fail_at++) {
        struct measured_alloc mem = {.fail_at = fail_at};
        dkvb_allocator given = {measured_get, measured_release, &mem};
        dkvb_array a = DKVB_ARRAY_INIT;
        dkvb_status rc = read(&a, data_path, &given);

        dkvb_array_free(&a);
        assert_int_equal(mem.live, 0);
        if (rc == DKVB_OK)
            return;
        assert_int_equal(rc, DKVB_ENOMEM);
        assert_non_null(strstr(dkvb_last_error(), "out of memory"));
    }
}
