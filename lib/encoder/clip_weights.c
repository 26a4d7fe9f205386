/* Reads weights of CLIP's vision transformer in the layouts of Hugging Face and of OpenAI. docs/encoder.md lists the
 * tensors. */
#include "encoder/clip_weights.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "encoder/weights.h"

/* Names of CLIP's tensors in each layout of weights. In both layouts of weights, matrices are [outputs][inputs], except
 * OpenAI's projection. */
static const struct names {
    const char *start; /* start of all tensor names except the name of the projection */
    const char *class_token, *patch, *positions, *pre, *post, *projection;
    const char *block, *norm1, *norm2, *out, *fc1, *fc2;
    bool projection_outputs_first;
} layouts[] = {
    [DKVB_LAYOUT_HUGGINGFACE] = {"vision_model.", "vision_model.embeddings.class_embedding",
                                 "vision_model.embeddings.patch_embedding.weight",
                                 "vision_model.embeddings.position_embedding.weight", "vision_model.pre_layrnorm",
                                 "vision_model.post_layernorm", "visual_projection.weight",
                                 "vision_model.encoder.layers", "layer_norm1", "layer_norm2", "self_attn.out_proj",
                                 "mlp.fc1", "mlp.fc2", true},
    [DKVB_LAYOUT_OPENAI] = {"visual.", "visual.class_embedding", "visual.conv1.weight", "visual.positional_embedding",
                            "visual.ln_pre", "visual.ln_post", "visual.proj", "visual.transformer.resblocks", "ln_1",
                            "ln_2", "attn.out_proj", "mlp.c_fc", "mlp.c_proj", false},
};

struct reader {
    const struct dkvb__safetensors *file;
    const struct names *names;
    const struct dkvb__clip_shape *shape;
    const dkvb_allocator *mem;
    float *room; /* memory for the elements of the largest tensor while it is read */
};

/* Reads a vector of weights, float[n], into new memory. */
static dkvb_status read_vector(const struct reader *r, float **out, size_t n, const char *name)
{
    uint64_t shape[1] = {n};

    *out = dkvb__alloc(r->mem, n, sizeof **out);
    if (!*out)
        return dkvb__fail(DKVB_ENOMEM, "encoder clip: out of memory for %.100s", name);
    return dkvb__safetensors_read(r->file, name, 1, shape, *out);
}

static dkvb_status read_norm(const struct reader *r, struct dkvb__norm *norm, const char *name)
{
    char full[160];
    dkvb_status rc;

    snprintf(full, sizeof full, "%s.weight", name);
    rc = read_vector(r, &norm->scale, r->shape->width, full);
    snprintf(full, sizeof full, "%s.bias", name);
    return rc ? rc : read_vector(r, &norm->shift, r->shape->width, full);
}

/* Reads `count` columns of a weight matrix, from column `first` on, out of the tensors `weight` and `bias`. */
static dkvb_status read_columns(const struct reader *r, struct dkvb__matrix *m, size_t first, size_t count,
                                const char *weight, const char *bias)
{
    uint64_t shape[2] = {count, m->depth};
    dkvb_status rc = dkvb__safetensors_read(r->file, weight, 2, shape, r->room);

    if (rc)
        return rc;
    dkvb__matrix_set(m, first, count, r->room, true);
    return dkvb__safetensors_read(r->file, bias, 1, shape, m->start + first);
}

static dkvb_status read_linear(const struct reader *r, struct dkvb__matrix *m, size_t depth, size_t columns,
                               const char *block, const char *name)
{
    char weight[160], bias[160];
    dkvb_status rc = dkvb__matrix_new(m, depth, columns, r->mem);

    snprintf(weight, sizeof weight, "%s.%s.weight", block, name);
    snprintf(bias, sizeof bias, "%s.%s.bias", block, name);
    return rc ? rc : read_columns(r, m, 0, columns, weight, bias);
}

/* Reads the weight matrix for queries, keys and values: three tensors in the layout of Hugging Face, one tensor in the
 * layout of OpenAI. */
static dkvb_status read_qkv(const struct reader *r, struct dkvb__matrix *m, const char *block)
{
    static const char *const parts[] = {"q", "k", "v"};
    size_t width = r->shape->width;
    char weight[160], bias[160];
    dkvb_status rc = dkvb__matrix_new(m, width, 3 * width, r->mem);

    if (!rc && r->shape->layout == DKVB_LAYOUT_OPENAI) {
        snprintf(weight, sizeof weight, "%s.attn.in_proj_weight", block);
        snprintf(bias, sizeof bias, "%s.attn.in_proj_bias", block);
        return read_columns(r, m, 0, 3 * width, weight, bias);
    }
    for (size_t i = 0; i < 3 && !rc; i++) {
        snprintf(weight, sizeof weight, "%s.self_attn.%s_proj.weight", block, parts[i]);
        snprintf(bias, sizeof bias, "%s.self_attn.%s_proj.bias", block, parts[i]);
        rc = read_columns(r, m, i * width, width, weight, bias);
    }
    return rc;
}

static dkvb_status read_block(const struct reader *r, struct dkvb__clip_block *b, uint32_t index)
{
    const struct names *names = r->names;
    size_t width = r->shape->width, mlp = r->shape->mlp;
    char block[96], norm[128];
    dkvb_status rc;

    snprintf(block, sizeof block, "%s.%u", names->block, index);
    snprintf(norm, sizeof norm, "%s.%s", block, names->norm1);
    rc = read_norm(r, &b->norm1, norm);
    snprintf(norm, sizeof norm, "%s.%s", block, names->norm2);
    if (!rc)
        rc = read_norm(r, &b->norm2, norm);
    if (!rc)
        rc = read_qkv(r, &b->qkv, block);
    if (!rc)
        rc = read_linear(r, &b->out, width, width, block, names->out);
    if (!rc)
        rc = read_linear(r, &b->fc1, width, mlp, block, names->fc1);
    if (!rc)
        rc = read_linear(r, &b->fc2, mlp, width, block, names->fc2);
    return rc;
}

static dkvb_status read_ends(const struct reader *r, struct dkvb__clip_weights *w)
{
    const struct dkvb__clip_shape *s = r->shape;
    bool outputs_first = r->names->projection_outputs_first;
    uint64_t patch[4] = {s->width, 3, s->patch, s->patch}, positions[2] = {dkvb__clip_tokens(s), s->width};
    uint64_t projection[2] = {outputs_first ? s->dim : s->width, outputs_first ? s->width : s->dim};
    dkvb_status rc = dkvb__matrix_new(&w->patch, (size_t)3 * s->patch * s->patch, s->width, r->mem);

    if (!rc)
        rc = dkvb__safetensors_read(r->file, r->names->patch, 4, patch, r->room);
    if (!rc) {
        dkvb__matrix_set(&w->patch, 0, s->width, r->room, true);
        rc = read_vector(r, &w->class_token, s->width, r->names->class_token);
    }
    if (!rc) {
        w->positions = dkvb__alloc(r->mem, dkvb__clip_tokens(s) * s->width, sizeof *w->positions);
        rc = w->positions ? dkvb__safetensors_read(r->file, r->names->positions, 2, positions, w->positions)
                          : dkvb__fail(DKVB_ENOMEM, "encoder clip: out of memory for positions");
    }
    if (!rc)
        rc = read_norm(r, &w->pre, r->names->pre);
    if (!rc)
        rc = read_norm(r, &w->post, r->names->post);
    if (!rc)
        rc = dkvb__matrix_new(&w->projection, s->width, s->dim, r->mem);
    if (!rc)
        rc = dkvb__safetensors_read(r->file, r->names->projection, 2, projection, r->room);
    if (!rc)
        dkvb__matrix_set(&w->projection, 0, s->dim, r->room, outputs_first);
    return rc;
}

/* Returns the number of elements of the largest weight matrix. The product of a matrix's two sizes cannot overflow, as
 * the shape was checked against the tensors of the file. */
static size_t largest_matrix(const struct dkvb__clip_shape *s)
{
    size_t width = s->width, most = 3 * width * width;
    size_t others[] = {width * s->mlp, width * s->dim, width * 3 * s->patch * s->patch};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        most = others[i] > most ? others[i] : most;
    return most;
}

static dkvb_status read_all(struct dkvb__clip_weights *w, const struct reader *r)
{
    dkvb_status rc = r->room ? read_ends(r, w) : dkvb__fail(DKVB_ENOMEM, "encoder clip: out of memory for a matrix");

    if (rc)
        return rc;
    w->blocks = dkvb__alloc0(r->mem, w->shape.layers, sizeof *w->blocks);
    if (!w->blocks)
        return dkvb__fail(DKVB_ENOMEM, "encoder clip: out of memory for %u blocks", w->shape.layers);
    for (uint32_t i = 0; i < w->shape.layers && !rc; i++)
        rc = read_block(r, &w->blocks[i], i);
    return rc ? rc : dkvb__safetensors_need_used(r->file, r->names->start, ".position_ids");
}

dkvb_status dkvb__clip_weights_read(struct dkvb__clip_weights *w, const dkvb_encoder_options *opts,
                                    const dkvb_allocator *mem)
{
    struct dkvb__safetensors *file;
    struct reader r = {.shape = &w->shape, .mem = mem};
    dkvb_status rc = dkvb__safetensors_open(&file, opts->weights, mem);

    *w = (struct dkvb__clip_weights){0};
    if (rc)
        return rc;
    rc = dkvb__clip_shape(&w->shape, file, opts, mem);
    if (!rc) {
        r.file = file;
        r.names = &layouts[w->shape.layout];
        r.room = dkvb__alloc(mem, largest_matrix(&w->shape), sizeof *r.room);
        rc = read_all(w, &r);
        dkvb__free(mem, r.room);
    }
    dkvb__safetensors_close(file);
    return rc;
}

static void free_norm(struct dkvb__norm *norm, const dkvb_allocator *mem)
{
    dkvb__free(mem, norm->scale);
    dkvb__free(mem, norm->shift);
}

void dkvb__clip_weights_free(struct dkvb__clip_weights *w, const dkvb_allocator *mem)
{
    for (uint32_t i = 0; w->blocks && i < w->shape.layers; i++) {
        struct dkvb__clip_block *b = &w->blocks[i];

        free_norm(&b->norm1, mem);
        free_norm(&b->norm2, mem);
        dkvb__matrix_free(&b->qkv, mem);
        dkvb__matrix_free(&b->out, mem);
        dkvb__matrix_free(&b->fc1, mem);
        dkvb__matrix_free(&b->fc2, mem);
    }
    dkvb__free(mem, w->blocks);
    dkvb__matrix_free(&w->patch, mem);
    dkvb__matrix_free(&w->projection, mem);
    dkvb__free(mem, w->class_token);
    dkvb__free(mem, w->positions);
    free_norm(&w->pre, mem);
    free_norm(&w->post, mem);
    *w = (struct dkvb__clip_weights){0};
}

struct pieces {
    struct dkvb__piece *list;
    size_t count;
};

static void add_piece(struct pieces *p, const void *data, size_t floats)
{
    p->list[p->count++] = (struct dkvb__piece){data, floats * sizeof(float)};
}

static void add_norm(struct pieces *p, const struct dkvb__norm *norm, size_t width)
{
    add_piece(p, norm->scale, width);
    add_piece(p, norm->shift, width);
}

static void add_matrix(struct pieces *p, const struct dkvb__matrix *m)
{
    size_t columns = dkvb__panels(m->columns) * DKVB__PANEL;

    add_piece(p, m->panels, columns * m->depth);
    add_piece(p, m->start, columns);
}

enum { PIECES_OF_ENDS = 11, PIECES_OF_A_BLOCK = 12 };

dkvb_status dkvb__clip_weights_identity(char *text, size_t size, const struct dkvb__clip_weights *w,
                                        const dkvb_allocator *mem)
{
    const struct dkvb__clip_shape *s = &w->shape;
    uint32_t sizes[] = {s->image_size, s->patch, s->width, s->layers, s->heads, s->mlp, s->dim, s->activation};
    struct pieces p = {dkvb__alloc(mem, PIECES_OF_ENDS + (size_t)s->layers * PIECES_OF_A_BLOCK, sizeof *p.list), 0};

    if (!p.list)
        return dkvb__fail(DKVB_ENOMEM, "encoder clip: out of memory for a fingerprint");
    add_piece(&p, sizes, sizeof sizes / sizeof *sizes);
    add_piece(&p, &s->epsilon, 1);
    add_matrix(&p, &w->patch);
    add_piece(&p, w->class_token, s->width);
    add_piece(&p, w->positions, dkvb__clip_tokens(s) * s->width);
    add_norm(&p, &w->pre, s->width);
    add_norm(&p, &w->post, s->width);
    /* CLIP's projection has no bias that could be added to the hash of the weights */
    add_piece(&p, w->projection.panels, dkvb__panels(s->dim) * DKVB__PANEL * s->width);
    for (uint32_t i = 0; i < s->layers; i++) {
        const struct dkvb__clip_block *b = &w->blocks[i];

        add_norm(&p, &b->norm1, s->width);
        add_norm(&p, &b->norm2, s->width);
        add_matrix(&p, &b->qkv);
        add_matrix(&p, &b->out);
        add_matrix(&p, &b->fc1);
        add_matrix(&p, &b->fc2);
    }
    dkvb__weights_identity(text, size, p.list, p.count);
    dkvb__free(mem, p.list);
    return DKVB_OK;
}
