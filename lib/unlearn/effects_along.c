/*
 * Measures the effects of nested masks on the accuracy of held-out rows; each mask contains the masks of smaller
 * budgets (numbers of masked pairs). The pairs masked at a larger budget include those masked at a smaller one, so the
 * selected keys of a row change only where one of them is masked. The selected values of a row are summed again only in
 * groups of codebooks where a selected key changed. A row's values are summed in the order in which decoding sums them
 * (bottleneck/sums.h), so the row's answers are the same as if it were decoded under each mask alone.
 *
 * Ranks (processes) that share the model follow each block of rows twice through all budgets (numbers of masked pairs).
 * In the first pass over the rows, each rank (process) sums the values of its own groups of codebooks, whenever the
 * selected keys change. Each rank (process) sends the sums of values that it computed for a row to the rank to which
 * the row belongs. In the second pass over the budgets, the rank (process) to which a row belongs follows the row
 * alone, and takes the sums of values that all ranks sent in the first pass.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/sums.h"
#include "dkvb/search.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"

enum {
    CHUNK = 16, /* number of rows whose answers one parallel task follows while ever more pairs are masked */
    BLOCK_BYTES =
        /* largest number of bytes of the sums that one rank (process) has of a block of rows, for its groups of
         * codebooks, unless a single row needs more */
    32 << 20
};

/* Counts of the model's answers to the rows of one class, for one number of masked pairs compared with no masked pairs:
 * how many turned from right to wrong, and from wrong to right. */
struct counts {
    uint64_t lost, gained;
};

/* Memory of one worker: the row whose answers the worker follows over the budgets, and the counts of the rows that it
 * has followed. */
struct walker {
    /* keys that the followed row selects when the present number of pairs is masked, [codebooks][top_k] */
    uint16_t *code;
    /* number of keys that the followed row selects in each codebook, [codebooks]; fewer than top_k if the row's code
     * has no more */
    uint16_t *filled;
    /* for each codebook, the index of the first key in the row's code that was not yet examined, [codebooks] */
    uint32_t *next;
    /* for each codebook, the lowest rank (place in the order of masking) of the keys that the row selects, [codebooks]:
     * the smallest budget that masks one of them */
    uint32_t *low;
    /* for each group of codebooks, the lowest rank (place in the order of masking) of the keys that the row selects,
     * [groups] */
    uint32_t *group_low;
    float *groups;     /* sums of the row's selected values in each group of codebooks, [groups][classes] */
    double *sums;      /* sums of the values that the row selects, over all groups of codebooks, [classes] */
    float *logits;     /* logits of the row whose answers are followed while ever more pairs are masked, [classes] */
    uint64_t short_of; /* number of codebooks in which the row finds fewer than top_k unmasked keys */
    struct counts *counts;
    uint64_t *right; /* for each class, the number of right answers at budget 0, before any pair is masked, [classes] */
    uint64_t *exhausted;
    /* Pointer to the place where this rank (process) writes the next sum of values, while it sums its own groups of
     * codebooks for a block of rows. */
    float *to;
    /* For each rank (process), the index of the next sum of values to read from those that the rank sent, [ranks]. */
    size_t *from;
};

struct walk {
    const dkvb_model *model;
    const uint32_t *rank;
    dkvb_codeset_rows held;
    const uint64_t *budgets;
    size_t count;
    /* for each thread, the memory (called walker) with which it follows rows over budgets, [threads] */
    struct walker *walkers;

    /* The following members describe a block of rows for which ranks (processes) exchange sums of values; `block` is 0
     * if this rank has the values of all groups of codebooks: */
    /* marks of the key-value pairs whose values have learned something, whichever rank (process) has them,
     * [codebooks][keys]; or NULL */
    const uint8_t *learned;
    /* True in the first of two passes over the rows, in which this rank (process) sums its own groups of codebooks;
     * false in the second, in which right and wrong answers are counted. */
    bool sums_own;
    /* index of the first row of a block of rows that are followed together, and number of rows in the block */
    size_t first, block;
    /* largest number of sums of values that this rank (process) sends for a row, over all its groups of codebooks */
    size_t slot;
    /* For each row of a block, the sums of values that this rank (process) computed for its own groups of codebooks,
     * [block][sums][classes], stored without gaps before they are sent. */
    float *own;
    /* For each row of a block, the number of sums of values, one per group of codebooks, that this rank (process)
     * computed, [block]. */
    uint32_t *made;
    /* For each rank (process) and each row that belongs to this rank, how many sums of values, one per group of
     * codebooks, the rank sent about the row, [ranks][rows of this rank]. */
    uint32_t *came;
    /* The sums of values that this rank (process) received from all ranks: ranks ascending, for each rank rows
     * ascending, for each row in the order in which its selected keys change. */
    float *all;
    /* For each rank (process) and each row, the index of the row's first sum of values in the array `all` of received
     * sums, [ranks][rows of this rank]. */
    size_t *starts;
};

/* Keeps those selected keys of a codebook that `budget` masked pairs leave unmasked, and fills the free places with the
 * next unmasked keys of the row's code. The selected keys of a row stay in the order of the row's code, nearest key
 * first. */
static void refresh_codebook(const struct walk *s, struct walker *w, size_t c, const uint16_t *deep, uint64_t budget)
{
    const uint32_t *rank = s->rank + c * s->model->codebooks->shape.keys;
    uint32_t k = s->model->top_k, filled = 0, low = DKVB__RANK_NEVER;
    uint16_t *code = w->code + c * k;

    for (uint32_t j = 0; j < w->filled[c]; j++)
        if (rank[code[j]] > budget)
            code[filled++] = code[j];
    for (; filled < k && w->next[c] < s->held.k; w->next[c]++) {
        uint16_t key = deep[w->next[c]];

        if (key != DKVB_CODE_NONE && rank[key] > budget && !dkvb__model_dead(s->model, c, key))
            code[filled++] = key;
    }
    for (uint32_t j = 0; j < filled; j++)
        low = rank[code[j]] < low ? rank[code[j]] : low;
    for (uint32_t j = filled; j < k; j++)
        code[j] = DKVB_CODE_NONE;
    w->short_of += filled < k && w->filled[c] == k;
    w->filled[c] = (uint16_t)filled;
    w->low[c] = low;
}

/* Computes the sum of the values that a row selects in a group of codebooks, or takes the sum that another rank
 * (process) has sent. */
static void put_sum(const struct walk *s, struct walker *w, size_t group)
{
    const dkvb_ranks *ranks = &s->model->codebooks->ranks;
    size_t classes = s->model->classes;
    float *sum = w->groups + group * classes;

    if (!s->block) {
        dkvb__sum_group(s->model, group, w->code, sum);
    } else if (s->sums_own) {
        dkvb__sum_group(s->model, group, w->code, w->to);
        w->to += classes;
    } else {
        uint32_t owner = dkvb__ranks_owner(ranks, dkvb__groups(s->model), group);

        memcpy(sum, s->all + w->from[owner]++ * classes, classes * sizeof *sum);
    }
}

/* In every group of codebooks where one of the row's selected keys is masked at `budget` (number of masked pairs),
 * selects the row's keys again and sums their values again. */
static void refresh_group(const struct walk *s, struct walker *w, size_t group, const uint16_t *deep, uint64_t budget)
{
    size_t codebooks = s->model->codebooks->shape.codebooks, first = group * DKVB__GROUP;
    size_t end = codebooks - first < DKVB__GROUP ? codebooks : first + DKVB__GROUP;
    uint32_t low = DKVB__RANK_NEVER;

    for (size_t c = first; c < end; c++) {
        if (w->low[c] <= budget)
            refresh_codebook(s, w, c, deep + c * s->held.k, budget);
        low = w->low[c] < low ? w->low[c] : low;
    }
    w->group_low[group] = low;
    put_sum(s, w, group);
}

/* True if the answer to a row is `label`: the label has the largest logit, and no lower class has an equal logit. */
static bool is_right(const struct walk *s, struct walker *w, int32_t label)
{
    size_t groups = dkvb__groups(s->model), classes = s->model->classes;

    memset(w->sums, 0, classes * sizeof *w->sums);
    for (size_t g = 0; g < groups; g++)
        for (size_t l = 0; l < classes; l++)
            w->sums[l] += (double)w->groups[g * classes + l];
    if (!dkvb__finish_logits(s->model, w->code, w->sums, w->logits, s->learned))
        return false; /* The model gives no answer to a row if no pair that the row selects has learned values. */
    for (int32_t l = 0; l < (int32_t)classes; l++)
        if (w->logits[l] > w->logits[label] || (l < label && w->logits[l] == w->logits[label]))
            return false;
    return true;
}

/* Returns budget number `b` of the budgets to measure, limited so that it can be compared with the ranks of key-value
 * pairs in the order of masking. */
static uint64_t budget_of(const struct walk *s, size_t b)
{
    return s->budgets[b] < DKVB__RANK_NEVER ? s->budgets[b] : DKVB__RANK_NEVER - 1;
}

/* Computes the keys that a row selects before any pair is masked, and the sums of their values, in the groups of
 * codebooks from `first` to below `end`. */
static void begin_row(const struct walk *s, struct walker *w, size_t row, size_t first, size_t end)
{
    size_t codebooks = s->held.codebooks;
    const uint16_t *deep = s->held.codes + row * codebooks * s->held.k;

    /* Prepares following a row: no keys are selected yet, and every codebook selects its keys at budget 0 (no pair
     * masked), as every pair has a rank of at least 1. */
    memset(w->next, 0, codebooks * sizeof *w->next);
    memset(w->low, 0, codebooks * sizeof *w->low);
    memset(w->filled, 0, codebooks * sizeof *w->filled);
    for (size_t g = first; g < end; g++)
        refresh_group(s, w, g, deep, 0);
}

/* In each group of codebooks from `first` to below `end` where one of the row's selected keys is masked at `budget`
 * (number of masked pairs), selects the row's keys again and sums their values again. False is returned if, in every
 * group of codebooks, the keys that the row selects stay unmasked at the budget (number of masked pairs). */
static bool change_row(const struct walk *s, struct walker *w, size_t row, uint64_t budget, size_t first, size_t end)
{
    const uint16_t *deep = s->held.codes + row * s->held.codebooks * s->held.k;
    bool changed = false;

    for (size_t g = first; g < end; g++)
        if (w->group_low[g] <= budget) {
            refresh_group(s, w, g, deep, budget);
            changed = true;
        }
    return changed;
}

/* Follows the selected keys of a row over all budgets (numbers of masked pairs), and sums the values in the groups of
 * codebooks of this rank (process) each time a selected key changes. */
static void sum_row(void *context, size_t task, unsigned worker)
{
    const struct walk *s = context;
    struct walker *w = &s->walkers[worker];
    size_t row = s->first + task, first = s->model->first_group, end = s->model->end_group;
    float *to = s->own + task * s->slot * s->model->classes;

    s->made[task] = 0;
    if (s->held.labels[row] < 0)
        return;
    w->to = to;
    begin_row(s, w, row, first, end);
    for (size_t b = 0; b < s->count; b++)
        (void)change_row(s, w, row, budget_of(s, b), first, end);
    s->made[task] = (uint32_t)((size_t)(w->to - to) / s->model->classes);
}

static void walk_row(const struct walk *s, struct walker *w, size_t row)
{
    size_t codebooks = s->held.codebooks, groups = dkvb__groups(s->model), classes = s->model->classes;
    int32_t label = s->held.labels[row];
    bool before, now;

    begin_row(s, w, row, 0, groups);
    w->short_of = 0;
    for (size_t c = 0; c < codebooks; c++)
        w->short_of += w->filled[c] < s->model->top_k;
    before = now = is_right(s, w, label);
    w->right[label] += before;
    for (size_t b = 0; b < s->count; b++) {
        struct counts *counts = &w->counts[b * classes + (size_t)label];

        if (change_row(s, w, row, budget_of(s, b), 0, groups))
            now = is_right(s, w, label);
        counts->lost += before && !now;
        counts->gained += now && !before;
        w->exhausted[b] += w->short_of;
    }
}

static void walk_chunk(void *context, size_t task, unsigned worker)
{
    const struct walk *s = context;
    size_t end = (task + 1) * CHUNK < s->held.n ? (task + 1) * CHUNK : s->held.n;

    for (size_t row = task * CHUNK; row < end; row++)
        if (s->held.labels[row] >= 0)
            walk_row(s, &s->walkers[worker], row);
}

/* Counts at which budgets (numbers of masked pairs) the answer to a row that belongs to this rank (process) is right,
 * from the sums of values that all ranks have sent. */
static void judge_row(void *context, size_t task, unsigned worker)
{
    const struct walk *s = context;
    const dkvb_ranks *ranks = &s->model->codebooks->ranks;
    struct walker *w = &s->walkers[worker];
    size_t first = dkvb__ranks_first(ranks, s->block, ranks->rank);
    size_t own = dkvb__ranks_first(ranks, s->block, ranks->rank + 1) - first, row = s->first + first + task;

    if (s->held.labels[row] < 0)
        return;
    for (uint32_t r = 0; r < ranks->count; r++)
        w->from[r] = s->starts[r * own + task];
    walk_row(s, w, row);
}

/* Sends the sums of values of each row of a block to the rank (process) to which the row belongs. */
static dkvb_status exchange_sums(struct walk *s)
{
    const dkvb_ranks *ranks = &s->model->codebooks->ranks;
    size_t to[DKVB_RANKS_COUNT] = {0}, from[DKVB_RANKS_COUNT] = {0}, sum = s->model->classes * sizeof(float);
    size_t first = dkvb__ranks_first(ranks, s->block, ranks->rank), packed = 0, came = 0;
    size_t own = dkvb__ranks_first(ranks, s->block, ranks->rank + 1) - first;
    dkvb_status rc;

    for (uint32_t r = 0; r < ranks->count; r++) {
        to[r] = sizeof *s->made * (dkvb__ranks_first(ranks, s->block, r + 1) - dkvb__ranks_first(ranks, s->block, r));
        from[r] = own * sizeof *s->came;
    }
    rc = dkvb__ranks_exchange(ranks, s->made, to, s->came, from);
    for (uint32_t r = 0; !rc && r < ranks->count; r++) {
        to[r] = from[r] = 0;
        for (size_t i = dkvb__ranks_first(ranks, s->block, r); i < dkvb__ranks_first(ranks, s->block, r + 1); i++) {
            memmove((char *)s->own + packed, s->own + i * s->slot * s->model->classes, s->made[i] * sum);
            packed += s->made[i] * sum;
            to[r] += s->made[i] * sum;
        }
        for (size_t i = r * own; i < (r + 1) * own; i++) {
            s->starts[i] = came;
            came += s->came[i];
            from[r] += s->came[i] * sum;
        }
    }
    if (rc)
        return rc;
    s->all = dkvb__alloc(&s->model->mem, came, sum);
    rc = s->all ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to measure %zu budgets", s->count);
    rc = dkvb__ranks_agree(ranks, rc);
    return rc ? rc : dkvb__ranks_exchange(ranks, s->own, to, s->all, from);
}

/* Adds up the counts of right, lost and gained answers of all ranks (processes), each of which counted its own rows.
 * The counts of right, lost and gained answers of all workers are added to those of the first worker. */
static dkvb_status sum_counts(const struct walk *s, unsigned threads)
{
    const dkvb_ranks *ranks = &s->model->codebooks->ranks;
    size_t classes = s->model->classes;
    dkvb_status rc = DKVB_OK;

    for (unsigned t = 1; t < threads; t++) {
        for (size_t i = 0; i < s->count * classes; i++) {
            s->walkers[0].counts[i].lost += s->walkers[t].counts[i].lost;
            s->walkers[0].counts[i].gained += s->walkers[t].counts[i].gained;
        }
        for (size_t l = 0; l < classes; l++)
            s->walkers[0].right[l] += s->walkers[t].right[l];
        for (size_t b = 0; b < s->count; b++)
            s->walkers[0].exhausted[b] += s->walkers[t].exhausted[b];
        memset(s->walkers[t].counts, 0, s->count * classes * sizeof *s->walkers[t].counts);
        memset(s->walkers[t].right, 0, classes * sizeof *s->walkers[t].right);
        memset(s->walkers[t].exhausted, 0, s->count * sizeof *s->walkers[t].exhausted);
    }
    rc = dkvb__ranks_sum(ranks, &s->walkers[0].counts[0].lost, 2 * s->count * classes);
    if (!rc)
        rc = dkvb__ranks_sum(ranks, s->walkers[0].right, classes);
    return rc ? rc : dkvb__ranks_sum(ranks, s->walkers[0].exhausted, s->count);
}

/* Follows the model's answers to all held-out rows over all budgets (numbers of masked pairs), one block of rows after
 * the other, together with the ranks (processes) that share the model. */
static dkvb_status walk_over_ranks(struct walk *s, const struct dkvb__run *run)
{
    const dkvb_allocator *mem = &s->model->mem;
    const dkvb_ranks *ranks = &s->model->codebooks->ranks;
    size_t most = (dkvb__groups(s->model) + ranks->count - 1) / ranks->count * (s->count + 1);
    size_t rows = BLOCK_BYTES / (most * s->model->classes * sizeof(float));
    uint8_t *learned = dkvb__alloc(mem, dkvb__pair_count(s->model), 1);
    bool ok = learned != NULL;
    dkvb_status rc;

    s->slot = (s->model->end_group - s->model->first_group) * (s->count + 1);
    rows = rows < 1 ? 1 : rows < s->held.n ? rows : s->held.n;
    s->own = dkvb__alloc(mem, rows * s->slot + 1, s->model->classes * sizeof *s->own);
    s->made = dkvb__alloc(mem, rows, sizeof *s->made);
    s->came = dkvb__alloc(mem, (rows + ranks->count) * ranks->count, sizeof *s->came);
    s->starts = dkvb__alloc(mem, (rows + ranks->count) * ranks->count, sizeof *s->starts);
    for (unsigned t = 0; t < run->threads; t++) {
        s->walkers[t].from = dkvb__alloc(mem, ranks->count, sizeof *s->walkers[t].from);
        ok = ok && s->walkers[t].from;
    }
    ok = ok && s->own && s->made && s->came && s->starts;
    rc = dkvb__ranks_agree(ranks, ok ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", rows));
    if (!rc)
        rc = dkvb__find_learned(s->model, learned, run);
    s->learned = learned;
    for (s->first = 0; !rc && s->first < s->held.n; s->first += s->block) {
        s->block = s->held.n - s->first < rows ? s->held.n - s->first : rows;
        s->sums_own = true;
        dkvb__parallel(run, s->block, sum_row, s);
        rc = exchange_sums(s);
        s->sums_own = false;
        if (!rc)
            dkvb__parallel(run,
                           dkvb__ranks_first(ranks, s->block, ranks->rank + 1) -
                               dkvb__ranks_first(ranks, s->block, ranks->rank),
                           judge_row, s);
        dkvb__free_erased(mem, s->all);
        s->all = NULL;
        if (!rc)
            rc = dkvb__ranks_agree(ranks, dkvb__report(run, s->first + s->block, s->held.n));
    }
    if (!rc)
        rc = sum_counts(s, run->threads);
    dkvb__free(mem, learned);
    dkvb__free_erased(mem, s->own);
    dkvb__free(mem, s->made);
    dkvb__free(mem, s->came);
    dkvb__free(mem, s->starts);
    return rc;
}

static void walk_free(struct walk *s, unsigned threads)
{
    const dkvb_allocator *mem = &s->model->mem;

    for (unsigned t = 0; s->walkers && t < threads; t++) {
        struct walker *w = &s->walkers[t];

        dkvb__free_erased(mem, w->code);
        dkvb__free(mem, w->filled);
        dkvb__free(mem, w->next);
        dkvb__free(mem, w->low);
        dkvb__free(mem, w->group_low);
        dkvb__free(mem, w->groups);
        dkvb__free(mem, w->sums);
        dkvb__free(mem, w->logits);
        dkvb__free(mem, w->counts);
        dkvb__free(mem, w->right);
        dkvb__free(mem, w->exhausted);
        dkvb__free(mem, w->from);
    }
    dkvb__free(mem, s->walkers);
}

static dkvb_status walk_new(struct walk *s, unsigned threads)
{
    const dkvb_allocator *mem = &s->model->mem;
    size_t codebooks = s->held.codebooks, groups = dkvb__groups(s->model), classes = s->model->classes;
    bool ok;

    s->walkers = dkvb__alloc0(mem, threads, sizeof *s->walkers);
    ok = s->walkers != NULL;
    for (unsigned t = 0; ok && t < threads; t++) {
        struct walker *w = &s->walkers[t];

        w->code = dkvb__alloc(mem, dkvb__code_size(s->model), sizeof *w->code);
        w->filled = dkvb__alloc(mem, codebooks, sizeof *w->filled);
        w->next = dkvb__alloc(mem, codebooks, sizeof *w->next);
        w->low = dkvb__alloc(mem, codebooks, sizeof *w->low);
        w->group_low = dkvb__alloc(mem, groups, sizeof *w->group_low);
        w->groups = dkvb__alloc(mem, groups, classes * sizeof *w->groups);
        w->sums = dkvb__alloc(mem, classes, sizeof *w->sums);
        w->logits = dkvb__alloc(mem, classes, sizeof *w->logits);
        w->counts = dkvb__alloc0(mem, s->count, classes * sizeof *w->counts);
        w->right = dkvb__alloc0(mem, classes, sizeof *w->right);
        w->exhausted = dkvb__alloc0(mem, s->count, sizeof *w->exhausted);
        ok = w->code && w->filled && w->next && w->low && w->group_low && w->groups && w->sums && w->logits &&
             w->counts && w->right && w->exhausted;
    }
    return ok ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory to measure %zu budgets", s->count);
}

/* Adds up the counts of right, lost and gained answers of all workers (threads). The workers' counts of answers are
 * integers, so they may be added in any order. */
static void gather(const struct walk *s, unsigned threads, dkvb_class_effect *effects, uint64_t *exhausted)
{
    size_t classes = s->model->classes;

    memset(effects, 0, s->count * classes * sizeof *effects);
    for (size_t b = 0; b < s->count; b++) {
        dkvb_class_effect *e = effects + b * classes;

        for (size_t r = 0; r < s->held.n; r++)
            if (s->held.labels[r] >= 0)
                e[s->held.labels[r]].rows++;
        for (size_t l = 0; l < classes; l++) {
            for (unsigned t = 0; t < threads; t++) {
                const struct counts *counts = &s->walkers[t].counts[b * classes + l];

                e[l].right_before += s->walkers[t].right[l];
                e[l].lost += counts->lost;
                e[l].gained += counts->gained;
            }
            e[l].right_after = e[l].right_before - e[l].lost + e[l].gained;
            dkvb__effect_work_out(&e[l]);
        }
        if (exhausted) {
            exhausted[b] = 0;
            for (unsigned t = 0; t < threads; t++)
                exhausted[b] += s->walkers[t].exhausted[b];
        }
    }
}

dkvb_status dkvb__effects_along(const dkvb_model *model, const uint32_t *rank, const dkvb_codeset_rows *held,
                                const uint64_t *budgets, size_t count, dkvb_class_effect *effects, uint64_t *exhausted,
                                const dkvb_run_options *opts)
{
    struct walk s = {.model = model, .rank = rank, .held = DKVB_CODESET_ROWS_INIT, .budgets = budgets, .count = count};
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = dkvb__held_out_take(&s.held, held, model);
    if (rc)
        return rc;
    rc = dkvb__ranks_agree(&model->codebooks->ranks, walk_new(&s, run.threads));
    if (!rc && model->codebooks->ranks.count > 1)
        rc = walk_over_ranks(&s, &run);
    else if (!rc)
        rc = dkvb__parallel_rows(&run, s.held.n, CHUNK, walk_chunk, &s);
    if (!rc)
        gather(&s, run.threads, effects, exhausted);
    walk_free(&s, run.threads);
    return rc;
}
