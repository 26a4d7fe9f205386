/* Fuzz target for .npy files, with every reader. An array that is read must be the same after writing and reading it
 * again. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/stored.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the input to a temporary file of this process, which is removed as soon as it was read. */
static bool put_file(char *path, const uint8_t *data, size_t size)
{
    int fd = mkstemp(path);
    bool whole = fd >= 0 && write(fd, data, size) == (ssize_t)size;

    return fd >= 0 && close(fd) == 0 && whole;
}

static void write_and_read_again(const dkvb_array *a, const char *path)
{
    dkvb_array b = DKVB_ARRAY_INIT;
    size_t bytes = dkvb__dtype_size(a->dtype);

    for (uint32_t d = 0; d < a->ndim; d++)
        bytes *= (size_t)a->shape[d];
    if (dkvb_npy_write(path, a->dtype, 0, a->ndim, a->shape, a->data) ||
        dkvb_array_read(&b, path, DKVB_READ_COPY, NULL))
        abort();
    if (a->dtype != b.dtype || a->ndim != b.ndim || memcmp(a->shape, b.shape, sizeof b.shape) != 0)
        abort();
    if (bytes > 0 && memcmp(a->data, b.data, bytes) != 0)
        abort();
    dkvb_array_free(&b);
}

/* Reads a .npy file in one of four ways: as features copied or in place, as labels, or as the array in its own type. */
static dkvb_status read_by(size_t reader, dkvb_array *out, const char *path)
{
    if (reader == 3)
        return dkvb_labels_read(out, path, NULL);
    return reader < 2 ? dkvb_features_read(out, path, reader == 0 ? DKVB_READ_COPY : DKVB_READ_IN_PLACE, NULL)
                      : dkvb_array_read(out, path, DKVB_READ_COPY, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/dkvb-fuzz-npy-XXXXXX";

    if (put_file(path, data, size))
        for (size_t r = 0; r < 4; r++) {
            dkvb_array a = DKVB_ARRAY_INIT;
            dkvb_status rc = read_by(r, &a, path);

            if (rc && a.data)
                abort();
            if (!rc && r == 2)
                write_and_read_again(&a, path);
            dkvb_array_free(&a);
        }
    unlink(path);
    return 0;
}
