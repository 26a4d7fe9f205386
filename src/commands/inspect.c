/* dkvb inspect: what a model file holds, without reading its keys and values. */
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/args.h"
#include "io/hex.h"
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
    .about = "Describe a model: shapes, versions, classes, masked pairs, journal.",
    .options = options,
    .size = sizeof(struct inspect_args),
    .least_operands = 1,
    .most_operands = 1,
};

/* Length that rows are expected to have, if the codebooks remember any; false if not. */
static bool row_lengths(const dkvb_model *model, double lengths[2], bool *whitened)
{
    dkvb_codebooks_info info = DKVB_CODEBOOKS_INFO_INIT;

    if (dkvb_codebooks_get_info(dkvb_model_codebooks(model), &info) != DKVB_OK)
        return false;
    *whitened = info.whitened != 0;
    lengths[0] = info.least_length;
    lengths[1] = info.greatest_length;
    return lengths[0] > 0 || lengths[1] < (double)FLT_MAX;
}

static int print_json(const dkvb_model *model, const dkvb_model_info *info)
{
    char birth[2 * sizeof info->birth + 1];
    double lengths[2];
    bool whitened = false, known = row_lengths(model, lengths, &whitened);
    int code;

    json_open(NULL, '{');
    json_count("format_major", info->format_major);
    json_count("format_minor", info->format_minor);
    json_text("birth", hex_text(info->birth, sizeof info->birth, birth));
    json_count("codebooks", info->codebooks);
    json_count("keys", info->keys);
    json_count("key_dim", info->key_dim);
    json_count("input_dim", info->input_dim);
    json_count("classes", info->classes);
    json_count("top_k", info->top_k);
    json_bool("normalize", info->normalize != 0);
    json_bool("whitened", whitened);
    json_real("temperature", info->temperature);
    if (known) {
        json_open("row_lengths", '[');
        json_real(NULL, lengths[0]);
        json_real(NULL, lengths[1]);
        json_close(']');
    } else {
        json_null("row_lengths");
    }
    json_text("values_dtype", dkvb_name(DKVB_NAME_DTYPE, info->values_dtype));
    json_count("rows_trained", info->rows_trained);
    json_count("trials", info->trials);
    json_count("pairs_total", (uint64_t)info->codebooks * info->keys);
    json_count("masked_pairs", info->masked_pairs);
    json_count("purged_pairs", info->purged_pairs);
    json_text("encoder", info->encoder);
    json_open("class_names", '[');
    for (uint32_t i = 0; i < info->classes; i++)
        json_text(NULL, dkvb_model_class_name(model, i));
    json_close(']');
    code = journal_write(model, true);
    json_close('}');
    return code;
}

static void print_classes(const dkvb_model *model, const dkvb_model_info *info)
{
    printf("classes    %" PRIu32 "\n", info->classes);
    for (uint32_t i = 0; i < info->classes; i++) {
        const char *name = dkvb_model_class_name(model, i);

        if (!name)
            continue;
        printf("%9" PRIu32 "  ", i);
        output_padded(name, 0);
        putchar('\n');
    }
}

static void print_encoder(const char *encoder)
{
    if (!encoder)
        return;
    printf("encoder    ");
    output_padded(encoder, 0);
    putchar('\n');
}

static int print_text(const dkvb_model *model, const dkvb_model_info *info)
{
    char birth[2 * sizeof info->birth + 1];
    double lengths[2];
    bool whitened = false, known = row_lengths(model, lengths, &whitened);

    printf("format     %" PRIu32 ".%" PRIu32 "\n", info->format_major, info->format_minor);
    printf("birth      %s\n", hex_text(info->birth, sizeof info->birth, birth));
    printf("rows       %" PRIu32 " columns, centred%s%s\n", info->input_dim, whitened ? ", half whitened" : "",
           info->normalize ? ", scaled to length 1" : "");
    if (known)
        printf("lengths    %.4g to %.4g; a row of another length is outside the scale\n", lengths[0], lengths[1]);
    print_encoder(info->encoder);
    printf("codebooks  %" PRIu32 " of %" PRIu32 " keys, %" PRIu32 " wide; top %" PRIu32 " selected\n", info->codebooks,
           info->keys, info->key_dim, info->top_k);
    printf("values     %s\n", dkvb_name(DKVB_NAME_DTYPE, info->values_dtype));
    printf("answers    at temperature %.3f\n", info->temperature);
    printf("trained    on %" PRIu64 " rows, each epoch counted\n", info->rows_trained);
    if (info->trials > 0)
        printf("tuned      by %" PRIu32 " trials: --trials %" PRIu32 " repeats them\n", info->trials, info->trials);
    printf("pairs      %" PRIu64 ", of them %" PRIu64 " masked and %" PRIu64 " purged\n",
           (uint64_t)info->codebooks * info->keys, info->masked_pairs, info->purged_pairs);
    print_classes(model, info);
    putchar('\n');
    return journal_write(model, false);
}

int cmd_inspect(int argc, char **argv)
{
    struct inspect_args args;
    dkvb_model *model = NULL;
    dkvb_model_info info;
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    code = input_model_map(&model, args.args.operand[0], &info);
    if (code == EXIT_SUCCESS)
        code = args.json ? print_json(model, &info) : print_text(model, &info);
    dkvb_model_free(model);
    return code;
}
