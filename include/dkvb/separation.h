/**
 * @file
 * @brief Separation of classes: how far apart the codes of different classes lie.
 *
 * Masking the (codebook, key) pairs of a class changes the answers to other rows that select the same pairs, and hardly
 * changes the answers to rows that share no pair with the class. The codes and labels of rows alone show, before any
 * pair is masked, which classes share pairs. docs/separation.md has the formulas of separation, and measures how well
 * they predict the effect of masking on real data.
 *
 *     dkvb_separation_rows rows = DKVB_SEPARATION_ROWS_INIT;
 *     dkvb_separation *found;
 *
 *     rows.codes = codes;
 *     rows.labels = labels;
 *     rows.n = n;
 *     rows.codebooks = info.codebooks;
 *     rows.keys = info.keys;
 *     rows.k = info.top_k;
 *     rc = dkvb_separation_measure(&found, &rows, NULL);      // found->weighted[a * found->classes + b], …
 *     dkvb_separation_free(found);
 *
 * In the formulas of separation, n is the number of rows, C of codebooks, K of keys per codebook, k of selected keys
 * per codebook, and L of classes. A (codebook, key) *pair* is a codebook and one of its keys. A row *selects* the pairs
 * that its code names. For L classes, labels of rows are 0 to L - 1, or -1 for rows that are left out.
 *
 * The functions of separation.h only read the codes and labels of rows. The measured separation has the same bytes for
 * any number of threads.
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

/** @defgroup dkvb_separation Separation
 *  @{ */

/**
 * Codes and labels of rows whose classes are compared. Callers initialise the struct with `DKVB_SEPARATION_ROWS_INIT`;
 * the library reads the struct during the call only.
 */
typedef struct dkvb_separation_rows {
    size_t struct_size; /**< size of dkvb_separation_rows in bytes, set by DKVB_SEPARATION_ROWS_INIT */
    /**
     * `uint16_t[n][C][k]`, codes of the rows, with no key twice in one codebook; DKVB_CODE_NONE stands where a row
     * selects no key. The codes given to dkvb_separation_measure() may name masked (codebook, key) pairs.
     */
    const uint16_t *codes;
    const int32_t *labels; /**< `int32_t[n]`, labels of the rows in `codes` */
    size_t n;              /**< number of rows in `codes`, at least one of them with a label */
    uint32_t codebooks;    /**< number of codebooks of the codes (C), at most 65,535 */
    uint32_t keys;         /**< number of keys per codebook of the codes (K), at most 65,535 */
    uint32_t k;            /**< number of keys per codebook that the code of a row names (k), 1 to K */
    /** Number of classes of the rows (L); 0 stands for one more than the largest label. */
    uint32_t classes;
    /** Allocator for the measured separation, which the library copies; NULL stands for malloc() and free(). */
    const dkvb_allocator *allocator;
} dkvb_separation_rows;

/** Initialiser of dkvb_separation_rows that gives every member its default. */
#define DKVB_SEPARATION_ROWS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_separation_rows), 0, 0, 0, 0, 0, 1, 0, 0                                                           \
    }
DKVB_INIT_FUNCTION(dkvb_separation_rows, DKVB_SEPARATION_ROWS_INIT)

/**
 * Separation of classes, measured by dkvb_separation_measure(). The library creates and frees dkvb_separation; later
 * versions of the library add members at its end.
 *
 * The overlap of two classes lies between 0 (no common pair) and 1 (the same pairs). The overlap of class A with class
 * B equals the overlap of class B with class A. The overlap of two classes is NaN if one of the classes has no rows, or
 * if neither class selects a pair. The overlap of two classes A and B is measured in two ways, `jaccard` and
 * `weighted`:
 *
 *     jaccard(A, B)  = |A and B| / |A or B|          A, B: sets of the pairs that each class selects (Jaccard 1912)
 *     weighted(A, B) = sum min(a, b) / sum max(a, b) over all pairs; a, b: the fractions of the rows of A and of B
 *                                                    that select the pair (Ruzicka 1958)
 *
 * The silhouette of a row (Rousseeuw 1987) is (b - a) / max(a, b), where a is the mean distance to the other rows of
 * the same class, and b is the mean distance to the rows of the nearest other class. A silhouette of 1 means that the
 * row is far from all other classes, 0 that it lies between two classes, and a negative number that it is nearer to
 * another class. The distance between the codes of two rows is 1 - |common| / (C k), where |common| is the number of
 * pairs that both rows select. The silhouette of the only row of a class is 0; a silhouette is NaN if no other class
 * has rows. Silhouettes are computed exactly, in a number of steps that grows as rows times codebooks times selected
 * keys times classes.
 */
typedef struct dkvb_separation {
    uint32_t classes;       /**< number of classes whose separation was measured (L) */
    uint32_t codebooks;     /**< number of codebooks of the measured codes (C) */
    uint32_t keys;          /**< number of keys per codebook of the measured codes (K) */
    uint64_t n;             /**< number of rows that the caller gave, with or without a label */
    uint64_t labelled;      /**< number of rows with a label */
    uint64_t all_selected;  /**< number of pairs that the rows of at least one class select */
    uint64_t all_exclusive; /**< number of pairs that the rows of exactly one class select */
    double silhouette;      /**< mean silhouette of all rows with a label; NaN if there is none */
    const uint64_t *rows;   /**< `uint64_t[L]`, number of rows of each of the L classes */
    /** `uint64_t[L]`, for each of the L classes, the number of pairs that at least one row of the class selects. */
    const uint64_t *selected;
    /** `uint64_t[L]`, for each of the L classes, the number of pairs that only rows of this class select. */
    const uint64_t *exclusive;
    /**
     * `int32_t[L]`, nearest class of each class: the other class with the largest weighted overlap, the lowest index on
     * a tie; -1 if there is no other class.
     */
    const int32_t *nearest;
    /** `double[L]`, weighted overlap of each class with its nearest class; NaN if a class has no nearest class. */
    const double *overlap;
    /** `double[L]`, mean silhouette of the rows of each class; NaN for a class without rows. */
    const double *silhouettes;
    const double *jaccard;         /**< `double[L][L]`, Jaccard overlap of every two of the L classes */
    const double *weighted;        /**< `double[L][L]`, weighted overlap of every two of the L classes */
    const double *row_silhouettes; /**< `double[n]`, silhouette of each row; NaN for rows with label -1 */
    /** `uint32_t[L][C][K]`, number of rows of each class that select each (codebook, key) pair. */
    const uint32_t *counts;
} dkvb_separation;

/**
 * Measure how far apart the codes of different classes lie.
 *
 * dkvb_separation_measure() takes 4 bytes of memory for each (class, codebook, key), and 8 bytes for each row.
 *
 * @param[out] out   receives the separation of the classes, which the caller releases with dkvb_separation_free(); NULL
 *                   on failure.
 * @param      rows  codes and labels of the rows whose classes are compared.
 * @param      run   run options of the call (threads, progress, ranks); NULL for the defaults. While separation is
 *                   measured, the progress callback counts classes and groups of 64 rows together.
 * @return `DKVB_EINVAL` for a code or label that does not exist, with a message that names the row, for a number of
 *         codebooks, keys or classes out of range, for rows without any label, or for a class of more than (2^31 - 1) /
 *         k rows; `DKVB_ENOMEM`; `DKVB_ECANCELLED`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_separation_measure(dkvb_separation **out, const dkvb_separation_rows *rows,
                                                            const dkvb_run_options *run);

/**
 * Release the result of dkvb_separation_measure().
 *
 * @param separation  result of dkvb_separation_measure() to release; NULL does nothing.
 */
DKVB_API void dkvb_separation_free(dkvb_separation *separation);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
