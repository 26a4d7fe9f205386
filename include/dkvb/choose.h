/**
 * @file
 * @brief Choosing pairs: a method scores every pair, and the pairs with the highest scores enter the mask first.
 *
 * The budget says how many pairs enter the mask. A score is computed from two counts: f is how often the rows to be
 * forgotten select the pair, and r is how often the rows to be kept select it.
 *
 * | method | score of a pair | the budget counts |
 * | --- | --- | --- |
 * | activations | f | pairs (arXiv 2311.15268, section 4.1) |
 * | contrast | f^2 / (f + r): high for many forget rows that are a large share of all rows that select the pair | pairs
 * | | examples | higher, the sooner a row that selects the pair is drawn | rows drawn (arXiv 2311.15268, section 4.2) |
 * | values | v^2 / norm(value) if the pair's value v for the class is positive, else 0 | pairs; this method needs no
 * rows | | every | 1 if f > 0, else 0 | nothing: all pairs with a score of 1 enter the mask |
 *
 * The counts f and r come from the codes of rows, or from the counts of each class that the model keeps
 * (dkvb_model_count_classes()); kept counts need no rows. The method `every` shows the most that a request could do.
 * With k > 1 this method takes most pairs of a model (docs/unlearning.md). The method `values` computes the norm
 * without classes that are marked DKVB_ASIDE. So pairs that serve only such classes may be masked.
 *
 * The order of requests does not matter if all codes were searched without a mask, since the mask in force is the union
 * of the masks of all requests. dkvb_forget_plan() finds how large a budget must be (plan.h).
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

/** Methods of choosing pairs. The numbers of these constants are part of the ABI. */
enum {
    DKVB_METHOD_ACTIVATIONS = 1, /**< score f */
    DKVB_METHOD_CONTRAST = 2,    /**< score f^2 / (f + r) */
    DKVB_METHOD_EXAMPLES = 3,    /**< all pairs of rows that are drawn one by one */
    DKVB_METHOD_VALUES = 4,      /**< score v^2 / norm(value) where v is positive */
    DKVB_METHOD_EVERY = 5        /**< all pairs with f > 0 */
};

/** Marks of rows and classes in a request. The numbers of these constants are part of the ABI. */
enum {
    DKVB_KEEP = 0,   /**< to be kept: counts for r */
    DKVB_FORGET = 1, /**< to be forgotten: counts for f */
    DKVB_ASIDE = 2   /**< set aside: counts for neither f nor r, for example because it was forgotten before */
};

/** A request: which rows or classes to forget, and how to choose pairs. The request starts from `DKVB_REQUEST_INIT`.
 * The arrays of a request are read during the call only. */
typedef struct dkvb_request {
    size_t struct_size;     /**< sizeof(dkvb_request), set by INIT */
    uint32_t method;        /**< DKVB_METHOD_… */
    uint32_t k;             /**< number of keys per codebook in the codes: `top_k` of the model */
    const uint16_t *codes;  /**< `uint16_t[n][codebooks][k]`; NULL: f and r come from the counts of the model */
    size_t n;               /**< number of rows in `codes` */
    const uint8_t *rows;    /**< with codes: `uint8_t[n]`, a mark for each row; NULL: all rows are to be forgotten */
    const uint8_t *classes; /**< without codes, and for `values`: `uint8_t[classes]`, a mark for each class */
    uint64_t seed;          /**< method `examples`: seed of the random draw */
} dkvb_request;

/** Defaults of dkvb_request. */
#define DKVB_REQUEST_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_request), DKVB_METHOD_ACTIVATIONS, 1, 0, 0, 0, 0, 0                                                \
    }
DKVB_INIT_FUNCTION(dkvb_request, DKVB_REQUEST_INIT)

/**
 * Choose the pairs of a request and add them to a mask.
 *
 * The call adds the `budget` pairs with the highest scores of all codebooks together; among equal scores, pairs with
 * lower numbers come first. The method `examples` adds all pairs of the first `budget` rows drawn. The method `every`
 * ignores the budget. Pairs with a score of 0 are never added, so the mask may gain fewer pairs than the budget.
 *
 * @param mask     mask of the model's codebooks, which gains the pairs.
 * @param model    the model.
 * @param request  the request.
 * @param budget   number of pairs; for `examples` number of rows.
 * @param run      run options; NULL for the defaults.
 * @return `DKVB_EINVAL` if nothing is to be forgotten, or if the request lacks what the method needs; `DKVB_EMISMATCH`;
 *         `DKVB_ENOTFOUND` if neither codes nor kept counts are there; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_unlearn_choose(dkvb_mask *mask, const dkvb_model *model,
                                                        const dkvb_request *request, uint64_t budget,
                                                        const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
