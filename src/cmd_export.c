/* dkvb export: a model as plain arrays, enough to recompute every answer elsewhere. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "args.h"
#include "input.h"
#include "json.h"
#include "output.h"
#include "progress.h"
#include "tool.h"

struct export_args {
    struct args args;
    const char *dir;
    bool json;
};

#define AT(member) offsetof(struct export_args, member)

static const struct args_option options[] = {
    {"dir", ARGS_TEXT, AT(dir), "DIR", .help = "folder for the files; made if it is not there", .required = true},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "export",
    .synopsis = "MODEL --dir DIR [--json]",
    .about =
        "Write a model as .npy arrays: projection [C][m][d], center [m], keys [C][K][d], values [C][K][L] (float32)\n"
        "and mask [C][K] (uint8, 1 = masked or purged).",
    .options = options,
    .size = sizeof(struct export_args),
    .least_operands = 1,
    .most_operands = 1,
};

/* One array of the export: its file, its type and shape, and where it comes from. */
struct part {
    const char *name;
    uint32_t dtype, ndim;
    uint64_t shape[3];
    dkvb_status (*copy)(const dkvb_model *model, void *out);
};

static dkvb_status copy_projection(const dkvb_model *model, void *out)
{
    return dkvb_codebooks_get_projection(dkvb_model_codebooks(model), out);
}

static dkvb_status copy_center(const dkvb_model *model, void *out)
{
    return dkvb_codebooks_get_center(dkvb_model_codebooks(model), out);
}

static dkvb_status copy_keys(const dkvb_model *model, void *out)
{
    return dkvb_codebooks_get_keys(dkvb_model_codebooks(model), out);
}

static dkvb_status copy_values(const dkvb_model *model, void *out)
{
    return dkvb_model_get_values(model, out);
}

static dkvb_status copy_mask(const dkvb_model *model, void *out)
{
    dkvb_mask *mask = NULL;
    dkvb_status status = dkvb_model_get_mask(model, &mask);

    if (status == DKVB_OK)
        dkvb_mask_get_bytes(mask, out);
    dkvb_mask_free(mask);
    return status;
}

static size_t extent(const struct part *part, uint32_t i)
{
    return i < part->ndim ? (size_t)part->shape[i] : 1;
}

static int write_part(const struct part *part, const dkvb_model *model, const char *dir)
{
    size_t size = strlen(dir) + strlen(part->name) + 2;
    char *path = input_memory("a file name", size, 1, 1, 1);
    void *data = NULL;
    int code = EXIT_FAILURE;

    if (path)
        data =
            input_memory(part->name, dkvb_dtype_size(part->dtype), extent(part, 0), extent(part, 1), extent(part, 2));
    if (data) {
        snprintf(path, size, "%s/%s", dir, part->name);
        code = tool_check(part->copy(model, data));
        if (code == EXIT_SUCCESS)
            code = output_npy(path, part->dtype, part->ndim, part->shape, data);
    }
    free(data);
    free(path);
    return code;
}

static int make_folder(const char *dir)
{
    struct stat st;

    if (mkdir(dir, 0777) == 0)
        return EXIT_SUCCESS;
    if (errno != EEXIST)
        return tool_fail("%s: cannot make the folder: %s", dir, strerror(errno));
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return tool_fail("%s: is not a folder", dir);
    return EXIT_SUCCESS;
}

static void report(const struct export_args *args, const dkvb_model_info *info, double seconds)
{
    if (!args->json) {
        printf("wrote 5 arrays to %s\n", args->dir);
        return;
    }
    json_open(NULL, '{');
    json_count("codebooks", info->codebooks);
    json_count("keys", info->keys);
    json_count("key_dim", info->key_dim);
    json_count("input_dim", info->input_dim);
    json_count("classes", info->classes);
    json_count("top_k", info->top_k);
    json_bool("normalize", info->normalize != 0);
    json_real("seconds", seconds);
    json_close('}');
}

static int export_parts(const struct export_args *args, const dkvb_model *model, const dkvb_model_info *info)
{
    uint64_t c = info->codebooks, k = info->keys, d = info->key_dim, m = info->input_dim, l = info->classes;
    const struct part parts[] = {
        {"projection.npy", DKVB_DTYPE_F32, 3, {c, m, d}, copy_projection},
        {"center.npy", DKVB_DTYPE_F32, 1, {m, 0, 0}, copy_center},
        {"keys.npy", DKVB_DTYPE_F32, 3, {c, k, d}, copy_keys},
        {"values.npy", DKVB_DTYPE_F32, 3, {c, k, l}, copy_values},
        {"mask.npy", DKVB_DTYPE_U8, 2, {c, k, 0}, copy_mask},
    };
    int code = make_folder(args->dir);

    for (size_t i = 0; i < sizeof parts / sizeof *parts && code == EXIT_SUCCESS; i++)
        code = write_part(&parts[i], model, args->dir);
    return code;
}

int cmd_export(int argc, char **argv)
{
    struct export_args args;
    dkvb_model *model = NULL;
    dkvb_model_info info;
    double began = progress_clock();
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    code = input_model_map(&model, args.args.operand[0], &info);
    if (code == EXIT_SUCCESS)
        code = export_parts(&args, model, &info);
    if (code == EXIT_SUCCESS)
        report(&args, &info, progress_clock() - began);
    dkvb_model_free(model);
    return code;
}
