/* dkvb undo, purge and rename load a model, change it, and save it in its place or as another file. */
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

/* Arguments of `dkvb undo`, `purge` or `rename`, and the changed model. */
struct change {
    struct args args; /* arguments of the command; operand 0 is the model */
    const char *output;
    bool json, drop_name;

    dkvb_model *model;
    dkvb_model_info before, after;
    uint64_t entry;   /* number of the journal entry that `dkvb undo` takes back; 0: the latest entry */
    uint32_t label;   /* number of the class that `dkvb rename` gives a name */
    uint32_t dropped; /* number of classes that lost their names by `dkvb purge` */
};

#define AT(member) offsetof(struct change, member)

static const struct args_option options[] = {
    {"drop-name", ARGS_FLAG, AT(drop_name),
     /* `dkvb purge` alone has the option --drop-name */
     .help = "also take away the names of classes that are forgotten"},
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command undo_command = {
    .name = "undo",
    .synopsis = "MODEL [ENTRY] [-o OUT] [--json]",
    .example = "dkvb undo m.dkvb",
    .about = "Take back a forgetting: the entry of this number in 'dkvb masks', or the latest that is active.\n"
             "Undoing the latest restores every score bit for bit. Values trained since stay trained.",
    .options = options + 1,
    .size = sizeof(struct change),
    .least_operands = 1,
    .most_operands = 2,
};

static const struct args_command purge_command = {
    .name = "purge",
    .synopsis = "MODEL [-o OUT] [--drop-name] [--json]",
    .example = "dkvb purge m.dkvb",
    .about = "Make every active forgetting permanent: masked keys, their values and the journal's lists of them are\n"
             "overwritten. Answers do not change. Cannot be undone. Other copies of the model keep what they have.",
    .options = options,
    .size = sizeof(struct change),
    .least_operands = 1,
    .most_operands = 1,
};

static const struct args_command rename_command = {
    .name = "rename",
    .synopsis = "MODEL CLASS [NAME] [-o OUT] [--json]",
    .example = "dkvb rename m.dkvb bird animal",
    .about =
        "Give a class another name, or none where NAME is missing: the name of a class is personal where a class is\n"
        "a person. CLASS is a name or an index. Names stand in the list of classes only; other copies keep theirs.",
    .options = options + 1,
    .size = sizeof(struct change),
    .least_operands = 2,
    .most_operands = 3,
};

static int undo(struct change *c)
{
    int code = output_check_epoch();

    return code ? code : tool_check_about(c->args.operand[0], dkvb_model_undo(c->model, c->entry, &c->entry));
}

static void tell_undo(const struct change *c)
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

static int purge(struct change *c)
{
    int code = output_check_epoch();

    if (code == EXIT_SUCCESS)
        code = tool_check_about(c->args.operand[0], dkvb_model_purge(c->model));
    if (code == EXIT_SUCCESS && c->drop_name)
        code = tool_check(dkvb_model_drop_forgotten_names(c->model, &c->dropped));
    return code;
}

static void tell_purge(const struct change *c)
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

static int rename_class(struct change *c)
{
    const char *path = c->args.operand[0];
    int code =
        tool_check_about(path, dkvb_model_find_class(c->model, c->args.operand[1], DKVB_FIND_NAME_OR_INDEX, &c->label));

    return code ? code : tool_check_about(path, dkvb_model_set_class_name(c->model, c->label, c->args.operand[2]));
}

static void tell_rename(const struct change *c)
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

/* Loads the model, calls `make` to change it, saves the model, and calls `tell`, which prints members of the open JSON
 * object, or lines of text. */
static int change(const struct args_command *command, struct change *c, int (*make)(struct change *c),
                  void (*tell)(const struct change *c))
{
    const char *path = c->args.operand[0], *output = c->output ? c->output : path;
    const struct path inputs[] = {{0}}, outputs[] = {{c->output ? "--output" : "MODEL", output}, {0}};
    double began = progress_clock();
    int code = paths_claim(command, inputs, outputs);

    c->after = (dkvb_model_info)DKVB_MODEL_INFO_INIT;
    if (code || (code = input_model_load(&c->model, path, &c->before)) || (code = make(c)) ||
        (code = tool_check(dkvb_model_get_info(c->model, &c->after))) || (code = output_model(c->model, output)))
        goto done;
    if (c->json) {
        json_open(NULL, '{');
        tell(c);
        json_number("seconds", progress_clock() - began);
        json_close('}');
    } else {
        tell(c);
        printf("wrote %s\n", output);
    }
done:
    dkvb_model_free(c->model);
    return code;
}

int cmd_undo(int argc, char **argv)
{
    struct change c;
    int code;

    if (!args_parse(&undo_command, argc, argv, &c, &code))
        return code;
    if (c.args.operand[1] && (!args_number(c.args.operand[1], &c.entry) || c.entry == 0))
        return args_misused(&undo_command, "ENTRY is the number of a journal entry, from 1: see 'dkvb masks'");
    return change(&undo_command, &c, undo, tell_undo);
}

int cmd_purge(int argc, char **argv)
{
    struct change c;
    int code;

    return args_parse(&purge_command, argc, argv, &c, &code) ? change(&purge_command, &c, purge, tell_purge) : code;
}

int cmd_rename(int argc, char **argv)
{
    struct change c;
    int code;

    return args_parse(&rename_command, argc, argv, &c, &code) ? change(&rename_command, &c, rename_class, tell_rename)
                                                              : code;
}
