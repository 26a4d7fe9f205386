/* Fuzz target for weights files and the configs beside them. The first byte of the input tells what the rest is:
 *
 *     0       a .safetensors file
 *     1       the same without its length: a header up to the first newline, and elements
 *     2, 3    a config for the small CLIP below, in the layout of Hugging Face or OpenAI
 *
 * A file that opens is read, and all its tensors must lie within the file. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "encoder/clip_shape.h"
#include "encoder/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Headers of a weights file for a small CLIP: width 8, one block whose MLP has width 16, pictures of 2 x 2 pixels in
 * patches of one pixel, embeddings of 6 columns. */
static const char *const small[2] = {
    "{\"vision_model.embeddings.class_embedding\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]},"
    "\"vision_model.embeddings.patch_embedding.weight\":{\"dtype\":\"F16\",\"shape\":[8,3,1,1],\"data_offsets\":[16,64]"
    "},"
    "\"vision_model.embeddings.position_embedding.weight\":{\"dtype\":\"F16\",\"shape\":[5,8],\"data_offsets\":[64,144]"
    "},"
    "\"vision_model.encoder.layers.0.layer_norm1.weight\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[144,160]},"
    "\"vision_model.encoder.layers.0.self_attn.out_proj.weight\":{\"dtype\":\"F16\",\"shape\":[8,8],\"data_offsets\":["
    "512,640]},"
    "\"vision_model.encoder.layers.0.mlp.fc1.weight\":{\"dtype\":\"F16\",\"shape\":[16,8],\"data_offsets\":[160,416]},"
    "\"visual_projection.weight\":{\"dtype\":\"F16\",\"shape\":[6,8],\"data_offsets\":[416,512]}}",
    "{\"visual.class_embedding\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]},"
    "\"visual.conv1.weight\":{\"dtype\":\"F16\",\"shape\":[8,3,1,1],\"data_offsets\":[16,64]},"
    "\"visual.positional_embedding\":{\"dtype\":\"F16\",\"shape\":[5,8],\"data_offsets\":[64,144]},"
    "\"visual.transformer.resblocks.0.ln_1.weight\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[144,160]},"
    "\"visual.transformer.resblocks.0.attn.out_proj.weight\":{\"dtype\":\"F16\",\"shape\":[8,8],\"data_offsets\":[512,"
    "640]},"
    "\"visual.transformer.resblocks.0.mlp.c_fc.weight\":{\"dtype\":\"F16\",\"shape\":[16,8],\"data_offsets\":[160,416]}"
    ","
    "\"visual.proj\":{\"dtype\":\"F16\",\"shape\":[8,6],\"data_offsets\":[416,512]}}",
};
enum { SMALL_ELEMENTS = 640 };

static const char *const names[] = {
    "t",
    "vision_model.embeddings.class_embedding",
    "vision_model.embeddings.patch_embedding.weight",
    "vision_model.embeddings.position_embedding.weight",
    "visual_projection.weight",
    "visual.class_embedding",
    "visual.conv1.weight",
    "visual.positional_embedding",
    "visual.proj",
    "conv1.weight",
};

/* A temporary folder of this process for one input, so that no other config lies beside the weights file. */
struct place {
    char folder[40], weights[64], config[64];
};

static bool make_place(struct place *p)
{
    strcpy(p->folder, "/tmp/dkvb-fuzz-weights-XXXXXX");
    if (!mkdtemp(p->folder))
        return false;
    snprintf(p->weights, sizeof p->weights, "%s/weights", p->folder);
    snprintf(p->config, sizeof p->config, "%s/config.json", p->folder);
    return true;
}

static void remove_place(const struct place *p)
{
    unlink(p->weights);
    unlink(p->config);
    rmdir(p->folder);
}

static bool put(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool whole = f && fwrite(data, 1, size, f) == size;

    return f && fclose(f) == 0 && whole;
}

/* Writes a .safetensors file from its header and its elements. */
static bool put_parts(const char *path, const void *header, uint64_t length, const void *elements, size_t size)
{
    uint8_t *bytes = malloc(8 + (size_t)length + size);
    bool whole;

    if (!bytes)
        return false;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, (size_t)length);
    memcpy(bytes + 8 + length, elements, size);
    whole = put(path, bytes, 8 + (size_t)length + size);
    free(bytes);
    return whole;
}

static bool put_input(const struct place *p, const uint8_t *data, size_t size)
{
    static const uint8_t zeros[SMALL_ELEMENTS];
    const uint8_t *newline;

    switch (data[0]) {
    case 0:
        return put(p->weights, data + 1, size - 1);
    case 1:
        newline = memchr(data + 1, '\n', size - 1);
        return newline && put_parts(p->weights, data + 1, (size_t)(newline - data) - 1, newline + 1,
                                    size - 1 - (size_t)(newline - data));
    case 2:
    case 3:
        return put_parts(p->weights, small[data[0] - 2], strlen(small[data[0] - 2]), zeros, sizeof zeros) &&
               put(p->config, data + 1, size - 1);
    default:
        return false;
    }
}

static void read_tensors(const struct dkvb__safetensors *f)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct dkvb__tensor *t = dkvb__safetensors_find(f, names[i]);
        size_t n = 1;
        float *x;

        if (!t)
            continue;
        if (strcmp(t->name, names[i]) != 0)
            abort();
        for (uint32_t d = 0; d < t->ndim; d++)
            n *= (size_t)t->shape[d];
        x = malloc((n ? n : 1) * sizeof *x);
        if (!x)
            abort(); /* the reader allocated more memory than the file justifies */
        if (dkvb__safetensors_read(f, names[i], t->ndim, t->shape, x) == DKVB_OK)
            for (size_t j = 0; j < n; j++)
                if (!(x[j] - x[j] == 0.0f))
                    abort();
        free(x);
    }
}

static void check_tensor(const struct dkvb__safetensors *f, const char *name, uint64_t rows, uint64_t columns)
{
    const struct dkvb__tensor *t = dkvb__safetensors_find(f, name);

    if (!t || t->ndim != 2 || t->shape[0] != rows || t->shape[1] != columns)
        abort();
}

static void check_shape(const struct dkvb__safetensors *f, const struct dkvb__clip_shape *s)
{
    uint64_t grid = s->patch ? s->image_size / s->patch : 0;

    if (grid == 0 || s->image_size % s->patch != 0 || s->heads == 0 || s->width % s->heads != 0)
        abort();
    if (s->layers == 0 || s->mlp == 0 || s->dim == 0 || !(s->epsilon > 0.0f && s->epsilon <= 1.0f))
        abort();
    if (s->layout == DKVB_LAYOUT_HUGGINGFACE) {
        check_tensor(f, "vision_model.embeddings.position_embedding.weight", 1 + grid * grid, s->width);
        check_tensor(f, "visual_projection.weight", s->dim, s->width);
    } else {
        check_tensor(f, "visual.positional_embedding", 1 + grid * grid, s->width);
        check_tensor(f, "visual.proj", s->width, s->dim);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dkvb_encoder_options opts = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__safetensors *f;
    struct dkvb__clip_shape shape;
    struct place p;

    if (size == 0 || !make_place(&p))
        return 0;
    if (put_input(&p, data, size) && dkvb__safetensors_open(&f, p.weights, &mem) == DKVB_OK) {
        opts.heads = data[0] < 2 ? 1 : 0;
        read_tensors(f);
        if (dkvb__clip_shape(&shape, f, &opts, &mem) == DKVB_OK)
            check_shape(f, &shape);
        dkvb__safetensors_close(f);
    }
    remove_place(&p);
    return 0;
}
