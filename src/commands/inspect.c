/* dkvb inspect shows what a model file holds, without reading its keys and values. */
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/input.h"
#include "io/journal.h"
#include "io/json.h"
#include "io/output.h"
#include "tool.h"

struct inspect_args {
    struct args args;
    bool json;
};

#define AT(member) offsetof(struct inspect_args, member)

static const struct args_option options[] = {
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"}, {0}};

static const struct args_command command = {
    .name = "inspect",
    .synopsis = "MODEL [--json]",
    .example = "dkvb inspect m.dkvb",
    .about = "Describe a model: shapes, versions, classes, masked pairs, journal.",
    .options = options,
    .size = sizeof(struct inspect_args),
    .least_operands = 1,
    .most_operands = 1,
};

struct inspect {
    struct inspect_args args;
    dkvb_model *model;
    dkvb_model_info info;
    dkvb_codebooks_info codebooks;
    char birth[2 * sizeof((dkvb_model_info *)0)->birth + 1];
    /* true if the codebooks of the model store between which lengths a row is inside the scale of the keys */
    bool lengths;
};

static int print_json(const struct inspect *it)
{
    const dkvb_model_info *info = &it->info;
    int code;

    json_open(NULL, '{');
    json_count("format_major", info->format_major);
    json_count("format_minor", info->format_minor);
    json_text("birth", it->birth);
    output_shape(info, it->codebooks.whitened != 0);
    if (it->lengths) {
        json_open("row_lengths", '[');
        json_number(NULL, it->codebooks.least_length);
        json_number(NULL, it->codebooks.greatest_length);
        json_close(']');
    } else {
        json_unknown("row_lengths");
    }
    json_text("values_dtype", dkvb_name(DKVB_NAME_DTYPE, info->values_dtype));
    json_count("rows_trained", info->rows_trained);
    json_count("trials", info->trials);
    json_count("pairs_total", (uint64_t)info->codebooks * info->keys);
    json_count("masked_pairs", info->masked_pairs);
    json_count("purged_pairs", info->purged_pairs);
    json_text("encoder", info->encoder);
    if (dkvb_model_column_name(it->model, 0)) {
        json_open("column_names", '[');
        for (uint32_t i = 0; i < info->input_dim; i++)
            json_text(NULL, dkvb_model_column_name(it->model, i));
        json_close(']');
    } else {
        json_unknown("column_names");
    }
    json_open("class_names", '[');
    for (uint32_t i = 0; i < info->classes; i++)
        json_text(NULL, dkvb_model_class_name(it->model, i));
    json_close(']');
    code = journal_write(it->model, true);
    json_close('}');
    return code;
}

/* Prints a line with a heading and a text that may hold any character. */
static void print_line(const char *word, const char *text)
{
    fputs(word, stdout);
    output_padded(text, 0);
    putchar('\n');
}

static int print_text(const struct inspect *it)
{
    const dkvb_model_info *info = &it->info;
    char number[16];

    printf("format     %" PRIu32 ".%" PRIu32 "\n", info->format_major, info->format_minor);
    printf("birth      %s\n", it->birth);
    printf("rows       %" PRIu32 " columns, centred%s%s\n", info->input_dim,
           it->codebooks.whitened ? ", half whitened" : "", info->normalize ? ", scaled to length 1" : "");
    if (dkvb_model_column_name(it->model, 0))
        printf("columns    %" PRIu32 " have names; --json lists them\n", info->input_dim);
    if (it->lengths)
        printf("lengths    %.4g to %.4g; a row of another length is outside the scale\n", it->codebooks.least_length,
               it->codebooks.greatest_length);
    if (info->encoder)
        print_line("encoder    ", info->encoder);
    printf("codebooks  %" PRIu32 " of %" PRIu32 " keys, %" PRIu32 " wide; top %" PRIu32 " selected\n", info->codebooks,
           info->keys, info->key_dim, info->top_k);
    printf("values     %s\n", dkvb_name(DKVB_NAME_DTYPE, info->values_dtype));
    printf("answers    at temperature %.3f\n", info->temperature);
    printf("trained    on %" PRIu64 " rows, each epoch counted\n", info->rows_trained);
    if (info->trials > 0)
        printf("tuned      by %" PRIu32 " trials: --trials %" PRIu32 " repeats them\n", info->trials, info->trials);
    printf("pairs      %" PRIu64 ", of them %" PRIu64 " masked and %" PRIu64 " purged\n",
           (uint64_t)info->codebooks * info->keys, info->masked_pairs, info->purged_pairs);
    printf("classes    %" PRIu32 "\n", info->classes);
    for (uint32_t i = 0; i < info->classes; i++) {
        const char *name = dkvb_model_class_name(it->model, i);

        snprintf(number, sizeof number, "%9" PRIu32 "  ", i);
        if (name)
            print_line(number, name);
    }
    putchar('\n');
    return journal_write(it->model, false);
}

int cmd_inspect(int argc, char **argv)
{
    struct inspect it = {.codebooks = DKVB_CODEBOOKS_INFO_INIT};
    int code;

    if (!args_parse(&command, argc, argv, &it.args, &code))
        return code;
    if ((code = input_model_map(&it.model, it.args.args.operand[0], &it.info)) ||
        (code = tool_check(dkvb_codebooks_get_info(dkvb_model_codebooks(it.model), &it.codebooks))))
        goto end;
    hex_text(it.info.birth, sizeof it.info.birth, it.birth);
    it.lengths = it.codebooks.least_length > 0 || it.codebooks.greatest_length < FLT_MAX;
    code = it.args.json ? print_json(&it) : print_text(&it);

end:
    dkvb_model_free(it.model);
    return code;
}
