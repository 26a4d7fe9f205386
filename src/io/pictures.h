/* Pictures and the encoder that turns them into rows: for `encode`, and for --images of other commands. */
#ifndef DKVB_TOOL_PICTURES_H
#define DKVB_TOOL_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

#include "io/args.h"
#include "io/input.h"

/* What a command was told; a member of its struct. */
struct pictures_args {
    struct args_list paths; /* "-": the bytes of one picture, from standard input */
    const char *from;       /* file with a list of paths, or "-"; NULL: the paths above */
    const char *weights, *config;
    uint32_t encoder;    /* DKVB_ENCODER_… less 1 */
    uint32_t format;     /* index in pictures_formats */
    uint32_t activation; /* DKVB_ACTIVATION_… */
    bool exif_orientation, coarse_labels, skip_unreadable;
};

extern const char *const pictures_encoders[], *const pictures_formats[], *const pictures_activations[];

#define PICTURES_ENCODERS "pixels|descriptor|clip|resnet50"

/* Where the pictures come from, for messages; NULL: no pictures were asked for. */
static inline const char *pictures_source(const struct pictures_args *args)
{
    return args->from ? args->from : args->paths.text;
}

/* Lines for the table of options; AT() gives the offset of a member. That of --encoder is the command's own. */
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

/* Lines for commands with a model, which take rows or pictures: members `features` and `pictures`. */
#define PICTURES_OR_FEATURES(AT)                                                                                       \
    {"features", ARGS_TEXT, AT(features), "X", .help = "rows: .npy or IDX (.gz); or"},                                 \
    {"images", ARGS_LIST, AT(pictures.paths), "PATH...", .help = "pictures, see 'dkvb encode'"},                           \
    {"encoder", ARGS_CHOICE, AT(pictures.encoder), PICTURES_ENCODERS,                                                  \
     .help = "what makes rows of them; if not given, what the model remembers", .choices = pictures_encoders},         \
    PICTURES_OPTIONS(AT, pictures)
/* clang-format on */

/* The options that go with --images only, for args_refuse(). */
extern const char *const pictures_options[];

/* Whether pictures are named by one option only: `option`, or --images-from. EXIT_USAGE if not. */
int pictures_check_source(const struct args_command *command, const struct pictures_args *args, const char *option);

/* Whether the encoder got what it needs and nothing else. EXIT_USAGE if not. */
int pictures_check_args(const struct args_command *command, const struct pictures_args *args);

/* The same for a command that takes --features too, and has a model that may remember its encoder: one of both is
 * given, and what goes with --images goes with that only. `values` is the command's struct. */
int pictures_check_rows(const struct args_command *command, const struct args *values, const char *features,
                        const struct pictures_args *args);

/* A set and its encoder. */
struct pictures {
    const struct pictures_args *args;
    dkvb_imageset *set;
    dkvb_imageset_info info;
    uint8_t *bytes; /* of the picture from standard input; the set uses them */
    dkvb_encoder *encoder;
    dkvb_encoder_info encoder_info;
    uint8_t *readable;   /* [pictures]: 0 once it is known that one cannot be read */
    uint64_t unreadable; /* how many */
};

/* What did not become rows, for text and JSON once the set is closed. */
enum { LEFT_OUT_KINDS = 32 };
struct left_out {
    uint64_t files, unreadable;
    uint32_t nested, kinds; /* DKVB_NESTED_…; how many endings */
    struct {
        char ending[16];
        uint64_t files;
    } kind[LEFT_OUT_KINDS];
};

/* Also notes folders that are hardly classes. */
void pictures_left_out(struct left_out *out, const struct pictures *p);
void pictures_say_left_out(const struct left_out *left);
void pictures_json_left_out(const struct left_out *left); /* several fields */

/* Open both. pictures_close() is wanted after a failure too. `chosen`: the encoder of `args`; else that which `model`
 * remembers. One of another kind than the model remembers, or of another width, is refused. `path` is the model's; both
 * are NULL where there is none. */
int pictures_open_for(struct pictures *p, const struct pictures_args *args, bool chosen, const dkvb_model *model,
                      const char *path);

void pictures_close(struct pictures *p);

/* Refuse to write over a file of the set; NULL is no output. */
int pictures_spare(const struct pictures *p, const char *output, const char *other);

/* How the library is to encode the set: unreadable pictures are marked and told of. What it answers goes to
 * pictures_encoded(), which also tells of pictures that lie sideways. */
dkvb_encode_options pictures_encoding(struct pictures *p);
int pictures_encoded(const struct pictures *p, dkvb_status status);

/* Rows of all that can be read, in memory. */
int pictures_features(struct pictures *p, uint32_t threads, struct features *out);

/* Labels of all pictures. `as`: int32_t[classes], what the set's classes are to be called; NULL: as they are. */
int pictures_labels(const struct pictures *p, const int32_t *as, struct labels *out);

/* After the pictures were encoded: of labels of all pictures, the set's or a file's, keep those of pictures that could
 * be read. */
void pictures_keep_labels(const struct pictures *p, struct labels *labels);

/* The same of ids. So what a picture is called does not depend on whether another can be read. */
void pictures_keep_ids(const struct pictures *p, struct ids *ids);

/* Rows of all that can be read, and their labels as the model has them: of the file `labels` or, if that is NULL, by
 * the set's classes. `path` is the model's. */
int pictures_rows(struct pictures *p, const dkvb_model *model, const char *path, const char *labels, uint32_t threads,
                  struct features *x, struct labels *y);

/* Names of the set's classes as a model takes them, in one line as those of pictures; none if it has none. */
int pictures_class_names(const struct pictures *p, struct names *out);

/* The same as `names` of a model to be trained where `model` is NULL. Else, for the model of `path`: where both have
 * names the set's classes go by them, and `names` are those of the model and then of classes that are new to it, or
 * where `names` is NULL every class must be the model's. *as, to be free()d, is then what the set's classes are to the
 * model. A set without classes is refused. */
int pictures_name_classes(const struct pictures *p, const dkvb_model *model, const char *path, struct names *names,
                          int32_t **as);

/* Names of the pictures that could be read, in order, each in one line: a backslash and each control character are
 * \xHH. */
int pictures_names(const struct pictures *p, struct names *out);

#endif
