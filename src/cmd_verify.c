/* dkvb verify: is every byte of a model file as it was saved, and does it make sense? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "input.h"
#include "json.h"
#include "progress.h"
#include "tool.h"

struct verify_args {
    struct args args;
    bool json;
};

#define AT(member) offsetof(struct verify_args, member)

static const struct args_option options[] = {
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"}, {0}};

static const struct args_command command = {
    .name = "verify",
    .synopsis = "MODEL [--json]",
    .about = "Check a model file: the checksum of every section, every float, and the journal against the mask.",
    .options = options,
    .size = sizeof(struct verify_args),
    .least_operands = 1,
    .most_operands = 1,
};

static void report(const struct verify_args *args, const dkvb_model_info *info, double seconds)
{
    if (!args->json) {
        printf("%s: ok\nchecked the checksum of every section, every float, and %" PRIu64
               " journal entries against the mask of %" PRIu64 " pairs\n",
               args->args.operand[0], info->journal_entries, info->masked_pairs + info->purged_pairs);
        return;
    }
    json_open(NULL, '{');
    json_bool("ok", true);
    json_count("journal_entries", info->journal_entries);
    json_count("masked_pairs", info->masked_pairs);
    json_count("purged_pairs", info->purged_pairs);
    json_real("seconds", seconds);
    json_close('}');
}

int cmd_verify(int argc, char **argv)
{
    struct verify_args args;
    dkvb_model *model = NULL;
    dkvb_model_info info;
    double began = progress_clock();
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    code = input_model_map(&model, args.args.operand[0], &info);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_verify(model));
    if (code == EXIT_SUCCESS)
        report(&args, &info, progress_clock() - began);
    dkvb_model_free(model);
    return code;
}
