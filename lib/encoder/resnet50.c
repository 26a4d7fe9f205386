/* Runs ResNet-50 (He et al., arXiv 1512.03385) as torchvision has it, where the middle convolution of a block has the
 * stride ("v1.5"), up to the global average pool.
 *
 * - The stem of ResNet-50 is x = relu(bn1(conv1(x))) and max pooling, the largest of 3 x 3 numbers at every second
 *   pixel, and gives 64 maps of 56 x 56 pixels.
 * - The four layers of ResNet-50 have 3, 4, 6 and 3 blocks of three convolutions (1 x 1, 3 x 3, 1 x 1 pixels), y =
 *   relu(bn1(conv1(x))), y = relu(bn2(conv2(y))), x = relu(bn3(conv3(y)) + x), and give 2,048 maps of 7 x 7 pixels.
 * - The global average pool is the mean over all pixels of a map.
 *
 * In the first block of a layer, bn(conv(x)), named "downsample", replaces the x that is added at the end. Batch norms
 * have fixed numbers, so they are folded into the convolutions when the weights are read.
 * https://github.com/pytorch/vision/blob/main/torchvision/models/resnet.py
 *
 * Between layers, a picture is float[pixels][channels]. A trace callback gets the arrays under the names "conv1" (with
 * its norm and ReLU), "maxpool", "layer1.0" to "layer4.2", "pool".
 *
 * Networks that are narrower throughout are accepted too: `width`, the channels of conv1, is 64 in all known
 * networks. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/matrix.h"
#include "encoder/network.h"
#include "encoder/safetensors.h"
#include "encoder/weights.h"

enum {
    SIDE = 224,
    MAX_WIDTH = 64,
    EXPANSION = 4, /* a residual block of the ResNet-50 has this many times more output channels than inner channels */
    LAYERS = 4,
    BLOCKS = 16,
    CONVOLUTIONS = 1 + 3 * BLOCKS + LAYERS,
    /* number of pictures that pass through the ResNet-50 together; the activations of these pictures take 100 MiB */
    PASS_PICTURES = 8,
    TILE_ROWS = 96, /* largest number of pixels whose neighbourhoods are gathered together for a convolution */
    TILES_A_THREAD = 4
};

static const uint32_t blocks_of_layer[LAYERS] = {3, 4, 6, 3};

/* Mean and standard deviation of each colour in the ImageNet pictures, as torchvision uses them to prepare pictures for
 * a ResNet-50. */
static const float pixel_mean[3] = {0.485f, 0.456f, 0.406f};
static const float pixel_deviation[3] = {0.229f, 0.224f, 0.225f};

/* Epsilon that PyTorch's torch.nn.BatchNorm2d adds to the variance. */
static const double norm_epsilon = 1e-5;

/* A convolution over kernel x kernel pixels around every `step`th pixel, with zeros beyond the edge, and the batch norm
 * after it. */
struct convolution {
    /* weights of the convolution as a matrix from the [kernel][kernel][in] numbers around a pixel to the output
     * channels */
    struct dkvb__matrix matrix;
    size_t in, out, kernel, step;
};

struct block {
    /* the three convolutions of a block, and the convolution of its shortcut; downsample.out is 0 if the block has
     * none */
    struct convolution conv[3], downsample;
    uint32_t layer, index; /* place of a ResNet-50 block in the network: "layer1.0" is layer 1, index 0 */
};

struct resnet {
    size_t width;
    struct convolution conv1;
    struct block blocks[BLOCKS];
    float level[3][256];
};

/* State of reading the weights of a ResNet-50. */
struct reader {
    const struct dkvb__safetensors *file;
    const dkvb_allocator *mem;
    /* memory for the weights of the largest convolution, in the order of the file and in the order of use */
    float *weights, *ordered;
    float *norm[4]; /* memory for the four vectors of a batch norm while the weights are read */
};

enum { NORM_WEIGHT, NORM_BIAS, NORM_MEAN, NORM_VARIANCE };

static dkvb_status read_norm(const struct reader *r, const char *name, size_t channels)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    uint64_t shape[1] = {channels};
    char full[64];

    for (size_t i = 0; i < 4; i++) {
        dkvb_status rc;

        snprintf(full, sizeof full, "%s.%s", name, parts[i]);
        rc = dkvb__safetensors_read(r->file, full, 1, shape, r->norm[i]);
        if (rc)
            return rc;
    }
    for (size_t c = 0; c < channels; c++)
        if (r->norm[NORM_VARIANCE][c] < 0.0f)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s: element %zu is %g, a variance is 0 or more",
                              dkvb__safetensors_path(r->file), full, c, (double)r->norm[NORM_VARIANCE][c]);
    return DKVB_OK;
}

/* Folds a batch norm into a convolution: bn(conv(x)) = conv(x) * by + (bias - mean * by), by = weight / sqrt(variance +
 * epsilon). The weights of the convolution are multiplied by the factor `by` of their output channel; PyTorch stores
 * the weights as [out][in][line][column]. */
static dkvb_status fold(const struct reader *r, struct convolution *c, const char *name)
{
    size_t pixels = c->kernel * c->kernel, depth = pixels * c->in;
    bool finite = true;

    for (size_t o = 0; o < c->out; o++) {
        double by = r->norm[NORM_WEIGHT][o] / sqrt(r->norm[NORM_VARIANCE][o] + norm_epsilon);

        c->matrix.start[o] = (float)(r->norm[NORM_BIAS][o] - r->norm[NORM_MEAN][o] * by);
        finite = finite && isfinite(c->matrix.start[o]);
        for (size_t i = 0; i < c->in; i++)
            for (size_t p = 0; p < pixels; p++) {
                float w = (float)(r->weights[o * depth + i * pixels + p] * by);

                r->ordered[o * depth + p * c->in + i] = w;
                finite = finite && isfinite(w);
            }
    }
    if (!finite)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s with its norm is not finite",
                          dkvb__safetensors_path(r->file), name);
    dkvb__matrix_set(&c->matrix, 0, c->out, r->ordered, true);
    return DKVB_OK;
}

/* Reads the weights of a convolution, whose sizes are set, and of the batch norm after it. */
static dkvb_status read_convolution(const struct reader *r, struct convolution *c, const char *name, const char *norm)
{
    uint64_t shape[4] = {c->out, c->in, c->kernel, c->kernel};
    char full[64];
    dkvb_status rc;

    snprintf(full, sizeof full, "%s.weight", name);
    rc = dkvb__safetensors_read(r->file, full, 4, shape, r->weights);
    if (!rc)
        rc = read_norm(r, norm, c->out);
    if (!rc)
        rc = dkvb__matrix_new(&c->matrix, c->kernel * c->kernel * c->in, c->out, r->mem);
    return rc ? rc : fold(r, c, full);
}

static dkvb_status read_block(const struct reader *r, struct block *b)
{
    char name[48], norm[48];
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; i < 3 && !rc; i++) {
        snprintf(name, sizeof name, "layer%u.%u.conv%zu", b->layer, b->index, i + 1);
        snprintf(norm, sizeof norm, "layer%u.%u.bn%zu", b->layer, b->index, i + 1);
        rc = read_convolution(r, &b->conv[i], name, norm);
    }
    if (rc || b->downsample.out == 0)
        return rc;
    snprintf(name, sizeof name, "layer%u.%u.downsample.0", b->layer, b->index);
    snprintf(norm, sizeof norm, "layer%u.%u.downsample.1", b->layer, b->index);
    return read_convolution(r, &b->downsample, name, norm);
}

/* Sets the sizes of all convolutions of the network. */
static void plan(struct resnet *net, size_t width)
{
    struct block *b = net->blocks;
    size_t in = width;

    net->width = width;
    net->conv1 = (struct convolution){.in = 3, .out = width, .kernel = 7, .step = 2};
    for (uint32_t layer = 0; layer < LAYERS; layer++)
        for (uint32_t i = 0; i < blocks_of_layer[layer]; i++, b++) {
            size_t inside = width << layer, out = inside * EXPANSION, step = layer > 0 && i == 0 ? 2 : 1;

            b->layer = layer + 1;
            b->index = i;
            b->conv[0] = (struct convolution){.in = in, .out = inside, .kernel = 1, .step = 1};
            b->conv[1] = (struct convolution){.in = inside, .out = inside, .kernel = 3, .step = step};
            b->conv[2] = (struct convolution){.in = inside, .out = out, .kernel = 1, .step = 1};
            if (i == 0)
                b->downsample = (struct convolution){.in = in, .out = out, .kernel = 1, .step = step};
            in = out;
        }
}

static size_t dim_of(const struct resnet *net)
{
    return net->width * EXPANSION << (LAYERS - 1);
}

static dkvb_status read_all(struct resnet *net, struct reader *r)
{
    size_t inside = net->width << (LAYERS - 1), largest = 9 * inside * inside, channels = dim_of(net);
    float *room = dkvb__alloc(r->mem, 2 * largest + 4 * channels, sizeof *room);
    dkvb_status rc;

    if (!room)
        return dkvb__fail(DKVB_ENOMEM, "encoder resnet50: out of memory for a convolution");
    r->weights = room;
    r->ordered = room + largest;
    for (size_t i = 0; i < 4; i++)
        r->norm[i] = room + 2 * largest + i * channels;
    rc = read_convolution(r, &net->conv1, "conv1", "bn1");
    for (size_t i = 0; i < BLOCKS && !rc; i++)
        rc = read_block(r, &net->blocks[i]);
    dkvb__free(r->mem, room);
    /* this check refuses weights files of ResNet-101, which have all tensors of ResNet-50, and more */
    return rc ? rc : dkvb__safetensors_need_used(r->file, "layer", ".num_batches_tracked");
}

static dkvb_status find_width(size_t *width, struct dkvb__safetensors *file)
{
    const struct dkvb__tensor *t;
    dkvb_status rc;

    /* In a ResNet-50, many tensor names end in "conv1.weight", but only one ends in "layer1.0.conv1.weight". */
    if (!dkvb__safetensors_find_prefix(file, "layer1.0.conv1.weight", &rc))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: has no tensor layer1.0.conv1.weight, with no prefix either: not torchvision's "
                          "ResNet-50, or a shard of it",
                          dkvb__safetensors_path(file));
    if (rc)
        return rc;
    t = dkvb__safetensors_find(file, "conv1.weight");
    if (!t)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: has no tensor conv1.weight: not torchvision's ResNet-50, or a shard of it",
                          dkvb__safetensors_path(file));
    if (t->ndim != 4 || t->shape[0] < 1 || t->shape[0] > MAX_WIDTH)
        return dkvb__fail(
            DKVB_EFORMAT, "%.300s: tensor conv1.weight has %u dimensions, the first %llu; 4 are wanted, and 1 to %d",
            dkvb__safetensors_path(file), t->ndim, (unsigned long long)(t->ndim ? t->shape[0] : 0), MAX_WIDTH);
    *width = (size_t)t->shape[0];
    return DKVB_OK;
}

static dkvb_status read_weights(struct resnet *net, const char *path, const dkvb_allocator *mem)
{
    struct dkvb__safetensors *file;
    struct reader r = {.mem = mem};
    size_t width = 0;
    dkvb_status rc = dkvb__safetensors_open(&file, path, mem);

    if (rc)
        return rc;
    r.file = file;
    rc = find_width(&width, file);
    if (!rc) {
        plan(net, width);
        rc = read_all(net, &r);
    }
    dkvb__safetensors_close(file);
    return rc;
}

static void add_pieces(struct dkvb__piece *pieces, size_t *count, const struct convolution *c)
{
    size_t columns = dkvb__panels(c->out) * DKVB__PANEL;

    if (c->out == 0)
        return;
    pieces[(*count)++] = (struct dkvb__piece){c->matrix.panels, columns * c->matrix.depth * sizeof(float)};
    pieces[(*count)++] = (struct dkvb__piece){c->matrix.start, columns * sizeof(float)};
}

static void identify(char *text, size_t size, const struct resnet *net)
{
    struct dkvb__piece pieces[2 * CONVOLUTIONS];
    size_t count = 0;

    add_pieces(pieces, &count, &net->conv1);
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t c = 0; c < 3; c++)
            add_pieces(pieces, &count, &net->blocks[i].conv[c]);
        add_pieces(pieces, &count, &net->blocks[i].downsample);
    }
    dkvb__weights_identity(text, size, pieces, count);
}

static void close_resnet(void *state, const dkvb_allocator *mem)
{
    struct resnet *net = state;

    if (!net)
        return;
    dkvb__matrix_free(&net->conv1.matrix, mem);
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t c = 0; c < 3; c++)
            dkvb__matrix_free(&net->blocks[i].conv[c].matrix, mem);
        dkvb__matrix_free(&net->blocks[i].downsample.matrix, mem);
    }
    dkvb__free(mem, net);
}

static dkvb_status open_resnet(void **state, dkvb_encoder_info *info, char *identity, size_t size,
                               const dkvb_encoder_options *opts, const dkvb_allocator *mem)
{
    struct resnet *net = dkvb__alloc0(mem, 1, sizeof *net);
    dkvb_status rc;

    *state = NULL;
    if (!net)
        return dkvb__fail(DKVB_ENOMEM, "encoder resnet50: out of memory");
    rc = read_weights(net, opts->weights, mem);
    if (rc) {
        close_resnet(net, mem);
        return rc;
    }
    dkvb__levels(net->level, pixel_mean, pixel_deviation);
    identify(identity, size, net);
    info->dim = (uint32_t)dim_of(net);
    info->shorter = 256;
    info->crop = SIDE;
    info->filter = DKVB_FILTER_BILINEAR;
    info->layout = DKVB_LAYOUT_TORCHVISION;
    *state = net;
    return DKVB_OK;
}

/* One pass of some pictures through the network, with memory for its layers. */
struct pass {
    const struct resnet *net;
    const struct dkvb__run *run;
    /* trace callback, or NULL; with a trace callback, a pass through the network has one picture */
    const struct dkvb__trace *trace;
    const struct dkvb__view *pictures;
    size_t n;
    /* `side` is the width and height in pixels, `channels` the number of channels, of the pictures in `x` */
    size_t side, channels;
    /* pictures between layers of the network, [n][side][side][channels], large enough for any layer */
    float *x, *next, *added;
    float *inside[2]; /* activations inside a block of the ResNet-50, half as large as the activations between layers */
    float *gathered;  /* neighbourhoods of pixels for the convolution with most inputs, [threads][TILE_ROWS][inputs] */
};

/* Returns the largest number of floats of a picture between layers of ResNet-50: after conv1, or after a block of
 * layer1. */
static size_t most_floats(const struct resnet *net)
{
    return net->width * (SIDE / 2) * (SIDE / 2);
}

static size_t deepest(const struct resnet *net)
{
    size_t conv1 = net->conv1.matrix.depth, conv2 = 9 * (net->width << (LAYERS - 1));

    return conv1 > conv2 ? conv1 : conv2;
}

static void normalize_picture(void *context, size_t task, unsigned worker)
{
    const struct pass *p = context;
    const uint8_t *pixels = p->pictures[task].pixels;
    float *x = p->x + task * SIDE * SIDE * 3;

    (void)worker;
    for (size_t i = 0; i < (size_t)SIDE * SIDE * 3; i++)
        x[i] = p->net->level[i % 3][pixels[i]];
}

/* A convolution that is computed tile by tile. A tile is a group of output pixels, from all pictures in the pass
 * through the network. */
struct tiles {
    const struct convolution *conv;
    const float *in; /* input pictures of the convolution, [n][side][side][conv->in] */
    size_t side, out_side, rows, tile;
    float *gathered;
    struct dkvb__product product;
};

/* Gathers the neighbourhood of one pixel for a convolution: float[kernel][kernel][in]. */
static void gather(float *to, const struct tiles *t, size_t row)
{
    const struct convolution *c = t->conv;
    size_t across = row % t->out_side * c->step, down = row / t->out_side % t->out_side * c->step, pad = c->kernel / 2;
    const float *picture = t->in + row / (t->out_side * t->out_side) * t->side * t->side * c->in;
    size_t before =
        /* `before` is the number of columns of a pixel's neighbourhood that lie left of the picture, `end` the number
         * of columns up to the right edge of the picture */
        across < pad ? pad - across : 0;
    size_t end = t->side + pad - across < c->kernel ? t->side + pad - across : c->kernel;

    for (size_t i = 0; i < c->kernel; i++, to += c->kernel * c->in) {
        /* y is unsigned, so a line above the picture's upper edge has a huge number y */
        size_t y = down + i - pad;

        if (y >= t->side) {
            memset(to, 0, c->kernel * c->in * sizeof *to);
            continue;
        }
        memset(to, 0, before * c->in * sizeof *to);
        memcpy(to + before * c->in, picture + (y * t->side + across + before - pad) * c->in,
               (end - before) * c->in * sizeof *to);
        memset(to + end * c->in, 0, (c->kernel - end) * c->in * sizeof *to);
    }
}

static void convolve_tile(void *context, size_t task, unsigned worker)
{
    const struct tiles *t = context;
    struct dkvb__product p = t->product;
    size_t first = task * t->tile;
    float *gathered = t->gathered + worker * TILE_ROWS * p.depth;

    p.rows = t->rows - first < t->tile ? t->rows - first : t->tile;
    p.a = gathered;
    p.out += first * p.out_stride;
    p.add = p.add ? p.add + first * p.out_stride : NULL;
    for (size_t r = 0; r < p.rows; r++)
        gather(gathered + r * p.depth, t, first + r);
    dkvb__kernels()->multiply(&p);
}

/* Returns the number of rows in a tile of a convolution: as many as fit, but so few that all threads get tiles. */
static size_t tile_rows(size_t rows, unsigned threads)
{
    size_t fair = rows / ((size_t)threads * TILES_A_THREAD) + 1;

    return fair < TILE_ROWS ? fair : TILE_ROWS;
}

/* Computes a convolution with activation: out = activation(conv(in) + add); `side` is the side of the pictures in
 * `in`. */
static void convolve(const struct pass *p, const struct convolution *c, float *out, const float *in, size_t side,
                     const float *add, uint32_t activation)
{
    struct tiles t = {.conv = c, .in = in, .side = side, .out_side = (side - 1) / c->step + 1, .gathered = p->gathered};

    t.product = dkvb__matrix_product(&c->matrix);
    t.product.out = out;
    t.product.add = add;
    t.product.activation = activation;
    t.rows = p->n * t.out_side * t.out_side;
    /* for a 1 x 1 convolution the pixels are the rows of the matrix product, and no neighbourhoods have to be
     * gathered */
    if (c->kernel == 1 && c->step == 1) {
        t.product.a = in;
        t.product.rows = t.rows;
        dkvb__multiply(&t.product, p->run);
        return;
    }
    t.tile = tile_rows(t.rows, p->run->threads);
    dkvb__parallel(p->run, (t.rows + t.tile - 1) / t.tile, convolve_tile, &t);
}

static void swap(float **a, float **b)
{
    float *c = *a;

    *a = *b;
    *b = c;
}

/* Pools one line of one picture: takes the largest of 3 x 3 numbers around every second pixel. All activations that are
 * pooled are 0 or more, so zeros beyond the picture's edge change no maximum. */
static void pool_line(void *context, size_t task, unsigned worker)
{
    const struct pass *p = context;
    size_t side = p->side, half = side / 2, channels = p->channels, down = task % half * 2;
    const float *picture = p->x + task / half * side * side * channels;
    float *to = p->next + task * half * channels;

    (void)worker;
    memset(to, 0, half * channels * sizeof *to);
    for (size_t across = 0; across < side; across += 2, to += channels)
        for (size_t y = down ? down - 1 : 0; y < down + 2; y++)
            for (size_t x = across ? across - 1 : 0; x < across + 2; x++) {
                const float *from = picture + (y * side + x) * channels;

                for (size_t c = 0; c < channels; c++)
                    to[c] = from[c] > to[c] ? from[c] : to[c];
            }
}

static dkvb_status show(const struct pass *p, const char *name)
{
    return dkvb__trace_show(p->trace, name, p->side * p->side, p->channels, p->x);
}

static dkvb_status run_stem(struct pass *p)
{
    dkvb_status rc;

    dkvb__parallel(p->run, p->n, normalize_picture, p);
    convolve(p, &p->net->conv1, p->next, p->x, SIDE, NULL, DKVB__RELU);
    swap(&p->x, &p->next);
    p->side = SIDE / 2;
    p->channels = p->net->width;
    rc = show(p, "conv1");
    if (rc)
        return rc;
    dkvb__parallel(p->run, p->n * (p->side / 2), pool_line, p);
    swap(&p->x, &p->next);
    p->side /= 2;
    return show(p, "maxpool");
}

static dkvb_status run_block(struct pass *p, const struct block *b)
{
    const float *added = p->x;
    size_t side = p->side;
    char name[24];

    convolve(p, &b->conv[0], p->inside[0], p->x, side, NULL, DKVB__RELU);
    convolve(p, &b->conv[1], p->inside[1], p->inside[0], side, NULL, DKVB__RELU);
    if (b->downsample.out > 0) {
        convolve(p, &b->downsample, p->added, p->x, side, NULL, DKVB__IDENTITY);
        added = p->added;
    }
    p->side = (side - 1) / b->conv[1].step + 1;
    p->channels = b->conv[2].out;
    convolve(p, &b->conv[2], p->next, p->inside[1], p->side, added, DKVB__RELU);
    swap(&p->x, &p->next);
    snprintf(name, sizeof name, "layer%u.%u", b->layer, b->index);
    return show(p, name);
}

/* Computes the means of each channel over all pixels, out[n][channels], summed in the order of the pixels. */
static dkvb_status pool(const struct pass *p, float *out)
{
    size_t pixels = p->side * p->side;

    for (size_t i = 0; i < p->n; i++)
        for (size_t c = 0; c < p->channels; c++) {
            double sum = 0.0;

            for (size_t j = 0; j < pixels; j++)
                sum += p->x[(i * pixels + j) * p->channels + c];
            out[i * p->channels + c] = (float)(sum / (double)pixels);
        }
    return dkvb__trace_show(p->trace, "pool", 1, p->channels, out);
}

static dkvb_status run_pass(struct pass *p, float *out)
{
    dkvb_status rc = run_stem(p);

    for (size_t i = 0; i < BLOCKS && !rc; i++)
        rc = run_block(p, &p->net->blocks[i]);
    return rc ? rc : pool(p, out);
}

/* Allocates one block of memory for passes of `most` pictures through the ResNet-50. */
static float *make_room(struct pass *p, size_t most, const dkvb_allocator *mem)
{
    size_t whole = most * most_floats(p->net), picture = most * SIDE * SIDE * 3;
    size_t first = whole > picture ? whole : picture, gathered = p->run->threads * TILE_ROWS * deepest(p->net);
    float *room = dkvb__alloc(mem, 2 * first + 2 * whole + gathered, sizeof *room);

    if (!room)
        return NULL;
    p->x = room;
    p->next = p->x + first;
    p->added = p->next + first;
    p->inside[0] = p->added + whole;
    p->inside[1] = p->inside[0] + whole / 2;
    p->gathered = p->inside[1] + whole / 2;
    return room;
}

static dkvb_status encode_resnet(const void *state, const struct dkvb__view *pictures, size_t n, float *x,
                                 const struct dkvb__run *run, const struct dkvb__trace *trace,
                                 const dkvb_allocator *mem)
{
    struct pass p = {.net = state, .run = run, .trace = trace};
    float *room = make_room(&p, n < PASS_PICTURES ? n : PASS_PICTURES, mem);
    dkvb_status rc = room ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "encoder resnet50: out of memory for %zu pictures", n);

    for (size_t first = 0; first < n && !rc; first += PASS_PICTURES) {
        p.pictures = pictures + first;
        p.n = n - first < PASS_PICTURES ? n - first : PASS_PICTURES;
        rc = run_pass(&p, x + first * dim_of(p.net));
    }
    dkvb__free(mem, room);
    return rc;
}

const struct dkvb__network dkvb__resnet50 = {open_resnet, encode_resnet, close_resnet, NULL};
