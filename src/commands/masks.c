/* dkvb masks: what was forgotten, undone and purged; and the masks themselves as files. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/input.h"
#include "io/journal.h"
#include "io/json.h"
#include "io/maskfile.h"
#include "io/paths.h"
#include "tool.h"

struct masks_args {
    struct args args;
    const char *export;
    uint64_t entry;
    bool json;
};

#define AT(member) offsetof(struct masks_args, member)

static const struct args_option options[] = {
    {"export", ARGS_TEXT, AT(export), "FILE", .help = "write the mask in force (purged pairs too) as a mask file"},
    {"entry", ARGS_U64, AT(entry), "N", .help = "with --export: the pairs that entry N asked for", .least = 1},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "masks",
    .synopsis = "MODEL [--export FILE [--entry N]] [--json]",
    .about = "List the journal of a model: what was forgotten, when, why, and what became of it.",
    .options = options,
    .size = sizeof(struct masks_args),
    .least_operands = 1,
    .most_operands = 1,
};

/* `exported`: the mask that was written, or NULL. */
static int print_json(const dkvb_model *model, const dkvb_model_info *info, const dkvb_mask *exported)
{
    int code;

    json_open(NULL, '{');
    json_count("masked_pairs", info->masked_pairs);
    json_count("purged_pairs", info->purged_pairs);
    json_count("pairs_total", (uint64_t)info->codebooks * info->keys);
    if (exported)
        json_count("pairs_exported", dkvb_mask_count(exported));
    else
        json_null("pairs_exported");
    code = journal_json(model);
    json_close('}');
    return code;
}

static int print_text(const struct masks_args *args, const dkvb_model *model, const dkvb_model_info *info,
                      const dkvb_mask *exported)
{
    char head[JOURNAL_HEAD_SIZE];
    int code = journal_print(model);

    printf("\nhead %s\n%" PRIu64 " of %" PRIu64 " pairs are masked, %" PRIu64 " are purged\n",
           journal_head(model, head), info->masked_pairs, (uint64_t)info->codebooks * info->keys, info->purged_pairs);
    if (exported)
        maskfile_say_written(exported, args->export);
    return code;
}

static int check_paths(const struct masks_args *args)
{
    const struct path inputs[] = {{"MODEL", args->args.operand[0]}, {0}};
    const struct path outputs[] = {{"--export", args->export}, {0}};

    return paths_check(&command, inputs, outputs);
}

static int masks(const struct masks_args *args)
{
    dkvb_model *model = NULL;
    dkvb_model_info info;
    dkvb_mask *exported = NULL;
    const char *path = args->args.operand[0];
    int code = input_model_map(&model, path, &info);

    if (code == EXIT_SUCCESS && args->export)
        code = maskfile_export(&exported, model, path, args->entry, args->export);
    if (code == EXIT_SUCCESS)
        code = args->json ? print_json(model, &info, exported) : print_text(args, model, &info, exported);
    dkvb_mask_free(exported);
    dkvb_model_free(model);
    return code;
}

int cmd_masks(int argc, char **argv)
{
    struct masks_args args;
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    if (args.entry && !args.export)
        return args_misused(&command, "--entry needs --export");
    code = check_paths(&args);
    return code ? code : masks(&args);
}
