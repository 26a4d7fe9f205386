/* dkvb encode: images to features. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "input.h"
#include "json.h"
#include "output.h"
#include "paths.h"
#include "progress.h"
#include "tool.h"

struct encode_args {
    struct args args;
    const char *input, *output, *labels, *labels_out;
    uint32_t encoder, format; /* one encoder; all formats are told by their first bytes */
    bool json;
};

static const char *const encoders[] = {"pixels", NULL};
static const char *const formats[] = {"idx", "auto", NULL};

#define AT(member) offsetof(struct encode_args, member)

static const struct args_option options[] = {
    {"encoder", ARGS_CHOICE, AT(encoder), "pixels", .help = "pixels: each value / 255, as float32", .choices = encoders,
     .required = true},
    {"input", ARGS_TEXT, AT(input), "PATH", .help = "images: IDX (.gz) or .npy of uint8", .required = true},
    {"format", ARGS_CHOICE, AT(format), "idx|auto", .help = "of the input; told by the first bytes in any case",
     .choices = formats},
    {"output", ARGS_TEXT, AT(output), "X.npy", .help = "float32[n][values of an image]", .letter = 'o',
     .required = true},
    {"labels", ARGS_TEXT, AT(labels), "LABELS", .help = "labels of the images: IDX (.gz) or .npy"},
    {"labels-out", ARGS_TEXT, AT(labels_out), "Y.npy", .help = "int32[n]"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "encode",
    .synopsis = "--encoder pixels --input PATH -o X.npy [--labels LABELS --labels-out Y.npy] [options]",
    .about = "Turn images into rows of features for the other commands. This version has one encoder: the pixels\n"
             "themselves, row by row.",
    .options = options,
    .size = sizeof(struct encode_args),
};

struct encode {
    struct encode_args args;
    dkvb_array images;
    struct features x; /* rows and columns of the images; x is ours */
    struct labels y;
};

static int check_args(const struct encode_args *args)
{
    if (!args->labels != !args->labels_out)
        return args_misused(&command, "--labels and --labels-out go together: one without the other was given");
    return EXIT_SUCCESS;
}

static int check_paths(const struct encode_args *args)
{
    const struct path inputs[] = {{"--input", args->input}, {"--labels", args->labels}, {0}};
    const struct path outputs[] = {{"--output", args->output}, {"--labels-out", args->labels_out}, {0}};

    return paths_check(&command, inputs, outputs);
}

/* uint8[n][...], 2 dimensions or more. */
static int read_images(struct encode *e)
{
    const dkvb_array *images = &e->images;
    int code = tool_check(dkvb_array_read(&e->images, e->args.input, NULL));

    if (code)
        return code;
    if (images->dtype != DKVB_DTYPE_U8 || images->ndim < 2)
        return tool_fail("%s: %s of %" PRIu32 " dimensions, the pixels encoder takes uint8 of 2 or more", e->args.input,
                         dkvb_dtype_name(images->dtype), images->ndim);
    e->x.path = e->args.input;
    e->x.rows = (size_t)images->shape[0];
    e->x.columns = 1;
    for (uint32_t i = 1; i < images->ndim; i++)
        e->x.columns *= (size_t)images->shape[i];
    return EXIT_SUCCESS;
}

static int scale_pixels(struct encode *e)
{
    const unsigned char *pixels = e->images.data;
    size_t count = e->x.rows * e->x.columns;

    e->x.x = input_memory("pixels", sizeof *e->x.x, e->x.rows, e->x.columns, 1);
    if (!e->x.x)
        return EXIT_FAILURE;
    for (size_t i = 0; i < count; i++)
        e->x.x[i] = (float)pixels[i] / 255.0f;
    return EXIT_SUCCESS;
}

static int write_files(const struct encode *e)
{
    uint64_t shape[2] = {e->x.rows, e->x.columns};
    int code = output_npy(e->args.output, DKVB_DTYPE_F32, 2, shape, e->x.x);

    if (code == EXIT_SUCCESS && e->args.labels)
        code = output_npy(e->args.labels_out, DKVB_DTYPE_I32, 1, shape, e->y.y);
    return code;
}

static void report(const struct encode *e, double seconds)
{
    if (!e->args.json) {
        printf("wrote %s: %zu rows of %zu\n", e->args.output, e->x.rows, e->x.columns);
        if (e->args.labels)
            printf("wrote %s: %zu labels\n", e->args.labels_out, e->y.rows);
        return;
    }
    json_open(NULL, '{');
    json_count("n", e->x.rows);
    json_count("columns", e->x.columns);
    if (e->args.labels)
        json_count("labels", e->y.rows);
    else
        json_null("labels");
    json_real("seconds", seconds);
    json_close('}');
}

static int encode(struct encode *e)
{
    double began = progress_clock();
    int code = read_images(e);

    if (code == EXIT_SUCCESS && e->args.labels)
        code = input_labels(&e->y, e->args.labels, e->x.path, e->x.rows);
    if (code == EXIT_SUCCESS)
        code = scale_pixels(e);
    if (code == EXIT_SUCCESS)
        code = write_files(e);
    if (code == EXIT_SUCCESS)
        report(e, progress_clock() - began);
    return code;
}

int cmd_encode(int argc, char **argv)
{
    struct encode e = {.images = DKVB_ARRAY_INIT};
    int code;

    if (!args_parse(&command, argc, argv, &e.args, &code))
        return code;
    code = check_args(&e.args);
    if (code == EXIT_SUCCESS)
        code = check_paths(&e.args);
    if (code == EXIT_SUCCESS)
        code = encode(&e);
    free(e.x.x);
    input_labels_free(&e.y);
    dkvb_array_free(&e.images);
    return code;
}
