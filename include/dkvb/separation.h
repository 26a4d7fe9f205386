/**
 * Separation: how far apart do the codes of classes lie?
 *
 * Masking the pairs of a class moves the rows of other classes that select the same pairs, and hardly those that share
 * none. Which these are can be known before anything is masked, from codes and labels alone: docs/separation.md has the
 * formulas, and what they foretold on real data.
 *
 * Everything works on plain arrays, and allocates nothing. Counts add up over batches, so rows need not be in memory
 * all at once:
 *
 *     uint32_t *counts = calloc(L * C * K, sizeof *counts);   // [classes][codebooks][keys]
 *     uint64_t *rows = calloc(L, sizeof *rows);               // [classes]
 *     dkvb_separation_count(&shape, codes, labels, n, counts, rows, NULL);                 // each batch
 *     dkvb_separation_overlap(&shape, counts, rows, jaccard, weighted, NULL);              // then from counts
 *     dkvb_separation_silhouette(&shape, counts, rows, codes, labels, n, each, sums, NULL); // each batch again
 *
 * Letters: n rows, C codebooks, K keys, k selected, L classes. A *pair* is a (codebook, key); a row *selects* the
 * pairs that its code names. Labels are 0 to L - 1, or -1 for rows that are left out.
 *
 * Threads: functions read all but their outputs. Results are the same bits for any number of threads, and for rows at
 * once or in batches of the same order.
 */
#ifndef DKVB_SEPARATION_H
#define DKVB_SEPARATION_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What codes and labels are. Start from `DKVB_SEPARATION_SHAPE_INIT`, then set all of it. */
typedef struct dkvb_separation_shape {
    size_t struct_size; /**< sizeof(dkvb_separation_shape), set by INIT */
    uint32_t codebooks; /**< C, at most 65,535 */
    uint32_t keys;      /**< K, at most 65,535 */
    uint32_t top_k;     /**< k, 1 to K */
    uint32_t classes;   /**< L, at most 2^31 - 1 */
} dkvb_separation_shape;

#define DKVB_SEPARATION_SHAPE_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_separation_shape), 0, 0, 1, 0                                                                      \
    }
DKVB_INIT_FUNCTION(dkvb_separation_shape, DKVB_SEPARATION_SHAPE_INIT)

/**
 * Count the rows of each class, and how many of them select each pair. Added to what is there.
 *
 * @param         codes   `uint16_t[n][C][k]`; DKVB_CODE_NONE selects nothing; in one codebook no key twice. Stale codes
 *                        are as good as others: nothing is masked here.
 * @param         labels  `int32_t[n]`.
 * @param[in,out] counts  `uint32_t[L][C][K]`; nothing is added on failure.
 * @param[in,out] rows    `uint64_t[L]`; nothing is added on failure.
 * @param         run     NULL for the defaults. Progress is not called: this takes milliseconds.
 * @return `DKVB_EINVAL` naming the row whose code or label does not exist; or if a class gets more than
 *         (2^31 - 1) / k rows.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_separation_count(const dkvb_separation_shape *shape, const uint16_t *codes,
                                                          const int32_t *labels, size_t n, uint32_t *counts,
                                                          uint64_t *rows, const dkvb_run_options *run);

/**
 * How many pairs each class selects at all, and how many of them no other class does.
 *
 * @param      counts     `uint32_t[L][C][K]`, from dkvb_separation_count().
 * @param[out] selected   `uint64_t[L]`.
 * @param[out] exclusive  `uint64_t[L]`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_separation_pairs(const dkvb_separation_shape *shape, const uint32_t *counts,
                                                          uint64_t *selected, uint64_t *exclusive);

/**
 * Overlap of each two classes: 0, no pair in common, to 1, the same pairs. Symmetric; NaN where a class has no rows, or
 * neither selects anything.
 *
 *     jaccard(A, B)  = |A and B| / |A or B|                      of the sets of pairs that they select (Jaccard 1912)
 *     weighted(A, B) = sum min(a, b) / sum max(a, b)             over pairs; a, b: the shares of the rows of A and of B
 *                                                                that select the pair (Ruzicka 1958)
 *
 * @param      counts    `uint32_t[L][C][K]`.
 * @param      rows      `uint64_t[L]`.
 * @param[out] jaccard   `double[L][L]`, or NULL.
 * @param[out] weighted  `double[L][L]`, or NULL.
 * @param      run       NULL for the defaults. Progress counts classes.
 *
 * Outputs are undefined on failure.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_separation_overlap(const dkvb_separation_shape *shape, const uint32_t *counts,
                                                            const uint64_t *rows, double *jaccard, double *weighted,
                                                            const dkvb_run_options *run);

/**
 * Silhouettes of rows among all that were counted (Rousseeuw 1987): (b - a) / max(a, b), a: the mean distance to the
 * other rows of its class, b: to those of the nearest other class. 1: far from all others; 0: between two; below:
 * nearer to another class. Distance of two rows: 1 less the share of their selections that they have in common, 1 -
 * |common| / (C k). 0 for the only row of a class; NaN if no other class has rows. Exact, in O(n C k L).
 *
 * The mean of a class is `sums[label] / rows[label]` after all counted rows have come by once; that of all rows is the
 * sum of `sums` over that of `rows`.
 *
 * @param         counts  `uint32_t[L][C][K]`, all rows counted.
 * @param         rows    `uint64_t[L]`.
 * @param         codes   `uint16_t[n][C][k]`, all or some of the rows that were counted.
 * @param         labels  `int32_t[n]`.
 * @param[out]    each    `double[n]`; NaN for rows that are left out. Undefined on failure.
 * @param[in,out] sums    `double[L]`, added to in the order of rows; nothing is added on failure. Or NULL.
 * @param         run     NULL for the defaults. Progress counts rows.
 * @return `DKVB_EINVAL` naming the row, also if it cannot be among those counted.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_separation_silhouette(const dkvb_separation_shape *shape,
                                                               const uint32_t *counts, const uint64_t *rows,
                                                               const uint16_t *codes, const int32_t *labels, size_t n,
                                                               double *each, double *sums, const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
