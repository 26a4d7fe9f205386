/* Finds the sizes of CLIP's vision transformer. The shapes of tensors show most sizes of the network. A config file
 * gives the settings that tensors cannot show (heads, activation, epsilon), and repeats some sizes. Two kinds of config
 * files are supported, those of transformers and those of OpenCLIP:
 *
 * The config.json of transformers is a CLIPConfig, with the vision part in "vision_config", or a CLIPVisionConfig,
 * which is the vision part alone. In config files of old transformers versions, "vision_config_dict" replaces
 * "vision_config" with all its defaults. CLIPModel of transformers projects to the projection_dim that stands outside
 * the vision part.
 * https://github.com/huggingface/transformers/blob/main/src/transformers/models/clip/configuration_clip.py
 *
 * The open_clip_config.json of OpenCLIP has "model_cfg", with the vision part in "vision_cfg", and "preprocess_cfg".
 * https://github.com/mlfoundations/open_clip/blob/main/src/open_clip/model.py */
#include "encoder/clip_shape.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "base/json.h"

enum {
    MAX_CONFIG = 1 << 20,
    MAX_SIDE = 16383, /* largest side of a square picture in pixels: images.h limits the number of pixels */
    /* largest number of patches in a row of a picture; known networks have at most 32. The attention scores of one head
     * are a matrix of tokens x tokens, so their memory grows by the 4th power of MAX_GRID, to 64 MiB a thread */
    MAX_GRID = 64,
    HEAD_WIDTH = 64 /* width of an attention head in every CLIP that OpenAI published */
};

/* Indices of the sizes of a CLIP network that tensors and config files give; SIZES is their number. */
enum { IMAGE_SIZE, PATCH, WIDTH, LAYERS, MLP, DIM, HEADS, SIZES };

struct sizes {
    uint64_t of[SIZES];
    /* bit set of the sizes that a config file leaves out, which means the default of this kind of config */
    uint32_t left_out;
    uint32_t activation;
    bool guessed;
    double epsilon;
};

const float dkvb__clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
const float dkvb__clip_deviation[3] = {0.26862954f, 0.26130258f, 0.27577711f};

/* Names of the tensors of a CLIP network in one layout of weights. */
struct naming {
    uint32_t layout;
    const char *class_token, *patches, *positions, *projection;
    /* parts of tensor names in a transformer block of CLIP: a tensor's name is `block`, the number of the block, and
     * one of the other parts */
    const char *block, *norm, *attention, *mlp;
    /* index of the dimension, 0 or 1, of the tensor `projection` that has the size of the transformer's width */
    uint32_t projection_width;
};

static const struct naming namings[] = {
    {DKVB_LAYOUT_HUGGINGFACE, "vision_model.embeddings.class_embedding",
     "vision_model.embeddings.patch_embedding.weight", "vision_model.embeddings.position_embedding.weight",
     "visual_projection.weight", "vision_model.encoder.layers.", ".layer_norm1.weight", ".self_attn.out_proj.weight",
     ".mlp.fc1.weight", 1},
    {DKVB_LAYOUT_OPENAI, "visual.class_embedding", "visual.conv1.weight", "visual.positional_embedding", "visual.proj",
     "visual.transformer.resblocks.", ".ln_1.weight", ".attn.out_proj.weight", ".mlp.c_fc.weight", 0},
};

/* Finds a tensor of the weights by name. The tensor called `name` must have the given number of dimensions, none of
 * them 0. */
static dkvb_status need(const struct dkvb__tensor **out, const struct dkvb__safetensors *file, const char *name,
                        uint32_t ndim)
{
    const struct dkvb__tensor *t = dkvb__safetensors_find(file, name);

    *out = t;
    if (!t)
        return dkvb__safetensors_missing(file, name);
    if (t->dtype == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.200s: tensor %s is of %s; F32, F16, BF16 or F64 must be given",
                          dkvb__safetensors_path(file), name, t->code);
    if (t->ndim != ndim)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s has %u dimensions, %u are wanted",
                          dkvb__safetensors_path(file), name, t->ndim, ndim);
    for (uint32_t d = 0; d < ndim; d++)
        if (t->shape[d] < 1 || t->shape[d] > INT32_MAX)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s has a dimension of %llu, 1 to %d is wanted",
                              dkvb__safetensors_path(file), name, (unsigned long long)t->shape[d], INT32_MAX);
    return DKVB_OK;
}

static dkvb_status wrong_size(const struct dkvb__safetensors *file, const char *name, const char *what, uint64_t found,
                              uint64_t wanted)
{
    return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s has %s %llu, %llu is wanted", dkvb__safetensors_path(file), name,
                      what, (unsigned long long)found, (unsigned long long)wanted);
}

/* Finds out which layout the tensor names of a weights file follow. In a checkpoint of a training or of a larger model,
 * all tensor names of the network begin with a common prefix. */
static dkvb_status find_naming(const struct naming **out, struct dkvb__safetensors *file)
{
    dkvb_status rc;

    for (size_t i = 0; i < sizeof namings / sizeof *namings; i++)
        if (dkvb__safetensors_find_prefix(file, namings[i].class_token, &rc)) {
            *out = &namings[i];
            return rc;
        }
    return dkvb__fail(DKVB_EFORMAT,
                      "%.150s: has no tensor %s (Hugging Face) nor %s (OpenAI, OpenCLIP), with no prefix either: not "
                      "CLIP, or a shard of a checkpoint that is split",
                      dkvb__safetensors_path(file), namings[0].class_token, namings[1].class_token);
}

static dkvb_status find_patches(struct sizes *s, const struct dkvb__safetensors *file, const struct naming *names)
{
    const struct dkvb__tensor *t;
    dkvb_status rc = need(&t, file, names->class_token, 1);

    if (rc)
        return rc;
    s->of[WIDTH] = t->shape[0];
    rc = need(&t, file, names->patches, 4);
    if (rc)
        return rc;
    if (t->shape[0] != s->of[WIDTH])
        return wrong_size(file, names->patches, "width", t->shape[0], s->of[WIDTH]);
    if (t->shape[1] != 3)
        return wrong_size(file, names->patches, "channels:", t->shape[1], 3);
    if (t->shape[2] != t->shape[3])
        return wrong_size(file, names->patches, "height", t->shape[2], t->shape[3]);
    s->of[PATCH] = t->shape[2];
    return DKVB_OK;
}

/* Finds the number of position embeddings: one for the class token, and one for each patch of a square picture. */
static dkvb_status find_positions(struct sizes *s, const struct dkvb__safetensors *file, const struct naming *names)
{
    const struct dkvb__tensor *t;
    uint64_t grid = 1;
    dkvb_status rc = need(&t, file, names->positions, 2);

    if (rc)
        return rc;
    if (t->shape[1] != s->of[WIDTH])
        return wrong_size(file, names->positions, "width", t->shape[1], s->of[WIDTH]);
    while (grid < MAX_GRID && 1 + grid * grid < t->shape[0])
        grid++;
    if (1 + grid * grid != t->shape[0])
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s has %llu positions, 1 and the square of 1 to %d are wanted",
                          dkvb__safetensors_path(file), names->positions, (unsigned long long)t->shape[0], MAX_GRID);
    s->of[IMAGE_SIZE] = grid * s->of[PATCH];
    if (s->of[IMAGE_SIZE] > MAX_SIDE)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: pictures of %llu x %llu patches of %llu are too large",
                          dkvb__safetensors_path(file), (unsigned long long)grid, (unsigned long long)grid,
                          (unsigned long long)s->of[PATCH]);
    return DKVB_OK;
}

static const char *block_name(char name[96], const struct naming *names, uint64_t block, const char *what)
{
    snprintf(name, 96, "%s%llu%s", names->block, (unsigned long long)block, what);
    return name;
}

/* Finds the other side of a weight matrix that has the transformer's width on one side. */
static dkvb_status find_side(uint64_t *side, const struct sizes *s, const struct dkvb__safetensors *file,
                             const char *name, uint32_t width_at)
{
    const struct dkvb__tensor *t;
    dkvb_status rc = need(&t, file, name, 2);

    if (rc)
        return rc;
    if (t->shape[width_at] != s->of[WIDTH])
        return wrong_size(file, name, "width", t->shape[width_at], s->of[WIDTH]);
    *side = t->shape[!width_at];
    return DKVB_OK;
}

static dkvb_status find_blocks(struct sizes *s, const struct dkvb__safetensors *file, const struct naming *names)
{
    uint64_t square;
    char name[96];
    dkvb_status rc;

    while (dkvb__safetensors_find(file, block_name(name, names, s->of[LAYERS], names->norm)))
        s->of[LAYERS]++;
    if (s->of[LAYERS] == 0)
        return dkvb__safetensors_missing(file, name);
    rc = find_side(&square, s, file, block_name(name, names, 0, names->attention), 1);
    if (!rc && square != s->of[WIDTH])
        rc = wrong_size(file, name, "height", square, s->of[WIDTH]);
    if (!rc)
        rc = find_side(&s->of[MLP], s, file, block_name(name, names, 0, names->mlp), 1);
    return rc ? rc : find_side(&s->of[DIM], s, file, names->projection, names->projection_width);
}

static dkvb_status find_sizes(struct sizes *s, const struct dkvb__safetensors *file, const struct naming *names)
{
    dkvb_status rc = find_patches(s, file, names);

    if (!rc)
        rc = find_positions(s, file, names);
    return rc ? rc : find_blocks(s, file, names);
}

/* A config file of a CLIP network, and the keys by which this kind of config file names the network's sizes. */
struct config {
    char *path;
    json_t *root;
    const char *const *keys; /* keys that the config file uses for the sizes of the network, [SIZES] */
};

/* Reads a size of the network from a part of a config file, or takes the default of the size. */
static dkvb_status take_size(uint64_t *to, const struct config *c, const json_t *part, const char *key,
                             uint64_t otherwise)
{
    const json_t *value = json_object_get(part, key);

    *to = otherwise;
    if (!value)
        return DKVB_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > INT32_MAX)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %s is %s, an integer from 1 to %d is wanted", c->path, key,
                          json_is_integer(value) ? "out of range" : dkvb__json_kind(value), INT32_MAX);
    *to = (uint64_t)json_integer_value(value);
    return DKVB_OK;
}

/* Reads a number above 0 and at most `max` from a config file. */
static dkvb_status take_number(double *to, const struct config *c, const json_t *part, const char *key,
                               double otherwise, double max)
{
    const json_t *value = json_object_get(part, key);

    *to = otherwise;
    if (!value)
        return DKVB_OK;
    if (!json_is_number(value))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %s is %s, a number is wanted", c->path, key, dkvb__json_kind(value));
    *to = json_number_value(value);
    if (!(*to >= FLT_MIN && *to <= max)) /* smaller numbers than FLT_MIN could become 0 as float */
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %s is %g, more than 0 and at most %g is wanted", c->path, key, *to,
                          max);
    return DKVB_OK;
}

static dkvb_status need_object(const struct config *c, const json_t *value, const char *key)
{
    if (!json_is_object(value))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %s is %s, an object is wanted", c->path, key, dkvb__json_kind(value));
    return DKVB_OK;
}

/* Reads the activation "hidden_act" from a config file: "quick_gelu" or "gelu". transformers knows other activations,
 * but no CLIP uses them. */
static dkvb_status take_activation(uint32_t *to, const struct config *c, const json_t *part)
{
    const json_t *value = json_object_get(part, "hidden_act");
    const char *name = value ? json_string_value(value) : "quick_gelu";

    if (!name)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: hidden_act is %s, a string is wanted", c->path,
                          dkvb__json_kind(value));
    *to = strcmp(name, "quick_gelu") == 0 ? DKVB_ACTIVATION_QUICK_GELU
          : strcmp(name, "gelu") == 0     ? DKVB_ACTIVATION_GELU
                                          : DKVB_ACTIVATION_NONE;
    if (*to == DKVB_ACTIVATION_NONE)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: hidden_act is %s; quick_gelu or gelu is wanted", c->path,
                          dkvb__show(name).text);
    return DKVB_OK;
}

/* Finds the part of a transformers config that is about pictures, which may be the whole config. */
static dkvb_status find_part(const json_t **part, const struct config *c)
{
    static const char *const keys[] = {"vision_config_dict", "vision_config"};
    const json_t *type = json_object_get(c->root, "model_type");
    const char *name = json_string_value(type);

    if (type && !(name && (strcmp(name, "clip") == 0 || strcmp(name, "clip_vision_model") == 0)))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: model_type is %s; clip or clip_vision_model is wanted", c->path,
                          name ? dkvb__show(name).text : dkvb__json_kind(type));
    for (size_t i = 0; i < 2; i++) {
        *part = json_object_get(c->root, keys[i]);
        if (*part && !json_is_null(*part))
            return need_object(c, *part, keys[i]);
    }
    *part = c->root;
    return DKVB_OK;
}

static dkvb_status read_transformers(struct sizes *said, struct config *c)
{
    static const char *const keys[SIZES] = {"image_size",         "patch_size",        "hidden_size",
                                            "num_hidden_layers",  "intermediate_size", "projection_dim",
                                            "num_attention_heads"};
    static const uint64_t defaults[SIZES] = {224, 32, 768, 12, 3072, 512, 12};
    const json_t *part = NULL;
    dkvb_status rc = find_part(&part, c);

    c->keys = keys;
    for (size_t i = 0; !rc && i < SIZES; i++) {
        const json_t *from = i == DIM ? c->root : part;

        rc = take_size(&said->of[i], c, from, keys[i], defaults[i]);
        said->left_out |= json_object_get(from, keys[i]) ? 0u : 1u << i;
    }
    if (!rc)
        rc = take_activation(&said->activation, c, part);
    return rc ? rc : take_number(&said->epsilon, c, part, "layer_norm_eps", 1e-5, 1.0);
}

/* Refuses an OpenCLIP config whose vision_cfg switches on a setting that this library does not know, as the setting
 * would make a different network. */
static dkvb_status check_part(const struct config *c, json_t *part)
{
    static const char *const known[] = {"image_size", "layers",    "width",        "patch_size",
                                        "head_width", "mlp_ratio", "patch_dropout"};
    enum { KNOWN = sizeof known / sizeof *known };
    const char *key;
    json_t *value;

    json_object_foreach(part, key, value)
    {
        size_t i = 0;

        while (i < KNOWN && strcmp(key, known[i]) != 0)
            i++;
        if (i == KNOWN && !json_is_null(value) && !json_is_false(value))
            return dkvb__fail(DKVB_EFORMAT, "%.300s: vision_cfg has %s, which this transformer does not have", c->path,
                              dkvb__show(key).text);
    }
    return DKVB_OK;
}

/* Reads the vision part of an OpenCLIP config. The members width and head_width of the CLIP network's shape must be set
 * before the call. */
static dkvb_status take_openclip_part(struct sizes *said, const struct config *c, json_t *part)
{
    static const uint64_t defaults[SIZES] = {[IMAGE_SIZE] = 224, [PATCH] = 16, [WIDTH] = 768, [LAYERS] = 12};
    uint64_t head_width;
    double ratio;
    dkvb_status rc = check_part(c, part);

    for (size_t i = IMAGE_SIZE; !rc && i <= LAYERS; i++) {
        rc = take_size(&said->of[i], c, part, c->keys[i], defaults[i]);
        said->left_out |= json_object_get(part, c->keys[i]) ? 0u : 1u << i;
    }
    if (!rc)
        rc = take_size(&head_width, c, part, "head_width", HEAD_WIDTH);
    if (!rc)
        rc = take_number(&ratio, c, part, "mlp_ratio", 4.0, 1024.0);
    if (rc)
        return rc;
    /* the number of heads and the hidden width are rounded down, as OpenCLIP does */
    said->of[HEADS] = said->of[WIDTH] / head_width;
    said->of[MLP] = (uint64_t)((double)said->of[WIDTH] * ratio);
    return DKVB_OK;
}

static dkvb_status check_colours(const struct config *c, const json_t *part, const char *key, const float wanted[3])
{
    const json_t *list = json_object_get(part, key);
    bool same = json_array_size(list) == 3;

    if (!list)
        return DKVB_OK;
    for (size_t i = 0; i < 3; i++)
        same = same && fabs(json_number_value(json_array_get(list, i)) - wanted[i]) < 1e-6;
    if (!same)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: preprocess_cfg has another %s than CLIP, which is wanted", c->path,
                          key);
    return DKVB_OK;
}

static dkvb_status check_word(const struct config *c, const json_t *part, const char *key, const char *wanted)
{
    const json_t *value = json_object_get(part, key);
    const char *word = json_string_value(value);

    if (value && !(word && strcmp(word, wanted) == 0))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: preprocess_cfg has %s %s, %s is wanted", c->path, key,
                          word ? dkvb__show(word).text : dkvb__json_kind(value), wanted);
    return DKVB_OK;
}

/* Checks the preparation of pictures that a config file asks for. The library prepares pictures for CLIP in one way
 * only, but a config of OpenCLIP may ask for others. */
static dkvb_status check_preprocessing(const struct config *c)
{
    const json_t *part = json_object_get(c->root, "preprocess_cfg");
    dkvb_status rc = part ? need_object(c, part, "preprocess_cfg") : DKVB_OK;

    if (!rc)
        rc = check_colours(c, part, "mean", dkvb__clip_mean);
    if (!rc)
        rc = check_colours(c, part, "std", dkvb__clip_deviation);
    if (!rc)
        rc = check_word(c, part, "interpolation", "bicubic");
    return rc ? rc : check_word(c, part, "resize_mode", "shortest");
}

static dkvb_status read_openclip(struct sizes *said, struct config *c)
{
    static const char *const keys[SIZES] = {"image_size", "patch_size", "width",     "layers",
                                            "mlp_ratio",  "embed_dim",  "head_width"};
    const json_t *model = json_object_get(c->root, "model_cfg"), *quick = json_object_get(model, "quick_gelu");
    json_t *part = json_object_get(model, "vision_cfg");
    dkvb_status rc = need_object(c, model, "model_cfg");

    c->keys = keys;
    if (!rc)
        rc = need_object(c, part, "vision_cfg");
    if (!rc && quick && !json_is_boolean(quick))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: quick_gelu is %s, a truth is wanted", c->path, dkvb__json_kind(quick));
    if (!rc && !json_object_get(model, "embed_dim"))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: model_cfg has no embed_dim", c->path);
    if (!rc)
        rc = take_size(&said->of[DIM], c, model, "embed_dim", 0);
    said->activation = json_is_true(quick) ? DKVB_ACTIVATION_QUICK_GELU : DKVB_ACTIVATION_GELU;
    said->epsilon = 1e-5;
    if (!rc)
        rc = check_preprocessing(c);
    return rc ? rc : take_openclip_part(said, c, part);
}

static dkvb_status load(struct config *c, const dkvb_allocator *mem)
{
    struct dkvb__file file;
    char *text = NULL;
    dkvb_status rc = dkvb__file_open(&file, c->path);

    if (rc)
        return rc;
    if (file.size > MAX_CONFIG)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: %llu bytes, a config has at most %d", c->path,
                        (unsigned long long)file.size, MAX_CONFIG);
    if (!rc) {
        text = dkvb__alloc(mem, (size_t)file.size, 1);
        rc = text ? dkvb__file_read(&file, 0, text, (size_t)file.size)
                  : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", c->path);
    }
    if (!rc)
        rc = dkvb__json_parse(&c->root, text, (size_t)file.size, c->path, "the config");
    dkvb__free(mem, text);
    dkvb__file_close(&file);
    return rc;
}

/* True if a config file describes a CLIP network. Training scripts leave a config.json of their own beside weights. */
static bool is_of_clip(const json_t *root)
{
    static const char *const keys[] = {"model_type",     "architectures",     "vision_config",  "vision_config_dict",
                                       "model_cfg",      "hidden_size",       "image_size",     "patch_size",
                                       "hidden_act",     "num_hidden_layers", "projection_dim", "num_attention_heads",
                                       "layer_norm_eps", "intermediate_size"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(root, keys[i]))
            return true;
    return false;
}

/* Finds the config file that the caller asked for, or a config file of a CLIP network beside the weights. If there is
 * no config file, c->path and c->root become NULL. The caller releases c->path and c->root (the parsed config file),
 * even after a failure. */
static dkvb_status find_config(struct config *c, const char *asked, const char *weights, const dkvb_allocator *mem)
{
    static const char *const names[] = {"config.json", "open_clip_config.json"};
    const char *slash = strrchr(weights, '/');
    size_t folder = slash ? (size_t)(slash - weights) + 1 : 0;
    struct stat st;
    dkvb_status rc;

    c->path = asked ? dkvb__strdup(mem, asked) : dkvb__alloc(mem, folder + 32, 1);
    if (!c->path)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", weights);
    if (asked) {
        rc = load(c, mem);
        if (!rc && !is_of_clip(c->root))
            rc = dkvb__fail(DKVB_EFORMAT,
                            "%.200s: has none of model_type, vision_config, image_size and so on: not a config of CLIP",
                            c->path);
        return rc;
    }
    for (size_t i = 0; i < 2; i++) {
        memcpy(c->path, weights, folder);
        snprintf(c->path + folder, 32, "%s", names[i]);
        if (stat(c->path, &st) != 0)
            continue;
        rc = load(c, mem);
        if (rc || is_of_clip(c->root))
            return rc;
        json_decref(c->root);
        c->root = NULL;
    }
    dkvb__free(mem, c->path);
    c->path = NULL;
    return DKVB_OK;
}

/* Compares the sizes of a network in a config file with the sizes of the tensors. The number of attention heads in the
 * config file is not checked, as the shapes of tensors do not show the number of heads. */
static dkvb_status compare(const struct sizes *found, const struct sizes *said, const struct config *c,
                           const char *weights)
{
    for (size_t i = 0; i < HEADS; i++)
        if (found->of[i] != said->of[i])
            return dkvb__fail(DKVB_EFORMAT, "%.150s: %s %s %llu, the tensors of %.150s have %llu", c->path, c->keys[i],
                              said->left_out >> i & 1 ? "is not given, which means" : "gives",
                              (unsigned long long)said->of[i], weights, (unsigned long long)found->of[i]);
    return DKVB_OK;
}

/* Reads from a config file the sizes of the network that the tensors do not show. */
static dkvb_status use_config(struct sizes *s, struct config *c, const char *weights)
{
    struct sizes said = {.activation = 0};
    dkvb_status rc = json_object_get(c->root, "model_cfg") ? read_openclip(&said, c) : read_transformers(&said, c);

    if (!rc)
        rc = compare(s, &said, c, weights);
    if (!rc)
        *s = said;
    return rc;
}

static dkvb_status check_heads(const struct sizes *s, uint32_t asked, const char *path)
{
    if (s->of[HEADS] == 0)
        return dkvb__fail(
            DKVB_EFORMAT,
            "%.200s: width %llu is no multiple of a head's (64): a config.json must say how many heads there are "
            "(num_attention_heads)",
            path, (unsigned long long)s->of[WIDTH]);
    if (s->of[WIDTH] % s->of[HEADS] != 0)
        return dkvb__fail(asked ? DKVB_EINVAL : DKVB_EFORMAT, "%.300s: width %llu cannot be divided among %llu heads",
                          path, (unsigned long long)s->of[WIDTH], (unsigned long long)s->of[HEADS]);
    return DKVB_OK;
}

/* Completes the sizes of the transformer: the caller's options take precedence over a config file, and a config file
 * over defaults. */
static dkvb_status complete(struct sizes *s, const struct dkvb__safetensors *file, const dkvb_encoder_options *opts,
                            const dkvb_allocator *mem)
{
    const char *weights = dkvb__safetensors_path(file);
    struct config c = {NULL, NULL, NULL};
    dkvb_status rc;

    if (opts->activation > DKVB_ACTIVATION_GELU)
        return dkvb__fail(DKVB_EINVAL, "activation is %u, at most %d is wanted", opts->activation,
                          DKVB_ACTIVATION_GELU);
    rc = find_config(&c, opts->config, weights, mem);
    s->activation = DKVB_ACTIVATION_QUICK_GELU;
    s->epsilon = 1e-5;
    s->of[HEADS] = s->of[WIDTH] % HEAD_WIDTH ? 0 : s->of[WIDTH] / HEAD_WIDTH;
    if (!rc && c.path)
        rc = use_config(s, &c, weights);
    s->guessed = !c.path && !opts->activation;
    if (!rc && opts->activation)
        s->activation = opts->activation;
    if (!rc && opts->heads)
        s->of[HEADS] = opts->heads;
    if (!rc)
        rc = check_heads(s, opts->heads, opts->heads || !c.path ? weights : c.path);
    json_decref(c.root);
    dkvb__free(mem, c.path);
    return rc;
}

dkvb_status dkvb__clip_shape(struct dkvb__clip_shape *out, struct dkvb__safetensors *file,
                             const dkvb_encoder_options *opts, const dkvb_allocator *mem)
{
    const struct naming *names = NULL;
    struct sizes s = {.activation = 0};
    dkvb_status rc = find_naming(&names, file);

    if (!rc)
        rc = find_sizes(&s, file, names);
    if (!rc)
        rc = complete(&s, file, opts, mem);
    if (rc)
        return rc;
    *out = (struct dkvb__clip_shape){
        .layout = names->layout,
        .image_size = (uint32_t)s.of[IMAGE_SIZE],
        .patch = (uint32_t)s.of[PATCH],
        .width = (uint32_t)s.of[WIDTH],
        .layers = (uint32_t)s.of[LAYERS],
        .heads = (uint32_t)s.of[HEADS],
        .mlp = (uint32_t)s.of[MLP],
        .dim = (uint32_t)s.of[DIM],
        .activation = s.activation,
        .guessed = s.guessed,
        .epsilon = (float)s.epsilon,
    };
    return DKVB_OK;
}
