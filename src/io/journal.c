#include "io/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/classes.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "tool.h"

enum { CLASSES_SHOWN = 8 }; /* number of classes of a forget request that text output shows */

/* One journal entry to print, and its effects on each class. */
struct told {
    const dkvb_model *model;
    uint32_t classes;
    dkvb_journal_entry entry;
    /* marks of the classes that the request of this journal entry names: DKVB_FORGET or DKVB_KEEP for each class,
     * [classes] */
    uint8_t *asked;
    dkvb_class_effect *effects; /* effects of the journal entry on the classes, [classes] */
};

/* Prints one more part of the line that describes a journal entry. The first part of a line about a journal entry is
 * indented, and a comma precedes each further part. */
static void say(bool *begun, const char *format, ...)
{
    va_list args;

    fputs(*begun ? ", " : "       ", stdout);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    *begun = true;
}

/* Prints one line with the settings that a journal entry's request had: budget, target, limits, keys; no line if the
 * request had none. */
static void print_limits(const dkvb_journal_entry *e)
{
    bool begun = false;

    if (e->budget)
        say(&begun, "budget: %" PRIu64 " %s", e->budget, strcmp(e->method, "examples") == 0 ? "examples" : "pairs");
    if (e->found)
        say(&begun, "found for a target of %g", e->target);
    if (e->max_retain_drop > 0.0)
        say(&begun, "all others together may lose %g", e->max_retain_drop);
    if (e->max_class_loss > 0.0)
        say(&begun, "any other class %g for certain", e->max_class_loss);
    if (e->again)
        say(&begun, "repeats entry %" PRIu64, e->again);
    if (e->keys)
        say(&begun, "keys: %s", dkvb_name(DKVB_NAME_KEYS, e->keys));
    if (e->forced)
        say(&begun, "forced");
    if (begun)
        putchar('\n');
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

/* Prints the accuracy, before and after a journal entry, of the classes asked to be forgotten, and of the other class
 * that lost most accuracy. */
static void print_effects(const struct told *t)
{
    uint64_t rows = 0, before = 0, after = 0;
    const dkvb_class_effect *worst = NULL;

    for (uint32_t l = 0; l < t->classes; l++) {
        const dkvb_class_effect *e = &t->effects[l];

        if (t->asked[l] == DKVB_FORGET) {
            rows += e->rows;
            before += e->right_before;
            after += e->right_after;
        } else if (e->rows && (!worst || e->loss > worst->loss)) {
            worst = e;
        }
    }
    printf("       held out: ");
    if (t->entry.by_class)
        printf("asked for %.4f -> %.4f (%" PRIu64 " rows)%s", share(before, rows), share(after, rows), rows,
               worst ? ", others: " : "");
    if (worst && !(worst->loss > 0.0))
        printf("no class lost");
    else if (worst) {
        printf("largest loss %.4f -> %.4f (%" PRIu64 " rows), class ", share(worst->right_before, worst->rows),
               share(worst->right_after, worst->rows), worst->rows);
        classes_print(t->model, (uint32_t)(worst - t->effects));
    }
    putchar('\n');
}

static void print_entry(const struct told *t)
{
    const dkvb_journal_entry *e = &t->entry;
    /* the method of a journal entry is not printed for an undo or a purge, whose kind says the same word */
    bool done = e->kind == DKVB_JOURNAL_UNDO || e->kind == DKVB_JOURNAL_PURGE;
    char time[32], what[32], rows[24] = "";

    snprintf(what, sizeof what, "%s", dkvb_name(DKVB_NAME_ENTRY_KIND, e->kind));
    if (e->ends)
        snprintf(what, sizeof what, "%s %" PRIu64, dkvb_name(DKVB_NAME_ENTRY_KIND, e->kind), e->ends);
    if (e->rows)
        snprintf(rows, sizeof rows, "%" PRIu64, e->rows);
    printf("%5" PRIu64 "  %-20s  %-9s  %-7s  %10" PRIu64, e->id, output_time(e->time, time, sizeof time), what,
           dkvb_name(DKVB_NAME_ENTRY_STATE, e->state), e->pairs);
    if (!done || e->reason[0]) {
        printf("  %8s  %-8s  ", rows, dkvb_name(DKVB_NAME_STRENGTH, e->strength));
        output_padded(done ? "" : e->method, e->reason[0] ? 12 : 0);
    }
    if (e->reason[0]) {
        fputs("  ", stdout);
        output_padded(e->reason, 0);
    }
    putchar('\n');
    if (e->by_class) {
        printf("       %s: ", e->kind == DKVB_JOURNAL_RELEARN ? "taught again" : "asked for");
        classes_list(t->model, t->asked, t->classes, "", CLASSES_SHOWN, false);
        putchar('\n');
    }
    print_limits(e);
    if (e->measured)
        print_effects(t);
}

static void write_hash(const char *key, bool there, const uint8_t hash[32])
{
    char text[65];

    json_text(key, there ? hex_text(hash, 32, text) : NULL);
}

/* Writes a number of a journal entry to JSON, unless the number is 0, which means that it is missing. */
static void write_number(const char *key, uint64_t number)
{
    number ? json_count(key, number) : json_unknown(key);
}

/* Writes a name of a journal entry to JSON, unless the name is empty, which means that it is missing. */
static void write_name(const char *key, uint32_t of, uint32_t number)
{
    json_text(key, number ? dkvb_name(of, number) : NULL);
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
    json_number("loss", e->loss);
    json_number("low", e->low);
    json_number("high", e->high);
    json_close('}');
}

static void write_entry(const struct told *t)
{
    const dkvb_journal_entry *e = &t->entry;
    char time[32];

    json_open(NULL, '{');
    json_count("id", e->id);
    json_text("time", output_time(e->time, time, sizeof time));
    json_text("what", dkvb_name(DKVB_NAME_ENTRY_KIND, e->kind));
    json_text("state", dkvb_name(DKVB_NAME_ENTRY_STATE, e->state));
    json_bool("in_force", e->in_force != 0);
    write_number("ends", e->ends);
    json_count("pairs", e->pairs);
    json_count("pairs_new", e->pairs_new);
    json_text("method", e->method);
    json_text("reason", e->reason);
    write_name("strength", DKVB_NAME_STRENGTH, e->strength);
    e->by_class ? (void)classes_list(t->model, t->asked, t->classes, NULL, 0, true) : json_unknown("classes");
    e->found ? json_number("target", e->target) : json_unknown("target");
    write_number("budget", e->budget);
    json_bool("found", e->found != 0);
    json_bool("forced", e->forced != 0);
    if (e->max_retain_drop > 0.0 || e->max_class_loss > 0.0) {
        json_open("limits", '{');
        json_number("max_retain_drop", e->max_retain_drop);
        json_number("max_class_loss", e->max_class_loss);
        json_close('}');
    } else {
        json_unknown("limits");
    }
    e->measured ? json_open("effects", '[') : json_unknown("effects");
    for (uint32_t l = 0; e->measured && l < t->classes; l++)
        if (t->effects[l].rows) /* only classes that have held-out rows have measured effects of a forgetting */
            journal_json_effect(t->model, l, &t->effects[l]);
    if (e->measured)
        json_close(']');
    write_number("again", e->again);
    write_name("keys", DKVB_NAME_KEYS, e->keys);
    write_hash("after", e->has_after != 0, e->after);
    write_number("rows", e->rows);
    write_hash("rows_commitment", e->has_commitment, e->commitment);
    write_hash("pairs_commitment", e->has_pairs_commitment, e->pairs_commitment);
    json_bool("salted", e->salted != 0);
    write_hash("head", true, e->head);
    json_close('}');
}

const char *journal_head(const dkvb_model *model, char text[JOURNAL_HEAD_SIZE])
{
    uint8_t head[JOURNAL_HEAD_SIZE / 2];

    dkvb_journal_head(model, head);
    return hex_text(head, sizeof head, text);
}

int journal_write(const dkvb_model *model, bool json)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    struct told t = {.model = model};
    char head[JOURNAL_HEAD_SIZE];
    int code = tool_check(dkvb_model_get_info(model, &info));

    if (code)
        return code;
    t.classes = info.classes;
    t.asked = input_memory("the classes", 1, info.classes, 1, 1);
    t.effects = input_memory("effects", sizeof *t.effects, info.classes, 1, 1);
    code = t.asked && t.effects ? EXIT_SUCCESS : EXIT_FAILURE;
    if (json) {
        json_text("head", journal_head(model, head));
        json_open("journal", '[');
    } else if (info.journal_entries == 0) {
        puts("the journal is empty");
    } else {
        printf("%5s  %-20s  %-9s  %-7s  %10s  %8s  %-8s  %-12s  %s\n", "entry", "time", "what", "state", "pairs",
               "rows", "strength", "method", "reason");
    }
    for (uint64_t i = 0; i < info.journal_entries && code == EXIT_SUCCESS; i++) {
        t.entry = (dkvb_journal_entry)DKVB_JOURNAL_ENTRY_INIT;
        code = tool_check(dkvb_journal_get(model, i, &t.entry));
        if (code == EXIT_SUCCESS)
            code = tool_check(dkvb_journal_get_terms(model, i + 1, t.asked, t.effects));
        if (code == EXIT_SUCCESS)
            json ? write_entry(&t) : print_entry(&t);
    }
    if (json)
        json_close(']');
    free(t.asked);
    free(t.effects);
    return code;
}
