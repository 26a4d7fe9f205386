/*
 * The vision transformer of CLIP (Radford et al., arXiv 2103.00020; Dosovitskiy et al., arXiv 2010.11929). Patches of
 * the picture become tokens, after a class token. In each transformer block, an attention layer and a perceptron add
 * their outputs to the tokens. After the last block, the class token, normalised and projected, is the embedding.
 * docs/encoder.md describes each step.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "encoder/clip_weights.h"
#include "encoder/network.h"
#include "encoder/weights.h"

/* Number of tokens that pass through the CLIP network together. For 1,664 tokens the widest layer of the CLIP network
 * needs moderate memory, and so many tokens keep all threads busy. */
enum { PASS_TOKENS = 1664, NORM_ROWS = 32 };

struct clip {
    struct dkvb__clip_weights w;
    float level[3][256]; /* prepared values of a picture's colours, by channel and pixel value */
    /* zeros from which the matrix products of attention start to add, one for each token or each number in a head's
     * row, whichever are more, in panels (groups of columns) */
    float *zeros;
};

/* One pass of some pictures through the network, with memory for its layers. */
struct pass {
    const struct clip *clip;
    const struct dkvb__run *run;
    /* trace callback, or NULL; with a trace callback, a pass through the network has one picture */
    const struct dkvb__trace *trace;
    const struct dkvb__view *pictures;
    size_t n, tokens; /* number of pictures in a pass through the network, and number of tokens of all these pictures */
    /* `x` has the tokens before a step of the network, `next` the tokens after the step, [tokens][width] */
    float *x, *next;
    /* buffer for normalised tokens, and then for the output of the attention heads, for all tokens, [tokens][width] */
    float *y;
    float *wide;      /* output of the widest layer for all tokens, [tokens][width of the layer] */
    float *attention; /* scratch space of the threads for attention, [threads], attention_room() floats each */
};

static size_t in_panels(size_t columns)
{
    return dkvb__panels(columns) * DKVB__PANEL;
}

static size_t head_width(const struct dkvb__clip_shape *s)
{
    return s->width / s->heads;
}

/* Returns the number of floats that a worker thread needs for attention: keys and values of a head as matrices, and its
 * scores. */
static size_t attention_room(const struct dkvb__clip_shape *s)
{
    size_t tokens = dkvb__clip_tokens(s), head = head_width(s);

    return in_panels(tokens) * head + in_panels(head) * tokens + in_panels(tokens) * tokens;
}

static dkvb_status make_tables(struct clip *clip, const dkvb_allocator *mem)
{
    const struct dkvb__clip_shape *s = &clip->w.shape;
    size_t tokens = dkvb__clip_tokens(s), head = head_width(s);

    dkvb__levels(clip->level, dkvb__clip_mean, dkvb__clip_deviation);
    clip->zeros = dkvb__alloc0(mem, in_panels(tokens > head ? tokens : head), sizeof *clip->zeros);
    return clip->zeros ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "encoder clip: out of memory for %zu tokens", tokens);
}

static void close_clip(void *state, const dkvb_allocator *mem)
{
    struct clip *clip = state;

    if (!clip)
        return;
    dkvb__clip_weights_free(&clip->w, mem);
    dkvb__free(mem, clip->zeros);
    dkvb__free(mem, clip);
}

static dkvb_status open_clip(void **state, dkvb_encoder_info *info, char *identity, size_t size,
                             const dkvb_encoder_options *opts, const dkvb_allocator *mem)
{
    struct clip *clip = dkvb__alloc0(mem, 1, sizeof *clip);
    const struct dkvb__clip_shape *s;
    dkvb_status rc;

    *state = NULL;
    if (!clip)
        return dkvb__fail(DKVB_ENOMEM, "encoder clip: out of memory");
    s = &clip->w.shape;
    rc = dkvb__clip_weights_read(&clip->w, opts, mem);
    if (!rc)
        rc = dkvb__clip_weights_identity(identity, size, &clip->w, mem);
    if (!rc)
        rc = make_tables(clip, mem);
    if (rc) {
        close_clip(clip, mem);
        return rc;
    }
    info->dim = s->dim;
    info->shorter = info->crop = s->image_size;
    info->filter = DKVB_FILTER_BICUBIC;
    info->layout = s->layout;
    info->patch = s->patch;
    info->width = s->width;
    info->layers = s->layers;
    info->heads = s->heads;
    info->activation = s->activation;
    info->guessed = s->guessed;
    *state = clip;
    return DKVB_OK;
}

/* Cuts one row of patches out of a picture. The numbers of each patch have the order of the convolution's weights:
 * colour, line, column. */
static void cut_patches(void *context, size_t task, unsigned worker)
{
    const struct pass *p = context;
    const struct dkvb__clip_shape *s = &p->clip->w.shape;
    size_t side = s->image_size / s->patch, patch = s->patch, down = task % side;
    const struct dkvb__view *v = &p->pictures[task / side];
    float *to = p->wide + task * side * 3 * patch * patch;

    (void)worker;
    for (size_t across = 0; across < side; across++)
        for (size_t c = 0; c < 3; c++)
            for (size_t i = 0; i < patch; i++) {
                const uint8_t *line = v->pixels + ((down * patch + i) * v->width + across * patch) * 3 + c;

                for (size_t j = 0; j < patch; j++)
                    *to++ = p->clip->level[c][line[3 * j]];
            }
}

static dkvb_status embed_patches(struct pass *p)
{
    const struct dkvb__clip_weights *w = &p->clip->w;
    struct dkvb__product product = dkvb__matrix_product(&w->patch);
    size_t patches = dkvb__clip_patches(&w->shape), width = w->shape.width;

    dkvb__parallel(p->run, p->n * (w->shape.image_size / w->shape.patch), cut_patches, p);
    product.a = p->wide;
    product.out = p->y;
    product.rows = p->n * patches;
    dkvb__multiply(&product, p->run);
    for (size_t i = 0; i < p->n; i++) {
        float *x = p->x + i * (patches + 1) * width;

        for (size_t j = 0; j < width; j++)
            x[j] = w->class_token[j] + w->positions[j];
        for (size_t j = 0; j < patches * width; j++)
            x[width + j] = p->y[i * patches * width + j] + w->positions[width + j];
    }
    return dkvb__trace_show(p->trace, "patches", patches, width, p->y);
}

struct norming {
    float *out;
    const float *x;
    size_t rows, width;
    const struct dkvb__norm *norm;
    float epsilon;
};

static void norm_rows(void *context, size_t task, unsigned worker)
{
    const struct norming *n = context;
    size_t first = task * NORM_ROWS, rows = n->rows - first < NORM_ROWS ? n->rows - first : NORM_ROWS;

    (void)worker;
    dkvb__kernels()->layer_norm(n->out + first * n->width, n->x + first * n->width, rows, n->width, n->norm->scale,
                                n->norm->shift, n->epsilon);
}

static void normalize(const struct pass *p, float *out, const float *x, size_t rows, const struct dkvb__norm *norm)
{
    const struct dkvb__clip_shape *s = &p->clip->w.shape;
    struct norming n = {out, x, rows, s->width, norm, s->epsilon};

    dkvb__parallel(p->run, (rows + NORM_ROWS - 1) / NORM_ROWS, norm_rows, &n);
}

/* Multiplies the rows of matrix a by a matrix of one attention head; the result is out[tokens][out_stride]. */
static void multiply_head(const struct pass *p, float *out, size_t out_stride, const float *a, size_t a_stride,
                          size_t depth, const float *panels, size_t columns)
{
    struct dkvb__product product = {.out = out,
                                    .out_stride = out_stride,
                                    .a = a,
                                    .a_stride = a_stride,
                                    .rows = dkvb__clip_tokens(&p->clip->w.shape),
                                    .depth = depth,
                                    .panels = panels,
                                    .columns = columns,
                                    .start = p->clip->zeros};

    dkvb__kernels()->multiply(&product);
}

/* Returns the index of element (k, c) of a matrix with `depth` rows that is stored in panels (groups of columns, each
 * contiguous in memory). */
static inline size_t panel_index(size_t depth, size_t k, size_t c)
{
    return c / DKVB__PANEL * DKVB__PANEL * depth + k * DKVB__PANEL + c % DKVB__PANEL;
}

/* Computes one attention head for one picture: softmax(Q K' / sqrt(width of a head)) V, with queries Q, keys K and
 * values V. */
static void attend(void *context, size_t task, unsigned worker)
{
    const struct pass *p = context;
    const struct dkvb__clip_shape *s = &p->clip->w.shape;
    size_t tokens = dkvb__clip_tokens(s), head = head_width(s), stride = 3 * (size_t)s->width,
           picture = task / s->heads;
    size_t at = task % s->heads * head;
    const float *queries = p->wide + picture * tokens * stride + at, *keys = queries + s->width;
    const float *values = keys + s->width;
    float *key_panels = p->attention + worker * attention_room(s);
    float *value_panels = key_panels + in_panels(tokens) * head;
    float *scores = value_panels + in_panels(head) * tokens;

    for (size_t t = 0; t < tokens; t++)
        for (size_t i = 0; i < head; i++) {
            key_panels[panel_index(head, i, t)] = keys[t * stride + i];
            value_panels[panel_index(tokens, t, i)] = values[t * stride + i];
        }
    multiply_head(p, scores, in_panels(tokens), queries, stride, head, key_panels, tokens);
    dkvb__kernels()->softmax(scores, tokens, tokens, in_panels(tokens), 1.0f / sqrtf((float)head));
    multiply_head(p, p->y + picture * tokens * s->width + at, s->width, scores, in_panels(tokens), tokens, value_panels,
                  head);
}

/* Adds the product of a matrix and the rows of `a` to the tokens: x = x + rows of a times m. */
static void add_product(struct pass *p, const struct dkvb__matrix *m, const float *a)
{
    struct dkvb__product product = dkvb__matrix_product(m);
    float *x = p->x;

    product.a = a;
    product.add = x;
    product.out = p->next;
    product.rows = p->tokens;
    dkvb__multiply(&product, p->run);
    p->x = p->next;
    p->next = x;
}

static void run_product(const struct pass *p, const struct dkvb__matrix *m, float *out, const float *a,
                        uint32_t activation)
{
    struct dkvb__product product = dkvb__matrix_product(m);

    product.a = a;
    product.out = out;
    product.rows = p->tokens;
    product.activation = activation;
    dkvb__multiply(&product, p->run);
}

static dkvb_status run_block(struct pass *p, uint32_t index)
{
    const struct dkvb__clip_shape *s = &p->clip->w.shape;
    const struct dkvb__clip_block *b = &p->clip->w.blocks[index];
    char name[24];

    normalize(p, p->y, p->x, p->tokens, &b->norm1);
    run_product(p, &b->qkv, p->wide, p->y, DKVB__IDENTITY);
    dkvb__parallel(p->run, p->n * s->heads, attend, p);
    add_product(p, &b->out, p->y);
    normalize(p, p->y, p->x, p->tokens, &b->norm2);
    run_product(p, &b->fc1, p->wide, p->y, s->activation == DKVB_ACTIVATION_GELU ? DKVB__GELU : DKVB__QUICK_GELU);
    add_product(p, &b->fc2, p->wide);
    snprintf(name, sizeof name, "block.%u", index);
    return dkvb__trace_show(p->trace, name, p->tokens, s->width, p->x);
}

/* Projects the class tokens to embeddings; the network needs the other tokens no more. */
static dkvb_status project(struct pass *p, float *out)
{
    const struct dkvb__clip_weights *w = &p->clip->w;
    struct dkvb__product product = dkvb__matrix_product(&w->projection);
    size_t width = w->shape.width, tokens = dkvb__clip_tokens(&w->shape);
    dkvb_status rc;

    for (size_t i = 0; i < p->n; i++)
        memcpy(p->next + i * width, p->x + i * tokens * width, width * sizeof *p->x);
    normalize(p, p->y, p->next, p->n, &w->post);
    product.a = p->y;
    product.out = out;
    product.rows = p->n;
    dkvb__multiply(&product, p->run);
    rc = dkvb__trace_show(p->trace, "post_norm", 1, width, p->y);
    return rc ? rc : dkvb__trace_show(p->trace, "projection", 1, w->shape.dim, out);
}

static dkvb_status run_pass(struct pass *p, float *out)
{
    const struct dkvb__clip_weights *w = &p->clip->w;
    dkvb_status rc = embed_patches(p);
    float *normed = p->next;

    if (!rc)
        rc = dkvb__trace_show(p->trace, "embeddings", p->tokens, w->shape.width, p->x);
    if (rc)
        return rc;
    normalize(p, normed, p->x, p->tokens, &w->pre);
    p->next = p->x;
    p->x = normed;
    rc = dkvb__trace_show(p->trace, "pre_norm", p->tokens, w->shape.width, p->x);
    for (uint32_t i = 0; i < w->shape.layers && !rc; i++)
        rc = run_block(p, i);
    return rc ? rc : project(p, out);
}

/* Allocates one block of memory for passes of `most` pictures through the CLIP network. */
static float *make_room(struct pass *p, size_t most, const dkvb_allocator *mem)
{
    const struct dkvb__clip_shape *s = &p->clip->w.shape;
    size_t tokens = most * dkvb__clip_tokens(s), row = tokens * s->width, patch = (size_t)3 * s->patch * s->patch;
    size_t wide = 3 * s->width > s->mlp ? 3 * (size_t)s->width : s->mlp,
           attention = p->run->threads * attention_room(s);
    float *room;

    wide = tokens * (wide > patch ? wide : patch);
    /* the memory for tokens is zeroed, as the unused lanes of a vector after the last token must be zeros */
    room = dkvb__alloc0(mem, 3 * row + wide + attention, sizeof *room);
    if (!room)
        return NULL;
    p->x = room;
    p->next = p->x + row;
    p->y = p->next + row;
    p->attention = p->y + row;
    p->wide = p->attention + attention;
    return room;
}

static dkvb_status encode_clip(const void *state, const struct dkvb__view *pictures, size_t n, float *x,
                               const struct dkvb__run *run, const struct dkvb__trace *trace, const dkvb_allocator *mem)
{
    const struct clip *clip = state;
    size_t tokens = dkvb__clip_tokens(&clip->w.shape), most = tokens < PASS_TOKENS ? PASS_TOKENS / tokens : 1;
    struct pass p = {.clip = clip, .run = run, .trace = trace};
    float *room = make_room(&p, n < most ? n : most, mem);
    dkvb_status rc = room ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "encoder clip: out of memory for %zu pictures", n);

    for (size_t first = 0; first < n && !rc; first += most) {
        p.pictures = pictures + first;
        p.n = n - first < most ? n - first : most;
        p.tokens = p.n * tokens;
        rc = run_pass(&p, x + first * clip->w.shape.dim);
    }
    dkvb__free(mem, room);
    return rc;
}

const struct dkvb__network dkvb__clip = {open_clip, encode_clip, close_clip, NULL};
