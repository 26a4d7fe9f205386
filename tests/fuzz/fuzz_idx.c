/* Fuzz target for IDX files. Every reader gets the input bytes as they are, and packed by gzip, so that the code behind
 * gzip's CRC is reached. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "dkvb/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool put_file(char *path, const uint8_t *data, size_t size)
{
    int fd = mkstemp(path);
    bool whole = fd >= 0 && write(fd, data, size) == (ssize_t)size;

    return fd >= 0 && close(fd) == 0 && whole;
}

/* Reads an IDX file in one of four ways: as features copied or in place, as labels, or as the array in its own type. */
static dkvb_status read_by(size_t reader, dkvb_array *out, const char *path)
{
    if (reader == 2)
        return dkvb_labels_read(out, path, NULL);
    return reader < 2 ? dkvb_features_read(out, path, reader == 0 ? DKVB_READ_COPY : DKVB_READ_IN_PLACE, NULL)
                      : dkvb_array_read(out, path, DKVB_READ_COPY, NULL);
}

/* Reads an IDX file in all four ways, and returns the status of the last. */
static dkvb_status read_all(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/dkvb-fuzz-idx-XXXXXX";
    dkvb_status rc = DKVB_EIO;

    if (put_file(path, data, size))
        for (size_t r = 0; r < 4; r++) {
            dkvb_array a = DKVB_ARRAY_INIT;

            rc = read_by(r, &a, path);
            if (rc && a.data)
                abort();
            dkvb_array_free(&a);
        }
    unlink(path);
    return rc;
}

/* Packs data into gzip blocks without compression, for speed: 18 bytes around the data and 5 around each block of it.
 */
static uint8_t *pack(const uint8_t *data, size_t size, size_t *packed_size)
{
    z_stream z = {0};
    size_t room = size + size / 100 + 128;
    uint8_t *packed = malloc(room);

    if (!packed || deflateInit2(&z, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (uint8_t *)(uintptr_t)data;
    z.avail_in = (unsigned)size;
    z.next_out = packed;
    z.avail_out = (unsigned)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    *packed_size = room - z.avail_out;
    deflateEnd(&z);
    return packed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool plain = size >= 2 && data[0] == 0 && data[1] == 0;
    dkvb_status rc = read_all(data, size);
    size_t packed_size;
    uint8_t *packed;

    if (!plain)
        return 0;
    packed = pack(data, size, &packed_size);
    /* packing by gzip must not change whether the file is read */
    if ((read_all(packed, packed_size) == DKVB_OK) != (rc == DKVB_OK))
        abort();
    free(packed);
    return 0;
}
