/* Reads the features in a .npy file block by block. The .npy file is read by pread() and not mapped: so the address
 * space does not limit the size of files, and a failing disk gives an error message instead of a signal. */
#include "data/row_file.h"

#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "base/widen.h"
#include "data/npy.h"
#include "data/stored.h"

/* number of bytes of a file that are read at a time, on the stack; they fit in a core's L1 cache */
enum { BLOCK = 32 << 10 };

/* Reads elements of a file of features and converts them to float32. */
static dkvb_status read_elements(const struct dkvb__row_file *f, uint64_t first, size_t count, float *to)
{
    _Alignas(8) unsigned char block[BLOCK];
    size_t size = dkvb__dtype_size(f->dtype), most = BLOCK / size;
    bool direct = f->dtype == DKVB_DTYPE_F32 && !f->swapped;
    dkvb_status rc = DKVB_OK;

    if (direct)
        return dkvb__file_read(&f->file, f->offset + first * size, to, count * size);
    for (size_t done = 0, n; !rc && done < count; done += n) {
        n = count - done < most ? count - done : most;
        rc = dkvb__file_read(&f->file, f->offset + (first + done) * size, block, n * size);
        if (rc)
            break;
        if (f->swapped)
            dkvb__swap_bytes(block, n, size);
        for (size_t i = 0; f->boolean && i < n; i++)
            if (block[i] > 1)
                return dkvb__fail(DKVB_EFORMAT, "%.300s: byte %llu is %u, a bool is 0 or 1", f->path,
                                  (unsigned long long)(f->offset + first + done + i), block[i]);
        dkvb__widen(to + done, block, f->dtype, n);
    }
    return rc;
}

static dkvb_status read_rows(void *user, size_t first, size_t n, float *x)
{
    const struct dkvb__row_file *f = user;

    if (n > f->rows || first > f->rows - n)
        return dkvb__fail(DKVB_EINVAL, "%.300s: rows %zu to %zu are asked for, it has %zu rows", f->path, first,
                          first + n - 1, f->rows);
    return read_elements(f, (uint64_t)first * f->columns, n * f->columns, x);
}

static dkvb_status check_finite(const struct dkvb__row_file *f)
{
    float part[4096];
    uint64_t count = (uint64_t)f->rows * f->columns;
    dkvb_status rc = DKVB_OK;

    for (uint64_t first = 0; !rc && first < count; first += sizeof part / sizeof *part) {
        size_t n = count - first < sizeof part / sizeof *part ? (size_t)(count - first) : sizeof part / sizeof *part;

        rc = read_elements(f, first, n, part);
        if (!rc)
            rc = dkvb__features_finite(f->path, part, n, first, f->columns);
    }
    return rc;
}

/* Reads the header of a file of features. *fits becomes true if rows of features can be read from the file without a
 * conversion of the whole file. */
static dkvb_status look(struct dkvb__row_file *f, bool *fits)
{
    struct dkvb__stored s = {.path = f->path, .array = {.struct_size = sizeof s.array, .allocator = f->mem}};
    struct dkvb__npy_place place;
    unsigned char start[6] = {0};
    size_t size = f->file.size < sizeof start ? (size_t)f->file.size : sizeof start;
    dkvb_status rc = dkvb__file_read(&f->file, 0, start, size);

    *fits = false;
    if (rc || !dkvb__npy_sniff(start, size))
        return rc;
    rc = dkvb__npy_look(&s, &f->file, &place);
    if (!rc)
        rc = dkvb__features_check(&s);
    if (rc || (s.fortran && dkvb__order_matters(&s.array)))
        return rc;
    dkvb__features_flatten(&s.array);
    f->offset = place.offset;
    f->dtype = s.array.dtype;
    f->swapped = place.big_endian && dkvb__dtype_size(f->dtype) > 1;
    f->boolean = place.boolean;
    f->rows = (size_t)s.array.shape[0];
    f->columns = (size_t)s.array.shape[1];
    *fits = true;
    return DKVB_OK;
}

dkvb_status dkvb__row_file_open(struct dkvb__row_file **out, const char *path, const dkvb_allocator *mem)
{
    struct dkvb__row_file *f = dkvb__alloc0(mem, 1, sizeof *f);
    bool fits = false;
    dkvb_status rc;

    *out = NULL;
    if (!f)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", path);
    f->mem = *mem;
    f->file.fd = -1;
    f->path = dkvb__strdup(mem, path);
    rc = f->path ? dkvb__file_open(&f->file, f->path) : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", path);
    if (!rc)
        rc = look(f, &fits);
    if (!rc && fits)
        rc = check_finite(f);
    if (rc || !fits) {
        dkvb__row_file_free(f);
        return rc;
    }
    f->source = (dkvb_row_source){sizeof f->source, read_rows, f};
    *out = f;
    return DKVB_OK;
}

void dkvb__row_file_free(struct dkvb__row_file *f)
{
    dkvb_allocator mem;

    if (!f)
        return;
    mem = f->mem;
    dkvb__file_close(&f->file);
    dkvb__free(&mem, f->path);
    dkvb__free(&mem, f);
}
