/* Tests of the common file layout: a section whose bytes a function produces equals a section written from memory. */
#include "fixture.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "format/container.h"

enum { SIZE = 6 << 20 }; /* bytes of the large section, which is written in six pieces */

/* A producer of a section's bytes, which copies from memory and records the offsets it is asked for. */
struct source {
    const unsigned char *bytes;
    uint64_t next;  /* offset at which the next piece must begin */
    size_t unit;    /* number of bytes of which every piece must be a multiple */
    size_t largest; /* size of the largest piece so far */
    uint64_t fails; /* offset at which the producer fails; UINT64_MAX = never */
};

static dkvb_status produce(void *context, uint64_t offset, void *to, size_t size)
{
    struct source *s = context;

    assert_true(offset == s->next);
    assert_true(size > 0 && size % s->unit == 0);
    if (offset >= s->fails)
        return dkvb__fail(DKVB_EIO, "the source broke off");
    memcpy(to, s->bytes + offset, size);
    s->next += size;
    s->largest = size > s->largest ? size : s->largest;
    return DKVB_OK;
}

static unsigned char *random_bytes(size_t size)
{
    unsigned char *bytes = malloc(size);
    uint32_t state = 1;

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(state >> 24);
    }
    return bytes;
}

/* Writes a file of three sections; the one in the middle is made by `source`, or comes from memory if that is NULL. */
static dkvb_status write_sections(struct dkvb__output *to, const unsigned char *bytes, size_t size,
                                  struct source *source, const dkvb_allocator *mem)
{
    struct dkvb__part parts[3] = {
        dkvb__part_of("before", DKVB__DTYPE_BYTES, 0, bytes, 5),
        dkvb__part_of("large", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, source ? NULL : bytes, size),
        dkvb__part_of("after", DKVB__DTYPE_BYTES, 0, bytes, 77),
    };

    if (source) {
        parts[1].produce = produce;
        parts[1].context = source;
        parts[1].unit = source->unit;
    }
    return dkvb__container_write(to, DKVB__KIND_MASK, parts, 3, mem);
}

/* Units of a section: one byte, a row that does not divide a piece, and more than a piece. */
static const size_t units[] = {1, 24, 999, (3 << 20) / 2};

static void a_section_from_a_producer_has_the_bytes_of_one_from_memory(void **state)
{
    struct failing_alloc counts;
    dkvb_allocator mem = failing_allocator(&counts, SIZE_MAX);
    unsigned char *bytes = random_bytes(SIZE);
    const char *path = temp_path("produced");

    (void)state;
    for (size_t u = 0; u < sizeof units / sizeof *units; u++)
        for (size_t pieces = 0; pieces < 2; pieces++) { /* an empty section, then a section of several pieces */
            size_t size = pieces * SIZE / units[u] * units[u], from_path;
            struct source source[2] = {{bytes, 0, units[u], 0, UINT64_MAX}, {bytes, 0, units[u], 0, UINT64_MAX}};
            struct dkvb__output plain = {0}, made = {0};
            struct dkvb__container c;
            unsigned char *data;

            assert_ok(write_sections(&plain, bytes, size, NULL, &mem));
            assert_ok(write_sections(&made, bytes, size, &source[0], &mem));
            assert_ok(write_sections(&(struct dkvb__output){.path = path}, bytes, size, &source[1], &mem));
            data = read_file(path, &from_path);
            assert_int_equal(made.size, plain.size);
            assert_memory_equal(made.memory, plain.memory, plain.size);
            assert_int_equal(from_path, plain.size);
            assert_memory_equal(data, plain.memory, plain.size);
            assert_int_equal(source[0].next, size);
            assert_int_equal(source[1].next, size);
            /* the pieces are smaller than the section */
            assert_true(source[1].largest < SIZE / 2);
            /* the checksums of the header and section table are right */
            assert_ok(dkvb__container_open(&c, path, DKVB__KIND_MASK, &mem));
            assert_ok(dkvb__section_check(path, dkvb__container_find(&c, "large"),
                                          data + dkvb__container_find(&c, "large")->offset));
            dkvb__container_close(&c);
            free(data);
            dkvb__free(&mem, plain.memory);
            dkvb__free(&mem, made.memory);
        }
    assert_int_equal(counts.live, 0);
    free(bytes);
}

/* Returns the number of files in the folder of the test program. */
static size_t files_in_folder(void)
{
    DIR *folder = opendir(temp_folder());
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void a_producer_that_fails_leaves_no_file_and_no_memory(void **state)
{
    const uint64_t places[] = {0, 2 << 20, SIZE - 1};
    struct failing_alloc counts;
    dkvb_allocator mem = failing_allocator(&counts, SIZE_MAX);
    unsigned char *bytes = random_bytes(SIZE);
    size_t before = files_in_folder();

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t way = 0; way < 2; way++) {
            struct source source = {bytes, 0, 1, 0, places[i] & ~(uint64_t)0xFFFFF};
            struct dkvb__output to = {.path = way ? temp_path("broken") : NULL};

            assert_int_equal(write_sections(&to, bytes, SIZE, &source, &mem), DKVB_EIO);
            assert_message("the source broke off");
            assert_null(to.memory);
            assert_int_equal(counts.live, 0);
            assert_int_equal(files_in_folder(), before);
        }
    free(bytes);
}

static void writing_sections_survives_every_failing_allocation(void **state)
{
    unsigned char *bytes = random_bytes(SIZE);
    size_t before = files_in_folder();

    (void)state;
    for (size_t way = 0; way < 2; way++)
        for (size_t fail_at = 0;; fail_at++) {
            struct failing_alloc counts;
            dkvb_allocator mem = failing_allocator(&counts, fail_at);
            struct source source = {bytes, 0, 24, 0, UINT64_MAX};
            struct dkvb__output to = {.path = way ? temp_path("short") : NULL};
            dkvb_status rc = write_sections(&to, bytes, SIZE, &source, &mem);

            dkvb__free(&mem, to.memory);
            assert_int_equal(counts.live, 0);
            assert_int_equal(files_in_folder(), before + (way && !rc));
            if (!rc)
                break;
            assert_int_equal(rc, DKVB_ENOMEM);
            assert_true(fail_at < 20);
        }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_from_a_producer_has_the_bytes_of_one_from_memory),
        cmocka_unit_test(a_producer_that_fails_leaves_no_file_and_no_memory),
        cmocka_unit_test(writing_sections_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
