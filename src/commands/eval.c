/* dkvb eval measures accuracy and loss on labelled rows, separately for forgotten and kept classes if asked. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/codes.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/pictures.h"
#include "io/progress.h"
#include "io/reference.h"
#include "tool.h"

struct eval_args {
    struct args args;
    struct pictures_args pictures;
    const char *features, *labels, *codes, *forget_class, *train_features, *train_labels;
    struct columns_args columns;
    uint32_t threads;
    bool json, reference;
};

#define AT(member) offsetof(struct eval_args, member)

static const struct args_option options[] = {
    PICTURES_OR_FEATURES(AT),
    {"labels", ARGS_TEXT, AT(labels), "Y", .help = "their labels, -1 = leave the row out; --images brings its own"},
    COLUMNS_LABELS(AT, columns),
    {"codes", ARGS_TEXT, AT(codes), "CODES.npy",
     .help = "codes of X from before the mask: only where it hit them is searched again"},
    {"forget-class", ARGS_TEXT, AT(forget_class), "C[,C...]",
     .help = "classes, by index or name, to tell from the rest", .word = true},
    {"reference", ARGS_FLAG, AT(reference),
     .help = "linear heads beside it, on all training rows and without those of --forget-class"},
    {"train-features", ARGS_TEXT, AT(train_features), "TX", .help = "training rows, for --reference"},
    {"train-labels", ARGS_TEXT, AT(train_labels), "TY", .help = "their labels"},
    ARGS_THREADS_JSON(AT),
};

static const struct args_command command = {
    .name = "eval",
    .synopsis = "MODEL (--features X --labels Y | --images PATH...) [options]",
    .example = "dkvb eval m.dkvb --features test_x.npy --labels test_y.npy",
    .about =
        "Measure a model on labelled rows or pictures: accuracy and cross-entropy (nats), together and for each class.",
    .options = options,
    .size = sizeof(struct eval_args),
    .least_operands = 1,
    .most_operands = 1,
};

struct eval {
    struct eval_args args;
    dkvb_model *model;
    dkvb_model_info info;
    struct features x;
    struct pictures pictures; /* pictures whose rows of features the model is evaluated on */
    struct labels y;
    struct codes codes; /* codes of the rows that the model is evaluated on, if the codes were read from a file */
    bool *forgotten;    /* marks of the forgotten classes, [classes], or NULL */
    dkvb_evaluation found;
    struct features train_x; /* training rows for linear heads (--reference) */
    struct labels train_y;
    dkvb_reference_report *reference;
};

static int check_args(const struct eval_args *args)
{
    int code = pictures_check_rows(&command, &args->args, args->features, &args->pictures);

    if (code == EXIT_SUCCESS && args->features && !args->labels && !args->columns.labels)
        code = args_misused(&command, "--labels is missing, or --label-column where a column of a CSV has the labels");
    if (code == EXIT_SUCCESS && args->features && args->labels && args->columns.labels)
        code = args_misused(&command,
                            "--labels does not go with --label-column: one of them says which labels the rows have");
    if (code == EXIT_SUCCESS && args->reference && !(args->train_features && args->train_labels))
        code = args_misused(&command, "--reference needs --train-features and --train-labels, to fit heads on");
    if (code == EXIT_SUCCESS && !args->reference && (args->train_features || args->train_labels))
        code = args_misused(&command, "--%s is for --reference, which is missing",
                            args->train_features ? "train-features" : "train-labels");
    return code;
}

static int read_rows(struct eval *e)
{
    const struct eval_args *a = &e->args;
    const char *path = a->args.operand[0];
    int code;

    if (pictures_source(&a->pictures))
        code = pictures_open_for(&e->pictures, &a->pictures, args_given(&command, a, "encoder"), e->model, path);
    else
        code =
            input_features_for(&e->x, a->features, a->reference ? INPUT_COPIED : INPUT_BLOCKS, e->model, &a->columns);
    if (code)
        return code;
    return pictures_source(&a->pictures)
               ? pictures_rows(&e->pictures, e->model, path, a->labels, a->threads, &e->x, &e->y)
               : input_labels_for(&e->y, a->labels, &e->x, &(struct table_use){.model = e->model});
}

static int read_inputs(struct eval *e)
{
    const struct eval_args *a = &e->args;
    const char *path = a->args.operand[0];
    int code;

    if ((code = input_model_map(&e->model, path, &e->info)) ||
        (a->forget_class && (code = input_classes(&e->forgotten, a->forget_class, e->model, e->info.classes))) ||
        (code = read_rows(e)) || (a->codes && (code = codes_read(&e->codes, a->codes, &e->info))))
        return code;
    if (a->codes && e->codes.rows != e->x.rows)
        return tool_fail("%s has codes of %zu rows, %s has %zu rows: as many of both are wanted", e->codes.path,
                         e->codes.rows, e->x.path, e->x.rows);
    if (e->y.largest >= 0 && (uint32_t)e->y.largest >= e->info.classes)
        return tool_fail("%s: row %zu has label %" PRId32 ", the classes of %s are 0 to %" PRIu32, e->y.path,
                         e->y.largest_row, e->y.largest, path, e->info.classes - 1);
    if (a->reference &&
        ((code = input_features_for(&e->train_x, a->train_features, INPUT_COPIED, e->model, NULL)) ||
         (code = input_labels_for(&e->train_y, a->train_labels, &e->train_x, &(struct table_use){.model = e->model}))))
        return code;
    e->found.class_rows = input_memory("the classes", sizeof(uint64_t), e->info.classes, 2, 1);
    if (!e->found.class_rows)
        return EXIT_FAILURE;
    e->found.class_right = e->found.class_rows + e->info.classes;
    return EXIT_SUCCESS;
}

static int measure(struct eval *e)
{
    dkvb_run_options run = progress_start("predict", e->args.threads);
    dkvb_status rc;

    /* rows whose codes come from a file were checked for unusual scale when the codes were made */
    run.outside = e->args.codes ? NULL : outside_count(&e->x);
    e->found.source = e->x.source;
    rc = dkvb_model_evaluate(e->model, e->x.x, e->codes.codes, e->y.y, e->x.rows, &e->found, &run);
    progress_stop();
    if (rc == DKVB_OK && run.outside)
        outside_note(e->x.path, run.outside);
    return tool_check(rc);
}

static int compare(struct eval *e)
{
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    const struct reference_rows rows = {e->model, &e->train_x, &e->x, &e->train_y, &e->y, &request};

    if (!e->args.reference)
        return EXIT_SUCCESS;
    /* an array of bool serves as the marks of the forgotten classes, as `true` equals DKVB_FORGET */
    request.classes = (const uint8_t *)e->forgotten;
    return reference_compare(&e->reference, &rows, e->args.threads);
}

/* Counts the rows of the classes to be forgotten, or of all other classes, and how many of these rows are answered
 * correctly. */
static uint64_t tally(const struct eval *e, bool forgotten, uint64_t *right)
{
    uint64_t rows = 0;

    *right = 0;
    for (uint32_t i = 0; e->forgotten && i < e->info.classes; i++)
        if (e->forgotten[i] == forgotten) {
            rows += e->found.class_rows[i];
            *right += e->found.class_right[i];
        }
    return rows;
}

static double share(uint64_t right, uint64_t rows)
{
    return rows ? (double)right / (double)rows : NAN;
}

static void print_json(const struct eval *e)
{
    const dkvb_evaluation *f = &e->found;
    uint64_t right, rows;

    json_open(NULL, '{');
    json_count("n", f->rows);
    json_count("unlabelled", f->unlabelled);
    json_count("unreadable", e->pictures.unreadable);
    json_count_if("rows_outside_scale", !e->args.codes, e->x.outside.rows);
    json_number("accuracy", f->accuracy);
    json_number("loss", f->loss);
    json_number("temperature", e->info.temperature);
    json_number("temperature_power", e->info.temperature_power);
    json_number("calibration_error", f->calibration_error);
    json_open("per_class", '[');
    for (uint32_t i = 0; i < e->info.classes; i++)
        json_number(NULL, share(f->class_right[i], f->class_rows[i]));
    json_close(']');
    rows = tally(e, true, &right);
    json_number("forget_accuracy", share(right, rows));
    rows = tally(e, false, &right);
    json_number("retain_accuracy", share(right, rows));
    json_count("abstained", f->abstained);
    json_count_if("searched_again", e->args.codes, f->searched);
    reference_json(e->reference);
    json_close('}');
}

static void print_tally(const char *what, uint64_t right, uint64_t rows, int width)
{
    output_padded(what, width);
    if (rows)
        printf("  %8" PRIu64 "  %8.4f\n", rows, share(right, rows));
    else
        printf("  %8d  %8s\n", 0, "-");
}

static void print_text(const struct eval *e)
{
    const dkvb_evaluation *f = &e->found;
    char text[300];
    int width = output_class_width(e->model, e->info.classes, output_width("all classes"));
    uint64_t right, rows;

    printf("%-*s  %8s  %8s\n", width, "class", "rows", "accuracy");
    for (uint32_t i = 0; i < e->info.classes; i++)
        print_tally(output_class(e->model, (int32_t)i, text), f->class_right[i], f->class_rows[i], width);
    for (int forgotten = 1; e->forgotten && forgotten >= 0; forgotten--) {
        rows = tally(e, forgotten, &right);
        print_tally(forgotten ? "forgotten" : "kept", right, rows, width);
    }
    print_tally("all classes", f->right, f->rows, width);
    if (f->rows)
        printf("loss %.4f nats, expected calibration error %.4f at temperature %.3f x spread^%.3f; %" PRIu64
               " rows abstained\n",
               f->loss, f->calibration_error, e->info.temperature, e->info.temperature_power, f->abstained);
    if (f->unlabelled)
        printf("left out: %" PRIu64 " rows without a label (-1)\n", f->unlabelled);
    if (e->args.codes)
        printf("searched again: %" PRIu64 " of %" PRIu64 " (row, codebook) pairs\n", f->searched,
               (uint64_t)e->x.rows * e->info.codebooks);
    if (e->reference)
        reference_print(e->reference);
}

int cmd_eval(int argc, char **argv)
{
    struct eval e = {.found = DKVB_EVALUATION_INIT};
    int code;

    if (!args_parse(&command, argc, argv, &e.args, &code))
        return code;
    if ((code = check_args(&e.args)) || (e.args.reference && (code = reference_load())) || (code = read_inputs(&e)) ||
        (code = measure(&e)) || (code = compare(&e)))
        goto end;
    e.args.json ? print_json(&e) : print_text(&e);
end:
    reference_free(e.reference);
    input_labels_free(&e.train_y);
    input_features_free(&e.train_x);
    free(e.found.class_rows);
    free(e.forgotten);
    codes_free(&e.codes);
    input_labels_free(&e.y);
    input_features_free(&e.x);
    pictures_close(&e.pictures);
    dkvb_model_free(e.model);
    return code;
}
