/* Fuzz target for tables of every kind. The first byte of the input chooses what is read, which columns are given, and
 * whether there is a header. A table that is read must be as table.h promises, and be the same when it is read
 * again. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dkvb/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool put_file(char *path, const uint8_t *data, size_t size)
{
    int fd = mkstemp(path);
    bool whole = fd >= 0 && write(fd, data, size) == (ssize_t)size;

    return fd >= 0 && close(fd) == 0 && whole;
}

static dkvb_table_options choose(uint8_t byte)
{
    static const char *const given[] = {"b", "", "a"}, *const columns[] = {"a", "#2"};
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    o.what = byte % 4 == 3 ? DKVB_TABLE_ROWS : byte % 4;
    o.header = byte >> 2 & 3 ? (byte >> 2 & 3) - 1 : DKVB_HEADER_AUTO;
    o.label_column = byte & 0x10 ? "y" : NULL;
    o.id_column = byte & 0x20 ? "#1" : NULL;
    o.group_column = byte & 0x40 ? "#2" : NULL;
    o.group = (byte & 0x44) == 0x44 ? "a" : NULL;
    if (byte & 0x80) {
        o.label_names = given;
        o.label_name_count = 3;
        o.columns = o.what == DKVB_TABLE_ROWS && byte % 4 == 3 ? columns : NULL;
        o.column_count = o.columns ? 2 : 0;
    }
    return o;
}

static void look_at(const dkvb_table_info *info)
{
    size_t letters = 0;

    for (uint64_t i = 0; info->x && i < info->rows * info->columns; i++)
        check(isfinite(info->x[i]));
    for (uint64_t i = 0; info->column_names && i < info->columns; i++)
        letters += strlen(info->column_names[i]);
    for (uint64_t i = 0; info->labels && i < info->rows; i++)
        check(info->labels[i] >= -1 && (!info->label_names || info->labels[i] < (int64_t)info->label_count));
    for (uint64_t i = 0; i < info->label_count; i++)
        letters += strlen(info->label_names[i]);
    for (uint64_t i = 0; info->id_names && i < info->rows; i++)
        check(*info->id_names[i] != '\0');
    check(!info->ids || !info->id_names);
    check(info->group_count <= info->rows && letters < SIZE_MAX);
}

static bool same(const void *a, const void *b, uint64_t count, size_t size)
{
    return (a == NULL) == (b == NULL) && (!a || count == 0 || memcmp(a, b, (size_t)count * size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/dkvb-fuzz-table-XXXXXX";
    dkvb_table_options o = choose(size ? data[0] : 0);

    if (put_file(path, data + (size > 0), size - (size > 0))) {
        dkvb_table *tables[2] = {NULL, NULL};
        dkvb_table_info infos[2] = {DKVB_TABLE_INFO_INIT, DKVB_TABLE_INFO_INIT};
        dkvb_status rc = dkvb_table_read(&tables[0], path, &o, NULL);

        check(dkvb_table_read(&tables[1], path, &o, NULL) == rc && !rc == (tables[0] != NULL));
        for (size_t i = 0; !rc && i < 2; i++) {
            check(dkvb_table_get_info(tables[i], &infos[i]) == DKVB_OK);
            look_at(&infos[i]);
        }
        check(infos[0].rows == infos[1].rows && infos[0].columns == infos[1].columns);
        check(same(infos[0].x, infos[1].x, infos[0].rows * infos[0].columns, sizeof(float)) &&
              same(infos[0].labels, infos[1].labels, infos[0].rows, sizeof(int32_t)) &&
              same(infos[0].ids, infos[1].ids, infos[0].rows, sizeof(uint64_t)) &&
              same(infos[0].groups, infos[1].groups, infos[0].rows, sizeof(uint64_t)));
        dkvb_table_free(tables[0]);
        dkvb_table_free(tables[1]);
    }
    unlink(path);
    return 0;
}
