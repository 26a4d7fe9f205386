/* dkvb train: place the keys (or take those of another model), search every row once, train the values, save. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "codes.h"
#include "codeset.h"
#include "ids.h"
#include "input.h"
#include "json.h"
#include "output.h"
#include "paths.h"
#include "pictures.h"
#include "progress.h"
#include "tool.h"

struct train_args {
    struct args args;
    const char *features, *codes, *labels, *output;
    const char *key_features, *init_from, *continue_from, *class_names, *ids, *codes_out;
    struct pictures_args pictures;
    dkvb_keyinit_options keyinit;
    dkvb_train_options train;
    dkvb_model_options model;
    double hold_out;
    uint64_t seed;
    uint32_t depth, values, threads;
    bool normalize, keep_counts, json;
};

static const char *const methods[] = {
    [DKVB_KEYINIT_EMA] = "ema", [DKVB_KEYINIT_KMEANS] = "kmeans", [DKVB_KEYINIT_SAMPLE] = "sample", NULL};

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
     .help = "keep codes, ids and labels of the rows, to forget by: see 'dkvb forget'"},
    {"hold-out", ARGS_REAL, AT(hold_out), "R",
     .help = "with --codes-out: share of the rows kept out of training, to measure on", .below = 1,
     .shows_default = true},
    {"depth", ARGS_U32, AT(depth), "N", .help = "with --codes-out: keys a codebook that codes of those rows go deep",
     .least = 1, .shows_default = true},
    {"ids", ARGS_TEXT, AT(ids), "IDS.npy",
     .help = "what the rows are called, integers; row or picture numbers if not given"},
    {"keep-counts", ARGS_FLAG, AT(keep_counts),
     .help = "keep in the model how often each class selects each pair, to forget by name alone"},
    {"key-features", ARGS_TEXT, AT(key_features), "U", .help = "rows to place keys on, instead of X"},
    {"init", ARGS_CHOICE, AT(keyinit.method), "ema|kmeans|sample", .help = "how keys are placed", .choices = methods,
     .shows_default = true},
    {"codebooks", ARGS_U32, AT(keyinit.codebooks), "C", .help = "codebooks", .least = 1, .most = 65535,
     .shows_default = true},
    {"keys", ARGS_U32, AT(keyinit.keys), "K", .help = "keys per codebook", .least = 1, .most = 65535,
     .shows_default = true},
    {"key-dim", ARGS_U32, AT(keyinit.key_dim), "D", .help = "width of a key", .least = 1, .most = 4096,
     .shows_default = true},
    {"top-k", ARGS_U32, AT(model.top_k), "N", .help = "keys selected in a codebook", .least = 1, .shows_default = true},
    {"passes", ARGS_U32, AT(keyinit.passes), "N",
     .help = "passes of ema or kmeans over the key rows; 0: the method's own"},
    {"decay", ARGS_REAL, AT(keyinit.decay), "R", .help = "ema: share of the old average kept in a step, below 1",
     .below = 1, .shows_default = true},
    {"key-batch", ARGS_U32, AT(keyinit.batch), "N", .help = "rows in a step of ema or kmeans; 0: the method's own"},
    {"normalize", ARGS_FLAG, AT(normalize), .help = "scale every row to length 1 first, now and in every later use"},
    {"init-from", ARGS_TEXT, AT(init_from), "MODEL",
     .help = "share the keys of this model instead of placing new ones"},
    {"continue", ARGS_TEXT, AT(continue_from), "MODEL", .help = "go on training this model: its keys, values and mask"},
    {"epochs", ARGS_U32, AT(train.epochs), "N", .help = "passes over the rows", .least = 1, .shows_default = true},
    {"lr", ARGS_REAL, AT(train.learning_rate), "R", .help = "learning rate on the pooled logits, above 0",
     .most = 1000000, .positive = true, .shows_default = true},
    {"batch", ARGS_U32, AT(train.batch), "N", .help = "rows in a batch", .least = 1, .most = 1048576,
     .shows_default = true},
    {"lr-last", ARGS_REAL, AT(train.rate_last), "R", .help = "learning rate of the last epoch; 0: --lr in every epoch",
     .most = 1000000, .shows_default = true},
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
    dkvb_model_options_init(&args->model, sizeof args->model);
    args->pictures.encoder = DKVB_ENCODER_DESCRIPTOR - 1;
    args->hold_out = 0.1;
    args->depth = DKVB_CODESET_DEPTH;
    args->values = DEFAULT_VALUES;
}

static const struct args_command command = {
    .name = "train",
    .synopsis = "(--features X|--codes CODES.npy) --labels Y -o MODEL [options] | --images PATH -o MODEL [options]",
    .about = "Train a model: place keys without labels, search every row once, fit the values to the labels.\n"
             "There are as many classes as the largest label says, or as there are names.",
    .options = options,
    .size = sizeof(struct train_args),
    .defaults = set_defaults,
};

struct train {
    struct train_args args;
    struct features x;
    struct pictures pictures;                 /* that x is of, until it is made */
    char encoder[DKVB_ENCODER_IDENTITY_SIZE]; /* that made x; "" if that is not known */
    uint64_t unreadable;                      /* pictures left out */
    struct codes given;                       /* instead of x */
    struct labels y;
    struct ids ids;
    uint8_t *held_out; /* [rows], or NULL */
    int32_t *taught;   /* [rows], the labels that values learn from: -1 where a row is held out */
    dkvb_codeset *set;
    struct names names;
    uint32_t classes;
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    dkvb_model_info info;
    uint16_t *codes;
    dkvb_train_report last;
    double began, seconds_keys, seconds_search, seconds_values;
};

/* Limits that depend on two options. Those of one are in the table. */
static int check_ranges(const struct train_args *args)
{
    char message[128];

    if (!args->init_from && !args->continue_from && args->model.top_k > args->keyinit.keys) {
        snprintf(message, sizeof message, "--top-k %" PRIu32 ": at most as many as --keys are wanted, %" PRIu32,
                 args->model.top_k, args->keyinit.keys);
        return args_misused(&command, message);
    }
    return EXIT_SUCCESS;
}

/* A codes file tells how to train its rows again: all of them, from the start. */
static int check_codes_out(const struct train_args *args)
{
    if (args->continue_from)
        return args_misused(&command,
                            "--codes-out: the rows of an earlier training would be missing, so not with --continue");
    if (args->codes)
        return args_misused(&command, "--codes-out: the rows themselves are wanted, by --features or --images");
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
    static const char *const placing[] = {"init",  "codebooks", "keys",      "key-dim",      "passes",
                                          "decay", "key-batch", "normalize", "key-features", NULL};
    static const char *const continuing[] = {"init-from", "top-k", NULL};
    int code = check_rows(args);

    if (args->init_from && code == EXIT_SUCCESS)
        code = args_refuse(&command, args, placing, "--init-from: the keys are there already");
    if (args->continue_from && code == EXIT_SUCCESS)
        code = args_refuse(&command, args, placing, "--continue: the keys are there already");
    if (args->continue_from && code == EXIT_SUCCESS)
        code = args_refuse(&command, args, continuing, "--continue: the model brings its own");
    if (args->codes_out && code == EXIT_SUCCESS)
        code = check_codes_out(args);
    else if ((args_given(&command, args, "hold-out") || args_given(&command, args, "depth")) && code == EXIT_SUCCESS)
        code = args_misused(&command, "--hold-out and --depth need --codes-out, where those rows are kept");
    if (code == EXIT_SUCCESS && !args->output && !args->continue_from)
        code = args_misused(&command, "--output is missing");
    if (code == EXIT_SUCCESS)
        code = check_ranges(args);
    if (!args->output)
        args->output = args->continue_from;
    args->keyinit.normalize = args->normalize;
    args->keyinit.seed = args->seed;
    args->train.seed = args->seed;
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

/* What the rows are called, which of them are held out, and so what the values learn from. */
static int name_rows(struct train *t)
{
    const char *of = t->args.codes ? t->given.path : t->x.path;
    int code = t->ids.id ? EXIT_SUCCESS : ids_of_rows(&t->ids, t->args.ids, of, t->y.rows);

    if (code == EXIT_SUCCESS)
        code = codeset_hold_out(&t->ids, t->args.codes_out ? t->args.hold_out : 0.0, &t->held_out);
    t->taught = code ? NULL : input_memory("labels", sizeof *t->taught, t->y.rows, 1, 1);
    for (size_t i = 0; t->taught && i < t->y.rows; i++)
        t->taught[i] = t->held_out[i] ? -1 : t->y.y[i];
    return t->taught ? EXIT_SUCCESS : EXIT_FAILURE;
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

/* The default number of keys is no reason to refuse a small set of rows; a number that was asked for is. */
static void fit_default_keys(struct train *t, const struct features *rows)
{
    dkvb_keyinit_options *o = &t->args.keyinit;

    if (rows->rows == 0 || rows->rows >= o->keys || args_given(&command, &t->args, "keys"))
        return;
    if (!t->args.json)
        printf("keys    %zu in a codebook, as there are no more key rows (%" PRIu32 " by default)\n", rows->rows,
               o->keys);
    o->keys = (uint32_t)rows->rows;
}

/* One label by mistake can ask for more values than there is memory: better known before the keys are placed. */
static int check_room(const struct train *t)
{
    const dkvb_keyinit_options *o = &t->args.keyinit;
    char what[256];
    void *values;

    snprintf(what, sizeof what, "values (%.128s: row %zu has label %" PRId32 ")", t->y.path, t->y.largest_row,
             t->y.largest);
    values = input_memory(what, sizeof(float), o->codebooks, o->keys, t->classes);
    free(values);
    return values ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int place_keys_on(struct train *t, const struct features *rows)
{
    dkvb_run_options run;
    int code;

    fit_default_keys(t, rows);
    if (t->args.model.top_k > t->args.keyinit.keys)
        return tool_fail("--top-k %" PRIu32 ": %s has rows for %" PRIu32 " keys only", t->args.model.top_k, rows->path,
                         t->args.keyinit.keys);
    code = check_room(t);
    if (code)
        return code;
    run = progress_start("keys", t->args.threads);
    code = tool_check_about(
        rows->path, dkvb_codebooks_fit(&t->codebooks, rows->x, rows->rows, rows->columns, &t->args.keyinit, &run));
    progress_stop();
    return code;
}

static int place_keys(struct train *t)
{
    struct features key_rows;
    int code;

    if (!t->args.key_features)
        return place_keys_on(t, &t->x);
    code = input_features_map(&key_rows, t->args.key_features);
    if (code == EXIT_SUCCESS && key_rows.columns != t->x.columns)
        code = tool_fail("%s has %zu columns, %s has %zu: as many are wanted", key_rows.path, key_rows.columns,
                         t->x.path, t->x.columns);
    if (code == EXIT_SUCCESS)
        code = place_keys_on(t, &key_rows);
    input_features_free(&key_rows);
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

static int make_model(struct train *t)
{
    int code = t->args.init_from ? share_keys(t) : place_keys(t);

    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_new(&t->model, t->codebooks, t->classes, &t->args.model));
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

static int choose_value_type(struct train *t)
{
    if (!args_given(&command, &t->args, "values"))
        return EXIT_SUCCESS;
    return tool_check(dkvb_model_set_values_dtype(t->model, value_types[t->args.values]));
}

/* A model of rows of features may go on with pictures: then it is known from here on. */
static int note_encoder(struct train *t)
{
    if (t->encoder[0] == '\0' || dkvb_model_encoder(t->model))
        return EXIT_SUCCESS;
    return tool_check(dkvb_model_set_encoder(t->model, t->encoder));
}

static int prepare_model(struct train *t)
{
    double start = progress_clock();
    int code = t->args.continue_from ? continue_model(t) : make_model(t);

    if (code == EXIT_SUCCESS)
        code = name_classes(t);
    if (code == EXIT_SUCCESS)
        code = note_encoder(t);
    if (code == EXIT_SUCCESS)
        code = choose_value_type(t);
    t->info = (dkvb_model_info)DKVB_MODEL_INFO_INIT;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_get_info(t->model, &t->info));
    if (code == EXIT_SUCCESS)
        code = check_names(t);
    if (code == EXIT_SUCCESS && t->args.keep_counts && t->info.rows_trained > 0 && !t->info.class_counts)
        code =
            tool_fail("%s was trained on %" PRIu64 " rows without counting them: counts would be of the new rows only",
                      t->args.continue_from, t->info.rows_trained);
    t->seconds_keys = progress_clock() - start;
    if (code == EXIT_SUCCESS && !t->args.json)
        printf("keys    %" PRIu32 " codebooks of %" PRIu32 " keys, %" PRIu32 " wide, %-24s %8.2f s\n",
               t->info.codebooks, t->info.keys, t->info.key_dim,
               t->args.continue_from || t->args.init_from ? "taken from a model" : methods[t->args.keyinit.method],
               t->seconds_keys);
    return code;
}

/* What is to be kept of the rows, with how keys were placed, if on these, and how the values will be trained. */
static int make_codeset(struct train *t)
{
    const struct codeset_source source = {.model = t->model,
                                          .x = &t->x,
                                          .ids = &t->ids,
                                          .labels = t->y.y,
                                          .held_out = t->held_out,
                                          .codes = t->codes,
                                          .depth = t->args.depth,
                                          .threads = t->args.threads};
    bool own_keys = !t->args.key_features && !t->args.init_from;
    int code = codeset_make(&t->set, &source);

    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_set_keyinit(t->set, own_keys ? &t->args.keyinit : NULL));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_add_session(t->set, t->model, &t->args.train, NULL, 0));
    return code;
}

static int search_rows(struct train *t)
{
    double start = progress_clock();
    int code;

    if (t->args.codes)
        return codes_check_shape(&t->given, &t->info);
    t->codes = input_memory("codes", sizeof *t->codes, t->x.rows, t->info.codebooks, t->info.top_k);
    code = t->codes ? codes_search(t->model, &t->x, t->args.threads, false, t->codes, NULL) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS && t->args.codes_out)
        code = make_codeset(t);
    input_features_free(&t->x); /* codes are all that training needs */
    t->seconds_search = progress_clock() - start;
    if (code == EXIT_SUCCESS && !t->args.json)
        printf("search  %-50s %8.2f s\n", "every row in every codebook", t->seconds_search);
    return code;
}

static int report_epoch(void *user, const dkvb_train_report *report)
{
    struct train *t = user;

    t->last = *report;
    if (!t->args.json) {
        progress_hide();
        printf("epoch   %" PRIu32 " of %" PRIu32 ": loss %.4f, accuracy %.4f\n", report->epoch, report->epochs,
               report->loss, report->accuracy);
        fflush(stdout);
    }
    return progress_interrupted();
}

static int train_values(struct train *t)
{
    dkvb_run_options run = progress_start("values", t->args.threads);
    const uint16_t *codes = t->args.codes ? t->given.codes : t->codes;
    double start = progress_clock();
    dkvb_status rc;
    int code;

    t->args.train.report = report_epoch;
    t->args.train.user = t;
    t->args.train.ids = t->ids.id;
    rc = dkvb_model_train(t->model, codes, t->info.top_k, t->taught, t->y.rows, &t->args.train, &run);
    if (rc == DKVB_OK && (t->args.keep_counts || t->info.class_counts))
        rc = dkvb_model_count_classes(t->model, codes, t->info.top_k, t->taught, t->y.rows, &run);
    code = t->args.codes ? tool_check_about(t->args.codes, rc) : tool_check(rc);
    progress_stop();
    t->seconds_values = progress_clock() - start;
    if (code == EXIT_SUCCESS && !t->args.json)
        printf("values  %-50s %8.2f s\n", "trained", t->seconds_values);
    return code;
}

static size_t count_held_out(const struct train *t)
{
    size_t count = 0;

    for (size_t i = 0; i < t->y.rows; i++)
        count += t->held_out[i];
    return count;
}

static void print_json(const struct train *t)
{
    json_open(NULL, '{');
    json_count("n", t->y.rows);
    json_count("held_out", count_held_out(t));
    json_count("unreadable", t->unreadable);
    json_text("encoder", t->encoder[0] ? t->encoder : NULL);
    json_count("classes", t->info.classes);
    json_count("codebooks", t->info.codebooks);
    json_count("keys", t->info.keys);
    json_count("key_dim", t->info.key_dim);
    json_count("top_k", t->info.top_k);
    json_real("loss", t->last.loss);
    json_real("accuracy", t->last.accuracy);
    json_real("seconds_keys", t->seconds_keys);
    json_real("seconds_search", t->seconds_search);
    json_real("seconds_values", t->seconds_values);
    json_real("seconds", progress_clock() - t->began);
    json_close('}');
}

static void print_written(const struct train *t)
{
    if (t->args.codes_out)
        printf("wrote   %s: codes of %zu rows, %zu of them held out to measure effects on\n", t->args.codes_out,
               t->y.rows, count_held_out(t));
    printf("wrote   %-50s %8.2f s in all\n", t->args.output, progress_clock() - t->began);
}

static int train(struct train *t)
{
    int code = claim_paths(&t->args);

    if (code == EXIT_SUCCESS)
        code = read_inputs(t);
    if (code == EXIT_SUCCESS)
        code = prepare_model(t);
    if (code == EXIT_SUCCESS)
        code = search_rows(t);
    if (code == EXIT_SUCCESS)
        code = train_values(t);
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
    struct train t = {.began = progress_clock()};
    int code;

    if (!args_parse(&command, argc, argv, &t.args, &code))
        return code;
    code = check_args(&t.args);
    if (code == EXIT_SUCCESS)
        code = train(&t);
    free(t.codes);
    dkvb_model_free(t.model);
    dkvb_codebooks_free(t.codebooks);
    dkvb_codeset_free(t.set);
    free(t.held_out);
    free(t.taught);
    ids_free(&t.ids);
    input_names_free(&t.names);
    input_labels_free(&t.y);
    input_features_free(&t.x);
    codes_free(&t.given);
    return code;
}
