/* dkvb undo: take back one forgetting. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/input.h"
#include "io/journal.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

struct undo_args {
    struct args args;
    const char *output;
    bool json;
};

#define AT(member) offsetof(struct undo_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "undo",
    .synopsis = "MODEL [ENTRY] [-o OUT] [--json]",
    .about = "Take back a forgetting: the entry of this number in 'dkvb masks', or the latest that is active.\n"
             "Undoing the latest restores every score bit for bit. Values trained since stay trained.",
    .options = options,
    .size = sizeof(struct undo_args),
    .least_operands = 1,
    .most_operands = 2,
};

/* The latest forgetting in force. */
static int find_latest(const dkvb_model *model, const char *path, uint64_t *id)
{
    for (uint64_t i = dkvb_journal_count(model); i-- > 0;) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;
        int code = tool_check(dkvb_journal_get(model, i, &entry));

        if (code)
            return code;
        if (entry.kind == DKVB_JOURNAL_FORGET && entry.state == DKVB_JOURNAL_ACTIVE) {
            *id = entry.id;
            return EXIT_SUCCESS;
        }
    }
    return tool_fail("%s: no forgetting is active, so there is nothing to undo", path);
}

static int report(const struct undo_args *args, const dkvb_model *model, uint64_t id, const char *output,
                  double seconds)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_journal_entry record;
    int code = journal_newest(model, &record);

    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_get_info(model, &info));
    if (code)
        return code;
    if (!args->json) {
        printf("undid entry %" PRIu64 ": %" PRIu64 " pairs are back, %" PRIu64
               " stay masked; values trained since stay trained\nwrote %s\n",
               id, record.pairs, info.masked_pairs, output);
        return EXIT_SUCCESS;
    }
    json_open(NULL, '{');
    json_count("entry", id);
    json_count("pairs_restored", record.pairs);
    json_count("masked_pairs", info.masked_pairs);
    json_real("seconds", seconds);
    json_close('}');
    return EXIT_SUCCESS;
}

/* `id` 0: the latest. */
static int undo(const struct undo_args *args, uint64_t id)
{
    const char *path = args->args.operand[0], *output = args->output ? args->output : path;
    double began = progress_clock();
    dkvb_model *model = NULL;
    dkvb_model_info info;
    const struct path inputs[] = {{0}}, outputs[] = {{args->output ? "--output" : "MODEL", output}, {0}};
    int code = paths_claim(&command, inputs, outputs);

    if (code == EXIT_SUCCESS)
        code = input_model_load(&model, path, &info);
    if (code == EXIT_SUCCESS && id == 0)
        code = find_latest(model, path, &id);
    if (code == EXIT_SUCCESS)
        code = tool_check_about(path, dkvb_model_undo(model, id));
    if (code == EXIT_SUCCESS)
        code = output_model(model, output);
    if (code == EXIT_SUCCESS)
        code = report(args, model, id, output, progress_clock() - began);
    dkvb_model_free(model);
    return code;
}

int cmd_undo(int argc, char **argv)
{
    struct undo_args args;
    uint64_t id = 0;
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    if (args.args.operand[1] && (!args_number(args.args.operand[1], &id) || id == 0))
        return args_misused(&command, "ENTRY is the number of a journal entry, from 1: see 'dkvb masks'");
    code = output_check_epoch();
    return code ? code : undo(&args, id);
}
