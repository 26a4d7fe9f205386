/* Chooses the key-value pairs to mask for a forgetting. The forgetting method of a request gives every pair a score;
 * from the scores follows a mask of the best pairs, or a ranking of all pairs. */
#include "unlearn/choose.h"

#include "base/alloc.h"
#include "base/sort.h"
#include "base/status.h"
#include "bottleneck/codes.h"

static const struct dkvb__method *const methods[] = {
    [DKVB_METHOD_ACTIVATIONS] = &dkvb__by_activations,
    [DKVB_METHOD_CONTRAST] = &dkvb__by_contrast,
    [DKVB_METHOD_EXAMPLES] = &dkvb__by_examples,
    [DKVB_METHOD_VALUES] = &dkvb__by_values,
    [DKVB_METHOD_EVERY] = &dkvb__by_every,
};

enum { METHODS = sizeof methods / sizeof *methods };

/* Checks the marks of rows or classes: each must be DKVB_KEEP, DKVB_FORGET or DKVB_ASIDE, and at least one must be
 * DKVB_FORGET. */
static dkvb_status check_marks(const uint8_t *marks, size_t n, const char *what)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        if (marks[i] > DKVB_ASIDE)
            return dkvb__fail(DKVB_EINVAL, "request: %s %zu is marked %u, it must be 0 to %d", what, i, marks[i],
                              DKVB_ASIDE);
        any = any || marks[i] == DKVB_FORGET;
    }
    return any ? DKVB_OK : dkvb__fail(DKVB_EINVAL, "request: no %s of %zu is marked to be forgotten", what, n);
}

static dkvb_status check_rows(const dkvb_model *model, const dkvb_request *q)
{
    dkvb_status rc = dkvb__check_codes(model, q->codes, q->k, q->n);

    if (rc)
        return rc;
    if (q->n == 0)
        return dkvb__fail(DKVB_EINVAL, "request: no rows, so there is nothing to forget");
    return q->rows ? check_marks(q->rows, q->n, "row") : DKVB_OK;
}

static dkvb_status check_classes(const dkvb_model *model, const dkvb_request *q)
{
    if (!q->classes)
        return dkvb__fail(DKVB_EINVAL, "request: method %s without codes needs classes",
                          dkvb_name(DKVB_NAME_METHOD, q->method));
    if (q->method == DKVB_METHOD_EXAMPLES)
        return dkvb__fail(DKVB_EINVAL, "request: method examples needs codes");
    if (q->method != DKVB_METHOD_VALUES && !model->counts)
        return dkvb__fail(DKVB_ENOTFOUND,
                          "the model keeps no counts of its classes: give codes of rows, or take method values");
    return check_marks(q->classes, model->classes, "class");
}

static dkvb_status take_choice(struct dkvb__choice *choice, struct dkvb__run *run, const dkvb_model *model,
                               const dkvb_request *given, const dkvb_run_options *opts)
{
    dkvb_request *q = &choice->request;
    dkvb_status rc = dkvb__run_take(run, opts);

    *q = (dkvb_request)DKVB_REQUEST_INIT;
    choice->model = model;
    choice->run = run;
    if (!rc)
        rc = dkvb__take_options(q, sizeof *q, given, "request");
    if (rc)
        return rc;
    if (q->method < 1 || q->method >= METHODS)
        return dkvb__fail(DKVB_EINVAL, "request: method %u is unknown", q->method);
    if (q->codes && !methods[q->method]->from_values)
        return check_rows(model, q);
    return check_classes(model, q);
}

/* Computes the scores of all key-value pairs by a forgetting method; the caller frees the array. */
static dkvb_status score_pairs(const struct dkvb__choice *choice, uint64_t **scores)
{
    const dkvb_model *m = choice->model;
    dkvb_status rc;

    *scores = dkvb__alloc0(&m->mem, dkvb__pair_count(m), sizeof **scores);
    rc = *scores ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the scores of %zu pairs", dkvb__pair_count(m));
    rc = dkvb__model_agree(m, rc);
    if (!rc)
        rc = dkvb__model_agree(m, methods[choice->request.method]->score(choice, *scores));
    if (rc) {
        dkvb__free(&m->mem, *scores);
        *scores = NULL;
    }
    return rc;
}

/* Returns the least score of the pairs that the forgetting method `examples` masks at a given budget; the budget of
 * this method is a number of rows. The forgetting method `examples` draws rows one after the other; the pairs that the
 * first row selects get the highest score. */
static uint64_t least_of_examples(const uint64_t *scores, size_t pairs, uint64_t budget)
{
    uint64_t most = 0;

    for (size_t i = 0; i < pairs; i++)
        most = scores[i] > most ? scores[i] : most;
    return budget < most ? most - budget + 1 : 1;
}

dkvb_status dkvb_unlearn_choose(dkvb_mask *mask, const dkvb_model *model, const dkvb_request *request, uint64_t budget,
                                const dkvb_run_options *opts)
{
    struct dkvb__choice choice;
    struct dkvb__run run;
    uint64_t *scores;
    dkvb_status rc = take_choice(&choice, &run, model, request, opts);

    if (!rc)
        rc = dkvb__mask_check(mask, model->codebooks);
    if (!rc)
        rc = score_pairs(&choice, &scores);
    if (rc)
        return rc;
    if (choice.request.method == DKVB_METHOD_EVERY)
        dkvb__take_from(mask, scores, 1);
    else if (choice.request.method == DKVB_METHOD_EXAMPLES && budget > 0)
        dkvb__take_from(mask, scores, least_of_examples(scores, dkvb__pair_count(model), budget));
    else if (choice.request.method != DKVB_METHOD_EXAMPLES)
        dkvb__take_largest(mask, scores, budget);
    dkvb__free(&model->mem, scores);
    return DKVB_OK;
}

/* Computes the rank of each key-value pair, which is its place when all pairs are sorted by score: largest score first,
 * equal scores by pair number. */
static dkvb_status rank_by_place(const dkvb_model *model, const uint64_t *scores, uint32_t *rank)
{
    size_t pairs = dkvb__pair_count(model), count = 0;
    struct dkvb__keyed *items = dkvb__alloc(&model->mem, pairs, 2 * sizeof *items);

    if (!items)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to rank %zu pairs", pairs);
    for (size_t i = 0; i < pairs; i++)
        if (scores[i] > 0)
            items[count++] = (struct dkvb__keyed){~scores[i], i};
    dkvb__sort_keyed(items, items + pairs, count);
    for (size_t i = 0; i < count; i++)
        rank[items[i].index] = (uint32_t)i + 1;
    dkvb__free(&model->mem, items);
    return DKVB_OK;
}

dkvb_status dkvb__unlearn_rank(uint32_t *rank, const dkvb_model *model, const dkvb_request *request,
                               const dkvb_run_options *opts)
{
    size_t pairs = dkvb__pair_count(model);
    struct dkvb__choice choice;
    struct dkvb__run run;
    uint64_t *scores, most = 0;
    dkvb_status rc = take_choice(&choice, &run, model, request, opts);

    if (!rc)
        rc = score_pairs(&choice, &scores);
    if (rc)
        return rc;
    for (size_t i = 0; i < pairs; i++) {
        rank[i] = DKVB__RANK_NEVER;
        most = scores[i] > most ? scores[i] : most;
    }
    if (choice.request.method == DKVB_METHOD_EXAMPLES || choice.request.method == DKVB_METHOD_EVERY)
        for (size_t i = 0; i < pairs; i++)
            rank[i] = scores[i] ? (uint32_t)(most - scores[i] + 1) : DKVB__RANK_NEVER;
    else
        rc = dkvb__model_agree(model, rank_by_place(model, scores, rank));
    dkvb__free(&model->mem, scores);
    return rc;
}

void dkvb__unlearn_by_rank(dkvb_mask *mask, const uint32_t *rank, uint64_t budget)
{
    uint32_t most = budget < DKVB__RANK_NEVER ? (uint32_t)budget : DKVB__RANK_NEVER - 1;

    for (size_t c = 0; c < mask->codebooks; c++, rank += mask->keys)
        for (size_t j = 0; j < mask->keys; j++)
            if (rank[j] <= most)
                dkvb__mask_set(mask, c, j);
}
