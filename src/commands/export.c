/* dkvb export writes a model as plain arrays, from which other programs can compute every answer. */
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
    .example = "dkvb export m.dkvb --dir arrays",
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

/* One exported array of a model: file, type and shape. */
struct part {
    const char *name;
    char *path; /* path of the array's file, which the struct owns */
    void *data; /* elements of the array, which the struct owns */
    uint32_t dtype, ndim;
    uint64_t shape[3];
};

enum { CENTER, SIGNS, ORDER, SCALES, KEYS, VALUES, MASK, WHITENING, PARTS };

/* Fills the arrays of the export; the whitening is left out if the model has none. */
static int copy_arrays(const dkvb_model *model, struct part *parts, bool whitened)
{
    dkvb_codebooks_copies to = DKVB_CODEBOOKS_COPIES_INIT;
    dkvb_mask *mask = NULL;
    int code;

    for (struct part *p = parts; p < parts + (whitened ? PARTS : WHITENING); p++)
        if (!(p->data = input_memory(p->name, sizeof(float), p->shape[0], p->ndim > 1 ? p->shape[1] : 1,
                                     p->ndim > 2 ? p->shape[2] : 1)))
            return EXIT_FAILURE;
    to.center = parts[CENTER].data, to.signs = parts[SIGNS].data, to.order = parts[ORDER].data;
    to.scales = parts[SCALES].data, to.keys = parts[KEYS].data, to.whitening = parts[WHITENING].data;
    if ((code = tool_check(dkvb_codebooks_get_arrays(dkvb_model_codebooks(model), &to))) ||
        (code = tool_check(dkvb_model_get_values(model, parts[VALUES].data))) ||
        (code = tool_check(dkvb_journal_get_mask(model, 0, &mask))))
        return code;
    dkvb_mask_get_bytes(mask, parts[MASK].data);
    dkvb_mask_free(mask);
    return EXIT_SUCCESS;
}

/* Removes the file of an array that this model does not have, but that an export of another model left in the folder.
 * Array files left by an export of another model would not fit the exported arrays of this model. */
static int remove_part(const struct part *part)
{
    if (remove(part->path) == 0)
        tool_note("%s: removed, since it is of an earlier export and this model does not whiten rows", part->path);
    else if (errno != ENOENT)
        return tool_fail("%s: cannot remove: %s; it is of an earlier export and does not belong to this model",
                         part->path, strerror(errno));
    return EXIT_SUCCESS;
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
    output_shape(info, whitened);
    json_number("seconds", seconds);
    json_close('}');
}

static int write_parts(const struct export_args *args, const dkvb_model *model, struct part *parts, bool whitened)
{
    /* The file MODEL may lie in the folder of the export under the name of an array's file, so the model counts as an
     * input. */
    const struct path inputs[] = {{"MODEL", args->args.operand[0]}, {0}};
    struct path outputs[PARTS + 1] = {{0}};
    int code;

    for (size_t i = 0; i < PARTS; i++) {
        if (!(parts[i].path = paths_join(args->dir, parts[i].name)))
            return EXIT_FAILURE;
        outputs[i] = (struct path){"an output", parts[i].path};
    }
    if ((code = paths_check_in_folder(&command, args->dir, inputs, outputs)) ||
        /* before the export the model is verified, as exported arrays have no checksums by which a reader could find
         * damage */
        (code = tool_check(dkvb_model_verify(model))) || (code = copy_arrays(model, parts, whitened)) ||
        (code = paths_make_folder(args->dir)))
        return code;
    for (const struct part *p = parts; p < parts + PARTS && code == EXIT_SUCCESS; p++)
        code = p->data ? output_npy(p->path, p->dtype, p->ndim, p->shape, p->data) : remove_part(p);
    return code;
}

int cmd_export(int argc, char **argv)
{
    struct export_args args;
    dkvb_model *model = NULL;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_codebooks_info cb = DKVB_CODEBOOKS_INFO_INIT;
    double began = progress_clock();
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    if ((code = input_model_map(&model, args.args.operand[0], &info)) == EXIT_SUCCESS &&
        (code = tool_check(dkvb_codebooks_get_info(dkvb_model_codebooks(model), &cb))) == EXIT_SUCCESS) {
        uint64_t c = info.codebooks, k = info.keys, d = info.key_dim, m = info.input_dim;
        struct part parts[PARTS] = {
            [CENTER] = {"center.npy", NULL, NULL, DKVB_DTYPE_F32, 1, {m}},
            [SIGNS] = {"signs.npy", NULL, NULL, DKVB_DTYPE_I8, 2, {cb.rounds, cb.round_size}},
            [ORDER] = {"order.npy", NULL, NULL, DKVB_DTYPE_U32, 2, {c, d}},
            [SCALES] = {"scales.npy", NULL, NULL, DKVB_DTYPE_F32, 1, {c}},
            [KEYS] = {"keys.npy", NULL, NULL, DKVB_DTYPE_I8, 3, {c, k, d}},
            [VALUES] = {"values.npy", NULL, NULL, DKVB_DTYPE_F32, 3, {c, k, info.classes}},
            [MASK] = {"mask.npy", NULL, NULL, DKVB_DTYPE_U8, 2, {c, k}},
            [WHITENING] = {"whitening.npy", NULL, NULL, DKVB_DTYPE_F32, 2, {m, m}},
        };

        code = write_parts(&args, model, parts, cb.whitened != 0);
        for (size_t i = 0; i < PARTS; i++) {
            free(parts[i].path);
            free(parts[i].data);
        }
    }
    if (code == EXIT_SUCCESS)
        report(&args, &info, cb.whitened != 0, progress_clock() - began);
    dkvb_model_free(model);
    return code;
}
