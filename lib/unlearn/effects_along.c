/*
 * Effects of nested masks. The pairs of a larger budget include those of a smaller one, so the code of a row changes
 * only where one of its selected keys is taken. Values are summed again only in the groups of codebooks where that
 * happened. The sums keep the order of decoding (bottleneck/sums.h), so a row's answers are the same as if it were
 * decoded under each mask alone.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/sums.h"
#include "dkvb/search.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"

enum { CHUNK = 16 }; /* rows in one task */

/* Counts of one class at one budget. */
struct counts {
    uint64_t lost, gained;
};

/* Memory of one worker: the row that it follows, and its counts. */
struct walker {
    uint16_t *code;      /* [C][top_k], keys selected under the mask of the present budget */
    uint16_t *filled;    /* [C], number of keys of the code; fewer than top_k if the deep code has no more */
    uint32_t *next;      /* [C], the first key of the deep code that was not looked at yet */
    uint32_t *low;       /* [C], the lowest rank of the selected keys: the budget that takes one of them */
    uint32_t *group_low; /* [groups], the lowest `low` of the group's codebooks */
    float *groups;       /* [groups][L], sums of values */
    double *sums;        /* [L] */
    float *logits;       /* [L] */
    uint64_t short_of;   /* number of codebooks in which this row has fewer than top_k keys */
    struct counts *counts;
    uint64_t *right; /* [L], right answers at budget 0 */
    uint64_t *exhausted;
};

struct walk {
    const dkvb_model *model;
    const uint32_t *rank;
    dkvb_codeset_rows held;
    const uint64_t *budgets;
    size_t count;
    struct walker *walkers; /* [threads] */
};

/* Keeps the keys of a codebook that live at `budget`, and fills the free places with the next live keys of the deep
 * code. The order stays that of the deep code, nearest first. */
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

/* Refreshes all codebooks of a group that lose a key at `budget`, and the group's sum. */
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
    dkvb__sum_group(s->model, group, w->code, w->groups + group * s->model->classes);
}

/* True if the answer is `label`: it has the largest logit, and no lower class has the same. */
static bool is_right(const struct walk *s, struct walker *w, int32_t label)
{
    size_t groups = dkvb__groups(s->model), classes = s->model->classes;

    memset(w->sums, 0, classes * sizeof *w->sums);
    for (size_t g = 0; g < groups; g++)
        for (size_t l = 0; l < classes; l++)
            w->sums[l] += (double)w->groups[g * classes + l];
    if (!dkvb__finish_logits(s->model, w->code, w->sums, w->logits))
        return false; /* in that case the row abstains */
    for (int32_t l = 0; l < (int32_t)classes; l++)
        if (w->logits[l] > w->logits[label] || (l < label && w->logits[l] == w->logits[label]))
            return false;
    return true;
}

static void walk_row(const struct walk *s, struct walker *w, size_t row)
{
    size_t codebooks = s->held.codebooks, groups = dkvb__groups(s->model), classes = s->model->classes;
    const uint16_t *deep = s->held.codes + row * codebooks * s->held.k;
    int32_t label = s->held.labels[row];
    bool before, now;

    /* At the start every codebook is empty and due at budget 0, since no pair has a rank below 1. */
    memset(w->next, 0, codebooks * sizeof *w->next);
    memset(w->low, 0, codebooks * sizeof *w->low);
    memset(w->filled, 0, codebooks * sizeof *w->filled);
    for (size_t g = 0; g < groups; g++)
        refresh_group(s, w, g, deep, 0);
    w->short_of = 0;
    for (size_t c = 0; c < codebooks; c++)
        w->short_of += w->filled[c] < s->model->top_k;
    before = now = is_right(s, w, label);
    w->right[label] += before;
    for (size_t b = 0; b < s->count; b++) {
        struct counts *counts = &w->counts[b * classes + (size_t)label];
        uint64_t budget = s->budgets[b] < DKVB__RANK_NEVER ? s->budgets[b] : DKVB__RANK_NEVER - 1;
        bool changed = false;

        for (size_t g = 0; g < groups; g++)
            if (w->group_low[g] <= budget) {
                refresh_group(s, w, g, deep, budget);
                changed = true;
            }
        if (changed)
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

/* Adds up the counts of all workers. The counts are whole numbers, so the order does not matter. */
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
    rc = walk_new(&s, run.threads);
    if (!rc)
        rc = dkvb__parallel_rows(&run, s.held.n, CHUNK, walk_chunk, &s);
    if (!rc)
        gather(&s, run.threads, effects, exhausted);
    walk_free(&s, run.threads);
    return rc;
}
