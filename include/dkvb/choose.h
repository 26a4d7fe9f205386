/**
 * Choosing pairs: a method gives every pair a score from what is known of the forget set, the pairs with the highest
 * scores go first, and the budget says how many. With f = how often the rows to be forgotten select a pair, and r = how
 * often the rows to be kept do:
 *
 * | method | score | budget counts |
 * | --- | --- | --- |
 * | activations | f | pairs (arXiv 2311.15268, section 4.1) |
 * | contrast | f^2 / (f + r): many forget rows, and a large share of those who select it | pairs |
 * | examples | the sooner a row that selects it is drawn, the higher | rows drawn (arXiv 2311.15268, section 4.2) |
 * | values | v^2 / norm(value) where the pair's value v for the class is positive | pairs; needs no data at all |
 * | every | any pair with f > 0 | nothing: all of them go |
 *
 * f and r come from the codes of rows, or from the per-class counts that the model keeps (dkvb_model_count_classes()),
 * which need no data either. `every` shows what a request could do at most; with k > 1 it takes most of a model
 * (docs/unlearning.md). `values` leaves classes that are DKVB_ASIDE out of the norm: pairs that serve them are free to
 * go.
 *
 * Codes that were searched without a mask make requests commute, since the mask in force is the union of what each
 * asked for. How large a budget must be is for dkvb_forget_plan() to find (plan.h).
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

/* Methods are numbered from 1. Values are part of the ABI. */
enum {
    DKVB_METHOD_ACTIVATIONS = 1,
    DKVB_METHOD_CONTRAST = 2,
    DKVB_METHOD_EXAMPLES = 3,
    DKVB_METHOD_VALUES = 4,
    DKVB_METHOD_EVERY = 5
};

/* Marks say what a row or a class is to a request. Values are part of the ABI. */
enum {
    DKVB_KEEP = 0,   /**< counts for r */
    DKVB_FORGET = 1, /**< counts for f */
    DKVB_ASIDE = 2   /**< counts for neither: forgotten before, for instance */
};

/** A request says who is to be forgotten and how pairs are chosen. It starts from `DKVB_REQUEST_INIT`; its pointers are
 * read during the call. */
typedef struct dkvb_request {
    size_t struct_size;     /**< sizeof(dkvb_request), set by INIT */
    uint32_t method;        /**< DKVB_METHOD_… */
    uint32_t k;             /**< of the codes: the model's `top_k` */
    const uint16_t *codes;  /**< `uint16_t[n][codebooks][k]`; NULL: f and r from the counts that the model keeps */
    size_t n;               /**< rows of codes */
    const uint8_t *rows;    /**< with codes: `uint8_t[n]`, DKVB_KEEP …; NULL: all are to be forgotten */
    const uint8_t *classes; /**< without codes, and for `values`: `uint8_t[classes]`, DKVB_KEEP … */
    uint64_t seed;          /**< `examples`: of the draw */
} dkvb_request;

#define DKVB_REQUEST_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_request), DKVB_METHOD_ACTIVATIONS, 1, 0, 0, 0, 0, 0                                                \
    }
DKVB_INIT_FUNCTION(dkvb_request, DKVB_REQUEST_INIT)

/**
 * The mask gains the pairs that a request chooses: the `budget` pairs with the highest scores, all codebooks together,
 * ties to the lowest pair (`examples`: those of the first `budget` rows drawn; `every`: all, whatever the budget).
 * Pairs with a score of 0 are never taken, so fewer may be added.
 *
 * @param mask  of the model's codebooks.
 * @return `DKVB_EINVAL` (nothing to forget, or a method that cannot do with what is given), `DKVB_EMISMATCH`,
 *         `DKVB_ENOTFOUND` (no codes, and the model keeps no counts), `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_unlearn_choose(dkvb_mask *mask, const dkvb_model *model,
                                                        const dkvb_request *request, uint64_t budget,
                                                        const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
