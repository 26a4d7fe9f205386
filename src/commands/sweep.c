/* dkvb sweep writes a table of the accuracy of forgotten and kept classes for growing numbers of masked pairs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/codes.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "io/resumed.h"
#include "tool.h"

struct sweep_args {
    struct args args;
    const char *codes, *output, *classes, *strengths, *methods, *budgets, *seeds;
    const char *codebooks, *keys, *key_dims, *top_ks, *train_seeds, *features, *ids, *test_features, *test_labels;
    uint32_t steps, threads;
    bool restart, json;
};

#define AT(member) offsetof(struct sweep_args, member)

static const struct args_option options[] = {
    {"codes", ARGS_TEXT, AT(codes), "CODES", .help = "of 'train --codes-out', as the model was trained",
     .required = true},
    {"output", ARGS_TEXT, AT(output), "TABLE.csv",
     .help = "the table; TABLE.csv.part beside it has the finished cells meanwhile", .letter = 'o', .required = true},
    {"class", ARGS_TEXT, AT(classes), "C[,C...]", .help = "forget each of these by itself; without it, every class",
     .word = true},
    {"strength", ARGS_TEXT, AT(strengths), "S[,S...]",
     .help = "suppress masks pairs (the default); exact trains the values again", .word = true},
    {"method", ARGS_TEXT, AT(methods), "M[,M...]",
     .help = "how pairs are chosen: activations, contrast, examples, values (the default), every", .word = true},
    {"budgets", ARGS_TEXT, AT(budgets), "N[,N...]", .help = "numbers of pairs; of examples, rows drawn", .word = true},
    {"steps", ARGS_U32, AT(steps), "N",
     .help = "without --budgets: so many in equal ratios, up to all pairs or all rows", .least = 1, .most = 10000,
     .shows_default = true},
    {"seeds", ARGS_TEXT, AT(seeds), "N[,N...]", .help = "of the draws of method examples (default 0)", .word = true},
    {"codebooks", ARGS_TEXT, AT(codebooks), "C[,C...]", .help = "train models anew, with so many codebooks",
     .word = true},
    {"keys", ARGS_TEXT, AT(keys), "K[,K...]", .help = "the same, with so many keys a codebook", .word = true},
    {"key-dim", ARGS_TEXT, AT(key_dims), "D[,D...]", .help = "the same, with keys of this width", .word = true},
    {"top-k", ARGS_TEXT, AT(top_ks), "K[,K...]", .help = "the same, with so many keys selected in a codebook",
     .word = true},
    {"train-seeds", ARGS_TEXT, AT(train_seeds), "N[,N...]", .help = "the same, with these seeds of keys and training",
     .word = true},
    {"features", ARGS_TEXT, AT(features), "X",
     .help = "the rows to train such models on, where CODES keeps no features"},
    {"ids", ARGS_TEXT, AT(ids), "IDS", .help = "what the rows of X were called in training; without it, row numbers"},
    {"test-features", ARGS_TEXT, AT(test_features), "TX",
     .help = "measure on these rows instead of those that CODES holds out"},
    {"test-labels", ARGS_TEXT, AT(test_labels), "TY", .help = "their labels"},
    {"restart", ARGS_FLAG, AT(restart), .help = "throw away the cells that TABLE.csv.part has"},
    ARGS_THREADS_JSON(AT),
};

static void set_defaults(void *values)
{
    const dkvb_sweep_options o = DKVB_SWEEP_OPTIONS_INIT;

    ((struct sweep_args *)values)->steps = o.steps;
}

static const struct args_command command = {
    .name = "sweep",
    .synopsis = "MODEL --codes CODES -o TABLE.csv [options]",
    .example = "dkvb sweep m.dkvb --codes m.codes -o table.csv --steps 8",
    .about =
        "Measure what forgetting costs, along the number of pairs that are masked: for each class by itself the\n"
        "accuracy of the class and of all others at every budget, as CSV with means and 95 % intervals over classes\n"
        "and seeds. The model stays as it is. The same command after an interruption goes on where it was.",
    .options = options,
    .size = sizeof(struct sweep_args),
    .defaults = set_defaults,
    .least_operands = 1,
    .most_operands = 1,
};

/* A list of numbers that was read from a comma-separated option. */
struct numbers {
    uint64_t *at;
    size_t n;
};

struct sweep {
    struct sweep_args args;
    dkvb_model *model;
    dkvb_model_info info;
    dkvb_codeset *set;
    bool *classes;
    struct numbers budgets, seeds, codebooks, keys, key_dims, top_ks, train_seeds;
    uint32_t *strengths, *methods;
    dkvb_sweep_shape *shapes;
    struct features x, test_x;
    struct labels test_y;
    struct ids ids;
    dkvb_sweep_options options;
    dkvb_sweep_report report;
    struct resumed work;
};

static size_t count_parts(const char *list)
{
    size_t n = 1;

    for (; *list; list++)
        n += *list == ',';
    return n;
}

/* Copies the next part of a comma-separated list; `at` moves to the end of the part. The result is false if the list's
 * next part is too long to be valid. */
static bool next_part(const char **at, char *text, size_t size)
{
    size_t length = strcspn(*at, ",");
    bool fits = length < size;

    snprintf(text, size, "%.*s", (int)(fits ? length : size - 1), *at);
    *at += length + ((*at)[length] == ',');
    return fits;
}

static int read_numbers(struct numbers *out, const char *option, const char *list, uint64_t least, uint64_t most)
{
    const char *at = list;

    if (!list)
        return EXIT_SUCCESS;
    out->n = count_parts(list);
    out->at = input_memory("the numbers of a list", sizeof *out->at, out->n, 1, 1);
    if (!out->at)
        return EXIT_FAILURE;
    for (size_t i = 0; i < out->n; i++) {
        char text[32];

        if (!next_part(&at, text, sizeof text) || !args_number(text, &out->at[i]) || out->at[i] < least ||
            out->at[i] > most)
            return args_misused(
                &command, "--%s '%.128s': must be whole numbers from %" PRIu64 " to %" PRIu64 ", with commas between",
                option, list, least, most);
    }
    return EXIT_SUCCESS;
}

/* Reads a comma-separated list of words, such as methods of forgetting, as library constants of the given kind. */
static int read_words(uint32_t **out, size_t *n, const char *option, const char *list, uint32_t kind)
{
    enum { WORDS = 64 }; /* largest number of words that a comma-separated option may list */
    const char *at = list;

    if (!list)
        return EXIT_SUCCESS;
    *n = count_parts(list);
    *out = input_memory("the words of a list", sizeof **out, *n, 1, 1);
    if (!*out)
        return EXIT_FAILURE;
    for (size_t i = 0; i < *n; i++) {
        char text[32];
        bool fits = next_part(&at, text, sizeof text);

        for (uint32_t word = 1; fits && word < WORDS && (*out)[i] == 0; word++) {
            const char *name = dkvb_name(kind, word);

            if (name && strcmp(name, text) == 0)
                (*out)[i] = word;
        }
        if ((*out)[i] == 0)
            return args_misused(&command, "--%s '%.128s': '%s' is none of its words", option, list, text);
    }
    return EXIT_SUCCESS;
}

static int read_lists(struct sweep *s)
{
    const struct sweep_args *a = &s->args;
    int code;

    if ((code = read_words(&s->strengths, &s->options.strength_count, "strength", a->strengths, DKVB_NAME_STRENGTH)) ||
        (code = read_words(&s->methods, &s->options.method_count, "method", a->methods, DKVB_NAME_METHOD)) ||
        (code = read_numbers(&s->budgets, "budgets", a->budgets, 1, UINT32_MAX)) ||
        (code = read_numbers(&s->seeds, "seeds", a->seeds, 0, UINT64_MAX)) ||
        (code = read_numbers(&s->codebooks, "codebooks", a->codebooks, 1, UINT16_MAX)) ||
        (code = read_numbers(&s->keys, "keys", a->keys, 1, UINT16_MAX)) ||
        (code = read_numbers(&s->key_dims, "key-dim", a->key_dims, 1, UINT16_MAX)) ||
        (code = read_numbers(&s->top_ks, "top-k", a->top_ks, 1, UINT16_MAX)) ||
        (code = read_numbers(&s->train_seeds, "train-seeds", a->train_seeds, 0, UINT64_MAX)))
        return code;
    s->options.strengths = s->strengths;
    s->options.methods = s->methods;
    s->options.budgets = s->budgets.at;
    s->options.budget_count = s->budgets.n;
    s->options.seeds = s->seeds.at;
    s->options.seed_count = s->seeds.n;
    return EXIT_SUCCESS;
}

/* Returns element i of a list of model sizes, such as numbers of keys, that the command line gives for a sweep; 0 if
 * there is no list; 0 stands for the size in the given model. */
static uint64_t pick(const struct numbers *list, size_t i)
{
    return list->at ? list->at[i] : 0;
}

static size_t length(const struct numbers *list)
{
    return list->at ? list->n : 1;
}

/* Makes the shapes of the models of a sweep: every combination of the lists of sizes and seeds; the last list changes
 * fastest. */
static int make_shapes(struct sweep *s)
{
    const struct numbers *lists[] = {&s->codebooks, &s->keys, &s->key_dims, &s->top_ks, &s->train_seeds};
    size_t n = 1;
    bool any = false;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        any = any || lists[i]->at;
        n = n > SIZE_MAX / length(lists[i]) ? SIZE_MAX : n * length(lists[i]);
    }
    if (!any)
        return EXIT_SUCCESS;
    s->shapes = input_memory("the shapes", sizeof *s->shapes, n, 1, 1);
    for (size_t i = 0; s->shapes && i < n; i++) {
        size_t at[sizeof lists / sizeof *lists], rest = i;

        for (size_t j = sizeof lists / sizeof *lists; j-- > 0; rest /= length(lists[j]))
            at[j] = rest % length(lists[j]);
        s->shapes[i] =
            (dkvb_sweep_shape){(uint32_t)pick(lists[0], at[0]), (uint32_t)pick(lists[1], at[1]),
                               (uint32_t)pick(lists[2], at[2]), (uint32_t)pick(lists[3], at[3]), pick(lists[4], at[4])};
    }
    s->options.shapes = s->shapes;
    s->options.shape_count = n;
    return s->shapes ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int check_args(struct sweep *s)
{
    const struct sweep_args *a = &s->args;
    int code = read_lists(s);

    if (code == EXIT_SUCCESS && !a->test_features != !a->test_labels)
        return args_misused(&command, "--test-features and --test-labels go together: one of them is missing");
    if (code == EXIT_SUCCESS && a->ids && !a->features)
        return args_misused(&command, "--ids names rows of --features, which is missing");
    if (code == EXIT_SUCCESS && a->budgets && args_given(&command, a, "steps"))
        return args_misused(&command, "--steps and --budgets both say how many pairs are masked: one of them must go");
    if (code == EXIT_SUCCESS)
        code = make_shapes(s);
    if (code == EXIT_SUCCESS && a->features && !s->shapes)
        return args_misused(&command,
                            "--features are the rows to train models of other shapes on: --codebooks, --keys, "
                            "--key-dim, --top-k or --train-seeds must be given too");
    return code;
}

/* Checks that the output files of `dkvb sweep` can be written and replace no input, and locks these files. The part
 * file, which keeps finished table rows during the sweep, is one more output, but the command does not wait for its
 * lock. */
static int claim_paths(const struct sweep_args *a, const char *kept)
{
    const struct path inputs[] = {{"MODEL", a->args.operand[0]},
                                  {"--codes", a->codes},
                                  {"--features", a->features},
                                  {"--ids", a->ids},
                                  {"--test-features", a->test_features},
                                  {"--test-labels", a->test_labels},
                                  {0}};
    const struct path outputs[] = {{"--output", a->output}, {"what --output keeps", kept}, {0}};
    const struct path claimed[] = {outputs[0], {0}};
    int code = paths_check(&command, inputs, outputs);

    return code ? code : paths_claim(&command, inputs, claimed);
}

static int read_inputs(struct sweep *s)
{
    const struct sweep_args *a = &s->args;
    dkvb_sweep_options *o = &s->options;
    int code = input_model_load(&s->model, a->args.operand[0], &s->info);

    if (code || (code = codeset_load(&s->set, a->codes, s->model)) ||
        (a->classes && (code = input_classes(&s->classes, a->classes, s->model, s->info.classes))) ||
        (a->features && ((code = input_features_for(&s->x, a->features, INPUT_COPIED, s->model, NULL)) ||
                         (code = ids_of_features(&s->ids, a->ids, &s->x)))) ||
        (a->test_features && ((code = input_features_for(&s->test_x, a->test_features, INPUT_COPIED, s->model, NULL)) ||
                              (code = input_labels(&s->test_y, a->test_labels, a->test_features, s->test_x.rows,
                                                   &(struct table_use){.model = s->model})))))
        return code;
    /* an array of bool serves as the marks of the classes to forget, as `true` equals DKVB_FORGET */
    o->classes = (const uint8_t *)s->classes;
    o->features = s->x.x;
    o->feature_rows = s->x.rows;
    o->feature_columns = s->x.columns;
    o->feature_ids = s->ids.id;
    o->feature_names = (const char *const *)s->ids.name;
    o->test_x = s->test_x.x;
    o->test_labels = s->test_y.y;
    o->test_n = s->test_x.rows;
    o->path = a->output;
    o->steps = a->steps;
    o->restart = a->restart;
    return EXIT_SUCCESS;
}

static int measure(struct sweep *s)
{
    dkvb_run_options run;
    struct output file;
    dkvb_status status;
    int code;

    if ((code = read_inputs(s)) || !output_begin(&file, s->args.output, &code))
        return code;
    s->work =
        (struct resumed){.things = "cells", .done = &s->report.resumed, .all = &s->report.cells, .quiet = s->args.json};
    run = resumed_start(&s->work, "sweep", s->args.threads);
    status = dkvb_sweep_run(s->model, s->set, &s->options, &s->report, &run);
    tool_kept(s->report.kept, s->report.cells, "measured", "cells");
    progress_stop();
    return output_end(&file, status);
}

static void print_json(const struct sweep *s, double seconds)
{
    const dkvb_sweep_report *r = &s->report;

    json_open(NULL, '{');
    json_count("cells", r->cells);
    json_count("resumed", r->resumed);
    json_text("measured_on", r->on_test ? "test" : "held out");
    json_count("measured", r->measured);
    json_number("seconds", seconds);
    json_close('}');
}

static void print_text(const struct sweep *s, double seconds)
{
    const dkvb_sweep_report *r = &s->report;

    printf("wrote %s: %" PRIu64 " cells, measured on %" PRIu64 " rows %s; in %.2f s\n", s->args.output, r->cells,
           r->measured, r->on_test ? "for testing" : "held out", seconds);
}

static void sweep_free(struct sweep *s)
{
    struct numbers *lists[] = {&s->budgets,  &s->seeds,  &s->codebooks,  &s->keys,
                               &s->key_dims, &s->top_ks, &s->train_seeds};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]->at);
    free(s->strengths);
    free(s->methods);
    free(s->shapes);
    free(s->classes);
    ids_free(&s->ids);
    input_labels_free(&s->test_y);
    input_features_free(&s->test_x);
    input_features_free(&s->x);
    dkvb_codeset_free(s->set);
    dkvb_model_free(s->model);
}

int cmd_sweep(int argc, char **argv)
{
    struct sweep s = {.options = DKVB_SWEEP_OPTIONS_INIT, .report = DKVB_SWEEP_REPORT_INIT};
    double began = progress_clock();
    char *kept = NULL;
    int code;

    if (!args_parse(&command, argc, argv, &s.args, &code))
        return code;
    code = check_args(&s);
    if (code == EXIT_SUCCESS) {
        kept = paths_with(s.args.output, ".part");
        code = kept ? claim_paths(&s.args, kept) : EXIT_FAILURE;
    }
    if (code == EXIT_SUCCESS)
        code = measure(&s);
    tool_note_kept(kept, code);
    if (code == EXIT_SUCCESS)
        s.args.json ? print_json(&s, progress_clock() - began) : print_text(&s, progress_clock() - began);
    free(kept);
    sweep_free(&s);
    return code;
}
