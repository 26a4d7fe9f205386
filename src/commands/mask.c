/* dkvb mask: requests to forget as files, which go from model to model wherever codebooks are shared. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "commands/forget.h"
#include "io/hex.h"
#include "io/input.h"
#include "io/json.h"
#include "io/maskfile.h"
#include "io/output.h"
#include "io/paths.h"
#include "tool.h"

enum { MOST = ARGS_MAX_OPERANDS - 1 }; /* operands behind the name of the work */

struct mask_args {
    struct args args;
    const char *output, *reason, *salt;
    uint64_t entry;
    bool json;
};

#define AT(member) offsetof(struct mask_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT",
     .help = "the mask file to write; import: the model, MODEL itself if not given", .letter = 'o'},
    {"entry", ARGS_U64, AT(entry), "N", .help = "export: the pairs that entry N asked for", .least = 1},
    {"reason", ARGS_TEXT, AT(reason), "TEXT", .help = "import: why, for the journal; stays there for good"},
    {"salt", ARGS_TEXT, AT(salt), "HEX",
     .help = "import: 64 digits that hide which pairs; without it: from the system's random source"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "mask",
    .synopsis = "export|import|union|intersection|difference|info ... [options]",
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

struct work {
    const char *name;
    int (*run)(const struct work *work, const struct mask_args *args, const char *const *operand, int operands);
    int least, most; /* operands behind the name */
    dkvb_status (*combine)(dkvb_mask *mask, const dkvb_mask *other);
};

static int print_json(const dkvb_mask *mask, const char *output)
{
    dkvb_mask_info info = DKVB_MASK_INFO_INIT;
    char birth[33];
    int code = tool_check(dkvb_mask_get_info(mask, &info));

    if (code)
        return code;
    json_open(NULL, '{');
    json_text("birth", hex_text(info.birth, sizeof info.birth, birth));
    json_count("codebooks", info.codebooks);
    json_count("keys", info.keys);
    json_count("pairs", info.pairs);
    json_count("pairs_total", dkvb_mask_total(mask));
    json_text("output", output);
    json_close('}');
    return EXIT_SUCCESS;
}

static int say_written(const struct mask_args *args, const dkvb_mask *mask)
{
    if (args->json)
        return print_json(mask, args->output);
    maskfile_say_written(mask, args->output);
    return EXIT_SUCCESS;
}

static int export(const struct work *work, const struct mask_args *args, const char *const *operand, int operands)
{
    const struct path inputs[] = {{"MODEL", operand[0]}, {0}}, outputs[] = {{"--output", args->output}, {0}};
    dkvb_model *model = NULL;
    dkvb_mask *mask = NULL;
    dkvb_model_info info;
    int code = paths_check(&command, inputs, outputs);

    (void)work;
    (void)operands;
    if (code == EXIT_SUCCESS)
        code = input_model_map(&model, operand[0], &info);
    if (code == EXIT_SUCCESS)
        code = maskfile_export(&mask, model, operand[0], args->entry, args->output);
    if (code == EXIT_SUCCESS)
        code = say_written(args, mask);
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    return code;
}

static int import(const struct work *work, const struct mask_args *args, const char *const *operand, int operands)
{
    (void)work;
    (void)operands;
    return forget_by_mask(&command, operand[0], operand[1], args->output, args->reason, args->salt, args->json);
}

static int check_combined(const struct mask_args *args, const char *const *operand, int operands)
{
    const struct path outputs[] = {{"--output", args->output}, {0}};
    struct path inputs[MOST + 1] = {{0}};

    for (int i = 0; i < operands; i++)
        inputs[i] = (struct path){"a mask", operand[i]};
    return paths_check(&command, inputs, outputs);
}

/* `mask`, of the file `first`, becomes what it is together with that of `path`. */
static int combine_with(const struct work *work, dkvb_mask *mask, const char *first, const char *path)
{
    dkvb_mask *other = NULL;
    int code = input_mask(&other, path);

    if (code == EXIT_SUCCESS)
        code = tool_check_both(path, first, work->combine(mask, other));
    dkvb_mask_free(other);
    return code;
}

static int combine(const struct work *work, const struct mask_args *args, const char *const *operand, int operands)
{
    dkvb_mask *mask = NULL;
    int code = check_combined(args, operand, operands);

    if (code == EXIT_SUCCESS)
        code = input_mask(&mask, operand[0]);
    for (int i = 1; i < operands && code == EXIT_SUCCESS; i++)
        code = combine_with(work, mask, operand[0], operand[i]);
    if (code == EXIT_SUCCESS)
        code = output_mask(mask, args->output);
    if (code == EXIT_SUCCESS)
        code = say_written(args, mask);
    dkvb_mask_free(mask);
    return code;
}

static int print_info(const dkvb_mask *mask)
{
    dkvb_mask_info info = DKVB_MASK_INFO_INIT;
    char birth[33];
    int code = tool_check(dkvb_mask_get_info(mask, &info));

    if (code == EXIT_SUCCESS)
        printf("birth      %s\ncodebooks  %" PRIu32 " of %" PRIu32 " keys\npairs      %" PRIu64 " of %" PRIu64 "\n",
               hex_text(info.birth, sizeof info.birth, birth), info.codebooks, info.keys, info.pairs,
               dkvb_mask_total(mask));
    return code;
}

static int inform(const struct work *work, const struct mask_args *args, const char *const *operand, int operands)
{
    dkvb_mask *mask = NULL;
    int code = input_mask(&mask, operand[0]);

    (void)work;
    (void)operands;
    if (code == EXIT_SUCCESS)
        code = args->json ? print_json(mask, NULL) : print_info(mask);
    dkvb_mask_free(mask);
    return code;
}

static const struct work works[] = {
    {"export", export, 1, 1, NULL},
    {"import", import, 2, 2, NULL},
    {"union", combine, 2, MOST, dkvb_mask_union},
    {"intersection", combine, 2, MOST, dkvb_mask_intersection},
    {"difference", combine, 2, MOST, dkvb_mask_difference},
    {"info", inform, 1, 1, NULL},
};

static const struct work *find_work(const char *name)
{
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(works[i].name, name) == 0)
            return &works[i];
    return NULL;
}

static int count_operands(const struct args *args)
{
    int count = 0;

    while (count < ARGS_MAX_OPERANDS && args->operand[count])
        count++;
    return count;
}

/* What this work needs, and what would be without effect. */
static int check_args(const struct work *work, const struct mask_args *args, int operands)
{
    static const char *const of_export[] = {"entry", NULL}, *const of_import[] = {"reason", "salt", NULL},
                             *const of_outputs[] = {"output", NULL};
    char what[64], message[128];
    int code = EXIT_SUCCESS;

    snprintf(what, sizeof what, "mask %s", work->name);
    snprintf(message, sizeof message, "%s: %d operands given, %d%s wanted", work->name, operands, work->least,
             work->most > work->least ? " or more are"
             : work->least > 1        ? " are"
                                      : " is");
    if (operands < work->least || operands > work->most)
        return args_misused(&command, message);
    if (work->run != export)
        code = args_refuse(&command, args, of_export, what);
    if (code == EXIT_SUCCESS && work->run != import)
        code = args_refuse(&command, args, of_import, what);
    if (code == EXIT_SUCCESS && work->run == inform)
        code = args_refuse(&command, args, of_outputs, what);
    snprintf(message, sizeof message, "%s: --output is missing", work->name);
    if (code == EXIT_SUCCESS && work->run != inform && work->run != import && !args->output)
        code = args_misused(&command, message);
    return code;
}

int cmd_mask(int argc, char **argv)
{
    struct mask_args args;
    const struct work *work;
    int code, operands;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    work = find_work(args.args.operand[0]);
    if (!work)
        return args_misused(&command, "export, import, union, intersection, difference or info is wanted");
    operands = count_operands(&args.args) - 1;
    code = check_args(work, &args, operands);
    return code ? code : work->run(work, &args, args.args.operand + 1, operands);
}
