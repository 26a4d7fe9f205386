#include "files.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/checksum.h"

static char folder[64];
static pid_t maker; /* id of the process that made the temporary folder, which a forked child must not remove */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_folder(void)
{
    if (getpid() == maker)
        nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *temp_folder(void)
{
    const char *base = getenv("TMPDIR");

    if (folder[0])
        return folder;
    snprintf(folder, sizeof folder, "%.40s/dkvb-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    maker = getpid();
    atexit(remove_folder);
    return folder;
}

const char *temp_path(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%.50s", temp_folder(), name);
    return path;
}

unsigned char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    unsigned char *data;

    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    *size = (size_t)st.st_size;
    data = malloc(*size + 1);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

void seal_file(unsigned char *data)
{
    size_t count = dkvb__read32(data + 24);

    for (size_t i = 0; i < count; i++) {
        unsigned char *e = data + 64 + 64 * i;

        dkvb__write64(e + 40, dkvb__checksum(data + dkvb__read64(e + 24), (size_t)dkvb__read64(e + 32)));
    }
    dkvb__write64(data + 32, 0);
    dkvb__write64(data + 32, dkvb__checksum(data, 64 + 64 * count));
}

unsigned char *file_table_line(unsigned char *data, const char *name)
{
    for (size_t i = 0; i < dkvb__read32(data + 24); i++)
        if (strcmp((const char *)data + 64 + 64 * i, name) == 0)
            return data + 64 + 64 * i;
    fail();
    return NULL;
}

unsigned char *file_section(unsigned char *data, const char *name, size_t *size)
{
    const unsigned char *line = file_table_line(data, name);

    *size = (size_t)dkvb__read64(line + 32);
    return data + dkvb__read64(line + 24);
}
