#include "io/pictures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

const char *const pictures_encoders[] = {[DKVB_ENCODER_PIXELS - 1] = "pixels",
                                         [DKVB_ENCODER_DESCRIPTOR - 1] = "descriptor",
                                         [DKVB_ENCODER_CLIP - 1] = "clip",
                                         [DKVB_ENCODER_RESNET50 - 1] = "resnet50",
                                         NULL};

enum { FORMAT_CIFAR = 5 }; /* number of the picture format CIFAR, whatever its number of classes */
/* largest number of bytes of a picture or a list that is read as a whole */
static const size_t MOST_BYTES = (size_t)1 << 31;

const char *const pictures_formats[] = {"auto", "folder", "file", "cifar10", "cifar100", "cifar", "idx", "npy", NULL};
static const uint32_t formats[] = {DKVB_IMAGES_AUTO,     DKVB_IMAGES_FOLDER, DKVB_IMAGES_FILE,  DKVB_IMAGES_CIFAR10,
                                   DKVB_IMAGES_CIFAR100, DKVB_IMAGES_AUTO,   DKVB_IMAGES_ARRAY, DKVB_IMAGES_ARRAY};

/* words that the option for the encoder's activation function accepts, in the order of the constants
 * DKVB_ACTIVATION_… */
const char *const pictures_activations[] = {"auto", "quick_gelu", "gelu", NULL};

const char *const pictures_options[] = {"encoder", "weights",       "config",          "activation", "exif-orientation",
                                        "format",  "coarse-labels", "skip-unreadable", NULL};

int pictures_check_source(const struct args_command *command, const struct pictures_args *args, const char *option)
{
    size_t inputs = 0;

    if (args->from && args->paths.text)
        return args_misused(command, "--%s does not go with --images-from: one of them names the pictures", option);
    for (size_t i = 0; i < args->paths.count; i++)
        inputs += strcmp(args->paths.word[i], "-") == 0;
    if (inputs > 1)
        return args_misused(command, "--%s: '-' stands for one picture from standard input, and is given %zu times",
                            option, inputs);
    return EXIT_SUCCESS;
}

int pictures_check_args(const struct args_command *command, const struct pictures_args *args)
{
    uint32_t kind = args->encoder + 1;
    bool takes_weights = kind == DKVB_ENCODER_CLIP || kind == DKVB_ENCODER_RESNET50;

    if (takes_weights && !args->weights)
        return args_misused(command, "--weights is missing: --encoder %s has none of its own",
                            pictures_encoders[args->encoder]);
    if (!takes_weights && args->weights)
        return args_misused(command, "--weights does not go with --encoder %s, which has none",
                            pictures_encoders[args->encoder]);
    if (kind != DKVB_ENCODER_CLIP && args->config)
        return args_misused(command, "--config is of --encoder clip only");
    if (kind != DKVB_ENCODER_CLIP && args->activation)
        return args_misused(command, "--activation is of --encoder clip only");
    return EXIT_SUCCESS;
}

int pictures_check_rows(const struct args_command *command, const struct args *values, const char *features,
                        const struct pictures_args *args)
{
    int code = pictures_check_source(command, args, "images");

    if (code)
        return code;
    if (!features == !pictures_source(args))
        return args_misused(command, "one of --features and --images is wanted");
    if (features)
        return args_refuse(command, values, pictures_options, "--features: it is of --images");
    return args_given(command, values, "encoder") ? pictures_check_args(command, args) : EXIT_SUCCESS;
}

/* Reads all bytes of a file, or of standard input for "-", and adds a NUL. The caller frees *bytes, the new memory with
 * the bytes of the file. */
static int read_all(const char *path, uint8_t **bytes, size_t *size)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t room = 0;
    int code = EXIT_SUCCESS;

    *size = 0;
    if (!file)
        return tool_fail("%s: cannot open: %s", path, strerror(errno));
    do {
        uint8_t *grown = *bytes;

        if (room - *size < 2) {
            room = room ? 2 * room : 65536;
            grown = room > MOST_BYTES ? NULL : realloc(*bytes, room);
        }
        if (!grown) {
            code = tool_fail("%s: more than %zu bytes, which %s", path, *size,
                             room > MOST_BYTES ? "are too many for a picture or a list" : "do not fit into memory");
            break;
        }
        *bytes = grown;
        *size += fread(*bytes + *size, 1, room - *size - 1, file);
        (*bytes)[*size] = 0;
    } while (!feof(file) && !ferror(file));
    if (code == EXIT_SUCCESS && ferror(file))
        code = tool_fail("%s: cannot be read: %s", path, strerror(errno));
    if (file != stdin)
        fclose(file);
    return code;
}

/* Reads the paths of a list, one per line. If the list of paths has a NUL, its paths end with NULs, as `find -print0`
 * writes them. The caller frees *text, which holds the bytes of all paths, and the array *paths. */
static int read_list(const char *from, uint8_t **text, dkvb_image_source **paths, size_t *count)
{
    size_t size = 0, most = 1;
    char end;
    int code = read_all(from, text, &size);

    if (code)
        return code;
    end = memchr(*text, 0, size) ? '\0' : '\n';
    for (size_t i = 0; i < size; i++)
        most += (char)(*text)[i] == end;
    *paths = input_memory("paths", sizeof **paths, most, 1, 1);
    if (!*paths)
        return EXIT_FAILURE;
    for (char *at = (char *)*text, *last = at + size, *next; at < last; at = next + 1) {
        next = memchr(at, end, (size_t)(last - at));
        next = next ? next : last;
        *next = '\0';
        if (end == '\n' && next > at && next[-1] == '\r')
            next[-1] = '\0';
        if (*at)
            (*paths)[(*count)++].path = at;
    }
    return *count > 0 ? EXIT_SUCCESS : tool_fail("%s: lists no path", from);
}

static int list_words(struct pictures *p, dkvb_image_source **paths, size_t *count)
{
    const struct args_list *words = &p->args->paths;
    int code = EXIT_SUCCESS;

    *paths = input_memory("paths", sizeof **paths, words->count, 1, 1);
    if (!*paths)
        return EXIT_FAILURE;
    for (; *count < words->count && code == EXIT_SUCCESS; ++*count) {
        dkvb_image_source *one = &(*paths)[*count];

        one->path = words->word[*count];
        if (strcmp(one->path, "-") != 0)
            continue;
        code = read_all(one->path, &p->bytes, &one->size);
        one->bytes = p->bytes;
    }
    return code;
}

static int open_set(struct pictures *p)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    const struct args_list *words = &p->args->paths;
    dkvb_image_source *paths = NULL;
    uint8_t *text = NULL;
    size_t count = 0;
    int code = p->args->from ? read_list(p->args->from, &text, &paths, &count) : list_words(p, &paths, &count);

    o.format = formats[p->args->format];
    o.coarse_labels = p->args->coarse_labels;
    for (size_t i = 0; i < count && code == EXIT_SUCCESS; i++)
        if (!paths[i].bytes)
            paths_keep_private(paths[i].path);
    if (code == EXIT_SUCCESS && !p->args->from && words->count == 1 && !p->bytes)
        code = tool_check(dkvb_imageset_open(&p->set, words->word[0], &o));
    else if (code == EXIT_SUCCESS && p->args->format == FORMAT_CIFAR)
        code = tool_fail("%s: of several files, --format cifar10 or cifar100 says which CIFAR they are",
                         pictures_source(p->args));
    else if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_imageset_open_list(&p->set, paths, count, &o));
    free(paths);
    free(text);
    p->info = (dkvb_imageset_info){.struct_size = sizeof p->info};
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_imageset_get_info(p->set, &p->info));
    if (code == EXIT_SUCCESS && p->args->format == FORMAT_CIFAR && p->info.format != DKVB_IMAGES_CIFAR10 &&
        p->info.format != DKVB_IMAGES_CIFAR100)
        code = tool_fail("%s: is no file of CIFAR, nor a folder with its training files", pictures_source(p->args));
    if (code)
        return code;
    p->readable = input_memory("marks of pictures", 1, p->info.pictures, 1, 1);
    if (!p->readable)
        return EXIT_FAILURE;
    memset(p->readable, 1, p->info.pictures);
    return EXIT_SUCCESS;
}

/* Opens the encoder of `kind` that makes rows of `columns` columns (0: any). Unless `remembered` is NULL, the encoder
 * must be the one whose identity the model in the file `path` stores. A note that the activation function of a CLIP
 * network was guessed appears only if neither a config file nor a model that remembers its encoder confirms the
 * guess. */
static int open_encoder(struct pictures *p, uint32_t kind, const char *remembered, const char *path, uint32_t columns)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    int code;

    o.weights = p->args->weights;
    o.config = p->args->config;
    o.activation = p->args->activation;
    o.upright = p->args->exif_orientation;
    o.set = p->set;
    o.remembered = remembered;
    o.remembered_by = path;
    o.dim = columns;
    p->encoder_info = (dkvb_encoder_info)DKVB_ENCODER_INFO_INIT;
    code = tool_check(dkvb_encoder_open(&p->encoder, kind, &o));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_encoder_get_info(p->encoder, &p->encoder_info));
    if (code == EXIT_SUCCESS)
        /* the info of the picture set is read again, as opening the encoder may have read a picture */
        code = tool_check(dkvb_imageset_get_info(p->set, &p->info));
    if (code == EXIT_SUCCESS && p->encoder_info.guessed && !remembered)
        tool_note("%s: no config says which activation the weights need; quick_gelu and %" PRIu32
                  " heads are taken, as OpenAI's weights need, while most of OpenCLIP's need --activation gelu",
                  p->args->weights, p->encoder_info.heads);
    return code;
}

int pictures_open_for(struct pictures *p, const struct pictures_args *args, bool chosen, const dkvb_model *model,
                      const char *path)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    int code = model ? tool_check(dkvb_model_get_info(model, &info)) : EXIT_SUCCESS;

    *p = (struct pictures){.args = args};
    if (code || (code = open_set(p)))
        return code;
    return open_encoder(p, chosen ? args->encoder + 1 : DKVB_ENCODER_REMEMBERED, info.encoder, path, info.input_dim);
}

void pictures_close(struct pictures *p)
{
    dkvb_imageset_free(p->set);
    dkvb_encoder_free(p->encoder);
    free(p->readable);
    free(p->bytes);
    *p = (struct pictures){0};
}

int pictures_spare(const struct pictures *p, const char *output, const char *other)
{
    int code = output ? tool_check(dkvb_imageset_spare(p->set, output)) : EXIT_SUCCESS;

    return code || !other ? code : tool_check(dkvb_imageset_spare(p->set, other));
}

static int tell_unreadable(void *user, uint64_t picture, const char *message)
{
    struct pictures *p = user;

    (void)picture;
    p->unreadable++;
    if (p->args->skip_unreadable)
        tool_note("%s; left out", message);
    return 0;
}

dkvb_encode_options pictures_encoding(struct pictures *p)
{
    dkvb_encode_options o = DKVB_ENCODE_OPTIONS_INIT;

    o.skip_unreadable = p->args->skip_unreadable;
    o.readable = p->readable;
    o.unreadable = tell_unreadable;
    o.user = p;
    return o;
}

int pictures_encoded(const struct pictures *p, dkvb_status status)
{
    dkvb_imageset_info info = DKVB_IMAGESET_INFO_INIT;
    int code;

    progress_stop();
    if (status != DKVB_OK && p->unreadable > 0 && !p->args->skip_unreadable)
        return tool_fail("%s; --skip-unreadable goes on without it", dkvb_last_error());
    code = tool_check(status);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_imageset_get_info(p->set, &info));
    /* Pictures that were taken with a turned camera would silently be read sideways, so they are reported. */
    if (code == EXIT_SUCCESS && info.turned > p->info.turned && !p->encoder_info.upright)
        tool_note("%s: %" PRIu64
                  " pictures have an EXIF orientation that is not applied; --exif-orientation turns them",
                  pictures_source(p->args), info.turned - p->info.turned);
    return code;
}

int pictures_features(struct pictures *p, uint32_t threads, struct features *out)
{
    dkvb_encode_options o = pictures_encoding(p);
    dkvb_run_options run;
    int code;

    *out = (struct features){.path = pictures_source(p->args), .columns = p->encoder_info.dim};
    out->x = out->made = input_memory("rows of pictures", sizeof *out->x, p->info.pictures, out->columns, 1);
    if (!out->x)
        return EXIT_FAILURE;
    run = progress_start("encode", threads);
    code = pictures_encoded(
        p, dkvb_encoder_encode_set(p->encoder, p->set, 0, (size_t)p->info.pictures, out->made, &o, &run));
    for (uint64_t i = 0; i < p->info.pictures && code == EXIT_SUCCESS; i++)
        if (p->readable[i])
            memmove(out->made + out->rows++ * out->columns, out->made + i * out->columns,
                    out->columns * sizeof *out->made);
    if (code == EXIT_SUCCESS && out->rows == 0)
        code = tool_fail("%s: none of %" PRIu64 " pictures can be read", out->path, p->info.pictures);
    return code;
}

int pictures_labels(const struct pictures *p, const int32_t *as, struct labels *out)
{
    *out = (struct labels){.path = pictures_source(p->args), .rows = (size_t)p->info.pictures};
    out->y = out->made = input_memory("labels", sizeof *out->made, p->info.pictures, 1, 1);
    if (!out->made)
        return EXIT_FAILURE;
    for (uint64_t i = 0; i < p->info.pictures; i++) {
        dkvb_picture picture = DKVB_PICTURE_INIT;
        int code = tool_check(dkvb_imageset_get(p->set, i, &picture));

        if (code)
            return code;
        out->made[i] = picture.label >= 0 && as ? as[picture.label] : picture.label;
    }
    input_labels_range(out);
    return EXIT_SUCCESS;
}

void pictures_keep_labels(const struct pictures *p, struct labels *labels)
{
    /* this command may change the array of labels, since it belongs to the pictures or to a table that the command has
     * read */
    int32_t *y = (int32_t *)(uintptr_t)labels->y;

    labels->rows = 0;
    for (uint64_t i = 0; i < p->info.pictures; i++)
        if (p->readable[i])
            y[labels->rows++] = y[i];
    input_labels_range(labels);
}

void pictures_keep_ids(const struct pictures *p, struct ids *ids)
{
    size_t n = 0;

    for (uint64_t i = 0; i < p->info.pictures; i++)
        if (!p->readable[i] && ids->name)
            free(ids->name[i]);
        else if (p->readable[i] && ids->name)
            ids->name[n++] = ids->name[i];
        else if (p->readable[i])
            ids->id[n++] = ids->id[i];
    ids->n = n;
}

/* Appends a name to a list of names, and replaces backslashes and control characters of the name by \xHH. */
static int add_escaped(struct names *names, const char *text)
{
    char *line = input_memory("a name", 4 * strlen(text) + 1, 1, 1, 1), *at = line;
    int code;

    for (; line && *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7F || c == '\\')
            at += sprintf(at, "\\x%02X", c);
        else
            *at++ = (char)c;
    }
    code = line ? input_names_add(names, line) : EXIT_FAILURE;
    free(line);
    return code;
}

int pictures_names(const struct pictures *p, struct names *out)
{
    int code = EXIT_SUCCESS;

    *out = (struct names){.path = pictures_source(p->args)};
    for (uint64_t i = 0; i < p->info.pictures && code == EXIT_SUCCESS; i++) {
        dkvb_picture picture = DKVB_PICTURE_INIT;

        if (p->readable[i] && (code = tool_check(dkvb_imageset_get(p->set, i, &picture))) == EXIT_SUCCESS)
            code = add_escaped(out, picture.name);
    }
    return code;
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
            pictures_source(p->args));
    if (out->nested == DKVB_NESTED_WRAPPED && p->info.format == DKVB_IMAGES_LIST)
        tool_note("%s: the only class, %s, holds folders, no pictures; give that folder, if those are the classes",
                  pictures_source(p->args), dkvb_imageset_class_name(p->set, 0));
    else if (out->nested == DKVB_NESTED_WRAPPED)
        tool_note("%s: its only class holds folders, no pictures; give %s/%s, if those are the classes",
                  pictures_source(p->args), pictures_source(p->args), dkvb_imageset_class_name(p->set, 0));
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
    size_t which;
    int code = EXIT_SUCCESS;

    *out = (struct names){.path = pictures_source(p->args)};
    for (uint32_t i = 0; i < p->info.classes && code == EXIT_SUCCESS; i++) {
        const char *name = dkvb_imageset_class_name(p->set, i);

        any = any || name;
        code = add_escaped(out, name ? name : "");
    }
    if (!any)
        input_names_free(out);
    /* The names of classes are checked before training, as the model would refuse them only after training. */
    if (code || dkvb_model_set_class_names(NULL, (const char *const *)out->line, out->count, &which) == DKVB_OK)
        return code;
    return tool_fail("%s: class '%s': %s", out->path, which < out->count ? out->line[which] : "", dkvb_last_error());
}

/* Matches the classes of a picture set to the classes of a model by name. `names` has the names of the picture set's
 * classes. */
static int match_names(const struct pictures *p, const struct names *names, const dkvb_model *model, const char *path,
                       struct names *more, int32_t *as)
{
    bool folders = p->info.nested == DKVB_NESTED_PARTS || p->info.nested == DKVB_NESTED_WRAPPED;
    int code = EXIT_SUCCESS;

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
                             folders ? "; it holds folders only: are those the classes?" : "");
        as[i] = (int32_t)more->count;
        code = input_names_add(more, names->line[i]);
    }
    return code;
}

int pictures_name_classes(const struct pictures *p, const dkvb_model *model, const char *path, struct names *names,
                          int32_t **as)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    struct names own;
    bool named = false;
    int code;

    if (p->info.classes == 0)
        return tool_fail("%s: has no classes, so --labels is wanted", pictures_source(p->args));
    if ((code = pictures_class_names(p, model ? &own : names)) || !model)
        goto end;
    *as = input_memory("classes", sizeof **as, p->info.classes, 1, 1);
    if (!*as || tool_check(dkvb_model_get_info(model, &info))) {
        code = EXIT_FAILURE;
        goto end;
    }
    for (uint32_t i = 0; i < p->info.classes; i++)
        (*as)[i] = (int32_t)i;
    for (uint32_t i = 0; i < info.classes; i++)
        named = named || dkvb_model_class_name(model, i);
    if (names)
        *names = (struct names){.path = pictures_source(p->args)};
    for (uint32_t i = 0; named && own.count > 0 && names && i < info.classes && code == EXIT_SUCCESS; i++) {
        const char *name = dkvb_model_class_name(model, i);

        code = input_names_add(names, name ? name : "");
    }
    if (named && code == EXIT_SUCCESS)
        code = match_names(p, &own, model, path, names, *as);

end:
    if (model)
        input_names_free(&own);
    return code;
}

int pictures_rows(struct pictures *p, const dkvb_model *model, const char *path, const char *labels, uint32_t threads,
                  struct features *x, struct labels *y)
{
    int32_t *as = NULL;
    int code;

    if (labels)
        code = input_labels(y, labels, pictures_source(p->args), p->info.pictures, &(struct table_use){.model = model});
    else if ((code = pictures_name_classes(p, model, path, NULL, &as)) == EXIT_SUCCESS)
        code = pictures_labels(p, as, y);
    free(as);
    if (code == EXIT_SUCCESS && (code = pictures_features(p, threads, x)) == EXIT_SUCCESS)
        pictures_keep_labels(p, y);
    return code;
}
