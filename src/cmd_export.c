/* dkvb export: a model as plain arrays, enough to recompute every answer elsewhere. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "input.h"
#include "json.h"
#include "output.h"
#include "paths.h"
#include "progress.h"
#include "tool.h"

enum { PARTS = 5 }; /* arrays of an export */

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
    char *path; /* of the file, ours */
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

static int write_part(const struct part *part, const dkvb_model *model)
{
    void *data =
        input_memory(part->name, dkvb_dtype_size(part->dtype), extent(part, 0), extent(part, 1), extent(part, 2));
    int code;

    if (!data)
        return EXIT_FAILURE;
    code = tool_check(part->copy(model, data));
    if (code == EXIT_SUCCESS)
        code = output_npy(part->path, part->dtype, part->ndim, part->shape, data);
    free(data);
    return code;
}

/* The model may lie in the folder, under the name of an array. */
static int check_paths(const struct export_args *args, const struct part *parts)
{
    const struct path inputs[] = {{"MODEL", args->args.operand[0]}, {0}};
    struct path outputs[PARTS + 1] = {{0}};

    for (size_t i = 0; i < PARTS; i++)
        outputs[i] = (struct path){"an output", parts[i].path};
    return paths_check_in_folder(&command, args->dir, inputs, outputs);
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

static int write_parts(const struct export_args *args, const dkvb_model *model, struct part *parts)
{
    int code = EXIT_SUCCESS;

    for (size_t i = 0; i < PARTS && code == EXIT_SUCCESS; i++)
        code = (parts[i].path = paths_join(args->dir, parts[i].name)) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (code == EXIT_SUCCESS)
        code = check_paths(args, parts);
    if (code == EXIT_SUCCESS) /* whoever gets the arrays has no checksums to find damage by */
        code = tool_check(dkvb_model_verify(model));
    if (code == EXIT_SUCCESS)
        code = paths_make_folder(args->dir);
    for (size_t i = 0; i < PARTS && code == EXIT_SUCCESS; i++)
        code = write_part(&parts[i], model);
    return code;
}

static int export_parts(const struct export_args *args, const dkvb_model *model, const dkvb_model_info *info)
{
    uint64_t c = info->codebooks, k = info->keys, d = info->key_dim, m = info->input_dim, l = info->classes;
    struct part parts[PARTS] = {
        {"projection.npy", NULL, DKVB_DTYPE_F32, 3, {c, m, d}, copy_projection},
        {"center.npy", NULL, DKVB_DTYPE_F32, 1, {m, 0, 0}, copy_center},
        {"keys.npy", NULL, DKVB_DTYPE_F32, 3, {c, k, d}, copy_keys},
        {"values.npy", NULL, DKVB_DTYPE_F32, 3, {c, k, l}, copy_values},
        {"mask.npy", NULL, DKVB_DTYPE_U8, 2, {c, k, 0}, copy_mask},
    };
    int code = write_parts(args, model, parts);

    for (size_t i = 0; i < PARTS; i++)
        free(parts[i].path);
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
