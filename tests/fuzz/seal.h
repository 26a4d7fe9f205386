/* The common part of the fuzz targets for files of the library's own formats. */
#ifndef DKVB_TESTS_SEAL_H
#define DKVB_TESTS_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/checksum.h"

/* Corrects the sizes and checksums in a file, so that the code behind these checks is reached; `size` must be at least
 * 64. */
static inline void seal(uint8_t *file, size_t size)
{
    size_t count = dkvb__read32(file + 24);

    dkvb__write64(file + 16, size);
    if (count > (size - 64) / 64)
        return;
    for (size_t i = 0; i < count; i++) {
        uint8_t *e = file + 64 + 64 * i;
        uint64_t offset = dkvb__read64(e + 24), length = dkvb__read64(e + 32);

        if (offset <= size && length <= size - offset)
            dkvb__write64(e + 40, dkvb__checksum(file + offset, (size_t)length));
    }
    dkvb__write64(file + 32, 0);
    dkvb__write64(file + 32, dkvb__checksum(file, 64 + 64 * count));
}

#endif
