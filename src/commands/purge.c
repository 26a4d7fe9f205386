/* dkvb purge: make the mask in force permanent. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/change.h"
#include "io/json.h"
#include "io/output.h"
#include "tool.h"

static const struct args_option options[] = {
    {"drop-name", ARGS_FLAG, CHANGE_AT(drop_name), .help = "also take away the names of classes that are forgotten"},
    CHANGE_OPTIONS,
    {0},
};

static const struct args_command command = {
    .name = "purge",
    .synopsis = "MODEL [-o OUT] [--drop-name] [--json]",
    .about = "Make every active forgetting permanent: masked keys, their values and the journal's lists of them are\n"
             "overwritten. Answers do not change. Cannot be undone. Other copies of the model keep what they have.",
    .options = options,
    .size = sizeof(struct change),
    .least_operands = 1,
    .most_operands = 1,
};

static int purge(struct change *c)
{
    int code = output_check_epoch();

    if (code == EXIT_SUCCESS)
        code = tool_check_about(c->args.operand[0], dkvb_model_purge(c->model));
    if (code == EXIT_SUCCESS && c->drop_name)
        code = tool_check(dkvb_model_drop_forgotten_names(c->model, &c->dropped));
    return code;
}

static void tell(const struct change *c)
{
    uint64_t purged = c->after.purged_pairs - c->before.purged_pairs;

    if (c->json) {
        json_count("pairs_purged", purged);
        json_count("purged_pairs", c->after.purged_pairs);
        json_count("pairs_total", (uint64_t)c->after.codebooks * c->after.keys);
        json_count("names_dropped", c->dropped);
        return;
    }
    if (purged)
        printf("purged %" PRIu64 " pairs: their keys and values are overwritten, for good\n", purged);
    else
        puts("no pair was masked: only what the journal kept of earlier requests, salts and lists, is overwritten");
    puts(c->dropped ? "the names of forgotten classes were taken away"
                    : "names of forgotten classes, if they have any, stay in the model: --drop-name takes them away");
}

int cmd_purge(int argc, char **argv)
{
    struct change c = {0};
    int code;

    return args_parse(&command, argc, argv, &c, &code) ? change_model(&command, &c, purge, tell) : code;
}
