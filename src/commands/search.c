/* dkvb search computes the codes of rows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/codes.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "io/resumed.h"
#include "tool.h"

struct search_args {
    struct args args;
    const char *features, *output, *distances;
    uint32_t threads;
    bool restart, json;
};

#define AT(member) offsetof(struct search_args, member)

static const struct args_option options[] = {
    {"features", ARGS_TEXT, AT(features), "X", .help = "rows: .npy or IDX (.gz)", .required = true},
    {"output", ARGS_TEXT, AT(output), "CODES.npy", .help = "uint16[n][C][k], nearest first, 65535 = none left",
     .letter = 'o', .required = true},
    {"distances", ARGS_TEXT, AT(distances), "D.npy",
     .help = "also int32[n][C][k], squared, in steps of the codebook's scale"},
    {"restart", ARGS_FLAG, AT(restart), .help = "throw away the codes that CODES.npy.part has"},
    ARGS_THREADS_JSON(AT),
};

static const struct args_command command = {
    .name = "search",
    .synopsis = "MODEL --features X -o CODES.npy [options]",
    .example = "dkvb search m.dkvb --features test_x.npy -o codes.npy",
    .about = "Write the codes of rows: in every codebook the nearest keys that are not masked.\n"
             "Interrupted, it keeps what it has in CODES.npy.part; the same command goes on from there.",
    .options = options,
    .size = sizeof(struct search_args),
    .least_operands = 1,
    .most_operands = 1,
};

struct search {
    struct search_args args;
    dkvb_model *model;
    dkvb_model_info info;
    struct features x;
    dkvb_search_file_report report;
    struct resumed work;
    double began;
};

static int tell_failure(const struct search *s, dkvb_status status)
{
    const struct path files[] = {{"features: ", s->args.features}, {NULL, NULL}};
    int code = status == DKVB_ECANCELLED ? EXIT_SUCCESS : paths_tell(files, dkvb_last_error());

    return code ? code : tool_check(status);
}

static int write_files(struct search *s)
{
    const struct search_args *a = &s->args;
    dkvb_search_file_options o = DKVB_SEARCH_FILE_OPTIONS_INIT;
    struct output codes, distances;
    dkvb_run_options run;
    dkvb_status rc;
    int code;

    if ((code = input_model_map(&s->model, a->args.operand[0], &s->info)) ||
        (code = input_features_for(&s->x, a->features, INPUT_BLOCKS, s->model, NULL)))
        return code;
    if (!output_begin(&codes, a->output, &code) || (a->distances && !output_begin(&distances, a->distances, &code)))
        return code;
    o.source = s->x.source;
    o.distances = a->distances;
    o.restart = a->restart;
    s->work = (struct resumed){.things = "rows", .done = &s->report.resumed, .all = &s->report.rows, .quiet = a->json};
    run = resumed_start(&s->work, "search", a->threads);
    run.outside = outside_count(&s->x);
    rc = dkvb_search_file(s->model, s->x.x, s->x.rows, a->output, &o, &s->report, &run);
    progress_stop();
    tool_kept(s->report.kept, s->report.rows, "searched", "rows");
    if (rc)
        return tell_failure(s, rc);
    outside_note(a->features, &s->x.outside);
    code = output_end(&codes, DKVB_OK);
    return code || !a->distances ? code : output_end(&distances, DKVB_OK);
}

static void report(const struct search *s, double seconds)
{
    if (!s->args.json) {
        printf("wrote %s: codes of %zu rows in %" PRIu32 " codebooks, top %" PRIu32 ", in %.2f s\n", s->args.output,
               s->x.rows, s->info.codebooks, s->info.top_k, seconds);
        return;
    }
    json_open(NULL, '{');
    json_count("n", s->x.rows);
    json_count("codebooks", s->info.codebooks);
    json_count("top_k", s->info.top_k);
    json_count("rows_outside_scale", s->x.outside.rows);
    json_count("resumed", s->report.resumed);
    json_number("seconds", seconds);
    json_close('}');
}

/* Checks that the output of `dkvb search` can be written and replaces no input. `kept` is the path of the part file,
 * which keeps finished codes while the search goes on. */
static int check_paths(const struct search_args *args, const char *kept)
{
    const struct path inputs[] = {{"MODEL", args->args.operand[0]}, {"--features", args->features}, {0}};
    const struct path outputs[] = {
        {"--output", args->output}, {"--distances", args->distances}, {"what --output keeps", kept}, {0}};

    return paths_check(&command, inputs, outputs);
}

int cmd_search(int argc, char **argv)
{
    struct search s = {.report = DKVB_SEARCH_FILE_REPORT_INIT, .began = progress_clock()};
    char *kept;
    int code;

    if (!args_parse(&command, argc, argv, &s.args, &code))
        return code;
    kept = paths_with(s.args.output, ".part");
    code = kept ? check_paths(&s.args, kept) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS)
        code = write_files(&s);
    tool_note_kept(kept, code);
    if (code == EXIT_SUCCESS)
        report(&s, progress_clock() - s.began);
    free(kept);
    input_features_free(&s.x);
    dkvb_model_free(s.model);
    return code;
}
