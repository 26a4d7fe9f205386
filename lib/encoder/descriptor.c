/* The encoder `descriptor` describes a picture by its gradients and colours on a grid. The encoder has only
 * constants, so that pictures can be encoded without a file of weights.
 *
 * The row of features of a picture of 32 x 32 pixels has five parts, each multiplied by a constant:
 *
 * - The part `gradients` of the row (8 x 8 grid cells, 8 directions) tells in which directions brightness rises in a
 *   cell, and how much in comparison with the neighbouring cells.
 * - The part `layout` of the row (4 x 4 grid cells, 8 directions) tells in which directions brightness rises in larger
 *   cells.
 * - The part `hues` of the row (4 x 4 grid cells, 8 directions) tells in which directions the colours of a cell lie
 * from grey, and how far.
 * - The part `colours` of the row (4 x 4 grid cells, 2 numbers) has the mean colour of a cell on two opponent axes.
 * - The part `brightness` of the row (8 x 8 grid cells) has the mean of red, green and blue in a cell.
 *
 * The histograms of gradients follow Dalal and Triggs, "Histograms of oriented gradients for human detection", CVPR
 * 2005: a gradient is a central difference in the colour channel where the difference is largest, and the vote of a
 * pixel is divided bilinearly among the grid cells around the pixel. As in Felzenszwalb et al., "Object detection with
 * discriminatively trained part-based models", TPAMI 2010, each cell of the grid is normalised by the four blocks of
 * 2 x 2 cells that contain the cell, and the four results, clipped, are averaged; but the directions distinguish
 * light-to-dark from dark-to-light. The square root of a histogram turns distances between histograms into Hellinger
 * distances (Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012).
 * Opponent axes and hues by cell follow van de Sande et al., "Evaluating color descriptors for object and scene
 * recognition", TPAMI 2010.
 *
 * The encoder computes with + - * / and sqrtf on floats in the order written, so a row of features is equal bit for bit
 * on every machine. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "encoder/network.h"

enum {
    SIDE = 32,
    DIRECTIONS = 8,
    FINE = 8,   /* number of fine cells on a side of the picture, for gradients and brightness */
    COARSE = 4, /* number of coarse cells on a side of the picture, for layout, hues and colours */

    /* GRADIENTS_AT, LAYOUT_AT and so on: number of the first column of each part of a row of features */
    GRADIENTS_AT = 0,
    LAYOUT_AT = GRADIENTS_AT + FINE * FINE * DIRECTIONS,
    HUES_AT = LAYOUT_AT + COARSE * COARSE * DIRECTIONS,
    COLOURS_AT = HUES_AT + COARSE * COARSE * DIRECTIONS,
    BRIGHTNESS_AT = COLOURS_AT + COARSE * COARSE * 2,
    DIM = BRIGHTNESS_AT + FINE * FINE
};

/* Weight of each part of a row of features in a distance, chosen on training rows (docs/encoder.md). */
static const float gradients_weight = 1.0f, layout_weight = 2.0f, hues_weight = 2.0f, colours_weight = 4.0f,
                   brightness_weight = 0.5f;

static const float level = 255.0f; /* largest colour value; differences of colours are divided by it */
static const float root_of_3 = 1.73205081f;

/* Energy that is added to each block of cells, so that noise in flat areas of a picture is not amplified: about (7
 * levels of 255)^2. */
static const float noise = 7e-4f;

/* largest fraction of one direction in a block of cells, as used by Dalal and Triggs and by Felzenszwalb et al. */
static const float clip = 0.2f;

/* Unit vectors in the eight directions: to the right, down right (y grows downwards), down, ... */
#define COSINE 0.707106781f /* cosine of the angle between neighbouring directions */
static const float unit_x[DIRECTIONS] = {1.0f, COSINE, 0.0f, -COSINE, -1.0f, -COSINE, 0.0f, COSINE};
static const float unit_y[DIRECTIONS] = {0.0f, COSINE, 1.0f, COSINE, 0.0f, -COSINE, -1.0f, -COSINE};

/* Histogram of a picture's gradients or hues: votes of the pixels for each direction, in each cell of a grid. The
 * histogram has an extra cell beyond each edge of the picture, for the votes that fall outside the picture. */
struct histogram {
    uint32_t cells; /* number of cells on a side of the picture: FINE or COARSE */
    /* for each pixel of a row or column of the picture, the first of the two grid cells that divide the pixel's votes;
     * cell 0 is beyond the edge */
    uint32_t two[SIDE];
    /* for each pixel of a row or column, the fraction of its votes for the second of its two grid cells */
    float share[SIDE];
    /* votes of each cell [y][x] for each direction, as a mean over the pixels of a cell */
    float votes[FINE + 2][FINE + 2][DIRECTIONS];
};

/* Computes how neighbouring cells divide the votes of a pixel: in proportion to the nearness of the cells' centres. The
 * grid has a cell beyond each edge of the picture, whose centre lies half a cell before the edge of the first pixel. */
static void histogram_clear(struct histogram *h, uint32_t cells)
{
    uint32_t size = SIDE / cells;

    h->cells = cells;
    memset(h->votes, 0, sizeof h->votes);
    for (uint32_t p = 0; p < SIDE; p++) {
        /* twice the distance from the centre of grid cell 0, which lies beyond the picture's edge, to the centre of
         * pixel p */
        uint32_t twice = 2 * p + 1 + size;

        h->two[p] = twice / (2 * size);
        h->share[p] = (float)(twice % (2 * size)) / (float)(2 * size);
    }
}

static void histogram_add(struct histogram *h, uint32_t x, uint32_t y, const float votes[restrict DIRECTIONS])
{
    /* number of pixels in a cell of the grid, a power of two */
    float pixels = (float)(SIDE * SIDE) / (float)(h->cells * h->cells);

    for (uint32_t j = 0; j < 2; j++)
        for (uint32_t i = 0; i < 2; i++) {
            float of_row = j ? h->share[y] : 1.0f - h->share[y], of_column = i ? h->share[x] : 1.0f - h->share[x];
            float share = of_row * of_column / pixels, *restrict cell = h->votes[h->two[y] + j][h->two[x] + i];

            for (uint32_t k = 0; k < DIRECTIONS; k++)
                cell[k] += share * votes[k];
        }
}

/* Computes the vote of the vector (x, y) for each direction u: max(0, (x, y) . u - |(x, y)| COSINE) / (1 - COSINE). The
 * vote equals the length of the vector (x, y) if the vector points along u, and falls to 0 at the neighbouring
 * directions. */
static void vote(float votes[DIRECTIONS], float x, float y)
{
    float least = sqrtf(x * x + y * y) * COSINE;

    for (uint32_t k = 0; k < DIRECTIONS; k++) {
        float above = x * unit_x[k] + y * unit_y[k] - least;

        votes[k] = (above > 0.0f ? above : 0.0f) * (1.0f / (1.0f - COSINE));
    }
}

/* Returns the pixel of a picture at (x, y); outside of the picture, the nearest pixel at the edge. */
static const uint8_t *pixel(const struct dkvb__view *v, int32_t x, int32_t y)
{
    x = x < 0 ? 0 : x < SIDE ? x : SIDE - 1;
    y = y < 0 ? 0 : y < SIDE ? y : SIDE - 1;
    return v->pixels + ((size_t)y * SIDE + (size_t)x) * v->channels;
}

/* Computes the votes of a pixel's gradient: the difference of the two neighbours, in the channel where the difference
 * is largest. If two colour channels have equally large differences, the first channel is used, so a grey picture gives
 * the same row of features as the equal RGB picture. */
static void gradient_votes(const struct dkvb__view *v, int32_t x, int32_t y, float votes[DIRECTIONS])
{
    const uint8_t *left = pixel(v, x - 1, y), *right = pixel(v, x + 1, y);
    const uint8_t *above = pixel(v, x, y - 1), *below = pixel(v, x, y + 1);
    int32_t best = -1, best_x = 0, best_y = 0;

    for (uint32_t c = 0; c < v->channels; c++) {
        int32_t dx = right[c] - left[c], dy = below[c] - above[c];

        if (dx * dx + dy * dy > best) {
            best = dx * dx + dy * dy;
            best_x = dx;
            best_y = dy;
        }
    }
    vote(votes, (float)best_x / level, (float)best_y / level);
}

/* A colour in whole numbers: its brightness r + g + b, and its distance from grey along two axes, r - g and r + g -
 * 2b. */
struct colour {
    int32_t brightness, red_green, yellow_blue;
};

static struct colour colour_at(const struct dkvb__view *v, int32_t x, int32_t y)
{
    const uint8_t *p = pixel(v, x, y);
    int32_t r = p[0], g = p[v->channels == 3 ? 1 : 0], b = p[v->channels == 3 ? 2 : 0];

    return (struct colour){r + g + b, r - g, r + g - 2 * b};
}

/* Adds up the colours of the pixels in a square of the picture. */
static struct colour colour_sum(const struct dkvb__view *v, int32_t left, int32_t top, int32_t size)
{
    struct colour sum = {0, 0, 0};

    for (int32_t y = top; y < top + size; y++)
        for (int32_t x = left; x < left + size; x++) {
            struct colour c = colour_at(v, x, y);

            sum.brightness += c.brightness;
            sum.red_green += c.red_green;
            sum.yellow_blue += c.yellow_blue;
        }
    return sum;
}

/* Computes the mean chroma of `pixels` colours on two axes, (r - g) / 2 and (r + g - 2b) / (2 sqrt 3), where the hues
 * of red, green and blue are a third of a turn apart. */
static void chroma(struct colour sum, int32_t pixels, float axes[2])
{
    axes[0] = (float)sum.red_green / (2.0f * level * (float)pixels);
    axes[1] = (float)sum.yellow_blue / (2.0f * root_of_3 * level * (float)pixels);
}

static void hue_votes(const struct dkvb__view *v, int32_t x, int32_t y, float votes[DIRECTIONS])
{
    float axes[2];

    chroma(colour_at(v, x, y), 1, axes);
    vote(votes, axes[0], axes[1]);
}

/* Returns the sum of the squared votes in cell (x, y) of the histogram. Grid cells beyond an edge of the picture count
 * as equal to the cells at the edge. */
static float energy(const struct histogram *h, uint32_t x, uint32_t y)
{
    const float *votes;
    float sum = 0.0f;

    x = x < 1 ? 1 : x < h->cells ? x : h->cells;
    y = y < 1 ? 1 : y < h->cells ? y : h->cells;
    votes = h->votes[y][x];
    for (uint32_t k = 0; k < DIRECTIONS; k++)
        sum += votes[k] * votes[k];
    return sum;
}

/* Writes the normalised histogram: each to[y][x][k] becomes weight sqrt(m), where m is the mean of min(clip,
 * votes[y][x][k] / length of b) over the four blocks b of 2 x 2 cells that contain the cell (x, y). The result `to` is
 * a histogram, float[cells][cells][DIRECTIONS]. */
static void write_normalised(const struct histogram *h, float weight, float *to)
{
    /* length of the vector of all votes in the block of 2 x 2 cells whose upper left cell is (x, y), [y][x] */
    float length[FINE + 1][FINE + 1];

    for (uint32_t y = 0; y <= h->cells; y++)
        for (uint32_t x = 0; x <= h->cells; x++)
            length[y][x] =
                sqrtf(energy(h, x, y) + energy(h, x + 1, y) + energy(h, x, y + 1) + energy(h, x + 1, y + 1) + noise);
    for (uint32_t y = 1; y <= h->cells; y++)
        for (uint32_t x = 1; x <= h->cells; x++)
            for (uint32_t k = 0; k < DIRECTIONS; k++) {
                float sum = 0.0f;

                for (uint32_t b = 0; b < 4; b++) {
                    float share = h->votes[y][x][k] / length[y - b / 2][x - b % 2];

                    sum += share < clip ? share : clip;
                }
                *to++ = weight * sqrtf(sum / 4.0f);
            }
}

/* Writes to to[y][x][k], for each cell (x, y) of the grid and each direction k, the number weight
 * sqrt(votes[y][x][k]). */
static void write_plain(const struct histogram *h, float weight, float *to)
{
    for (uint32_t y = 1; y <= h->cells; y++)
        for (uint32_t x = 1; x <= h->cells; x++)
            for (uint32_t k = 0; k < DIRECTIONS; k++)
                *to++ = weight * sqrtf(h->votes[y][x][k]);
}

static void write_histograms(const struct dkvb__view *v, float *row)
{
    struct histogram fine, coarse, hues;
    float votes[DIRECTIONS];

    histogram_clear(&fine, FINE);
    histogram_clear(&coarse, COARSE);
    histogram_clear(&hues, COARSE);
    for (uint32_t y = 0; y < SIDE; y++)
        for (uint32_t x = 0; x < SIDE; x++) {
            gradient_votes(v, (int32_t)x, (int32_t)y, votes);
            histogram_add(&fine, x, y, votes);
            histogram_add(&coarse, x, y, votes);
            hue_votes(v, (int32_t)x, (int32_t)y, votes);
            histogram_add(&hues, x, y, votes);
        }
    write_normalised(&fine, gradients_weight, row + GRADIENTS_AT);
    write_normalised(&coarse, layout_weight, row + LAYOUT_AT);
    write_plain(&hues, hues_weight, row + HUES_AT);
}

static void write_colours(const struct dkvb__view *v, float *to)
{
    enum { SIZE = SIDE / COARSE };

    for (int32_t y = 0; y < SIDE; y += SIZE)
        for (int32_t x = 0; x < SIDE; x += SIZE, to += 2) {
            chroma(colour_sum(v, x, y, SIZE), SIZE * SIZE, to);
            to[0] *= colours_weight;
            to[1] *= colours_weight;
        }
}

static void write_brightness(const struct dkvb__view *v, float *to)
{
    enum { SIZE = SIDE / FINE };

    for (int32_t y = 0; y < SIDE; y += SIZE)
        for (int32_t x = 0; x < SIDE; x += SIZE)
            *to++ = brightness_weight * (float)colour_sum(v, x, y, SIZE).brightness / (3.0f * level * SIZE * SIZE);
}

static dkvb_status open_descriptor(void **state, dkvb_encoder_info *info, char *identity, size_t size,
                                   const dkvb_encoder_options *o, const dkvb_allocator *mem)
{
    (void)o;
    (void)mem;
    *state = NULL; /* the encoder `descriptor` has constants only, and needs no state */
    info->dim = DIM;
    info->shorter = SIDE;
    info->crop = SIDE;
    info->filter = DKVB_FILTER_BICUBIC;
    /* version of the encoder `descriptor`, which changes whenever a bit of any row changes */
    snprintf(identity, size, "1");
    return DKVB_OK;
}

struct pictures {
    const struct dkvb__view *views;
    float *x;
};

static void describe(void *context, size_t task, unsigned worker)
{
    const struct pictures *p = context;
    float *row = p->x + task * DIM;

    (void)worker;
    write_histograms(&p->views[task], row);
    write_colours(&p->views[task], row + COLOURS_AT);
    write_brightness(&p->views[task], row + BRIGHTNESS_AT);
}

/* Shows each part of a row of features to the trace callback, one cell at a time. */
static dkvb_status show_parts(const struct dkvb__trace *trace, const float *row)
{
    static const struct part {
        const char *name;
        size_t at, cells, columns;
    } parts[] = {
        {"gradients", GRADIENTS_AT, FINE * FINE, DIRECTIONS}, {"layout", LAYOUT_AT, COARSE * COARSE, DIRECTIONS},
        {"hues", HUES_AT, COARSE * COARSE, DIRECTIONS},       {"colours", COLOURS_AT, COARSE * COARSE, 2},
        {"brightness", BRIGHTNESS_AT, FINE * FINE, 1},
    };
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; i < sizeof parts / sizeof *parts && !rc; i++)
        rc = dkvb__trace_show(trace, parts[i].name, parts[i].cells, parts[i].columns, row + parts[i].at);
    return rc;
}

static dkvb_status encode_descriptor(const void *state, const struct dkvb__view *pictures, size_t n, float *x,
                                     const struct dkvb__run *run, const struct dkvb__trace *trace,
                                     const dkvb_allocator *mem)
{
    struct pictures p = {pictures, x};

    (void)state;
    (void)mem;
    dkvb__parallel(run, n, describe, &p);
    return n > 0 ? show_parts(trace, x) : DKVB_OK;
}

static void close_descriptor(void *state, const dkvb_allocator *mem)
{
    (void)state;
    (void)mem;
}

const struct dkvb__network dkvb__descriptor = {open_descriptor, encode_descriptor, close_descriptor, NULL};
