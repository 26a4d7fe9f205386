#include "base/npy_header.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

const unsigned char dkvb__npy_magic[DKVB__NPY_MAGIC] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* The header that dkvb__npy_header() writes has version 1.0 of the .npy format, and is padded to a multiple of 64 bytes
 * as NumPy does. */
size_t dkvb__npy_header(char *to, const char *descr, uint32_t ndim, const uint64_t *shape)
{
    size_t capacity = DKVB__NPY_HEADER, size = 10, padded;

    size +=
        (size_t)snprintf(to + size, capacity - size, "{'descr': '%.16s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t d = 0; d < ndim; d++)
        size += (size_t)snprintf(to + size, capacity - size, "%s%llu%s", d ? " " : "", (unsigned long long)shape[d],
                                 d + 1 < ndim || ndim == 1 ? "," : "");
    size += (size_t)snprintf(to + size, capacity - size, "), }");
    padded = (size + 1 + 63) / 64 * 64;
    memset(to + size, ' ', padded - size - 1);
    to[padded - 1] = '\n';
    memcpy(to, dkvb__npy_magic, DKVB__NPY_MAGIC);
    to[6] = 1;
    to[7] = 0;
    dkvb__write16(to + 8, (uint16_t)(padded - 10));
    return padded;
}

dkvb_status dkvb__npy_begin(struct dkvb__writer *w, const char *path, const char *descr, uint32_t ndim,
                            const uint64_t *shape, const dkvb_allocator *mem)
{
    char header[DKVB__NPY_HEADER];
    dkvb_status rc = dkvb__writer_begin(w, path, mem);

    if (rc)
        return rc;
    rc = dkvb__writer_put(w, header, dkvb__npy_header(header, descr, ndim, shape));
    if (rc)
        dkvb__writer_abort(w);
    return rc;
}
