/* What was forgotten earlier and comes back: forgotten again, and everything measured together. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forget.h"
#include "tool.h"

/* What one request with a target named, this one included. */
struct group {
    uint64_t entry;   /* of the journal */
    uint8_t *classes; /* [L], DKVB_FORGET where it named one */
    double target;
    bool hopeless; /* nothing helps within the limits */
};

struct groups {
    struct group *all;
    size_t count;
};

static void groups_free(struct groups *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->all[i].classes);
    free(g->all);
}

static int read_groups(const struct forget *f, struct groups *g)
{
    uint64_t entries = dkvb_journal_count(f->model);
    int code = EXIT_SUCCESS;

    g->all = input_memory("requests", sizeof *g->all, (size_t)entries, 1, 1);
    if (!g->all)
        return EXIT_FAILURE;
    for (uint64_t i = 0; i < entries && code == EXIT_SUCCESS; i++) {
        struct group *group = &g->all[g->count];
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        code = tool_check(dkvb_journal_get(f->model, i, &entry));
        if (code || entry.kind != DKVB_JOURNAL_FORGET || !journal_in_force(&entry) || !entry.found || entry.again)
            continue;
        group->target = entry.target;
        group->entry = entry.id;
        group->classes = input_memory("the classes", 1, f->info.classes, 1, 1);
        code = group->classes ? EXIT_SUCCESS : EXIT_FAILURE;
        g->count += group->classes != NULL;
        if (group->classes)
            code = forget_add_classes(f, entry.id, group->classes);
    }
    return code;
}

/* Whether the rows of a group, taken together, keep more accuracy than it asked for. */
static bool came_back(const struct forget *f, const struct group *group, const dkvb_class_effect *now)
{
    dkvb_class_effect sum = {0};

    for (uint32_t l = 0; l < f->info.classes; l++)
        if (group->classes[l] == DKVB_FORGET)
            dkvb_effect_add(&sum, &now[l]);
    return (double)sum.right_after > group->target * (double)sum.rows;
}

static int write_again(struct forget *f, const struct group *group, const uint8_t *classes, const dkvb_mask *mask)
{
    dkvb_forget_options o = forget_options(f, classes, NULL);
    uint64_t *ids = NULL, entry;
    size_t count;
    int code = forget_ids_of(f, classes, &ids, &count);

    o.again = group->entry;
    o.found = 1;
    o.target = group->target;
    o.max_retain_drop = f->args.max_retain_drop;
    o.budget = dkvb_mask_count(mask);
    o.rows = ids;
    o.row_count = count;
    if (code == EXIT_SUCCESS)
        code = forget_apply(f, mask, &o, &entry);
    if (code == EXIT_SUCCESS)
        f->again[f->again_count++] = entry;
    free(ids);
    return code;
}

/* Forget a group once more, if that keeps the limits. */
static int forget_group(struct forget *f, struct group *group)
{
    uint8_t *classes = input_memory("the classes", 1, f->info.classes, 1, 1);
    dkvb_budget found = DKVB_BUDGET_INIT;
    dkvb_mask *mask = NULL;
    int code = classes ? tool_check(dkvb_mask_new(&mask, dkvb_model_codebooks(f->model))) : EXIT_FAILURE;

    for (uint32_t l = 0; classes && l < f->info.classes; l++)
        classes[l] = group->classes[l] == DKVB_FORGET ? DKVB_FORGET
                     : f->set.classes[l] == DKVB_KEEP ? DKVB_KEEP
                                                      : DKVB_ASIDE;
    if (code == EXIT_SUCCESS)
        code = forget_find_budget(f, classes, group->target, &found, mask);
    if (code == EXIT_SUCCESS && found.met)
        code = write_again(f, group, classes, mask);
    group->hopeless = !found.met;
    dkvb_mask_free(mask);
    free(classes);
    return code;
}

enum { ROUNDS = 5 }; /* each weakens the others a little less */

static int forget_groups(struct forget *f, struct groups *g, dkvb_class_effect *now)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    bool any = true;
    int code = EXIT_SUCCESS;

    run.threads = f->args.threads;
    for (int round = 0; code == EXIT_SUCCESS && any && round < ROUNDS; round++) {
        any = false;
        code = tool_check(dkvb_effect_measure(f->model, NULL, NULL, &f->held, now, NULL, &run));
        for (size_t i = 0; code == EXIT_SUCCESS && i < g->count; i++)
            if (!g->all[i].hopeless && came_back(f, &g->all[i], now)) {
                any = true;
                code = forget_group(f, &g->all[i]);
            }
    }
    return code;
}

/* All masks together against the model as it was. */
static int measure_all(struct forget *f)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_class_effect others = {0};
    dkvb_model *before = NULL;
    dkvb_model_info info;
    int code = input_model_map(&before, f->args.args.operand[0], &info);

    run.threads = f->args.threads;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_effect_compare(before, f->model, &f->held, f->effects, &run));
    dkvb_model_free(before);
    for (uint32_t l = 0; code == EXIT_SUCCESS && l < f->info.classes; l++)
        if (f->set.classes[l] == DKVB_KEEP)
            dkvb_effect_add(&others, &f->effects[l]);
    if (code == EXIT_SUCCESS && others.loss > f->args.max_retain_drop && !f->args.force)
        code = tool_fail(
            "%s: what was forgotten before comes back, and forgetting it again too would cost the others %.4f, at most "
            "%g is allowed; nothing was changed. --strength exact forgets all of them by training again; --pairs or a "
            "larger --max-retain-drop may do",
            f->args.args.operand[0], others.loss, f->args.max_retain_drop);
    return code;
}

int forget_again(struct forget *f)
{
    struct groups groups = {0};
    dkvb_class_effect *now = input_memory("effects", sizeof *now, f->info.classes, 1, 1);
    int code = now ? read_groups(f, &groups) : EXIT_FAILURE;

    f->again = code ? NULL : input_memory("entries", sizeof *f->again, groups.count, ROUNDS, 1);
    if (code == EXIT_SUCCESS)
        code = f->again ? forget_groups(f, &groups, now) : EXIT_FAILURE;
    for (size_t i = 0; code == EXIT_SUCCESS && i < groups.count; i++)
        if (groups.all[i].hopeless)
            tool_note(
                "%s: classes forgotten before came back in part, and no number of pairs forgets them again within the "
                "limits: see --dry-run, or --strength exact, which trains again without them",
                f->args.args.operand[0]);
    groups_free(&groups);
    free(now);
    return code == EXIT_SUCCESS && f->again_count > 0 ? measure_all(f) : code;
}
