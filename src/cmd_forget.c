/* dkvb forget: suppress the pairs that a forget set selects, or those of a saved mask. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "codes.h"
#include "forget.h"
#include "hex.h"
#include "input.h"
#include "journal.h"
#include "json.h"
#include "maskfile.h"
#include "output.h"
#include "paths.h"
#include "progress.h"
#include "tool.h"

enum { BY_ACTIVATIONS, BY_EXAMPLES };

struct forget_args {
    struct args args;
    const char *output, *features, *codes, *labels, *classes, *mask, *mask_out, *reason, *salt;
    uint64_t pairs, examples, seed;
    uint32_t method, threads;
    bool json;
};

static const char *const methods[] = {[BY_ACTIVATIONS] = "activations", [BY_EXAMPLES] = "examples", NULL};

#define AT(member) offsetof(struct forget_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"method", ARGS_CHOICE, AT(method), "activations|examples", .help = "how pairs are chosen", .choices = methods},
    {"pairs", ARGS_U64, AT(pairs), "NA", .help = "activations: mask the NA most selected pairs", .least = 1},
    {"examples", ARGS_U64, AT(examples), "NE", .help = "examples: mask what NE rows of the set select", .least = 1},
    {"features", ARGS_TEXT, AT(features), "F", .help = "the forget set: .npy or IDX (.gz)"},
    {"codes", ARGS_TEXT, AT(codes), "Z", .help = "instead of F: codes, uint16[n][C][k], as 'dkvb search' writes them"},
    {"labels", ARGS_TEXT, AT(labels), "Y", .help = "labels of the rows, to cut the forget set out with --class"},
    {"class", ARGS_TEXT, AT(classes), "C[,C...]", .help = "the classes to forget, by index or name"},
    {"seed", ARGS_U64, AT(seed), "N", .help = "examples: of the draw", .shows_default = true},
    {"mask", ARGS_TEXT, AT(mask), "FILE", .help = "mask the pairs of this mask file instead of a method"},
    {"reason", ARGS_TEXT, AT(reason), "TEXT", .help = "why, for the journal; stays there for good"},
    {"salt", ARGS_TEXT, AT(salt), "HEX",
     .help = "64 digits that hide which rows and pairs; without it: from the system's random source"},
    {"mask-out", ARGS_TEXT, AT(mask_out), "FILE", .help = "also save the pairs of this request as a mask file"},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "forget",
    .synopsis = "MODEL [-o OUT] (--method M --features F|--codes Z [--labels Y --class C] | --mask FILE) [options]",
    .about =
        "Suppress (codebook, key) pairs: the rows of a forget set select other keys from then on. The values of the\n"
        "pairs stay in the model, and what the rows taught other values stays in those.\n"
        "Written in the journal; 'dkvb undo' takes it back, 'dkvb purge' makes it permanent.",
    .options = options,
    .size = sizeof(struct forget_args),
    .least_operands = 1,
    .most_operands = 1,
};

struct forget {
    const struct args_command *command; /* whose usage and operands are named: "forget", or who forgets by a mask */
    struct forget_args args;
    dkvb_model *model;
    dkvb_model_info info;
    struct features x;  /* the forget set as rows, */
    struct codes codes; /* or as codes */
    struct labels y;
    size_t rows;      /* of the forget set */
    uint64_t *ids;    /* [rows], their numbers in the file, from 0; NULL if there is only a mask */
    bool *chosen;     /* [classes], or NULL */
    uint8_t salt[32]; /* if one was given */
    dkvb_mask *mask;
    dkvb_journal_entry entry;
    double began;
};

/* What each method needs, and what would be without effect. */
static int check_method(const struct forget_args *args)
{
    static const char *const not_activations[] = {"examples", "seed", NULL};
    static const char *const not_examples[] = {"pairs", NULL};

    if (!args->features && !args->codes)
        return args_misused(&command, "--features or --codes is missing: the rows to forget");
    if (args->features && args->codes)
        return args_misused(&command, "--codes does not go with --features: one of them gives the rows to forget");
    if (!args->labels != !args->classes)
        return args_misused(&command, "--labels and --class go together: one without the other was given");
    if (args->method == BY_EXAMPLES) {
        if (args->examples == 0)
            return args_misused(&command, "--method examples needs --examples");
        return args_refuse(&command, args, not_examples, "--method examples");
    }
    if (args->pairs == 0)
        return args_misused(&command, "--method activations needs --pairs");
    return args_refuse(&command, args, not_activations, "--method activations");
}

/* What the journal would refuse once all else is done, asked of the smallest model. */
static int check_reason(const struct args_command *asking, const struct forget_args *args)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    dkvb_model *model = NULL;
    dkvb_mask *mask = NULL;
    int code = input_smallest_model(&model);

    o.reason = args->reason;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_mask_add(mask, 0, 0));
    if (code == EXIT_SUCCESS && dkvb_model_forget(model, mask, &o, NULL) != DKVB_OK)
        code = args_misused(asking, dkvb_last_error());
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    return code;
}

static int check_salt(const struct args_command *asking, const char *text, uint8_t salt[32])
{
    if (text && !hex_parse(text, salt, 32))
        return args_misused(asking, "--salt: 64 hexadecimal digits are wanted");
    return EXIT_SUCCESS;
}

static int check_args(const struct forget_args *args, uint8_t salt[32])
{
    static const char *const not_mask[] = {"method", "pairs", "examples", "features", "codes",
                                           "labels", "class", "seed",     NULL};

    int code = check_salt(&command, args->salt, salt);

    if (code)
        return code;
    if (args->mask)
        return args_refuse(&command, args, not_mask, "--mask: the pairs are there already");
    if (!args_given(&command, args, "method"))
        return args_misused(&command, "--method or --mask is missing");
    return check_method(args);
}

/* Move the rows of the chosen classes to the front, in place, and their numbers; `size` bytes each. */
static size_t gather_rows(const struct forget *f, void *rows, size_t size)
{
    unsigned char *bytes = rows;
    size_t kept = 0;

    for (size_t i = 0; i < f->rows; i++) {
        int32_t label = f->y.y[i];

        if (label < 0 || (uint32_t)label >= f->info.classes || !f->chosen[label])
            continue;
        if (kept < i)
            memcpy(bytes + kept * size, bytes + i * size, size);
        f->ids[kept++] = i;
    }
    return kept;
}

/* Keep the rows of the chosen classes only. */
static int cut_out_classes(struct forget *f, const char *path)
{
    size_t code_size = (size_t)f->info.codebooks * f->info.top_k * sizeof *f->codes.codes;
    int code = input_labels(&f->y, f->args.labels, path, f->rows);

    if (code == EXIT_SUCCESS)
        code = input_classes(&f->chosen, f->args.classes, f->model, f->info.classes);
    if (code)
        return code;
    f->rows = f->args.codes ? gather_rows(f, f->codes.codes, code_size)
                            : gather_rows(f, f->x.x, f->x.columns * sizeof *f->x.x);
    if (f->rows == 0)
        return tool_fail("%s: none of %zu labels is of class %s, so there is nothing to forget", f->y.path, f->y.rows,
                         f->args.classes);
    return EXIT_SUCCESS;
}

static int read_forget_set(struct forget *f)
{
    const char *path = f->args.codes ? f->args.codes : f->args.features;
    int code = f->args.codes ? codes_read(&f->codes, path, &f->info) : input_features_for(&f->x, path, &f->info);

    if (code)
        return code;
    f->rows = f->args.codes ? f->codes.rows : f->x.rows;
    f->ids = input_memory("row numbers", sizeof *f->ids, f->rows, 1, 1);
    if (!f->ids)
        return EXIT_FAILURE;
    for (size_t i = 0; i < f->rows; i++)
        f->ids[i] = i;
    if (f->args.labels)
        code = cut_out_classes(f, path);
    if (code == EXIT_SUCCESS && f->rows == 0)
        code = tool_fail("%s: no rows, so there is nothing to forget", path);
    return code;
}

static int add_activations(struct forget *f, const uint16_t *codes)
{
    uint64_t *counts = input_memory("counts", sizeof *counts, f->info.codebooks, f->info.keys, 1);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    int code;

    if (!counts)
        return EXIT_FAILURE;
    run.threads = f->args.threads;
    code = tool_check(dkvb_activations_count(f->model, codes, f->info.top_k, f->rows, counts, &run));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_unlearn_by_activations(f->mask, counts, f->args.pairs));
    free(counts);
    return code;
}

static int add_examples(struct forget *f, const uint16_t *codes)
{
    size_t examples = f->args.examples < f->rows ? (size_t)f->args.examples : f->rows;

    return tool_check(dkvb_unlearn_by_examples(f->mask, codes, f->info.top_k, f->rows, examples, f->args.seed));
}

/* `codes` is to be free()d, also after a failure. */
static int search_set(struct forget *f, uint16_t **codes)
{
    *codes = input_memory("codes", sizeof **codes, f->rows, f->info.codebooks, f->info.top_k);
    f->x.rows = f->rows;
    return *codes ? codes_search(f->model, &f->x, f->args.threads, false, *codes, NULL) : EXIT_FAILURE;
}

static int choose_pairs(struct forget *f)
{
    uint16_t *searched = NULL;
    const uint16_t *codes;
    int code = read_forget_set(f);

    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_mask_new(&f->mask, dkvb_model_codebooks(f->model)));
    if (code == EXIT_SUCCESS && !f->args.codes)
        code = search_set(f, &searched);
    codes = searched ? searched : f->codes.codes;
    if (code == EXIT_SUCCESS)
        code = f->args.method == BY_ACTIVATIONS ? add_activations(f, codes) : add_examples(f, codes);
    free(searched);
    return code;
}

/* What was asked of the method, for the journal. */
static const char *parameters(const struct forget_args *args, char *text, size_t size)
{
    if (args->mask)
        return NULL;
    if (args->method == BY_ACTIVATIONS)
        snprintf(text, size, "pairs=%" PRIu64, args->pairs);
    else
        snprintf(text, size, "examples=%" PRIu64 " seed=%" PRIu64, args->examples, args->seed);
    return text;
}

static int mask_pairs(struct forget *f)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    char text[80];
    uint64_t id;
    dkvb_status status;
    int code;

    o.method = f->args.mask ? NULL : methods[f->args.method];
    o.reason = f->args.reason;
    o.strength = DKVB_STRENGTH_SUPPRESS;
    o.parameters = parameters(&f->args, text, sizeof text);
    o.rows = f->ids;
    o.row_count = f->rows;
    o.salt = f->args.salt ? f->salt : NULL;
    status = dkvb_model_forget(f->model, f->mask, &o, &id);
    code = f->args.mask ? tool_check_both(f->args.mask, f->args.args.operand[0], status) : tool_check(status);
    return code ? code : journal_find(f->model, id, &f->entry);
}

static void print_json(const struct forget *f, double seconds)
{
    json_open(NULL, '{');
    json_count("pairs_masked", f->entry.pairs_new);
    json_count("pairs_requested", f->entry.pairs);
    json_count("pairs_total", dkvb_mask_total(f->mask));
    json_count("examples", f->rows);
    json_count("entry", f->entry.id);
    json_real("seconds", seconds);
    json_close('}');
}

static void print_text(const struct forget *f, const char *output, double seconds)
{
    printf("suppressed %" PRIu64 " of %" PRIu64 " pairs by %s", f->entry.pairs_new, dkvb_mask_total(f->mask),
           f->entry.method);
    if (f->rows && f->args.method == BY_EXAMPLES && f->args.examples < f->rows)
        printf(", %" PRIu64 " of %zu rows", f->args.examples, f->rows);
    else if (f->rows)
        printf(" of %zu rows", f->rows);
    if (f->entry.pairs_new < f->entry.pairs)
        printf(" (%" PRIu64 " more were masked before)", f->entry.pairs - f->entry.pairs_new);
    printf(", in %.2f s\nwrote %s; 'dkvb undo %s %" PRIu64 "' takes it back\n", seconds, output, output, f->entry.id);
    if (f->args.mask_out)
        maskfile_say_written(f->mask, f->args.mask_out);
}

/* The model may be its own output, but a mask must not take its place. */
static int claim_paths(const struct args_command *asking, const struct forget_args *args)
{
    const char *model = args->args.operand[0];
    const struct path inputs[] = {{"--features", args->features},
                                  {"--codes", args->codes},
                                  {"--labels", args->labels},
                                  {asking == &command ? "--mask" : "FILE", args->mask},
                                  {0}};
    const struct path outputs[] = {{args->output ? "--output" : "MODEL", args->output ? args->output : model},
                                   {"--mask-out", args->mask_out},
                                   {0}};
    const struct path read[] = {{"MODEL", model}, {0}}, masks[] = {{"--mask-out", args->mask_out}, {0}};
    int code = paths_check(asking, read, masks);

    return code ? code : paths_claim(asking, inputs, outputs);
}

static int forget(struct forget *f)
{
    const char *model = f->args.args.operand[0], *output = f->args.output ? f->args.output : model;
    int code = check_reason(f->command, &f->args);

    if (code == EXIT_SUCCESS)
        code = output_check_epoch();
    if (code == EXIT_SUCCESS)
        code = claim_paths(f->command, &f->args);
    if (code == EXIT_SUCCESS)
        code = input_model_load(&f->model, model, &f->info);
    if (code == EXIT_SUCCESS)
        code = f->args.mask ? tool_check(dkvb_mask_load(&f->mask, f->args.mask, NULL)) : choose_pairs(f);
    if (code == EXIT_SUCCESS)
        code = mask_pairs(f);
    if (code == EXIT_SUCCESS && f->args.mask_out)
        code = output_mask(f->mask, f->args.mask_out);
    if (code == EXIT_SUCCESS)
        code = output_model(f->model, output);
    if (code)
        return code;
    if (f->args.json)
        print_json(f, progress_clock() - f->began);
    else
        print_text(f, output, progress_clock() - f->began);
    return EXIT_SUCCESS;
}

static void forget_free(struct forget *f)
{
    dkvb_mask_free(f->mask);
    free(f->chosen);
    free(f->ids);
    input_labels_free(&f->y);
    codes_free(&f->codes);
    input_features_free(&f->x);
    dkvb_model_free(f->model);
}

int forget_by_mask(const struct args_command *asking, const char *model, const char *mask, const char *output,
                   const char *reason, const char *salt, bool json)
{
    struct forget f = {.command = asking, .began = progress_clock()};
    int code;

    f.args = (struct forget_args){.output = output, .mask = mask, .reason = reason, .salt = salt, .json = json};
    f.args.args.operand[0] = model;
    code = check_salt(asking, salt, f.salt);
    if (code == EXIT_SUCCESS)
        code = forget(&f);
    forget_free(&f);
    return code;
}

int cmd_forget(int argc, char **argv)
{
    struct forget f = {.command = &command, .began = progress_clock()};
    int code;

    if (!args_parse(&command, argc, argv, &f.args, &code))
        return code;
    code = check_args(&f.args, f.salt);
    if (code == EXIT_SUCCESS)
        code = forget(&f);
    forget_free(&f);
    return code;
}
