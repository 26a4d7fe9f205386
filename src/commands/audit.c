/* dkvb audit measures how much a model still knows of forgotten rows, and how much accuracy it lost on other rows. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/codes.h"
#include "io/input.h"
#include "io/json.h"
#include "io/paths.h"
#include "io/progress.h"
#include "io/reference.h"
#include "tool.h"

struct audit_args {
    struct args args;
    const char *features, *labels, *test_features, *test_labels, *classes, *rows, *before, *codes;
    dkvb_train_options train;
    uint64_t train_seed, seed;
    uint32_t shadows, rmia_models, models, threads;
    bool json, reference;
};

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
    {"class", ARGS_TEXT, AT(classes), "C[,C...]", .help = "the forgotten rows: all of these classes", .word = true},
    {"rows", ARGS_TEXT, AT(rows), "IDS.npy",
     .help = "or the rows of X with these numbers; without both, what the journal names"},
    {"before", ARGS_TEXT, AT(before), "MODEL0", .help = "the model before it forgot, on the same keys"},
    {"shadows", ARGS_U32, AT(shadows), "N",
     .help = "shadow models of the likelihood-ratio attack, even; 0: leave it out", .most = 65536,
     .shows_default = true},
    {"rmia", ARGS_U32, AT(rmia_models), "N",
     .help = "models that RMIA compares with, even; shadows serve as such; 0: none", .most = 65536,
     .shows_default = true},
    {"klom", ARGS_U32, AT(models), "N", .help = "also KLoM, over N models of other seeds; 100 and more are usual",
     .least = 2, .most = 10000},
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
    {"reference", ARGS_FLAG, AT(reference),
     .help = "linear heads beside it, on all labelled rows of X and without the forgotten ones"},
    ARGS_THREADS_JSON(AT),
};

static void set_defaults(void *values)
{
    const dkvb_audit_options o = DKVB_AUDIT_OPTIONS_INIT;
    struct audit_args *args = values;

    dkvb_train_options_init(&args->train);
    args->shadows = o.shadows;
    args->rmia_models = o.rmia_models;
}

static const struct args_command command = {
    .name = "audit",
    .synopsis = "MODEL --features X --labels Y --test-features TX --test-labels TY [--class C | --rows IDS] [options]",
    .example = "dkvb audit m.dkvb --features x.npy --labels y.npy --test-features test_x.npy "
               "--test-labels test_y.npy",
    .about = "Attack a model that has forgotten rows, and models trained again without them, in the same ways. Each\n"
             "figure stands beside the retrained one: above it something is remembered, below it more was lost than\n"
             "the rows. Nothing is written.",
    .options = options,
    .size = sizeof(struct audit_args),
    .defaults = set_defaults,
    .least_operands = 1,
    .most_operands = 1,
};

struct audit {
    struct audit_args args;
    dkvb_model *model, *before;
    dkvb_codeset *set;
    struct features x, test_x;
    struct labels y, test_y;
    bool *classes;  /* marks of the classes that --class names, [classes] */
    struct ids ids; /* ids of the rows that --rows names */
    dkvb_audit_report *report;
    dkvb_reference_report *reference;
};

static int check_args(const struct audit_args *args)
{
    static const char *const recipe[] = {"epochs",          "lr",           "batch",      "lr-last",
                                         "label-smoothing", "class-weight", "train-seed", NULL};

    if (args->codes && args_refuse(&command, args, recipe, "--codes: the file says how the model was trained"))
        return EXIT_USAGE;
    if (args->classes && args->rows)
        return args_misused(&command, "--class and --rows both say which rows were forgotten: one of them must go");
    if (args->shadows % 2 || (args->shadows > 0 && args->shadows < 4))
        return args_misused(&command, "--shadows %" PRIu32 ": must be an even number from 4, or 0", args->shadows);
    if (args->rmia_models % 2)
        return args_misused(&command, "--rmia %" PRIu32 ": must be an even number from 2, or 0", args->rmia_models);
    return EXIT_SUCCESS;
}

static int read_rows(struct features *x, struct labels *y, const char *features, const char *labels,
                     const dkvb_model *model, const dkvb_model_info *info)
{
    struct table_use use = {.model = model};
    int code = input_features(x, features, INPUT_MAPPED, &use);

    if (code == EXIT_SUCCESS && x->columns != info->input_dim)
        code = tool_fail("%s: %zu columns, the model takes %" PRIu32, features, x->columns, info->input_dim);
    return code ? code : input_labels(y, labels, features, x->rows, &use);
}

/* Reads the codes file that the audit needs. An audit needs only the ids and labels of the codes file, except for KLoM,
 * which plans requests again from the codes. */
static int read_codes(struct audit *a)
{
    /* the codes file is checked against the model from before the forgetting, as a model whose pairs were purged has
     * fewer keys */
    const dkvb_model *model = a->before ? a->before : a->model;

    if (a->args.models > 0)
        return codeset_read(&a->set, a->args.codes, model, a->args.threads);
    return codeset_load(&a->set, a->args.codes, model);
}

/* Reads all inputs of the audit that the command line names. */
static int read_all(struct audit *a, dkvb_audit_request *request, dkvb_audit_rows *rows)
{
    const struct audit_args *args = &a->args;
    dkvb_model_info info, base_info;
    int code = input_model_whole(&a->model, args->args.operand[0], &info);

    if (code || (args->before && (code = input_model_whole(&a->before, args->before, &base_info))) ||
        (code = read_rows(&a->x, &a->y, args->features, args->labels, a->model, &info)) ||
        (code = read_rows(&a->test_x, &a->test_y, args->test_features, args->test_labels, a->model, &info)) ||
        (args->codes && (code = read_codes(a))) ||
        (args->classes && (code = input_classes(&a->classes, args->classes, a->model, info.classes))) ||
        (args->rows && (code = ids_read(&a->ids, args->rows, false, NULL))))
        return code;
    /* an array of bool serves as the marks of the classes to forget, as `true` equals DKVB_FORGET */
    request->classes = (const uint8_t *)a->classes;
    request->rows = a->ids.id;
    request->row_count = a->ids.n;
    rows->x = a->x.x, rows->labels = a->y.y, rows->n = a->x.rows;
    rows->test_x = a->test_x.x, rows->test_labels = a->test_y.y, rows->test_n = a->test_x.rows;
    return EXIT_SUCCESS;
}

static int begin_stage(void *user, const char *stage)
{
    const struct audit *a = user;

    (void)progress_start(stage, a->args.threads);
    return 0;
}

static int tell_failure(const struct audit *a, dkvb_status status)
{
    const struct path files[] = {{"training rows: ", a->args.features},  {"training labels: ", a->args.labels},
                                 {"test rows: ", a->args.test_features}, {"test labels: ", a->args.test_labels},
                                 {"codeset: ", a->args.codes},           {"options: the model", a->args.before},
                                 {"forgotten rows: ", a->args.rows},     {NULL, NULL}};
    int code = status == DKVB_ECANCELLED ? EXIT_SUCCESS : paths_tell(files, dkvb_last_error());

    return code ? code : tool_check(status);
}

/* Compares the model with linear heads that are fitted without the forgotten rows: the rows of --rows, or all rows of
 * the classes that the audit found to be forgotten. */
static int compare(struct audit *a, dkvb_audit_request *request)
{
    const struct reference_rows rows = {a->model, &a->x, &a->test_x, &a->y, &a->test_y, request};

    if (!a->args.reference)
        return EXIT_SUCCESS;
    if (request->row_count == 0)
        request->classes = a->report->forgotten;
    return reference_compare(&a->reference, &rows, a->args.threads);
}

static int run_audit(struct audit *a)
{
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    dkvb_audit_rows rows = DKVB_AUDIT_ROWS_INIT;
    dkvb_audit_options o = DKVB_AUDIT_OPTIONS_INIT;
    dkvb_run_options run;
    dkvb_status status;
    int code = read_all(a, &request, &rows);

    if (code)
        return code;
    a->args.train.seed = a->args.train_seed;
    o.before = a->before;
    o.codeset = a->set;
    o.train = a->set ? NULL : &a->args.train;
    o.shadows = a->args.shadows;
    o.rmia_models = a->args.rmia_models;
    o.models = a->args.models;
    o.seed = a->args.seed;
    o.stage = begin_stage;
    o.user = a;
    run = progress_start("search", a->args.threads);
    status = dkvb_audit_run(&a->report, a->model, &request, &rows, &o, &run);
    progress_stop();
    if (status)
        return tell_failure(a, status);
    outside_note(a->args.features, a->report->outside);
    outside_note(a->args.test_features, a->report->test_outside);
    return compare(a, &request);
}

static void json_estimate(const char *key, const dkvb_audit_estimate *e)
{
    if (key)
        json_open(key, '{');
    json_number("value", e->value);
    json_number("low", e->low);
    json_number("high", e->high);
    if (key)
        json_close('}');
}

static void json_figure(const dkvb_audit_figure *f)
{
    if (!f->measured) {
        json_unknown(f->key);
        return;
    }
    json_open(f->key, '{');
    json_estimate(NULL, &f->value);
    if (f->kind == DKVB_AUDIT_AUC_MEMBERS) {
        json_estimate("tpr_1", &f->tpr_1);
        json_estimate("tpr_01", &f->tpr_01);
        json_estimate("privleak", &f->privleak);
    }
    if (f->kind == DKVB_AUDIT_KLOM) {
        json_estimate("median", &f->median);
        json_estimate("p95", &f->p95);
    }
    json_estimate("difference", &f->difference);
    json_text("verdict", f->verdict);
    json_close('}');
}

static void print_json(const dkvb_audit_report *r, const dkvb_reference_report *reference, double seconds)
{
    json_open(NULL, '{');
    json_open("classes", '[');
    for (uint32_t l = 0; l < r->classes; l++)
        if (r->forgotten[l])
            json_count(NULL, l);
    json_close(']');
    json_count("members", r->members);
    json_count("others", r->others);
    json_count("retained", r->retained);
    json_count("class_rows", r->others);
    json_count("rest_rows", r->rest);
    json_count("rows_outside_scale", r->outside->rows + r->test_outside->rows);
    json_count("masked_pairs", r->masked_pairs);
    json_count("purged_pairs", r->purged_pairs);
    json_count("shadows", r->shadows);
    json_count("rmia_models", r->rmia_models);
    json_count("models", r->models);
    json_count("planned", r->planned);
    json_open("subjects", '[');
    for (uint32_t s = 0; s < DKVB_AUDIT_SUBJECTS; s++) {
        const dkvb_audit_figure *f = dkvb_audit_get_figure(r, s, 0);

        if (!f)
            continue;
        json_open(NULL, '{');
        json_text("subject", f->subject);
        for (uint32_t i = 0; i < DKVB_AUDIT_FIGURES; i++)
            json_figure(dkvb_audit_get_figure(r, s, i));
        json_close('}');
    }
    json_close(']');
    reference_json(reference);
    json_number("seconds", seconds);
    json_close('}');
}

/* Writes a number with three places and without the leading zero, such as ".870" or "-.012". If `sign` is true,
 * positive numbers get a plus sign. */
static const char *short_number(double x, bool sign, char text[16])
{
    char *zero;

    snprintf(text, 16, sign ? "%+.3f" : "%.3f", x);
    zero = strchr(text, '0');
    if (zero && zero[1] == '.' && (zero == text || zero == text + 1) && fabs(x) < 1.0)
        memmove(zero, zero + 1, strlen(zero));
    return text;
}

static void print_interval(const dkvb_audit_estimate *e, bool sign)
{
    char value[16], low[16], high[16], text[64];

    snprintf(text, sizeof text, "%s [%s, %s]", short_number(e->value, sign, value), short_number(e->low, sign, low),
             short_number(e->high, sign, high));
    printf("  %-24s", text);
}

/* Output lines of a figure (a measured number) of the audit: one for the figure itself, three more for membership
 * attacks, two more for KLoM. */
enum { VALUE, PRIVLEAK, TPR_1, TPR_01, MEDIAN, P95, LINES };

static bool has_line(const dkvb_audit_figure *f, int which)
{
    return which == VALUE || (which >= MEDIAN ? f->kind == DKVB_AUDIT_KLOM : f->kind == DKVB_AUDIT_AUC_MEMBERS);
}

static const dkvb_audit_estimate *pick(const dkvb_audit_figure *f, int which)
{
    const dkvb_audit_estimate *const lines[LINES] = {
        [VALUE] = &f->value,   [PRIVLEAK] = &f->privleak, [TPR_1] = &f->tpr_1,
        [TPR_01] = &f->tpr_01, [MEDIAN] = &f->median,     [P95] = &f->p95};

    return lines[which];
}

/* Prints one output line of one figure (a measured number) of an audit, with a column for each audited model. */
static void print_line(const dkvb_audit_report *r, uint32_t figure, int which)
{
    static const char *const more[] = {[PRIVLEAK] = "PrivLeak",
                                       [TPR_1] = "found at 1 % false alarms",
                                       [TPR_01] = "found at 0.1 %",
                                       [MEDIAN] = "median",
                                       [P95] = "95 % have no more than"};
    const dkvb_audit_figure *f = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, figure);
    const dkvb_audit_figure *retrained = dkvb_audit_get_figure(r, DKVB_AUDIT_RETRAINED, figure);
    bool sign = which == PRIVLEAK;
    char text[16];

    if (!f->measured)
        return;
    if (which == VALUE)
        printf("  %-30s", f->title);
    else
        printf("    %-28s", more[which]);
    print_interval(pick(f, which), sign);
    printf("  %9s", short_number(pick(retrained, which)->value, sign, text));
    if (which == VALUE)
        print_interval(&f->difference, true);
    else
        printf("  %-24s", "");
    printf("  %-19s", which == VALUE ? f->verdict : "");
    for (uint32_t s = DKVB_AUDIT_BEFORE; s <= DKVB_AUDIT_REPLAY; s++) {
        f = dkvb_audit_get_figure(r, s, figure);
        printf("  %7s", f && f->measured ? short_number(pick(f, which)->value, sign, text) : "-");
    }
    putchar('\n');
}

/* The figures (measured numbers) of the audit in the order of the output. An audit's figures (measured numbers) whose
 * attacks answer one and the same question form a group, with the question as its heading. */
static const struct {
    /* heading of a group of an audit's figures (measured numbers), printed before the group's first figure */
    const char *heading;
    uint32_t first, last;
} groups[] = {
    {"membership (untraining: have the rows an influence?): AUC, forgotten rows against test rows of the same classes",
     DKVB_AUDIT_MEMBERSHIP_LOSS, DKVB_AUDIT_MEMBERSHIP_LIRA},
    {NULL, DKVB_AUDIT_MEMBERSHIP_RMIA, DKVB_AUDIT_MEMBERSHIP_RMIA},
    {"\nanswers (of the class, unlearning: is it answered? of the rest, its cost): share of rows",
     DKVB_AUDIT_ACCURACY_CLASS, DKVB_AUDIT_AGREEMENT_REST},
    {NULL, DKVB_AUDIT_ACCURACY_FORGOTTEN, DKVB_AUDIT_AVERAGE_GAP},
    {"\nrecovery (unlearning: can somebody make it answer?): accuracy on test rows after an attack; AUC of the mask",
     DKVB_AUDIT_CONSTANT_CLASS, DKVB_AUDIT_RELEARN_50_REST},
    {NULL, DKVB_AUDIT_PROTOTYPES_1_CLASS, DKVB_AUDIT_PROTOTYPES_10_REST},
    {NULL, DKVB_AUDIT_MASK_MEMBERS, DKVB_AUDIT_MASK_CLASS},
    {"\nKLoM (untraining): divergence of margins from retrained models; retrained: that of other retrained models",
     DKVB_AUDIT_KLOM_FORGOTTEN, DKVB_AUDIT_KLOM_REST},
};

static void print_groups(const dkvb_audit_report *r)
{
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        if (groups[g].first == DKVB_AUDIT_KLOM_FORGOTTEN && r->models == 0)
            continue;
        if (groups[g].heading)
            puts(groups[g].heading);
        for (uint32_t f = groups[g].first; f <= groups[g].last; f++) {
            const dkvb_audit_figure *of_model = dkvb_audit_get_figure(r, DKVB_AUDIT_MODEL, f);

            for (int which = VALUE; which < LINES; which++)
                if (has_line(of_model, which))
                    print_line(r, f, which);
        }
    }
}

static void print_text(const dkvb_audit_report *r, double seconds)
{
    printf("%" PRIu64 " forgotten rows of %" PRIu32 " %s, %" PRIu64 " test rows of %s, %" PRIu64
           " of the rest; %" PRIu64 " pairs masked, %" PRIu64 " purged\n",
           r->members, r->class_count, r->class_count == 1 ? "class" : "classes", r->others,
           r->class_count == 1 ? "it" : "them", r->rest, r->masked_pairs, r->purged_pairs);
    printf("\n%-32s  %-24s  %9s  %-24s  %-19s  %7s  %7s  %7s\n", "", "model", "retrained", "difference", "verdict",
           "before", "dropped", "replay");
    print_groups(r);
    if (r->models > 0)
        printf("KLoM over %" PRIu32 " models, trained without what replays in the journal left out. In %" PRIu32
               " of the unlearned ones all requests were planned anew; in the others pairs that the model masks, if "
               "any, are masked as they are.\n",
               r->models, r->planned);
    printf("\nIntervals are of 95 %%, over rows. More than retrained: something is remembered (of the rest: kept "
           "better).\n"
           "Less than retrained: more was lost than the rows. Of agreement, retrained is one seed against another.\n"
           "In %.1f s, with %" PRIu32 " shadow and %" PRIu32
           " reference models; 'dkvb audit --json' tells all of it.\n",
           seconds, r->shadows, r->rmia_models);
}

int cmd_audit(int argc, char **argv)
{
    struct audit a = {0};
    double began = progress_clock();
    int code;

    if (!args_parse(&command, argc, argv, &a.args, &code))
        return code;
    code = check_args(&a.args);
    if (code == EXIT_SUCCESS && a.args.reference)
        code = reference_load();
    if (code == EXIT_SUCCESS)
        code = run_audit(&a);
    if (code == EXIT_SUCCESS && a.args.json)
        print_json(a.report, a.reference, progress_clock() - began);
    else if (code == EXIT_SUCCESS)
        print_text(a.report, progress_clock() - began);
    if (code == EXIT_SUCCESS && !a.args.json && a.reference)
        reference_print(a.reference);
    reference_free(a.reference);
    dkvb_audit_report_free(a.report);
    free(a.classes);
    ids_free(&a.ids);
    dkvb_codeset_free(a.set);
    input_labels_free(&a.test_y);
    input_features_free(&a.test_x);
    input_labels_free(&a.y);
    input_features_free(&a.x);
    dkvb_model_free(a.before);
    dkvb_model_free(a.model);
    return code;
}
