#include "journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "hex.h"
#include "json.h"
#include "output.h"
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
    default:
        return "unknown";
    }
}

static int get_entry(const dkvb_model *model, uint64_t index, dkvb_journal_entry *entry)
{
    *entry = (dkvb_journal_entry)DKVB_JOURNAL_ENTRY_INIT;
    return tool_check(dkvb_journal_get(model, index, entry));
}

/* Entries of which the method says more than the kind does. */
static bool has_method(const dkvb_journal_entry *entry)
{
    return entry->kind == DKVB_JOURNAL_FORGET || entry->kind == DKVB_JOURNAL_REPLAY;
}

/* The classes that an entry names, "class=4,7-9" in its parameters, as the model calls them. */
static void write_classes(const dkvb_model *model, uint32_t classes, const dkvb_journal_entry *entry, bool json)
{
    const char *at = strstr(entry->parameters, "class=");
    uint32_t first, last, written = 0;
    int length;

    if (json)
        json_open("classes", '[');
    for (at = at ? at + strlen("class=") : ""; sscanf(at, "%" SCNu32 "%n", &first, &length) == 1; at += *at == ',') {
        at += length;
        last = first;
        if (*at == '-' && sscanf(at, "-%" SCNu32 "%n", &last, &length) == 1)
            at += length;
        for (uint32_t c = first; c <= last && c < classes; c++)
            classes_write(model, c, written++, "       classes ", json);
    }
    if (json)
        json_close(']');
    else if (written)
        putchar('\n');
}

static void print_entry(const dkvb_model *model, uint32_t classes, const dkvb_journal_entry *entry)
{
    char time[32], what[32], rows[24] = "";

    if (entry->target)
        snprintf(what, sizeof what, "%s %" PRIu64, kind_name(entry->kind), entry->target);
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
    write_classes(model, classes, entry, false);
}

static uint32_t count_classes(const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    return dkvb_model_get_info(model, &info) == DKVB_OK ? info.classes : 0;
}

int journal_print(const dkvb_model *model)
{
    uint64_t count = dkvb_journal_count(model);
    dkvb_journal_entry entry;
    int code = EXIT_SUCCESS;

    if (count == 0) {
        puts("the journal is empty");
        return EXIT_SUCCESS;
    }
    printf("%5s  %-20s  %-9s  %-7s  %10s  %8s  %-8s  %-12s  %s\n", "entry", "time", "what", "state", "pairs", "rows",
           "strength", "method", "reason");
    for (uint64_t i = 0; i < count && code == EXIT_SUCCESS; i++) {
        code = get_entry(model, i, &entry);
        if (code == EXIT_SUCCESS)
            print_entry(model, count_classes(model), &entry);
    }
    return code;
}

static void write_hash(const char *key, bool there, const uint8_t hash[32])
{
    char text[65];

    json_text(key, there ? hex_text(hash, 32, text) : NULL);
}

static void write_entry(const dkvb_model *model, const dkvb_journal_entry *entry)
{
    char time[32];

    json_open(NULL, '{');
    json_count("id", entry->id);
    json_text("time", output_time(entry->time, time, sizeof time));
    json_text("what", kind_name(entry->kind));
    json_text("state", state_name(entry->state));
    if (entry->target)
        json_count("target", entry->target);
    else
        json_null("target");
    json_count("pairs", entry->pairs);
    json_count("pairs_new", entry->pairs_new);
    json_text("method", entry->method);
    json_text("reason", entry->reason);
    json_text("strength", entry->strength ? dkvb_strength_name(entry->strength) : NULL);
    json_text("parameters", entry->parameters);
    write_classes(model, count_classes(model), entry, true);
    json_text("effect", entry->effect);
    if (entry->rows)
        json_count("rows", entry->rows);
    else
        json_null("rows");
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
    dkvb_journal_entry entry;
    int code = EXIT_SUCCESS;

    json_text("head", journal_head(model, head));
    json_open("journal", '[');
    for (uint64_t i = 0; i < count && code == EXIT_SUCCESS; i++) {
        code = get_entry(model, i, &entry);
        if (code == EXIT_SUCCESS)
            write_entry(model, &entry);
    }
    json_close(']');
    return code;
}

int journal_find(const dkvb_model *model, uint64_t id, dkvb_journal_entry *entry)
{
    uint64_t count = dkvb_journal_count(model);

    for (uint64_t i = 0; i < count; i++) {
        int code = get_entry(model, i, entry);

        if (code || entry->id == id)
            return code;
    }
    return tool_fail("entry %" PRIu64 ": the journal has no such entry, it has %" PRIu64, id, count);
}

int journal_newest(const dkvb_model *model, dkvb_journal_entry *entry)
{
    uint64_t count = dkvb_journal_count(model);

    if (count == 0)
        return tool_fail("the journal is empty");
    return get_entry(model, count - 1, entry);
}
