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
#include "tool.h"

struct search_args {
    struct args args;
    const char *features, *output, *distances;
    uint32_t threads;
    bool json;
};

#define AT(member) offsetof(struct search_args, member)

static const struct args_option options[] = {
    {"features", ARGS_TEXT, AT(features), "X", .help = "rows: .npy or IDX (.gz)", .required = true},
    {"output", ARGS_TEXT, AT(output), "CODES.npy", .help = "uint16[n][C][k], nearest first, 65535 = none left",
     .letter = 'o', .required = true},
    {"distances", ARGS_TEXT, AT(distances), "D.npy",
     .help = "also int32[n][C][k], squared, in steps of the codebook's scale"},
    ARGS_THREADS_JSON(AT),
};

static const struct args_command command = {
    .name = "search",
    .synopsis = "MODEL --features X -o CODES.npy [options]",
    .example = "dkvb search m.dkvb --features test_x.npy -o codes.npy",
    .about = "Write the codes of rows: in every codebook the nearest keys that are not masked.",
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
    uint16_t *codes;    /* codes of the rows, [n][codebooks][k] */
    int32_t *distances; /* distances of the nearest keys, [n][codebooks][k], or NULL */
    double began;
};

static int make_codes(struct search *s)
{
    const struct search_args *a = &s->args;
    int code;

    if ((code = input_model_map(&s->model, a->args.operand[0], &s->info)) ||
        (code = input_features_for(&s->x, a->features, INPUT_BLOCKS, s->model, NULL)))
        return code;
    s->codes = input_memory("codes", sizeof *s->codes, s->x.rows, s->info.codebooks, s->info.top_k);
    if (s->codes && a->distances)
        s->distances = input_memory("distances", sizeof *s->distances, s->x.rows, s->info.codebooks, s->info.top_k);
    return s->codes && (s->distances || !a->distances)
               ? codes_search(s->model, &s->x, a->threads, s->codes, s->distances)
               : EXIT_FAILURE;
}

static int write_files(const struct search *s)
{
    uint64_t shape[3] = {s->x.rows, s->info.codebooks, s->info.top_k};
    int code = output_npy(s->args.output, DKVB_DTYPE_U16, 3, shape, s->codes);

    return code || !s->distances ? code : output_npy(s->args.distances, DKVB_DTYPE_I32, 3, shape, s->distances);
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
    json_number("seconds", seconds);
    json_close('}');
}

static int check_paths(const struct search_args *args)
{
    const struct path inputs[] = {{"MODEL", args->args.operand[0]}, {"--features", args->features}, {0}};
    const struct path outputs[] = {{"--output", args->output}, {"--distances", args->distances}, {0}};

    return paths_check(&command, inputs, outputs);
}

int cmd_search(int argc, char **argv)
{
    struct search s = {.began = progress_clock()};
    int code;

    if (!args_parse(&command, argc, argv, &s.args, &code))
        return code;
    if (!(code = check_paths(&s.args)) && !(code = make_codes(&s)) && !(code = write_files(&s)))
        report(&s, progress_clock() - s.began);
    free(s.distances);
    free(s.codes);
    input_features_free(&s.x);
    dkvb_model_free(s.model);
    return code;
}
