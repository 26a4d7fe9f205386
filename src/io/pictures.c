#include "io/pictures.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/fnv.h"
#include "io/json.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

/* As many as the library encodes together: what an interrupt costs at most. */
enum { CHUNK = 32 };

const char *const pictures_encoders[] = {[DKVB_ENCODER_PIXELS - 1] = "pixels",
                                         [DKVB_ENCODER_DESCRIPTOR - 1] = "descriptor",
                                         [DKVB_ENCODER_CLIP - 1] = "clip",
                                         [DKVB_ENCODER_RESNET50 - 1] = "resnet50",
                                         NULL};

enum { FORMAT_CIFAR = 5 }; /* of either number of classes */

const char *const pictures_formats[] = {"auto", "folder", "file", "cifar10", "cifar100", "cifar", "idx", "npy", NULL};
static const uint32_t formats[] = {DKVB_IMAGES_AUTO,     DKVB_IMAGES_FOLDER, DKVB_IMAGES_FILE,  DKVB_IMAGES_CIFAR10,
                                   DKVB_IMAGES_CIFAR100, DKVB_IMAGES_AUTO,   DKVB_IMAGES_ARRAY, DKVB_IMAGES_ARRAY};

const char *const pictures_activations[] = {"auto", "quick_gelu", "gelu", NULL}; /* index: DKVB_ACTIVATION_… */

const char *const pictures_options[] = {"encoder", "weights",       "config",          "activation", "exif-orientation",
                                        "format",  "coarse-labels", "skip-unreadable", NULL};

/* What ends the identity of an encoder that turns pictures upright. */
static const char upright[] = "+exif";

static bool takes_weights(uint32_t kind)
{
    return kind == DKVB_ENCODER_CLIP || kind == DKVB_ENCODER_RESNET50;
}

int pictures_check_args(const struct args_command *command, const struct pictures_args *args)
{
    uint32_t kind = args->encoder + 1;
    char message[128];

    if (takes_weights(kind) && !args->weights) {
        snprintf(message, sizeof message, "--weights is missing: --encoder %s has none of its own",
                 dkvb_encoder_kind_name(kind));
        return args_misused(command, message);
    }
    if (!takes_weights(kind) && args->weights) {
        snprintf(message, sizeof message, "--weights does not go with --encoder %s, which has none",
                 dkvb_encoder_kind_name(kind));
        return args_misused(command, message);
    }
    if (kind != DKVB_ENCODER_CLIP && args->config)
        return args_misused(command, "--config is of --encoder clip only");
    if (kind != DKVB_ENCODER_CLIP && args->activation)
        return args_misused(command, "--activation is of --encoder clip only");
    return EXIT_SUCCESS;
}

int pictures_check_rows(const struct args_command *command, const struct args *values, const char *features,
                        const struct pictures_args *args)
{
    if (!features == !args->path)
        return args_misused(command, "one of --features and --images is wanted");
    if (features)
        return args_refuse(command, values, pictures_options, "--features: it is of --images");
    return args_given(command, values, "encoder") ? pictures_check_args(command, args) : EXIT_SUCCESS;
}

static int open_set(struct pictures *p)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    int code;

    o.format = formats[p->args->format];
    o.coarse_labels = p->args->coarse_labels;
    paths_keep_private(p->args->path);
    code = tool_check(dkvb_imageset_open(&p->set, p->args->path, &o));
    p->info = (dkvb_imageset_info){.struct_size = sizeof p->info};
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_imageset_get_info(p->set, &p->info));
    if (code == EXIT_SUCCESS && p->args->format == FORMAT_CIFAR && p->info.format != DKVB_IMAGES_CIFAR10 &&
        p->info.format != DKVB_IMAGES_CIFAR100)
        code = tool_fail("%s: is no file of CIFAR, nor a folder with its training files", p->args->path);
    if (code)
        return code;
    p->readable = input_memory("marks of pictures", 1, p->info.pictures, 1, 1);
    if (!p->readable)
        return EXIT_FAILURE;
    memset(p->readable, 1, p->info.pictures);
    return EXIT_SUCCESS;
}

/* That of the first picture, where not all are said to be of a size. */
static int size_of_pixels(const struct pictures *p, dkvb_encoder_options *o)
{
    dkvb_image first = DKVB_IMAGE_INIT;
    int code = EXIT_SUCCESS;

    o->width = p->info.width;
    o->height = p->info.height;
    o->channels = p->info.channels;
    if (o->width > 0)
        return code;
    code = tool_check(dkvb_imageset_read(p->set, 0, &first, NULL));
    if (o->upright && first.orientation > 4) {
        o->width = first.width;
        first.width = first.height;
        first.height = o->width;
    }
    o->width = first.width;
    o->height = first.height;
    o->channels = first.channels;
    dkvb_image_free(&first);
    return code;
}

static int open_encoder(struct pictures *p, uint32_t kind, bool turned)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    int code;

    o.upright = p->args->exif_orientation || turned;
    code = kind == DKVB_ENCODER_PIXELS ? size_of_pixels(p, &o) : EXIT_SUCCESS;
    if (kind != DKVB_ENCODER_CLIP && p->args->config)
        return tool_fail("%s: encoder %s takes no config", p->args->config, dkvb_encoder_kind_name(kind));
    o.weights = p->args->weights;
    o.config = p->args->config;
    o.activation = p->args->activation;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_encoder_open(&p->encoder, kind, &o));
    p->encoder_info = (dkvb_encoder_info){.struct_size = sizeof p->encoder_info};
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_encoder_get_info(p->encoder, &p->encoder_info));
    p->upright = o.upright;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_imageset_get_info(p->set, &p->info)); /* a picture may have been read */
    return code;
}

/* A guess that nothing confirms: neither a config nor a model that remembers the encoder. */
static void tell_guess(const struct pictures *p)
{
    if (p->encoder_info.guessed)
        tool_note("%s: no config says which activation the weights need; quick_gelu and %" PRIu32
                  " heads are taken, as OpenAI's weights need, while most of OpenCLIP's need --activation gelu",
                  p->args->weights, p->encoder_info.heads);
}

int pictures_open(struct pictures *p, const struct pictures_args *args)
{
    int code;

    *p = (struct pictures){.args = args};
    code = open_set(p);
    if (code == EXIT_SUCCESS)
        code = open_encoder(p, args->encoder + 1, false);
    if (code == EXIT_SUCCESS)
        tell_guess(p);
    return code;
}

/* The kind of encoder that an identity begins with; 0 if it is none of ours. */
static uint32_t kind_of(const char *identity)
{
    size_t length = strcspn(identity, ":+");

    for (uint32_t kind = 1; dkvb_encoder_kind_name(kind); kind++)
        if (strlen(dkvb_encoder_kind_name(kind)) == length &&
            memcmp(dkvb_encoder_kind_name(kind), identity, length) == 0)
            return kind;
    return 0;
}

static int remembered_kind(const struct pictures *p, const dkvb_model *model, const char *path, uint32_t *kind)
{
    const char *identity = input_encoder(model);

    *kind = identity ? kind_of(identity) : 0;
    if (!identity)
        return tool_fail("%s: does not say which encoder made the rows that it was trained on: --encoder is wanted",
                         path);
    if (*kind == 0)
        return tool_fail("%s: was trained on rows of %s, which is no encoder of this version", path, identity);
    if (takes_weights(*kind) && !p->args->weights)
        return tool_fail("%s: was trained on rows of %s: --weights is wanted", path, identity);
    return EXIT_SUCCESS;
}

/* Whether the same weights with the other activation are those that a model remembers: too often it was guessed. */
static bool differs_by_activation(const struct pictures *p, const char *remembered)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_encoder *other = NULL;
    bool same = false;

    o.weights = p->args->weights;
    o.config = p->args->config;
    o.upright = p->upright;
    o.activation =
        p->encoder_info.activation == DKVB_ACTIVATION_GELU ? DKVB_ACTIVATION_QUICK_GELU : DKVB_ACTIVATION_GELU;
    if (p->encoder_info.kind == DKVB_ENCODER_CLIP && dkvb_encoder_open(&other, DKVB_ENCODER_CLIP, &o) == DKVB_OK)
        same = strcmp(dkvb_encoder_identity(other), remembered) == 0;
    dkvb_encoder_free(other);
    return same;
}

static bool is_upright(const char *identity)
{
    size_t length = strlen(identity), end = strlen(upright);

    return length > end && strcmp(identity + length - end, upright) == 0;
}

static int fail_identity(const struct pictures *p, const char *path, const char *remembered, const char *found)
{
    if (is_upright(remembered) != p->upright)
        return tool_fail("%s: was trained on rows of %s, those of %s are found: --exif-orientation must be %s", path,
                         remembered, found, p->upright ? "left out" : "given");
    if (differs_by_activation(p, remembered))
        return tool_fail("%s: was trained on rows of %s; %s gives those with --activation %s", path, remembered,
                         p->args->weights, p->encoder_info.activation == DKVB_ACTIVATION_GELU ? "quick_gelu" : "gelu");
    return tool_fail("%s: was trained on rows of %s, those of %s are found: the same encoder, weights and config must "
                     "be given",
                     path, remembered, found);
}

static int check_model(const struct pictures *p, const dkvb_model *model, const char *path)
{
    const char *remembered = input_encoder(model), *found = dkvb_encoder_identity(p->encoder);
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    int code = tool_check(dkvb_model_get_info(model, &info));

    if (code)
        return code;
    if (remembered && strcmp(remembered, found) != 0)
        return fail_identity(p, path, remembered, found);
    if (p->encoder_info.dim != info.input_dim)
        return tool_fail("%s: %" PRIu32 " columns by %s, %s takes %" PRIu32, p->args->path, p->encoder_info.dim, found,
                         path, info.input_dim);
    return EXIT_SUCCESS;
}

int pictures_open_for(struct pictures *p, const struct pictures_args *args, bool chosen, const dkvb_model *model,
                      const char *path)
{
    uint32_t kind = args->encoder + 1;
    int code = EXIT_SUCCESS;

    *p = (struct pictures){.args = args};
    if (!chosen)
        code = remembered_kind(p, model, path, &kind);
    if (code == EXIT_SUCCESS)
        code = open_set(p);
    if (code == EXIT_SUCCESS)
        code = open_encoder(p, kind, !chosen && is_upright(input_encoder(model)));
    if (code == EXIT_SUCCESS)
        code = check_model(p, model, path);
    if (code == EXIT_SUCCESS && !input_encoder(model))
        tell_guess(p);
    return code;
}

int pictures_open_for_file(struct pictures *p, const struct pictures_args *args, bool chosen, const char *path)
{
    dkvb_model *model = NULL;
    dkvb_model_info info;
    int code;

    if (!path)
        return pictures_open(p, args);
    code = input_model_map(&model, path, &info);
    if (code == EXIT_SUCCESS)
        code = pictures_open_for(p, args, chosen || !input_encoder(model), model, path);
    dkvb_model_free(model);
    return code;
}

void pictures_close(struct pictures *p)
{
    dkvb_imageset_free(p->set);
    dkvb_encoder_free(p->encoder);
    free(p->readable);
    *p = (struct pictures){0};
}

/* What is not there adds nothing: reading it will tell. Nor do folders, which an output may be written to. */
static void add_file(uint64_t *sum, const char *path)
{
    struct stat st;
    int64_t when[2];

    if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
        return;
    when[0] = st.st_mtim.tv_sec;
    when[1] = st.st_mtim.tv_nsec;
    fnv_add(sum, &(uint64_t){(uint64_t)st.st_size}, sizeof(uint64_t));
    fnv_add(sum, when, sizeof when);
}

/* Room for paths below the folder of the set, which they begin with: *root bytes. To be free()d; NULL if out of memory,
 * which has been said. */
static char *path_room(const struct pictures *p, size_t *root)
{
    char *path = input_memory("a file name", PATH_MAX, 1, 1, 1);
    int length = path ? snprintf(path, PATH_MAX, "%s/", p->args->path) : 0;

    *root = length < PATH_MAX ? (size_t)length : 0;
    return path;
}

/* Whether a picture is the first one of its file, whose name then stands at `name`, without the number in it. */
static bool begins_file(const struct pictures *p, char *name)
{
    char *number = p->info.format == DKVB_IMAGES_FOLDER ? NULL : strrchr(name, ':');

    if (number && strcmp(number, ":0") != 0)
        return false;
    if (number)
        *number = '\0';
    return true;
}

int pictures_checksum(const struct pictures *p, uint64_t *sum)
{
    size_t root;
    char *path = path_room(p, &root);

    if (!path)
        return EXIT_FAILURE;
    *sum = FNV_BEGIN;
    add_file(sum, p->args->path);
    for (uint64_t i = 0; i < p->info.pictures; i++) {
        dkvb_picture picture = DKVB_PICTURE_INIT;

        (void)!dkvb_imageset_get(p->set, i, &picture);
        snprintf(path + root, PATH_MAX - root, "%s", picture.name);
        fnv_add(sum, picture.name, strlen(picture.name) + 1);
        fnv_add(sum, &picture.label, sizeof picture.label);
        if (begins_file(p, path + root))
            add_file(sum, path);
    }
    free(path);
    return EXIT_SUCCESS;
}

static int spare(const struct pictures *p, const char *output)
{
    struct stat written, st;
    bool found = false;
    size_t root;
    char *path;

    if (!output || stat(output, &written) != 0)
        return EXIT_SUCCESS;
    path = path_room(p, &root);
    for (uint64_t i = 0; path && i < p->info.pictures && !found; i++) {
        dkvb_picture picture = DKVB_PICTURE_INIT;

        (void)!dkvb_imageset_get(p->set, i, &picture);
        snprintf(path + root, PATH_MAX - root, "%s", picture.name);
        found = begins_file(p, path + root) && stat(path, &st) == 0 && st.st_dev == written.st_dev &&
                st.st_ino == written.st_ino;
    }
    if (found)
        tool_fail("%s: is one of the pictures of %s, which no output may replace", output, p->args->path);
    free(path);
    return path && !found ? EXIT_SUCCESS : EXIT_FAILURE;
}

int pictures_spare(const struct pictures *p, const char *output, const char *other)
{
    int code = spare(p, output);

    return code ? code : spare(p, other);
}

static int tell_unreadable(void *user, uint64_t picture, const char *message)
{
    struct pictures *p = user;

    (void)picture;
    p->unreadable++;
    p->gave_up = !p->args->skip_unreadable;
    if (p->gave_up)
        tool_fail("%s; --skip-unreadable goes on without it", message);
    else
        tool_note("%s; left out", message);
    return p->gave_up;
}

static int encode_chunk(struct pictures *p, uint64_t first, size_t n, float *x, const dkvb_run_options *run)
{
    uint64_t all = p->info.pictures;
    dkvb_status rc;

    progress_span((double)first / (double)all, (double)(first + n) / (double)all);
    rc = dkvb_encoder_encode_set(p->encoder, p->set, first, n, x, p->readable + first, tell_unreadable, p, run);
    return p->gave_up ? EXIT_FAILURE : tool_check(rc);
}

/* A picture that a camera noted as turned is otherwise read sideways without a word. */
static int tell_turned(const struct pictures *p)
{
    dkvb_imageset_info info = {.struct_size = sizeof info};
    int code = tool_check(dkvb_imageset_get_info(p->set, &info));
    uint64_t turned = info.turned - p->info.turned;

    if (code == EXIT_SUCCESS && turned > 0 && !p->upright)
        tool_note("%s: %" PRIu64
                  " pictures have an EXIF orientation that is not applied; --exif-orientation turns them",
                  p->args->path, turned);
    return code;
}

int pictures_each(struct pictures *p, uint64_t first, uint32_t threads, pictures_fn fn, void *user)
{
    bool copies = p->encoder_info.kind == DKVB_ENCODER_PIXELS && p->info.width > 0; /* no faster on more threads */
    dkvb_run_options run = progress_start("encode", copies ? 1 : threads);
    float *x = input_memory("rows", sizeof *x, CHUNK, p->encoder_info.dim, 1);
    int code = x ? EXIT_SUCCESS : EXIT_FAILURE;

    for (size_t n; first < p->info.pictures && code == EXIT_SUCCESS; first += n) {
        n = p->info.pictures - first < CHUNK ? (size_t)(p->info.pictures - first) : CHUNK;
        code = encode_chunk(p, first, n, x, &run);
        if (code == EXIT_SUCCESS)
            code = fn(user, first, n, x, p->readable + first);
    }
    progress_stop();
    free(x);
    if (code == EXIT_SUCCESS)
        code = tell_turned(p);
    return code;
}

static int take_rows(void *user, uint64_t first, size_t n, const float *x, const uint8_t *readable)
{
    struct features *to = user;

    (void)first;
    for (size_t i = 0; i < n; i++)
        if (readable[i])
            memcpy(to->made + to->rows++ * to->columns, x + i * to->columns, to->columns * sizeof *x);
    return EXIT_SUCCESS;
}

int pictures_features(struct pictures *p, uint32_t threads, struct features *out)
{
    int code;

    *out = (struct features){.path = p->args->path, .array = DKVB_ARRAY_INIT, .columns = p->encoder_info.dim};
    out->x = out->made = input_memory("rows of pictures", sizeof *out->x, p->info.pictures, out->columns, 1);
    code = out->x ? pictures_each(p, 0, threads, take_rows, out) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS && out->rows == 0)
        code = tool_fail("%s: none of %" PRIu64 " pictures can be read", out->path, p->info.pictures);
    return code;
}

int pictures_labels(const struct pictures *p, const int32_t *as, struct labels *out)
{
    *out = (struct labels){.path = p->args->path, .array = DKVB_ARRAY_INIT};
    out->y = out->made = input_memory("labels", sizeof *out->made, p->info.pictures, 1, 1);
    if (!out->made)
        return EXIT_FAILURE;
    for (uint64_t i = 0; i < p->info.pictures; i++) {
        dkvb_picture picture = DKVB_PICTURE_INIT;
        int code = p->readable[i] ? tool_check(dkvb_imageset_get(p->set, i, &picture)) : EXIT_SUCCESS;

        if (code)
            return code;
        if (p->readable[i])
            out->made[out->rows++] = picture.label >= 0 && as ? as[picture.label] : picture.label;
    }
    input_labels_range(out);
    return EXIT_SUCCESS;
}

int pictures_check_labels(const struct pictures *p, const char *path)
{
    struct labels y;
    int code = input_labels(&y, path, p->args->path, p->info.pictures);

    input_labels_free(&y);
    return code;
}

int pictures_labels_of_file(const struct pictures *p, const char *path, struct labels *out)
{
    int32_t *y;
    int code = input_labels(out, path, p->args->path, p->info.pictures);

    if (code || p->unreadable == 0)
        return code;
    y = input_memory("labels", sizeof *y, out->rows, 1, 1);
    if (!y)
        return EXIT_FAILURE;
    out->made = y;
    for (uint64_t i = 0; i < p->info.pictures; i++)
        if (p->readable[i])
            *y++ = out->y[i];
    out->y = out->made;
    out->rows = (size_t)(y - out->made);
    input_labels_range(out);
    return EXIT_SUCCESS;
}

void pictures_keep_ids(const struct pictures *p, struct ids *ids)
{
    size_t n = 0;

    for (uint64_t i = 0; i < p->info.pictures; i++)
        if (p->readable[i])
            ids->id[n++] = ids->id[i];
    ids->n = n;
}

static char *escape(const char *text)
{
    char *line = input_memory("a name", 4 * strlen(text) + 1, 1, 1, 1), *at = line;

    for (; line && *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7F || c == '\\')
            at += sprintf(at, "\\x%02X", c);
        else
            *at++ = (char)c;
    }
    return line;
}

char *pictures_name(const struct pictures *p, uint64_t number)
{
    dkvb_picture picture = DKVB_PICTURE_INIT;

    return tool_check(dkvb_imageset_get(p->set, number, &picture)) ? NULL : escape(picture.name);
}

uint64_t pictures_next(const struct pictures *p, uint64_t picture)
{
    while (picture < p->info.pictures && !p->readable[picture])
        picture++;
    return picture;
}

/* Whether a model would take the names is better known before it is trained. */
static int check_names(const struct names *names)
{
    size_t which;

    if (dkvb_class_names_check((const char *const *)names->line, names->count, &which) == DKVB_OK)
        return EXIT_SUCCESS;
    return tool_fail("%s: class '%s': %s", names->path, which < names->count ? names->line[which] : "",
                     dkvb_last_error());
}

void pictures_left_out(struct left_out *out, const struct pictures *p)
{
    const char *ending;

    *out = (struct left_out){.files = p->info.ignored, .unreadable = p->unreadable, .nested = p->info.nested};
    while (out->kinds < LEFT_OUT_KINDS &&
           (ending = dkvb_imageset_ignored(p->set, out->kinds, &out->kind[out->kinds].files))) {
        snprintf(out->kind[out->kinds].ending, sizeof out->kind->ending, "%s", ending);
        out->kinds++;
    }
    if (out->nested == DKVB_NESTED_PARTS)
        tool_note(
            "%s: train, val, test or the like are taken for classes; give one of them, if they are parts of the data",
            p->args->path);
    if (out->nested == DKVB_NESTED_WRAPPED)
        tool_note("%s: its only class holds folders, no pictures; give %s/%s, if those are the classes", p->args->path,
                  p->args->path, dkvb_imageset_class_name(p->set, 0));
}

void pictures_say_left_out(const struct left_out *l)
{
    if (l->unreadable > 0)
        printf("left out: %" PRIu64 " pictures that cannot be read\n", l->unreadable);
    if (l->files > 0)
        printf("left out: %" PRIu64 " files that are no pictures by their names:", l->files);
    for (uint32_t i = 0; i < l->kinds; i++)
        printf("%s %" PRIu64 " %s", i ? "," : "", l->kind[i].files,
               l->kind[i].ending[0] ? l->kind[i].ending : "without an ending");
    if (l->files > 0)
        printf("\n");
}

void pictures_json_left_out(const struct left_out *l)
{
    static const char *const nested[] = {NULL, "deeper", "parts", "wrapped"};

    json_count("unreadable", l->unreadable);
    json_count("ignored", l->files);
    json_open("ignored_endings", '{');
    for (uint32_t i = 0; i < l->kinds; i++)
        json_count(l->kind[i].ending, l->kind[i].files);
    json_close('}');
    json_text("nested", nested[l->nested]);
}

int pictures_class_names(const struct pictures *p, struct names *out)
{
    bool any = false;
    int code = EXIT_SUCCESS;

    *out = (struct names){.path = p->args->path};
    for (uint32_t i = 0; i < p->info.classes && code == EXIT_SUCCESS; i++) {
        const char *name = dkvb_imageset_class_name(p->set, i);
        char *escaped = escape(name ? name : "");

        any = any || name;
        code = escaped ? input_names_add(out, escaped) : EXIT_FAILURE;
        free(escaped);
    }
    if (!any)
        input_names_free(out);
    return code ? code : check_names(out);
}

static int need_classes(const struct pictures *p)
{
    return p->info.classes > 0 ? EXIT_SUCCESS : tool_fail("%s: has no classes, so --labels is wanted", p->args->path);
}

static bool has_names(const dkvb_model *model, uint32_t classes)
{
    for (uint32_t i = 0; i < classes; i++)
        if (dkvb_model_class_name(model, i))
            return true;
    return false;
}

/* names: of the set's classes. */
static int match_names(const struct pictures *p, const struct names *names, const dkvb_model *model, uint32_t classes,
                       const char *path, struct names *more, int32_t *as)
{
    int code = EXIT_SUCCESS;

    for (uint32_t i = 0; more && i < classes && code == EXIT_SUCCESS; i++) {
        const char *name = dkvb_model_class_name(model, i);

        code = input_names_add(more, name ? name : "");
    }
    for (size_t i = 0; i < names->count && code == EXIT_SUCCESS; i++) {
        uint32_t found = 0;
        dkvb_status rc = dkvb_model_find_class(model, names->line[i], DKVB_FIND_NAME, &found);

        as[i] = (int32_t)found;
        if (rc == DKVB_OK)
            continue;
        if (rc != DKVB_ENOTFOUND)
            return tool_check(rc);
        if (!more)
            return tool_fail("%s: class '%s': %s has no class of this name%s", names->path, names->line[i], path,
                             p->info.nested == DKVB_NESTED_PARTS || p->info.nested == DKVB_NESTED_WRAPPED
                                 ? "; it holds folders only: are those the classes?"
                                 : "");
        as[i] = (int32_t)more->count;
        code = input_names_add(more, names->line[i]);
    }
    return code;
}

/* Which class of the model each of the set's is, to be free()d: by name where both have names, by index where not.
 * Without `more` every class must be the model's. With it, names become those of the model and of classes that are new
 * to it, or none where classes go by index. */
static int match_classes(const struct pictures *p, const dkvb_model *model, const char *path, struct names *more,
                         int32_t **as)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    struct names names = {0};
    int code = need_classes(p);

    if (code == EXIT_SUCCESS)
        code = pictures_class_names(p, &names);
    *as = code ? NULL : input_memory("classes", sizeof **as, p->info.classes, 1, 1);
    if (code == EXIT_SUCCESS)
        code = *as ? tool_check(dkvb_model_get_info(model, &info)) : EXIT_FAILURE;
    for (uint32_t i = 0; i < p->info.classes && code == EXIT_SUCCESS; i++)
        (*as)[i] = (int32_t)i;
    if (code == EXIT_SUCCESS && names.count > 0 && has_names(model, info.classes))
        code = match_names(p, &names, model, info.classes, path, more, *as);
    input_names_free(&names);
    return code;
}

int pictures_name_classes(const struct pictures *p, const char *path, struct names *names, int32_t **as)
{
    struct names unwanted = {0};
    dkvb_model *model = NULL;
    dkvb_model_info info;
    int code = need_classes(p);

    *as = NULL;
    if (!names)
        names = &unwanted;
    if (code == EXIT_SUCCESS && !path)
        code = pictures_class_names(p, names);
    if (code == EXIT_SUCCESS && path) {
        *names = (struct names){.path = p->args->path};
        code = input_model_map(&model, path, &info);
    }
    if (code == EXIT_SUCCESS && path)
        code = match_classes(p, model, path, names, as);
    dkvb_model_free(model);
    input_names_free(&unwanted);
    return code;
}

int pictures_rows(struct pictures *p, const dkvb_model *model, const char *path, const char *labels, uint32_t threads,
                  struct features *x, struct labels *y)
{
    int32_t *as = NULL;
    int code = EXIT_SUCCESS;

    if (labels)
        code = pictures_check_labels(p, labels);
    else
        code = match_classes(p, model, path, NULL, &as);
    if (code == EXIT_SUCCESS)
        code = pictures_features(p, threads, x);
    if (code == EXIT_SUCCESS)
        code = labels ? pictures_labels_of_file(p, labels, y) : pictures_labels(p, as, y);
    free(as);
    return code;
}
