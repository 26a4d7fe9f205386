/* Reads IDX files, the format of MNIST: two zero bytes, the type, the number of dimensions, the dimensions as
 * big-endian u32, and the elements, big-endian. The IDX format was described at http://yann.lecun.com/exdb/mnist/. IDX
 * files are usually packed by gzip (RFC 1952). */
#include "data/idx.h"

#include <string.h>

#include <zlib.h>

#include "base/alloc.h"
#include "base/signature.h"
#include "base/status.h"

enum { CHUNK = 65536, MAX_STEP = 1 << 30 };

static const unsigned char gzip_magic[2] = {0x1F, 0x8B};

/* A stream of the bytes of an IDX file, unpacked if necessary. */
struct source {
    const struct dkvb__file *file;
    const dkvb_allocator *mem;
    uint64_t offset; /* offset in the IDX file of the next byte to read */
    bool packed;
    bool between; /* true after the end of a gzip member: another gzip member may follow, or the file may end */
    z_stream z;
    unsigned char *input; /* buffer of CHUNK bytes of the packed IDX file */
};

static void *zlib_alloc(void *opaque, unsigned items, unsigned size)
{
    return dkvb__alloc(opaque, items, size);
}

static void zlib_release(void *opaque, void *ptr)
{
    dkvb__free(opaque, ptr);
}

static dkvb_status out_of_memory(const struct source *src)
{
    return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for unpacking", src->file->path);
}

static void source_close(struct source *src)
{
    if (src->packed)
        inflateEnd(&src->z);
    dkvb__free(src->mem, src->input);
}

static dkvb_status source_open(struct source *src, const struct dkvb__file *file, dkvb_allocator *mem)
{
    unsigned char start[sizeof gzip_magic];
    dkvb_status rc = dkvb__file_read(file, 0, start, sizeof start);

    *src = (struct source){.file = file, .mem = mem};
    if (rc || start[0] != gzip_magic[0] || start[1] != gzip_magic[1])
        return rc;
    src->input = dkvb__alloc(mem, CHUNK, 1);
    if (!src->input)
        return out_of_memory(src);
    src->z.zalloc = zlib_alloc;
    src->z.zfree = zlib_release;
    src->z.opaque = mem;
    /* the argument 15 + 16 makes zlib accept every window size, and no format but gzip */
    src->packed = inflateInit2(&src->z, 15 + 16) == Z_OK;
    if (src->packed)
        return DKVB_OK;
    source_close(src);
    return out_of_memory(src);
}

static dkvb_status refill(struct source *src)
{
    uint64_t left = src->file->size - src->offset;
    unsigned size = left < CHUNK ? (unsigned)left : CHUNK;
    dkvb_status rc = dkvb__file_read(src->file, src->offset, src->input, size);

    if (rc)
        return rc;
    src->offset += size;
    src->z.next_in = src->input;
    src->z.avail_in = size;
    return DKVB_OK;
}

/* Calls zlib's inflate() once, which also checks the CRC and the length at the end of each gzip member. */
static dkvb_status unpack_step(struct source *src)
{
    int result = inflate(&src->z, Z_NO_FLUSH);

    src->between = result == Z_STREAM_END;
    if (result == Z_OK || result == Z_STREAM_END)
        return DKVB_OK;
    if (result == Z_MEM_ERROR)
        return out_of_memory(src);
    if (result == Z_BUF_ERROR) /* zlib needs more input, but the file has ended */
        return dkvb__fail(DKVB_EFORMAT, "%.300s: gzip data is cut off: ends at byte %llu, more is wanted",
                          src->file->path, (unsigned long long)src->file->size);
    return dkvb__fail(DKVB_ECHECKSUM, "%.300s: gzip data is damaged before byte %llu: %s", src->file->path,
                      (unsigned long long)(src->offset - src->z.avail_in),
                      src->z.msg ? src->z.msg : "cannot be unpacked");
}

/* Unpacks at most MAX_STEP bytes of a gzip file; *got is less than `size` only at the end of the unpacked data. */
static dkvb_status unpack(struct source *src, void *to, size_t size, size_t *got)
{
    dkvb_status rc = DKVB_OK;

    src->z.next_out = to;
    src->z.avail_out = (unsigned)size;
    while (!rc && src->z.avail_out > 0) {
        if (src->z.avail_in == 0 && src->offset < src->file->size) {
            rc = refill(src);
            continue;
        }
        if (src->between && src->z.avail_in == 0)
            break;
        if (src->between)
            inflateReset(&src->z);
        rc = unpack_step(src);
    }
    *got = size - src->z.avail_out;
    return rc;
}

/* Takes exactly `size` bytes of the IDX header, at `offset` of the unpacked file. */
static dkvb_status take(struct source *src, uint64_t offset, void *to, size_t size)
{
    size_t got;
    dkvb_status rc;

    if (!src->packed)
        return dkvb__file_read(src->file, offset, to, size);
    rc = unpack(src, to, size, &got);
    if (!rc && got < size)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: unpacks to %llu bytes, an IDX header is longer", src->file->path,
                        (unsigned long long)(offset + got));
    return rc;
}

/* Returns the number type of an IDX type code; 0 if the library does not know the code. */
static uint32_t dtype_of(unsigned char code)
{
    switch (code) {
    case 0x08:
        return DKVB_DTYPE_U8;
    case 0x09:
        return DKVB_DTYPE_I8;
    case 0x0B:
        return DKVB_DTYPE_I16;
    case 0x0C:
        return DKVB_DTYPE_I32;
    case 0x0D:
        return DKVB_DTYPE_F32;
    case 0x0E:
        return DKVB_DTYPE_F64;
    default:
        return 0;
    }
}

/* Fails for a file that is not IDX: `b` has the file's first 4 bytes, which were taken already. A gzip file may hold
 * any file, so more bytes are unpacked to find the kind of file for the message. */
static dkvb_status fail_other_kind(struct source *src, const unsigned char b[4])
{
    unsigned char start[DKVB__SIGNATURE_SIZE];
    const char *kind = NULL;
    size_t more = 0;

    memcpy(start, b, 4);
    if (src->packed) {
        if (unpack(src, start + 4, sizeof start - 4, &more))
            /* the gzip file is damaged after the first bytes, so only the first bytes show the kind of the file */
            more = 0;
        if (!dkvb__idx_sniff(start, 4))
            kind = dkvb__signature_kind(start, 4 + more);
    }
    if (kind)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: is %s packed by gzip; only IDX is read packed: unpack it by gunzip first",
                          src->file->path, kind);
    return dkvb__fail(DKVB_EFORMAT,
                      "%.300s: %s the bytes %02x %02x %02x; IDX has 00 00 and a type: 08, 09, 0b, 0c, 0d or 0e",
                      src->file->path, src->packed ? "unpacks to" : "begins with", b[0], b[1], b[2]);
}

static dkvb_status read_header(struct dkvb__stored *s, struct source *src, uint64_t *end)
{
    unsigned char b[4], dims[DKVB_ARRAY_MAX_NDIM * 4];
    dkvb_status rc = take(src, 0, b, sizeof b);

    if (rc)
        return rc;
    s->array.dtype = dtype_of(b[2]);
    if (b[0] != 0 || b[1] != 0 || s->array.dtype == 0)
        return fail_other_kind(src, b);
    if (b[3] < 1 || b[3] > DKVB_ARRAY_MAX_NDIM)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %u dimensions, 1 to %d are wanted", s->path, b[3],
                          DKVB_ARRAY_MAX_NDIM);
    rc = take(src, sizeof b, dims, b[3] * (size_t)4);
    if (rc)
        return rc;
    s->array.ndim = b[3];
    for (uint32_t d = 0; d < s->array.ndim; d++)
        s->array.shape[d] = (uint64_t)dims[d * 4] << 24 | (uint64_t)dims[d * 4 + 1] << 16 |
                            (uint64_t)dims[d * 4 + 2] << 8 | dims[d * 4 + 3];
    *end = sizeof b + s->array.ndim * (uint64_t)4;
    return DKVB_OK;
}

/* Makes room for `capacity` bytes of elements of an IDX array; the first `have` bytes are kept. */
static dkvb_status grow(struct dkvb__stored *s, size_t have, size_t capacity)
{
    unsigned char *data = dkvb__alloc(&s->array.allocator, capacity, 1);

    if (!data)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu unpacked bytes", s->path, capacity);
    if (have > 0)
        memcpy(data, s->array.data, have);
    dkvb__free(&s->array.allocator, s->array.data);
    s->array.data = data;
    return DKVB_OK;
}

/* Returns how much memory to allocate for the array size that an IDX header promises: at first four times the packed
 * file, which is enough for most real files, then twice the bytes that have arrived. */
static size_t next_capacity(const struct source *src, size_t have, size_t want)
{
    uint64_t size = src->file->size > CHUNK ? src->file->size : CHUNK;

    if (have > 0)
        return have > want / 2 ? want : have * 2;
    return size > want / 4 ? want : (size_t)size * 4;
}

static dkvb_status load_packed(struct dkvb__stored *s, struct source *src)
{
    size_t want, have = 0, capacity = 0, got;
    unsigned char extra;
    dkvb_status rc = dkvb__stored_bytes(&want, s);

    while (!rc && have < want) {
        size_t step;

        if (have == capacity) {
            capacity = next_capacity(src, have, want);
            rc = grow(s, have, capacity);
            if (rc)
                return rc;
        }
        step = capacity - have < MAX_STEP ? capacity - have : MAX_STEP;
        rc = unpack(src, (unsigned char *)s->array.data + have, step, &got);
        have += got;
        if (!rc && got < step)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: unpacks to %zu bytes of elements, type and shape promise %zu",
                              s->path, have, want);
    }
    if (!rc)
        /* this call of unpack() reads to the end of the gzip file, where inflate() checks the CRC */
        rc = unpack(src, &extra, 1, &got);
    if (!rc && got > 0)
        rc = dkvb__fail(DKVB_EFORMAT,
                        "%.300s: unpacks to more than the %zu bytes of elements that type and shape promise", s->path,
                        want);
    return rc;
}

bool dkvb__idx_sniff(const unsigned char *start, size_t size)
{
    if (size >= 3 && start[0] == 0 && start[1] == 0)
        /* files of some picture formats begin with two zero bytes as well, so a file counts as IDX only if the type
         * code is one of IDX's */
        return start[2] >= 0x08 && start[2] <= 0x0E;
    return size >= 2 && start[0] == gzip_magic[0] && start[1] == gzip_magic[1];
}

dkvb_status dkvb__idx_read(struct dkvb__stored *s, const struct dkvb__file *file)
{
    struct source src;
    uint64_t offset = 0;
    dkvb_status rc = source_open(&src, file, &s->array.allocator);

    if (rc)
        return rc;
    rc = read_header(s, &src, &offset);
    if (!rc)
        rc = src.packed ? load_packed(s, &src) : dkvb__stored_load(s, file, offset);
    source_close(&src);
    if (!rc)
        dkvb__stored_swap(s);
    return rc;
}
