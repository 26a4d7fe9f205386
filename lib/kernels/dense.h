/*
 * Dense arithmetic of neural networks that the vector kernels share: matrix products, and the steps between the
 * products. A kernel file (such as avx2.c) that includes dense.h first defines the vector type, the functions of
 * vectors and the sizes of tiles that dense.h uses.
 *
 * `dense_vector` is a vector of DENSE_LANES floats; a tile of a matrix product has DENSE_ROWS rows and DENSE_PANELS
 * panels of 16 columns. `dense_load(p)` loads a vector from memory, `dense_store(p, v)` stores one, and `dense_all(p)`
 * sets all lanes to *p. `dense_madd(a, b, c)` returns a * b + c, rounded once.
 */
#ifndef DKVB_KERNELS_DENSE_H
#define DKVB_KERNELS_DENSE_H

#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/kernels.h"

/* A matrix product goes along its inner dimension (depth) in stretches of DENSE_DEPTH numbers, and takes DENSE_GROUP
 * panels (of 16 columns) of the right matrix as a group. To reuse the cache, all panels of a group (of 16 columns each)
 * are multiplied along one stretch of the product's inner dimension (its depth) before the next stretch begins. In a
 * matrix product, the rows of a tile take 12 to 24 KiB and stay in the L1 cache; one stretch of the depth of a group of
 * panels takes 256 KiB and stays in the L2 cache. From one stretch of a matrix product's inner dimension to the next,
 * the sums are kept in the result `out`, where they are as exact as in a register. */
enum { DENSE_DEPTH = 512, DENSE_GROUP = 8, DENSE_VECTORS = DKVB__PANEL / DENSE_LANES };

/* Copies of some rows of the left matrix of a product, cut to one stretch of its inner dimension. The copied rows of a
 * product's left matrix lie side by side, at a distance that the compiler knows. */
struct dense_rows {
    float a[DENSE_ROWS][DENSE_DEPTH];
    /* first row of the left matrix and number of rows that are copied to the tile; missing rows are zeros, and their
     * results are dropped */
    size_t first, count;
    /* range of the inner dimension (depth) of a matrix product that the copied rows of the left matrix cover */
    size_t from, to;
};

static void dense_rows_take(struct dense_rows *t, const struct dkvb__product *p, size_t first)
{
    t->first = first;
    t->count = p->rows - first < DENSE_ROWS ? p->rows - first : DENSE_ROWS;
    for (size_t r = 0; r < t->count; r++)
        memcpy(t->a[r], p->a + (first + r) * p->a_stride + t->from, (t->to - t->from) * sizeof(float));
    if (t->count < DENSE_ROWS)
        memset(t->a[t->count], 0, (DENSE_ROWS - t->count) * sizeof t->a[0]);
}

/* Returns the number of columns that the matrix has in the panel (of 16 columns) that begins at `column`. */
static inline size_t dense_width(const struct dkvb__product *p, size_t column)
{
    return p->columns - column < DKVB__PANEL ? p->columns - column : DKVB__PANEL;
}

/* Loads the first sums of a matrix product for one row and panel (16 columns): the product's start values, or the sums
 * over the stretches of the inner dimension that are done. */
static inline __attribute__((always_inline)) void dense_begin(dense_vector *sums, const struct dkvb__product *p,
                                                              const struct dense_rows *t, size_t r, size_t column)
{
    float edge[DKVB__PANEL] = {0.0f};
    const float *from = p->start + column;

    if (t->from > 0) {
        from = p->out + (t->first + (r < t->count ? r : 0)) * p->out_stride + column;
        if (dense_width(p, column) < DKVB__PANEL) {
            memcpy(edge, from, dense_width(p, column) * sizeof *edge);
            from = edge;
        }
    }
    for (size_t v = 0; v < DENSE_VECTORS; v++)
        sums[v] = dense_load(from + v * DENSE_LANES);
}

/* Writes the final sums of one row and panel (16 columns) to the product's output. */
static void dense_finish(const struct dkvb__product *p, float *sums, size_t row, size_t column)
{
    const float *add = p->add + row * p->out_stride + column;

    for (size_t l = 0; p->add && l < dense_width(p, column); l++)
        sums[l] = add[l] + sums[l];
    activate_panel(sums, p->activation);
}

static inline __attribute__((always_inline)) void dense_end(const dense_vector *sums, const struct dkvb__product *p,
                                                            const struct dense_rows *t, size_t r, size_t column)
{
    bool stays = t->to == p->depth && (p->add || p->activation != DKVB__IDENTITY);
    bool whole = dense_width(p, column) == DKVB__PANEL;
    float edge[DKVB__PANEL], *out = p->out + (t->first + r) * p->out_stride + column, *to = whole ? out : edge;

    if (r >= t->count)
        return;
    for (size_t v = 0; v < DENSE_VECTORS; v++)
        dense_store(to + v * DENSE_LANES, sums[v]);
    if (stays)
        dense_finish(p, to, t->first + r, column);
    if (!whole)
        memcpy(out, edge, dense_width(p, column) * sizeof *out);
}

/* Multiplies one tile of rows of the left matrix by some panels (of 16 columns) of the right one. dense_tile() is
 * inlined with constant arguments `rows` and `panels`, so that all sums of the tile stay in registers. */
static inline __attribute__((always_inline)) void dense_tile(const struct dkvb__product *p, const struct dense_rows *t,
                                                             size_t panel, size_t rows, size_t panels)
{
    dense_vector sums[DENSE_ROWS][DENSE_PANELS * DENSE_VECTORS];
    size_t stride = p->depth * DKVB__PANEL, depth = t->to - t->from;
    const float *b = p->panels + panel * stride + t->from * DKVB__PANEL;

#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t i = 0; i < panels; i++)
            dense_begin(&sums[r][i * DENSE_VECTORS], p, t, r, (panel + i) * DKVB__PANEL);
    for (size_t k = 0; k < depth; k++) {
        dense_vector columns[DENSE_PANELS * DENSE_VECTORS];

#pragma GCC unroll 8
        for (size_t v = 0; v < panels * DENSE_VECTORS; v++)
            columns[v] = dense_load(b + v / DENSE_VECTORS * stride + k * DKVB__PANEL + v % DENSE_VECTORS * DENSE_LANES);
#pragma GCC unroll 16
        for (size_t r = 0; r < rows; r++) {
            dense_vector x = dense_all(&t->a[r][k]);

#pragma GCC unroll 8
            for (size_t v = 0; v < panels * DENSE_VECTORS; v++)
                sums[r][v] = dense_madd(x, columns[v], sums[r][v]);
        }
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t i = 0; i < panels; i++)
            dense_end(&sums[r][i * DENSE_VECTORS], p, t, r, (panel + i) * DKVB__PANEL);
}

static __attribute__((noinline)) void dense_whole(const struct dkvb__product *p, const struct dense_rows *t,
                                                  size_t panel)
{
    dense_tile(p, t, panel, DENSE_ROWS, DENSE_PANELS);
}

/* Multiplies the rows of the left matrix that fill no tile, or the last panel of 16 columns: one panel at a time, with
 * a half tile of rows if the rows fit. */
static __attribute__((noinline)) void dense_half(const struct dkvb__product *p, const struct dense_rows *t,
                                                 size_t panel)
{
    dense_tile(p, t, panel, DENSE_ROWS / 2, 1);
}

static __attribute__((noinline)) void dense_single(const struct dkvb__product *p, const struct dense_rows *t,
                                                   size_t panel)
{
    dense_tile(p, t, panel, DENSE_ROWS, 1);
}

/* Multiplies the rows of one tile of the left matrix by the right matrix's panels (of 16 columns) from `panel` to below
 * `end`. */
static void dense_row_of_tiles(const struct dkvb__product *p, const struct dense_rows *t, size_t panel, size_t end)
{
    bool half = t->count <= DENSE_ROWS / 2;

    for (; !half && panel + DENSE_PANELS <= end; panel += DENSE_PANELS)
        dense_whole(p, t, panel);
    for (; panel < end; panel++)
        if (half)
            dense_half(p, t, panel);
        else
            dense_single(p, t, panel);
}

static void multiply(const struct dkvb__product *p)
{
    size_t panels = dkvb__panels(p->columns);
    struct dense_rows t;

    for (t.from = 0; t.from < p->depth; t.from = t.to) {
        t.to = p->depth - t.from < DENSE_DEPTH ? p->depth : t.from + DENSE_DEPTH;
        for (size_t panel = 0; panel < panels; panel += DENSE_GROUP)
            for (size_t first = 0; first < p->rows; first += DENSE_ROWS) {
                dense_rows_take(&t, p, first);
                dense_row_of_tiles(p, &t, panel, panels - panel < DENSE_GROUP ? panels : panel + DENSE_GROUP);
            }
    }
}

#endif
