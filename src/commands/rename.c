/* dkvb rename: what a class is called, or that it has no name. */
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

struct rename_args {
    struct args args;
    const char *output;
    bool json;
};

#define AT(member) offsetof(struct rename_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "rename",
    .synopsis = "MODEL CLASS [NAME] [-o OUT] [--json]",
    .about = "Give a class another name, or none where NAME is missing: the name of a class is personal where a class is\n"
             "a person. CLASS is a name or an index. Names stand in the list of classes only; other copies keep theirs.",
    .options = options,
    .size = sizeof(struct rename_args),
    .least_operands = 2,
    .most_operands = 3,
};

static int rename_class(const struct rename_args *args)
{
    const char *path = args->args.operand[0], *output = args->output ? args->output : path;
    double began = progress_clock();
    dkvb_model *model = NULL;
    dkvb_model_info info;
    uint32_t label = 0;
    const struct path inputs[] = {{0}}, outputs[] = {{args->output ? "--output" : "MODEL", output}, {0}};
    int code = paths_claim(&command, inputs, outputs);

    if (code == EXIT_SUCCESS)
        code = input_model_load(&model, path, &info);
    if (code == EXIT_SUCCESS)
        code = tool_check_about(path, dkvb_model_find_class(model, args->args.operand[1], DKVB_FIND_NAME_OR_INDEX, &label));
    if (code == EXIT_SUCCESS)
        code = tool_check_about(path, dkvb_model_set_class_name(model, label, args->args.operand[2]));
    if (code == EXIT_SUCCESS)
        code = output_model(model, output);
    if (code == EXIT_SUCCESS && args->json) {
        json_open(NULL, '{');
        json_count("label", label);
        json_text("name", dkvb_model_class_name(model, label));
        json_real("seconds", progress_clock() - began);
        json_close('}');
    } else if (code == EXIT_SUCCESS) {
        printf("class %" PRIu32 " ", label);
        if (dkvb_model_class_name(model, label)) {
            fputs("is called '", stdout);
            output_padded(dkvb_model_class_name(model, label), 0);
            putchar('\'');
        } else {
            fputs("has no name", stdout);
        }
        printf("\nwrote %s\n", output);
    }
    dkvb_model_free(model);
    return code;
}

int cmd_rename(int argc, char **argv)
{
    struct rename_args args;
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    return rename_class(&args);
}
