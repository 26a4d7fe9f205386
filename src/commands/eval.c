/* dkvb eval: accuracy and loss on labelled rows, apart for forgotten and kept classes if asked. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/answers.h"
#include "io/args.h"
#include "io/codes.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/pictures.h"
#include "tool.h"

struct eval_args {
    struct args args;
    struct pictures_args pictures;
    const char *features, *labels, *codes, *forget_class;
    uint32_t threads;
    bool json;
};

#define AT(member) offsetof(struct eval_args, member)

static const struct args_option options[] = {
    {"features", ARGS_TEXT, AT(features), "X", .help = "rows: .npy or IDX (.gz); or"},
    {"images", ARGS_TEXT, AT(pictures.path), "PATH", .help = "pictures, see 'dkvb encode'"},
    {"encoder", ARGS_CHOICE, AT(pictures.encoder), PICTURES_ENCODERS,
     .help = "what makes rows of them; if not given, what the model remembers", .choices = pictures_encoders},
    PICTURES_OPTIONS(AT, pictures),
    {"labels", ARGS_TEXT, AT(labels), "Y", .help = "their labels, -1 = leave the row out; --images brings its own"},
    {"codes", ARGS_TEXT, AT(codes), "CODES.npy",
     .help = "codes of X from before the mask: only where it hit them is searched again"},
    {"forget-class", ARGS_TEXT, AT(forget_class), "C[,C...]",
     .help = "classes, by index or name, to tell from the rest"},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "eval",
    .synopsis = "MODEL (--features X --labels Y | --images PATH) [options]",
    .about =
        "Measure a model on labelled rows or pictures: accuracy and cross-entropy (nats), together and for each class.",
    .options = options,
    .size = sizeof(struct eval_args),
    .least_operands = 1,
    .most_operands = 1,
};

enum { BINS = 15 }; /* of the expected calibration error */

struct tally {
    uint64_t rows, right;
};

struct eval {
    struct eval_args args;
    dkvb_model *model;
    dkvb_model_info info;
    struct features x;
    struct pictures pictures; /* that x is of */
    struct labels y;
    struct codes codes;      /* if they were given */
    uint64_t searched;       /* (row, codebook) pairs whose codes the mask hit */
    bool *forgotten;         /* [classes], or NULL */
    struct tally *per_class; /* [classes] */
    struct tally all, forget, retain;
    uint64_t abstained;  /* rows without an answer */
    uint64_t calibrated; /* rows in the bins */
    double loss;         /* a sum until all rows are in */
    double gaps[BINS];   /* of the calibration */
};

static double accuracy(const struct tally *t)
{
    return t->rows ? (double)t->right / (double)t->rows : NAN;
}

static void count(struct tally *t, bool right)
{
    t->rows++;
    t->right += right;
}

/* -log of the probability of a label, with the largest logit taken off first so that no power overflows. */
static double cross_entropy(const float *logits, uint32_t classes, int32_t label, double temperature)
{
    double largest = logits[0], sum = 0;

    for (uint32_t l = 1; l < classes; l++)
        if (logits[l] > largest)
            largest = logits[l];
    for (uint32_t l = 0; l < classes; l++)
        sum += exp((logits[l] - largest) / temperature);
    return log(sum) + (largest - logits[label]) / temperature;
}

static int take_answers(void *user, size_t first, size_t n, const int32_t *labels, const float *logits)
{
    struct eval *e = user;

    for (size_t i = 0; i < n; i++) {
        int32_t wanted = e->y.y[first + i];
        bool right = labels[i] == wanted;

        if (wanted < 0)
            continue;
        count(&e->all, right);
        count(&e->per_class[wanted], right);
        if (e->forgotten)
            count(e->forgotten[wanted] ? &e->forget : &e->retain, right);
        e->abstained += labels[i] < 0;
        e->loss += cross_entropy(logits + i * e->info.classes, e->info.classes, wanted,
                                 dkvb_calibration_temperature(logits + i * e->info.classes, e->info.classes,
                                                              e->info.temperature, e->info.temperature_power));
    }
    return tool_check(dkvb_calibration_add(logits, e->y.y + first, n, e->info.classes, e->info.temperature,
                                           e->info.temperature_power, BINS, e->gaps, &e->calibrated));
}

static int read_codes(struct eval *e)
{
    int code = codes_read(&e->codes, e->args.codes, &e->info);

    if (code == EXIT_SUCCESS && e->codes.rows != e->x.rows)
        code = tool_fail("%s has codes of %zu rows, %s has %zu rows: as many of both are wanted", e->codes.path,
                         e->codes.rows, e->x.path, e->x.rows);
    return code;
}

static int check_args(const struct eval_args *args)
{
    int code = pictures_check_rows(&command, &args->args, args->features, &args->pictures);

    if (code == EXIT_SUCCESS && args->features && !args->labels)
        code = args_misused(&command, "--labels is missing");
    return code;
}

static int read_pictures(struct eval *e)
{
    const char *path = e->args.args.operand[0];
    bool chosen = args_given(&command, &e->args, "encoder");
    int code = pictures_open_for(&e->pictures, &e->args.pictures, chosen, e->model, path);

    return code ? code : pictures_rows(&e->pictures, e->model, path, e->args.labels, e->args.threads, &e->x, &e->y);
}

static int read_rows(struct eval *e)
{
    int code;

    if (e->args.pictures.path)
        return read_pictures(e);
    code = input_features_for(&e->x, e->args.features, &e->info);
    return code ? code : input_labels_for(&e->y, e->args.labels, &e->x);
}

static int read_inputs(struct eval *e)
{
    const char *path = e->args.args.operand[0];
    int code = input_model_map(&e->model, path, &e->info);

    if (code == EXIT_SUCCESS && e->args.forget_class)
        code = input_classes(&e->forgotten, e->args.forget_class, e->model, e->info.classes);
    if (code == EXIT_SUCCESS)
        code = read_rows(e);
    if (code == EXIT_SUCCESS && e->args.codes)
        code = read_codes(e);
    if (code == EXIT_SUCCESS && e->y.largest >= 0 && (uint32_t)e->y.largest >= e->info.classes)
        code = tool_fail("%s: row %zu has label %" PRId32 ", the classes of %s are 0 to %" PRIu32, e->y.path,
                         e->y.largest_row, e->y.largest, path, e->info.classes - 1);
    if (code)
        return code;
    e->per_class = input_memory("the classes", sizeof *e->per_class, e->info.classes, 1, 1);
    return e->per_class ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_json(const struct eval *e)
{
    json_open(NULL, '{');
    json_count("n", e->all.rows);
    json_count("unlabelled", e->y.rows - e->all.rows);
    json_count("unreadable", e->pictures.unreadable);
    if (e->args.codes)
        json_null("rows_outside_scale");
    else
        json_count("rows_outside_scale", e->x.outside.rows);
    json_real("accuracy", accuracy(&e->all));
    json_real("loss", e->loss);
    json_real("temperature", e->info.temperature);
    json_real("temperature_power", e->info.temperature_power);
    json_real("calibration_error", e->all.rows ? dkvb_calibration_of_gaps(e->gaps, BINS, e->calibrated) : NAN);
    json_open("per_class", '[');
    for (uint32_t i = 0; i < e->info.classes; i++)
        json_real(NULL, accuracy(&e->per_class[i]));
    json_close(']');
    json_real("forget_accuracy", accuracy(&e->forget));
    json_real("retain_accuracy", accuracy(&e->retain));
    json_count("abstained", e->abstained);
    if (e->args.codes)
        json_count("searched_again", e->searched);
    else
        json_null("searched_again");
    json_close('}');
}

static void print_tally(const char *what, const struct tally *t, int width)
{
    output_padded(what, width);
    if (t->rows)
        printf("  %8" PRIu64 "  %8.4f\n", t->rows, accuracy(t));
    else
        printf("  %8d  %8s\n", 0, "-");
}

static const char *class_text(const struct eval *e, uint32_t label, char *text, size_t size)
{
    const char *name = dkvb_model_class_name(e->model, label);

    snprintf(text, size, "%" PRIu32 "%s%s", label, name ? " " : "", name ? name : "");
    return text;
}

static void print_text(const struct eval *e)
{
    char text[300];
    int width = output_width("all classes");

    for (uint32_t i = 0; i < e->info.classes; i++) {
        int wide = output_width(class_text(e, i, text, sizeof text));

        width = wide > width ? wide : width;
    }
    printf("%-*s  %8s  %8s\n", width, "class", "rows", "accuracy");
    for (uint32_t i = 0; i < e->info.classes; i++)
        print_tally(class_text(e, i, text, sizeof text), &e->per_class[i], width);
    if (e->forgotten) {
        print_tally("forgotten", &e->forget, width);
        print_tally("kept", &e->retain, width);
    }
    print_tally("all classes", &e->all, width);
    if (e->all.rows)
        printf("loss %.4f nats, expected calibration error %.4f at temperature %.3f x spread^%.3f; %" PRIu64
               " rows abstained\n",
               e->loss, dkvb_calibration_of_gaps(e->gaps, BINS, e->calibrated), e->info.temperature,
               e->info.temperature_power, e->abstained);
    if (e->y.rows > e->all.rows)
        printf("left out: %" PRIu64 " rows without a label (-1)\n", e->y.rows - e->all.rows);
    if (e->args.codes)
        printf("searched again: %" PRIu64 " of %" PRIu64 " (row, codebook) pairs\n", e->searched,
               (uint64_t)e->x.rows * e->info.codebooks);
}

static int eval(struct eval *e)
{
    int code = read_inputs(e);

    if (code == EXIT_SUCCESS)
        code = e->args.codes
                   ? answers_from_codes(e->model, &e->x, &e->codes, e->args.threads, &e->searched, take_answers, e)
                   : answers_each(e->model, &e->x, e->args.threads, take_answers, e);
    if (code)
        return code;
    e->loss = e->all.rows ? e->loss / (double)e->all.rows : NAN;
    if (e->args.json)
        print_json(e);
    else
        print_text(e);
    return EXIT_SUCCESS;
}

int cmd_eval(int argc, char **argv)
{
    struct eval e = {0};
    int code;

    if (!args_parse(&command, argc, argv, &e.args, &code))
        return code;
    code = check_args(&e.args);
    if (code == EXIT_SUCCESS)
        code = eval(&e);
    free(e.per_class);
    free(e.forgotten);
    codes_free(&e.codes);
    input_labels_free(&e.y);
    input_features_free(&e.x);
    pictures_close(&e.pictures);
    dkvb_model_free(e.model);
    return code;
}
