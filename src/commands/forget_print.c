/* Prints a plan of forgetting, before and after it is applied. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/forget.h"
#include "io/journal.h"
#include "io/classes.h"
#include "io/json.h"
#include "io/output.h"
#include "io/progress.h"
#include "tool.h"

static const char *method_name(const struct forget *f)
{
    if (!f->args.exact && f->found.method == 0 && f->found.request_count == 0)
        return "mask";
    return f->args.exact ? "replay" : dkvb_name(DKVB_NAME_METHOD, f->found.method);
}

static void json_budget(const dkvb_plan_info *found)
{
    const dkvb_budget *b = &found->budget;

    if (!found->budget_found) {
        json_unknown("budget");
        return;
    }
    json_open("budget", '{');
    json_count("budget", b->budget);
    json_count("roomy", b->roomy);
    json_count("forget_rows", b->forget_rows);
    json_count("retain_rows", b->retain_rows);
    json_number("forget_before", b->forget_before);
    json_number("forget_after", b->forget_after);
    json_number("retain_before", b->retain_before);
    json_number("retain_after", b->retain_after);
    json_close('}');
}

/* Writes the classes that a forget request asks for, by index and name; as text, nothing if the request names no
 * class. */
static bool write_classes(const struct forget *f, const uint8_t *classes)
{
    return classes_list(f->model, classes, f->found.class_count, "classes ", UINT32_MAX, f->args.json) > 0;
}

/* Writes each of several forget requests: its rows or classes, and its result. */
static void write_requests(const struct forget *f)
{
    for (size_t i = 0; i < f->found.request_count; i++) {
        const dkvb_plan_request *one = &f->found.requests[i];

        if (f->args.json) {
            json_open(NULL, '{');
            json_count("line", one->line);
        } else {
            printf("line %" PRIu64 ": ", one->line);
        }
        write_classes(f, one->classes);
        if (f->args.json) {
            json_count("ids", one->ids);
            json_count("pairs_requested", one->pairs);
            json_count("pairs_masked", one->pairs_new);
            json_count("entry", one->entry);
            json_bool("forgotten", one->forgotten);
            json_close('}');
            continue;
        }
        if (!one->classes)
            printf("%" PRIu64 " rows", one->ids);
        if (one->forgotten && one->entry)
            printf(", forgotten already (entry %" PRIu64 ")\n", one->entry);
        else if (one->forgotten)
            puts(", forgotten already (the codes tell that the rows were removed)");
        else if (one->entry)
            printf(", entry %" PRIu64 "\n", one->entry);
        else
            putchar('\n');
    }
}

static void print_json(const struct forget *f, double seconds)
{
    const dkvb_plan_info *p = &f->found;

    json_open(NULL, '{');
    json_text("strength", dkvb_name(DKVB_NAME_STRENGTH, p->strength));
    json_text("method", method_name(f));
    write_classes(f, p->classes);
    if (p->request_count) {
        json_open("requests", '[');
        write_requests(f);
        json_close(']');
    } else {
        json_unknown("requests");
    }
    json_count("forgotten_already", p->forgotten);
    json_count("pairs_masked", p->pairs_new);
    json_count("pairs_requested", p->pairs);
    json_count("pairs_total", p->pairs_total);
    json_count("examples", f->args.exact ? p->ids : p->rows);
    f->entry ? json_count("entry", f->entry) : json_unknown("entry");
    json_budget(p);
    p->effects ? json_open("effects", '[') : json_unknown("effects");
    for (uint32_t l = 0; p->effects && l < p->class_count; l++)
        journal_json_effect(f->model, l, &p->effects[l]);
    if (p->effects)
        json_close(']');
    p->effects ? json_count("exhausted", p->exhausted) : json_unknown("exhausted");
    json_count("again", p->again);
    json_count("not_again", p->not_again);
    json_count("lifted", p->lifted);
    json_bool("keys_placed_again", p->keys == DKVB_KEYS_PLACED);
    json_count("names_dropped", f->names_dropped);
    json_bool("resumed", p->resumed != 0);
    json_bool("dry_run", f->args.dry_run || f->args.plan_out);
    json_text("plan", f->args.plan_out);
    json_text("refused", p->refused ? f->found.refusal : NULL);
    json_bool("forced", p->forced != 0);
    json_number("seconds_files", progress_file_seconds());
    json_number("seconds", seconds);
    json_close('}');
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

enum { ALL_SHOWN = 24, MOST_SHOWN = 12 };

/* Chooses the classes to print if a model has many: the classes that the request asks for, and of all others those
 * whose accuracy changes most. Returns marks of the classes to print, which the caller frees, or NULL if all classes
 * are printed. */
static bool *choose_shown(const struct forget *f, const dkvb_class_effect *effects, const uint8_t *classes)
{
    uint32_t count = f->found.class_count;
    bool *shown = count > ALL_SHOWN && !f->args.all_classes ? input_memory("the classes", 1, count, 1, 1) : NULL;

    for (uint32_t l = 0; shown && classes && l < count; l++)
        shown[l] = classes[l] == DKVB_FORGET;
    for (int i = 0; shown && i < MOST_SHOWN; i++) {
        uint32_t best = count;

        for (uint32_t l = 0; l < count; l++)
            if (!shown[l] && effects[l].rows && effects[l].loss != 0.0 &&
                (best == count || effects[l].loss > effects[best].loss))
                best = l;
        if (best < count)
            shown[best] = true;
    }
    return shown;
}

static void print_effect(const struct forget *f, const dkvb_class_effect *e, uint32_t label, uint8_t mark)
{
    char text[300];

    output_padded(output_class(f->model, (int32_t)label, text), 24);
    if (e->rows)
        printf("  %8" PRIu64 "  %8.4f  %8.4f  %8.4f  %.4f to %.4f%s\n", e->rows, share(e->right_before, e->rows),
               share(e->right_after, e->rows), e->loss, e->low, e->high,
               mark == DKVB_FORGET  ? "  to be forgotten"
               : mark == DKVB_ASIDE ? "  forgotten before"
                                    : "");
    else
        printf("  %8d  %8s  %8s  %8s\n", 0, "-", "-", "-");
}

static void print_effects(const struct forget *f)
{
    const dkvb_class_effect *effects = f->found.effects;
    const uint8_t *classes = f->found.classes;
    /* totals over the classes that are not printed: rows, right answers before the forgetting, right answers after
     * it */
    uint64_t rows = 0, before = 0, after = 0;
    uint32_t hidden = 0;
    bool *shown;

    if (!effects && f->found.held_out == 0)
        puts("what each class would lose was not measured: no rows are held out ('train --codes-out' holds some out)");
    if (!effects)
        return;
    shown = choose_shown(f, effects, classes);
    printf("%-24s  %8s  %8s  %8s  %8s  %s\n", "class", "held out", "before", "after", "loss", "95 % interval");
    for (uint32_t l = 0; l < f->found.class_count; l++) {
        if (!shown || shown[l]) {
            print_effect(f, &effects[l], l, classes ? classes[l] : DKVB_KEEP);
            continue;
        }
        rows += effects[l].rows;
        before += effects[l].right_before;
        after += effects[l].right_after;
        hidden++;
    }
    if (hidden)
        printf("the other %" PRIu32 " classes together: %.4f before, %.4f after; --all-classes shows each\n", hidden,
               share(before, rows), share(after, rows));
    free(shown);
}

static void print_planned(const struct forget *f)
{
    const dkvb_plan_info *p = &f->found;

    if (!f->args.exact)
        printf("would suppress %" PRIu64 " of %" PRIu64 " pairs by %s; nothing was changed\n", p->pairs_new,
               p->pairs_total, method_name(f));
    else
        printf("would train again without %" PRIu64 " rows; nothing was changed\n", p->ids);
    print_effects(f);
    if (p->again)
        printf("requests that would be forgotten once more, because they come back: %" PRIu64 "\n", p->again);
    if (f->args.plan_out)
        printf("wrote %s, which 'dkvb apply' shows and does; it is as private as the model\n", f->args.plan_out);
    if (p->refused)
        printf("it would be refused%s: %s\n", p->can_be_forced ? " without --force" : "", f->found.refusal);
}

static void print_masked(const struct forget *f, const char *output, double seconds)
{
    const dkvb_plan_info *p = &f->found;

    printf("suppressed %" PRIu64 " of %" PRIu64 " pairs by %s", p->pairs_new, p->pairs_total, method_name(f));
    if (p->rows && f->args.examples && f->args.examples < p->rows)
        printf(", %" PRIu64 " of %" PRIu64 " rows", f->args.examples, p->rows);
    else if (p->rows)
        printf(" of %" PRIu64 " rows", p->rows);
    if (p->pairs_new < p->pairs)
        printf(" (%" PRIu64 " more were masked before)", p->pairs - p->pairs_new);
    printf(", in %.2f s\n", seconds);
    if (p->budget_found)
        printf("%" PRIu64 " were enough on rows held out: these classes %.4f -> %.4f, all others %.4f -> %.4f\n",
               p->budget.budget, p->budget.forget_before, p->budget.forget_after, p->budget.retain_before,
               p->budget.retain_after);
    if (p->again && p->request_count)
        printf("earlier requests came back, and more of their pairs were suppressed in %" PRIu64
               " further entries, each undone by itself\n",
               p->again);
    else if (p->again)
        printf("earlier requests came back, and more of their pairs were suppressed: entries %" PRIu64 " to %" PRIu64
               ", each undone by itself\n",
               f->entry + 1, f->entry + p->again);
    if (p->request_count)
        printf("wrote %s; 'dkvb undo %s ENTRY' takes one of them back\n", output, output);
    else
        printf("wrote %s; 'dkvb undo %s %" PRIu64 "' takes it back\n", output, output, f->entry);
    if (f->args.mask_out)
        mask_say_written(f->found.pairs, f->args.mask_out);
}

/* True if a class that the forget request asks for still has a name. */
static bool has_name(const struct forget *f)
{
    const uint8_t *classes = f->found.classes;

    for (uint32_t l = 0; classes && l < f->found.class_count; l++)
        if (classes[l] == DKVB_FORGET && dkvb_model_class_name(f->model, l))
            return true;
    return false;
}

static void print_deleted(const struct forget *f, const char *output, double seconds)
{
    const dkvb_plan_info *p = &f->found;
    dkvb_codeset_info codes = DKVB_CODESET_INFO_INIT;

    if (p->resumed)
        printf("%s was without the %" PRIu64 " rows already; now the codes are too, in %.2f s\n", output, p->ids,
               seconds);
    else
        printf("deleted what %" PRIu64 " rows taught the values: trained again without them, in %.2f s\n", p->ids,
               seconds);
    if (p->keys == DKVB_KEYS_PLACED)
        printf("the keys were placed again without them too; the journal begins anew\n");
    else if (f->args.keep_keys && dkvb_codeset_get_info(f->codeset, &codes) == DKVB_OK && codes.own_keys)
        printf("the keys were placed on these rows too, and are as they were\n");
    if (p->lifted)
        printf("%" PRIu64 " earlier maskings of the same rows were taken back\n", p->lifted);
    if (f->names_dropped)
        puts("the names of the classes were taken away");
    else if (has_name(f))
        puts("the names of the classes stay in the model: --drop-name takes them away");
    printf("wrote %s and %s\n", output, f->args.codes_out ? f->args.codes_out : f->args.codes);
    if (f->args.codes_out)
        printf("%s still has the rows\n", f->args.codes);
}

/* Prints notes on the plan of a forgetting that a reader of the printed figures should know. */
static void note(const struct forget *f)
{
    const dkvb_plan_info *p = &f->found;
    const uint8_t *classes = f->found.classes;
    uint64_t selections = p->looked_at * f->info.codebooks;
    bool aside = false;

    /* Rows of classes that were forgotten before usually run out of keys, so no note on missing keys is printed for
     * them. */
    for (uint32_t l = 0; classes && l < f->found.class_count; l++)
        aside = aside || classes[l] == DKVB_ASIDE;
    if (p->looked_at < p->held_out && f->args.codes)
        tool_note("%s: effects are measured on %" PRIu64 " of the %" PRIu64 " rows held out", f->args.codes,
                  p->looked_at, p->held_out);
    /* a note is printed if rows find too few keys in at least half a percent of all selections */
    if (p->effects && !aside && f->args.codes && selections && p->exhausted * 200 > selections)
        tool_note("%s: %" PRIu64 " of %" PRIu64
                  " selections of rows held out ran out of keys, and count for nothing in what was measured: 'train "
                  "--depth' keeps more",
                  f->args.codes, p->exhausted, selections);
    if (p->not_again)
        tool_note(
            "%s: classes forgotten before came back in part, and no number of pairs forgets them again within the "
            "limits: see --dry-run, or --strength exact, which trains again without them",
            f->args.args.operand[0]);
}

void forget_print(const struct forget *f, const char *output)
{
    double seconds = progress_clock() - f->began;

    note(f);
    if (f->args.json) {
        print_json(f, seconds);
        return;
    }
    if (write_classes(f, f->found.classes))
        putchar('\n');
    write_requests(f);
    if (f->found.request_count && f->found.forgotten == f->found.request_count)
        printf("all %" PRIu64 " requests were forgotten already; nothing was changed\n", f->found.request_count);
    else if (f->args.dry_run || f->args.plan_out)
        print_planned(f);
    else if (f->args.exact)
        print_deleted(f, output, seconds);
    else
        print_masked(f, output, seconds);
}
