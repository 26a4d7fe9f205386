/* dkvb separation measures how far the codes of classes lie apart, which shows before a request how cleanly a class can
 * be forgotten. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/codes.h"
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
    ARGS_THREADS_JSON(AT),
};

static const struct args_command command = {
    .name = "separation",
    .synopsis = "MODEL (--features X | --codes CODES) [--labels Y] [options]",
    .example = "dkvb separation m.dkvb --codes m.codes",
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
    struct features x;   /* rows of features that were read from the file of --features */
    uint16_t *searched;  /* codes that were searched for the rows of --features */
    struct codes stored; /* codes that were read from the file of --codes, if it is an array */
    bool kept;           /* true if the file of --codes is a codes file */
    dkvb_codeset *set;   /* contents of the file of --codes, if it is a codes file */
    struct labels y;
    dkvb_separation *found;
};

/* Reads the codes and labels to measure from the files that the options name. */
static int read_rows(struct separation *s, dkvb_separation_rows *rows)
{
    const struct separation_args *a = &s->args;
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
    int code;

    *rows = (dkvb_separation_rows)DKVB_SEPARATION_ROWS_INIT;
    rows->codebooks = s->info.codebooks, rows->keys = s->info.keys;
    rows->k = s->info.top_k, rows->classes = s->info.classes;
    if (s->kept) {
        if ((code = codeset_read(&s->set, a->codes, s->model, a->threads)) ||
            (code = tool_check(dkvb_codeset_get_rows(s->set, DKVB_PART_TRAINING, &part))))
            return code;
        rows->codes = part.codes, rows->labels = part.labels, rows->n = part.n, rows->k = part.k;
        return EXIT_SUCCESS;
    }
    if (a->codes ? (code = codes_map(&s->stored, a->codes)) || (code = codes_check_shape(&s->stored, &s->info))
                 : (code = input_features_for(&s->x, a->features, INPUT_BLOCKS, s->model, NULL)))
        return code;
    rows->n = a->codes ? s->stored.rows : s->x.rows;
    rows->codes = s->stored.codes;
    if ((code = input_labels(&s->y, a->labels, a->codes ? a->codes : a->features, rows->n,
                             &(struct table_use){.model = s->model})))
        return code;
    rows->labels = s->y.y;
    if (a->codes)
        return EXIT_SUCCESS;
    rows->codes = s->searched = input_memory("codes", sizeof *s->searched, rows->n, rows->codebooks, rows->k);
    return s->searched ? codes_search(s->model, &s->x, a->threads, s->searched) : EXIT_FAILURE;
}

static int measure(struct separation *s)
{
    dkvb_separation_rows rows;
    dkvb_run_options run;
    dkvb_status status;
    int code;

    if ((code = input_model_map(&s->model, s->args.args.operand[0], &s->info)) || (code = read_rows(s, &rows)))
        return code;
    run = progress_start("compare", s->args.threads);
    status = dkvb_separation_measure(&s->found, &rows, &run);
    progress_stop();
    return s->kept ? tool_check_about(s->args.codes, status)
                   : tool_check_both(s->args.codes ? s->args.codes : s->args.features, s->args.labels, status);
}

static void json_matrix(const char *key, const double *matrix, uint32_t classes)
{
    json_open(key, '[');
    for (uint32_t a = 0; a < classes; a++) {
        json_open(NULL, '[');
        for (uint32_t b = 0; b < classes; b++)
            json_number(NULL, *matrix++);
        json_close(']');
    }
    json_close(']');
}

static void print_json(const struct separation *s, double seconds)
{
    const dkvb_separation *f = s->found;

    json_open(NULL, '{');
    json_count("n", f->labelled);
    json_count("pairs_total", (uint64_t)f->codebooks * f->keys);
    json_count("pairs_selected", f->all_selected);
    json_count("pairs_exclusive", f->all_exclusive);
    json_number("silhouette", f->silhouette);
    json_open("classes", '[');
    for (uint32_t l = 0; l < f->classes; l++) {
        json_open(NULL, '{');
        json_count("label", l);
        json_text("name", dkvb_model_class_name(s->model, l));
        json_count("rows", f->rows[l]);
        json_count("pairs_selected", f->selected[l]);
        json_count("pairs_exclusive", f->exclusive[l]);
        json_number("nearest", f->nearest[l] < 0 ? (double)NAN : f->nearest[l]);
        json_number("overlap", f->overlap[l]);
        json_number("silhouette", f->silhouettes[l]);
        json_close('}');
    }
    json_close(']');
    json_matrix("jaccard", f->jaccard, f->classes);
    json_matrix("weighted", f->weighted, f->classes);
    json_number("seconds", seconds);
    json_close('}');
}

static void print_real(double value, int width, int digits)
{
    if (isnan(value))
        printf("  %*s", width, "-");
    else
        printf("  %*.*f", width, digits, value);
}

static void print_text(const struct separation *s, double seconds)
{
    const dkvb_separation *f = s->found;
    int width = output_class_width(s->model, f->classes, output_width("all classes"));
    char text[300];

    printf("%-*s  %8s  %9s  %9s  %-*s  %7s  %10s\n", width, "class", "rows", "selected", "exclusive", width, "nearest",
           "overlap", "silhouette");
    for (uint32_t l = 0; l < f->classes; l++) {
        output_padded(output_class(s->model, (int32_t)l, text), width);
        printf("  %8" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "  ", f->rows[l], f->selected[l], f->exclusive[l]);
        output_padded(output_class(s->model, f->nearest[l], text), width);
        print_real(f->overlap[l], 7, 4);
        print_real(f->silhouettes[l], 10, 5);
        putchar('\n');
    }
    printf("%-*s  %8" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "  %-*s  %7s", width, "all classes", f->labelled,
           f->all_selected, f->all_exclusive, width, "", "");
    print_real(f->silhouette, 10, 5);
    printf("\n%" PRIu64 " of %" PRIu64 " pairs are selected, %" PRIu64 " of them by one class only; in %.2f s\n",
           f->all_selected, (uint64_t)f->codebooks * f->keys, f->all_exclusive, seconds);
    if (s->args.csv)
        printf("wrote 3 tables to %s\n", s->args.csv);
}

/* Writes the next field of a line of a table, which is empty if the number is NaN. */
static void put_real(FILE *csv, double value)
{
    putc(',', csv);
    if (isfinite(value))
        fprintf(csv, "%.10g", value);
}

/* Writes the name of a class, or its number if it has no name. */
static void put_class_name(FILE *csv, const struct separation *s, uint32_t label)
{
    char number[16];
    const char *name = dkvb_model_class_name(s->model, label);

    snprintf(number, sizeof number, "%" PRIu32, label);
    csv_text(csv, ',', name ? name : number);
}

static void write_classes(FILE *csv, const struct separation *s)
{
    const dkvb_separation *f = s->found;

    fputs("label,name,rows,pairs_selected,pairs_exclusive,nearest,overlap,silhouette\n", csv);
    for (uint32_t l = 0; l < f->classes; l++) {
        fprintf(csv, "%" PRIu32 ",", l);
        csv_text(csv, ',', dkvb_model_class_name(s->model, l));
        fprintf(csv, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, f->rows[l], f->selected[l], f->exclusive[l]);
        put_real(csv, f->nearest[l] < 0 ? (double)NAN : f->nearest[l]);
        put_real(csv, f->overlap[l]);
        put_real(csv, f->silhouettes[l]);
        putc('\n', csv);
    }
}

/* Writes a matrix as a CSV table with a line and a column for each class. */
static void write_matrix(FILE *csv, const struct separation *s, const double *matrix)
{
    uint32_t classes = s->found->classes;

    fputs("class", csv);
    for (uint32_t l = 0; l < classes; l++) {
        putc(',', csv);
        put_class_name(csv, s, l);
    }
    putc('\n', csv);
    for (uint32_t a = 0; a < classes; a++) {
        put_class_name(csv, s, a);
        for (uint32_t b = 0; b < classes; b++)
            put_real(csv, *matrix++);
        putc('\n', csv);
    }
}

enum { TABLES = 3 };

static int write_tables(const struct separation *s, char *paths[TABLES])
{
    const double *const matrices[TABLES] = {NULL, s->found->jaccard, s->found->weighted};
    int code = paths_make_folder(s->args.csv);

    for (int i = 0; i < TABLES && code == EXIT_SUCCESS; i++) {
        struct textfile text;

        code = textfile_begin(&text, paths[i]);
        if (code == EXIT_SUCCESS && i == 0)
            write_classes(text.file, s);
        else if (code == EXIT_SUCCESS)
            write_matrix(text.file, s, matrices[i]);
        code = textfile_end(&text, code);
    }
    return code;
}

/* Makes the file names of the separation tables, which the caller frees one by one, and checks that these files can be
 * written. */
static int name_tables(const struct separation_args *a, char *paths[TABLES])
{
    static const char *const names[TABLES] = {"classes.csv", "jaccard.csv", "weighted.csv"};
    const struct path inputs[] = {{"MODEL", a->args.operand[0]},
                                  {"--features", a->features},
                                  {"--codes", a->codes},
                                  {"--labels", a->labels},
                                  {0}};
    struct path outputs[TABLES + 1] = {{0}};

    for (int i = 0; i < TABLES; i++) {
        if (!(paths[i] = paths_join(a->csv, names[i])))
            return EXIT_FAILURE;
        outputs[i] = (struct path){"an output", paths[i]};
    }
    return paths_check_in_folder(&command, a->csv, inputs, outputs);
}

int cmd_separation(int argc, char **argv)
{
    struct separation s = {0};
    double began = progress_clock();
    char *paths[TABLES] = {0};
    int code;

    if (!args_parse(&command, argc, argv, &s.args, &code))
        return code;
    if (!s.args.features == !s.args.codes)
        return args_misused(&command, "one of --features and --codes must be given");
    if (s.args.codes && (code = codeset_is(s.args.codes, &s.kept)) != EXIT_SUCCESS)
        return code;
    if (!s.args.labels == !s.kept)
        return args_misused(&command, s.args.labels ? "--labels: the codes file has them" : "--labels is missing");
    if ((s.args.csv && (code = name_tables(&s.args, paths))) || (code = measure(&s)) ||
        (s.args.csv && (code = write_tables(&s, paths))))
        goto end;
    s.args.json ? print_json(&s, progress_clock() - began) : print_text(&s, progress_clock() - began);
end:
    for (int i = 0; i < TABLES; i++)
        free(paths[i]);
    dkvb_separation_free(s.found);
    free(s.searched);
    input_labels_free(&s.y);
    codes_free(&s.stored);
    dkvb_codeset_free(s.set);
    input_features_free(&s.x);
    dkvb_model_free(s.model);
    return code;
}
