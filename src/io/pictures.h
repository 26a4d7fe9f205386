/* Opens pictures and the encoder that turns them into rows of features: for `encode`, and for --images of other
 * commands. */
#ifndef DKVB_TOOL_PICTURES_H
#define DKVB_TOOL_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

#include "io/args.h"
#include "io/input.h"

/* Options about pictures, used as a member of a command's struct. */
struct pictures_args {
    struct args_list paths; /* paths of pictures; "-" stands for the bytes of one picture from standard input */
    const char *from;       /* file with a list of paths of pictures, or "-"; NULL: the pictures are those of `paths` */
    const char *weights, *config;
    uint32_t encoder;    /* number of the encoder of the pictures, DKVB_ENCODER_… minus 1 */
    uint32_t format;     /* index in pictures_formats of the picture format that the command line names */
    uint32_t activation; /* activation function of the encoder, DKVB_ACTIVATION_… */
    bool exif_orientation, coarse_labels, skip_unreadable;
};

extern const char *const pictures_encoders[], *const pictures_formats[], *const pictures_activations[];

#define PICTURES_ENCODERS "pixels|descriptor|clip|resnet50"

/* Returns the source of the pictures for messages; NULL: no option asked for pictures. */
static inline const char *pictures_source(const struct pictures_args *args)
{
    return args->from ? args->from : args->paths.text;
}

/* The lines about pictures in a command's table of options; AT() gives the offset of a member of the command's struct.
 * The option --encoder is not among the lines about pictures: the table of each command has a line for --encoder. */
/* clang-format off */
#define PICTURES_OPTIONS(AT, member)                                                                                   \
    {"images-from", ARGS_TEXT, AT(member.from), "FILE",                                                                \
     .help = "pictures listed in a file, a path a line or ended by zero bytes; -: standard input"},                    \
    {"weights", ARGS_TEXT, AT(member.weights), "FILE", .help = "of clip and resnet50: .safetensors"},                  \
    {"config", ARGS_TEXT, AT(member.config), "FILE",                                                                   \
     .help = "of clip: its config.json, if that is not beside the weights"},                                           \
    {"activation", ARGS_CHOICE, AT(member.activation), "auto|quick_gelu|gelu",                                         \
     .help = "of clip; auto: as the config says, else quick_gelu", .choices = pictures_activations},                   \
    {"exif-orientation", ARGS_FLAG, AT(member.exif_orientation),                                                       \
     .help = "turn pictures as the camera noted; a model remembers it"},                                               \
    {"format", ARGS_CHOICE, AT(member.format), "auto|folder|file|cifar10|cifar100|cifar|idx|npy",                      \
     .help = "of the pictures; auto: told by the first bytes", .choices = pictures_formats},                           \
    {"coarse-labels", ARGS_FLAG, AT(member.coarse_labels), .help = "the 20 superclasses of CIFAR-100"},                \
    {"skip-unreadable", ARGS_FLAG, AT(member.skip_unreadable), .help = "leave out pictures that cannot be read"}

/* Lines of the table of options, for commands with a model that read features or pictures into the members `features`
 * and `pictures` of their arguments. */
#define PICTURES_OR_FEATURES(AT)                                                                                       \
    {"features", ARGS_TEXT, AT(features), "X", .help = "rows: CSV, .npz, .npy or IDX (.gz); or"},                      \
    {"images", ARGS_LIST, AT(pictures.paths), "PATH...", .help = "pictures, see 'dkvb encode'"},                       \
    {"encoder", ARGS_CHOICE, AT(pictures.encoder), PICTURES_ENCODERS,                                                  \
     .help = "what makes rows of them; if not given, what the model remembers", .choices = pictures_encoders},         \
    PICTURES_OPTIONS(AT, pictures)
/* clang-format on */

/* The options that apply to --images only, for args_refuse(). */
extern const char *const pictures_options[];

/* Checks that only one option gives pictures: `option`, or --images-from. If `option` and --images-from both give
 * pictures, the result is EXIT_USAGE. */
int pictures_check_source(const struct args_command *command, const struct pictures_args *args, const char *option);

/* Checks that the encoder got the options that it needs and no others. If an option that the encoder needs is missing,
 * or an option has no effect, the result is EXIT_USAGE. */
int pictures_check_args(const struct args_command *command, const struct pictures_args *args);

/* Checks the picture options of a command that also reads --features, and has a model that may remember its encoder.
 * Exactly one of --features and --images must be given, and options of --images need --images. The argument `values` is
 * the struct of the command, which holds the values of its options. */
int pictures_check_rows(const struct args_command *command, const struct args *values, const char *features,
                        const struct pictures_args *args);

/* A set of pictures and its encoder. */
struct pictures {
    const struct pictures_args *args;
    dkvb_imageset *set;
    dkvb_imageset_info info;
    uint8_t *bytes; /* bytes of a picture from standard input, which the picture set uses */
    dkvb_encoder *encoder;
    dkvb_encoder_info encoder_info;
    uint8_t *readable;   /* marks of readable pictures, [pictures]: 0 for each picture that is known to be unreadable */
    uint64_t unreadable; /* number of unreadable pictures of the set */
};

/* Counts of files that did not become rows of features; a command prints these counts after it has closed the picture
 * set. */
enum { LEFT_OUT_KINDS = 32 };
struct left_out {
    uint64_t files, unreadable;
    /* `nested` says how the folders of the set are nested, as a constant DKVB_NESTED_…; `kinds` is the number of
     * different name endings of left-out files */
    uint32_t nested, kinds;
    struct {
        char ending[16];
        uint64_t files;
    } kind[LEFT_OUT_KINDS];
};

/* Counts the left-out files of a picture set, and notes folders that are hardly classes. */
void pictures_left_out(struct left_out *out, const struct pictures *p);
void pictures_say_left_out(const struct left_out *left);
/* writes the counts of files that did not become rows, as several JSON fields */
void pictures_json_left_out(const struct left_out *left);

/* Opens a picture set and its encoder. The caller must call pictures_close(), even if opening failed. If `chosen` is
 * true, the options `args` choose the encoder; otherwise the encoder is the one whose identity `model` stores. An
 * encoder is refused if its kind or width differs from that of the encoder whose identity the model stores. `path` is
 * the path of the model's file; `path` and `model` are NULL for a command without a model. */
int pictures_open_for(struct pictures *p, const struct pictures_args *args, bool chosen, const dkvb_model *model,
                      const char *path);

void pictures_close(struct pictures *p);

/* Refuses outputs that would overwrite a file of the picture set; NULL stands for no output. */
int pictures_spare(const struct pictures *p, const char *output, const char *other);

/* Returns the options for encoding a picture set with the library: unreadable pictures are marked and reported. The
 * caller passes the result of encoding the set to pictures_encoded(), which also reports pictures that lie sideways. */
dkvb_encode_options pictures_encoding(struct pictures *p);
int pictures_encoded(const struct pictures *p, dkvb_status status);

/* Encodes all readable pictures of the set into rows in memory. */
int pictures_features(struct pictures *p, uint32_t threads, struct features *out);

/* Returns the labels of all pictures of a set. The array `as`, int32_t[classes], has the label of each class of the
 * picture set; if `as` is NULL, labels are the numbers of the classes. */
int pictures_labels(const struct pictures *p, const int32_t *as, struct labels *out);

/* Removes the labels of unreadable pictures after encoding. Until pictures_keep_labels() is called, `labels` has one
 * label for each picture, from the picture set or from a file. */
void pictures_keep_labels(const struct pictures *p, struct labels *labels);

/* Removes the ids of unreadable pictures after encoding. Because unreadable pictures have ids too, the id of a picture
 * does not depend on whether other pictures can be read. */
void pictures_keep_ids(const struct pictures *p, struct ids *ids);

/* Encodes all readable pictures of a set, with their labels in the model: from the file `labels` or, if `labels` is
 * NULL, from the set's classes. `path` is the path of the model's file. */
int pictures_rows(struct pictures *p, const dkvb_model *model, const char *path, const char *labels, uint32_t threads,
                  struct features *x, struct labels *y);

/* Returns the names of a picture set's classes in the form that a model accepts: each in one line, with control
 * characters escaped. If the picture set has no class names, the list of names becomes empty. */
int pictures_class_names(const struct pictures *p, struct names *out);

/* Finds the names and labels of the classes of a picture set. If `model` is NULL, the result `names` has the names that
 * pictures_class_names() gives, for a model to be trained. If `model` is given, from the file `path`, the classes of
 * the picture set are matched to the model's classes by name, if both have names. With a model, the result `names` has
 * the names of the model's classes, followed by new classes; if `names` is NULL, every class of the picture set must be
 * a class of the model. The array *as, which the caller frees, has the model's label for each class of the picture set.
 * A picture set without classes is refused. */
int pictures_name_classes(const struct pictures *p, const dkvb_model *model, const char *path, struct names *names,
                          int32_t **as);

/* Returns the names of the readable pictures of a set, in order, each in one line: backslashes and control characters
 * become \xHH. */
int pictures_names(const struct pictures *p, struct names *out);

#endif
