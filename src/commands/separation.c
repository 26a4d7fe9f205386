/* dkvb separation: how far the codes of classes lie apart, which tells beforehand how cleanly a class can go. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/codes.h"
#include "io/codeset.h"
#include "io/csv.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

struct separation_args {
    struct args args;
    const char *features, *codes, *labels, *csv;
    uint32_t threads;
    bool json;
};

#define AT(member) offsetof(struct separation_args, member)

static const struct args_option options[] = {
    {"features", ARGS_TEXT, AT(features), "X", .help = "rows: .npy or IDX (.gz); or"},
    {"codes", ARGS_TEXT, AT(codes), "CODES",
     .help = "their codes: of 'train --codes-out', or plain as of 'dkvb search'"},
    {"labels", ARGS_TEXT, AT(labels), "Y", .help = "their labels, unless CODES has them"},
    {"csv", ARGS_TEXT, AT(csv), "DIR", .help = "also write tables; the folder is made if it is not there"},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "separation",
    .synopsis = "MODEL (--features X | --codes CODES) [--labels Y] [options]",
    .about =
        "Tell how far the codes of classes lie apart: for each class how many pairs its rows select, how many no\n"
        "other class selects, which class is nearest by weighted Jaccard overlap, and the silhouette of its rows.\n"
        "Forgetting a class moves the accuracy of those that it overlaps with, and hardly that of others.",
    .options = options,
    .size = sizeof(struct separation_args),
    .least_operands = 1,
    .most_operands = 1,
};

struct separation {
    struct separation_args args;
    dkvb_model *model;
    dkvb_model_info info;
    struct features x;
    struct codes stored;   /* of --codes, */
    bool kept;             /* --codes is a codes file */
    dkvb_codeset *set;     /* or of its training part, or */
    uint16_t *searched;    /* of --features */
    const uint16_t *codes; /* [n][C][k], one of these three */
    struct labels y;
    size_t n;
    dkvb_separation_shape shape;
    uint32_t *counts;               /* [L][C][K] */
    uint64_t *rows;                 /* [L] */
    uint64_t *selected, *exclusive; /* [L]: pairs */
    double *jaccard, *weighted;     /* [L][L] */
    double *each, *sums;            /* [n] and [L]: silhouettes */
    double began;
};

static int search_rows(struct separation *s)
{
    int code = input_features_for(&s->x, s->args.features, &s->info);

    if (code)
        return code;
    s->n = s->x.rows;
    s->codes = s->searched = input_memory("codes", sizeof *s->searched, s->n, s->info.codebooks, s->info.top_k);
    return s->searched ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int open_codes(struct separation *s)
{
    int code = codes_map(&s->stored, s->args.codes);

    s->codes = s->stored.codes;
    s->n = s->stored.rows;
    return code ? code : codes_check_shape(&s->stored, &s->info);
}

static const char *rows_path(const struct separation *s)
{
    return s->args.codes ? s->args.codes : s->args.features;
}

/* Codes and labels of the training part of a codes file. */
static int open_codeset(struct separation *s)
{
    dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;
    int code = codeset_read(&s->set, s->args.codes, s->model, s->args.threads);

    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_rows(s->set, DKVB_PART_TRAINING, &rows));
    if (code == EXIT_SUCCESS && rows.k != s->info.top_k)
        code = tool_fail("%s: codes have k = %" PRIu32 ", the model selects %" PRIu32, s->args.codes, rows.k,
                         s->info.top_k);
    s->codes = rows.codes;
    s->n = rows.n;
    s->y = (struct labels){
        .path = s->args.codes, .array = DKVB_ARRAY_INIT, .y = rows.labels, .rows = rows.n, .largest = -1};
    for (size_t i = 0; i < rows.n; i++)
        if (rows.labels[i] > s->y.largest) {
            s->y.largest = rows.labels[i];
            s->y.largest_row = i;
        }
    return code;
}

/* Rows or codes, and their labels. */
static int read_rows(struct separation *s)
{
    int code;

    if (s->kept)
        return open_codeset(s);
    code = s->args.codes ? open_codes(s) : search_rows(s);
    return code ? code : input_labels(&s->y, s->args.labels, rows_path(s), s->n);
}

static int read_inputs(struct separation *s)
{
    int code = input_model_map(&s->model, s->args.args.operand[0], &s->info);

    if (code == EXIT_SUCCESS)
        code = read_rows(s);
    if (code == EXIT_SUCCESS && s->y.largest < 0)
        code = tool_fail("%s: %zu labels and none of 0 or more: rows of at least one class are wanted", s->y.path,
                         s->y.rows);
    if (code == EXIT_SUCCESS && (uint32_t)s->y.largest >= s->info.classes)
        code = tool_fail("%s: row %zu has label %" PRId32 ", the classes of %s are 0 to %" PRIu32, s->y.path,
                         s->y.largest_row, s->y.largest, s->args.args.operand[0], s->info.classes - 1);
    if (code == EXIT_SUCCESS && s->searched)
        code = codes_search(s->model, &s->x, s->args.threads, s->searched, NULL);
    return code;
}

static int make_tables(struct separation *s)
{
    size_t l = s->info.classes;

    dkvb_separation_shape_init(&s->shape);
    s->shape.codebooks = s->info.codebooks;
    s->shape.keys = s->info.keys;
    s->shape.top_k = s->info.top_k;
    s->shape.classes = s->info.classes;
    if (!(s->counts = input_memory("counts", sizeof *s->counts, l, s->info.codebooks, s->info.keys)) ||
        !(s->rows = input_memory("the classes", sizeof *s->rows, l, 1, 1)) ||
        !(s->selected = input_memory("the classes", sizeof *s->selected, l, 1, 1)) ||
        !(s->exclusive = input_memory("the classes", sizeof *s->exclusive, l, 1, 1)) ||
        !(s->jaccard = input_memory("overlaps", sizeof *s->jaccard, l, l, 1)) ||
        !(s->weighted = input_memory("overlaps", sizeof *s->weighted, l, l, 1)) ||
        !(s->each = input_memory("silhouettes", sizeof *s->each, s->n, 1, 1)) ||
        !(s->sums = input_memory("the classes", sizeof *s->sums, l, 1, 1)))
        return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

static dkvb_status measure_classes(struct separation *s, const dkvb_run_options *run)
{
    dkvb_status status = dkvb_separation_count(&s->shape, s->codes, s->y.y, s->n, s->counts, s->rows, run);

    if (status == DKVB_OK)
        status = dkvb_separation_pairs(&s->shape, s->counts, s->selected, s->exclusive);
    progress_span(0, 0.3);
    if (status == DKVB_OK)
        status = dkvb_separation_overlap(&s->shape, s->counts, s->rows, s->jaccard, s->weighted, run);
    progress_span(0.3, 1);
    if (status == DKVB_OK)
        status =
            dkvb_separation_silhouette(&s->shape, s->counts, s->rows, s->codes, s->y.y, s->n, s->each, s->sums, run);
    return status;
}

static int measure(struct separation *s)
{
    dkvb_run_options run = progress_start("compare", s->args.threads);
    dkvb_status status = measure_classes(s, &run);

    progress_stop();
    return tool_check_both(rows_path(s), s->y.path, status);
}

/* The other class with the largest weighted overlap, the lowest on a tie; -1 if no other has rows. */
static int32_t nearest(const struct separation *s, uint32_t label)
{
    const double *overlap = s->weighted + (size_t)label * s->info.classes;
    int32_t found = -1;

    for (uint32_t i = 0; i < s->info.classes; i++)
        if (i != label && !isnan(overlap[i]) && (found < 0 || overlap[i] > overlap[found]))
            found = (int32_t)i;
    return found;
}

static double overlap_of(const struct separation *s, uint32_t label, int32_t other)
{
    return other < 0 ? NAN : s->weighted[(size_t)label * s->info.classes + (size_t)other];
}

static double silhouette_of(const struct separation *s, uint32_t label)
{
    return s->rows[label] ? s->sums[label] / (double)s->rows[label] : NAN;
}

struct totals {
    uint64_t rows, selected, exclusive;
    double silhouette;
};

static uint64_t count_selected(const struct separation *s)
{
    size_t pairs = (size_t)s->info.codebooks * s->info.keys;
    uint64_t selected = 0;

    for (size_t p = 0; p < pairs; p++) {
        bool any = false;

        for (size_t l = 0; l < s->info.classes && !any; l++)
            any = s->counts[l * pairs + p] > 0;
        selected += any;
    }
    return selected;
}

static struct totals add_up(const struct separation *s)
{
    struct totals all = {.selected = count_selected(s)};

    for (uint32_t i = 0; i < s->info.classes; i++) {
        all.rows += s->rows[i];
        all.exclusive += s->exclusive[i];
        all.silhouette += s->sums[i];
    }
    all.silhouette /= (double)all.rows;
    return all;
}

static void json_matrix(const char *key, const double *matrix, uint32_t classes)
{
    json_open(key, '[');
    for (uint32_t a = 0; a < classes; a++) {
        json_open(NULL, '[');
        for (uint32_t b = 0; b < classes; b++)
            json_real(NULL, *matrix++);
        json_close(']');
    }
    json_close(']');
}

static void json_class(const struct separation *s, uint32_t label)
{
    int32_t other = nearest(s, label);

    json_open(NULL, '{');
    json_count("label", label);
    json_text("name", dkvb_model_class_name(s->model, label));
    json_count("rows", s->rows[label]);
    json_count("pairs_selected", s->selected[label]);
    json_count("pairs_exclusive", s->exclusive[label]);
    if (other < 0)
        json_null("nearest");
    else
        json_label("nearest", other);
    json_real("overlap", overlap_of(s, label, other));
    json_real("silhouette", silhouette_of(s, label));
    json_close('}');
}

static void print_json(const struct separation *s, double seconds)
{
    struct totals all = add_up(s);

    json_open(NULL, '{');
    json_count("n", all.rows);
    json_count("pairs_total", (uint64_t)s->info.codebooks * s->info.keys);
    json_count("pairs_selected", all.selected);
    json_count("pairs_exclusive", all.exclusive);
    json_real("silhouette", all.silhouette);
    json_open("classes", '[');
    for (uint32_t i = 0; i < s->info.classes; i++)
        json_class(s, i);
    json_close(']');
    json_matrix("jaccard", s->jaccard, s->info.classes);
    json_matrix("weighted", s->weighted, s->info.classes);
    json_real("seconds", seconds);
    json_close('}');
}

/* Number and name of a class, "-" for none. */
static const char *class_text(const struct separation *s, int32_t label, char *text, size_t size)
{
    const char *name = label < 0 ? NULL : dkvb_model_class_name(s->model, (uint32_t)label);

    if (label < 0)
        snprintf(text, size, "-");
    else
        snprintf(text, size, "%" PRId32 "%s%s", label, name ? " " : "", name ? name : "");
    return text;
}

static void print_real(double value, int width, int digits)
{
    if (isnan(value))
        printf("  %*s", width, "-");
    else
        printf("  %*.*f", width, digits, value);
}

static void print_class(const struct separation *s, uint32_t label, int width)
{
    int32_t other = nearest(s, label);
    char text[300];

    output_padded(class_text(s, (int32_t)label, text, sizeof text), width);
    printf("  %8" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "  ", s->rows[label], s->selected[label], s->exclusive[label]);
    output_padded(class_text(s, other, text, sizeof text), width);
    print_real(overlap_of(s, label, other), 7, 4);
    print_real(silhouette_of(s, label), 10, 5);
    putchar('\n');
}

static void print_text(const struct separation *s, double seconds)
{
    struct totals all = add_up(s);
    int width = output_width("all classes");
    char text[300];

    for (uint32_t i = 0; i < s->info.classes; i++) {
        int wide = output_width(class_text(s, (int32_t)i, text, sizeof text));

        width = wide > width ? wide : width;
    }
    printf("%-*s  %8s  %9s  %9s  %-*s  %7s  %10s\n", width, "class", "rows", "selected", "exclusive", width, "nearest",
           "overlap", "silhouette");
    for (uint32_t i = 0; i < s->info.classes; i++)
        print_class(s, i, width);
    printf("%-*s  %8" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "  %-*s  %7s", width, "all classes", all.rows, all.selected,
           all.exclusive, width, "", "");
    print_real(all.silhouette, 10, 5);
    printf("\n%" PRIu64 " of %" PRIu64 " pairs are selected, %" PRIu64 " of them by one class only; in %.2f s\n",
           all.selected, (uint64_t)s->info.codebooks * s->info.keys, all.exclusive, seconds);
    if (s->args.csv)
        printf("wrote 3 tables to %s\n", s->args.csv);
}

/* A class as the name of a column: its name, else its number. */
static void csv_class(struct csv *csv, const struct separation *s, uint32_t label)
{
    const char *name = dkvb_model_class_name(s->model, label);

    if (name)
        csv_text(csv, name);
    else
        csv_count(csv, label);
}

static void write_classes(struct csv *csv, const struct separation *s)
{
    static const char *const columns[] = {"label",           "name",    "rows",    "pairs_selected",
                                          "pairs_exclusive", "nearest", "overlap", "silhouette"};

    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        csv_text(csv, columns[i]);
    csv_end_row(csv);
    for (uint32_t i = 0; i < s->info.classes; i++) {
        int32_t other = nearest(s, i);

        csv_count(csv, i);
        csv_text(csv, dkvb_model_class_name(s->model, i));
        csv_count(csv, s->rows[i]);
        csv_count(csv, s->selected[i]);
        csv_count(csv, s->exclusive[i]);
        csv_real(csv, other < 0 ? (double)NAN : (double)other);
        csv_real(csv, overlap_of(s, i, other));
        csv_real(csv, silhouette_of(s, i));
        csv_end_row(csv);
    }
}

static void write_matrix(struct csv *csv, const struct separation *s, const double *matrix)
{
    csv_text(csv, "class");
    for (uint32_t i = 0; i < s->info.classes; i++)
        csv_class(csv, s, i);
    csv_end_row(csv);
    for (uint32_t a = 0; a < s->info.classes; a++) {
        csv_class(csv, s, a);
        for (uint32_t b = 0; b < s->info.classes; b++)
            csv_real(csv, *matrix++);
        csv_end_row(csv);
    }
}

enum { CLASSES, JACCARD, WEIGHTED, TABLES };
static const char *const tables[TABLES] = {"classes.csv", "jaccard.csv", "weighted.csv"};

static int write_table(const struct separation *s, int table, const char *path)
{
    struct csv csv;
    int code = csv_begin(&csv, path);

    if (code == EXIT_SUCCESS && table == CLASSES)
        write_classes(&csv, s);
    else if (code == EXIT_SUCCESS)
        write_matrix(&csv, s, table == JACCARD ? s->jaccard : s->weighted);
    return csv_end(&csv, code);
}

/* Names of the tables in the folder, to be free()d one by one. */
static int name_tables(const struct separation_args *args, char *paths[TABLES])
{
    for (int i = 0; i < TABLES; i++)
        if (!(paths[i] = paths_join(args->csv, tables[i])))
            return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

static int check_tables(const struct separation_args *args, char *const paths[TABLES])
{
    const struct path inputs[] = {{"MODEL", args->args.operand[0]},
                                  {"--features", args->features},
                                  {"--codes", args->codes},
                                  {"--labels", args->labels},
                                  {0}};
    struct path outputs[TABLES + 1] = {{0}};

    for (int i = 0; i < TABLES; i++)
        outputs[i] = (struct path){"an output", paths[i]};
    return paths_check_in_folder(&command, args->csv, inputs, outputs);
}

static int write_tables(const struct separation *s, char *const paths[TABLES])
{
    int code = paths_make_folder(s->args.csv);

    for (int i = 0; i < TABLES && code == EXIT_SUCCESS; i++)
        code = write_table(s, i, paths[i]);
    return code;
}

static int separate(struct separation *s)
{
    char *paths[TABLES] = {0};
    int code = EXIT_SUCCESS;

    if (s->args.csv)
        code = name_tables(&s->args, paths);
    if (code == EXIT_SUCCESS && s->args.csv)
        code = check_tables(&s->args, paths);
    if (code == EXIT_SUCCESS)
        code = read_inputs(s);
    if (code == EXIT_SUCCESS)
        code = make_tables(s);
    if (code == EXIT_SUCCESS)
        code = measure(s);
    if (code == EXIT_SUCCESS && s->args.csv)
        code = write_tables(s, paths);
    for (int i = 0; i < TABLES; i++)
        free(paths[i]);
    if (code)
        return code;
    if (s->args.json)
        print_json(s, progress_clock() - s->began);
    else
        print_text(s, progress_clock() - s->began);
    return EXIT_SUCCESS;
}

static void separation_free(struct separation *s)
{
    free(s->sums);
    free(s->each);
    free(s->weighted);
    free(s->jaccard);
    free(s->exclusive);
    free(s->selected);
    free(s->rows);
    free(s->counts);
    free(s->searched);
    input_labels_free(&s->y);
    codes_free(&s->stored);
    dkvb_codeset_free(s->set);
    input_features_free(&s->x);
    dkvb_model_free(s->model);
}

int cmd_separation(int argc, char **argv)
{
    struct separation s = {.began = progress_clock()};
    int code;

    if (!args_parse(&command, argc, argv, &s.args, &code))
        return code;
    if (!s.args.features == !s.args.codes)
        return args_misused(&command, "one of --features and --codes is wanted");
    if (s.args.codes && (code = codeset_is(s.args.codes, &s.kept)) != EXIT_SUCCESS)
        return code;
    if (!s.args.labels == !s.kept)
        return args_misused(&command, s.args.labels ? "--labels: the codes file has them" : "--labels is missing");
    code = separate(&s);
    separation_free(&s);
    return code;
}
