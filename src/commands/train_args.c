#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/paths.h"
#include "tool.h"
#include "commands/train.h"

static const char *const methods[] = {
    [DKVB_KEYINIT_EMA] = "ema", [DKVB_KEYINIT_SAMPLE] = "sample", [DKVB_KEYINIT_MEANS] = "means", NULL};

enum { PRESET_NONE, PRESET_PAPER, PRESET_SMALL };
static const char *const presets[] = {"none", "paper", "small", NULL};
static const uint64_t small_bytes = 8000000;

static const char *const whitenings[] = {
    [DKVB_WHITEN_NEVER] = "never", [DKVB_WHITEN_ALWAYS] = "always", [DKVB_WHITEN_CHOOSE] = "choose", NULL};

static const char *const keeps[] = {
    [DKVB_KEPT_AUTO] = "auto", [DKVB_KEPT_CODES] = "codes", [DKVB_KEPT_FEATURES] = "features", NULL};

enum { DEFAULT_VALUES = 1 }; /* index of float16 among the number types of values */
static const char *const value_names[] = {"f32", "f16", "bf16", NULL};
const uint32_t train_value_types[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16, DKVB_DTYPE_BF16};

static const char *const class_weights[] = {
    [DKVB_CLASS_WEIGHT_NONE] = "none", [DKVB_CLASS_WEIGHT_BALANCED] = "balanced", NULL};

#define AT(member) offsetof(struct train_args, member)

static const struct args_option options[] = {
    {"features", ARGS_TEXT, AT(features), "X", .help = "rows to learn from: CSV, .npz, .npy or IDX (.gz)"},
    {"images", ARGS_LIST, AT(pictures.paths), "PATH...", .help = "pictures instead, see 'dkvb encode'"},
    {"encoder", ARGS_CHOICE, AT(pictures.encoder), PICTURES_ENCODERS,
     .help = "what makes rows of them; the model remembers it", .choices = pictures_encoders, .shows_default = true},
    PICTURES_OPTIONS(AT, pictures),
    {"codes", ARGS_TEXT, AT(codes), "CODES.npy",
     .help = "codes of rows instead, as `dkvb search` wrote them; with --init-from or --continue"},
    {"labels", ARGS_TEXT, AT(labels), "Y",
     .help = "their labels, -1 = ignore: .npy, IDX or a text of lines; --images brings its own"},
    {"columns", ARGS_TEXT, AT(columns.features), "NAME[,NAME...]",
     .help = "columns of a CSV that are features; all without another use if not given", .word = true},
    COLUMNS_LABELS(AT, columns),
    COLUMNS_IDS(AT, columns),
    COLUMNS_GROUPS(AT, columns),
    {"output", ARGS_TEXT, AT(output), "MODEL", .help = "where to save; with --continue, that model if not given",
     .letter = 'o'},
    {"codes-out", ARGS_TEXT, AT(codes_out), "FILE",
     .help = "keep what forgetting needs of the rows; with --continue, add to it"},
    {"hold-out", ARGS_REAL, AT(hold_out), "R",
     .help = "with --codes-out: share of the rows kept out of training, to measure on", .below = 1,
     .shows_default = true},
    {"depth", ARGS_U32, AT(depth), "N", .help = "with --codes-out: keys a codebook that codes of those rows go deep",
     .least = 1, .shows_default = true},
    {"keep", ARGS_CHOICE, AT(keep), "auto|codes|features",
     .help = "with --codes-out: what it keeps of rows; auto: whichever is less", .choices = keeps,
     .shows_default = true},
    {"ids", ARGS_TEXT, AT(ids), "IDS",
     .help = "what the rows are called: integers, or a text of names; their numbers if not given"},
    {"in-place", ARGS_FLAG, AT(in_place), .help = "one copy of the values, lost if interrupted; files stay"},
    {"keep-names", ARGS_FLAG, AT(keep_names), .help = "with --codes-out and names: keep those, not only hashes"},
    {"keep-counts", ARGS_FLAG, AT(keep_counts),
     .help = "keep in the model how often each class selects each pair, to forget by name alone"},
    {"preset", ARGS_CHOICE, AT(preset), "none|paper|small",
     .help = "the paper: 256 codebooks of 4096 keys, one selected; small: at most 8 MB", .choices = presets},
    {"size", ARGS_TEXT, AT(size), "BYTES", .help = "a model of at most so many bytes, as 500K, 8M or 1G", .word = true},
    {"tune", ARGS_FLAG, AT(tune), .help = "try a list of settings on rows held out, and keep the best"},
    {"tune-seconds", ARGS_REAL, AT(tune_seconds), "S", .help = "with --tune: begin no trial after so long",
     .positive = true, .shows_default = true},
    {"trials", ARGS_U32, AT(trials), "N", .help = "tune by just so many trials: the same again on any machine",
     .least = 1},
    {"whiten", ARGS_CHOICE, AT(settings.whiten), "never|always|choose",
     .help = "half whitening of rows; choose: compare on rows held out", .choices = whitenings, .shows_default = true},
    {"as-they-are", ARGS_FLAG, AT(as_they_are), .help = "do not scale rows to length 1"},
    {"key-features", ARGS_TEXT, AT(key_features), "U", .help = "rows to place keys on, instead of X"},
    {"init", ARGS_CHOICE, AT(settings.keyinit.method), "ema|sample|means", .help = "how keys are placed",
     .choices = methods, .shows_default = true},
    {"codebooks", ARGS_U32, AT(settings.keyinit.codebooks), "C", .help = "codebooks; what suits the data if not given",
     .least = 1, .most = 65535},
    {"keys", ARGS_U32, AT(settings.keyinit.keys), "K", .help = "keys per codebook; the same", .least = 1,
     .most = 65535},
    {"key-dim", ARGS_U32, AT(settings.keyinit.key_dim), "D", .help = "width of a key; the same", .least = 1,
     .most = 4096},
    {"top-k", ARGS_U32, AT(settings.top_k), "N", .help = "keys selected in a codebook; the same", .least = 1,
     .most = 65535},
    {"passes", ARGS_U32, AT(settings.keyinit.passes), "N",
     .help = "passes of ema or means over the rows they use; 0: usual"},
    {"rows-per-key", ARGS_U32, AT(settings.keyinit.rows_per_key), "N",
     .help = "rows that keys are placed on, drawn by seed, for each key; 0: all rows", .shows_default = true},
    {"decay", ARGS_REAL, AT(settings.keyinit.decay), "R",
     .help = "ema: share of the old average kept in a step, below 1", .below = 1, .shows_default = true},
    {"key-batch", ARGS_U32, AT(settings.keyinit.batch), "N", .help = "ema: rows in a step; 0: 2,048"},
    {"init-from", ARGS_TEXT, AT(init_from), "MODEL",
     .help = "share the keys of this model instead of placing new ones"},
    {"continue", ARGS_TEXT, AT(continue_from), "MODEL", .help = "go on training this model: its keys, values and mask"},
    {"relearn", ARGS_FLAG, AT(relearn),
     .help = "with --continue: also on classes and rows that were forgotten; ends those forgettings"},
    {"epochs", ARGS_U32, AT(settings.train.epochs), "N",
     .help = "passes over the rows; what suits the data if not given", .least = 1},
    {"lr", ARGS_REAL, AT(settings.train.learning_rate), "R",
     .help = "learning rate on the pooled logits in the first epoch; the same", .most = 1000000, .positive = true},
    {"lr-last", ARGS_REAL, AT(settings.train.rate_last), "R",
     .help = "the same in the last epoch, geometric in between; 0: as --lr, or what suits", .most = 1000000},
    {"batch", ARGS_U32, AT(settings.train.batch), "N", .help = "rows in a batch; what suits the data if not given",
     .least = 1, .most = 1048576},
    {"label-smoothing", ARGS_REAL, AT(settings.train.label_smoothing), "R",
     .help = "share of a row's target that is spread over all classes", .below = 1, .shows_default = true},
    {"class-weight", ARGS_CHOICE, AT(settings.train.class_weight), "none|balanced",
     .help = "how much rows count: all the same, or every class the same", .choices = class_weights,
     .shows_default = true},
    {"values", ARGS_CHOICE, AT(values), "f32|f16|bf16",
     .help = "what values are stored in; with --continue, as they are if not given", .choices = value_names,
     .shows_default = true},
    {"class-names", ARGS_TEXT, AT(class_names), "FILE",
     .help = "names of the classes, one a line, from class 0; --images brings its own"},
    {"empty-classes", ARGS_FLAG, AT(empty_classes),
     .help = "also train where classes have no rows, which is refused otherwise"},
    {"seed", ARGS_U64, AT(seed), "N", .help = "of projections, keys and the order of rows", .shows_default = true},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has; results never depend on it"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static void set_defaults(void *values)
{
    struct train_args *args = values;

    dkvb_settings_init(&args->settings);
    args->pictures.encoder = DKVB_ENCODER_DESCRIPTOR - 1;
    args->hold_out = 0.1;
    args->tune_seconds = 600;
    args->depth = DKVB_CODESET_DEPTH;
    args->values = DEFAULT_VALUES;
}

const struct args_command train_command = {
    .name = "train",
    .synopsis = "(--features X|--codes CODES.npy) --labels Y -o MODEL [options] | --images PATH... -o MODEL [options]",
    .example = "dkvb train --features x.npy --labels y.npy --class-names names.txt -o m.dkvb --codes-out m.codes",
    .about = "Train a model: place keys without labels, search every row once, fit the values to the labels.\n"
             "Settings that are not given follow from the data. There are as many classes as the largest label says,\n"
             "or as there are names.",
    .options = options,
    .size = sizeof(struct train_args),
    .defaults = set_defaults,
};

/* Reads the size of a model such as "8M", in powers of 1000. */
static int read_size(struct train_args *args)
{
    char *end;
    double number = args->size ? strtod(args->size, &end) : 0;
    double unit = !args->size ? 1 : *end == 'K' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : *end == '\0' ? 1 : 0;

    args->most_bytes = args->preset == PRESET_SMALL ? small_bytes : 0;
    if (!args->size)
        return EXIT_SUCCESS;
    if (unit == 0 || (*end && end[1]) || !(number * unit >= 1) || number * unit > 1e15)
        return args_misused(&train_command, "--size takes a number of bytes, as 500K, 8M or 1G");
    args->most_bytes = (uint64_t)(number * unit);
    return EXIT_SUCCESS;
}

/* With --preset paper, uses the hyperparameters of the paper on discrete key-value bottlenecks for all options that
 * were not given. */
static int apply_paper(struct train_args *args)
{
    const struct train_args given = *args;
    int code = tool_check(dkvb_fit_suit(&args->settings, 0, 0, 1, DKVB_PRESET_PAPER, 0));

    for (const struct args_option *o = options; o->name; o++)
        if (o->at >= AT(settings) && o->at < AT(seed) && args_given(&train_command, &given, o->name))
            memcpy((char *)args + o->at, (const char *)&given + o->at,
                   o->kind == ARGS_REAL ? sizeof(double) : sizeof(uint32_t));
    return code;
}

/* Checks the options of `dkvb train` that name the training rows. */
static int check_rows(const struct train_args *args)
{
    bool told = args_given(&train_command, args, "encoder") || (!args->init_from && !args->continue_from);
    int code = pictures_check_source(&train_command, &args->pictures, "images");

    if (code)
        return code;
    if (!args->features + !args->codes + !pictures_source(&args->pictures) != 2)
        return args_misused(&train_command, "one of --features, --images and --codes is wanted");
    if (!pictures_source(&args->pictures) && !args->labels && !args->columns.labels)
        return args_misused(&train_command,
                            "--labels is missing, or --label-column where a column of a CSV has the labels");
    if (!pictures_source(&args->pictures) && args->labels && args->columns.labels)
        return args_misused(&train_command,
                            "--labels does not go with --label-column: one of them says which labels the rows have");
    if (!args->features &&
        (args->columns.labels || args->columns.ids || args->columns.groups || args->columns.features))
        return args_misused(&train_command,
                            "--columns, --label-column, --id-column and --group-column are columns of the CSV that "
                            "--features names, which is missing");
    if (args->columns.ids && args->ids)
        return args_misused(&train_command,
                            "--ids does not go with --id-column: one of them says what rows are called");
    if (args->codes && !args->init_from && !args->continue_from)
        return args_misused(&train_command,
                            "--codes: the model whose keys they name is wanted, by --init-from or --continue");
    if (!pictures_source(&args->pictures))
        return args_refuse(&train_command, args, pictures_options,
                           "--features and --codes: it says how pictures are read");
    /* the options of the encoder are checked only if one of them was given, as otherwise the model may remember its
     * encoder */
    return told ? pictures_check_args(&train_command, &args->pictures) : EXIT_SUCCESS;
}

/* Refuses options of `dkvb train` that do not belong together. */
static int check_together(const struct train_args *args)
{
    static const char *const placing[] = {"init",      "codebooks",    "keys",         "key-dim", "passes", "decay",
                                          "key-batch", "key-features", "as-they-are",  "whiten",  "preset", "size",
                                          "tune",      "trials",       "rows-per-key", NULL};
    static const char *const continuing[] = {"init-from", "top-k", NULL};
    static const char *const kept[] = {"depth", "keep", "keep-names", NULL};
    static const char *const larger[] = {"keep-counts", NULL};
    const struct {
        bool applies;
        const char *const *refused;
        const char *reason;
    } refusals[] = {
        {args->init_from, placing, "--init-from: the keys are there already"},
        {args->continue_from, placing, "--continue: the keys are there already"},
        {args->continue_from, continuing, "--continue: the model brings its own"},
        {args->codes_out && args->continue_from, kept, "--continue: the codes file says it already"},
        {args->most_bytes > 0, larger, "--size and --preset small, which leave no room for counts"},
    };
    const struct {
        bool applies;
        const char *message;
    } misuses[] = {
        {args->relearn && !args->continue_from,
         "--relearn needs --continue: only a model with a journal has forgotten anything"},
        {args->codes_out && args->codes, "--codes-out: the rows themselves must be given, by --features or --images"},
        {!args->codes_out && (args_given(&train_command, args, "hold-out") ||
                              args_given(&train_command, args, "depth") || args_given(&train_command, args, "keep")),
         "--hold-out, --depth and --keep need --codes-out, where those rows are kept"},
        {args->keep_names && !(args->codes_out && (args->ids || args->columns.ids)),
         "--keep-names needs names, by --ids with a text or --id-column, and --codes-out, where they are kept"},
        {args->in_place && args->relearn,
         "--in-place does not allow --relearn, whose journal entry could not be taken back after an interruption"},
        {!args->output && !args->continue_from, "--output is missing"},
        {args->most_bytes > 0 && train_value_types[args->values] == DKVB_DTYPE_F32,
         "--values f32: --size and --preset small reckon with values of 16 bits; take f16 or bf16"},
    };
    int code = EXIT_SUCCESS;

    for (size_t i = 0; code == EXIT_SUCCESS && i < sizeof refusals / sizeof *refusals; i++)
        if (refusals[i].applies)
            code = args_refuse(&train_command, args, refusals[i].refused, refusals[i].reason);
    for (size_t i = 0; code == EXIT_SUCCESS && i < sizeof misuses / sizeof *misuses; i++)
        if (misuses[i].applies)
            code = args_misused(&train_command, "%s", misuses[i].message);
    if (code || args->settings.keyinit.keys == 0 || args->settings.top_k <= args->settings.keyinit.keys)
        return code;
    return args_misused(&train_command, "--top-k %" PRIu32 ": there are only %" PRIu32 " --keys", args->settings.top_k,
                        args->settings.keyinit.keys);
}

int train_check_args(struct train_args *args)
{
    int code;

    if ((code = check_rows(args)) || (code = read_size(args)) || (code = check_together(args)) ||
        (args->preset == PRESET_PAPER && (code = apply_paper(args))))
        return code;
    if (!args->output)
        args->output = args->continue_from;
    args->tune = args->tune || args->trials > 0;
    if (args->as_they_are)
        args->settings.keyinit.normalize = 0;
    args->settings.keyinit.seed = args->seed;
    args->settings.train.seed = args->seed;
    args->settings.train.relearn = args->relearn;
    return EXIT_SUCCESS;
}

/* Checks that the output files of `dkvb train` can be written and replace no input, and locks these files. The output
 * of `dkvb train` may replace the input model only if the training of this model continues. */
int train_claim_paths(const struct train_args *args)
{
    const struct path inputs[] = {{"--features", args->features},
                                  {"--images", pictures_source(&args->pictures)},
                                  {"--weights", args->pictures.weights},
                                  {"--config", args->pictures.config},
                                  {"--codes", args->codes},
                                  {"--labels", args->labels},
                                  {"--key-features", args->key_features},
                                  {"--class-names", args->class_names},
                                  {"--init-from", args->init_from},
                                  {"--ids", args->ids},
                                  {0}};
    const struct path outputs[] = {{args->output == args->continue_from ? "--continue" : "--output", args->output},
                                   {"--codes-out", args->codes_out},
                                   {0}};

    return paths_claim(&train_command, inputs, outputs);
}
