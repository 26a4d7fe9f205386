/**
 * @file
 * @brief Choosing what to mask: a method scores every (codebook, key) pair, and the pairs with the highest scores enter
 * the mask first.
 *
 * The budget of a request to forget says how many (codebook, key) pairs enter the mask. Most methods compute the score
 * of a (codebook, key) pair from two counts: f is how often the rows to forget select the pair, and r is how often the
 * rows to keep select the pair.
 *
 * - Method `activations`: the score of a (codebook, key) pair is f, how often the rows to forget select the pair, and
 *   the budget counts pairs (arXiv 2311.15268, section 4.1).
 * - Method `contrast`: the score of a (codebook, key) pair is f^2 / (f + r), which is high if many forget rows select
 *   the pair and are a large fraction of all rows that select it. The budget of the method `contrast` counts pairs.
 * - Method `examples`: forget rows are drawn at random, and a (codebook, key) pair scores higher, the sooner a row that
 *   selects the pair is drawn. The budget of the method `examples` counts drawn rows (arXiv 2311.15268, section 4.2).
 * - Method `values`: the score of a (codebook, key) pair is v^2 / norm(value) if its value v for the forgotten class is
 *   positive, else 0. The budget of the method `values` counts pairs, and the method needs no rows.
 * - Method `every`: the score of a (codebook, key) pair is 1 if a forget row selects the pair (f > 0), else 0. The
 *   method `every` masks all pairs with score 1 and ignores the budget.
 *
 * The counts f (selections by rows to forget) and r (selections by rows to keep) of a (codebook, key) pair come from
 * the codes of rows, or from the counts of each class that the model keeps (dkvb_model_count_classes()). If the model
 * keeps counts of each class, a request to forget classes needs no rows. The method `every` shows the largest effect
 * that masking can have. With more than one selected key per codebook (k > 1), the method `every` masks most pairs of a
 * model (docs/unlearning.md). The method `values` computes the norm of a pair's values without classes that are marked
 * DKVB_ASIDE. The method `values` may mask pairs that serve only classes marked DKVB_ASIDE, since the method leaves
 * these classes out of the norm of a pair's values.
 *
 * The order of requests to forget does not matter if all codes were searched without a mask, since the mask in force is
 * the union of the masks of all requests. dkvb_forget_plan() finds how large the budget of a request must be (plan.h).
 */
#ifndef DKVB_CHOOSE_H
#define DKVB_CHOOSE_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "mask.h"
#include "model.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_unlearn
 *  @{ */

/**
 * Methods of choosing which (codebook, key) pairs to mask. The numbers of the DKVB_METHOD_… constants are part of the
 * ABI.
 */
enum {
    /** Method activations: the score of a (codebook, key) pair is f, how often the rows to forget select the pair. */
    DKVB_METHOD_ACTIVATIONS = 1,
    /**
     * Method contrast: the score of a (codebook, key) pair is f^2 / (f + r), where f counts the rows to forget that
     * select the pair, and r the rows to keep.
     */
    DKVB_METHOD_CONTRAST = 2,
    /**
     * Method examples: forget rows are drawn one by one at random, and all pairs that a drawn row selects are masked.
     */
    DKVB_METHOD_EXAMPLES = 3,
    /**
     * Method values: the score of a (codebook, key) pair is v^2 / norm(value) if its value v for the forgotten class is
     * positive, else 0.
     */
    DKVB_METHOD_VALUES = 4,
    /** Method every: all (codebook, key) pairs that at least one row to forget selects are masked. */
    DKVB_METHOD_EVERY = 5
};

/**
 * Marks that a request to forget gives to rows and classes. The numbers of DKVB_KEEP, DKVB_FORGET and DKVB_ASIDE are
 * part of the ABI.
 */
enum {
    /** Mark of a row or class to keep, whose rows count in r: how often rows to keep select a (codebook, key) pair. */
    DKVB_KEEP = 0,
    /**
     * Mark of a row or class to forget, whose rows count in f: how often rows to forget select a (codebook, key) pair.
     */
    DKVB_FORGET = 1,
    /**
     * Mark of a row or class that is set aside, for example because it was forgotten before: the choice of (codebook,
     * key) pairs ignores its rows.
     */
    DKVB_ASIDE = 2
};

/**
 * A request to forget says which rows or classes to forget, and how to choose the (codebook, key) pairs to mask.
 * Callers initialise a `dkvb_request` with `DKVB_REQUEST_INIT`. The library reads the arrays of a request during the
 * call only.
 */
typedef struct dkvb_request {
    size_t struct_size; /**< size of dkvb_request in bytes, set by DKVB_REQUEST_INIT */
    uint32_t method;    /**< method of choosing the (codebook, key) pairs to mask, DKVB_METHOD_… */
    uint32_t k;         /**< number of keys per codebook in the codes, equal to `top_k` of the model */
    /**
     * `uint16_t[n][codebooks][k]`, codes of the rows to forget and to keep; NULL if the model's counts of each class
     * stand for the rows.
     */
    const uint16_t *codes;
    size_t n; /**< number of rows whose codes are in `codes` */
    /** `uint8_t[n]`, a mark (DKVB_FORGET …) for each row of `codes`; NULL if all rows are to be forgotten. */
    const uint8_t *rows;
    /**
     * `uint8_t[classes]`, a mark (DKVB_FORGET …) for each class; read if there are no codes, and by the method
     * `values`.
     */
    const uint8_t *classes;
    uint64_t seed; /**< seed of the random draw of the method `examples` */
} dkvb_request;

/** Initialiser of dkvb_request that gives every member its default. */
#define DKVB_REQUEST_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_request), DKVB_METHOD_ACTIVATIONS, 1, 0, 0, 0, 0, 0                                                \
    }
DKVB_INIT_FUNCTION(dkvb_request, DKVB_REQUEST_INIT)

/**
 * Choose (codebook, key) pairs for a request to forget, and add the pairs to a mask.
 *
 * dkvb_unlearn_choose() adds the `budget` pairs with the highest scores among all codebooks; among equal scores, pairs
 * with lower numbers come first. The method `examples` adds to the mask all pairs that the first `budget` drawn rows
 * select. The method `every` ignores the budget. dkvb_unlearn_choose() never adds (codebook, key) pairs with a score of
 * 0, so the mask may gain fewer pairs than the budget.
 *
 * @param mask     mask of the model's codebooks, to which the chosen pairs are added.
 * @param model    the model that is to forget; only read.
 * @param request  the request: which rows or classes to forget, and by which method.
 * @param budget   number of (codebook, key) pairs to choose; for the method `examples`, number of rows to draw.
 * @param run      run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` if nothing is to be forgotten, or if the request lacks data that its method needs;
 *         `DKVB_EMISMATCH` if the mask or the codes do not fit the model; `DKVB_ENOTFOUND` if the request has no codes
 *         and the model keeps no counts; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_unlearn_choose(dkvb_mask *mask, const dkvb_model *model,
                                                        const dkvb_request *request, uint64_t budget,
                                                        const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
