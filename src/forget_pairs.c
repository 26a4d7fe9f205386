/* Which pairs must go: by the method and budget that were asked for, or the smallest budget that does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forget.h"
#include "progress.h"
#include "tool.h"

/* What the options ask for. Else the values say whom a pair serves, where whole classes are to go: that takes the
 * fewest pairs and costs others least (docs/unlearning.md). Single rows, and those of a file that says not whose they
 * are, go by what they select. */
uint32_t forget_method(const struct forget *f)
{
    if (f->args.method)
        return f->args.method;
    if (f->set.classes && (f->codeset || !f->set.codes))
        return DKVB_METHOD_VALUES;
    return f->set.marks ? DKVB_METHOD_CONTRAST : DKVB_METHOD_ACTIVATIONS;
}

static dkvb_request make_request(const struct forget *f, const uint8_t *rows, const uint8_t *classes)
{
    dkvb_request request = DKVB_REQUEST_INIT;

    request.method = forget_method(f);
    request.k = f->info.top_k;
    request.codes = f->set.codes;
    request.n = f->set.n;
    request.rows = rows;
    request.classes = classes;
    request.seed = f->args.seed;
    return request;
}

static uint64_t given_budget(const struct forget *f)
{
    return forget_method(f) == DKVB_METHOD_EXAMPLES ? f->args.examples : f->args.pairs;
}

static int choose_given(struct forget *f, uint64_t budget)
{
    dkvb_request request = make_request(f, f->set.marks, f->set.classes);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = f->args.threads;
    return tool_check_about(f->args.args.operand[0], dkvb_unlearn_choose(f->mask, f->model, &request, budget, &run));
}

/* Why no budget does, with the one that comes nearest. */
static int say_best(const struct forget *f)
{
    const dkvb_budget *b = &f->budget;
    const char *what = forget_method(f) == DKVB_METHOD_EXAMPLES ? "examples" : "pairs";

    return tool_fail("%s: no number of %s brings the accuracy on %" PRIu64 " held-out rows down to %g while the others "
                     "lose at most %g; nothing was changed. Nearest: %" PRIu64
                     " %s, %.4f -> %.4f, others %.4f -> %.4f. "
                     "--strength exact forgets by training again",
                     f->args.args.operand[0], what, b->forget_rows, f->args.target, f->args.max_retain_drop, b->budget,
                     what, b->forget_before, b->forget_after, b->retain_before, b->retain_after);
}

/* Marks of the rows of f->set, given those of the classes; to be free()d. */
static uint8_t *marks_by_class(const struct forget *f, const uint8_t *classes)
{
    uint8_t *marks = input_memory("marks of rows", 1, f->set.n, 1, 1);

    for (size_t i = 0; marks && i < f->set.n; i++)
        marks[i] = f->set.labels[i] < 0 ? DKVB_KEEP : classes[f->set.labels[i]];
    return marks;
}

/* Whether both limits are kept with this mask, and no class would make the guard refuse it. What each class loses by it
 * goes to `effects`, [L]. */
static int keeps_limits(const struct forget *f, const uint8_t *classes, double target, const dkvb_mask *mask,
                        dkvb_class_effect *effects, uint64_t *exhausted, bool *keeps)
{
    dkvb_run_options run = progress_start("effects", f->args.threads);
    dkvb_class_effect sums[DKVB_ASIDE + 1] = {{0}};
    int code =
        tool_check_about(f->args.codes, dkvb_effect_measure(f->model, NULL, mask, &f->held, effects, exhausted, &run));

    progress_stop();
    for (uint32_t l = 0; code == EXIT_SUCCESS && l < f->info.classes; l++)
        dkvb_effect_add(&sums[classes[l]], &effects[l]);
    *keeps = sums[DKVB_KEEP].loss <= f->args.max_retain_drop &&
             (double)sums[DKVB_FORGET].right_after <= target * (double)sums[DKVB_FORGET].rows;
    for (uint32_t l = 0; code == EXIT_SUCCESS && l < f->info.classes; l++)
        *keeps = *keeps && (classes[l] != DKVB_KEEP || effects[l].low <= f->args.max_class_loss);
    return code;
}

/* The pairs of a budget that was found, with room for rows that were not held out; where that would not keep the
 * limits, without. */
static int take_with_room(struct forget *f, const uint8_t *classes, double target, const uint32_t *rank,
                          const dkvb_budget *found, dkvb_mask *mask)
{
    dkvb_class_effect *effects = input_memory("effects", sizeof *effects, f->info.classes, 1, 1);
    bool keeps = false;
    int code = effects ? tool_check(dkvb_unlearn_by_rank(mask, rank, found->roomy)) : EXIT_FAILURE;

    if (code == EXIT_SUCCESS)
        code = keeps_limits(f, classes, target, mask, effects, &f->exhausted, &keeps);
    if (code == EXIT_SUCCESS && keeps && mask == f->mask) {
        free(f->effects);
        f->effects = effects; /* what forget_measure() would find */
        return code;
    }
    free(effects);
    if (code || keeps)
        return code;
    dkvb_mask_clear(mask);
    return tool_check(dkvb_unlearn_by_rank(mask, rank, found->budget));
}

int forget_find_budget(struct forget *f, const uint8_t *classes, double target, dkvb_budget *found, dkvb_mask *mask)
{
    uint8_t *rows = marks_by_class(f, classes);
    uint32_t *rank = rows ? input_memory("the ranking", sizeof *rank, f->info.codebooks, f->info.keys, 1) : NULL;
    dkvb_request request = make_request(f, rows, classes);
    dkvb_budget_options o = DKVB_BUDGET_OPTIONS_INIT;
    dkvb_run_options run = progress_start("budget", f->args.threads);
    int code = rank ? tool_check(dkvb_unlearn_rank(rank, f->model, &request, &run)) : EXIT_FAILURE;

    o.target = target;
    o.max_retain_drop = f->args.max_retain_drop;
    *found = (dkvb_budget)DKVB_BUDGET_INIT;
    if (code == EXIT_SUCCESS)
        code = tool_check_about(f->args.codes, dkvb_budget_find(f->model, rank, &f->held, classes, &o, found, &run));
    progress_stop();
    if (code == EXIT_SUCCESS && found->met)
        code = take_with_room(f, classes, target, rank, found, mask);
    free(rank);
    free(rows);
    return code;
}

int forget_put_earlier_aside(const struct forget *f, uint8_t *classes)
{
    uint8_t *named = input_memory("the classes", 1, f->info.classes, 1, 1);
    int code = named ? EXIT_SUCCESS : EXIT_FAILURE;

    for (uint64_t i = 0; code == EXIT_SUCCESS && i < dkvb_journal_count(f->model); i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        code = tool_check(dkvb_journal_get(f->model, i, &entry));
        if (code == EXIT_SUCCESS && entry.kind == DKVB_JOURNAL_FORGET && journal_in_force(&entry))
            code = forget_add_classes(f, entry.id, named);
    }
    for (uint32_t l = 0; code == EXIT_SUCCESS && l < f->info.classes; l++)
        if (named[l] == DKVB_FORGET && classes[l] == DKVB_KEEP)
            classes[l] = DKVB_ASIDE;
    free(named);
    return code;
}

/* Classes forgotten earlier count neither as kept nor as forgotten: pairs that served them are free to go. */
static int choose_found(struct forget *f)
{
    int code = forget_put_earlier_aside(f, f->set.classes);

    if (code == EXIT_SUCCESS)
        code = forget_find_budget(f, f->set.classes, f->args.target, &f->budget, f->mask);
    return code == EXIT_SUCCESS && !f->budget.met ? say_best(f) : code;
}

int forget_choose(struct forget *f)
{
    int code = tool_check(dkvb_mask_new(&f->mask, dkvb_model_codebooks(f->model)));

    if (code)
        return code;
    if (given_budget(f) > 0)
        return choose_given(f, given_budget(f));
    return choose_found(f);
}

dkvb_forget_options forget_options(const struct forget *f, const uint8_t *classes, const dkvb_class_effect *effects)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;

    o.reason = f->args.reason;
    o.strength = f->args.exact ? DKVB_STRENGTH_EXACT : DKVB_STRENGTH_SUPPRESS;
    o.forced = f->args.force && f->refusal[0];
    o.classes = classes;
    o.effects = effects;
    if (f->held.n > 0) /* else no limit was looked at */
        o.max_class_loss = f->args.max_class_loss;
    o.rows = f->set.ids;
    o.row_count = f->set.id_count;
    o.salt = f->args.salt ? f->salt : NULL;
    return o;
}

int forget_apply(struct forget *f, const dkvb_mask *mask, const dkvb_forget_options *options, uint64_t *entry)
{
    dkvb_forget_options o = *options;
    dkvb_status status;

    o.method = f->args.mask ? NULL : dkvb_method_name(forget_method(f));
    status = dkvb_model_forget(f->model, mask, &o, entry);
    return f->args.mask ? tool_check_both(f->args.mask, f->args.args.operand[0], status) : tool_check(status);
}
