/* dkvb mask makes, combines and prints mask files, which can be applied to every model with the same codebooks. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/forget.h"
#include "io/args.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "tool.h"

enum { MOST = ARGS_MAX_OPERANDS - 1 }; /* largest number of operands of `dkvb mask` after the name of the subcommand */

struct mask_args {
    struct args args;
    const char *output, *reason, *salt;
    uint64_t entry;
    bool json;

    const struct work *work;
    const char *const *operand; /* operands of `dkvb mask` after the name of the subcommand, [operands] */
    int operands;
};

struct work {
    const char *name;
    int (*run)(const struct mask_args *args);
    int least, most;        /* smallest and largest number of operands of a subcommand of `dkvb mask` */
    uint32_t how;           /* way to combine masks, DKVB_MASK_…, for subcommands that combine masks */
    bool writes;            /* true if the subcommand of `dkvb mask` requires the option --output */
    const char *refused[5]; /* options that would have no effect on the subcommand, ending with NULL */
};

#define AT(member) offsetof(struct mask_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT",
     .help = "the mask file to write; import: the model, MODEL itself if not given", .letter = 'o'},
    {"entry", ARGS_U64, AT(entry), "N", .help = "export: the pairs that entry N asked for", .least = 1},
    {"reason", ARGS_TEXT, AT(reason), "TEXT", .help = "import: why, for the journal; stays there for good",
     .word = true},
    {"salt", ARGS_TEXT, AT(salt), "HEX",
     .help = "import: 64 digits that hide which pairs; without it: from the system's random source", .word = true},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const char *const words[] = {"export", "import", "union", "intersection", "difference", "info", NULL};

static const struct args_command command = {
    .name = "mask",
    .synopsis = "export|import|union|intersection|difference|info ... [options]",
    .example = "dkvb mask export m.dkvb -o m.mask",
    .words = words,
    .about = "Masks as files. Models that share codebooks take each other's masks, others refuse them.\n\n"
             "  export MODEL -o FILE                the mask in force, purged pairs too, or what --entry N asked for\n"
             "  import MODEL FILE                   suppress its pairs, written in the journal: 'dkvb forget --mask'\n"
             "  union|intersection A B [C ...] -o OUT\n"
             "  difference A B [C ...] -o OUT       A less all others\n"
             "  info FILE                           whose mask it is, and how many pairs it holds\n\n"
             "A mask is itself a trace: one of a few rows identifies them to whoever holds candidate rows.",
    .options = options,
    .size = sizeof(struct mask_args),
    .least_operands = 1,
    .most_operands = ARGS_MAX_OPERANDS,
};

void mask_say_written(uint64_t pairs, const char *path)
{
    printf("wrote %s: %" PRIu64 " pairs\n"
           "a mask is itself a trace: one of a few rows identifies them to whoever holds candidate rows\n",
           path, pairs);
}

/* Prints facts about a mask that was written, or, for `mask info`, about a mask that was read. */
static int tell(const struct mask_args *args, const dkvb_mask *mask)
{
    dkvb_mask_info info = DKVB_MASK_INFO_INIT;
    char birth[33];
    int code = tool_check(dkvb_mask_get_info(mask, &info));

    if (code)
        return code;
    hex_text(info.birth, sizeof info.birth, birth);
    if (args->json) {
        json_open(NULL, '{');
        json_text("birth", birth);
        json_count("codebooks", info.codebooks);
        json_count("keys", info.keys);
        json_count("pairs", info.pairs);
        json_count("pairs_total", info.pairs_total);
        json_text("output", args->output);
        json_close('}');
    } else if (args->output) {
        mask_say_written(info.pairs, args->output);
    } else {
        printf("birth      %s\ncodebooks  %" PRIu32 " of %" PRIu32 " keys\npairs      %" PRIu64 " of %" PRIu64 "\n",
               birth, info.codebooks, info.keys, info.pairs, info.pairs_total);
    }
    return EXIT_SUCCESS;
}

static int export(const struct mask_args *args)
{
    const char *path = args->operand[0];
    const struct path inputs[] = {{"MODEL", path}, {0}}, outputs[] = {{"--output", args->output}, {0}};
    dkvb_model *model = NULL;
    dkvb_mask *mask = NULL;
    dkvb_model_info info;
    int code = paths_check(&command, inputs, outputs);

    if (code == EXIT_SUCCESS && (code = input_model_map(&model, path, &info)) == EXIT_SUCCESS &&
        (code = tool_check_about(path, dkvb_journal_get_mask(model, args->entry, &mask))) == EXIT_SUCCESS &&
        (code = output_mask(mask, args->output)) == EXIT_SUCCESS)
        code = tell(args, mask);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    return code;
}

static int import(const struct mask_args *args)
{
    return forget_by_mask(&command, args->operand[0], args->operand[1], args->output, args->reason, args->salt,
                          args->json);
}

/* Combines all masks of the command line into one and writes it; `mask info` reads a single mask and writes nothing. */
static int combine(const struct mask_args *args)
{
    const struct path outputs[] = {{"--output", args->output}, {0}};
    struct path inputs[MOST + 1] = {{0}};
    dkvb_mask *mask = NULL, *other = NULL;
    int code;

    for (int i = 0; i < args->operands; i++)
        inputs[i] = (struct path){"a mask", args->operand[i]};
    code = paths_check(&command, inputs, outputs);
    if (code == EXIT_SUCCESS)
        code = input_mask(&mask, args->operand[0]);
    for (int i = 1; i < args->operands && code == EXIT_SUCCESS; i++) {
        code = input_mask(&other, args->operand[i]);
        if (code == EXIT_SUCCESS)
            code = tool_check_both(args->operand[i], args->operand[0], dkvb_mask_combine(mask, other, args->work->how));
        dkvb_mask_free(other);
        other = NULL;
    }
    if (code == EXIT_SUCCESS && args->output)
        code = output_mask(mask, args->output);
    if (code == EXIT_SUCCESS)
        code = tell(args, mask);
    dkvb_mask_free(mask);
    return code;
}

static const struct work works[] = {
    {"export", export, 1, 1, 0, true, {"reason", "salt"}},
    {"import", import, 2, 2, 0, false, {"entry"}},
    {"union", combine, 2, MOST, DKVB_MASK_UNION, true, {"entry", "reason", "salt"}},
    {"intersection", combine, 2, MOST, DKVB_MASK_INTERSECTION, true, {"entry", "reason", "salt"}},
    {"difference", combine, 2, MOST, DKVB_MASK_DIFFERENCE, true, {"entry", "reason", "salt"}},
    {"info", combine, 1, 1, 0, false, {"entry", "reason", "salt", "output"}},
};

/* Checks that the subcommand of `dkvb mask` got the options that it needs, and no option without effect. */
static int check_args(const struct mask_args *args)
{
    const struct work *work = args->work;
    char what[128];

    if (args->operands < work->least || args->operands > work->most)
        return args_misused(&command, "%s: %d operands given, it takes %d%s", work->name, args->operands, work->least,
                            work->most > work->least ? " or more" : "");
    if (work->writes && !args->output)
        return args_misused(&command, "%s: --output is missing", work->name);
    snprintf(what, sizeof what, "mask %s", work->name);
    return args_refuse(&command, args, work->refused, what);
}

int cmd_mask(int argc, char **argv)
{
    struct mask_args args;
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    args.operand = args.args.operand + 1;
    while (args.operands < MOST && args.operand[args.operands])
        args.operands++;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(works[i].name, args.args.operand[0]) == 0)
            args.work = &works[i];
    if (!args.work)
        return args_misused(&command, "the work must be export, import, union, intersection, difference or info");
    code = check_args(&args);
    return code ? code : args.work->run(&args);
}
