/*
 * Searches the budget of a forgetting: how many key-value pairs must be masked until accuracies on forgotten classes
 * fall below their limits. As the budget (number of masked pairs) grows, the model's answer to a row stays the same
 * until one of the row's selected keys is masked. Each row is followed while the budget (number of masked pairs) grows,
 * from one masked key of the row to the next, and only the budgets at which the model's answer turns right or wrong are
 * stored. The sorted budgets at which the model's answers to rows turn right or wrong give the accuracy at every budget
 * (number of masked pairs).
 *
 * Ranks (processes) that share a model know the codes of all rows, and so know when a row gains or loses a pair as ever
 * more pairs are masked, but each rank has the values of its own pairs only. To follow a row over budgets (numbers of
 * masked pairs), a rank (process) needs data from all ranks that share the model: the sums of values in their groups of
 * codebooks with no pair masked, then the values of the pairs that the row gains and loses, by ascending budget.
 *
 * The rows to be forgotten are few, and only their answers determine the smallest budget (number of masked pairs) that
 * reaches the target accuracy. Kept rows are many, and are decoded only with the fewest masked pairs that bring the
 * rows to be forgotten to the target accuracy; if this costs kept classes too much, the answers to kept rows are
 * followed too.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/exact_math.h"
#include "base/sort.h"
#include "base/status.h"
#include "base/widen.h"
#include "bottleneck/codes.h"
#include "bottleneck/sums.h"
#include "bottleneck/value_types.h"
#include "dkvb/search.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"

/* The search for a budget (number of masked pairs) ends after ROUNDS rounds, each of which goes on to larger budgets.
 * Each round of the search for a budget follows the answers to rows up to four times as many masked pairs as the round
 * before. */
enum { ROUNDS = 4, FURTHER = 2 };

/* largest number of bytes that a rank (process) sends to the others at a time, unless a single row needs more */
enum { BLOCK_BYTES = 32 << 20 };

/* Turns of the answer to a row are the budgets (numbers of masked pairs) at which the answer becomes right, or becomes
 * wrong. A turn is a budget (number of masked pairs) at which the model's answer to a row changes: the turn's sort key
 * is the budget; its index tells the row, and whether the answer turns right. */
struct turns {
    struct dkvb__keyed *at;
    size_t count, capacity;
};

/* Memory of a thread that follows the model's answers to rows as the budget (number of masked pairs) grows. */
struct follower {
    /* The key-value pairs that a row gains and loses as the budget (number of masked pairs) grows, room for 2 pairs for
     * each of its codes: the sort key is the budget, the index 2 * pair + 1 for a gained pair and 2 * pair for a lost
     * one. */
    struct dkvb__keyed *changes, *scratch;
    size_t changed;
    /* Number of the row's selected pairs with learned values; if this number falls to 0, the model gives no answer to
     * the row. */
    size_t learned;
    /* keys of one codebook that the followed row selects when the present number of pairs is masked, [top_k] */
    uint16_t *selected;
    uint16_t *code; /* keys that the followed row selects before any pair is masked, [codebooks][top_k] */
    double *sums;   /* sums of the values of the pairs that the followed row selects, for each class, [classes] */
    float *value, *logits; /* scratch space for the values of one key-value pair and for logits, [classes] */
    /* For each rank (process), the index of the next byte to read of those that the rank sent about the followed row,
     * [ranks]. */
    size_t *from;
    struct turns turns;
    /* true if the answer to a row turned right or wrong more often than the memory could store, so that the row is
     * followed again with more memory */
    bool full;
};

struct following {
    const dkvb_model *model;
    const uint32_t *rank;
    dkvb_codeset_rows held;
    const uint8_t *classes;
    uint64_t limit; /* largest budget (number of masked pairs) to which the answers to rows are followed */
    /* true if the model's answers to rows of kept classes are followed too while ever more pairs are masked */
    bool kept;
    struct follower *followers; /* for each thread, the memory with which it follows the answers to rows, [threads] */
    /* marks of the key-value pairs whose values are not all 0, [codebooks][keys]: one byte per pair, as these bytes
     * stay in the cache, while looking up the values of millions of selected pairs would wait for memory */
    uint8_t *learned;
    uint8_t *right; /* marks of the rows whose answer is right at budget 0 (no pair masked), [n] */
    /* rows whose answers were not yet followed up to the largest number of masked pairs, [n], and the number of such
     * rows */
    size_t *open, open_count;
    /* marks of rows whose answers were followed up to the largest budget (number of masked pairs), [n] */
    uint8_t *followed;

    /* The block of rows for which ranks (processes) exchange data at a time: the rows open[first] to open[first + block
     * - 1], where `open` lists rows that are still to be followed. */
    size_t first, block;
    /* For each followed row and each rank (process), the number of bytes that the rank sends about the row,
     * [rows][ranks]. */
    uint64_t *needs;
    char *own; /* the bytes that this rank (process) sends about all rows of a block, rows ascending */
    /* bytes that this rank (process) received about those rows of a block that belong to it: ranks ascending, rows
     * ascending */
    char *all;
    /* For each row, where its bytes begin: before ranks (processes) exchange bytes, the index in the array `own` of
     * bytes to send, [block]; afterwards, the index in the array `all` of received bytes, [ranks][own rows]. */
    size_t *starts;
};

static uint32_t rank_of(const struct following *f, size_t c, uint16_t key)
{
    return f->rank[c * f->model->codebooks->shape.keys + key];
}

/* Returns the rank (process) that has the values of a group of codebooks. */
static uint32_t owner_of(const struct following *f, size_t group)
{
    return dkvb__ranks_owner(&f->model->codebooks->ranks, dkvb__groups(f->model), group);
}

static size_t group_of(const struct following *f, size_t pair)
{
    return pair / f->model->codebooks->shape.keys / DKVB__GROUP;
}

/* Returns the values of a key-value pair: from the model if this rank (process) has them, otherwise from the bytes that
 * another rank has sent. */
static const char *values_of(const struct following *f, struct follower *w, size_t pair, size_t size)
{
    uint32_t owner;

    if (!f->block)
        return dkvb__values_of(f->model, pair);
    owner = owner_of(f, group_of(f, pair));
    w->from[owner] += size;
    return f->all + w->from[owner] - size;
}

/* Adds the values of a key-value pair to the row's sums of values (sign 1.0), or subtracts them (-1.0). */
static void add_value(const struct following *f, struct follower *w, size_t pair, double sign)
{
    const dkvb_model *m = f->model;
    size_t size = m->classes * dkvb__value_size(m->values_dtype);

    if (!f->learned[pair])
        return;
    w->learned += sign > 0.0 ? 1 : (size_t)-1;
    dkvb__widen(w->value, values_of(f, w, pair, size), m->values_dtype, m->classes);
    for (size_t l = 0; l < m->classes; l++)
        w->sums[l] += sign * (double)w->value[l];
}

/* True if the answer to a row is right: the logit of the row's label is the largest, and no lower class has an equal
 * logit. The logits of a row are rounded to float before they are compared, as in the prediction of a model. */
static bool is_right(const struct following *f, const struct follower *w, int32_t label)
{
    double size = (double)dkvb__code_size(f->model);
    float mine = (float)(w->sums[label] / size);

    for (int32_t l = 0; l < (int32_t)f->model->classes; l++) {
        float other = (float)(w->sums[l] / size);

        if (other > mine || (other == mine && l < label))
            return false;
    }
    return w->learned > 0;
}

static void note_change(struct follower *w, uint64_t budget, size_t pair, bool comes)
{
    w->changes[w->changed++] = (struct dkvb__keyed){budget, 2 * pair + comes};
}

/* Returns the next key of a row's code in a codebook that is neither purged nor masked by `budget`; DKVB_CODE_NONE if
 * the code has no more keys. */
static uint16_t next_key(const struct following *f, size_t c, const uint16_t *deep, uint32_t *next, uint64_t budget)
{
    while (*next < f->held.k) {
        uint16_t key = deep[(*next)++];

        if (key != DKVB_CODE_NONE && !dkvb__model_dead(f->model, c, key) && rank_of(f, c, key) > budget)
            return key;
    }
    return DKVB_CODE_NONE;
}

static uint32_t lowest_rank(const struct following *f, const struct follower *w, size_t c, size_t filled)
{
    uint32_t lowest = DKVB__RANK_NEVER;

    for (size_t i = 0; i < filled; i++)
        lowest = rank_of(f, c, w->selected[i]) < lowest ? rank_of(f, c, w->selected[i]) : lowest;
    return lowest;
}

/* Finds the keys of one codebook that a row selects before any pair is masked, and how the selected keys change as the
 * number of masked pairs grows to its limit. Where a key that the row selects is masked, the row selects the next key
 * of its code in the same codebook. */
static void follow_codebook(const struct following *f, struct follower *w, size_t c, const uint16_t *deep)
{
    size_t first = c * f->model->codebooks->shape.keys, filled = 0, k = f->model->top_k;
    uint32_t next = 0, budget;
    uint16_t key;

    while (filled < k && (key = next_key(f, c, deep, &next, 0)) != DKVB_CODE_NONE) {
        w->learned += f->learned[first + key];
        w->selected[filled++] = key;
    }
    for (size_t j = 0; j < k; j++)
        w->code[c * k + j] = j < filled ? w->selected[j] : DKVB_CODE_NONE;
    while ((budget = lowest_rank(f, w, c, filled)) <= f->limit)
        for (size_t i = 0; i < filled;) {
            if (rank_of(f, c, w->selected[i]) != budget) {
                i++;
                continue;
            }
            note_change(w, budget, first + w->selected[i], false);
            key = next_key(f, c, deep, &next, budget);
            if (key != DKVB_CODE_NONE)
                note_change(w, budget, first + key, true);
            w->selected[i] = key != DKVB_CODE_NONE ? key : w->selected[--filled];
        }
}

/* Finds the keys that a row selects in the codebooks from `first` to below `end`, and how the selected keys change as
 * more pairs are masked. */
static void follow_codes(const struct following *f, struct follower *w, size_t row, size_t first, size_t end)
{
    const uint16_t *deep = f->held.codes + row * f->held.codebooks * f->held.k;

    w->changed = w->learned = 0;
    for (size_t c = first; c < end; c++)
        follow_codebook(f, w, c, deep + c * f->held.k);
}

/* Computes the sums of the values that a row selects before any pair is masked. */
static void begin_sums(const struct following *f, struct follower *w)
{
    size_t classes = f->model->classes, groups = dkvb__groups(f->model);

    if (!f->block) {
        (void)dkvb__logits(f->model, w->code, w->logits, w->value, w->sums);
        return;
    }
    memset(w->sums, 0, classes * sizeof *w->sums);
    for (size_t g = 0; g < groups; g++) {
        uint32_t owner = owner_of(f, g);

        memcpy(w->value, f->all + w->from[owner], classes * sizeof *w->value);
        w->from[owner] += classes * sizeof *w->value;
        for (size_t l = 0; l < classes; l++)
            w->sums[l] += (double)w->value[l];
    }
}

/* Finds the budgets (numbers of masked pairs) at which the answer to one row turns right or wrong. Worker threads never
 * allocate memory; the calling thread does it for them. If the answer to a row turns right or wrong too often for the
 * worker's memory, this row and all rows after it are followed again in the next pass. */
static void follow_row(void *context, size_t task, unsigned worker)
{
    const struct following *f = context;
    struct follower *w = &f->followers[worker];
    size_t row = f->open[task], first = w->turns.count;
    int32_t label = f->held.labels[row];
    bool right;

    if (w->full)
        return;
    follow_codes(f, w, row, 0, f->held.codebooks);
    begin_sums(f, w);
    right = is_right(f, w, label);
    f->right[row] = right;
    dkvb__sort_keyed(w->changes, w->scratch, w->changed);
    for (size_t i = 0; i < w->changed;) {
        uint64_t budget = w->changes[i].key;

        for (; i < w->changed && w->changes[i].key == budget; i++) {
            bool comes = w->changes[i].index % 2;

            add_value(f, w, w->changes[i].index / 2, comes ? 1.0 : -1.0);
        }
        if (is_right(f, w, label) == right)
            continue;
        right = !right;
        if (w->turns.count == w->turns.capacity) {
            w->turns.count = first;
            w->full = true;
            return;
        }
        w->turns.at[w->turns.count++] = (struct dkvb__keyed){budget, 2 * row + right};
    }
    f->followed[row] = 1;
}

/* Computes how many bytes each rank (process) sends to the others about each row of a block of rows. */
static void find_needs(void *context, size_t task, unsigned worker)
{
    const struct following *f = context;
    const dkvb_ranks *ranks = &f->model->codebooks->ranks;
    struct follower *w = &f->followers[worker];
    size_t classes = f->model->classes, size = classes * dkvb__value_size(f->model->values_dtype);
    uint64_t *needs = f->needs + task * ranks->count;

    follow_codes(f, w, f->open[task], 0, f->held.codebooks);
    for (uint32_t r = 0; r < ranks->count; r++)
        needs[r] = (dkvb__ranks_first(ranks, dkvb__groups(f->model), r + 1) -
                    dkvb__ranks_first(ranks, dkvb__groups(f->model), r)) *
                   classes * sizeof(float);
    for (size_t i = 0; i < w->changed; i++)
        if (f->learned[w->changes[i].index / 2])
            needs[owner_of(f, group_of(f, w->changes[i].index / 2))] += size;
}

/* Packs the bytes that this rank (process) sends about one row of a block of rows. */
static void pack_row(void *context, size_t task, unsigned worker)
{
    const struct following *f = context;
    const dkvb_model *m = f->model;
    struct follower *w = &f->followers[worker];
    size_t size = m->classes * dkvb__value_size(m->values_dtype);
    char *to = f->own + f->starts[task];

    follow_codes(f, w, f->open[f->first + task], m->first_codebook, m->end_codebook);
    for (size_t g = m->first_group; g < m->end_group; g++, to += m->classes * sizeof *w->value) {
        dkvb__sum_group(m, g, w->code, w->value);
        memcpy(to, w->value, m->classes * sizeof *w->value);
    }
    dkvb__sort_keyed(w->changes, w->scratch, w->changed);
    for (size_t i = 0; i < w->changed; i++) {
        size_t pair = w->changes[i].index / 2;

        if (!f->learned[pair])
            continue;
        memcpy(to, dkvb__values_of(m, pair), size);
        to += size;
    }
}

/* Follows the model's answer to one row that belongs to this rank (process) over all budgets (numbers of masked pairs),
 * with the bytes that all ranks have sent. */
static void follow_own_row(void *context, size_t task, unsigned worker)
{
    struct following *f = context;
    const dkvb_ranks *ranks = &f->model->codebooks->ranks;
    struct follower *w = &f->followers[worker];
    size_t first = dkvb__ranks_first(ranks, f->block, ranks->rank);
    size_t own = dkvb__ranks_first(ranks, f->block, ranks->rank + 1) - first;

    for (uint32_t r = 0; r < ranks->count; r++)
        w->from[r] = f->starts[r * own + task];
    follow_row(f, f->first + first + task, worker);
}

/* Sends the bytes about each row of a block of rows to the rank (process) that follows the row. */
static dkvb_status exchange_rows(struct following *f, const struct dkvb__run *run)
{
    const dkvb_ranks *ranks = &f->model->codebooks->ranks;
    const dkvb_allocator *mem = &f->model->mem;
    size_t to[DKVB_RANKS_COUNT] = {0}, from[DKVB_RANKS_COUNT] = {0}, sent = 0, came = 0;
    size_t first = dkvb__ranks_first(ranks, f->block, ranks->rank);
    size_t own = dkvb__ranks_first(ranks, f->block, ranks->rank + 1) - first;
    dkvb_status rc;

    for (uint32_t r = 0; r < ranks->count; r++) {
        for (size_t i = dkvb__ranks_first(ranks, f->block, r); i < dkvb__ranks_first(ranks, f->block, r + 1); i++)
            to[r] += (size_t)f->needs[(f->first + i) * ranks->count + ranks->rank];
        for (size_t i = 0; i < own; i++)
            from[r] += (size_t)f->needs[(f->first + first + i) * ranks->count + r];
        sent += to[r];
        came += from[r];
    }
    f->own = dkvb__alloc(mem, sent, 1);
    f->all = dkvb__alloc(mem, came, 1);
    f->starts = dkvb__alloc(mem, f->block + own * ranks->count, sizeof *f->starts);
    rc = f->own && f->all && f->starts ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", f->block);
    rc = dkvb__ranks_agree(ranks, rc);
    if (rc)
        return rc;
    for (size_t i = 0, at = 0; i < f->block; i++) {
        f->starts[i] = at;
        at += (size_t)f->needs[(f->first + i) * ranks->count + ranks->rank];
    }
    dkvb__parallel(run, f->block, pack_row, f);
    rc = dkvb__ranks_exchange(ranks, f->own, to, f->all, from);
    for (size_t r = 0, at = 0; !rc && r < ranks->count; r++)
        for (size_t i = 0; i < own; i++) {
            f->starts[r * own + i] = at;
            at += (size_t)f->needs[(f->first + first + i) * ranks->count + r];
        }
    return rc;
}

/* Decides how many rows make the next block that ranks (processes) exchange: so many that no rank sends more than
 * BLOCK_BYTES, and at least one. */
static size_t next_block(const struct following *f)
{
    uint32_t ranks = f->model->codebooks->ranks.count;
    uint64_t sums[DKVB_RANKS_COUNT] = {0};
    size_t rows = 0;

    for (; f->first + rows < f->open_count; rows++)
        for (uint32_t r = 0; r < ranks; r++) {
            sums[r] += f->needs[(f->first + rows) * ranks + r];
            if (sums[r] > BLOCK_BYTES && rows > 0)
                return rows;
        }
    return rows;
}

/* Tells all ranks (processes) which rows of a block were followed over the budgets (numbers of masked pairs), and
 * whether the model's answers to these rows are right with no pair masked. */
static dkvb_status share_found(struct following *f)
{
    const dkvb_ranks *ranks = &f->model->codebooks->ranks;
    uint8_t *found = dkvb__alloc(&f->model->mem, f->block, 1);
    dkvb_status rc = found ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", f->block);

    rc = dkvb__ranks_agree(ranks, rc);
    for (size_t i = 0; !rc && i < f->block; i++) {
        size_t row = f->open[f->first + i];

        found[i] = (uint8_t)(f->followed[row] | f->right[row] << 1);
    }
    if (!rc)
        rc = dkvb__ranks_share_evenly(ranks, found, f->block, 1);
    for (size_t i = 0; !rc && i < f->block; i++) {
        size_t row = f->open[f->first + i];

        f->followed[row] = found[i] & 1;
        f->right[row] = found[i] >> 1;
    }
    dkvb__free(&f->model->mem, found);
    return rc;
}

/* Follows the answers to the open rows (rows not followed to the largest budget yet) together with the ranks
 * (processes) that share the model. If a worker's memory has no room for all budgets at which the answer to a row turns
 * right or wrong, the row is followed again in a next pass. */
static dkvb_status follow_over_ranks(struct following *f, const struct dkvb__run *run)
{
    const dkvb_ranks *ranks = &f->model->codebooks->ranks;
    const dkvb_allocator *mem = &f->model->mem;
    size_t own;
    dkvb_status rc;

    f->needs = dkvb__alloc(mem, f->open_count, ranks->count * sizeof *f->needs);
    rc = f->needs ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to follow %zu rows", f->open_count);
    rc = dkvb__ranks_agree(ranks, rc);
    if (!rc)
        dkvb__parallel(run, f->open_count, find_needs, f);
    for (f->first = 0; !rc && f->first < f->open_count; f->first += f->block) {
        f->block = next_block(f);
        own = dkvb__ranks_first(ranks, f->block, ranks->rank + 1) - dkvb__ranks_first(ranks, f->block, ranks->rank);
        rc = exchange_rows(f, run);
        if (!rc)
            dkvb__parallel(run, own, follow_own_row, f);
        if (!rc)
            rc = share_found(f);
        dkvb__free_erased(mem, f->own);
        dkvb__free_erased(mem, f->all);
        dkvb__free(mem, f->starts);
        f->own = f->all = NULL;
        f->starts = NULL;
    }
    f->block = 0;
    dkvb__free(mem, f->needs);
    f->needs = NULL;
    return rc;
}

/* If a worker's memory had no room for all budgets at which the answers to its rows turn right or wrong, the worker
 * gets more memory. The memory of worker threads is allocated by the calling thread, as workers never allocate. */
static dkvb_status grow_turns(struct following *f, unsigned threads)
{
    const dkvb_allocator *mem = &f->model->mem;

    for (unsigned t = 0; t < threads; t++) {
        struct turns *turns = &f->followers[t].turns;
        size_t capacity = 2 * turns->capacity + 256;
        struct dkvb__keyed *more;

        if (turns->capacity > 0 && !f->followers[t].full)
            continue;
        more = dkvb__alloc(mem, capacity, sizeof *more);
        if (!more)
            return dkvb__fail(DKVB_ENOMEM, "out of memory for the answers to %zu rows", f->held.n);
        if (turns->count > 0)
            memcpy(more, turns->at, turns->count * sizeof *more);
        dkvb__free(mem, turns->at);
        turns->at = more;
        turns->capacity = capacity;
        f->followers[t].full = false;
    }
    return DKVB_OK;
}

/* Counts of the forgotten rows, or of the kept rows: how many rows, and how many right answers when the present number
 * of pairs is masked. */
struct group {
    uint64_t rows, right;
};

static double accuracy(const struct group *g)
{
    return g->rows ? (double)g->right / (double)g->rows : 0.0;
}

/* Returns the sum of the amounts by which a budget (number of masked pairs) exceeds two limits, one on the accuracy
 * left on forgotten classes and one on the accuracy lost on kept classes. How far an accuracy exceeds its limit is
 * first computed as a number of rows, so that a limit that stands for a whole number of rows is compared without
 * rounding errors. */
static double excess(const struct group *forget, const struct group *retain, uint64_t retain_before,
                     const struct dkvb__budget_limits *o)
{
    double over = (double)forget->right - o->target * (double)forget->rows;
    double drop = (double)retain_before - (double)retain->right - o->max_retain_drop * (double)retain->rows;

    over = over > 0.0 ? over / (double)forget->rows : 0.0;
    return over + (drop > 0.0 ? drop / (double)retain->rows : 0.0);
}

static void take_budget(dkvb_budget *found, uint64_t budget, const struct group *groups)
{
    found->budget = budget;
    found->forget_after = accuracy(&groups[DKVB_FORGET]);
    found->retain_after = accuracy(&groups[DKVB_KEEP]);
}

/* Walks through the budgets (numbers of masked pairs) at which an answer turns right or wrong, in ascending order, and
 * stops at the first budget at which the accuracies of forgotten and of kept classes keep their limits. */
static void sweep(const struct following *f, const struct turns *turns, const struct dkvb__budget_limits *o,
                  dkvb_budget *found)
{
    struct group groups[DKVB_ASIDE + 1] = {{0, 0}};
    uint64_t retain_before;
    double least;

    for (size_t r = 0; r < f->held.n; r++)
        if (f->held.labels[r] >= 0) {
            groups[f->classes[f->held.labels[r]]].rows++;
            groups[f->classes[f->held.labels[r]]].right += f->right[r];
        }
    found->forget_rows = groups[DKVB_FORGET].rows;
    found->retain_rows = groups[DKVB_KEEP].rows;
    found->forget_before = accuracy(&groups[DKVB_FORGET]);
    found->retain_before = accuracy(&groups[DKVB_KEEP]);
    retain_before = groups[DKVB_KEEP].right;
    take_budget(found, 0, groups);
    least = excess(&groups[DKVB_FORGET], &groups[DKVB_KEEP], retain_before, o);
    for (size_t i = 0; least > 0.0 && i < turns->count;) {
        uint64_t budget = turns->at[i].key;
        double now;

        for (; i < turns->count && turns->at[i].key == budget; i++) {
            struct group *g = &groups[f->classes[f->held.labels[turns->at[i].index / 2]]];

            g->right += turns->at[i].index % 2 ? 1 : UINT64_MAX;
        }
        now = excess(&groups[DKVB_FORGET], &groups[DKVB_KEEP], retain_before, o);
        if (now < least) {
            least = now;
            take_budget(found, budget, groups);
        }
    }
    found->met = least == 0.0;
}

/* Collects from all threads, and from all ranks (processes), the budgets at which answers turn right or wrong, in one
 * sorted array. */
static dkvb_status gather_turns(const struct following *f, unsigned threads, struct turns *all)
{
    const dkvb_ranks *ranks = &f->model->codebooks->ranks;
    size_t first[DKVB_RANKS_COUNT + 1] = {0}, count = 0;
    uint64_t counts[DKVB_RANKS_COUNT] = {0};
    dkvb_status rc;

    for (unsigned t = 0; t < threads; t++)
        counts[ranks->rank] += f->followers[t].turns.count;
    rc = dkvb__ranks_share_evenly(ranks, counts, ranks->count, sizeof *counts);
    if (rc)
        return rc;
    for (uint32_t r = 0; r < ranks->count; r++)
        first[r + 1] = count += (size_t)counts[r];
    *all = (struct turns){.capacity = count, .count = first[ranks->rank]};
    all->at = dkvb__alloc(&f->model->mem, count, 2 * sizeof *all->at);
    rc = all->at ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for the answers to %zu rows", f->held.n);
    rc = dkvb__ranks_agree(ranks, rc);
    if (rc)
        return rc;
    for (unsigned t = 0; t < threads; t++) {
        const struct turns *part = &f->followers[t].turns;

        if (part->count > 0)
            memcpy(all->at + all->count, part->at, part->count * sizeof *part->at);
        all->count += part->count;
    }
    all->count = count;
    rc = dkvb__ranks_share(ranks, all->at, first, sizeof *all->at);
    if (!rc)
        dkvb__sort_keyed(all->at, all->at + count, count);
    return rc;
}

static void following_free(struct following *f, unsigned threads)
{
    const dkvb_allocator *mem = &f->model->mem;

    for (unsigned t = 0; f->followers && t < threads; t++) {
        dkvb__free(mem, f->followers[t].changes);
        dkvb__free(mem, f->followers[t].scratch);
        dkvb__free(mem, f->followers[t].sums);
        dkvb__free(mem, f->followers[t].value);
        dkvb__free(mem, f->followers[t].logits);
        dkvb__free(mem, f->followers[t].selected);
        dkvb__free(mem, f->followers[t].code);
        dkvb__free(mem, f->followers[t].from);
        dkvb__free(mem, f->followers[t].turns.at);
    }
    dkvb__free(mem, f->followers);
    dkvb__free(mem, f->learned);
    dkvb__free(mem, f->right);
    dkvb__free(mem, f->open);
    dkvb__free(mem, f->followed);
}

static dkvb_status following_new(struct following *f, unsigned threads)
{
    const dkvb_allocator *mem = &f->model->mem;
    size_t changes = 2 * (size_t)f->held.codebooks * f->held.k, classes = f->model->classes;
    bool ok;

    f->learned = dkvb__alloc(mem, dkvb__pair_count(f->model), sizeof *f->learned);
    f->right = dkvb__alloc0(mem, f->held.n, 1);
    f->open = dkvb__alloc(mem, f->held.n, sizeof *f->open);
    f->followed = dkvb__alloc(mem, f->held.n, 1);
    f->followers = dkvb__alloc0(mem, threads, sizeof *f->followers);
    ok = f->learned && f->right && f->open && f->followed && f->followers;
    for (unsigned t = 0; ok && t < threads; t++) {
        struct follower *w = &f->followers[t];

        w->changes = dkvb__alloc(mem, changes, sizeof *w->changes);
        w->scratch = dkvb__alloc(mem, changes, sizeof *w->scratch);
        w->sums = dkvb__alloc(mem, classes, sizeof *w->sums);
        w->value = dkvb__alloc(mem, classes, sizeof *w->value);
        w->logits = dkvb__alloc(mem, classes, sizeof *w->logits);
        w->selected = dkvb__alloc(mem, f->model->top_k, sizeof *w->selected);
        w->code = dkvb__alloc(mem, dkvb__code_size(f->model), sizeof *w->code);
        w->from = dkvb__alloc(mem, f->model->codebooks->ranks.count, sizeof *w->from);
        ok = w->changes && w->scratch && w->sums && w->value && w->logits && w->selected && w->code && w->from;
    }
    return ok ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to follow %zu rows", f->held.n);
}

static dkvb_status check_search(struct following *f, const dkvb_codeset_rows *held, const struct dkvb__budget_limits *o)
{
    bool any = false;
    uint32_t first = 0;
    dkvb_status rc = dkvb__held_out_take(&f->held, held, f->model);

    if (rc)
        return rc;
    if (!(o->target >= 0.0 && o->target <= 1.0) || !(o->max_retain_drop >= 0.0 && o->max_retain_drop <= 1.0))
        return dkvb__fail(DKVB_EINVAL, "budget: target %g and drop %g found, both must be 0 to 1", o->target,
                          o->max_retain_drop);
    for (uint32_t l = 0; l < f->model->classes; l++)
        if (f->classes[l] > DKVB_ASIDE)
            return dkvb__fail(DKVB_EINVAL, "budget: class %u is marked %u, it must be 0 to %d", l, f->classes[l],
                              DKVB_ASIDE);
    while (first + 1 < f->model->classes && f->classes[first] != DKVB_FORGET)
        first++;
    for (size_t r = 0; r < f->held.n; r++)
        any = any || (f->held.labels[r] >= 0 && f->classes[f->held.labels[r]] == DKVB_FORGET);
    if (!any)
        return dkvb__fail(
            DKVB_ENOTFOUND,
            "budget: none of %zu held-out rows is of a class to be forgotten (class %u), so no effect can "
            "be measured: give the number of pairs, hold out more rows when training, or delete exactly",
            f->held.n, first);
    return DKVB_OK;
}

/*
 * Enlarges the found budget (number of masked pairs), at which the answer to the last of n held-out rows turns wrong,
 * so that rows that were not held out turn wrong too. If the fraction of rows that turn wrong only beyond a budget
 * falls exponentially with the budget (number of masked pairs), the last of n rows turns wrong at about ln(n) times a
 * constant. If n rows were held out, the last of 1,000 rows turns wrong at about ln(1000) / ln(n) times the budget
 * (number of masked pairs) at which the last of the n rows does, so the fewer rows were held out, the more a found
 * budget is enlarged. A budget is enlarged at most to the argument `most`, the budget that masks all pairs.
 */
static uint64_t with_room(const dkvb_budget *found, uint64_t most)
{
    double ratio = dkvb__log(1000.0) / dkvb__log((double)found->forget_rows + 1.0);

    double roomy = (double)found->budget * (ratio > 1.0 ? ratio : 1.0);

    return roomy < (double)most ? (uint64_t)roomy : most;
}

/* Lists the rows whose answers were not yet followed up to the largest budget (number of masked pairs). */
static size_t find_open(struct following *f)
{
    f->open_count = 0;
    for (size_t r = 0; r < f->held.n; r++)
        if (!f->followed[r])
            f->open[f->open_count++] = r;
    return f->open_count;
}

static bool is_followed(const struct following *f, uint8_t mark)
{
    return mark == DKVB_FORGET || (mark == DKVB_KEEP && f->kept);
}

/* Follows the answers to rows up to f->limit masked pairs, and searches the first number of masked pairs at which the
 * accuracies of forgotten and of kept classes keep their limits. */
static dkvb_status search_to_limit(struct following *f, const struct dkvb__run *run,
                                   const struct dkvb__budget_limits *o, size_t round, dkvb_budget *found)
{
    struct turns turns = {0};
    dkvb_status rc = DKVB_OK;

    for (unsigned t = 0; t < run->threads; t++)
        f->followers[t].turns.count = 0;
    for (size_t r = 0; r < f->held.n; r++)
        f->followed[r] = f->held.labels[r] < 0 || !is_followed(f, f->classes[f->held.labels[r]]);
    while (!rc && find_open(f) > 0) {
        rc = dkvb__ranks_agree(&f->model->codebooks->ranks, grow_turns(f, run->threads));
        if (!rc && f->model->codebooks->ranks.count > 1)
            rc = follow_over_ranks(f, run);
        else if (!rc)
            rc = dkvb__parallel_long(run, f->open_count, follow_row, f,
                                     ((f->kept ? ROUNDS : 0) + round + 1) * f->held.n - f->open_count,
                                     2 * ROUNDS * f->held.n);
    }
    if (!rc)
        rc = gather_turns(f, run->threads, &turns);
    if (!rc)
        sweep(f, &turns, o, found);
    dkvb__free(&f->model->mem, turns.at);
    return rc;
}

/* Returns the largest rank of all key-value pairs, which is the smallest number of pairs to mask that masks every pair
 * that can be masked. */
static uint64_t largest_rank(const struct following *f)
{
    size_t pairs = dkvb__pair_count(f->model);
    uint64_t most = 0;

    for (size_t i = 0; i < pairs; i++)
        if (f->rank[i] != DKVB__RANK_NEVER && f->rank[i] > most)
            most = f->rank[i];
    return most;
}

/* Measures how much accuracy the found budget (number of masked pairs) costs the kept classes, whose rows were not
 * followed from budget to budget. */
static dkvb_status ask_kept(const struct following *f, const struct dkvb__budget_limits *o, dkvb_budget *found,
                            const dkvb_run_options *opts)
{
    const dkvb_allocator *mem = &f->model->mem;
    dkvb_class_effect *effects = dkvb__alloc(mem, f->model->classes, sizeof *effects);
    uint64_t before = 0;
    struct group kept = {0, 0}, none = {0, 0};
    dkvb_status rc = effects ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", f->model->classes);

    rc = dkvb__model_agree(f->model, rc);
    if (!rc)
        rc = dkvb__effects_along(f->model, f->rank, &f->held, &found->budget, 1, effects, NULL, opts);
    for (uint32_t l = 0; !rc && l < f->model->classes; l++)
        if (f->classes[l] == DKVB_KEEP) {
            kept.rows += effects[l].rows;
            kept.right += effects[l].right_after;
            before += effects[l].right_before;
        }
    if (!rc) {
        found->retain_before = accuracy(&(struct group){kept.rows, before});
        found->retain_after = accuracy(&kept);
        found->met = excess(&none, &kept, before, o) == 0.0;
    }
    dkvb__free(mem, effects);
    return rc;
}

dkvb_status dkvb__budget_find(const dkvb_model *model, const uint32_t *rank, const dkvb_codeset_rows *held,
                              const uint8_t *classes, const struct dkvb__budget_limits *limits, dkvb_budget *out,
                              const dkvb_run_options *opts)
{
    struct following f = {.model = model, .rank = rank, .classes = classes, .held = DKVB_CODESET_ROWS_INIT};
    dkvb_budget found = DKVB_BUDGET_INIT;
    struct dkvb__run run;
    uint64_t most;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = check_search(&f, held, limits);
    if (rc)
        return rc;
    rc = dkvb__ranks_agree(&model->codebooks->ranks, following_new(&f, run.threads));
    if (!rc)
        rc = dkvb__find_learned(model, f.learned, &run);
    most = largest_rank(&f);
    /* A budget (number of masked pairs) that reaches its target accuracy is usually a small fraction of all pairs, and
     * following a row over budgets costs one pass over the classes whenever a selected key of the row changes. The
     * answers to rows are first followed up to a small budget (number of masked pairs), and further only if no budget
     * up to the small one reaches the target accuracy. */
    for (size_t round = 0; !rc && round < ROUNDS;) {
        bool reached;

        f.limit = most >> FURTHER * (ROUNDS - 1 - round);
        rc = search_to_limit(&f, &run, limits, round, &found);
        reached = !rc && found.met;
        if (reached && !f.kept)
            rc = ask_kept(&f, limits, &found, opts);
        if (found.met)
            break;
        if (!f.kept && (reached || round == ROUNDS - 1))
            /* From this line on, the model's answers to rows of kept classes are followed too as more pairs are masked,
             * since losses of kept classes decide how many pairs may be masked. */
            f.kept = true;
        else
            round++;
    }
    found.roomy = with_room(&found, most);
    if (!rc)
        *out = found;
    following_free(&f, run.threads);
    return rc;
}
