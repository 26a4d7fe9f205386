#include "io/ids.h"

#include <stdlib.h>
#include <string.h>

#include <dkvb/dkvb.h>

#include "io/input.h"
#include "io/paths.h"
#include "tool.h"

int ids_read(struct ids *out, const char *path)
{
    dkvb_array array = DKVB_ARRAY_INIT;
    int code;

    *out = (struct ids){.path = path};
    paths_keep_private(path);
    code = tool_check(dkvb_array_read(&array, path, DKVB_READ_IDS, NULL));
    if (code)
        return code;
    out->n = (size_t)array.shape[0];
    out->id = input_memory("row ids", sizeof *out->id, out->n, 1, 1);
    if (out->id && out->n > 0)
        memcpy(out->id, array.data, out->n * sizeof *out->id);
    dkvb_array_free(&array);
    return out->id ? EXIT_SUCCESS : EXIT_FAILURE;
}

int ids_of_rows(struct ids *out, const char *path, const char *of, size_t rows)
{
    int code;

    if (path) {
        code = ids_read(out, path);
        if (code == EXIT_SUCCESS && out->n != rows)
            code = tool_fail("%s has %zu ids, %s has %zu rows: as many of both are wanted", path, out->n, of, rows);
        return code;
    }
    *out = (struct ids){.n = rows, .id = input_memory("row ids", sizeof *out->id, rows, 1, 1)};
    for (size_t i = 0; out->id && i < rows; i++)
        out->id[i] = i;
    return out->id ? EXIT_SUCCESS : EXIT_FAILURE;
}

void ids_free(struct ids *ids)
{
    free(ids->id);
    ids->id = NULL;
}
