/* dkvb masks: what was forgotten, undone and purged. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/input.h"
#include "io/journal.h"
#include "io/json.h"
#include "tool.h"

struct masks_args {
    struct args args;
    bool json;
};

static const struct args_option options[] = {
    {"json", ARGS_FLAG, offsetof(struct masks_args, json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "masks",
    .synopsis = "MODEL [--json]",
    .about = "List the journal of a model: what was forgotten, when, why, and what became of it. 'dkvb mask export'\n"
             "writes the pairs of an entry, or of all of them, as a file.",
    .options = options,
    .size = sizeof(struct masks_args),
    .least_operands = 1,
    .most_operands = 1,
};

int cmd_masks(int argc, char **argv)
{
    struct masks_args args;
    dkvb_model *model = NULL;
    dkvb_model_info info;
    char head[JOURNAL_HEAD_SIZE];
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    code = input_model_map(&model, args.args.operand[0], &info);
    if (code)
        return code;
    if (args.json) {
        json_open(NULL, '{');
        json_count("masked_pairs", info.masked_pairs);
        json_count("purged_pairs", info.purged_pairs);
        json_count("pairs_total", (uint64_t)info.codebooks * info.keys);
        code = journal_write(model, true);
        json_close('}');
    } else {
        code = journal_write(model, false);
        printf("\nhead %s\n%" PRIu64 " of %" PRIu64 " pairs are masked, %" PRIu64 " are purged\n",
               journal_head(model, head), info.masked_pairs, (uint64_t)info.codebooks * info.keys, info.purged_pairs);
    }
    dkvb_model_free(model);
    return code;
}
