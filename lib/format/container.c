#include "format/container.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/signature.h"
#include "base/status.h"
#include "bottleneck/model.h"
#include "dkvb/data.h"

enum { ALIGNMENT = 64, HEADER_SIZE = 64, ENTRY_SIZE = 64, MAX_SECTIONS = 1024 };
/* number of bytes of a section of a file that are made, checksummed and written at a time; 1 MiB fits in a core's
 * cache */
enum { PIECE = 1 << 20 };
enum { AT_VERSION = 8, AT_KIND = 12, AT_FILE_SIZE = 16, AT_COUNT = 24, AT_CHECKSUM = 32, AT_RESERVED = 40 };
enum { NAME_SIZE = 16, AT_DTYPE = 16, AT_FLAGS = 20, AT_OFFSET = 24, AT_SIZE = 32, AT_SECTION_SUM = 40, AT_REST = 48 };

/* The first eight bytes of a libdkvb file, designed like those of PNG: they show damage by a transfer in text mode. */
static const unsigned char magic[8] = {'D', 'K', 'V', 'B', '\r', '\n', 0x1A, '\n'};

static const char *const kinds[] = {"an unknown file", "a model", "a mask", "a file of codes", "a plan"};

static uint64_t align(uint64_t offset)
{
    return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool all_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

/* Returns the checksum of the header and the section table of a file, computed as if the checksum's own field were
 * zero. */
static uint64_t head_checksum(unsigned char *head, size_t size)
{
    uint64_t kept = dkvb__read64(head + AT_CHECKSUM), sum;

    dkvb__write64(head + AT_CHECKSUM, 0);
    sum = dkvb__checksum(head, size);
    dkvb__write64(head + AT_CHECKSUM, kept);
    return sum;
}

/* Checks the header of a file, its first 64 bytes, as far as possible without the file's section table. */
static dkvb_status check_header(struct dkvb__container *c, const unsigned char *h, uint32_t kind)
{
    const char *path = c->file.path;
    uint32_t found = dkvb__read32(h + AT_KIND);

    if (memcmp(h, magic, sizeof magic) != 0)
        return dkvb__fail_foreign_file(&c->file, DKVB__USE_OWN);
    c->major = dkvb__read16(h + AT_VERSION);
    c->minor = dkvb__read16(h + AT_VERSION + 2);
    if (c->major != DKVB__FORMAT_MAJOR)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: format %u.%u is not supported, this library reads %d.x: make the file again", path,
                          c->major, c->minor, DKVB__FORMAT_MAJOR);
    if (found != kind)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: is %s, %s is wanted", path,
                          kinds[found < sizeof kinds / sizeof *kinds ? found : 0], kinds[kind]);
    if (dkvb__read64(h + AT_FILE_SIZE) != c->file.size)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: has %llu bytes, its header says %llu", path,
                          (unsigned long long)c->file.size, (unsigned long long)dkvb__read64(h + AT_FILE_SIZE));
    c->count = dkvb__read32(h + AT_COUNT);
    if (c->count > MAX_SECTIONS)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %zu sections, at most %d are wanted", path, c->count, MAX_SECTIONS);
    return DKVB_OK;
}

static bool name_taken(const struct dkvb__container *c, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(c->sections[i].name, name) == 0)
            return true;
    return false;
}

/* Reads one entry of the section table of a file. The section that an entry of a file's section table names must start
 * directly after the section before it, at the next multiple of 64 bytes. */
static dkvb_status parse_entry(struct dkvb__container *c, size_t i, const unsigned char *e, uint64_t start)
{
    struct dkvb__section *s = &c->sections[i];
    size_t length;

    memcpy(s->name, e, NAME_SIZE);
    s->name[NAME_SIZE] = '\0';
    length = strlen(s->name);
    s->dtype = dkvb__read32(e + AT_DTYPE);
    s->flags = dkvb__read32(e + AT_FLAGS);
    s->offset = dkvb__read64(e + AT_OFFSET);
    s->size = dkvb__read64(e + AT_SIZE);
    s->checksum = dkvb__read64(e + AT_SECTION_SUM);
    if (length == 0 || !dkvb__utf8_valid(s->name, length) || !all_zero(e + length, NAME_SIZE - length) ||
        name_taken(c, i, s->name))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section %zu has no proper name of its own", c->file.path, i);
    if (s->offset != start || s->size > c->file.size - s->offset)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: section %s at byte %llu with %llu bytes: byte %llu and at most %llu "
                          "bytes are wanted",
                          c->file.path, s->name, (unsigned long long)s->offset, (unsigned long long)s->size,
                          (unsigned long long)start,
                          (unsigned long long)(start < c->file.size ? c->file.size - start : 0));
    if ((s->flags & ~(uint32_t)DKVB__SECTION_REQUIRED) || !all_zero(e + AT_REST, ENTRY_SIZE - AT_REST))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section %s uses fields this library does not know", c->file.path,
                          s->name);
    return DKVB_OK;
}

/* Checks that the padding bytes of a file between `from` and `to`, fewer than ALIGNMENT, are zero. */
static dkvb_status check_padding(const struct dkvb__container *c, uint64_t from, uint64_t to)
{
    unsigned char bytes[ALIGNMENT];
    dkvb_status rc = dkvb__file_read(&c->file, from, bytes, (size_t)(to - from));

    if (!rc && !all_zero(bytes, (size_t)(to - from)))
        rc = dkvb__fail(DKVB_ECHECKSUM, "%.300s: padding at byte %llu is not zero", c->file.path,
                        (unsigned long long)from);
    return rc;
}

static dkvb_status parse_table(struct dkvb__container *c, const unsigned char *head)
{
    uint64_t end = HEADER_SIZE + c->count * ENTRY_SIZE;

    c->sections = dkvb__alloc0(c->mem, c->count, sizeof *c->sections);
    if (!c->sections)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    for (size_t i = 0; i < c->count; i++) {
        uint64_t start = align(end);
        dkvb_status rc;

        if (start > c->file.size)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: ends before section %zu", c->file.path, i);
        rc = parse_entry(c, i, head + HEADER_SIZE + i * ENTRY_SIZE, start);
        if (!rc)
            rc = check_padding(c, end, start);
        if (rc)
            return rc;
        end = start + c->sections[i].size;
    }
    if (end != c->file.size)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu bytes, the last section ends at %llu", c->file.path,
                          (unsigned long long)c->file.size, (unsigned long long)end);
    return DKVB_OK;
}

static dkvb_status read_head(struct dkvb__container *c, uint32_t kind)
{
    unsigned char header[HEADER_SIZE], *head;
    size_t size;
    dkvb_status rc;

    if (c->file.size < HEADER_SIZE) {
        unsigned char start[4] = {0};

        if (c->file.size < sizeof start || dkvb__file_read(&c->file, 0, start, sizeof start) ||
            memcmp(start, magic, sizeof start) != 0)
            return dkvb__fail_foreign_file(&c->file, DKVB__USE_OWN);
        return dkvb__fail(DKVB_EFORMAT, "%.300s: has %llu bytes, a header of %d is wanted", c->file.path,
                          (unsigned long long)c->file.size, HEADER_SIZE);
    }
    rc = dkvb__file_read(&c->file, 0, header, sizeof header);
    if (!rc)
        rc = check_header(c, header, kind);
    if (rc)
        return rc;
    size = HEADER_SIZE + c->count * ENTRY_SIZE;
    head = dkvb__alloc(c->mem, size, 1);
    if (!head)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    rc = dkvb__file_read(&c->file, 0, head, size);
    if (!rc && (head_checksum(head, size) != dkvb__read64(head + AT_CHECKSUM)))
        rc = dkvb__fail(DKVB_ECHECKSUM, "%.300s: header or section table is damaged", c->file.path);
    if (!rc && (dkvb__read32(head + AT_COUNT + 4) != 0 || !all_zero(head + AT_RESERVED, HEADER_SIZE - AT_RESERVED)))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: the header uses fields this library does not know", c->file.path);
    if (!rc)
        rc = parse_table(c, head);
    dkvb__free(c->mem, head);
    return rc;
}

dkvb_status dkvb__container_take(struct dkvb__container *c, const struct dkvb__file *file, uint32_t kind,
                                 const dkvb_allocator *mem)
{
    dkvb_status rc;

    *c = (struct dkvb__container){.mem = mem, .file = *file};
    rc = read_head(c, kind);
    if (rc)
        dkvb__container_close(c);
    return rc;
}

dkvb_status dkvb__container_open(struct dkvb__container *c, const char *path, uint32_t kind, const dkvb_allocator *mem)
{
    struct dkvb__file file;
    dkvb_status rc = dkvb__file_open(&file, path);

    return rc ? rc : dkvb__container_take(c, &file, kind, mem);
}

void dkvb__container_close(struct dkvb__container *c)
{
    dkvb__free(c->mem, c->sections);
    c->sections = NULL;
    dkvb__file_close(&c->file);
}

const struct dkvb__section *dkvb__container_find(const struct dkvb__container *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->sections[i].name, name) == 0)
            return &c->sections[i];
    return NULL;
}

dkvb_status dkvb__container_need_only(const struct dkvb__container *c, const char *const *names, size_t count)
{
    for (size_t i = 0; i < c->count; i++) {
        bool known = !(c->sections[i].flags & DKVB__SECTION_REQUIRED);

        for (size_t n = 0; !known && n < count; n++)
            known = strcmp(names[n], c->sections[i].name) == 0;
        if (!known)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: needs section %s, which this library does not know", c->file.path,
                              c->sections[i].name);
    }
    return DKVB_OK;
}

dkvb_status dkvb__container_need(const struct dkvb__container *c, const char *name, uint32_t dtype, uint64_t size,
                                 const struct dkvb__section **section)
{
    const struct dkvb__section *s = dkvb__container_find(c, name);

    if (!s)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: has no section %s", c->file.path, name);
    if (s->dtype != dtype)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section %s holds elements of type %u, %u is wanted", c->file.path,
                          name, s->dtype, dtype);
    if (size != UINT64_MAX && s->size != size)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: section %s has %llu bytes, %llu are wanted", c->file.path, name,
                          (unsigned long long)s->size, (unsigned long long)size);
    *section = s;
    return DKVB_OK;
}

dkvb_status dkvb__section_check(const char *path, const struct dkvb__section *s, const void *data)
{
    if (dkvb__checksum(data, (size_t)s->size) != s->checksum)
        return dkvb__fail(DKVB_ECHECKSUM, "%.300s: section %s is damaged", path, s->name);
    return DKVB_OK;
}

dkvb_status dkvb__section_read(const struct dkvb__container *c, const struct dkvb__section *s, void *to)
{
    dkvb_status rc = dkvb__file_read(&c->file, s->offset, to, (size_t)s->size);

    return rc ? rc : dkvb__section_check(c->file.path, s, to);
}

dkvb_status dkvb__section_verify(const struct dkvb__container *c, const struct dkvb__section *s)
{
    struct dkvb__checksum_state sum;
    unsigned char *piece = dkvb__alloc(c->mem, PIECE, 1);
    dkvb_status rc = DKVB_OK;

    if (!piece)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory to check section %s", c->file.path, s->name);
    dkvb__checksum_begin(&sum);
    for (uint64_t done = 0, size; !rc && done < s->size; done += size) {
        size = s->size - done < PIECE ? s->size - done : PIECE;
        rc = dkvb__file_read(&c->file, s->offset + done, piece, (size_t)size);
        if (!rc)
            dkvb__checksum_add(&sum, piece, (size_t)size);
    }
    if (!rc && dkvb__checksum_end(&sum) != s->checksum)
        rc = dkvb__fail(DKVB_ECHECKSUM, "%.300s: section %s is damaged", c->file.path, s->name);
    dkvb__free_erased(c->mem, piece);
    dkvb__erase(&sum, sizeof sum); /* the checksum's state is erased, as it holds the last bytes of the section */
    return rc;
}

dkvb_status dkvb__section_read_new(const struct dkvb__container *c, const struct dkvb__section *s, void **out)
{
    dkvb_status rc;

    *out = dkvb__alloc(c->mem, (size_t)s->size, 1);
    if (!*out)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for section %s of %llu bytes", c->file.path, s->name,
                          (unsigned long long)s->size);
    rc = dkvb__section_read(c, s, *out);
    if (rc) {
        dkvb__free(c->mem, *out);
        *out = NULL;
    }
    return rc;
}

/* Destination of the bytes of a file that is being written: the writer of a path, or memory. */
struct sink {
    /* writer of the path that an output is written to, if the output is a path and not memory */
    struct dkvb__writer writer;
    unsigned char *memory;
    uint64_t at; /* number of bytes that have been written already to the file that is being made */
    struct dkvb__checksum_state sum;
    /* buffer for bytes of a section on their way to a file; NULL if no section is made by a function */
    unsigned char *piece;
};

static dkvb_status put(struct sink *sink, const void *data, size_t size)
{
    dkvb_status rc = DKVB_OK;

    if (!sink->memory)
        rc = dkvb__writer_put(&sink->writer, data, size);
    else if (size > 0)
        memcpy(sink->memory + sink->at, data, size);
    sink->at += size;
    return rc;
}

/* Returns the number of bytes of a file's section that are made or copied at a time: whole units (such as rows), at
 * least one. */
static uint64_t piece_size(const struct dkvb__part *part)
{
    uint64_t unit = part->produce ? part->unit : 1, size = unit < PIECE ? PIECE / unit * unit : unit;

    return size < part->size ? size : part->size;
}

/* Writes the bytes of a section, and computes their checksum. If a file is written to memory, its bytes are made at
 * their final place there, without a copy. */
static dkvb_status put_part(struct sink *sink, const struct dkvb__part *part, uint64_t *sum)
{
    uint64_t step = piece_size(part);
    dkvb_status rc = DKVB_OK;

    dkvb__checksum_begin(&sink->sum);
    for (uint64_t done = 0; !rc && done < part->size; done += step) {
        size_t size = (size_t)(part->size - done < step ? part->size - done : step);
        const unsigned char *from = part->data;

        if (part->produce) {
            unsigned char *to = sink->memory ? sink->memory + sink->at : sink->piece;

            rc = part->produce(part->context, done, to, size);
            from = to;
        } else {
            from += done;
        }
        if (rc)
            break;
        dkvb__checksum_add(&sink->sum, from, size);
        if (part->produce && sink->memory)
            /* in a file that is written to memory, the bytes of the section are at their place already */
            sink->at += size;
        else
            rc = put(sink, from, size);
    }
    *sum = dkvb__checksum_end(&sink->sum);
    return rc;
}

/* Fills in the header and the section table of a file with the given sections, except the checksums. */
static void build_head(unsigned char *head, uint32_t kind, const struct dkvb__part *parts, size_t count)
{
    uint64_t end = HEADER_SIZE + count * ENTRY_SIZE;

    for (size_t i = 0; i < count; i++) {
        unsigned char *e = head + HEADER_SIZE + i * ENTRY_SIZE;

        memcpy(e, parts[i].name, strlen(parts[i].name));
        dkvb__write32(e + AT_DTYPE, parts[i].dtype);
        dkvb__write32(e + AT_FLAGS, parts[i].flags);
        dkvb__write64(e + AT_OFFSET, align(end));
        dkvb__write64(e + AT_SIZE, parts[i].size);
        end = align(end) + parts[i].size;
    }
    memcpy(head, magic, sizeof magic);
    dkvb__write16(head + AT_VERSION, DKVB__FORMAT_MAJOR);
    dkvb__write16(head + AT_VERSION + 2, DKVB__FORMAT_MINOR);
    dkvb__write32(head + AT_KIND, kind);
    dkvb__write64(head + AT_FILE_SIZE, end);
    dkvb__write32(head + AT_COUNT, (uint32_t)count);
}

/* Writes all bytes of a new file. The checksums in the header and the section table of a file are known only after its
 * last section, so header and table are written twice: first as a placeholder, and at the end with the checksums. */
static dkvb_status put_file(struct sink *sink, unsigned char *head, const struct dkvb__part *parts, size_t count)
{
    static const unsigned char zeros[ALIGNMENT];
    size_t size = HEADER_SIZE + count * ENTRY_SIZE;
    dkvb_status rc = put(sink, head, size);

    for (size_t i = 0; !rc && i < count; i++) {
        uint64_t sum;

        rc = put(sink, zeros, (size_t)(align(sink->at) - sink->at));
        if (!rc)
            rc = put_part(sink, &parts[i], &sum);
        if (!rc)
            dkvb__write64(head + HEADER_SIZE + i * ENTRY_SIZE + AT_SECTION_SUM, sum);
    }
    if (rc)
        return rc;
    dkvb__write64(head + AT_CHECKSUM, head_checksum(head, size));
    if (!sink->memory)
        return dkvb__writer_put_at(&sink->writer, 0, head, size);
    memcpy(sink->memory, head, size);
    return DKVB_OK;
}

/* Returns the number of bytes that writing to a path needs for sections that a function makes; 0 if all sections lie in
 * memory. */
static size_t piece_room(const struct dkvb__part *parts, size_t count)
{
    uint64_t most = 0;

    for (size_t i = 0; i < count; i++)
        if (parts[i].produce && piece_size(&parts[i]) > most)
            most = piece_size(&parts[i]);
    return (size_t)most;
}

/* Ends a file whose sections were written with the result `rc`: gives the file its name, or hands it to the caller, who
 * gives the file its name later. */
static dkvb_status end_file(struct dkvb__writer *writer, dkvb_status rc, struct dkvb__writer *held)
{
    if (rc || !held)
        return dkvb__writer_end(writer, rc);
    rc = dkvb__writer_flush(writer);
    if (rc)
        dkvb__writer_abort(writer);
    else
        *held = *writer;
    return rc;
}

static dkvb_status write_to_path(struct sink *sink, const struct dkvb__output *to, unsigned char *head,
                                 const struct dkvb__part *parts, size_t count, const dkvb_allocator *mem)
{
    size_t room = piece_room(parts, count);
    dkvb_status rc;

    sink->piece = room > 0 ? dkvb__alloc(mem, room, 1) : NULL;
    if (room > 0 && !sink->piece)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to write %.300s", to->path);
    rc = dkvb__writer_begin(&sink->writer, to->path, mem);
    if (!rc)
        rc = end_file(&sink->writer, put_file(sink, head, parts, count), to->held);
    dkvb__free_erased(mem, sink->piece);
    return rc;
}

/* Writes a libdkvb file to new memory, which the caller frees. After a failure of writing to memory, no memory stays
 * allocated. */
static dkvb_status write_to_memory(struct sink *sink, struct dkvb__output *to, unsigned char *head,
                                   const struct dkvb__part *parts, size_t count, const dkvb_allocator *mem)
{
    dkvb_status rc;

    to->size = (size_t)dkvb__read64(head + AT_FILE_SIZE);
    to->memory = sink->memory = dkvb__alloc0(mem, to->size, 1);
    if (!to->memory)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu bytes to be written", to->size);
    rc = put_file(sink, head, parts, count);
    if (rc) {
        dkvb__free_erased(mem, to->memory);
        to->memory = NULL;
    }
    return rc;
}

dkvb_status dkvb__container_write(struct dkvb__output *to, uint32_t kind, const struct dkvb__part *parts, size_t count,
                                  const dkvb_allocator *mem)
{
    unsigned char *head = dkvb__alloc0(mem, HEADER_SIZE + count * ENTRY_SIZE, 1);
    struct sink sink = {0};
    dkvb_status rc;

    if (!head) {
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory");
    } else {
        build_head(head, kind, parts, count);
        rc = to->path ? write_to_path(&sink, to, head, parts, count, mem)
                      : write_to_memory(&sink, to, head, parts, count, mem);
    }
    /* the checksum's state is erased, as it holds the last bytes of the file */
    dkvb__erase(&sink.sum, sizeof sink.sum);
    dkvb__free(mem, head);
    return rc;
}
