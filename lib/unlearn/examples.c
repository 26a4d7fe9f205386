/* Unlearning via examples (arXiv 2311.15268, section 4.2): the method masks every key-value pair that some examples of
 * the forget set select. */
#include "base/alloc.h"
#include "base/rng.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "dkvb/search.h"
#include "unlearn/choose.h"

/* Lists the rows that a request forgets, in the order in which the method `examples` draws them; the caller frees the
 * list. */
static dkvb_status draw_rows(const struct dkvb__choice *choice, size_t **drawn, size_t *count)
{
    const dkvb_request *q = &choice->request;
    size_t *rows = dkvb__alloc(&choice->model->mem, q->n, 3 * sizeof *rows), n = 0;
    struct dkvb__rng rng;

    *drawn = NULL;
    *count = 0;
    if (!rows)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to choose among %zu rows", q->n);
    for (size_t r = 0; r < q->n; r++)
        if (!q->rows || q->rows[r] == DKVB_FORGET)
            rows[q->n + n++] = r;
    dkvb__rng_seed(&rng, q->seed, 0);
    dkvb__rng_choose(&rng, n, n, rows, rows + 2 * q->n);
    for (size_t i = 0; i < n; i++)
        rows[i] = rows[q->n + rows[i]];
    *drawn = rows;
    *count = n;
    return DKVB_OK;
}

/* Scores key-value pairs by the method `examples`: if, of n rows, the row drawn at place i is the first one to select a
 * pair, the pair's score is n - i, so rows that are drawn earlier give higher scores. */
static dkvb_status score(const struct dkvb__choice *choice, uint64_t *scores)
{
    const dkvb_model *m = choice->model;
    size_t *rows, n, size = dkvb__code_size(m);
    dkvb_status rc = draw_rows(choice, &rows, &n);

    for (size_t i = n; !rc && i-- > 0;) {
        const uint16_t *code = choice->request.codes + rows[i] * size;

        for (size_t j = 0; j < size; j++)
            if (code[j] != DKVB_CODE_NONE)
                scores[j / m->top_k * m->codebooks->shape.keys + code[j]] = n - i;
    }
    dkvb__free(&m->mem, rows);
    return rc;
}

const struct dkvb__method dkvb__by_examples = {false, score};
