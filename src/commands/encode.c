/* dkvb encode turns pictures into features. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/pictures.h"
#include "io/progress.h"
#include "io/resumed.h"
#include "tool.h"

struct encode_args {
    struct args args;
    struct pictures_args pictures;
    const char *output, *labels, *labels_out, *names_out, *class_names_out;
    uint32_t dtype, threads;
    bool restart, json;
};

static const char *const dtype_names[] = {"f32", "f16", NULL};
static const uint32_t dtypes[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16};

#define AT(member) offsetof(struct encode_args, member)

static const struct args_option options[] = {
    {"encoder", ARGS_CHOICE, AT(pictures.encoder), PICTURES_ENCODERS, .help = "what makes the rows",
     .choices = pictures_encoders, .shows_default = true},
    {"input", ARGS_LIST, AT(pictures.paths), "PATH...",
     .help = "folder of classes, PNG, JPEG, WebP, CIFAR, IDX (.gz), .npy of uint8; -: one from stdin"},
    {"output", ARGS_TEXT, AT(output), "X.npy", .help = "a row for each picture", .letter = 'o', .required = true},
    PICTURES_OPTIONS(AT, pictures),
    {"dtype", ARGS_CHOICE, AT(dtype), "f32|f16", .help = "what rows are stored in", .choices = dtype_names,
     .shows_default = true},
    {"labels-out", ARGS_TEXT, AT(labels_out), "Y.npy", .help = "int32[n]: classes of the pictures, -1 = none"},
    {"labels", ARGS_TEXT, AT(labels), "LABELS", .help = "take those of this file, IDX (.gz) or .npy"},
    {"names-out", ARGS_TEXT, AT(names_out), "FILE", .help = "names of the pictures, one a line"},
    {"class-names-out", ARGS_TEXT, AT(class_names_out), "FILE", .help = "names of the classes, for --class-names"},
    {"restart", ARGS_FLAG, AT(restart), .help = "begin anew, whatever an interrupted command has left"},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has; results never depend on it"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static void set_defaults(void *values)
{
    struct encode_args *args = values;

    args->pictures.encoder = DKVB_ENCODER_DESCRIPTOR - 1;
}

static const struct args_command command = {
    .name = "encode",
    .synopsis = "--input PATH... -o X.npy [--encoder ENCODER --weights FILE] [--labels-out Y.npy] [options]",
    .example = "dkvb encode --input photos -o x.npy --labels-out y.npy --class-names-out names.txt",
    .about = "Turn pictures into rows of features for the other commands. Interrupted, it keeps what it has in\n"
             "X.npy.part, and the same command goes on from there.",
    .options = options,
    .size = sizeof(struct encode_args),
    .defaults = set_defaults,
};

struct encode {
    struct encode_args args;
    struct pictures pictures;
    dkvb_encode_report report;
    struct resumed work;
    struct labels y;
    struct left_out left;
    double began;
};

static int check_args(const struct encode_args *args)
{
    int code = pictures_check_source(&command, &args->pictures, "input");

    if (code)
        return code;
    if (!pictures_source(&args->pictures))
        return args_misused(&command, "--input is missing");
    if (args->labels && !args->labels_out)
        return args_misused(&command, "--labels and --labels-out go together: --labels-out is missing");
    return pictures_check_args(&command, &args->pictures);
}

/* Checks that the output files of `dkvb encode` can be written and replace no input, and locks these files. The part
 * file, which keeps rows during the encoding, is one more output, but the command does not wait for its lock. */
static int claim_paths(struct encode *e, const char *kept)
{
    const struct encode_args *args = &e->args;
    const struct path inputs[] = {{"--input", pictures_source(&args->pictures)},
                                  {"--weights", args->pictures.weights},
                                  {"--config", args->pictures.config},
                                  {"--labels", args->labels},
                                  {0}};
    const struct path outputs[] = {{"--output", args->output},       {"--labels-out", args->labels_out},
                                   {"--names-out", args->names_out}, {"--class-names-out", args->class_names_out},
                                   {"what --output keeps", kept},    {0}};
    struct path claimed[sizeof outputs / sizeof *outputs] = {{0}};
    int code = paths_check(&command, inputs, outputs);

    memcpy(claimed, outputs, sizeof outputs - 2 * sizeof *outputs);
    return code ? code : paths_claim(&command, inputs, claimed);
}

/* Checks before the work of `dkvb encode` that all inputs which the outputs need were given. */
static int check_outputs(struct encode *e)
{
    const struct encode_args *args = &e->args;
    const char *path = pictures_source(&args->pictures);
    struct names names;
    int code;

    if ((code = pictures_spare(&e->pictures, args->output, args->labels_out)) ||
        (code = pictures_spare(&e->pictures, args->names_out, args->class_names_out)))
        return code;
    if (args->labels)
        return input_labels(&e->y, args->labels, path, e->pictures.info.pictures, NULL);
    if (args->labels_out && e->pictures.info.classes == 0)
        return tool_fail("%s: has no classes, so --labels-out needs --labels", path);
    if (args->labels_out && (code = pictures_labels(&e->pictures, NULL, &e->y)))
        return code;
    if (!args->class_names_out)
        return EXIT_SUCCESS;
    code = pictures_class_names(&e->pictures, &names);
    if (code == EXIT_SUCCESS && names.count == 0)
        code = tool_fail("%s: has no names of classes for --class-names-out", path);
    input_names_free(&names);
    return code;
}

static int write_rows(struct encode *e)
{
    struct pictures *p = &e->pictures;
    dkvb_encode_options o = pictures_encoding(p);
    dkvb_run_options run;
    struct output file;
    dkvb_status rc;
    int code;

    if (!output_begin(&file, e->args.output, &code))
        return code;
    o.dtype = dtypes[e->args.dtype];
    o.restart = e->args.restart;
    e->work = (struct resumed){
        .things = "pictures", .done = &e->report.resumed, .all = &e->report.pictures, .quiet = e->args.json};
    run = resumed_start(&e->work, "encode", e->args.threads);
    rc = dkvb_encoder_encode_file(p->encoder, p->set, e->args.output, &o, &e->report, &run);
    tool_kept(e->report.kept, e->report.pictures, "encoded", "pictures");
    for (uint64_t i = 0; rc != DKVB_OK && p->unreadable == 0 && i < p->info.pictures; i++)
        /* if the command has several ranks, only rank 0 was told of the unreadable picture */
        p->unreadable += !p->readable[i];
    code = pictures_encoded(p, rc);
    if (code)
        return code;
    p->unreadable = e->report.unreadable;
    return output_end(&file, DKVB_OK);
}

static int write_lines(const char *path, int (*make)(const struct pictures *p, struct names *out),
                       const struct pictures *p)
{
    struct textfile text;
    struct names names = {0};
    int code = textfile_begin(&text, path);

    if (code == EXIT_SUCCESS)
        code = make(p, &names);
    for (size_t i = 0; i < names.count && code == EXIT_SUCCESS; i++)
        fprintf(text.file, "%s\n", names.line[i]);
    input_names_free(&names);
    return textfile_end(&text, code);
}

/* Writes the output files of `dkvb encode`. `kept` is the path of the part file, which keeps finished rows while
 * pictures are encoded. */
static int write_files(struct encode *e, const char *kept)
{
    const struct encode_args *a = &e->args;
    uint64_t rows;
    int code;

    if ((code = claim_paths(e, kept)) || (code = pictures_open_for(&e->pictures, &a->pictures, true, NULL, NULL)) ||
        (code = check_outputs(e)) || (code = write_rows(e)))
        return code;
    if (a->labels_out)
        pictures_keep_labels(&e->pictures, &e->y);
    rows = e->y.rows;
    if ((a->labels_out && (code = output_npy(a->labels_out, DKVB_DTYPE_I32, 1, &rows, e->y.y))) ||
        (a->names_out && (code = write_lines(a->names_out, pictures_names, &e->pictures))) ||
        (a->class_names_out && (code = write_lines(a->class_names_out, pictures_class_names, &e->pictures))))
        return code;
    pictures_left_out(&e->left, &e->pictures);
    return EXIT_SUCCESS;
}

static void print_json(const struct encode *e)
{
    json_open(NULL, '{');
    json_count("n", e->report.rows);
    json_count("columns", e->pictures.encoder_info.dim);
    json_count_if("labels", e->args.labels_out, e->y.rows);
    json_count("classes", e->pictures.info.classes);
    json_text("encoder", e->pictures.encoder_info.identity);
    json_text("dtype", dkvb_name(DKVB_NAME_DTYPE, dtypes[e->args.dtype]));
    pictures_json_left_out(&e->left);
    json_count("resumed", e->report.resumed);
    json_number("seconds", progress_clock() - e->began);
    json_close('}');
}

static void print_text(const struct encode *e)
{
    const struct pictures *p = &e->pictures;

    printf("wrote %s: %" PRIu64 " rows of %" PRIu32 " by %s\n", e->args.output, e->report.rows, p->encoder_info.dim,
           p->encoder_info.identity);
    if (e->args.labels_out)
        printf("wrote %s: %zu labels\n", e->args.labels_out, e->y.rows);
    if (e->args.names_out)
        printf("wrote %s: %" PRIu64 " names\n", e->args.names_out, e->report.rows);
    if (e->args.class_names_out)
        printf("wrote %s: names of %" PRIu32 " classes\n", e->args.class_names_out, p->info.classes);
    pictures_say_left_out(&e->left);
}

int cmd_encode(int argc, char **argv)
{
    struct encode e = {.report = DKVB_ENCODE_REPORT_INIT, .began = progress_clock()};
    char *kept;
    int code;

    if (!args_parse(&command, argc, argv, &e.args, &code) || (code = check_args(&e.args)))
        return code;
    kept = paths_with(e.args.output, ".part");
    code = kept ? write_files(&e, kept) : EXIT_FAILURE;
    tool_note_kept(kept, code);
    if (code == EXIT_SUCCESS)
        e.args.json ? print_json(&e) : print_text(&e);
    free(kept);
    input_labels_free(&e.y);
    pictures_close(&e.pictures);
    return code;
}
