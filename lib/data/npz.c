/* Reads .npz files, which numpy.savez() and numpy.savez_compressed() write. Of the zip format, the reader of .npz files
 * knows the end record, also of ZIP64, the central directory, and members that are stored or deflated. Sizes of an
 * archive's members are taken from the zip file's central directory, since local headers may leave them open.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT */
#include "data/npz.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"

enum {
    END_SIZE = 22,
    /* number of bytes at the end of a zip file that are searched for the end record, which a comment may follow */
    END_SEARCH = END_SIZE + 65535,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    MOST_DIRECTORY = 16 * 1024 * 1024,
    /* deflate turns one byte into at most 1032 bytes, so a zip member whose header promises a larger ratio is refused
     * as damaged */
    MOST_RATIO = 1032
};

struct directory {
    const struct dkvb__file *file;
    unsigned char *bytes;
    size_t size;
};

struct entry {
    const char *name; /* name of the zip file's member, without a NUL at the end */
    size_t name_size;
    uint64_t packed, size, offset;
    uint32_t crc;
    unsigned flags, method;
};

/* True if the first bytes of a file are those of a zip file whose first member is a .npy file. */
static bool is_archive(const unsigned char *start, size_t size)
{
    size_t length = size > LOCAL_SIZE ? dkvb__read16(start + 26) : 0;

    if (size < 4 || memcmp(start, "PK\3\4", 4) != 0)
        return false;
    return length > 4 && LOCAL_SIZE + length <= size && memcmp(start + LOCAL_SIZE + length - 4, ".npy", 4) == 0;
}

static dkvb_status damaged(const struct dkvb__file *file, const char *what)
{
    return dkvb__fail(DKVB_EFORMAT, "%.300s: zip file is damaged or cut off: %s", file->path, what);
}

/* Reads the central directory of the zip file into memory. */
static dkvb_status read_directory(struct directory *d, const dkvb_allocator *mem)
{
    const struct dkvb__file *file = d->file;
    size_t tail = file->size < END_SEARCH ? (size_t)file->size : END_SEARCH, at;
    unsigned char *bytes = dkvb__alloc(mem, tail + 1, 1), end64[END64_SIZE];
    uint64_t size = 0, offset = 0, end = 0;
    dkvb_status rc = bytes ? dkvb__file_read(file, file->size - tail, bytes, tail)
                           : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for its directory", file->path);

    if (!rc && tail < END_SIZE)
        rc = damaged(file, "it has no end record");
    for (at = rc ? 0 : tail - END_SIZE; !rc && memcmp(bytes + at, "PK\5\6", 4) != 0; at--)
        if (at == 0) {
            rc = damaged(file, "it has no end record");
            break;
        }
    if (!rc) {
        size = dkvb__read32(bytes + at + 12);
        offset = dkvb__read32(bytes + at + 16);
        end = file->size - tail + at;
        if (size == UINT32_MAX || offset == UINT32_MAX) {
            if (at < LOCATOR_SIZE || memcmp(bytes + at - LOCATOR_SIZE, "PK\6\7", 4) != 0)
                rc = damaged(file, "it has no ZIP64 locator");
            else
                end = dkvb__read64(bytes + at - LOCATOR_SIZE + 8);
            if (!rc && (end > file->size || file->size - end < END64_SIZE))
                rc = damaged(file, "its ZIP64 record lies outside");
            if (!rc)
                rc = dkvb__file_read(file, end, end64, sizeof end64);
            if (!rc && memcmp(end64, "PK\6\6", 4) != 0)
                rc = damaged(file, "it has no ZIP64 record");
            if (!rc) {
                size = dkvb__read64(end64 + 40);
                offset = dkvb__read64(end64 + 48);
            }
        }
    }
    dkvb__free(mem, bytes);
    if (!rc && (offset > end || end - offset < size))
        rc = damaged(file, "its directory lies outside");
    if (!rc && size > MOST_DIRECTORY)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: its directory has %llu bytes, at most %d are read", file->path,
                        (unsigned long long)size, MOST_DIRECTORY);
    if (rc)
        return rc;
    d->size = (size_t)size;
    d->bytes = dkvb__alloc(mem, d->size + 1, 1);
    if (!d->bytes)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for its directory", file->path);
    return dkvb__file_read(file, offset, d->bytes, d->size);
}

/* Takes a size or an offset of 64 bits from the extra field of a zip entry. The extra field of a zip entry has the
 * 64-bit values of those fields whose short values are full, in the order of the fields. */
static bool take_long(uint64_t *value, const unsigned char *extra, size_t size, size_t *used)
{
    if (*value != UINT32_MAX)
        return true;
    for (size_t at = 0; at + 4 <= size; at += 4 + dkvb__read16(extra + at + 2)) {
        size_t length = dkvb__read16(extra + at + 2);

        if (dkvb__read16(extra + at) != 1)
            continue;
        if (at + 4 + length > size || *used + 8 > length)
            return false;
        *value = dkvb__read64(extra + at + 4 + *used);
        *used += 8;
        return true;
    }
    return false;
}

/* Takes the entry of the zip file's central directory at *at, and moves *at behind the entry. */
static dkvb_status take_entry(const struct directory *d, size_t *at, struct entry *e)
{
    const unsigned char *b = d->bytes + *at;
    size_t left = d->size - *at, name, extra, comment, used = 0;

    if (left < ENTRY_SIZE || memcmp(b, "PK\1\2", 4) != 0)
        return damaged(d->file, "an entry of its directory is cut off");
    name = dkvb__read16(b + 28);
    extra = dkvb__read16(b + 30);
    comment = dkvb__read16(b + 32);
    if (left - ENTRY_SIZE < name + extra + comment)
        return damaged(d->file, "an entry of its directory is cut off");
    *e = (struct entry){.name = (const char *)b + ENTRY_SIZE,
                        .name_size = name,
                        .packed = dkvb__read32(b + 20),
                        .size = dkvb__read32(b + 24),
                        .offset = dkvb__read32(b + 42),
                        .crc = dkvb__read32(b + 16),
                        .flags = dkvb__read16(b + 8),
                        .method = dkvb__read16(b + 10)};
    if (!take_long(&e->size, b + ENTRY_SIZE + name, extra, &used) ||
        !take_long(&e->packed, b + ENTRY_SIZE + name, extra, &used) ||
        !take_long(&e->offset, b + ENTRY_SIZE + name, extra, &used))
        return damaged(d->file, "an entry of its directory lacks a size");
    *at += ENTRY_SIZE + name + extra + comment;
    return DKVB_OK;
}

static bool is_array(const struct entry *e)
{
    return e->name_size > 4 && memcmp(e->name + e->name_size - 4, ".npy", 4) == 0;
}

/* Finds an array in the .npz archive, and counts the arrays; `list` gets their names, cut short if there are many. */
static dkvb_status find(const struct directory *d, const char *name, struct entry *found, size_t *matches,
                        char list[200])
{
    size_t arrays = 0, length = 0;

    *matches = 0;
    list[0] = '\0';
    for (size_t at = 0; at < d->size;) {
        struct entry e;
        dkvb_status rc = take_entry(d, &at, &e);

        if (rc)
            return rc;
        if (!is_array(&e))
            continue;
        e.name_size -= 4;
        if (arrays++ < 8 && e.name_size < 200 - 8 - length) {
            bool plain = dkvb__utf8_valid(e.name, e.name_size);

            length += (size_t)snprintf(list + length, 200 - length, "%s%.*s", length ? ", " : "",
                                       plain ? (int)e.name_size : 1, plain ? e.name : "?");
        }
        if (!name || (strlen(name) == e.name_size && memcmp(name, e.name, e.name_size) == 0)) {
            *found = e;
            ++*matches;
        }
    }
    return DKVB_OK;
}

static void *zlib_alloc(void *mem, unsigned count, unsigned size)
{
    return dkvb__alloc(mem, count, size);
}

static void zlib_release(void *mem, void *ptr)
{
    dkvb__free(mem, ptr);
}

/* Unpacks the archive's member `e`, whose data begin at `offset`, into `to`, exactly e->size bytes. */
static dkvb_status unpack(const struct dkvb__file *file, const struct entry *e, uint64_t offset, unsigned char *to,
                          const dkvb_allocator *mem)
{
    enum { CHUNK = 65536 };
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_release, .opaque = (void *)(uintptr_t)mem};
    unsigned char *input = dkvb__alloc(mem, CHUNK, 1);
    uint64_t left = e->packed, room = e->size;
    int result = Z_OK;
    dkvb_status rc = DKVB_OK;

    if (!input || inflateInit2(&z, -15) != Z_OK) {
        dkvb__free(mem, input);
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory to unpack it", file->path);
    }
    z.next_out = to;
    while (!rc && result == Z_OK) {
        if (z.avail_in == 0 && left > 0) {
            z.avail_in = left < CHUNK ? (unsigned)left : CHUNK;
            z.next_in = input;
            rc = dkvb__file_read(file, offset, input, z.avail_in);
            offset += z.avail_in;
            left -= z.avail_in;
        }
        if (z.avail_out == 0 && room > 0) {
            z.avail_out = room < 1 << 30 ? (unsigned)room : 1 << 30;
            room -= z.avail_out;
        }
        if (!rc)
            result = inflate(&z, Z_NO_FLUSH);
    }
    if (!rc && (result != Z_STREAM_END || room > 0 || z.avail_out > 0 || left > 0 || z.avail_in > 0))
        rc = result == Z_MEM_ERROR ? dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory to unpack it", file->path)
                                   : dkvb__fail(DKVB_ECHECKSUM,
                                                "%.300s: member %.*s is damaged: it does not unpack to "
                                                "the %llu bytes that the directory promises",
                                                file->path, (int)(e->name_size < 60 ? e->name_size : 60), e->name,
                                                (unsigned long long)e->size);
    inflateEnd(&z);
    dkvb__free(mem, input);
    return rc;
}

static uint32_t crc_of(const unsigned char *data, size_t size)
{
    uLong crc = crc32(0, NULL, 0);

    for (size_t part; size > 0; data += part, size -= part) {
        part = size < 1 << 30 ? size : 1 << 30;
        crc = crc32(crc, data, (uInt)part);
    }
    return (uint32_t)crc;
}

static dkvb_status read_member(void **data, size_t *size, const struct dkvb__file *file, const struct entry *e,
                               const dkvb_allocator *mem)
{
    unsigned char local[LOCAL_SIZE];
    int shown = (int)(e->name_size < 60 ? e->name_size : 60);
    uint64_t offset = e->offset;
    unsigned char *to;
    dkvb_status rc;

    if ((e->flags & 1) || (e->method != 0 && e->method != 8))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: member %.*s is %s, members must be stored or deflated: "
                          "numpy.savez_compressed writes such",
                          file->path, shown, e->name, e->flags & 1 ? "encrypted" : "packed by another method");
    if (offset > file->size || file->size - offset < LOCAL_SIZE)
        return damaged(file, "a member lies outside");
    rc = dkvb__file_read(file, offset, local, sizeof local);
    if (rc)
        return rc;
    offset += LOCAL_SIZE + (uint64_t)dkvb__read16(local + 26) + dkvb__read16(local + 28);
    if (memcmp(local, "PK\3\4", 4) != 0 || offset > file->size || e->packed > file->size - offset)
        return damaged(file, "a member lies outside");
    if (e->method == 0 ? e->size != e->packed : e->size / MOST_RATIO > e->packed + 1 || e->size > PTRDIFF_MAX)
        return damaged(file, "a member promises more bytes than it can hold");
    to = dkvb__alloc(mem, (size_t)e->size + 1, 1);
    if (!to)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %llu bytes", file->path, (unsigned long long)e->size);
    rc = e->method == 0 ? dkvb__file_read(file, offset, to, (size_t)e->size) : unpack(file, e, offset, to, mem);
    if (!rc && crc_of(to, (size_t)e->size) != e->crc)
        rc = dkvb__fail(DKVB_ECHECKSUM, "%.300s: member %.*s is damaged: its checksum is wrong", file->path, shown,
                        e->name);
    if (rc)
        dkvb__free(mem, to);
    *data = rc ? NULL : to;
    *size = rc ? 0 : (size_t)e->size;
    return rc;
}

/* Reads one member of the .npz archive into new memory, which the caller frees. The argument `name` is the name of an
 * array in the archive, without ".npy"; NULL means the only array. */
static dkvb_status open_member(void **data, size_t *size, const struct dkvb__file *file, const char *name,
                               const dkvb_allocator *mem)
{
    struct directory d = {.file = file};
    struct entry e = {0};
    size_t matches = 0;
    char list[200];
    dkvb_status rc = read_directory(&d, mem);

    *data = NULL;
    if (!rc)
        rc = find(&d, name, &e, &matches, list);
    if (!rc && matches == 0)
        rc = name ? dkvb__fail(DKVB_ENOTFOUND, "%.200s: has no array '%.60s'; its arrays are %s", file->path, name,
                               list[0] ? list : "none")
                  : dkvb__fail(DKVB_EFORMAT, "%.200s: holds no array", file->path);
    if (!rc && matches > 1)
        rc = name ? damaged(file, "two members have the same name")
                  : dkvb__fail(DKVB_ENOTFOUND, "%.200s: holds the arrays %s; one must be chosen, as FILE.npz:NAME",
                               file->path, list);
    if (!rc)
        rc = read_member(data, size, file, &e, mem);
    dkvb__free(mem, d.bytes);
    return rc;
}

const char *dkvb__array_name(const char *path)
{
    const char *found = NULL;

    for (const char *at = strstr(path, ".npz:"); at; at = strstr(at + 1, ".npz:"))
        found = at + 5;
    return found && access(path, F_OK) != 0 ? found : NULL;
}

dkvb_status dkvb__source_open(struct dkvb__source *source, const char *path, const dkvb_allocator *mem)
{
    const char *name = dkvb__array_name(path);
    unsigned char start[512];
    struct dkvb__file file;
    char *archive = NULL;
    void *member;
    size_t size;
    dkvb_status rc;

    *source = (struct dkvb__source){.mem = *mem};
    if (name) {
        archive = dkvb__strdup(mem, path);
        if (!archive)
            return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for its name", path);
        archive[name - path - 1] = '\0';
    }
    rc = dkvb__file_open(&file, archive ? archive : path);
    if (!rc) {
        size = file.size < sizeof start ? (size_t)file.size : sizeof start;
        rc = dkvb__file_read(&file, 0, start, size);
        if (!rc && is_archive(start, size)) {
            rc = open_member(&member, &size, &file, name, mem);
            dkvb__file_close(&file);
            if (!rc) {
                source->member = member;
                source->file = dkvb__file_in_memory(member, size, path);
            }
        } else if (!rc && name) {
            rc = dkvb__fail(DKVB_EFORMAT, "%.200s: is no NumPy archive (.npz), so it has no array '%.60s'", archive,
                            name);
            dkvb__file_close(&file);
        } else if (rc) {
            dkvb__file_close(&file);
        } else {
            source->file = file;
        }
    }
    dkvb__free(mem, archive);
    return rc;
}

void dkvb__source_close(struct dkvb__source *source)
{
    if (source->member)
        dkvb__free(&source->mem, source->member);
    else
        dkvb__file_close(&source->file);
    source->member = NULL;
}
