/* dkvb rename: what a class is called, or that it has no name. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/change.h"
#include "io/json.h"
#include "io/output.h"
#include "tool.h"

static const struct args_option options[] = {CHANGE_OPTIONS, {0}};

static const struct args_command command = {
    .name = "rename",
    .synopsis = "MODEL CLASS [NAME] [-o OUT] [--json]",
    .about =
        "Give a class another name, or none where NAME is missing: the name of a class is personal where a class is\n"
        "a person. CLASS is a name or an index. Names stand in the list of classes only; other copies keep theirs.",
    .options = options,
    .size = sizeof(struct change),
    .least_operands = 2,
    .most_operands = 3,
};

static int rename_class(struct change *c)
{
    const char *path = c->args.operand[0];
    int code =
        tool_check_about(path, dkvb_model_find_class(c->model, c->args.operand[1], DKVB_FIND_NAME_OR_INDEX, &c->label));

    return code ? code : tool_check_about(path, dkvb_model_set_class_name(c->model, c->label, c->args.operand[2]));
}

static void tell(const struct change *c)
{
    const char *name = dkvb_model_class_name(c->model, c->label);

    if (c->json) {
        json_count("label", c->label);
        json_text("name", name);
        return;
    }
    printf("class %" PRIu32 " %s", c->label, name ? "is called '" : "has no name");
    if (name)
        output_padded(name, 0);
    puts(name ? "'" : "");
}

int cmd_rename(int argc, char **argv)
{
    struct change c = {0};
    int code;

    return args_parse(&command, argc, argv, &c, &code) ? change_model(&command, &c, rename_class, tell) : code;
}
