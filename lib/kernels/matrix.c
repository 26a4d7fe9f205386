#include "kernels/matrix.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

dkvb_status dkvb__matrix_new(struct dkvb__matrix *m, size_t depth, size_t columns, const dkvb_allocator *mem)
{
    size_t panels = dkvb__panels(columns), floats;

    *m = (struct dkvb__matrix){.depth = depth, .columns = columns};
    if (dkvb__mul_overflow(&floats, panels * DKVB__PANEL, depth))
        return dkvb__fail(DKVB_ENOMEM, "a matrix of %zu x %zu does not fit into memory", depth, columns);
    m->panels = dkvb__alloc0(mem, floats, sizeof *m->panels);
    m->start = dkvb__alloc0(mem, panels * DKVB__PANEL, sizeof *m->start);
    if (m->panels && m->start)
        return DKVB_OK;
    dkvb__matrix_free(m, mem);
    return dkvb__fail(DKVB_ENOMEM, "out of memory for a matrix of %zu x %zu", depth, columns);
}

void dkvb__matrix_free(struct dkvb__matrix *m, const dkvb_allocator *mem)
{
    dkvb__free(mem, m->panels);
    dkvb__free(mem, m->start);
    *m = (struct dkvb__matrix){0};
}

void dkvb__matrix_set(struct dkvb__matrix *m, size_t first, size_t count, const float *w, bool outputs_first)
{
    for (size_t i = 0; i < count; i++) {
        size_t c = first + i;
        float *to = m->panels + c / DKVB__PANEL * DKVB__PANEL * m->depth + c % DKVB__PANEL;

        for (size_t k = 0; k < m->depth; k++)
            to[k * DKVB__PANEL] = outputs_first ? w[i * m->depth + k] : w[k * count + i];
    }
}

struct dkvb__product dkvb__matrix_product(const struct dkvb__matrix *m)
{
    return (struct dkvb__product){
        .out_stride = m->columns,
        .a_stride = m->depth,
        .depth = m->depth,
        .panels = m->panels,
        .columns = m->columns,
        .start = m->start,
    };
}

/* Numbers of rows and of panels (of 16 columns) in a piece of a matrix product, which one parallel task computes. A
 * piece of a matrix product has so many rows that a panel (16 columns) in the cache is used often (with pieces of 96
 * rows, products took a tenth longer than with 276). A matrix product is divided into so many pieces that no thread
 * waits long for another thread. */
enum { PIECE_ROWS = 276, PIECE_PANELS = 8, PIECES_A_THREAD = 8 };

struct pieces {
    const struct dkvb__product *whole;
    /* numbers of rows and of panels (of 16 columns) in a piece of a matrix product, which one parallel task computes */
    size_t rows, panels;
    size_t across; /* number of pieces of a matrix product (one parallel task each) that lie side by side */
};

static void multiply_piece(void *context, size_t task, unsigned worker)
{
    const struct pieces *pieces = context;
    struct dkvb__product p = *pieces->whole;
    size_t row = task / pieces->across * pieces->rows;
    size_t column = task % pieces->across * pieces->panels * DKVB__PANEL;
    size_t columns = p.columns - column;

    (void)worker;
    p.out += row * p.out_stride + column;
    p.add = p.add ? p.add + row * p.out_stride + column : NULL;
    p.a += row * p.a_stride;
    p.rows = p.rows - row < pieces->rows ? p.rows - row : pieces->rows;
    p.panels += column * p.depth;
    p.start += column;
    p.columns = columns < pieces->panels * DKVB__PANEL ? columns : pieces->panels * DKVB__PANEL;
    dkvb__kernels()->multiply(&p);
}

void dkvb__multiply(const struct dkvb__product *product, const struct dkvb__run *run)
{
    struct pieces pieces = {product, PIECE_ROWS, PIECE_PANELS, 0};
    size_t down = (product->rows + PIECE_ROWS - 1) / PIECE_ROWS, panels = dkvb__panels(product->columns);
    size_t wanted = (size_t)run->threads * PIECES_A_THREAD;

    if (product->rows == 0)
        return;
    if (down * (panels / PIECE_PANELS) < wanted) { /* if a matrix product has few rows, its pieces become narrower */
        size_t across = (wanted + down - 1) / down;

        pieces.panels = panels > across ? panels / across : 1;
    }
    pieces.across = (panels + pieces.panels - 1) / pieces.panels;
    dkvb__parallel(run, down * pieces.across, multiply_piece, &pieces);
}
