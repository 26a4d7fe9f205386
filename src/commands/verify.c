/* dkvb verify: is every byte of a model file as it was saved, and does it make sense? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/hex.h"
#include "io/input.h"
#include "io/journal.h"
#include "io/json.h"
#include "io/output.h"
#include "io/progress.h"
#include "tool.h"

struct verify_args {
    struct args args;
    const char *head;
    bool json;
};

#define AT(member) offsetof(struct verify_args, member)

static const struct args_option options[] = {
    {"head", ARGS_TEXT, AT(head), "HEX", .help = "an earlier head: has the journal only grown since?"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "verify",
    .synopsis = "MODEL [--head HEX] [--json]",
    .about =
        "Check a model file: the checksum of every section, every float, the journal against the mask, and its chain\n"
        "of hashes. The head it prints, kept elsewhere, tells later whether the journal has only grown.",
    .options = options,
    .size = sizeof(struct verify_args),
    .least_operands = 1,
    .most_operands = 1,
};

/* What verify has found. */
struct verified {
    char head[JOURNAL_HEAD_SIZE];
    dkvb_model_info info;
    uint64_t entry;  /* that --head is the head of */
    uint64_t *over;  /* [over_count], forgettings whose classes or rows were taught again */
    uint64_t *blind; /* [blind_count], forgettings of rows whose salt is gone */
    size_t over_count, blind_count;
    double seconds;
};

static void json_entries(const char *key, const uint64_t *entries, size_t count)
{
    json_open(key, '[');
    for (size_t i = 0; i < count; i++)
        json_count(NULL, entries[i]);
    json_close(']');
}

static void print_json(const struct verify_args *args, const struct verified *v)
{
    json_open(NULL, '{');
    json_bool("ok", true);
    json_count("journal_entries", v->info.journal_entries);
    json_text("head", v->head);
    if (args->head)
        json_count("head_entry", v->entry);
    else
        json_null("head_entry");
    json_entries("relearned", v->over, v->over_count);
    json_entries("unchecked", v->blind, v->blind_count);
    json_count("masked_pairs", v->info.masked_pairs);
    json_count("purged_pairs", v->info.purged_pairs);
    json_real("seconds", v->seconds);
    json_close('}');
}

static void print_text(const struct verify_args *args, const struct verified *v)
{
    printf("%s: ok\nchecked the checksum of every section, every float, and %" PRIu64
           " journal entries, chained, against the mask of %" PRIu64 " pairs\nhead %s\n",
           args->args.operand[0], v->info.journal_entries, v->info.masked_pairs + v->info.purged_pairs, v->head);
    if (args->head && v->entry == 0)
        printf("head found before the first entry; the journal has only grown since, entries that came: %" PRIu64 "\n",
               v->info.journal_entries);
    else if (args->head)
        printf("head found at entry %" PRIu64 "; the journal has only grown since, entries that came: %" PRIu64 "\n",
               v->entry, v->info.journal_entries - v->entry);
    for (size_t i = 0; i < v->over_count; i++)
        printf("entry %" PRIu64 " is over: what it forgot was taught again\n", v->over[i]);
    for (size_t i = 0; i < v->blind_count; i++)
        printf("entry %" PRIu64 " forgot rows by their ids, and their salt is gone: nobody can check whether they were "
               "taught again\n",
               v->blind[i]);
}

/* Forgettings that are over, and those of which nobody can tell any more. */
static int read_journal(const dkvb_model *model, struct verified *v)
{
    uint64_t count = v->info.journal_entries;
    int code = EXIT_SUCCESS;

    v->over = input_memory("entries", sizeof *v->over, (size_t)count, 1, 1);
    v->blind = input_memory("entries", sizeof *v->blind, (size_t)count, 1, 1);
    if (!v->over || !v->blind)
        return EXIT_FAILURE;
    for (uint64_t i = 0; i < count && code == EXIT_SUCCESS; i++) {
        dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;

        code = tool_check(dkvb_journal_get(model, i, &e));
        if (code == EXIT_SUCCESS && e.state == DKVB_JOURNAL_RELEARNED)
            v->over[v->over_count++] = e.id;
        if (code == EXIT_SUCCESS && journal_in_force(&e) && e.rows && !e.by_class && !e.salted)
            v->blind[v->blind_count++] = e.id;
    }
    return code;
}

static int verify(const struct verify_args *args, const uint8_t earlier[32], const dkvb_model *model,
                  struct verified *v)
{
    const char *path = args->args.operand[0];
    int code = tool_check(dkvb_model_verify(model));

    journal_head(model, v->head);
    if (code == EXIT_SUCCESS && args->head && dkvb_journal_find_head(model, earlier, &v->entry) != DKVB_OK)
        code = tool_fail("%s: head %s is of none of the %" PRIu64
                         " journal entries; the newest has %s. Entries were changed or taken away, or the head is of "
                         "another journal",
                         path, args->head, v->info.journal_entries, v->head);
    return code;
}

int cmd_verify(int argc, char **argv)
{
    struct verify_args args;
    struct verified v = {0};
    dkvb_model *model = NULL;
    double began = progress_clock();
    uint8_t earlier[32];
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    if (args.head && !hex_parse(args.head, earlier, sizeof earlier))
        return args_misused(&command, "--head: 64 hexadecimal digits are wanted");
    output_leftovers(args.args.operand[0]);
    code = input_model_map(&model, args.args.operand[0], &v.info);
    if (code == EXIT_SUCCESS)
        code = verify(&args, earlier, model, &v);
    if (code == EXIT_SUCCESS)
        code = read_journal(model, &v);
    v.seconds = progress_clock() - began;
    if (code == EXIT_SUCCESS)
        args.json ? print_json(&args, &v) : print_text(&args, &v);
    free(v.over);
    free(v.blind);
    dkvb_model_free(model);
    return code;
}
