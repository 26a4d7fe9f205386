/**
 * @file
 * @brief Choosing what to mask: a method scores every (codebook, key) pair, and the pairs with the highest scores enter
 * the mask first.
 *
 * The budget of a request says how many pairs enter the mask. Most methods compute the score of a pair from two counts:
 * f is how often the rows to forget select the pair, and r is how often the rows to keep select it.
 *
 * - Method `activations`: the score of a pair is f, and the budget counts pairs (arXiv 2311.15268, section 4.1).
 * - Method `contrast`: the score of a pair is f^2 / (f + r), which is high if many forget rows select the pair and are
 *   a large fraction of all rows that select it. The budget of `contrast` counts pairs.
 * - Method `examples`: a pair scores higher, the sooner a row that selects it is drawn. The budget of `examples` counts
 *   drawn rows (arXiv 2311.15268, section 4.2).
 * - Method `values`: the score of a pair is v^2 / norm(value) if its value v for the forgotten class is positive, else
 *   0. The budget of `values` counts pairs, and the method needs no rows.
 * - Method `every`: the score of a pair is 1 if f > 0, else 0. All pairs with score 1 enter the mask; the budget is
 *   ignored.
 *
 * The counts f and r come from the codes of rows, or from the counts of each class that the model keeps
 * (dkvb_model_count_classes()). With kept counts, a request to forget needs no rows. The method `every` shows the
 * largest effect that masking can have. With k > 1 the method `every` masks most pairs of a model (docs/unlearning.md).
 * The method `values` computes the norm without classes that are marked DKVB_ASIDE. So the method `values` may mask
 * pairs that serve only classes marked DKVB_ASIDE.
 *
 * The order of requests does not matter if all codes were searched without a mask, since the mask in force is the union
 * of the masks of all requests. dkvb_forget_plan() finds how large the budget of a request must be (plan.h).
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

/** @addtogroup dkvb_unlearn Unlearning
 *  @{ */

/** Methods of choosing which pairs to mask. The numbers of the DKVB_METHOD_… constants are part of the ABI. */
enum {
    DKVB_METHOD_ACTIVATIONS = 1, /**< score of a pair: f, how often the rows to forget select it */
    /** Score of a pair: f^2 / (f + r), from its counts in rows to forget (f) and rows to keep (r). */
    DKVB_METHOD_CONTRAST = 2,
    DKVB_METHOD_EXAMPLES = 3, /**< all pairs that a forgotten row selects, with rows drawn one by one at random */
    /** Score of a pair: v^2 / norm(value) if its value v for the forgotten class is positive, else 0. */
    DKVB_METHOD_VALUES = 4,
    DKVB_METHOD_EVERY = 5 /**< all pairs that at least one row to forget selects */
};

/**
 * Marks that a request gives to rows and classes. The numbers of DKVB_KEEP, DKVB_FORGET and DKVB_ASIDE are part of the
 * ABI.
 */
enum {
    DKVB_KEEP = 0,   /**< the row or class is to be kept: its rows count for r */
    DKVB_FORGET = 1, /**< the row or class is to be forgotten: its rows count for f */
    /**
     * The row or class is set aside, for example because it was forgotten before: its rows count for neither f nor r.
     */
    DKVB_ASIDE = 2
};

/**
 * A request says which rows or classes to forget, and how to choose the pairs to mask. Callers initialise the request
 * with `DKVB_REQUEST_INIT`. The arrays of a request are read during the call only.
 */
typedef struct dkvb_request {
    size_t struct_size; /**< size of dkvb_request in bytes, set by DKVB_REQUEST_INIT */
    uint32_t method;    /**< method of choosing pairs, DKVB_METHOD_… */
    uint32_t k;         /**< number of keys per codebook in the codes, equal to `top_k` of the model */
    /** `uint16_t[n][codebooks][k]`, codes of rows; NULL if f and r come from the counts that the model keeps. */
    const uint16_t *codes;
    size_t n;            /**< number of rows in `codes` */
    const uint8_t *rows; /**< `uint8_t[n]`, a mark for each row of `codes`; NULL if all rows are to be forgotten */
    /** `uint8_t[classes]`, a mark for each class; read if there are no codes, and by the method `values`. */
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
 * Choose pairs for a request and add them to a mask.
 *
 * The function adds the `budget` pairs with the highest scores among all codebooks; among equal scores, pairs with
 * lower numbers come first. The method `examples` adds all pairs of the first `budget` rows drawn. The method `every`
 * ignores the budget. Pairs with a score of 0 are never added, so the mask may gain fewer pairs than the budget.
 *
 * @param mask     mask of the model's codebooks, to which the pairs are added.
 * @param model    the model, which is only read.
 * @param request  the rows or classes to forget, and the method.
 * @param budget   number of pairs to choose; for the method `examples`, number of rows to draw.
 * @param run      run options (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` if nothing is to be forgotten, or if the request lacks what the method needs; `DKVB_EMISMATCH`
 *         if the mask or the codes do not fit the model; `DKVB_ENOTFOUND` if there are neither codes nor kept
 *         counts; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_unlearn_choose(dkvb_mask *mask, const dkvb_model *model,
                                                        const dkvb_request *request, uint64_t budget,
                                                        const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
