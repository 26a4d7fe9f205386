/* dkvb purge: make the mask in force permanent. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

struct purge_args {
    struct args args;
    const char *output;
    bool drop_name, json;
};

#define AT(member) offsetof(struct purge_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"drop-name", ARGS_FLAG, AT(drop_name), .help = "also take away the names of classes that are forgotten"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "purge",
    .synopsis = "MODEL [-o OUT] [--drop-name] [--json]",
    .about = "Make every active forgetting permanent: masked keys, their values and the journal's lists of them are\n"
             "overwritten. Answers do not change. Cannot be undone. Other copies of the model keep what they have.",
    .options = options,
    .size = sizeof(struct purge_args),
    .least_operands = 1,
    .most_operands = 1,
};

static void print_json(uint64_t pairs, const dkvb_model_info *after, uint32_t dropped, double seconds)
{
    json_open(NULL, '{');
    json_count("pairs_purged", pairs);
    json_count("purged_pairs", after->purged_pairs);
    json_count("pairs_total", (uint64_t)after->codebooks * after->keys);
    json_count("names_dropped", dropped);
    json_real("seconds", seconds);
    json_close('}');
}

static int purge(const struct purge_args *args)
{
    const char *path = args->args.operand[0], *output = args->output ? args->output : path;
    double began = progress_clock();
    dkvb_model *model = NULL;
    uint32_t dropped = 0;
    dkvb_model_info before, after = DKVB_MODEL_INFO_INIT;
    const struct path inputs[] = {{0}}, outputs[] = {{args->output ? "--output" : "MODEL", output}, {0}};
    int code = paths_claim(&command, inputs, outputs);

    if (code == EXIT_SUCCESS)
        code = input_model_load(&model, path, &before);
    if (code == EXIT_SUCCESS)
        code = tool_check_about(path, dkvb_model_purge(model));
    if (code == EXIT_SUCCESS && args->drop_name)
        code = tool_check(dkvb_model_drop_forgotten_names(model, &dropped));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_get_info(model, &after));
    if (code == EXIT_SUCCESS)
        code = output_model(model, output);
    dkvb_model_free(model);
    if (code)
        return code;
    if (args->json)
        print_json(after.purged_pairs - before.purged_pairs, &after, dropped, progress_clock() - began);
    else if (after.purged_pairs > before.purged_pairs)
        printf("purged %" PRIu64 " pairs: their keys and values are overwritten, for good\nwrote %s\n",
               after.purged_pairs - before.purged_pairs, output);
    else
        printf("no pair was masked: only what the journal kept of earlier requests, salts and lists, is overwritten\n"
               "wrote %s\n",
               output);
    if (!args->json)
        puts(dropped ? "the names of forgotten classes were taken away"
                     : "names of forgotten classes, if they have any, stay in the model: --drop-name takes them away");
    return EXIT_SUCCESS;
}

int cmd_purge(int argc, char **argv)
{
    struct purge_args args;
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    code = output_check_epoch();
    return code ? code : purge(&args);
}
