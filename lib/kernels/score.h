/* score_rows() and score_row() of nearest.h where a tile of registers is four rows by one block. A kernel file defines
 * before: score_tile(scores, stride, rows, keys, norms, quads, rows), `rows` being 1 or 4. */
#ifndef DKVB_KERNELS_SCORE_H
#define DKVB_KERNELS_SCORE_H

static void score_rows(int32_t *scores, size_t stride, const int8_t *rows, const uint8_t *keys, const int32_t *norms,
                       size_t quads)
{
    for (size_t r = 0; r < 8; r += 4)
        for (size_t b = 0; b < 2; b++)
            score_tile(scores + r * stride + b * DKVB__LANES, stride, rows + r * 4, keys + b * quads * 64,
                       norms + b * DKVB__LANES, quads, 4);
}

static void score_row(int32_t *scores, const int8_t *rows, const uint8_t *keys, const int32_t *norms, size_t quads)
{
    for (size_t b = 0; b < 4; b++)
        score_tile(scores + b * DKVB__LANES, 0, rows, keys + b * quads * 64, norms + b * DKVB__LANES, quads, 1);
}

#endif
