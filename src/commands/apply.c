/* dkvb apply: show a plan that 'dkvb forget --plan-out' wrote, or do it. */
#include <stdio.h>
#include <stdlib.h>

#include "commands/forget.h"
#include "io/codes.h"
#include "io/input.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

#define AT(member) offsetof(struct forget_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"codes", ARGS_TEXT, AT(codes), "CODES", .help = "exact: the codes file that was planned on, which loses the rows"},
    {"codes-out", ARGS_TEXT, AT(codes_out), "FILE", .help = "exact: where CODES goes without the rows, with -o"},
    {"drop-name", ARGS_FLAG, AT(drop_name), .help = "exact: also take away the names of classes that are forgotten"},
    {"dry-run", ARGS_FLAG, AT(dry_run), .help = "show the plan, with the names of MODEL, and change nothing"},
    {"all-classes", ARGS_FLAG, AT(all_classes), .help = "show what every class would lose, also where there are many"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command command = {
    .name = "apply",
    .synopsis = "PLAN [MODEL] [--codes CODES] [-o OUT] [--dry-run] [--json]",
    .about =
        "Do what a plan of 'dkvb forget --plan-out' says. A model whose journal or values are not those that were\n"
        "planned on is refused. Without MODEL, and with --dry-run, the plan is shown and nothing is changed.",
    .options = options,
    .size = sizeof(struct forget_args),
    .least_operands = 1,
    .most_operands = 2,
};

/* The files that the plan needs, by its strength: they are known once it is read. */
static int check_files(const struct forget_args *args, const char *plan)
{
    static const char *const of_exact[] = {"codes", "codes-out", "drop-name", NULL};
    const char *model = args->args.operand[0];
    bool rewrites = args->exact && !args->codes_out;
    const struct path inputs[] = {{"PLAN", plan}, {"--codes", rewrites ? NULL : args->codes}, {0}};
    const struct path outputs[] = {{args->output ? "--output" : "MODEL", args->output ? args->output : model},
                                   {rewrites ? "--codes" : "--codes-out", rewrites ? args->codes : args->codes_out},
                                   {0}};

    if (!args->exact) {
        int code = args_refuse(&command, args, of_exact, "the plan is not of the strength exact");

        if (code)
            return code;
    } else if (!args->codes) {
        return args_misused(&command, "--codes is missing: the plan takes rows out of the codes file as well");
    } else if (args->output && !args->codes_out) {
        return args_misused(&command, "--output: --codes-out is missing, where the codes without the rows go");
    }
    return paths_claim(&command, inputs, outputs);
}

static int apply(struct forget *f)
{
    const char *plan = f->args.args.operand[0], *model = f->args.args.operand[1];
    bool doing = model && !f->args.dry_run;
    int code = output_check_epoch();

    paths_keep_private(plan);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_plan_load(&f->plan, plan, NULL));
    f->found = (dkvb_plan_info)DKVB_PLAN_INFO_INIT;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_plan_get_info(f->plan, &f->found));
    f->args.args.operand[0] = model ? model : plan; /* whom messages are about */
    f->args.exact = f->found.strength == DKVB_STRENGTH_EXACT;
    f->args.keep_keys = f->found.keys == DKVB_KEYS_KEPT;
    f->args.dry_run = !doing;
    f->args.planned = true;
    if (code == EXIT_SUCCESS && doing)
        code = check_files(&f->args, plan);
    if (code == EXIT_SUCCESS && model)
        code = input_model_load(&f->model, model, &f->info);
    if (code == EXIT_SUCCESS && doing && f->args.codes)
        code = codeset_load(&f->codeset, f->args.codes, NULL);
    return code ? code : forget_finish(f, f->args.output ? f->args.output : model);
}

int cmd_apply(int argc, char **argv)
{
    struct forget f = {.command = &command, .began = progress_clock()};
    int code;

    if (!args_parse(&command, argc, argv, &f.args, &code))
        return code;
    code = apply(&f);
    forget_free(&f);
    return code;
}
