#include "io/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/classes.h"
#include "io/hex.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "tool.h"

static const char *kind_name(uint32_t kind)
{
    switch (kind) {
    case DKVB_JOURNAL_FORGET:
        return "forget";
    case DKVB_JOURNAL_UNDO:
        return "undo";
    case DKVB_JOURNAL_PURGE:
        return "purge";
    case DKVB_JOURNAL_REPLAY:
        return "replay";
    case DKVB_JOURNAL_RELEARN:
        return "relearn";
    default:
        return "unknown";
    }
}

static const char *state_name(uint32_t state)
{
    switch (state) {
    case DKVB_JOURNAL_ACTIVE:
        return "active";
    case DKVB_JOURNAL_UNDONE:
        return "undone";
    case DKVB_JOURNAL_PURGED:
        return "purged";
    case DKVB_JOURNAL_DONE:
        return "done";
    case DKVB_JOURNAL_RELEARNED:
        return "relearned";
    default:
        return "unknown";
    }
}

bool journal_in_force(const dkvb_journal_entry *e)
{
    if (e->kind == DKVB_JOURNAL_FORGET)
        return e->state == DKVB_JOURNAL_ACTIVE || e->state == DKVB_JOURNAL_PURGED;
    return e->kind == DKVB_JOURNAL_REPLAY && e->state == DKVB_JOURNAL_DONE;
}

static int get_entry(const dkvb_model *model, uint64_t index, dkvb_journal_entry *entry)
{
    *entry = (dkvb_journal_entry)DKVB_JOURNAL_ENTRY_INIT;
    return tool_check(dkvb_journal_get(model, index, entry));
}

static const char *const key_names[] = {
    [DKVB_KEYS_UNSAID] = NULL, [DKVB_KEYS_KEPT] = "kept", [DKVB_KEYS_PLACED] = "placed"};

/* Entries of which the method says more than the kind does. */
static bool has_method(const dkvb_journal_entry *entry)
{
    return entry->kind == DKVB_JOURNAL_FORGET || entry->kind == DKVB_JOURNAL_REPLAY ||
           entry->kind == DKVB_JOURNAL_RELEARN;
}

/* Room for what an entry says of each class. */
struct by_class {
    uint32_t count;
    uint8_t *asked;             /* [count], DKVB_FORGET or DKVB_KEEP */
    dkvb_class_effect *effects; /* [count] */
};

static void by_class_free(struct by_class *c)
{
    free(c->asked);
    free(c->effects);
}

static int by_class_make(struct by_class *c, const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    int code = tool_check(dkvb_model_get_info(model, &info));

    if (code)
        return code;
    c->count = info.classes;
    c->asked = input_memory("the classes", 1, c->count, 1, 1);
    c->effects = input_memory("effects", sizeof *c->effects, c->count, 1, 1);
    return c->asked && c->effects ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int by_class_read(struct by_class *c, const dkvb_model *model, uint64_t entry)
{
    int code = tool_check(dkvb_journal_get_classes(model, entry, c->asked));

    return code ? code : tool_check(dkvb_journal_get_effects(model, entry, c->effects));
}

static void print_class(const dkvb_model *model, uint32_t label)
{
    const char *name = dkvb_model_class_name(model, label);

    printf("%" PRIu32, label);
    if (name) {
        putchar(' ');
        output_padded(name, 0);
    }
}

enum { CLASSES_SHOWN = 8 };

/* The first of the classes that an entry is about. */
static void print_classes(const dkvb_model *model, const dkvb_journal_entry *entry, const struct by_class *c)
{
    uint32_t asked = 0;

    printf("       %s: ", entry->kind == DKVB_JOURNAL_RELEARN ? "taught again" : "asked for");
    for (uint32_t l = 0; l < c->count; l++) {
        if (c->asked[l] != DKVB_FORGET || asked++ >= CLASSES_SHOWN)
            continue;
        printf("%s", asked == 1 ? "" : ", ");
        print_class(model, l);
    }
    if (asked > CLASSES_SHOWN)
        printf(" and %" PRIu32 " more", asked - CLASSES_SHOWN);
    putchar('\n');
}

/* Budget, limits, and the other terms of the request; no line if there are none. */
static void print_limits(const dkvb_journal_entry *e)
{
    const char *between = "       ", *of = strcmp(e->method, "examples") == 0 ? "examples" : "pairs";

    if (e->budget) {
        printf("%sbudget: %" PRIu64 " %s", between, e->budget, of);
        between = ", ";
    }
    if (e->found) {
        printf("%sfound for a target of %g", between, e->target);
        between = ", ";
    }
    if (e->max_retain_drop > 0.0) {
        printf("%sall others together may lose %g", between, e->max_retain_drop);
        between = ", ";
    }
    if (e->max_class_loss > 0.0) {
        printf("%sany other class %g for certain", between, e->max_class_loss);
        between = ", ";
    }
    if (e->again) {
        printf("%srepeats entry %" PRIu64, between, e->again);
        between = ", ";
    }
    if (e->keys) {
        printf("%skeys: %s", between, key_names[e->keys]);
        between = ", ";
    }
    if (e->forced) {
        printf("%sforced", between);
        between = ", ";
    }
    if (strcmp(between, ", ") == 0)
        putchar('\n');
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

/* Accuracy of the classes asked for, and of the one among the others that lost most. */
static void print_effects(const dkvb_model *model, const dkvb_journal_entry *entry, const struct by_class *c)
{
    dkvb_class_effect asked = {0};
    uint32_t worst = c->count;

    for (uint32_t l = 0; l < c->count; l++)
        if (c->asked[l] == DKVB_FORGET)
            dkvb_effect_add(&asked, &c->effects[l]);
        else if (c->effects[l].rows && (worst == c->count || c->effects[l].loss > c->effects[worst].loss))
            worst = l;
    printf("       held out: ");
    if (entry->by_class)
        printf("asked for %.4f -> %.4f (%" PRIu64 " rows)%s", share(asked.right_before, asked.rows),
               share(asked.right_after, asked.rows), asked.rows, worst < c->count ? ", others: " : "");
    if (worst < c->count && !(c->effects[worst].loss > 0.0)) {
        printf("no class lost");
    } else if (worst < c->count) {
        const dkvb_class_effect *e = &c->effects[worst];

        printf("largest loss %.4f -> %.4f (%" PRIu64 " rows), class ", share(e->right_before, e->rows),
               share(e->right_after, e->rows), e->rows);
        print_class(model, worst);
    }
    putchar('\n');
}

static void print_entry(const dkvb_model *model, const dkvb_journal_entry *entry, const struct by_class *c)
{
    char time[32], what[32], rows[24] = "";

    if (entry->ends)
        snprintf(what, sizeof what, "%s %" PRIu64, kind_name(entry->kind), entry->ends);
    else
        snprintf(what, sizeof what, "%s", kind_name(entry->kind));
    if (entry->rows)
        snprintf(rows, sizeof rows, "%" PRIu64, entry->rows);
    printf("%5" PRIu64 "  %-20s  %-9s  %-7s  %10" PRIu64, entry->id, output_time(entry->time, time, sizeof time), what,
           state_name(entry->state), entry->pairs);
    if (has_method(entry) || entry->reason[0]) {
        printf("  %8s  %-8s  ", rows, dkvb_strength_name(entry->strength));
        output_padded(has_method(entry) ? entry->method : "", entry->reason[0] ? 12 : 0);
    }
    if (entry->reason[0]) {
        fputs("  ", stdout);
        output_padded(entry->reason, 0);
    }
    putchar('\n');
    if (entry->by_class)
        print_classes(model, entry, c);
    print_limits(entry);
    if (entry->measured)
        print_effects(model, entry, c);
}

int journal_print(const dkvb_model *model)
{
    uint64_t count = dkvb_journal_count(model);
    struct by_class c = {0};
    dkvb_journal_entry entry;
    int code = by_class_make(&c, model);

    if (code == EXIT_SUCCESS && count == 0)
        puts("the journal is empty");
    else if (code == EXIT_SUCCESS)
        printf("%5s  %-20s  %-9s  %-7s  %10s  %8s  %-8s  %-12s  %s\n", "entry", "time", "what", "state", "pairs",
               "rows", "strength", "method", "reason");
    for (uint64_t i = 0; i < count && code == EXIT_SUCCESS; i++) {
        code = get_entry(model, i, &entry);
        if (code == EXIT_SUCCESS)
            code = by_class_read(&c, model, entry.id);
        if (code == EXIT_SUCCESS)
            print_entry(model, &entry, &c);
    }
    by_class_free(&c);
    return code;
}

static void write_hash(const char *key, bool there, const uint8_t hash[32])
{
    char text[65];

    json_text(key, there ? hex_text(hash, 32, text) : NULL);
}

static void write_number(const char *key, uint64_t number)
{
    if (number)
        json_count(key, number);
    else
        json_null(key);
}

/* [{"label": 3, "name": "cat"}, ...], or null where the request was not by class. */
static void write_classes(const dkvb_model *model, const dkvb_journal_entry *entry, const struct by_class *c)
{
    if (!entry->by_class) {
        json_null("classes");
        return;
    }
    json_open("classes", '[');
    for (uint32_t l = 0; l < c->count; l++)
        if (c->asked[l] == DKVB_FORGET)
            classes_write(model, l, 0, "", true);
    json_close(']');
}

void journal_json_effect(const dkvb_model *model, uint32_t label, const dkvb_class_effect *e)
{
    json_open(NULL, '{');
    json_count("label", label);
    json_text("name", dkvb_model_class_name(model, label));
    json_count("rows", e->rows);
    json_count("right_before", e->right_before);
    json_count("right_after", e->right_after);
    json_count("lost", e->lost);
    json_count("gained", e->gained);
    json_real("loss", e->loss);
    json_real("low", e->low);
    json_real("high", e->high);
    json_close('}');
}

/* Classes with held-out rows, as in the JSON of `forget`; null where nothing was measured. */
static void write_effects(const dkvb_model *model, const dkvb_journal_entry *entry, const struct by_class *c)
{
    if (!entry->measured) {
        json_null("effects");
        return;
    }
    json_open("effects", '[');
    for (uint32_t l = 0; l < c->count; l++)
        if (c->effects[l].rows)
            journal_json_effect(model, l, &c->effects[l]);
    json_close(']');
}

static void write_limits(const dkvb_journal_entry *entry)
{
    if (!(entry->max_retain_drop > 0.0) && !(entry->max_class_loss > 0.0)) {
        json_null("limits");
        return;
    }
    json_open("limits", '{');
    json_real("max_retain_drop", entry->max_retain_drop);
    json_real("max_class_loss", entry->max_class_loss);
    json_close('}');
}

static void write_entry(const dkvb_model *model, const dkvb_journal_entry *entry, const struct by_class *c)
{
    char time[32];

    json_open(NULL, '{');
    json_count("id", entry->id);
    json_text("time", output_time(entry->time, time, sizeof time));
    json_text("what", kind_name(entry->kind));
    json_text("state", state_name(entry->state));
    write_number("ends", entry->ends);
    json_count("pairs", entry->pairs);
    json_count("pairs_new", entry->pairs_new);
    json_text("method", entry->method);
    json_text("reason", entry->reason);
    json_text("strength", entry->strength ? dkvb_strength_name(entry->strength) : NULL);
    write_classes(model, entry, c);
    if (entry->found)
        json_real("target", entry->target);
    else
        json_null("target");
    write_number("budget", entry->budget);
    json_bool("found", entry->found != 0);
    json_bool("forced", entry->forced != 0);
    write_limits(entry);
    write_effects(model, entry, c);
    write_number("again", entry->again);
    json_text("keys", key_names[entry->keys]);
    write_hash("after", entry->has_after != 0, entry->after);
    write_number("rows", entry->rows);
    write_hash("rows_commitment", entry->has_commitment, entry->commitment);
    write_hash("pairs_commitment", entry->has_pairs_commitment, entry->pairs_commitment);
    json_bool("salted", entry->salted != 0);
    write_hash("head", true, entry->head);
    json_close('}');
}

const char *journal_head(const dkvb_model *model, char *text)
{
    uint8_t head[(JOURNAL_HEAD_SIZE - 1) / 2];

    dkvb_journal_head(model, head);
    return hex_text(head, sizeof head, text);
}

int journal_json(const dkvb_model *model)
{
    uint64_t count = dkvb_journal_count(model);
    char head[JOURNAL_HEAD_SIZE];
    struct by_class c = {0};
    dkvb_journal_entry entry;
    int code = by_class_make(&c, model);

    json_text("head", journal_head(model, head));
    json_open("journal", '[');
    for (uint64_t i = 0; i < count && code == EXIT_SUCCESS; i++) {
        code = get_entry(model, i, &entry);
        if (code == EXIT_SUCCESS)
            code = by_class_read(&c, model, entry.id);
        if (code == EXIT_SUCCESS)
            write_entry(model, &entry, &c);
    }
    json_close(']');
    by_class_free(&c);
    return code;
}

int journal_newest(const dkvb_model *model, dkvb_journal_entry *entry)
{
    uint64_t count = dkvb_journal_count(model);

    if (count == 0)
        return tool_fail("the journal is empty");
    return get_entry(model, count - 1, entry);
}
