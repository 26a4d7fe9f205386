#include "format/values_ranks.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/value_types.h"

/* Moves the next `count` rows of values from all ranks to rank 0. Each rank packs the rows of values of its own
 * key-value pairs, which lie side by side in the bytes that it sends. */
static dkvb_status move_rows(struct dkvb__values_ranks *w, size_t count, void *to)
{
    const dkvb_model *m = w->model;
    const dkvb_ranks *ranks = &m->codebooks->ranks;
    const struct dkvb__shape *s = &m->codebooks->shape;
    size_t row = m->classes * dkvb__value_size(m->values_dtype), words = dkvb__key_words(s->keys);
    size_t first[DKVB_RANKS_COUNT + 1], send[DKVB_RANKS_COUNT] = {0}, receive[DKVB_RANKS_COUNT] = {0};
    uint32_t owner = 0;
    dkvb_status rc = DKVB_OK;

    if (w->room < count * row) {
        dkvb__free_erased(&m->mem, w->piece);
        w->room = count * row;
        w->piece = dkvb__alloc(&m->mem, w->room, 1);
        if (!w->piece) {
            w->room = 0;
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the values of %zu pairs", count);
        }
    }
    rc = dkvb__ranks_agree(ranks, rc);
    dkvb__pairs_of_ranks(m, first);
    for (; !rc && count > 0 && w->pair < dkvb__pair_count(m); w->pair++) {
        if (w->bits && !dkvb__bit(w->bits + w->pair / s->keys * words, w->pair % s->keys))
            continue;
        while (w->pair >= first[owner + 1])
            owner++;
        if (owner == ranks->rank) {
            memcpy(w->piece + send[0], dkvb__values_of(m, w->pair), row);
            send[0] += row;
        }
        if (ranks->rank == 0)
            receive[owner] += row;
        count--;
    }
    if (!rc)
        rc = dkvb__ranks_exchange(ranks, w->piece, send, to, receive);
    w->broken = rc != DKVB_OK;
    return rc;
}

/* Moves the selection counts of the next class from all ranks (processes) to rank 0. */
static dkvb_status move_counts(struct dkvb__values_ranks *w, void *to)
{
    const dkvb_model *m = w->model;
    const dkvb_ranks *ranks = &m->codebooks->ranks;
    size_t first[DKVB_RANKS_COUNT + 1], send[DKVB_RANKS_COUNT] = {0}, receive[DKVB_RANKS_COUNT] = {0};
    dkvb_status rc;

    dkvb__pairs_of_ranks(m, first);
    for (uint32_t r = 0; ranks->rank == 0 && r < ranks->count; r++)
        receive[r] = (first[r + 1] - first[r]) * sizeof(uint32_t);
    send[0] = dkvb__own_pairs(m) * sizeof(uint32_t);
    rc = dkvb__ranks_exchange(ranks, dkvb__class_counts_of(m, w->label++), send, to, receive);
    w->broken = rc != DKVB_OK;
    return rc;
}

/* A request of rank 0 to the other ranks (processes), for values or counts of a model that is being saved. */
struct wanted {
    uint64_t rows; /* number of rows of values that rank 0 asks the other ranks for */
    /* 1 if rank 0 asks for the selection counts of a class; `rows` and `counts` are both 0 if rank 0 asks for nothing
     * more */
    uint64_t counts;
};

static dkvb_status ask(const struct dkvb__values_ranks *w, struct wanted *wanted)
{
    return dkvb__ranks_broadcast(&w->model->codebooks->ranks, wanted, sizeof *wanted);
}

dkvb_status dkvb__values_ranks_produce(void *context, uint64_t offset, void *to, size_t size)
{
    struct dkvb__values_ranks *w = context;
    struct wanted wanted = {size / (w->model->classes * dkvb__value_size(w->model->values_dtype)), 0};
    dkvb_status rc = ask(w, &wanted);

    /* the offset in the section is not needed, as the writer of the model file asks for all rows of values in order */
    (void)offset;
    return rc ? rc : move_rows(w, (size_t)wanted.rows, to);
}

dkvb_status dkvb__counts_ranks_produce(void *context, uint64_t offset, void *to, size_t size)
{
    struct dkvb__values_ranks *w = context;
    size_t of_class = dkvb__pair_count(w->model) * sizeof(uint32_t);
    dkvb_status rc = DKVB_OK;

    (void)offset;
    for (size_t at = 0; !rc && at < size; at += of_class) {
        rc = ask(w, &(struct wanted){0, 1});
        if (!rc)
            rc = move_counts(w, (char *)to + at);
    }
    return rc;
}

dkvb_status dkvb__values_ranks_end(struct dkvb__values_ranks *w)
{
    dkvb__free_erased(&w->model->mem, w->piece);
    w->piece = NULL;
    return w->broken ? DKVB_OK : ask(w, &(struct wanted){0, 0});
}

dkvb_status dkvb__values_ranks_serve(struct dkvb__values_ranks *w)
{
    struct wanted wanted;
    dkvb_status rc;

    do {
        rc = ask(w, &wanted);
        if (!rc && wanted.rows > 0)
            rc = move_rows(w, (size_t)wanted.rows, NULL);
        else if (!rc && wanted.counts > 0)
            rc = move_counts(w, NULL);
    } while (!rc && (wanted.rows > 0 || wanted.counts > 0));
    dkvb__free_erased(&w->model->mem, w->piece);
    w->piece = NULL;
    return rc;
}
