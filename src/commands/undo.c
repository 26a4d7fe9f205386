/* dkvb undo: take back one forgetting. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/change.h"
#include "io/json.h"
#include "io/output.h"
#include "tool.h"

static const struct args_option options[] = {CHANGE_OPTIONS, {0}};

static const struct args_command command = {
    .name = "undo",
    .synopsis = "MODEL [ENTRY] [-o OUT] [--json]",
    .about = "Take back a forgetting: the entry of this number in 'dkvb masks', or the latest that is active.\n"
             "Undoing the latest restores every score bit for bit. Values trained since stay trained.",
    .options = options,
    .size = sizeof(struct change),
    .least_operands = 1,
    .most_operands = 2,
};

static int undo(struct change *c)
{
    int code = output_check_epoch();

    return code ? code : tool_check_about(c->args.operand[0], dkvb_model_undo(c->model, c->entry, &c->entry));
}

static void tell(const struct change *c)
{
    uint64_t restored = c->before.masked_pairs - c->after.masked_pairs;

    if (!c->json) {
        printf("undid entry %" PRIu64 ": %" PRIu64 " pairs are back, %" PRIu64
               " stay masked; values trained since stay trained\n",
               c->entry, restored, c->after.masked_pairs);
        return;
    }
    json_count("entry", c->entry);
    json_count("pairs_restored", restored);
    json_count("masked_pairs", c->after.masked_pairs);
}

int cmd_undo(int argc, char **argv)
{
    struct change c = {0};
    int code;

    if (!args_parse(&command, argc, argv, &c, &code))
        return code;
    if (c.args.operand[1] && (!args_number(c.args.operand[1], &c.entry) || c.entry == 0))
        return args_misused(&command, "ENTRY is the number of a journal entry, from 1: see 'dkvb masks'");
    return change_model(&command, &c, undo, tell);
}
