/* dkvb forget and dkvb apply plan a forgetting, or read a saved plan, and print or apply the plan. The library makes
 * all decisions about a forgetting (include/dkvb/plan.h). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/codes.h"
#include "commands/forget.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "io/ranks.h"
#include "tool.h"

static const char *const strengths[] = {"suppress", "exact", NULL};
static const char *const methods[] = {"auto", "activations", "contrast", "examples", "values", NULL};

#define AT(member) offsetof(struct forget_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"class", ARGS_TEXT, AT(classes), "C[,C...]", .help = "the classes to forget, by index or name", .word = true},
    {"rows", ARGS_TEXT, AT(rows), "IDS", .help = "the rows of a codes file to forget: ids, or a text of names"},
    {"requests", ARGS_TEXT, AT(requests), "FILE",
     .help = "many requests as one plan, each a line: class C[,...], ids N[,...] or rows NAME[,...]"},
    {"plan-out", ARGS_TEXT, AT(plan_out), "FILE", .help = "write the plan for 'dkvb apply', and change nothing else"},
    {"strength", ARGS_CHOICE, AT(strength), "suppress|exact",
     .help = "suppress: mask pairs; exact: train again without the rows", .choices = strengths, .shows_default = true},
    {"codes", ARGS_TEXT, AT(codes), "CODES",
     .help = "what is known of the rows: of 'train --codes-out', or plain as of 'dkvb search'"},
    {"features", ARGS_TEXT, AT(features), "F",
     .help = "instead of CODES: the forget set: CSV, .npz, .npy or IDX (.gz)"},
    {"images", ARGS_LIST, AT(pictures.paths), "PATH...",
     .help = "instead of CODES: the forget set as pictures, see 'dkvb encode'"},
    {"encoder", ARGS_CHOICE, AT(pictures.encoder), PICTURES_ENCODERS,
     .help = "what makes rows of them; if not given, what the model remembers", .choices = pictures_encoders},
    PICTURES_OPTIONS(AT, pictures),
    {"labels", ARGS_TEXT, AT(labels), "Y", .help = "labels of the rows, where CODES has none, for --class"},
    COLUMNS_LABELS(AT, columns),
    COLUMNS_IDS(AT, columns),
    COLUMNS_GROUPS(AT, columns),
    {"group", ARGS_TEXT, AT(columns.group), "NAME",
     .help = "only the rows of this group, of the CSV given by --rows or --features", .word = true},
    {"method", ARGS_CHOICE, AT(method), "activations|contrast|examples|values",
     .help = "suppress: how pairs are chosen; if not given, by what is known", .choices = methods},
    {"pairs", ARGS_U64, AT(pairs), "NA", .help = "mask so many pairs, instead of as few as reach the target",
     .least = 1},
    {"examples", ARGS_U64, AT(examples), "NE", .help = "examples: mask what NE rows of the set select", .least = 1},
    {"target", ARGS_REAL, AT(target), "A", .help = "accuracy that the classes may keep, on rows held out", .most = 1,
     .shows_default = true},
    {"max-retain-drop", ARGS_REAL, AT(max_retain_drop), "D", .help = "accuracy that all others together may lose",
     .most = 1, .shows_default = true},
    {"max-class-loss", ARGS_REAL, AT(max_class_loss), "L",
     .help = "refuse if any other class loses more for certain (95 %)", .most = 1, .shows_default = true},
    {"force", ARGS_FLAG, AT(force), .help = "whatever others lose"},
    {"dry-run", ARGS_FLAG, AT(dry_run), .help = "say what every class would lose, and change nothing"},
    {"all-classes", ARGS_FLAG, AT(all_classes), .help = "with --dry-run: every class, also where there are many"},
    {"key-features", ARGS_TEXT, AT(key_features), "X", .help = "exact: the rows trained on, to place the keys again"},
    {"ids", ARGS_TEXT, AT(ids), "IDS", .help = "with --key-features: what its rows are called, as in training"},
    {"drop-name", ARGS_FLAG, AT(drop_name), .help = "exact: also take away the names of classes that are forgotten"},
    {"in-place", ARGS_FLAG, AT(in_place), .help = "exact: train in one copy of the values beside the model"},
    {"keep-keys", ARGS_FLAG, AT(keep_keys), .help = "exact: leave keys that were placed on the rows as they are"},
    {"codes-out", ARGS_TEXT, AT(codes_out), "FILE",
     .help = "exact: the codes file without the rows; with -o wanted, else CODES itself"},
    {"seed", ARGS_U64, AT(seed), "N", .help = "examples: of the draw", .shows_default = true},
    {"mask", ARGS_TEXT, AT(mask), "FILE", .help = "mask the pairs of this mask file, whoever they serve"},
    {"reason", ARGS_TEXT, AT(reason), "TEXT", .help = "why, for the journal; stays there for good", .word = true},
    {"salt", ARGS_TEXT, AT(salt), "HEX",
     .help = "64 digits that hide which rows and pairs; without it: from the system's random source", .word = true},
    {"mask-out", ARGS_TEXT, AT(mask_out), "FILE", .help = "also save the pairs of this request as a mask file"},
    ARGS_THREADS_JSON(AT),
};

static void set_defaults(void *values)
{
    struct forget_args *args = values;
    const dkvb_forget_request request = DKVB_FORGET_REQUEST_INIT;

    args->target = request.target;
    args->max_retain_drop = request.max_retain_drop;
    args->max_class_loss = request.max_class_loss;
}

static const struct args_command command = {
    .name = "forget",
    .synopsis = "MODEL [-o OUT] (--class C | --rows IDS --codes CODES | --requests FILE | --features F | ...)",
    .example = "dkvb forget m.dkvb --class bird --codes m.codes --reason \"request 17\"",
    .about = "Forget classes or rows. 'suppress' masks (codebook, key) pairs: rows select other keys "
             "from\n"
             "then on, while the values of the pairs stay in the model, and what the rows taught other values stays in "
             "those.\n"
             "'exact' trains the values again from stored codes without the rows, which deletes what they taught.\n"
             "Written in the journal; 'dkvb undo' takes a masking back, 'dkvb purge' makes it permanent.",
    .options = options,
    .size = sizeof(struct forget_args),
    .defaults = set_defaults,
    .least_operands = 1,
    .most_operands = 1,
};

static const struct args_option apply_options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"codes", ARGS_TEXT, AT(codes), "CODES", .help = "exact: the codes file that was planned on, which loses the rows"},
    {"codes-out", ARGS_TEXT, AT(codes_out), "FILE", .help = "exact: where CODES goes without the rows, with -o"},
    {"drop-name", ARGS_FLAG, AT(drop_name), .help = "exact: also take away the names of classes that are forgotten"},
    {"dry-run", ARGS_FLAG, AT(dry_run), .help = "show the plan, with the names of MODEL, and change nothing"},
    {"all-classes", ARGS_FLAG, AT(all_classes), .help = "show what every class would lose, also where there are many"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static const struct args_command apply_command = {
    .name = "apply",
    .synopsis = "PLAN [MODEL] [--codes CODES] [-o OUT] [--dry-run] [--json]",
    .example = "dkvb apply request17.plan m.dkvb",
    .about =
        "Do what a plan of 'dkvb forget --plan-out' says. A model whose journal or values are not those that were\n"
        "planned on is refused. Without MODEL, and with --dry-run, the plan is shown and nothing is changed.",
    .options = apply_options,
    .size = sizeof(struct forget_args),
    .least_operands = 1,
    .most_operands = 2,
};

#define misused(message) args_misused(&command, message)

/* Checks the options of `dkvb forget` that name the rows to be forgotten. */
static int check_who(const struct forget_args *args)
{
    bool codeset = args->kept;

    if (args->requests && (args->classes || args->rows || args->set || args->labels))
        return misused("--requests: the file says who is to be forgotten, so --class, --rows, --features, --images and "
                       "--labels must not be given");
    if (args->requests && args->codes && !codeset)
        return misused("--requests needs --codes with a file of 'train --codes-out', where ids are kept");
    if (args->requests)
        return EXIT_SUCCESS;
    if (!args->classes && !args->rows && !args->set && !args->codes)
        return misused("nobody is named: --class, --rows, --features, --images, --codes, --requests or --mask is "
                       "missing");
    if (args->set && args->codes)
        return misused(args->features ? "--codes does not go with --features: one of them gives the rows to forget"
                                      : "--codes does not go with --images: one of them gives the rows to forget");
    if (args->classes && args->rows)
        return misused("--rows does not go with --class: one of them says who is to be forgotten");
    if (args->rows && !codeset)
        return misused("--rows needs --codes with a file of 'train --codes-out', where ids are kept");
    if (codeset && !args->classes && !args->rows)
        return misused("--codes: the file has all rows; --class or --rows is missing to say which are to be forgotten");
    if (codeset && (args->labels || args->columns.labels))
        return misused("--labels: the codes file has them");
    if (!args->columns.group != !args->columns.groups)
        return misused("--group-column says where the group stands that --group names: both must be given");
    if (args->columns.group && !args->rows && !args->features)
        return misused("--group needs --rows or --features with a CSV that has the group of each row");
    if ((args->labels || args->columns.labels) && (!args->classes || (!args->set && !args->codes)))
        return misused("--labels go with --class and the rows that they are of");
    if (args->classes && !args->labels && !args->columns.labels && !codeset && (args->features || args->codes))
        return misused("--class needs --labels, to cut its rows out");
    return EXIT_SUCCESS;
}

/* Checks the options of `dkvb forget` that set the number of pairs to mask, and refuses options without effect. */
static int check_suppress(const struct forget_args *args)
{
    static const char *const not_pairs[] = {"examples", "seed", NULL};
    static const char *const not_examples[] = {"pairs", NULL};
    static const char *const not_given[] = {"target", "max-retain-drop", NULL};
    bool held_out = args->kept, given = args->pairs > 0 || args->examples > 0;
    bool examples = args->method == DKVB_METHOD_EXAMPLES;
    int code = examples ? args_refuse(&command, args, not_examples, "--method examples")
                        : args_refuse(&command, args, not_pairs, "a method other than examples");

    if (code == EXIT_SUCCESS && given)
        code = args_refuse(&command, args, not_given, "--pairs or --examples: the number is given, none is looked for");
    if (code || given)
        return code;
    if (!held_out)
        return misused(examples ? "--method examples needs --examples, or a codes file with rows held out to find it"
                                : "--pairs is missing: to find how many, --codes with a file of 'train --codes-out' is "
                                  "wanted, where rows are held out");
    if (!args->classes && !args->requests)
        return misused(
            "--pairs is missing: how many can be found for classes only; for rows, --strength exact needs none");
    return EXIT_SUCCESS;
}

/* Checks the options of `dkvb forget` about pictures, which need --images. */
static int check_pictures(const struct forget_args *args)
{
    int code = pictures_check_source(&command, &args->pictures, "images");

    if (code)
        return code;
    if (args->features && pictures_source(&args->pictures))
        return misused("--images does not go with --features: one of them gives the rows to forget");
    if (!pictures_source(&args->pictures))
        return args_refuse(&command, args, pictures_options,
                           "a request without --images: it says how pictures are read");
    return args_given(&command, args, "encoder") ? pictures_check_args(&command, &args->pictures) : EXIT_SUCCESS;
}

static int check_strength(const struct forget_args *args)
{
    static const char *const of_suppress[] = {"method", "pairs", "examples", "seed", "target", "max-retain-drop", NULL};
    static const char *const of_exact[] = {"key-features", "ids",       "keep-keys", "in-place",
                                           "codes-out",    "drop-name", NULL};
    static const char *const not_exact[] = {"mask-out", NULL};
    int code;

    if (!args->exact) {
        code = check_suppress(args);
        return code ? code : args_refuse(&command, args, of_exact, "--strength suppress: only exact takes it");
    }
    code = args_refuse(&command, args, of_suppress, "--strength exact, which chooses no pairs");
    if (code)
        return code;
    if (!args->kept)
        return misused("--strength exact needs --codes with a file of 'train --codes-out', to train again from");
    if (args->output && !args->codes_out && !args->dry_run)
        return misused("--output: --codes-out is missing, where the codes without the rows go");
    if (args->keep_keys && args->key_features)
        return misused("--keep-keys does not go with --key-features: the keys stay, or they are placed again");
    if (args->ids && !args->key_features)
        return misused("--ids names rows of --key-features, which is missing");
    return args_refuse(&command, args, not_exact, "--strength exact, which masks nothing");
}

/* Checks the options for writing a plan of forgetting to a file; writing a plan changes no model. */
static int check_plan_out(const struct forget_args *args)
{
    static const char *const of_apply[] = {"output", "codes-out", "drop-name", NULL};
    static const char *const of_now[] = {"mask-out", "dry-run", NULL};
    int code = args_refuse(&command, args, of_apply, "--plan-out: 'dkvb apply' takes it");

    return code ? code : args_refuse(&command, args, of_now, "--plan-out, which writes the plan and nothing else");
}

static int check_args(struct forget_args *args)
{
    static const char *const not_mask[] = {
        "images",         "images-from", "key-features", "ids",      "keep-keys", "in-place", "codes-out",
        "drop-name",      "examples",    "class",        "requests", "rows",      "strength", "codes",
        "features",       "labels",      "method",       "pairs",    "target",    "seed",     "max-retain-drop",
        "max-class-loss", NULL};
    int code;

    args->exact = args->strength == 1;
    args->set = args->features ? args->features : pictures_source(&args->pictures);
    code = check_pictures(args);
    if (code == EXIT_SUCCESS && args->plan_out)
        code = check_plan_out(args);
    if (code == EXIT_SUCCESS && args->codes && !args->mask && !args->set)
        code = codeset_is(args->codes, &args->kept);
    if (code == EXIT_SUCCESS && args->mask)
        return args_refuse(&command, args, not_mask, "--mask: the pairs are there already");
    if (code == EXIT_SUCCESS)
        code = check_who(args);
    return code ? code : check_strength(args);
}

/* Marks the classes to be forgotten, f->request.classes, from the option --class. */
static int mark_classes(struct forget *f)
{
    bool *chosen = NULL;
    int code = input_classes(&chosen, f->args.classes, f->model, f->info.classes);

    f->classes = code ? NULL : input_memory("the classes", 1, f->info.classes, 1, 1);
    for (uint32_t l = 0; f->classes && l < f->info.classes; l++)
        f->classes[l] = chosen[l] ? DKVB_FORGET : DKVB_KEEP;
    f->request.classes = f->classes;
    free(chosen);
    return f->classes ? EXIT_SUCCESS : code ? code : EXIT_FAILURE;
}

/* Gives ids to the rows to be forgotten: rows of pictures have the numbers of the pictures as ids, rows of a features
 * file their own ids. */
static int number_rows(struct forget *f)
{
    int code = pictures_source(&f->args.pictures)
                   ? ids_of_rows(&f->rows, NULL, pictures_source(&f->args.pictures), f->pictures.info.pictures)
                   : ids_of_features(&f->rows, NULL, &f->x);

    if (code == EXIT_SUCCESS && pictures_source(&f->args.pictures))
        pictures_keep_ids(&f->pictures, &f->rows);
    return code;
}

/* Encodes pictures into the rows to be forgotten, with their labels if the request selects rows by class. */
static int read_pictures(struct forget *f)
{
    const char *path = f->args.args.operand[0];
    bool chosen = args_given(f->command, &f->args, "encoder");
    int code = pictures_open_for(&f->pictures, &f->args.pictures, chosen, f->model, path);

    if (code == EXIT_SUCCESS)
        code = pictures_spare(&f->pictures, f->args.output, f->args.mask_out);
    if (code)
        return code;
    return f->args.classes ? pictures_rows(&f->pictures, f->model, path, f->args.labels, f->args.threads, &f->x, &f->y)
                           : pictures_features(&f->pictures, f->args.threads, &f->x);
}

/* If classes are to be forgotten, keeps only the rows of these classes, as other rows need not be searched. If the
 * features are in memory, the features of the rows that are kept are moved together. */
static int cut_out_classes(struct forget *f)
{
    size_t kept = 0;

    if (f->x.source) {
        f->x.kept = input_memory("rows of the classes", sizeof *f->x.kept, f->x.rows, 1, 1);
        if (!f->x.kept)
            return EXIT_FAILURE;
    }

    for (size_t i = 0; i < f->x.rows; i++) {
        if (f->y.y[i] < 0 || (uint32_t)f->y.y[i] >= f->info.classes || f->classes[f->y.y[i]] != DKVB_FORGET)
            continue;
        if (f->x.source)
            f->x.kept[kept] = i;
        else
            memmove(f->x.x + kept * f->x.columns, f->x.x + i * f->x.columns, f->x.columns * sizeof *f->x.x);
        if (f->rows.name) {
            char *name = f->rows.name[kept];

            f->rows.name[kept] = f->rows.name[i];
            /* the names of two rows are exchanged, not copied, so that each name is freed once */
            f->rows.name[i] = name;
        } else {
            f->rows.id[kept] = f->rows.id[i];
        }
        kept++;
    }
    for (size_t i = kept; f->rows.name && i < f->rows.n; i++)
        free(f->rows.name[i]);
    f->x.rows = f->rows.n = kept;
    return kept ? EXIT_SUCCESS
                : tool_fail("%s: none of %zu labels is of class %s, so there is nothing to forget",
                            f->y.path ? f->y.path : f->x.path, f->y.rows, f->args.classes);
}

static int read_features(struct forget *f)
{
    int code = pictures_source(&f->args.pictures)
                   ? read_pictures(f)
                   : input_features_for(&f->x, f->args.features, INPUT_BLOCKS, f->model, &f->args.columns);

    if (code ||
        ((f->args.labels || f->args.columns.labels) && !pictures_source(&f->args.pictures) &&
         (code = input_labels_for(&f->y, f->args.labels, &f->x, &(struct table_use){.model = f->model}))) ||
        (code = number_rows(f)) || (f->args.classes && (code = cut_out_classes(f))))
        return code;
    f->searched = input_memory("codes", sizeof *f->searched, f->x.rows, f->info.codebooks, f->info.top_k);
    f->request.codes = f->searched;
    f->request.n = f->x.rows;
    f->request.ids = f->rows.id;
    f->request.names = (const char *const *)f->rows.name;
    f->request.id_count = f->request.name_count = f->rows.n;
    return f->searched ? codes_search(f->model, &f->x, f->args.threads, f->searched) : EXIT_FAILURE;
}

static int read_plain_codes(struct forget *f)
{
    int code = codes_read(&f->npy, f->args.codes, &f->info);

    f->request.codes = f->npy.codes;
    f->request.n = f->npy.rows;
    if (code == EXIT_SUCCESS && f->args.labels)
        code = input_labels(&f->y, f->args.labels, f->args.codes, f->npy.rows, &(struct table_use){.model = f->model});
    f->request.labels = f->y.y;
    return code;
}

/* Reads the rows that the keys were placed on, so that the keys can be placed again. */
static int read_key_features(struct forget *f)
{
    int code = input_features_for(&f->key_x, f->args.key_features, INPUT_BLOCKS, f->model, &f->args.columns);

    if (code == EXIT_SUCCESS)
        code = ids_of_features(&f->key_ids, f->args.ids, &f->key_x);
    f->request.keys = DKVB_KEYS_PLACED;
    f->request.features = f->key_x.x;
    f->request.feature_source = f->key_x.source;
    f->request.feature_rows = f->key_x.rows;
    f->request.feature_columns = f->key_x.columns;
    f->request.feature_ids = f->key_ids.id;
    f->request.feature_names = (const char *const *)f->key_ids.name;
    return code;
}

/* Reads the text of several forget requests; a NUL is refused, as it would cut the text off. */
static int read_requests(struct forget *f)
{
    const char *path = f->args.requests;
    FILE *file = fopen(path, "r");
    size_t room = 0;
    ssize_t size = 0;
    int code;

    if (!file)
        return tool_fail("%s: cannot be opened: %s", path, strerror(errno));
    paths_keep_private(path);
    errno = 0;
    size = getdelim(&f->text, &room, '\0', file);
    code = size < 0 && errno                       ? tool_fail("%s: cannot be read: %s", path, strerror(errno))
           : size > 0 && f->text[size - 1] == '\0' ? tool_fail("%s: holds a zero byte, as UTF-16 does; requests must "
                                                               "be saved as UTF-8",
                                                               path)
                                                   : EXIT_SUCCESS;
    fclose(file);
    f->request.requests = size < 0 ? "" : f->text;
    return code;
}

/* Reads all inputs that the options of `dkvb forget` name. */
static int read_inputs(struct forget *f)
{
    const struct forget_args *a = &f->args;
    int code = EXIT_SUCCESS;

    if (a->mask) {
        code = input_mask(&f->mask, a->mask);
        f->request.mask = f->mask;
        return code;
    }
    if (a->classes)
        code = mark_classes(f);
    if (a->requests)
        code = read_requests(f);
    if (code == EXIT_SUCCESS && a->kept)
        code = codeset_load(&f->codeset, a->codes, NULL);
    else if (code == EXIT_SUCCESS && a->codes)
        code = read_plain_codes(f);
    else if (code == EXIT_SUCCESS && a->set)
        code = read_features(f);
    if (code == EXIT_SUCCESS && !a->kept && (a->codes || a->set) && f->request.n == 0)
        code = tool_fail("%s: no rows, so there is nothing to forget", a->codes ? a->codes : a->set);
    if (code == EXIT_SUCCESS && a->rows && (code = ids_read(&f->rows, a->rows, true, &a->columns)) == EXIT_SUCCESS) {
        f->request.ids = f->rows.id;
        f->request.names = (const char *const *)f->rows.name;
        f->request.id_count = f->request.name_count = f->rows.n;
    }
    return code == EXIT_SUCCESS && a->key_features ? read_key_features(f) : code;
}

/* Takes the numbers of the forget request, such as its budget, from the command's options. */
static int fill_request(struct forget *f)
{
    dkvb_forget_request *q = &f->request;
    const struct forget_args *a = &f->args;

    if (a->salt && !hex_parse(a->salt, f->salt, sizeof f->salt))
        return args_misused(f->command, "--salt must be 64 hexadecimal digits");
    q->strength = a->exact ? DKVB_STRENGTH_EXACT : DKVB_STRENGTH_SUPPRESS;
    q->method = a->method;
    q->budget = a->method == DKVB_METHOD_EXAMPLES ? a->examples : a->pairs;
    q->seed = a->seed;
    q->force = a->force;
    q->in_place = a->in_place;
    q->keys = a->keep_keys ? DKVB_KEYS_KEPT : DKVB_KEYS_UNSAID;
    q->reason = a->reason;
    q->salt = a->salt ? f->salt : NULL;
    if (a->mask)
        return EXIT_SUCCESS;
    q->target = a->target;
    q->max_retain_drop = a->max_retain_drop;
    q->max_class_loss = a->max_class_loss;
    return EXIT_SUCCESS;
}

/* Reports the failure of a library call about a forgetting, with the files of the model and of the rows. */
static int check_call(const struct forget *f, dkvb_status status)
{
    const char *known = f->args.mask ? f->args.mask : f->args.codes ? f->args.codes : f->args.set;

    /* a failure with DKVB_EINVAL or DKVB_ENOTFOUND is about a line of the file of requests */
    if (f->args.requests && (status == DKVB_EINVAL || status == DKVB_ENOTFOUND))
        return tool_check_about(f->args.requests, status);
    return known ? tool_check_both(known, f->args.args.operand[0], status)
                 : tool_check_about(f->args.args.operand[0], status);
}

static int make_plan(struct forget *f)
{
    dkvb_run_options run = progress_start(f->args.exact ? "values" : "plan", f->args.threads);
    int code = check_call(f, dkvb_forget_plan(&f->plan, f->model, f->codeset, &f->request, &run));

    progress_stop();
    return code;
}

static int refuse(const struct forget *f)
{
    const char *way = f->found.can_be_forced ? ", --force does it all the same"
                      : f->found.refused == DKVB_REFUSED_KEYS
                          ? ", --key-features X places them again, --keep-keys keeps "
                            "them"
                          : "";

    return tool_fail("%s: %s; nothing was changed. --dry-run tells more%s", f->args.args.operand[0], f->found.refusal,
                     f->args.planned ? "" : way);
}

/* Checks that the output files of `dkvb forget` can be written and replace no input, and locks these files. `dkvb
 * forget` may replace the model, and with the strength "exact" the codes file, by their new versions, but a mask must
 * not replace these files. */
static int claim_paths(const struct args_command *asking, const struct forget_args *args)
{
    const char *model = args->args.operand[0];
    bool rewrites = args->exact && !args->codes_out;
    const struct path inputs[] = {{"--features", args->features},
                                  {"--images", pictures_source(&args->pictures)},
                                  {"--weights", args->pictures.weights},
                                  {"--config", args->pictures.config},
                                  {"--codes", rewrites && !args->plan_out ? NULL : args->codes},
                                  {"--labels", args->labels},
                                  {"--rows", args->rows},
                                  {"--key-features", args->key_features},
                                  {"--ids", args->ids},
                                  {"--requests", args->requests},
                                  {args->plan_out ? "MODEL" : "", args->plan_out ? model : NULL},
                                  {asking == &command ? "--mask" : "FILE", args->mask},
                                  {0}};
    const struct path outputs[] = {{args->output ? "--output" : "MODEL", args->output ? args->output : model},
                                   {"--mask-out", args->mask_out},
                                   {rewrites ? "--codes" : "--codes-out", rewrites ? args->codes : args->codes_out},
                                   {0}};
    const struct path plan[] = {{"--plan-out", args->plan_out}, {0}};
    const struct path read[] = {{"MODEL", model}, {0}};
    const struct path others[] = {{"--mask-out", args->mask_out}, {"--codes-out", args->codes_out}, {0}};
    int code = args->plan_out ? paths_claim(asking, inputs, plan) : paths_check(asking, read, others);

    return code || args->dry_run || args->plan_out ? code : paths_claim(asking, inputs, outputs);
}

static int write_all(struct forget *f, const char *output)
{
    const char *codes = f->args.codes_out ? f->args.codes_out : f->args.codes;
    int code = f->args.mask_out ? output_mask(f->found.mask, f->args.mask_out) : EXIT_SUCCESS;

    if (code)
        return code;
    return f->args.exact ? output_model_with(f->model, output, f->codeset, codes) : output_model(f->model, output);
}

static int finish(struct forget *f, const char *output)
{
    bool doing = !f->args.dry_run && !f->args.plan_out;
    int code;

    f->found = (dkvb_plan_info)DKVB_PLAN_INFO_INIT;
    code = tool_check(dkvb_plan_get_info(f->plan, &f->found));
    doing = doing && (f->found.request_count == 0 || f->found.forgotten < f->found.request_count);
    if (code || (doing && f->found.refused && !f->found.forced))
        return code ? code : refuse(f);
    if (doing &&
        ((code = check_call(f, dkvb_forget_apply(f->plan, f->model, f->codeset, &f->entry))) ||
         (f->args.drop_name && (code = tool_check(dkvb_model_drop_forgotten_names(f->model, &f->names_dropped)))) ||
         (code = write_all(f, output))))
        return code;
    if (f->args.plan_out && (code = output_plan(f->plan, f->args.plan_out)))
        return code;
    forget_print(f, output);
    return EXIT_SUCCESS;
}

static int forget(struct forget *f)
{
    const char *model = f->args.args.operand[0];
    int code = fill_request(f);

    /* The forget request is checked without data first, so that a mistake shows before rows are read or encoded. */
    if (code || (code = check_call(f, dkvb_forget_plan(&f->plan, NULL, NULL, &f->request, NULL))) ||
        (code = output_check_epoch()) || (code = claim_paths(f->command, &f->args)) ||
        (code = input_model_load(&f->model, model, &f->info)) || (code = read_inputs(f)) || (code = make_plan(f)))
        return code;
    return finish(f, f->args.output ? f->args.output : model);
}

/* Once the plan of a forgetting is read, checks that the options name the files that the plan's strength needs. */
static int check_apply(const struct forget_args *args, const char *plan)
{
    static const char *const of_exact[] = {"codes", "codes-out", "drop-name", NULL};
    const char *model = args->args.operand[0];
    bool rewrites = args->exact && !args->codes_out;
    const struct path inputs[] = {{"PLAN", plan}, {"--codes", rewrites ? NULL : args->codes}, {0}};
    const struct path outputs[] = {{args->output ? "--output" : "MODEL", args->output ? args->output : model},
                                   {rewrites ? "--codes" : "--codes-out", rewrites ? args->codes : args->codes_out},
                                   {0}};

    if (!args->exact && args_refuse(&apply_command, args, of_exact,
                                    "a plan of the strength suppress, which takes nothing out of codes"))
        return EXIT_USAGE;
    if (args->exact && !args->codes)
        return args_misused(&apply_command, "--codes is missing: the plan takes rows out of the codes file as well");
    if (args->exact && args->output && !args->codes_out)
        return args_misused(&apply_command, "--output: --codes-out is missing, where the codes without the rows go");
    return paths_claim(&apply_command, inputs, outputs);
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
    /* error messages name the file in operand[0], so operand[0] becomes the path of the model or of the plan */
    f->args.args.operand[0] = model ? model : plan;
    f->args.exact = f->found.strength == DKVB_STRENGTH_EXACT;
    f->args.keep_keys = f->found.keys == DKVB_KEYS_KEPT;
    f->args.dry_run = !doing;
    f->args.planned = true;
    if (code || (doing && (code = check_apply(&f->args, plan))) ||
        (model && (code = input_model_load(&f->model, model, &f->info))) ||
        (doing && f->args.codes && (code = codeset_load(&f->codeset, f->args.codes, NULL))))
        return code;
    return finish(f, f->args.output ? f->args.output : model);
}

static void free_all(struct forget *f)
{
    dkvb_plan_free(f->plan);
    dkvb_mask_free(f->mask);
    free(f->classes);
    free(f->searched);
    free(f->text);
    ids_free(&f->rows);
    ids_free(&f->key_ids);
    dkvb_codeset_free(f->codeset);
    input_labels_free(&f->y);
    codes_free(&f->npy);
    input_features_free(&f->x);
    input_features_free(&f->key_x);
    pictures_close(&f->pictures);
    dkvb_model_free(f->model);
}

int forget_by_mask(const struct args_command *asking, const char *model, const char *mask, const char *output,
                   const char *reason, const char *salt, bool json)
{
    struct forget f = {.command = asking, .request = DKVB_FORGET_REQUEST_INIT, .began = progress_clock()};
    int code;

    f.args = (struct forget_args){.output = output, .mask = mask, .reason = reason, .salt = salt, .json = json};
    f.args.args.operand[0] = model;
    code = forget(&f);
    free_all(&f);
    return code;
}

int cmd_forget(int argc, char **argv)
{
    struct forget f = {.command = &command, .request = DKVB_FORGET_REQUEST_INIT, .began = progress_clock()};
    int code;

    if (!args_parse(&command, argc, argv, &f.args, &code))
        return code;
    code = check_args(&f.args);
    if (code == EXIT_SUCCESS)
        code = forget(&f);
    free_all(&f);
    return code;
}

int cmd_apply(int argc, char **argv)
{
    struct forget f = {.command = &apply_command, .began = progress_clock()};
    int code;

    if (!args_parse(&apply_command, argc, argv, &f.args, &code))
        return code;
    code = apply(&f);
    free_all(&f);
    return code;
}
