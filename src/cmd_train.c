/* dkvb train: place the keys (or take those of another model), search every row once, train the values, save. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "codes.h"
#include "codeset.h"
#include "ids.h"
#include "input.h"
#include "journal.h"
#include "json.h"
#include "output.h"
#include "paths.h"
#include "pictures.h"
#include "progress.h"
#include "tool.h"

struct train_args {
    struct args args;
    const char *features, *codes, *labels, *output;
    const char *key_features, *init_from, *continue_from, *class_names, *ids, *codes_out, *size;
    struct pictures_args pictures;
    dkvb_keyinit_options keyinit; /* 0: what suits the data */
    dkvb_train_options train;     /* the same of epochs and rate */
    uint64_t seed, most_bytes;
    double hold_out, tune_seconds;
    uint32_t top_k, preset, whiten, keep, depth, values, trials, threads;
    bool as_they_are, tune, keep_counts, relearn, json;
};

static const char *const methods[] = {
    [DKVB_KEYINIT_EMA] = "ema", [DKVB_KEYINIT_SAMPLE] = "sample", [DKVB_KEYINIT_MEANS] = "means", NULL};

enum { PRESET_NONE, PRESET_PAPER, PRESET_SMALL };
static const char *const presets[] = {"none", "paper", "small", NULL};
static const uint64_t small_bytes = 8000000;

static const char *const whitenings[] = {
    [DKVB_WHITEN_NEVER] = "never", [DKVB_WHITEN_ALWAYS] = "always", [DKVB_WHITEN_CHOOSE] = "choose", NULL};

static const char *const keeps[] = {
    [DKVB_KEPT_AUTO] = "auto", [DKVB_KEPT_CODES] = "codes", [DKVB_KEPT_FEATURES] = "features", NULL};

enum { DEFAULT_VALUES = 1 }; /* f16 */
static const char *const value_names[] = {"f32", "f16", "bf16", NULL};
static const uint32_t value_types[] = {DKVB_DTYPE_F32, DKVB_DTYPE_F16, DKVB_DTYPE_BF16};

static const char *const class_weights[] = {
    [DKVB_CLASS_WEIGHT_NONE] = "none", [DKVB_CLASS_WEIGHT_BALANCED] = "balanced", NULL};

#define AT(member) offsetof(struct train_args, member)

static const struct args_option options[] = {
    {"features", ARGS_TEXT, AT(features), "X", .help = "rows to learn from: .npy or IDX (.gz)"},
    {"images", ARGS_TEXT, AT(pictures.path), "PATH", .help = "pictures instead, see 'dkvb encode'"},
    {"encoder", ARGS_CHOICE, AT(pictures.encoder), PICTURES_ENCODERS,
     .help = "what makes rows of them; the model remembers it", .choices = pictures_encoders, .shows_default = true},
    PICTURES_OPTIONS(AT, pictures),
    {"codes", ARGS_TEXT, AT(codes), "CODES.npy",
     .help = "codes of rows instead, as `dkvb search` wrote them; with --init-from or --continue"},
    {"labels", ARGS_TEXT, AT(labels), "Y",
     .help = "their labels, -1 = ignore: .npy or IDX (.gz); --images brings its own"},
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
    {"ids", ARGS_TEXT, AT(ids), "IDS.npy",
     .help = "what the rows are called, integers; row or picture numbers if not given"},
    {"keep-counts", ARGS_FLAG, AT(keep_counts),
     .help = "keep in the model how often each class selects each pair, to forget by name alone"},
    {"preset", ARGS_CHOICE, AT(preset), "none|paper|small",
     .help = "the paper: 256 codebooks of 4096 keys, one selected; small: at most 8 MB", .choices = presets},
    {"size", ARGS_TEXT, AT(size), "BYTES", .help = "a model of at most so many bytes, as 500K, 8M or 1G"},
    {"tune", ARGS_FLAG, AT(tune), .help = "try a list of settings on rows held out, and keep the best"},
    {"tune-seconds", ARGS_REAL, AT(tune_seconds), "S", .help = "with --tune: begin no trial after so long",
     .positive = true, .shows_default = true},
    {"trials", ARGS_U32, AT(trials), "N", .help = "tune by just so many trials: the same again on any machine",
     .least = 1},
    {"whiten", ARGS_CHOICE, AT(whiten), "never|always|choose",
     .help = "half whitening of rows; choose: compare on rows held out", .choices = whitenings, .shows_default = true},
    {"as-they-are", ARGS_FLAG, AT(as_they_are), .help = "do not scale rows to length 1"},
    {"key-features", ARGS_TEXT, AT(key_features), "U", .help = "rows to place keys on, instead of X"},
    {"init", ARGS_CHOICE, AT(keyinit.method), "ema|sample|means", .help = "how keys are placed", .choices = methods,
     .shows_default = true},
    {"codebooks", ARGS_U32, AT(keyinit.codebooks), "C", .help = "codebooks; what suits the data if not given",
     .least = 1, .most = 65535},
    {"keys", ARGS_U32, AT(keyinit.keys), "K", .help = "keys per codebook; the same", .least = 1, .most = 65535},
    {"key-dim", ARGS_U32, AT(keyinit.key_dim), "D", .help = "width of a key; the same", .least = 1, .most = 4096},
    {"top-k", ARGS_U32, AT(top_k), "N", .help = "keys selected in a codebook; the same", .least = 1, .most = 65535},
    {"passes", ARGS_U32, AT(keyinit.passes), "N", .help = "passes of ema or means over the rows they use; 0: usual"},
    {"rows-per-key", ARGS_U32, AT(keyinit.rows_per_key), "N",
     .help = "rows that keys are placed on, drawn by seed, for each key; 0: all rows", .shows_default = true},
    {"decay", ARGS_REAL, AT(keyinit.decay), "R", .help = "ema: share of the old average kept in a step, below 1",
     .below = 1, .shows_default = true},
    {"key-batch", ARGS_U32, AT(keyinit.batch), "N", .help = "ema: rows in a step; 0: 2,048"},
    {"init-from", ARGS_TEXT, AT(init_from), "MODEL",
     .help = "share the keys of this model instead of placing new ones"},
    {"continue", ARGS_TEXT, AT(continue_from), "MODEL", .help = "go on training this model: its keys, values and mask"},
    {"relearn", ARGS_FLAG, AT(relearn),
     .help = "with --continue: also on classes and rows that were forgotten; ends those forgettings"},
    {"epochs", ARGS_U32, AT(train.epochs), "N", .help = "passes over the rows; what suits the data if not given",
     .least = 1},
    {"lr", ARGS_REAL, AT(train.learning_rate), "R",
     .help = "learning rate on the pooled logits in the first epoch; the same", .most = 1000000, .positive = true},
    {"lr-last", ARGS_REAL, AT(train.rate_last), "R",
     .help = "the same in the last epoch, geometric in between; 0: as --lr, or what suits", .most = 1000000},
    {"batch", ARGS_U32, AT(train.batch), "N", .help = "rows in a batch; what suits the data if not given", .least = 1,
     .most = 1048576},
    {"label-smoothing", ARGS_REAL, AT(train.label_smoothing), "R",
     .help = "share of a row's target that is spread over all classes", .below = 1, .shows_default = true},
    {"class-weight", ARGS_CHOICE, AT(train.class_weight), "none|balanced",
     .help = "how much rows count: all the same, or every class the same", .choices = class_weights,
     .shows_default = true},
    {"values", ARGS_CHOICE, AT(values), "f32|f16|bf16",
     .help = "what values are stored in; with --continue, as they are if not given", .choices = value_names,
     .shows_default = true},
    {"class-names", ARGS_TEXT, AT(class_names), "FILE",
     .help = "names of the classes, one a line, from class 0; --images brings its own"},
    {"seed", ARGS_U64, AT(seed), "N", .help = "of projections, keys and the order of rows", .shows_default = true},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has; results never depend on it"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static void set_defaults(void *values)
{
    struct train_args *args = values;

    dkvb_keyinit_options_init(&args->keyinit, sizeof args->keyinit);
    dkvb_train_options_init(&args->train, sizeof args->train);
    args->train.epochs = args->train.batch = 0;
    args->train.learning_rate = args->train.rate_last = 0;
    args->pictures.encoder = DKVB_ENCODER_DESCRIPTOR - 1;
    args->hold_out = 0.1;
    args->tune_seconds = 600;
    args->whiten = DKVB_WHITEN_CHOOSE;
    args->depth = DKVB_CODESET_DEPTH;
    args->values = DEFAULT_VALUES;
}

static const struct args_command command = {
    .name = "train",
    .synopsis = "(--features X|--codes CODES.npy) --labels Y -o MODEL [options] | --images PATH -o MODEL [options]",
    .about = "Train a model: place keys without labels, search every row once, fit the values to the labels.\n"
             "Settings that are not given follow from the data. There are as many classes as the largest label says,\n"
             "or as there are names.",
    .options = options,
    .size = sizeof(struct train_args),
    .defaults = set_defaults,
};

struct train {
    struct train_args args;
    struct features x, key_rows;
    struct pictures pictures;                 /* that x is of, until it is made */
    char encoder[DKVB_ENCODER_IDENTITY_SIZE]; /* that made x; "" if that is not known */
    uint64_t unreadable;                      /* pictures left out */
    struct codes given;                       /* instead of x */
    struct labels y;
    struct ids ids;
    dkvb_codeset *set;
    uint8_t *held_out; /* [rows], of a training that goes on with a codes file */
    int32_t *taught;   /* [rows], the labels, -1 for rows held out */
    uint64_t *back;    /* [back_count], ids that were removed from the codes file, and come back */
    size_t back_count;
    uint64_t entries_before; /* of the journal of a model that goes on */
    uint64_t *relearned;     /* [relearned_count], forgettings that are over by this training */
    uint64_t relearned_count;
    struct names names;
    uint32_t classes, trials;
    dkvb_codebooks *codebooks; /* of --init-from */
    dkvb_model *model;
    dkvb_model_info info;
    dkvb_fit_report fitted;
    uint16_t *codes; /* of a training that goes on */
    dkvb_run_options run;
    double began, stage_began, seconds_keys, seconds_search, seconds_values;
    const char *stage;
};

/* "8M" and the like, in powers of 1000. */
static int read_size(struct train_args *args)
{
    char *end;
    double number = args->size ? strtod(args->size, &end) : 0;
    double unit = !args->size ? 1 : *end == 'K' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : *end == '\0' ? 1 : 0;

    args->most_bytes = args->preset == PRESET_SMALL ? small_bytes : 0;
    if (!args->size)
        return EXIT_SUCCESS;
    if (unit == 0 || (*end && end[1]) || !(number * unit >= 1) || number * unit > 1e15)
        return args_misused(&command, "--size takes a number of bytes, as 500K, 8M or 1G");
    args->most_bytes = (uint64_t)(number * unit);
    return EXIT_SUCCESS;
}

/* Settings of the paper, where none is given. */
static void apply_paper(struct train_args *args)
{
    struct train_args paper = *args;

    dkvb_fit_paper(&paper.keyinit, &paper.train, &paper.top_k);
    for (const struct args_option *o = options; o->name; o++)
        if (args_given(&command, args, o->name) && o->at >= AT(keyinit) && o->at < AT(seed))
            memcpy((char *)&paper + o->at, (const char *)args + o->at,
                   o->kind == ARGS_REAL ? sizeof(double) : sizeof(uint32_t));
    args->keyinit = paper.keyinit;
    args->train = paper.train;
    args->top_k = args->top_k ? args->top_k : paper.top_k;
    args->as_they_are = true;
    if (!args_given(&command, args, "whiten"))
        args->whiten = DKVB_WHITEN_NEVER;
}

/* A codes file tells how to train its rows again: all of them, from the start. */
static int check_codes_out(const struct train_args *args)
{
    static const char *const kept[] = {"depth", "keep", NULL};

    if (args->codes)
        return args_misused(&command, "--codes-out: the rows themselves are wanted, by --features or --images");
    if (args->continue_from)
        return args_refuse(&command, args, kept, "--continue: the codes file says it already");
    return EXIT_SUCCESS;
}

/* Where the rows come from. */
static int check_rows(const struct train_args *args)
{
    bool told = args_given(&command, args, "encoder") || (!args->init_from && !args->continue_from);

    if (!args->features + !args->codes + !args->pictures.path != 2)
        return args_misused(&command, "one of --features, --images and --codes is wanted");
    if (!args->pictures.path && !args->labels)
        return args_misused(&command, "--labels is missing");
    if (args->codes && !args->init_from && !args->continue_from)
        return args_misused(&command,
                            "--codes: the model whose keys they name is wanted, by --init-from or --continue");
    if (!args->pictures.path)
        return args_refuse(&command, args, pictures_options, "rows that are there: it is of --images");
    return told ? pictures_check_args(&command, &args->pictures) : EXIT_SUCCESS; /* else the model may know */
}

static int check_args(struct train_args *args)
{
    static const char *const placing[] = {"init",      "codebooks",    "keys",         "key-dim", "passes", "decay",
                                          "key-batch", "key-features", "as-they-are",  "whiten",  "preset", "size",
                                          "tune",      "trials",       "rows-per-key", NULL};
    static const char *const continuing[] = {"init-from", "top-k", NULL};
    static const char *const larger[] = {"keep-counts", NULL};
    int code = check_rows(args);

    if (args->init_from && code == EXIT_SUCCESS)
        code = args_refuse(&command, args, placing, "--init-from: the keys are there already");
    if (args->continue_from && code == EXIT_SUCCESS)
        code = args_refuse(&command, args, placing, "--continue: the keys are there already");
    if (args->continue_from && code == EXIT_SUCCESS)
        code = args_refuse(&command, args, continuing, "--continue: the model brings its own");
    if (args->relearn && !args->continue_from && code == EXIT_SUCCESS)
        code = args_misused(&command, "--relearn needs --continue: only a model with a journal has forgotten anything");
    if (args->codes_out && code == EXIT_SUCCESS)
        code = check_codes_out(args);
    else if ((args_given(&command, args, "hold-out") || args_given(&command, args, "depth") ||
              args_given(&command, args, "keep")) &&
             code == EXIT_SUCCESS)
        code = args_misused(&command, "--hold-out, --depth and --keep need --codes-out, where those rows are kept");
    if (code == EXIT_SUCCESS && !args->output && !args->continue_from)
        code = args_misused(&command, "--output is missing");
    if (code == EXIT_SUCCESS)
        code = read_size(args);
    if (code == EXIT_SUCCESS && args->most_bytes > 0 && value_types[args->values] == DKVB_DTYPE_F32)
        code = args_misused(&command,
                            "--values f32: --size and --preset small reckon with values of 16 bits; take f16 or bf16");
    if (code == EXIT_SUCCESS && args->top_k > args->keyinit.keys && args->keyinit.keys > 0) {
        char message[128];

        snprintf(message, sizeof message, "--top-k %" PRIu32 ": there are only %" PRIu32 " --keys", args->top_k,
                 args->keyinit.keys);
        code = args_misused(&command, message);
    }
    if (code == EXIT_SUCCESS && args->most_bytes > 0)
        code = args_refuse(&command, args, larger, "--size and --preset small, which leave no room for counts");
    if (code == EXIT_SUCCESS && args->most_bytes > 0 && value_types[args->values] == DKVB_DTYPE_F32)
        code =
            args_misused(&command, "--size and --preset small need values of 16 bits: --values f32 is not supported");
    if (args->preset == PRESET_PAPER)
        apply_paper(args);
    if (!args->output)
        args->output = args->continue_from;
    args->tune = args->tune || args->trials > 0;
    args->keyinit.normalize = !args->as_they_are;
    args->keyinit.seed = args->seed;
    args->train.seed = args->seed;
    args->train.relearn = args->relearn;
    return code;
}

/* Only the model that goes on may be its own output. */
static int claim_paths(const struct train_args *args)
{
    const struct path inputs[] = {{"--features", args->features},
                                  {"--images", args->pictures.path},
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

    return paths_claim(&command, inputs, outputs);
}

/* Whether any model has room for so many: asked of the smallest, before there is the real one. */
static int check_classes(const struct train *t)
{
    dkvb_model *smallest = NULL, *model = NULL;
    int code = input_smallest_model(&smallest);

    if (code)
        return code;
    if (dkvb_model_new(&model, dkvb_model_codebooks(smallest), t->classes, NULL) == DKVB_OK)
        code = EXIT_SUCCESS;
    else if (t->names.count > 0)
        code = tool_fail("%s: %zu names: %s", t->names.path, t->names.count, dkvb_last_error());
    else
        code = tool_fail("%s: row %zu has label %" PRId32 ": %s", t->y.path, t->y.largest_row, t->y.largest,
                         dkvb_last_error());
    dkvb_model_free(model);
    dkvb_model_free(smallest);
    return code;
}

/* Classes that labels and names ask for. */
static int count_classes(struct train *t)
{
    size_t classes = (size_t)t->y.largest + 1;

    if (t->names.count > 0 && classes > t->names.count)
        return tool_fail("%s: row %zu has label %" PRId32 ", %s names %zu classes, 0 to %zu", t->y.path,
                         t->y.largest_row, t->y.largest, t->names.path, t->names.count, t->names.count - 1);
    if (t->y.largest < 0)
        return tool_fail("%s: %zu labels and none of 0 or more, so there is nothing to learn", t->y.path, t->y.rows);
    if (t->names.count > UINT32_MAX)
        return tool_fail("%s: %zu names are too many", t->names.path, t->names.count);
    t->classes = (uint32_t)(t->names.count > classes ? t->names.count : classes);
    return check_classes(t);
}

/* Pictures as rows, with their labels and ids. Then the encoder has done its work, and its memory is wanted elsewhere.
 */
static int read_pictures(struct train *t)
{
    const char *model = t->args.continue_from ? t->args.continue_from : t->args.init_from;
    bool chosen = args_given(&command, &t->args, "encoder");
    struct names *names = t->args.class_names ? NULL : &t->names;
    int32_t *as = NULL;
    int code = pictures_open_for_file(&t->pictures, &t->args.pictures, chosen, model);

    if (code == EXIT_SUCCESS)
        code = pictures_spare(&t->pictures, t->args.output, t->args.codes_out);
    if (code == EXIT_SUCCESS)
        code = t->args.labels ? pictures_check_labels(&t->pictures, t->args.labels)
                              : pictures_name_classes(&t->pictures, t->args.continue_from, names, &as);
    if (code == EXIT_SUCCESS)
        code = ids_of_rows(&t->ids, t->args.ids, t->pictures.args->path, t->pictures.info.pictures);
    if (code == EXIT_SUCCESS)
        code = pictures_features(&t->pictures, t->args.threads, &t->x);
    if (code == EXIT_SUCCESS)
        code = t->args.labels ? pictures_labels_of_file(&t->pictures, t->args.labels, &t->y)
                              : pictures_labels(&t->pictures, as, &t->y);
    free(as);
    if (code == EXIT_SUCCESS)
        pictures_keep_ids(&t->pictures, &t->ids);
    if (code == EXIT_SUCCESS)
        snprintf(t->encoder, sizeof t->encoder, "%s", dkvb_encoder_identity(t->pictures.encoder));
    t->unreadable = t->pictures.unreadable;
    pictures_close(&t->pictures);
    return code;
}

/* Rows or their codes, and as many labels. */
static int read_rows(struct train *t)
{
    int code;

    if (t->args.pictures.path)
        return read_pictures(t);
    code = t->args.codes ? codes_map(&t->given, t->args.codes) : input_features_map(&t->x, t->args.features);
    if (code)
        return code;
    return t->args.codes ? input_labels(&t->y, t->args.labels, t->given.path, t->given.rows)
                         : input_labels(&t->y, t->args.labels, t->x.path, t->x.rows);
}

/* What the rows are called. */
static int name_rows(struct train *t)
{
    const char *of = t->args.codes ? t->given.path : t->x.path;

    return t->ids.id ? EXIT_SUCCESS : ids_of_rows(&t->ids, t->args.ids, of, t->y.rows);
}

static void say_what_was_read(const struct train *t)
{
    if (t->args.codes)
        printf("read    codes of %zu rows from %s, %" PRIu32 " classes\n", t->given.rows, t->given.path, t->classes);
    else
        printf("read    %zu rows of %zu from %s%s%s, %" PRIu32 " classes\n", t->x.rows, t->x.columns, t->x.path,
               t->encoder[0] ? " by " : "", t->encoder, t->classes);
}

static int read_inputs(struct train *t)
{
    int code = t->args.class_names ? input_names(&t->names, t->args.class_names) : EXIT_SUCCESS;

    if (code == EXIT_SUCCESS)
        code = read_rows(t);
    if (code == EXIT_SUCCESS)
        code = count_classes(t);
    if (code == EXIT_SUCCESS)
        code = name_rows(t);
    if (code == EXIT_SUCCESS && !t->args.json)
        say_what_was_read(t);
    return code;
}

static int check_columns(const struct train *t, const char *path, const dkvb_model_info *info)
{
    if (t->args.codes || t->x.columns == info->input_dim)
        return EXIT_SUCCESS;
    return tool_fail("%s: %zu columns, %s takes %" PRIu32, t->x.path, t->x.columns, path, info->input_dim);
}

static int share_keys(struct train *t)
{
    dkvb_model *other = NULL;
    dkvb_model_info info;
    int code = input_model_load(&other, t->args.init_from, &info);

    if (code == EXIT_SUCCESS)
        code = check_columns(t, t->args.init_from, &info);
    if (code == EXIT_SUCCESS)
        t->codebooks = dkvb_codebooks_retain(dkvb_model_codebooks(other));
    dkvb_model_free(other);
    return code;
}

/* The model may know more classes than these labels use, or need more. */
static int continue_model(struct train *t)
{
    dkvb_model_info info;
    int code = input_model_load(&t->model, t->args.continue_from, &info);

    if (code == EXIT_SUCCESS)
        code = check_columns(t, t->args.continue_from, &info);
    if (code || info.classes >= t->classes)
        return code;
    if (!t->args.json)
        printf("classes %" PRIu32 " more than the %" PRIu32 " of %s\n", t->classes - info.classes, info.classes,
               t->args.continue_from);
    return tool_check(dkvb_model_add_classes(t->model, t->classes - info.classes));
}

/* A model that goes on may have the same name for a class that the file does not name. */
static int check_names(const struct train *t)
{
    const char **names;
    size_t first, second;
    int code = EXIT_SUCCESS;

    if (!t->args.continue_from || t->names.count == 0)
        return EXIT_SUCCESS;
    names = input_memory("class names", sizeof *names, t->info.classes, 1, 1);
    if (!names)
        return EXIT_FAILURE;
    for (uint32_t i = 0; i < t->info.classes; i++)
        names[i] = dkvb_model_class_name(t->model, i);
    code = input_twice(names, t->info.classes, &first, &second);
    if (code == EXIT_SUCCESS && first != second && first < t->names.count)
        code = tool_fail("%s: line %zu is '%s', which is the name of class %zu in %s too", t->names.path, first + 1,
                         names[first], second, t->args.continue_from);
    free(names);
    return code;
}

static int name_classes(struct train *t)
{
    for (uint32_t i = 0; i < t->names.count; i++) {
        int code = tool_check_about(t->names.path, dkvb_model_set_class_name(t->model, i, t->names.line[i]));

        if (code)
            return code;
    }
    return EXIT_SUCCESS;
}

/* A model of rows of features may go on with pictures: then it is known from here on. */
static int note_encoder(struct train *t)
{
    if (t->encoder[0] == '\0' || dkvb_model_encoder(t->model))
        return EXIT_SUCCESS;
    return tool_check(dkvb_model_set_encoder(t->model, t->encoder));
}

static int describe_model(struct train *t)
{
    int code = name_classes(t);

    if (code == EXIT_SUCCESS)
        code = note_encoder(t);
    t->info = (dkvb_model_info)DKVB_MODEL_INFO_INIT;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_get_info(t->model, &t->info));
    return code;
}

/* The stage that ended, with its time. */
static void end_stage(struct train *t)
{
    double now = progress_clock(), took = now - t->stage_began;
    const char *stage = t->stage ? t->stage : "";

    progress_stop();
    if (strcmp(stage, "keys") == 0)
        t->seconds_keys = took;
    else if (strcmp(stage, "search") == 0)
        t->seconds_search = took;
    else if (strcmp(stage, "values") == 0)
        t->seconds_values = took;
    if (t->stage && !t->args.json)
        printf("%-11s %41s %8.2f s\n", stage, "", took);
    t->stage = NULL;
    t->stage_began = now;
}

static int begin_stage(void *user, const char *stage)
{
    struct train *t = user;

    end_stage(t);
    t->stage = stage;
    (void)progress_start(stage, t->args.threads);
    return progress_interrupted();
}

static int report_epoch(void *user, const dkvb_train_report *report)
{
    struct train *t = user;

    t->fitted.loss = report->loss;
    t->fitted.accuracy = report->accuracy;
    if (!t->args.json) {
        progress_hide();
        printf("epoch   %" PRIu32 " of %" PRIu32 ": loss %.4f, accuracy %.4f\n", report->epoch, report->epochs,
               report->loss, report->accuracy);
        fflush(stdout);
    }
    return progress_interrupted();
}

static int report_trial(void *user, const dkvb_trial *trial)
{
    const struct train *t = user;

    if (!t->args.json) {
        progress_hide();
        printf("trial   %2" PRIu32 ": keys %5" PRIu32 ", top %2" PRIu32 ", %s, epochs %2" PRIu32
               ", rate %4.1f: accuracy %.4f, loss %.4f on %" PRIu64 " rows held out\n",
               trial->number, trial->keys, trial->top_k, trial->whitened ? "whitened" : "plain   ", trial->epochs,
               trial->learning_rate, trial->accuracy, trial->loss, trial->held_out);
        fflush(stdout);
    }
    return progress_interrupted();
}

/* A shape that fits --size; --tune may still choose everything else. */
static int fit_size(struct train_args *a, const struct train *t)
{
    uint64_t whitening = (uint64_t)t->x.columns * t->x.columns * sizeof(float);
    dkvb_keyinit_options keyinit = a->keyinit;
    dkvb_train_options train = a->train;
    uint32_t top_k = a->top_k;
    uint64_t bytes = a->most_bytes;
    bool whitened;
    int code;

    /* A whitening that takes much of the room leaves too few keys to be worth a comparison. */
    if (a->whiten == DKVB_WHITEN_CHOOSE && (whitening > bytes / 4 || t->x.columns > 2048))
        a->whiten = DKVB_WHITEN_NEVER;
    whitened = a->whiten != DKVB_WHITEN_NEVER; /* room for it, should it be chosen */
    for (size_t i = 0; i < t->names.count; i++)
        bytes -= bytes < strlen(t->names.line[i]) ? bytes : strlen(t->names.line[i]);
    code = tool_check_about(
        "--size", dkvb_fit_within(&keyinit, &train, &top_k, t->x.rows, t->x.columns, t->classes, whitened, bytes));
    if (code)
        return code;
    a->keyinit = keyinit;
    if (!a->tune) {
        a->train = train;
        a->top_k = top_k;
    }
    return EXIT_SUCCESS;
}

static int tune(struct train *t, const dkvb_fit_rows *rows)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_run_options run = progress_start("tune", t->args.threads);
    int code;

    o.trials = t->args.trials;
    o.whiten = t->args.whiten;
    o.seconds = t->args.tune_seconds;
    o.report = report_trial;
    o.user = t;
    code = tool_check_about(t->x.path,
                            dkvb_tune(&t->args.keyinit, &t->args.train, &t->args.top_k, &t->trials, rows, &o, &run));
    progress_stop();
    if (code == EXIT_SUCCESS && !t->args.json)
        printf("tune    the best of %" PRIu32 " trials is taken; --trials %" PRIu32 " repeats them on any machine\n",
               t->trials, t->trials);
    t->args.whiten = t->args.keyinit.whiten ? DKVB_WHITEN_ALWAYS : DKVB_WHITEN_NEVER;
    return code;
}

static int settle(struct train *t, const dkvb_fit_rows *rows)
{
    struct train_args *a = &t->args;
    int code = EXIT_SUCCESS;

    if (a->most_bytes > 0)
        code = fit_size(a, t);
    if (code == EXIT_SUCCESS && a->tune)
        code = tune(t, rows);
    if (code == EXIT_SUCCESS && a->init_from)
        code = share_keys(t);
    if (code == EXIT_SUCCESS && a->key_features)
        code = input_features_map(&t->key_rows, a->key_features);
    if (code == EXIT_SUCCESS && a->key_features && t->key_rows.columns != t->x.columns)
        code = tool_fail("%s has %zu columns, %s has %zu: they must have the same", t->key_rows.path,
                         t->key_rows.columns, t->x.path, t->x.columns);
    return code;
}

static void say_settings(const struct train *t)
{
    const dkvb_fit_report *r = &t->fitted;

    if (t->args.json)
        return;
    printf("model   %" PRIu32 " codebooks of %" PRIu32 " keys, %" PRIu32 " wide, top %" PRIu32 "%s, because %zu rows\n",
           r->codebooks, r->keys, r->key_dim, r->top_k, r->whitened ? ", rows half whitened" : "", t->x.rows);
    if (r->accuracy_plain >= 0)
        printf("whiten  %s: accuracy on rows held out %.4f with it, %.4f without (by few codebooks)\n",
               r->whitened ? "yes" : "no", r->accuracy_whitened, r->accuracy_plain);
    if (r->unlearnable > 0)
        printf("note    %" PRIu64 " of %" PRIu32 " classes have no row to learn from\n", r->unlearnable, r->classes);
    if (r->temperature_rows > 0)
        printf("held out %" PRIu64 " rows: accuracy %.4f; temperature %.3f, calibration error %.4f\n",
               r->temperature_rows, r->held_out_accuracy, r->temperature, r->calibration_error);
}

/* A new model. */
static int fit(struct train *t)
{
    struct train_args *a = &t->args;
    dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    int code;

    rows.x = t->x.x;
    rows.labels = t->y.y;
    rows.ids = t->ids.id;
    rows.n = t->x.rows;
    rows.dim = t->x.columns;
    rows.classes = t->classes;
    code = settle(t, &rows);
    if (code)
        return code;
    a->train.report = report_epoch;
    a->train.user = t;
    o.keyinit = &a->keyinit;
    o.train = &a->train;
    o.top_k = a->top_k;
    o.whiten = a->whiten;
    o.values_dtype = value_types[a->values];
    o.keep = a->keep;
    o.depth = a->depth;
    o.hold_out = a->hold_out;
    o.codebooks = t->codebooks;
    o.key_rows = t->key_rows.x;
    o.key_row_count = t->key_rows.rows;
    o.stage = begin_stage;
    o.user = t;
    t->run = progress_start("fit", a->threads);
    t->stage_began = progress_clock();
    code =
        tool_check_about(t->x.path, dkvb_fit(&t->model, a->codes_out ? &t->set : NULL, &rows, &o, &t->fitted, &t->run));
    end_stage(t);
    if (code == EXIT_SUCCESS)
        code = describe_model(t);
    if (code == EXIT_SUCCESS)
        say_settings(t);
    return code;
}

/* Mark rows by id and share; no class keeps fewer than three rows to learn from, those of earlier trainings included.
 */
static int hold_out(struct train *t, const dkvb_codeset_rows *known)
{
    uint64_t *left = input_memory("classes", sizeof *left, t->info.classes, 1, 1);

    t->held_out = input_memory("rows held out", 1, t->y.rows, 1, 1);
    t->taught = input_memory("labels", sizeof *t->taught, t->y.rows, 1, 1);
    if (!left || !t->held_out || !t->taught) {
        free(left);
        return EXIT_FAILURE;
    }
    memset(left, 0, t->info.classes * sizeof *left);
    for (size_t i = 0; i < known->n; i++)
        if (known->labels[i] >= 0 && (uint32_t)known->labels[i] < t->info.classes)
            left[known->labels[i]]++;
    for (size_t i = 0; i < t->y.rows; i++)
        if (t->y.y[i] >= 0)
            left[t->y.y[i]]++;
    for (size_t i = 0; i < t->y.rows; i++) {
        int32_t label = t->y.y[i];
        bool held = dkvb_codeset_holds_out(t->ids.id[i], t->args.hold_out) && (label < 0 || left[label] > 3);

        if (held && label >= 0)
            left[label]--;
        t->held_out[i] = held;
        t->taught[i] = held ? -1 : label;
        t->fitted.held_out += held;
    }
    free(left);
    return EXIT_SUCCESS;
}

/* The codes file of a model that goes on, before anything is trained: it must be what the model was trained on, and
 * what it records must stay enough to train again. */
static int read_known_rows(struct train *t)
{
    const char *model = t->args.continue_from, *path = t->args.codes_out;
    dkvb_codeset_rows part[2] = {DKVB_CODESET_ROWS_INIT, DKVB_CODESET_ROWS_INIT};
    uint64_t first = 0;
    int code;

    if (t->info.masked_pairs + t->info.purged_pairs > 0)
        return tool_fail("%s: %" PRIu64
                         " pairs are masked or purged, and codes know no mask: undo what can be undone, or "
                         "continue without --codes-out",
                         model, t->info.masked_pairs + t->info.purged_pairs);
    code = codeset_read(&t->set, path, t->model, t->args.threads);
    if (code == EXIT_SUCCESS)
        code = tool_check_both(model, path, dkvb_replay_check(t->model, t->set, NULL, 0, NULL));
    for (uint32_t p = DKVB_PART_TRAINING; code == EXIT_SUCCESS && p <= DKVB_PART_HELD_OUT; p++) {
        code = tool_check(dkvb_codeset_get_rows(t->set, p, &part[p]));
        if (code == EXIT_SUCCESS && part[p].n > 0 && part[p].ids[part[p].n - 1] >= first)
            first = part[p].ids[part[p].n - 1] + 1; /* 0 past the largest number there is */
    }
    if (code == EXIT_SUCCESS && !t->args.ids) {
        if (t->ids.n > 0 && first + (t->ids.id[t->ids.n - 1]) < first)
            return tool_fail("%s: no ids are left above the largest there: --ids gives them", path);
        for (size_t i = 0; i < t->ids.n; i++) { /* numbers of removed rows stay theirs */
            while (dkvb_codeset_was_removed(t->set, t->ids.id[i] + first))
                first++;
            t->ids.id[i] += first;
        }
    }
    for (size_t i = 0; code == EXIT_SUCCESS && t->args.ids && i < t->ids.n; i++)
        for (uint32_t p = DKVB_PART_TRAINING; code == EXIT_SUCCESS && p <= DKVB_PART_HELD_OUT; p++)
            if (dkvb_codeset_find(&part[p], t->ids.id[i]) < part[p].n)
                code = tool_fail("%s: row %zu has id %" PRIu64 ", which a row of %s has already", t->args.ids, i,
                                 t->ids.id[i], path);
    return code ? code : hold_out(t, &part[DKVB_PART_TRAINING]);
}

/* Let the ids of removed rows come back, as asked. */
static int readmit(struct train *t)
{
    t->back = input_memory("row ids", sizeof *t->back, t->ids.n, 1, 1);
    for (size_t i = 0; t->back && i < t->ids.n; i++)
        if (dkvb_codeset_was_removed(t->set, t->ids.id[i]))
            t->back[t->back_count++] = t->ids.id[i];
    return t->back ? tool_check(dkvb_codeset_readmit(t->set, t->back, t->back_count)) : EXIT_FAILURE;
}

/* Forgettings of exactly the rows that came back are over. Classes that came back were noted in training. */
static int end_forgettings_of_rows(struct train *t)
{
    int code = EXIT_SUCCESS;

    for (uint64_t id = 1; id <= t->entries_before && t->back_count > 0 && code == EXIT_SUCCESS; id++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        code = tool_check(dkvb_journal_get(t->model, id - 1, &entry));
        if (code == EXIT_SUCCESS && journal_in_force(&entry) &&
            dkvb_journal_names_rows(t->model, id, t->back, t->back_count))
            code = tool_check(dkvb_model_relearn(t->model, id, NULL, NULL));
    }
    return code;
}

/* Forgettings of rows, of which this training cannot tell whether it brings them back. */
static int note_unchecked(const struct train *t)
{
    const char *model = t->args.continue_from;
    int code = EXIT_SUCCESS;

    for (uint64_t i = 0; i < t->entries_before && !t->args.codes_out && code == EXIT_SUCCESS; i++) {
        dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;

        code = tool_check(dkvb_journal_get(t->model, i, &e));
        if (code || !journal_in_force(&e) || !e.rows || e.by_class)
            continue;
        if (e.salted)
            tool_note("%s: journal entry %" PRIu64 " forgot %" PRIu64
                      " rows by their ids; whether they are among these "
                      "rows is not checked without the codes file that they were taken out of (--codes-out)",
                      model, e.id, e.rows);
        else
            tool_note("%s: journal entry %" PRIu64 " forgot %" PRIu64
                      " rows by their ids, and their salt is gone: nobody "
                      "can check whether they are among these rows",
                      model, e.id, e.rows);
    }
    return code;
}

/* The new rows, among those of earlier trainings: before they are trained on, since they may be refused. */
static int keep_new_rows(struct train *t)
{
    const struct codeset_source source = {.model = t->model,
                                          .x = &t->x,
                                          .ids = &t->ids,
                                          .labels = t->y.y,
                                          .held_out = t->held_out,
                                          .codes = t->codes,
                                          .threads = t->args.threads};

    int code = t->args.relearn ? readmit(t) : EXIT_SUCCESS;

    return code ? code : codeset_add(t->set, &source);
}

/* How the new rows were trained, for the codes file; then a temperature of all rows held out. */
static int record_session(struct train *t)
{
    uint64_t *taught = input_memory("row ids", sizeof *taught, t->ids.n, 1, 1);
    size_t count = 0;
    double temperature = 1.0;
    dkvb_status rc;
    int code = taught ? EXIT_SUCCESS : EXIT_FAILURE;

    for (size_t i = 0; code == EXIT_SUCCESS && i < t->ids.n; i++)
        if (!t->held_out[i])
            taught[count++] = t->ids.id[i];
    if (code == EXIT_SUCCESS)
        code = tool_check_about(t->args.codes_out,
                                dkvb_codeset_add_session(t->set, t->model, &t->args.train, taught, count));
    free(taught);
    if (code)
        return code;
    rc = dkvb_codeset_fit_temperature(t->set, t->model, &temperature, NULL);
    if (rc && rc != DKVB_ENOTFOUND) /* which says that too few rows are held out: the temperature is 1 then */
        return tool_check(rc);
    code = tool_check(dkvb_model_set_temperature(t->model, temperature));
    return code ? code : tool_check(dkvb_model_get_info(t->model, &t->info));
}

/* Values of codes, by the options given: of a model that goes on, or of codes that were searched before. */
static int train_on_codes(struct train *t, const uint16_t *codes)
{
    const int32_t *labels = t->taught ? t->taught : t->y.y;
    dkvb_run_options run = progress_start("values", t->args.threads);
    dkvb_train_options *o = &t->args.train;
    dkvb_keyinit_options keyinit = DKVB_KEYINIT_OPTIONS_INIT;
    uint32_t top_k = t->info.top_k;
    double start = progress_clock();
    int code;

    keyinit.keys = t->info.keys;
    dkvb_fit_suit(&keyinit, o, &top_k, t->y.rows, t->info.input_dim, t->info.classes);
    o->report = report_epoch;
    o->user = t;
    o->ids = t->ids.id;
    code = tool_check_about(t->args.codes ? t->args.codes : t->x.path,
                            dkvb_model_train(t->model, codes, t->info.top_k, labels, t->y.rows, o, &run));
    progress_stop();
    t->seconds_values = progress_clock() - start;
    if (code == EXIT_SUCCESS)
        code = end_forgettings_of_rows(t);
    return code || !t->set ? code : record_session(t);
}

static int make_model_of_codes(struct train *t)
{
    const dkvb_array *codes = &t->given.array;
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    int code = share_keys(t);

    if (t->args.top_k)
        o.top_k = t->args.top_k;
    else if (codes->ndim == 3 && codes->shape[2] >= 1 && codes->shape[2] <= UINT16_MAX) /* else the shape is refused */
        o.top_k = (uint32_t)codes->shape[2];
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_new(&t->model, t->codebooks, t->classes, &o));
    return code;
}

/* A model that goes on, or codes instead of rows. */
static int go_on(struct train *t)
{
    double start = progress_clock();
    int code = t->args.continue_from ? continue_model(t) : make_model_of_codes(t);

    if (code == EXIT_SUCCESS && args_given(&command, &t->args, "values"))
        code = tool_check(dkvb_model_set_values_dtype(t->model, value_types[t->args.values]));
    if (code == EXIT_SUCCESS)
        code = describe_model(t);
    if (code == EXIT_SUCCESS)
        code = check_names(t);
    if (code == EXIT_SUCCESS && t->args.keep_counts && t->info.rows_trained > 0 && !t->info.class_counts)
        code =
            tool_fail("%s was trained on %" PRIu64 " rows without counting them: counts would be of the new rows only",
                      t->args.continue_from, t->info.rows_trained);
    t->entries_before = t->model ? dkvb_journal_count(t->model) : 0;
    if (code == EXIT_SUCCESS && t->args.codes_out)
        code = read_known_rows(t);
    if (code)
        return code;
    if (t->args.codes) {
        code = codes_check_shape(&t->given, &t->info);
        return code ? code : train_on_codes(t, t->given.codes);
    }
    t->codes = input_memory("codes", sizeof *t->codes, t->x.rows, t->info.codebooks, t->info.top_k);
    code = t->codes ? codes_search(t->model, &t->x, t->args.threads, t->codes, NULL) : EXIT_FAILURE;
    t->seconds_search = progress_clock() - start;
    if (code == EXIT_SUCCESS && t->set)
        code = keep_new_rows(t);
    return code ? code : train_on_codes(t, t->codes);
}

/* Counts of classes are of the rows that the values learned from: those of this training, counted once. */
static int count_classes_of_rows(struct train *t)
{
    const uint16_t *codes = t->args.codes ? t->given.codes : t->codes;
    int code = EXIT_SUCCESS;

    if (!t->args.keep_counts && !t->info.class_counts)
        return code;
    if (t->set && !t->taught) {
        dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;

        code = tool_check(dkvb_codeset_get_rows(t->set, DKVB_PART_TRAINING, &rows));
        return code ? code
                    : tool_check(dkvb_model_count_classes(t->model, rows.codes, rows.k, rows.labels, rows.n, NULL));
    }
    if (!codes) {
        t->codes = input_memory("codes", sizeof *t->codes, t->x.rows, t->info.codebooks, t->info.top_k);
        code = t->codes ? codes_search(t->model, &t->x, t->args.threads, t->codes, NULL) : EXIT_FAILURE;
        codes = t->codes;
    }
    return code ? code
                : tool_check(dkvb_model_count_classes(t->model, codes, t->info.top_k, t->taught ? t->taught : t->y.y,
                                                      t->y.rows, NULL));
}

/* What the journal says of forgettings that are over, in the entries that this training added. */
static int read_relearned(struct train *t)
{
    uint64_t count = dkvb_journal_count(t->model), added = count - t->entries_before;
    int code = EXIT_SUCCESS;

    if (added == 0)
        return code;
    t->relearned = input_memory("entries", sizeof *t->relearned, (size_t)added, 1, 1);
    if (!t->relearned)
        return EXIT_FAILURE;
    for (uint64_t i = t->entries_before; i < count && code == EXIT_SUCCESS; i++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        code = tool_check(dkvb_journal_get(t->model, i, &entry));
        t->relearned[t->relearned_count++] = entry.ends;
    }
    return code;
}

static void print_json(const struct train *t)
{
    const dkvb_fit_report *r = &t->fitted;

    json_open(NULL, '{');
    json_count("n", t->y.rows);
    json_count("held_out", r->held_out);
    json_count("unlearnable", r->unlearnable);
    json_count("unreadable", t->unreadable);
    json_text("encoder", t->encoder[0] ? t->encoder : NULL);
    json_count("classes", t->info.classes);
    json_count("codebooks", t->info.codebooks);
    json_count("keys", t->info.keys);
    json_count("key_dim", t->info.key_dim);
    json_count("top_k", t->info.top_k);
    json_count("epochs", t->args.train.epochs ? t->args.train.epochs : r->epochs);
    json_real("whitened_accuracy", r->accuracy_whitened);
    json_real("plain_accuracy", r->accuracy_plain);
    json_bool("whitened", r->whitened != 0);
    json_count("trials", t->trials);
    json_count("temperature_rows", r->temperature_rows);
    json_real("temperature", t->info.temperature);
    json_real("calibration_error", r->calibration_error);
    json_real("held_out_accuracy", r->held_out_accuracy);
    json_open("relearned", '[');
    for (uint64_t i = 0; i < t->relearned_count; i++)
        json_count(NULL, t->relearned[i]);
    json_close(']');
    json_real("loss", r->loss);
    json_real("accuracy", r->accuracy);
    json_real("seconds_keys", t->seconds_keys);
    json_real("seconds_search", t->seconds_search);
    json_real("seconds_values", t->seconds_values);
    json_real("seconds", progress_clock() - t->began);
    json_close('}');
}

static void print_written(const struct train *t)
{
    for (uint64_t i = 0; i < t->relearned_count; i++)
        printf("journal entry %" PRIu64 " is over: what it forgot was taught again\n", t->relearned[i]);
    if (t->args.codes_out)
        printf("wrote   %s: %zu rows%s, %" PRIu64 " of them held out to measure effects on\n", t->args.codes_out,
               t->y.rows, t->args.continue_from ? " more" : "", t->fitted.held_out);
    printf("wrote   %-50s %8.2f s in all\n", t->args.output, progress_clock() - t->began);
}

static int train(struct train *t)
{
    int code = claim_paths(&t->args);

    if (code == EXIT_SUCCESS)
        code = read_inputs(t);
    if (code == EXIT_SUCCESS)
        code = t->args.continue_from || t->args.codes ? go_on(t) : fit(t);
    if (code == EXIT_SUCCESS)
        code = count_classes_of_rows(t);
    if (code == EXIT_SUCCESS)
        code = read_relearned(t);
    if (code == EXIT_SUCCESS)
        code = note_unchecked(t);
    if (code == EXIT_SUCCESS && t->args.codes_out)
        code = output_codeset(t->set, t->args.codes_out);
    if (code == EXIT_SUCCESS)
        code = output_model(t->model, t->args.output);
    if (code)
        return code;
    if (t->args.json)
        print_json(t);
    else
        print_written(t);
    return code;
}

int cmd_train(int argc, char **argv)
{
    struct train t = {.began = progress_clock(), .fitted = DKVB_FIT_REPORT_INIT};
    int code;

    if (!args_parse(&command, argc, argv, &t.args, &code))
        return code;
    code = check_args(&t.args);
    if (code == EXIT_SUCCESS)
        code = train(&t);
    free(t.codes);
    free(t.held_out);
    free(t.taught);
    free(t.back);
    free(t.relearned);
    dkvb_model_free(t.model);
    dkvb_codebooks_free(t.codebooks);
    dkvb_codeset_free(t.set);
    ids_free(&t.ids);
    input_names_free(&t.names);
    input_labels_free(&t.y);
    input_features_free(&t.x);
    input_features_free(&t.key_rows);
    codes_free(&t.given);
    return code;
}
