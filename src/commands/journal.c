/* dkvb masks prints the journal: requests that were applied, undone and purged. dkvb verify checks that every byte of a
 * model file is as it was saved, and that the contents are consistent. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/receipt.h"
#include "io/args.h"
#include "io/input.h"
#include "io/journal.h"
#include "io/json.h"
#include "io/output.h"
#include "io/progress.h"
#include "tool.h"

struct journal_args {
    struct args args;
    const char *head, *receipt, *codes, *before, *audit, *key, *ids; /* arguments of the command dkvb verify */
    bool json;
};

#define AT(member) offsetof(struct journal_args, member)

static const struct args_option options[] = {
    {"head", ARGS_TEXT, AT(head), "HEX", .help = "an earlier head: has the journal only grown since?",
     /* the option --head and all options after it in the table belong to `dkvb verify`; `dkvb masks` has only --json */
     .word = true},
    {"receipt", ARGS_TEXT, AT(receipt), "FILE", .help = "check this receipt against the files"},
    {"codes", ARGS_TEXT, AT(codes), "FILE", .help = "--receipt: codes file of the model"},
    {"before", ARGS_TEXT, AT(before), "FILE", .help = "--receipt: the model before the forgetting"},
    {"audit", ARGS_TEXT, AT(audit), "FILE", .help = "--receipt: what 'dkvb audit --json' printed when run again"},
    {"key", ARGS_TEXT, AT(key), "FILE", .help = "--receipt: public key in PEM that the receipt must be signed by"},
    {"ids", ARGS_TEXT, AT(ids), "FILE", .help = "--receipt: ids of rows that an entry must have committed to"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command masks_command = {
    .name = "masks",
    .synopsis = "MODEL [--json]",
    .example = "dkvb masks m.dkvb",
    .about = "List the journal of a model: what was forgotten, when, why, and what became of it. 'dkvb mask export'\n"
             "writes the pairs of an entry, or of all of them, as a file.",
    .options = options + 7, /* dkvb masks has the option --json only */
    .size = sizeof(struct journal_args),
    .least_operands = 1,
    .most_operands = 1,
};

static const struct args_command verify_command = {
    .name = "verify",
    .synopsis = "MODEL [--head HEX | --receipt FILE [--codes FILE] [--key PUB.pem]] [--json]",
    .example = "dkvb verify m.dkvb",
    .about =
        "Check a model file: the checksum of every section, every float, the journal against the mask, and its chain\n"
        "of hashes. The head it prints, kept elsewhere, tells later whether the journal has only grown.",
    .options = options,
    .size = sizeof(struct journal_args),
    .least_operands = 1,
    .most_operands = 1,
};

int cmd_masks(int argc, char **argv)
{
    struct journal_args args;
    dkvb_model *model = NULL;
    dkvb_model_info info;
    char head[JOURNAL_HEAD_SIZE];
    int code;

    if (!args_parse(&masks_command, argc, argv, &args, &code))
        return code;
    code = input_model_map(&model, args.args.operand[0], &info);
    if (code)
        return code;
    if (args.json) {
        json_open(NULL, '{');
        json_count("masked_pairs", info.masked_pairs);
        json_count("purged_pairs", info.purged_pairs);
        json_count("pairs_total", (uint64_t)info.codebooks * info.keys);
    }
    code = journal_write(model, args.json);
    if (args.json)
        json_close('}');
    else
        printf("\nhead %s\n%" PRIu64 " of %" PRIu64 " pairs are masked, %" PRIu64 " are purged\n",
               journal_head(model, head), info.masked_pairs, (uint64_t)info.codebooks * info.keys, info.purged_pairs);
    dkvb_model_free(model);
    return code;
}

/* Prints the journal entries at the end of `dkvb verify`: a list in JSON, or one line each in text. */
static int tell_entries(const dkvb_model *model, const dkvb_model_info *info, bool json)
{
    static const char *const kinds[][2] = {
        {"relearned", "is over: what it forgot was taught again"},
        {"unchecked",
         "forgot rows by their ids, and their salt is gone: nobody can check whether they were taught again"}};
    int code = EXIT_SUCCESS;

    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        if (json)
            json_open(kinds[kind][0], '[');
        for (uint64_t i = 0; i < info->journal_entries && code == EXIT_SUCCESS; i++) {
            dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;

            code = tool_check(dkvb_journal_get(model, i, &e));
            if (code || !(kind == 0 ? e.state == DKVB_JOURNAL_RELEARNED : e.unchecked))
                continue;
            json ? json_count(NULL, e.id) : (void)printf("entry %" PRIu64 " %s\n", e.id, kinds[kind][1]);
        }
        if (json)
            json_close(']');
    }
    return code;
}

/* Prints the result of `dkvb verify`. `found` is the journal entry whose hash equals --head, or NULL. */
static int tell(const struct journal_args *args, const dkvb_model *model, const dkvb_model_info *info,
                const uint64_t *found, double began)
{
    char head[JOURNAL_HEAD_SIZE], where[32] = "before the first entry";
    int code;

    journal_head(model, head);
    if (args->json) {
        json_open(NULL, '{');
        json_bool("ok", true);
        json_count("journal_entries", info->journal_entries);
        json_text("head", head);
        found ? json_count("head_entry", *found) : json_unknown("head_entry");
        code = tell_entries(model, info, true);
        json_count("masked_pairs", info->masked_pairs);
        json_count("purged_pairs", info->purged_pairs);
        json_number("seconds", progress_clock() - began);
        json_close('}');
        return code;
    }
    printf("%s: ok\nchecked the checksum of every section, every float, and %" PRIu64
           " journal entries, chained, against the mask of %" PRIu64 " pairs\nhead %s\n",
           args->args.operand[0], info->journal_entries, info->masked_pairs + info->purged_pairs, head);
    if (found && *found)
        snprintf(where, sizeof where, "at entry %" PRIu64, *found);
    if (found)
        printf("head found %s; the journal has only grown since, entries that came: %" PRIu64 "\n", where,
               info->journal_entries - *found);
    return tell_entries(model, info, false);
}

int cmd_verify(int argc, char **argv)
{
    struct journal_args args;
    dkvb_model_info info;
    dkvb_model *model = NULL;
    double began = progress_clock();
    char head[JOURNAL_HEAD_SIZE];
    uint8_t earlier[32];
    uint64_t entry = 0;
    int code;

    if (!args_parse(&verify_command, argc, argv, &args, &code))
        return code;
    if (args.receipt) {
        const struct receipt_check check = {.receipt = args.receipt,
                                            .model = args.args.operand[0],
                                            .codes = args.codes,
                                            .before = args.before,
                                            .audit = args.audit,
                                            .key = args.key,
                                            .ids = args.ids,
                                            .json = args.json};

        return args.head ? args_misused(&verify_command, "--head and --receipt are two checks: give one of them")
                         : receipt_check(&check);
    }
    if (args.codes || args.before || args.audit || args.key || args.ids)
        return args_misused(&verify_command, "--codes, --before, --audit, --key and --ids apply to --receipt only");
    if (args.head && !hex_parse(args.head, earlier, sizeof earlier))
        return args_misused(&verify_command, "--head must be 64 hexadecimal digits");
    output_leftovers(args.args.operand[0]);
    code = input_model_map(&model, args.args.operand[0], &info);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_verify(model));
    if (code == EXIT_SUCCESS && args.head && dkvb_journal_find_head(model, earlier, &entry) != DKVB_OK)
        code = tool_fail("%s: head %s is of none of the %" PRIu64
                         " journal entries; the newest has %s. Entries were changed or taken away, or the head is of "
                         "another journal",
                         args.args.operand[0], args.head, info.journal_entries, journal_head(model, head));
    if (code == EXIT_SUCCESS)
        code = tell(&args, model, &info, args.head ? &entry : NULL, began);
    dkvb_model_free(model);
    return code;
}
