/* dkvb audit: what a model still knows of forgotten rows, and what it lost beside them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "commands/audit.h"
#include "io/codeset.h"
#include "io/input.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

#define AT(member) offsetof(struct audit_args, member)

static const char *const class_weights[] = {
    [DKVB_CLASS_WEIGHT_NONE] = "none", [DKVB_CLASS_WEIGHT_BALANCED] = "balanced", NULL};

static const struct args_option options[] = {
    {"features", ARGS_TEXT, AT(features), "X", .help = "the rows that the model was trained on: .npy or IDX (.gz)",
     .required = true},
    {"labels", ARGS_TEXT, AT(labels), "Y", .help = "their labels", .required = true},
    {"test-features", ARGS_TEXT, AT(test_features), "TX", .help = "rows that were never trained on", .required = true},
    {"test-labels", ARGS_TEXT, AT(test_labels), "TY", .help = "their labels", .required = true},
    {"codes", ARGS_TEXT, AT(codes), "CODES",
     .help = "of 'train --codes-out', from before: how the model was trained, and on which of X"},
    {"class", ARGS_TEXT, AT(classes), "C[,C...]", .help = "the forgotten rows: all of these classes"},
    {"rows", ARGS_TEXT, AT(rows), "IDS.npy", .help = "or the rows of X with these numbers, from 0"},
    {"before", ARGS_TEXT, AT(before), "MODEL0", .help = "the model before it forgot, on the same keys"},
    {"shadows", ARGS_U32, AT(shadows), "N",
     .help = "shadow models of the likelihood-ratio attack, even; 0: leave it out", .most = 65536,
     .shows_default = true},
    {"epochs", ARGS_U32, AT(train.epochs), "N", .help = "how the model was trained: passes", .least = 1,
     .shows_default = true},
    {"lr", ARGS_REAL, AT(train.learning_rate), "R", .help = "its learning rate", .most = 1000000, .positive = true,
     .shows_default = true},
    {"batch", ARGS_U32, AT(train.batch), "N", .help = "its batches", .least = 1, .most = 1048576,
     .shows_default = true},
    {"lr-last", ARGS_REAL, AT(train.rate_last), "R", .help = "its learning rate in the last epoch", .most = 1000000,
     .shows_default = true},
    {"label-smoothing", ARGS_REAL, AT(train.label_smoothing), "R", .help = "its label smoothing", .below = 1,
     .shows_default = true},
    {"class-weight", ARGS_CHOICE, AT(train.class_weight), "none|balanced", .help = "its class weights",
     .choices = class_weights, .shows_default = true},
    {"train-seed", ARGS_U64, AT(train_seed), "N", .help = "its seed", .shows_default = true},
    {"seed", ARGS_U64, AT(seed), "N", .help = "of the audit's own draws", .shows_default = true},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static void set_defaults(void *values)
{
    struct audit_args *args = values;

    dkvb_train_options_init(&args->train);
    args->shadows = 64;
}

static const struct args_command command = {
    .name = "audit",
    .synopsis = "MODEL --features X --labels Y --test-features TX --test-labels TY (--class C | --rows IDS) [options]",
    .about = "Attack a model that has forgotten rows, and models trained again without them, in the same ways. Each\n"
             "figure stands beside the retrained one: above it something is remembered, below it more was lost than\n"
             "the rows. Nothing is written.",
    .options = options,
    .size = sizeof(struct audit_args),
    .defaults = set_defaults,
    .least_operands = 1,
    .most_operands = 1,
};

static int check_args(struct audit_args *args)
{
    char message[128];

    static const char *const recipe[] = {"epochs",          "lr",           "batch",      "lr-last",
                                         "label-smoothing", "class-weight", "train-seed", NULL};

    if (args->codes && args_refuse(&command, args, recipe, "--codes: the file says how the model was trained"))
        return EXIT_USAGE;
    if (!args->classes == !args->rows)
        return args_misused(&command, "one of --class and --rows is wanted: the rows that were to be forgotten");
    if (args->shadows % 2 || (args->shadows > 0 && args->shadows < 4)) {
        snprintf(message, sizeof message, "--shadows %" PRIu32 ": an even number from 4 is wanted, or 0",
                 args->shadows);
        return args_misused(&command, message);
    }
    args->train.seed = args->train_seed;
    return EXIT_SUCCESS;
}

/* Keys, classes and ranks of both must be the same, or their answers could not be compared. */
static int read_models(struct audit *a)
{
    const char *path = a->args.args.operand[0];
    int code = input_model_load(&a->model, path, &a->info);

    a->base_info = a->info;
    if (code || !a->args.before)
        return code;
    code = input_model_load(&a->before, a->args.before, &a->base_info);
    if (code)
        return code;
    if (memcmp(a->info.birth, a->base_info.birth, sizeof a->info.birth) != 0)
        return tool_fail("%s and %s have other keys: a model and what became of it are wanted", path, a->args.before);
    if (a->info.classes != a->base_info.classes || a->info.top_k != a->base_info.top_k)
        return tool_fail(
            "%s has %" PRIu32 " classes and top-k %" PRIu32 ", %s has %" PRIu32 " and %" PRIu32 ": the same are wanted",
            path, a->info.classes, a->info.top_k, a->args.before, a->base_info.classes, a->base_info.top_k);
    return EXIT_SUCCESS;
}

static int read_rows(const struct audit *a, const char *features, const char *labels, struct features *x,
                     struct labels *y)
{
    int code = input_features(x, features, DKVB_READ_IN_PLACE);

    if (code == EXIT_SUCCESS && x->columns != a->info.input_dim)
        code = tool_fail("%s: %zu columns, the model takes %" PRIu32, x->path, x->columns, a->info.input_dim);
    if (code == EXIT_SUCCESS)
        code = input_labels(y, labels, x->path, x->rows);
    if (code == EXIT_SUCCESS && y->largest >= 0 && (uint32_t)y->largest >= a->info.classes)
        code = tool_fail("%s: row %zu has label %" PRId32 ", the classes of the model are 0 to %" PRIu32, y->path,
                         y->largest_row, y->largest, a->info.classes - 1);
    return code;
}

/* What a codes file says: how the values were trained, and on which rows of X; the others lose their labels. Ids are
 * row numbers. */
static int read_codes(struct audit *a)
{
    dkvb_codeset_rows training = DKVB_CODESET_ROWS_INIT;
    dkvb_codeset_session session = DKVB_CODESET_SESSION_INIT;
    dkvb_codeset *set = NULL;
    int32_t *labels = a->y.array.data;
    size_t at = 0;
    int code = codeset_read(&set, a->args.codes, a->model, a->args.threads);

    if (code == EXIT_SUCCESS)
        code = tool_check_about(a->args.codes, dkvb_codeset_get_session(set, 0, &session, NULL));
    if (code == EXIT_SUCCESS && dkvb_codeset_get_session(set, 1, &session, NULL) == DKVB_OK)
        code =
            tool_fail("%s: records more than one session of training, audits repeat a single one: train a model on all "
                      "rows at once to audit it",
                      a->args.codes);
    a->args.train = session.training;
    a->args.train_seed = a->args.train.seed;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &training));
    if (code == EXIT_SUCCESS && training.n > 0 && training.ids[training.n - 1] >= a->x.rows)
        code = tool_fail("%s: has a row %" PRIu64 ", %s has %zu rows: its ids are not their numbers", a->args.codes,
                         training.ids[training.n - 1], a->x.path, a->x.rows);
    for (size_t i = 0; code == EXIT_SUCCESS && i < a->x.rows; i++)
        if (at < training.n && training.ids[at] == i) /* ids ascend, as row numbers do */
            at++;
        else
            labels[i] = -1;
    dkvb_codeset_free(set);
    return code;
}

static int mark_classes(struct audit *a)
{
    bool *chosen = NULL;
    int code = input_classes(&chosen, a->args.classes, a->model, a->info.classes);

    for (size_t i = 0; code == EXIT_SUCCESS && i < a->x.rows; i++)
        a->forgotten[i] = a->y.y[i] >= 0 && chosen[a->y.y[i]];
    for (uint32_t l = 0; code == EXIT_SUCCESS && l < a->info.classes; l++)
        a->classes[l] = chosen[l];
    free(chosen);
    return code;
}

static int mark_row(struct audit *a, size_t at, int32_t row)
{
    if (row < 0 || (size_t)row >= a->x.rows)
        return tool_fail("%s: number %zu is %" PRId32 ", %s has rows 0 to %zu", a->args.rows, at, row, a->x.path,
                         a->x.rows - 1);
    if (a->forgotten[row])
        return tool_fail("%s: number %zu names row %" PRId32 " a second time", a->args.rows, at, row);
    if (a->y.y[row] < 0)
        return tool_fail("%s: number %zu names row %" PRId32 ", which has no label: it was not trained on",
                         a->args.rows, at, row);
    a->forgotten[row] = 1;
    a->classes[a->y.y[row]] = 1;
    return EXIT_SUCCESS;
}

/* Row numbers are read as labels are: a vector of integers of any type. */
static int mark_rows(struct audit *a)
{
    dkvb_array ids = DKVB_ARRAY_INIT;
    int code;

    paths_keep_private(a->args.rows);
    code = tool_check(dkvb_labels_read(&ids, a->args.rows, NULL));
    for (size_t i = 0; code == EXIT_SUCCESS && i < ids.shape[0]; i++)
        code = mark_row(a, i, ((const int32_t *)ids.data)[i]);
    dkvb_array_free(&ids);
    return code;
}

static int mark_forgotten(struct audit *a)
{
    size_t others = 0;
    int code;

    a->forgotten = input_memory("marks of rows", sizeof *a->forgotten, a->x.rows, 1, 1);
    a->classes = input_memory("marks of classes", sizeof *a->classes, a->info.classes, 1, 1);
    if (!a->forgotten || !a->classes)
        return EXIT_FAILURE;
    code = a->args.classes ? mark_classes(a) : mark_rows(a);
    if (code)
        return code;
    for (size_t i = 0; i < a->x.rows; i++)
        a->members += a->forgotten[i];
    for (uint32_t l = 0; l < a->info.classes; l++)
        a->class_count += a->classes[l];
    for (size_t i = 0; i < a->x.rows; i++)
        others += a->y.y[i] >= 0 && !a->classes[a->y.y[i]];
    a->class_attacks = (a->args.classes || a->class_count == 1) && others > 0;
    if (a->members < 2)
        return tool_fail("%s: %zu forgotten rows, at least 2 are wanted to be told from others", a->y.path, a->members);
    return EXIT_SUCCESS;
}

/* Take over test rows that have a label: those whose class is marked, or the others. */
static void take_tests(struct audit *a, const struct features *x, const struct labels *y, bool marked)
{
    for (size_t i = 0; i < x->rows; i++) {
        if (y->y[i] < 0 || (a->classes[y->y[i]] != 0) != marked)
            continue;
        memcpy(a->test_x + a->tests * x->columns, x->x + i * x->columns, x->columns * sizeof *x->x);
        a->test_y[a->tests++] = y->y[i];
    }
}

static int sort_tests(struct audit *a, const struct features *x, const struct labels *y)
{
    a->test_x = input_memory("test rows", sizeof *a->test_x, x->rows, x->columns, 1);
    a->test_y = input_memory("test labels", sizeof *a->test_y, x->rows, 1, 1);
    if (!a->test_x || !a->test_y)
        return EXIT_FAILURE;
    take_tests(a, x, y, true);
    a->class_tests = a->tests;
    take_tests(a, x, y, false);
    if (a->class_tests < 2)
        return tool_fail("%s: %zu test rows of the classes of the forgotten rows, at least 2 are wanted", y->path,
                         a->class_tests);
    a->class_attacks = a->class_attacks && a->class_tests < a->tests;
    return EXIT_SUCCESS;
}

static int read_tests(struct audit *a)
{
    struct features x = {0};
    struct labels y = {0};
    int code = read_rows(a, a->args.test_features, a->args.test_labels, &x, &y);

    if (code == EXIT_SUCCESS)
        code = sort_tests(a, &x, &y);
    input_labels_free(&y);
    input_features_free(&x);
    return code;
}

static int audit(struct audit *a)
{
    int code = read_models(a);

    if (code == EXIT_SUCCESS)
        code = read_rows(a, a->args.features, a->args.labels, &a->x, &a->y);
    if (code == EXIT_SUCCESS && a->args.codes)
        code = read_codes(a);
    if (code == EXIT_SUCCESS)
        code = mark_forgotten(a);
    if (code == EXIT_SUCCESS)
        code = read_tests(a);
    if (code == EXIT_SUCCESS)
        code = audit_measure(a);
    if (code)
        return code;
    if (a->args.json)
        audit_print_json(a, progress_clock() - a->began);
    else
        audit_print_text(a, progress_clock() - a->began);
    return EXIT_SUCCESS;
}

int cmd_audit(int argc, char **argv)
{
    struct audit a = {.began = progress_clock()};
    int code;

    if (!args_parse(&command, argc, argv, &a.args, &code))
        return code;
    code = check_args(&a.args);
    if (code == EXIT_SUCCESS)
        code = audit(&a);
    for (size_t s = 0; s < AUDIT_SUBJECTS; s++)
        for (size_t f = 0; f < AUDIT_FIGURES; f++)
            free(a.of[s].rows[f]);
    free(a.forgotten);
    free(a.classes);
    free(a.test_x);
    free(a.test_y);
    input_labels_free(&a.y);
    input_features_free(&a.x);
    dkvb_model_free(a.before);
    dkvb_model_free(a.model);
    return code;
}
