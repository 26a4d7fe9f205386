/**
 * Separation: how far apart do the codes of classes lie?
 *
 * Masking the pairs of a class moves the rows of other classes that select the same pairs, and hardly those that share
 * none. Which these are can be known before anything is masked, from codes and labels alone: docs/separation.md has the
 * formulas, and what they foretold on real data.
 *
 *     dkvb_separation_rows rows = DKVB_SEPARATION_ROWS_INIT;
 *     dkvb_separation *found;
 *
 *     rows.codes = codes, rows.labels = labels, rows.n = n;
 *     rows.codebooks = info.codebooks, rows.keys = info.keys, rows.k = info.top_k;
 *     rc = dkvb_separation_measure(&found, &rows, NULL);      // found->weighted[a * found->classes + b], …
 *     dkvb_separation_free(found);
 *
 * Letters: n rows, C codebooks, K keys, k selected, L classes. A *pair* is a (codebook, key); a row *selects* the
 * pairs that its code names. Labels are 0 to L - 1, or -1 for rows that are left out.
 *
 * Threads: rows are only read. Results are the same bits for any number of threads.
 */
#ifndef DKVB_SEPARATION_H
#define DKVB_SEPARATION_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Codes of rows and their labels. Start from `DKVB_SEPARATION_ROWS_INIT`. Read during the call only. */
typedef struct dkvb_separation_rows {
    size_t struct_size;              /**< sizeof(dkvb_separation_rows), set by INIT */
    const uint16_t *codes;           /**< `uint16_t[n][C][k]`; DKVB_CODE_NONE selects nothing; in one codebook no key
                                          twice. Stale codes are as good as others: nothing is masked here */
    const int32_t *labels;           /**< `int32_t[n]` */
    size_t n;                        /**< rows, at least one of them with a label */
    uint32_t codebooks;              /**< C, at most 65,535 */
    uint32_t keys;                   /**< K, at most 65,535 */
    uint32_t k;                      /**< keys a codebook in a code, 1 to K */
    uint32_t classes;                /**< L; 0: one more than the largest label */
    const dkvb_allocator *allocator; /**< NULL: malloc and free; copied */
} dkvb_separation_rows;

#define DKVB_SEPARATION_ROWS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_separation_rows), 0, 0, 0, 0, 0, 1, 0, 0                                                           \
    }
DKVB_INIT_FUNCTION(dkvb_separation_rows, DKVB_SEPARATION_ROWS_INIT)

/**
 * What was found. The library makes it and takes it back; later versions add members at its end.
 *
 * Overlap of two classes: 0, no pair in common, to 1, the same pairs. Symmetric; NaN where a class has no rows, or
 * neither selects anything.
 *
 *     jaccard(A, B)  = |A and B| / |A or B|                      of the sets of pairs that they select (Jaccard 1912)
 *     weighted(A, B) = sum min(a, b) / sum max(a, b)             over pairs; a, b: the shares of the rows of A and of B
 *                                                                that select the pair (Ruzicka 1958)
 *
 * Silhouette of a row (Rousseeuw 1987): (b - a) / max(a, b), a: the mean distance to the other rows of its class, b: to
 * those of the nearest other class. 1: far from all others; 0: between two; below: nearer to another class. Distance of
 * two rows: 1 less the share of their selections that they have in common, 1 - |common| / (C k). 0 for the only row of
 * a class; NaN if no other class has rows. Exact, in O(n C k L).
 */
typedef struct dkvb_separation {
    uint32_t classes;              /**< L */
    uint32_t codebooks;            /**< C */
    uint32_t keys;                 /**< K */
    uint64_t n;                    /**< rows that were given */
    uint64_t labelled;             /**< rows with a label */
    uint64_t all_selected;         /**< pairs that any class selects */
    uint64_t all_exclusive;        /**< of them, those that one class alone selects */
    double silhouette;             /**< mean over all rows with a label; or NaN */
    const uint64_t *rows;          /**< `uint64_t[L]`: rows of each class */
    const uint64_t *selected;      /**< `uint64_t[L]`: pairs that any row of the class selects */
    const uint64_t *exclusive;     /**< `uint64_t[L]`: of them, those that no other class selects */
    const int32_t *nearest;        /**< `int32_t[L]`: the other class of largest weighted overlap, the lowest of equals;
                                        -1: there is none */
    const double *overlap;         /**< `double[L]`: weighted overlap with that; or NaN */
    const double *silhouettes;     /**< `double[L]`: mean over the rows of the class; NaN without rows */
    const double *jaccard;         /**< `double[L][L]` */
    const double *weighted;        /**< `double[L][L]` */
    const double *row_silhouettes; /**< `double[n]`; NaN for rows that are left out */
    const uint32_t *counts;        /**< `uint32_t[L][C][K]`: rows of a class that select a pair */
} dkvb_separation;

/**
 * Compare the classes of some codes.
 *
 * Memory: 4 bytes for each class, codebook and key, and 8 for each row.
 *
 * @param[out] out   owned by the caller: dkvb_separation_free(). NULL on failure.
 * @param      rows  codes and labels.
 * @param      run   NULL for the defaults. Progress counts classes and groups of 64 rows together.
 * @return `DKVB_EINVAL` naming the row whose code or label does not exist; a shape that cannot be; no label; or a class
 *         of more than (2^31 - 1) / k rows. `DKVB_ENOMEM`, `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_separation_measure(dkvb_separation **out, const dkvb_separation_rows *rows,
                                                            const dkvb_run_options *run);

/** Release what was found. NULL is a no-op. */
DKVB_API void dkvb_separation_free(dkvb_separation *separation);

#ifdef __cplusplus
}
#endif

#endif
