/* Tables through every reader. The first byte says what is wanted, whether columns are named, and how. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dkvb/dkvb.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads everything that the table says it holds, so that a sanitizer sees what is not there. */
static double look(const dkvb_table *table)
{
    dkvb_table_info info = DKVB_TABLE_INFO_INIT;
    double sum = 0;
    size_t length = 0;

    if (dkvb_table_get_info(table, &info))
        abort();
    for (uint64_t i = 0; info.x && i < info.rows * info.columns; i++)
        sum += (double)info.x[i];
    for (uint64_t i = 0; i < info.rows; i++) {
        if (info.labels && (info.labels[i] < -1 || (info.label_names && info.labels[i] >= (int64_t)info.label_count)))
            abort();
        sum += info.ids ? (double)info.ids[i] : 0.0;
        sum += info.groups ? (double)info.groups[i] : 0.0;
        length += info.id_names ? strlen(info.id_names[i]) : 0;
    }
    for (uint64_t i = 0; info.column_names && i < info.columns; i++)
        length += strlen(info.column_names[i]);
    for (uint64_t i = 0; info.label_names && i < info.label_count; i++)
        length += strlen(info.label_names[i]);
    return sum + (double)length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const columns[] = {"b", "#1"}, *const names[] = {"dog", "", "7"};
    char path[] = "/tmp/dkvb-fuzz-table-XXXXXX";
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
    dkvb_table *table = NULL;
    int fd = size > 0 ? mkstemp(path) : -1;

    if (fd < 0)
        return 0;
    o.what = data[0] % 3;
    o.header = data[0] / 3 % 3;
    o.label_column = data[0] & 16 ? "label" : NULL;
    o.id_column = data[0] & 32 ? "1" : NULL;
    o.group_column = data[0] & 64 ? "g" : NULL;
    o.columns = data[0] & 128 ? columns : NULL;
    o.column_count = o.columns ? 2 : 0;
    o.label_names = data[0] & 128 ? names : NULL;
    o.label_name_count = o.label_names ? 3 : 0;
    if (write(fd, data + 1, size - 1) == (ssize_t)(size - 1) && close(fd) == 0) {
        dkvb_status rc = dkvb_table_read(&table, path, &o, NULL);

        if (rc ? table != NULL : look(table) < -1e300) /* no sum of floats is so low */
            abort();
    }
    dkvb_table_free(table);
    unlink(path);
    return 0;
}
