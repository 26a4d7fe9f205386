/* dkvb predict predicts the classes of rows, and writes the predictions to a file or prints them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/serve.h"
#include "io/args.h"
#include "io/csv.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/codes.h"
#include "io/paths.h"
#include "io/pictures.h"
#include "io/progress.h"
#include "tool.h"

struct predict_args {
    struct args args;
    struct pictures_args pictures;
    const char *features, *output;
    struct columns_args columns;
    uint32_t top, threads;
    bool scores, serve, json;
};

#define AT(member) offsetof(struct predict_args, member)

static const struct args_option options[] = {
    PICTURES_OR_FEATURES(AT),
    COLUMNS_LABELS(AT, columns),
    COLUMNS_IDS(AT, columns),
    {"output", ARGS_TEXT, AT(output), "OUT",
     .help = "labels: a table in .csv or .tsv; else .npy, int32[n], -1 = abstained", .letter = 'o'},
    {"top", ARGS_U32, AT(top), "N", .help = "the N likeliest classes; a .npy is int32[n][N]", .least = 1},
    {"scores", ARGS_FLAG, AT(scores), .help = "write the logits instead of labels; a .npy is float32[n][classes]"},
    {"serve", ARGS_FLAG, AT(serve), .help = "answer rows of standard input as they arrive, .npy or CSV"},
    ARGS_THREADS_JSON(AT),
};

static const struct args_command command = {
    .name = "predict",
    .synopsis = "MODEL --features X|--images PATH...|--serve [-o OUT] [options]",
    .example = "dkvb predict m.dkvb --features test_x.npy --top 3",
    .about = "Classify rows or pictures. Without -o the answers are printed: row or picture, class, probability.\n"
             "OUT.csv and OUT.tsv have the columns row, label and probability, and with --top label_2 and so on.\n"
             "With --serve the command runs until its input ends, and takes up a model file that replaces MODEL.",
    .options = options,
    .size = sizeof(struct predict_args),
    .least_operands = 1,
    .most_operands = 1,
};

struct predict {
    struct predict_args args;
    dkvb_model *model;
    dkvb_model_info info;
    struct features x;
    struct pictures pictures; /* the pictures that were encoded into the rows to predict */
    struct names names;       /* names of the pictures that were encoded, which identify the rows */
    struct ids ids;           /* ids of the rows of a features file */
    uint32_t top;
    char delimiter; /* delimiter of the text table to write; 0: the output is an array, or is printed */
    size_t most;    /* number of rows that are predicted at a time */
    /* predicted classes of the rows: [n][top], or [most][top] for a block of rows that is printed as a text table; NULL
     * with --scores */
    int32_t *labels;
    int32_t *block;       /* likeliest class of each row of a block of rows */
    float *probabilities; /* probabilities of the predicted classes `labels`, if they are printed; otherwise NULL */
    /* features of a block of rows, [most][columns], if features are read from their file block by block; otherwise
     * NULL */
    float *rows;
    /* logits of the rows: with --scores [n][classes], or [most][classes] if the output is a text table; without
     * --scores scratch space, [most][classes] */
    float *logits;
    dkvb_run_options run;
    bool headed; /* true once the header of a text table is written */
    size_t next; /* number of the next row to write to the text table */
    uint64_t abstained;
    double began;
};

/* Starts a process that answers rows which arrive on standard input. */
static int serve_rows(const struct predict_args *args)
{
    static const char *const files[] = {"features", "images", "images-from", "label-column", "output", "json", NULL};
    static const char *const with_scores[] = {"top", NULL};
    static const char reason[] = "--serve: rows come from standard input, answers go to standard output";
    int code = args_refuse(&command, args, files, reason);

    if (code == EXIT_SUCCESS)
        code = args_refuse(&command, args, pictures_options, reason);
    if (code == EXIT_SUCCESS && args->scores)
        code = args_refuse(&command, args, with_scores, "--scores: all logits are written");
    return code ? code
                : serve(&(struct serve_args){.model = args->args.operand[0],
                                             .id_column = args->columns.ids,
                                             .top = args->top,
                                             .threads = args->threads,
                                             .scores = args->scores});
}

static int check_args(const struct predict_args *args)
{
    static const char *const with_scores[] = {"top", NULL};
    int code = pictures_check_rows(&command, &args->args, args->features, &args->pictures);

    if (code || !args->scores)
        return code;
    if (!args->output)
        return args_misused(&command, "--scores needs --output: logits are not printed");
    return args_refuse(&command, args, with_scores, "--scores: all logits are written");
}

/* Largest numbers of rows and of logits that are predicted as one block, so that memory is bounded; logits that are
 * printed as text take ten bytes more each, so their limit is lower. */
enum { MOST_ROWS = 8192, MOST_LOGITS = 8 * 1024 * 1024, MOST_TEXT_LOGITS = 1024 * 1024 };

/* Writes to `top`, [n][p->top], the likeliest classes of each row of a block, except rows on which the model abstained,
 * and their softmax probabilities unless `probabilities` is NULL. `labels`, [n], has the model's predictions, -1 if the
 * model abstained; `logits`, [n][classes], is overwritten. */
static int rank_rows(const struct predict *p, size_t n, const int32_t *labels, float *logits, int32_t *top,
                     float *probabilities)
{
    int code = tool_check(dkvb_decode_top(logits, n, p->info.classes, p->top, top, NULL));

    if (code == EXIT_SUCCESS && probabilities)
        code = tool_check(
            dkvb_decode_softmax(logits, n, p->info.classes, p->info.temperature, p->info.temperature_power, logits));
    for (size_t i = 0; i < n * p->top && code == EXIT_SUCCESS; i++) {
        if (probabilities)
            probabilities[i] = logits[i / p->top * p->info.classes + (size_t)top[i]];
        if (labels[i / p->top] < 0)
            top[i] = -1;
    }
    return code;
}

/* Allocates memory for predictions: for one block of rows if the output is a text table; for all rows if it is an
 * array or printed. */
static int make_room(struct predict *p)
{
    size_t rows = p->x.rows, classes = p->info.classes, kept;
    size_t most = (p->delimiter ? MOST_TEXT_LOGITS : MOST_LOGITS) / classes;

    most = most > MOST_ROWS ? MOST_ROWS : most > 0 ? most : 1;
    p->most = rows < most ? rows : most;
    kept = p->delimiter ? p->most : rows;
    p->block = input_memory("labels", sizeof *p->block, p->most, 1, 1);
    p->logits = input_memory("logits", sizeof *p->logits, p->args.scores ? kept : p->most, classes, 1);
    if (!p->block || !p->logits || input_block(&p->rows, &p->x, p->most))
        return EXIT_FAILURE;
    if (p->args.scores)
        return EXIT_SUCCESS;
    p->labels = input_memory("labels", sizeof *p->labels, kept, p->top, 1);
    if (p->labels && (p->delimiter || !p->args.output))
        p->probabilities = input_memory("probabilities", sizeof *p->probabilities, kept, p->top, 1);
    return p->labels && (p->probabilities || (p->args.output && !p->delimiter)) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Predicts the rows from `first` on, at most a block; *n becomes the number of predicted rows. Row `first` gets its
 * prediction at row `at` of the arrays for predictions. */
static int answer_block(struct predict *p, size_t first, size_t at, size_t *n)
{
    size_t rows = p->x.rows;
    float *logits = p->logits + (p->args.scores ? at * p->info.classes : 0);
    const float *x;
    int code;

    *n = rows - first < p->most ? rows - first : p->most;
    progress_span((double)first / (double)rows, (double)(first + *n) / (double)rows);
    code = input_rows(&p->x, first, *n, p->rows, &x);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_predict(p->model, x, *n, p->block, logits, &p->run));
    for (size_t i = 0; i < *n && code == EXIT_SUCCESS; i++)
        p->abstained += p->block[i] < 0;
    if (code == EXIT_SUCCESS && !p->args.scores)
        code = rank_rows(p, *n, p->block, logits, p->labels + at * p->top,
                         p->probabilities ? p->probabilities + at * p->top : NULL);
    return code;
}

/* Writes the JSON list "predictions": a list for each row, likeliest class first; empty if the model abstained. */
static void json_predictions(const struct predict *p)
{
    json_open("predictions", '[');
    for (size_t row = 0; row < p->x.rows; row++) {
        json_open(NULL, '[');
        for (size_t at = row * p->top; at < (row + 1) * p->top && p->labels[at] >= 0; at++) {
            json_open(NULL, '{');
            json_label("label", p->labels[at]);
            json_text("name", dkvb_model_class_name(p->model, (uint32_t)p->labels[at]));
            json_number("probability", (double)p->probabilities[at]);
            json_close('}');
        }
        json_close(']');
    }
    json_close(']');
}

/* Writes the JSON list "ids" of predicted rows: a name or a number for each row; null if rows are identified by their
 * position. */
static void json_ids(const struct predict *p)
{
    if (!p->ids.n) {
        json_unknown("ids");
        return;
    }
    json_open("ids", '[');
    for (size_t row = 0; row < p->ids.n; row++) {
        if (p->ids.name)
            json_text(NULL, p->ids.name[row]);
        else
            json_count(NULL, p->ids.id[row]);
    }
    json_close(']');
}

static void print_json(const struct predict *p)
{
    json_open(NULL, '{');
    json_count("n", p->x.rows);
    json_count("abstained", p->abstained);
    json_count("unreadable", p->pictures.unreadable);
    json_count("rows_outside_scale", p->x.outside.rows);
    json_text("output", p->args.output);
    if (p->args.output)
        json_unknown("predictions");
    else
        json_predictions(p);
    if (pictures_source(&p->args.pictures)) {
        json_open("pictures", '[');
        for (size_t row = 0; row < p->names.count; row++)
            json_text(NULL, p->names.line[row]);
        json_close(']');
    } else {
        json_unknown("pictures");
    }
    json_ids(p);
    json_number("seconds", progress_clock() - p->began);
    json_close('}');
}

static const char *class_text(const struct predict *p, int32_t label, char text[16])
{
    const char *name = dkvb_model_class_name(p->model, (uint32_t)label);

    if (name)
        return name;
    snprintf(text, 16, "%" PRId32, label);
    return text;
}

/* Returns the identification of a row: the name of its picture, its id, or its number. */
static const char *row_text(const struct predict *p, size_t row, char text[24])
{
    if (row < p->names.count)
        return p->names.line[row];
    if (p->ids.name)
        return p->ids.name[row];
    snprintf(text, 24, "%" PRIu64, p->ids.id ? p->ids.id[row] : (uint64_t)row);
    return text;
}

/* Prints a line for each predicted row: its name, id or number, then its classes. Names of rows are left-justified and
 * numbers right-justified, for people who read the printed lines as a table. */
static void print_answers(const struct predict *p)
{
    bool pictures = pictures_source(&p->args.pictures), named = pictures || p->ids.name;
    int width = output_width("abstained"), wide = output_width(pictures ? "picture" : "row");
    char text[24];

    for (int32_t label = 0; (uint32_t)label < p->info.classes; label++)
        width = output_wider(width, class_text(p, label, text));
    for (size_t row = 0; named && row < p->x.rows; row++)
        wide = output_wider(wide, row_text(p, row, text));
    printf("%*s  %-*s  probability\n", named ? -wide : 8, pictures ? "picture" : "row", width, "class");
    for (size_t row = 0; row < p->x.rows; row++) {
        size_t at = row * p->top;

        if (named)
            output_padded(row_text(p, row, text), wide);
        else
            printf("%8s", row_text(p, row, text));
        if (p->labels[at] < 0)
            fputs("  abstained", stdout);
        for (; at < (row + 1) * p->top && p->labels[at] >= 0; at++) {
            fputs("  ", stdout);
            output_padded(class_text(p, p->labels[at], text), width);
            printf("  %.4f", (double)p->probabilities[at]);
        }
        putchar('\n');
    }
}

static void put_header(const struct predict *p, FILE *to)
{
    char text[16];

    fputs("row", to);
    for (int32_t l = 0; p->args.scores && (uint32_t)l < p->info.classes; l++) {
        putc(p->delimiter, to);
        csv_text(to, p->delimiter, class_text(p, l, text));
    }
    for (uint32_t i = 1; !p->args.scores && i <= p->top; i++) {
        if (i == 1)
            fprintf(to, "%clabel%cprobability", p->delimiter, p->delimiter);
        else
            fprintf(to, "%clabel_%" PRIu32 "%cprobability_%" PRIu32, p->delimiter, i, p->delimiter, i);
    }
    putc('\n', to);
}

/* Writes the fields for label and probability of a predicted row; both are empty for a row on which the model
 * abstained. */
static void put_answer(const struct predict *p, int32_t label, float probability, FILE *to)
{
    char text[16];

    putc(p->delimiter, to);
    if (label >= 0)
        csv_text(to, p->delimiter, class_text(p, label, text));
    putc(p->delimiter, to);
    if (label >= 0)
        csv_float(to, probability);
}

/* Predicts the next block of rows and prints the block's part of the text table of predictions; the first part of the
 * table is the header. */
static int print_part(void *context, FILE *to)
{
    struct predict *p = context;
    size_t first = p->next, n = 0;
    char text[24];
    int code = EXIT_SUCCESS;

    if (!p->headed)
        put_header(p, to);
    else if (first < p->x.rows)
        code = answer_block(p, first, 0, &n);
    p->headed = true;
    for (size_t i = 0; i < n && code == EXIT_SUCCESS; i++) {
        csv_text(to, p->delimiter, row_text(p, first + i, text));
        for (size_t c = 0; p->args.scores && c < p->info.classes; c++) {
            putc(p->delimiter, to);
            csv_float(to, p->logits[i * p->info.classes + c]);
        }
        for (size_t at = i * p->top; !p->args.scores && at < (i + 1) * p->top; at++)
            put_answer(p, p->labels[at], p->probabilities[at], to);
        putc('\n', to);
    }
    p->next = first + n;
    return code;
}

static int write_array(const struct predict *p)
{
    const uint64_t shape[2] = {p->x.rows, p->args.scores ? p->info.classes : p->top};

    if (p->args.scores)
        return output_npy(p->args.output, DKVB_DTYPE_F32, 2, shape, p->logits);
    return output_npy(p->args.output, DKVB_DTYPE_I32, p->args.top ? 2 : 1, shape, p->labels);
}

/* Predicts all rows and writes the output file, if the command line names one. A text table is written while rows are
 * predicted. */
static int answer(struct predict *p)
{
    int code = make_room(p);

    if (code)
        return code;
    p->run = progress_start("predict", p->args.threads);
    p->run.outside = outside_count(&p->x);
    if (p->delimiter)
        code = output_parts(p->args.output, print_part, p);
    for (size_t first = 0, n; !p->delimiter && first < p->x.rows && code == EXIT_SUCCESS; first += n)
        code = answer_block(p, first, first, &n);
    if (code)
        return code;
    progress_stop();
    if (p->run.outside)
        outside_note(p->x.path, p->run.outside);
    return p->args.output && !p->delimiter ? write_array(p) : EXIT_SUCCESS;
}

static int check_paths(const struct predict_args *args)
{
    const struct path inputs[] = {{"MODEL", args->args.operand[0]},
                                  {"--features", args->features},
                                  {"--images", pictures_source(&args->pictures)},
                                  {"--weights", args->pictures.weights},
                                  {"--config", args->pictures.config},
                                  {0}};
    const struct path outputs[] = {{"--output", args->output}, {0}};

    return paths_check(&command, inputs, outputs);
}

static int read_rows(struct predict *p)
{
    const struct predict_args *a = &p->args;
    int code;

    if (!pictures_source(&a->pictures)) {
        code = input_features_for(&p->x, a->features, INPUT_BLOCKS, p->model, &a->columns);
        return code || !a->columns.ids ? code : ids_of_features(&p->ids, NULL, &p->x);
    }
    if ((code = pictures_open_for(&p->pictures, &a->pictures, args_given(&command, a, "encoder"), p->model,
                                  a->args.operand[0])) ||
        (code = pictures_spare(&p->pictures, a->output, NULL)) ||
        (code = pictures_features(&p->pictures, a->threads, &p->x)))
        return code;
    return a->output && !a->json && !p->delimiter ? EXIT_SUCCESS : pictures_names(&p->pictures, &p->names);
}

static int predict(struct predict *p)
{
    int code;

    if (p->args.serve)
        return serve_rows(&p->args);
    if ((code = check_args(&p->args)) || (code = check_paths(&p->args)) ||
        (code = input_model_map(&p->model, p->args.args.operand[0], &p->info)))
        return code;
    if (p->args.top > p->info.classes)
        return tool_fail("--top %" PRIu32 ": the model has %" PRIu32 " classes", p->args.top, p->info.classes);
    p->top = p->args.top ? p->args.top : 1;
    p->delimiter = p->args.output ? csv_delimiter(p->args.output) : '\0';
    if ((code = read_rows(p)) || (code = answer(p)))
        return code;
    if (p->args.json)
        print_json(p);
    else if (p->args.output)
        printf("wrote %s: %s of %zu rows, %" PRIu64 " abstained\n", p->args.output,
               p->args.scores ? "logits" : "labels", p->x.rows, p->abstained);
    else
        print_answers(p);
    return EXIT_SUCCESS;
}

int cmd_predict(int argc, char **argv)
{
    struct predict p = {.began = progress_clock()};
    int code;

    if (args_parse(&command, argc, argv, &p.args, &code))
        code = predict(&p);
    free(p.logits);
    free(p.rows);
    free(p.probabilities);
    free(p.block);
    free(p.labels);
    input_features_free(&p.x);
    input_names_free(&p.names);
    ids_free(&p.ids);
    pictures_close(&p.pictures);
    dkvb_model_free(p.model);
    return code;
}
