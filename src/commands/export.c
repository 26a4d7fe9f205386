/* dkvb export: a model as plain arrays, enough to recompute every answer elsewhere. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

enum { MOST_PARTS = 8 }; /* arrays of an export */

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
    .about = "Write a model as .npy arrays: center [m], whitening [m][m] if rows are whitened, scales [C], values "
             "[C][K][L]\n"
             "(float32); signs [rounds][size], keys [C][K][d] (int8); order [C][d] (uint32); mask [C][K] (uint8, 1 = "
             "masked\n"
             "or purged). docs/numerics.md says how a row becomes a code.",
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
    dkvb_status (*copy)(const dkvb_model *model, void *out); /* NULL: the model has none */
};

/* Signs and order come from one call; each file keeps its own half. */
static dkvb_status copy_half(const dkvb_model *model, void *out, bool wants_signs)
{
    dkvb_codebooks_info info = DKVB_CODEBOOKS_INFO_INIT;
    const dkvb_codebooks *codebooks = dkvb_model_codebooks(model);
    dkvb_status status = dkvb_codebooks_get_info(codebooks, &info);
    void *other = NULL;

    if (status)
        return status;
    other = wants_signs ? input_memory("order", sizeof(uint32_t), info.codebooks, info.key_dim, 1)
                        : input_memory("signs", 1, info.rounds, info.round_size, 1);
    if (!other)
        return DKVB_ENOMEM;
    status = wants_signs ? dkvb_codebooks_get_projection(codebooks, out, other)
                         : dkvb_codebooks_get_projection(codebooks, other, out);
    free(other);
    return status;
}

static dkvb_status copy_signs(const dkvb_model *model, void *out)
{
    return copy_half(model, out, true);
}

static dkvb_status copy_order(const dkvb_model *model, void *out)
{
    return copy_half(model, out, false);
}

static dkvb_status copy_scales(const dkvb_model *model, void *out)
{
    return dkvb_codebooks_get_scales(dkvb_model_codebooks(model), out);
}

static dkvb_status copy_whitening(const dkvb_model *model, void *out)
{
    return dkvb_codebooks_get_whitening(dkvb_model_codebooks(model), out);
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
    /* no part has elements of more than 4 bytes */
    void *data = input_memory(part->name, sizeof(float), extent(part, 0), extent(part, 1), extent(part, 2));
    int code;

    if (!data)
        return EXIT_FAILURE;
    code = tool_check(part->copy(model, data));
    if (code == EXIT_SUCCESS)
        code = output_npy(part->path, part->dtype, part->ndim, part->shape, data);
    free(data);
    return code;
}

/* An array that this model does not have, left by an export of another: with it the others would tell a lie. */
static int remove_part(const struct part *part)
{
    if (remove(part->path) == 0)
        tool_note("%s: removed, since it is of an earlier export and this model does not whiten rows", part->path);
    else if (errno != ENOENT)
        return tool_fail("%s: cannot remove: %s; it is of an earlier export and does not belong to this model",
                         part->path, strerror(errno));
    return EXIT_SUCCESS;
}

/* The model may lie in the folder, under the name of an array. */
static int check_paths(const struct export_args *args, const struct part *parts)
{
    const struct path inputs[] = {{"MODEL", args->args.operand[0]}, {0}};
    struct path outputs[MOST_PARTS + 1] = {{0}};

    for (size_t i = 0; parts[i].name; i++)
        outputs[i] = (struct path){"an output", parts[i].path};
    return paths_check_in_folder(&command, args->dir, inputs, outputs);
}

static void report(const struct export_args *args, const dkvb_model_info *info, bool whitened, double seconds)
{
    if (!args->json) {
        printf("wrote the arrays to %s: rows are centred%s%s, top %" PRIu32 " keys selected, logits for probabilities "
               "divided by %.6g\n",
               args->dir, whitened ? ", half whitened" : "", info->normalize ? ", scaled to length 1" : "", info->top_k,
               info->temperature);
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
    json_bool("whitened", whitened);
    json_real("temperature", info->temperature);
    json_real("seconds", seconds);
    json_close('}');
}

static int write_parts(const struct export_args *args, const dkvb_model *model, struct part *parts)
{
    int code = EXIT_SUCCESS;

    for (size_t i = 0; parts[i].name && code == EXIT_SUCCESS; i++)
        code = (parts[i].path = paths_join(args->dir, parts[i].name)) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (code == EXIT_SUCCESS)
        code = check_paths(args, parts);
    if (code == EXIT_SUCCESS) /* whoever gets the arrays has no checksums to find damage by */
        code = tool_check(dkvb_model_verify(model));
    if (code == EXIT_SUCCESS)
        code = paths_make_folder(args->dir);
    for (size_t i = 0; parts[i].name && code == EXIT_SUCCESS; i++)
        code = parts[i].copy ? write_part(&parts[i], model) : remove_part(&parts[i]);
    return code;
}

static int export_parts(const struct export_args *args, const dkvb_model *model, const dkvb_model_info *info,
                        bool *whitened)
{
    dkvb_codebooks_info cb = DKVB_CODEBOOKS_INFO_INIT;
    dkvb_status status = dkvb_codebooks_get_info(dkvb_model_codebooks(model), &cb);
    uint64_t c = info->codebooks, k = info->keys, d = info->key_dim, m = info->input_dim, l = info->classes;
    struct part parts[MOST_PARTS + 1] = {
        {"center.npy", NULL, DKVB_DTYPE_F32, 1, {m, 0, 0}, copy_center},
        {"signs.npy", NULL, DKVB_DTYPE_I8, 2, {cb.rounds, cb.round_size, 0}, copy_signs},
        {"order.npy", NULL, DKVB_DTYPE_U32, 2, {c, d, 0}, copy_order},
        {"scales.npy", NULL, DKVB_DTYPE_F32, 1, {c, 0, 0}, copy_scales},
        {"keys.npy", NULL, DKVB_DTYPE_I8, 3, {c, k, d}, copy_keys},
        {"values.npy", NULL, DKVB_DTYPE_F32, 3, {c, k, l}, copy_values},
        {"mask.npy", NULL, DKVB_DTYPE_U8, 2, {c, k, 0}, copy_mask},
        {"whitening.npy", NULL, DKVB_DTYPE_F32, 2, {m, m, 0}, cb.whitened ? copy_whitening : NULL},
        {0},
    };
    int code = tool_check(status);

    *whitened = cb.whitened != 0;
    if (code == EXIT_SUCCESS)
        code = write_parts(args, model, parts);
    for (size_t i = 0; parts[i].name; i++)
        free(parts[i].path);
    return code;
}

int cmd_export(int argc, char **argv)
{
    struct export_args args;
    dkvb_model *model = NULL;
    dkvb_model_info info;
    bool whitened = false;
    double began = progress_clock();
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    code = input_model_map(&model, args.args.operand[0], &info);
    if (code == EXIT_SUCCESS)
        code = export_parts(&args, model, &info, &whitened);
    if (code == EXIT_SUCCESS)
        report(&args, &info, whitened, progress_clock() - began);
    dkvb_model_free(model);
    return code;
}
