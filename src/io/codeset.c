#include "io/codeset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

int codeset_is(const char *path, bool *is)
{
    static const char magic[4] = {'D', 'K', 'V', 'B'};
    char first[sizeof magic];
    struct stat st;
    int code = EXIT_SUCCESS;
    FILE *file;

    *is = false;
    if (stat(path, &st) != 0)
        return tool_fail("%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) /* opening a pipe would wait for a writer */
        return tool_fail("%s: is not a regular file", path);
    file = fopen(path, "rb");
    if (!file)
        return tool_fail("%s: cannot open: %s", path, strerror(errno));
    *is = fread(first, 1, sizeof first, file) == sizeof first && memcmp(first, magic, sizeof magic) == 0;
    if (ferror(file)) /* a file that cannot be read is not one of another kind */
        code = tool_fail("%s: cannot read: %s", path, strerror(errno));
    fclose(file);
    return code;
}

int codeset_load(dkvb_codeset **out, const char *path, const dkvb_model *model)
{
    double began = progress_clock();
    int code;

    paths_keep_private(path);
    code = tool_check(dkvb_codeset_load(out, path, model ? dkvb_model_codebooks(model) : NULL, NULL));
    progress_add_file(began);
    return code;
}

int codeset_read(dkvb_codeset **out, const char *path, const dkvb_model *model, uint32_t threads)
{
    dkvb_run_options run = progress_start("search", threads);
    int code = codeset_load(out, path, model);

    if (code == EXIT_SUCCESS)
        code = tool_check_about(path, dkvb_codeset_search(*out, dkvb_model_codebooks(model), DKVB_PART_BOTH, &run));
    progress_stop();
    return code;
}
