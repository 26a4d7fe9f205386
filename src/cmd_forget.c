/* dkvb forget: suppress the pairs that a forget set selects, or those of a saved mask; or train again without its rows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codeset.h"
#include "forget.h"
#include "hex.h"
#include "journal.h"
#include "json.h"
#include "maskfile.h"
#include "output.h"
#include "paths.h"
#include "progress.h"
#include "tool.h"

static const char *const strengths[] = {"suppress", "exact", NULL};
static const char *const methods[] = {"auto", "activations", "contrast", "examples", "values", NULL};

#define AT(member) offsetof(struct forget_args, member)

static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "OUT", .help = "where to save; MODEL itself if not given", .letter = 'o'},
    {"class", ARGS_TEXT, AT(classes), "C[,C...]", .help = "the classes to forget, by index or name"},
    {"rows", ARGS_TEXT, AT(rows), "IDS.npy", .help = "the rows of a codes file to forget, by id"},
    {"strength", ARGS_CHOICE, AT(strength), "suppress|exact",
     .help = "suppress: mask pairs; exact: train again without the rows", .choices = strengths, .shows_default = true},
    {"codes", ARGS_TEXT, AT(codes), "CODES",
     .help = "what is known of the rows: of 'train --codes-out', or plain as of 'dkvb search'"},
    {"features", ARGS_TEXT, AT(features), "F", .help = "instead of CODES: the forget set, .npy or IDX (.gz)"},
    {"images", ARGS_TEXT, AT(pictures.path), "PATH",
     .help = "instead of CODES: the forget set as pictures, see 'dkvb encode'"},
    {"encoder", ARGS_CHOICE, AT(pictures.encoder), PICTURES_ENCODERS,
     .help = "what makes rows of them; if not given, what the model remembers", .choices = pictures_encoders},
    PICTURES_OPTIONS(AT, pictures),
    {"labels", ARGS_TEXT, AT(labels), "Y", .help = "labels of the rows, where CODES has none, for --class"},
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
    {"key-features", ARGS_TEXT, AT(key_features), "X", .help = "exact: the rows trained on, to place the keys again"},
    {"ids", ARGS_TEXT, AT(ids), "IDS.npy", .help = "with --key-features: what its rows are called, as in training"},
    {"keep-keys", ARGS_FLAG, AT(keep_keys), .help = "exact: leave keys that were placed on the rows as they are"},
    {"codes-out", ARGS_TEXT, AT(codes_out), "FILE",
     .help = "exact: the codes file without the rows; with -o wanted, else CODES itself"},
    {"seed", ARGS_U64, AT(seed), "N", .help = "examples: of the draw", .shows_default = true},
    {"mask", ARGS_TEXT, AT(mask), "FILE", .help = "mask the pairs of this mask file, whoever they serve"},
    {"reason", ARGS_TEXT, AT(reason), "TEXT", .help = "why, for the journal; stays there for good"},
    {"salt", ARGS_TEXT, AT(salt), "HEX",
     .help = "64 digits that hide which rows and pairs; without it: from the system's random source"},
    {"mask-out", ARGS_TEXT, AT(mask_out), "FILE", .help = "also save the pairs of this request as a mask file"},
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},
    {0},
};

static void set_defaults(void *values)
{
    struct forget_args *args = values;
    const dkvb_budget_options budget = DKVB_BUDGET_OPTIONS_INIT;

    args->target = budget.target;
    args->max_retain_drop = budget.max_retain_drop;
    args->max_class_loss = 0.03;
}

static const struct args_command command = {
    .name = "forget",
    .synopsis = "MODEL [-o OUT] (--class C | --rows IDS --codes CODES | --features F|--images PATH | --mask FILE) ...",
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

static int misused(const char *message)
{
    return args_misused(&command, message);
}

/* Who is meant, and by which file. */
static int check_who(const struct forget_args *args)
{
    bool codeset = args->kept;

    if (!args->classes && !args->rows && !args->set && !args->codes)
        return misused("nobody is named: --class, --rows, --features, --images, --codes or --mask is missing");
    if (args->set && args->codes)
        return misused(args->features ? "--codes does not go with --features: one of them gives the rows to forget"
                                      : "--codes does not go with --images: one of them gives the rows to forget");
    if (args->classes && args->rows)
        return misused("--rows does not go with --class: one of them says who is to be forgotten");
    if (args->rows && !codeset)
        return misused("--rows needs --codes with a file of 'train --codes-out', where ids are kept");
    if (codeset && !args->classes && !args->rows)
        return misused("--codes: the file has all rows; --class or --rows is missing to say which are to be forgotten");
    if (codeset && args->labels)
        return misused("--labels: the codes file has them");
    if (args->labels && (!args->classes || (!args->set && !args->codes)))
        return misused("--labels go with --class and the rows that they are of");
    if (args->classes && !args->labels && !codeset && (args->features || args->codes))
        return misused("--class needs --labels, to cut its rows out");
    return EXIT_SUCCESS;
}

/* How many pairs, and what would be without effect. */
static int check_suppress(const struct forget_args *args)
{
    static const char *const not_pairs[] = {"examples", "seed", NULL};
    static const char *const not_examples[] = {"pairs", NULL};
    static const char *const not_given[] = {"target", "max-retain-drop", NULL};
    bool held_out = args->kept, given = args->pairs > 0 || args->examples > 0;
    bool examples = args->method == DKVB_METHOD_EXAMPLES;
    int code = examples ? args_refuse(&command, args, not_examples, "--method examples")
                        : args_refuse(&command, args, not_pairs, "not --method examples");

    if (code == EXIT_SUCCESS && given)
        code = args_refuse(&command, args, not_given, "the number is given");
    if (code || given)
        return code;
    if (!held_out)
        return misused(examples ? "--method examples needs --examples, or a codes file with rows held out to find it"
                                : "--pairs is missing: to find how many, --codes with a file of 'train --codes-out' is "
                                  "wanted, where rows are held out");
    if (!args->classes)
        return misused(
            "--pairs is missing: how many can be found for classes only; for rows, --strength exact needs none");
    return EXIT_SUCCESS;
}

/* What is said of pictures, and that there are any. */
static int check_pictures(const struct forget_args *args)
{
    if (args->features && args->pictures.path)
        return misused("--images does not go with --features: one of them gives the rows to forget");
    if (!args->pictures.path)
        return args_refuse(&command, args, pictures_options, "no pictures: it is of --images");
    return args_given(&command, args, "encoder") ? pictures_check_args(&command, &args->pictures) : EXIT_SUCCESS;
}

static int check_strength(const struct forget_args *args)
{
    static const char *const of_suppress[] = {"method", "pairs", "examples", "seed", "target", "max-retain-drop", NULL};
    static const char *const of_exact[] = {"key-features", "ids", "keep-keys", "codes-out", NULL};
    static const char *const not_exact[] = {"mask-out", NULL};
    int code;

    if (!args->exact) {
        code = check_suppress(args);
        return code ? code : args_refuse(&command, args, of_exact, "only --strength exact takes it");
    }
    code = args_refuse(&command, args, of_suppress, "nothing is to be chosen");
    if (code)
        return code;
    if (!args->kept)
        return misused("--strength exact needs --codes with a file of 'train --codes-out', to train again from");
    if (args->output && !args->codes_out && !args->dry_run)
        return misused("--output: --codes-out is missing, where the codes without the rows go");
    if (args->ids && !args->key_features)
        return misused("--ids names rows of --key-features, which is missing");
    return args_refuse(&command, args, not_exact, "exact masks nothing");
}

/* What the journal would refuse once all else is done, asked of the smallest model. */
static int check_reason(const struct args_command *asking, const struct forget_args *args)
{
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;
    dkvb_model *model = NULL;
    dkvb_mask *mask = NULL;
    int code = input_smallest_model(&model);

    o.reason = args->reason;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_mask_add(mask, 0, 0));
    if (code == EXIT_SUCCESS) {
        dkvb_status status = dkvb_model_forget(model, mask, &o, NULL);

        /* Only the text can be used wrongly; memory and the random source of the salt can fail. */
        code = status == DKVB_EINVAL ? args_misused(asking, dkvb_last_error()) : tool_check(status);
    }
    dkvb_mask_free(mask);
    dkvb_model_free(model);
    return code;
}

static int check_salt(const struct args_command *asking, const char *text, uint8_t salt[32])
{
    if (text && !hex_parse(text, salt, 32))
        return args_misused(asking, "--salt: 64 hexadecimal digits are wanted");
    return EXIT_SUCCESS;
}

static int check_args(struct forget_args *args, uint8_t salt[32])
{
    static const char *const not_mask[] = {
        "images", "key-features", "ids",     "keep-keys",       "codes-out",      "force",  "examples", "class",
        "rows",   "strength",     "codes",   "features",        "labels",         "method", "pairs",    "examples",
        "target", "seed",         "dry-run", "max-retain-drop", "max-class-loss", NULL};
    int code = check_salt(&command, args->salt, salt);

    args->exact = args->strength == 1;
    args->set = args->features ? args->features : args->pictures.path;
    if (code == EXIT_SUCCESS)
        code = check_pictures(args);
    if (code == EXIT_SUCCESS && args->codes && !args->mask && !args->set)
        code = codeset_is(args->codes, &args->kept);
    if (code == EXIT_SUCCESS && args->mask)
        return args_refuse(&command, args, not_mask, "--mask: the pairs are there already");
    if (code == EXIT_SUCCESS)
        code = check_who(args);
    return code ? code : check_strength(args);
}

/* What was asked for, for the journal. */
static dkvb_forget_options request_options(const struct forget *f)
{
    dkvb_forget_options o = forget_options(f, f->set.classes, f->effects);

    if (f->args.mask)
        return o;
    o.found = f->budget.met;
    o.target = f->args.target;
    o.max_retain_drop = f->budget.met ? f->args.max_retain_drop : 0.0;
    if (forget_method(f) == DKVB_METHOD_EXAMPLES)
        o.budget = f->budget.met ? f->budget.budget : f->args.examples;
    else
        o.budget = f->budget.met ? dkvb_mask_count(f->mask) : f->args.pairs;
    return o;
}

static int mask_pairs(struct forget *f)
{
    dkvb_forget_options o = request_options(f);
    uint64_t id;
    int code = forget_apply(f, f->mask, &o, &id);

    if (code == EXIT_SUCCESS && f->budget.met)
        code = forget_again(f);
    if (code == EXIT_SUCCESS && f->again_count > 0)
        code = forget_guard_effects(f);
    if (code == EXIT_SUCCESS)
        code = forget_refuse(f);
    return code ? code : journal_find(f->model, id, &f->entry);
}

static void json_budget(const struct forget *f)
{
    const dkvb_budget *b = &f->budget;

    if (!b->met) {
        json_null("budget");
        return;
    }
    json_open("budget", '{');
    json_count("budget", b->budget);
    json_count("roomy", b->roomy);
    json_count("forget_rows", b->forget_rows);
    json_count("retain_rows", b->retain_rows);
    json_real("forget_before", b->forget_before);
    json_real("forget_after", b->forget_after);
    json_real("retain_before", b->retain_before);
    json_real("retain_after", b->retain_after);
    json_close('}');
}

static void print_json(const struct forget *f, double seconds)
{
    bool exact = f->args.exact;

    json_open(NULL, '{');
    json_text("strength", strengths[f->args.exact]);
    json_text("method", f->args.mask ? "mask" : exact ? "replay" : dkvb_method_name(forget_method(f)));
    json_count("pairs_masked", f->entry.pairs_new);
    json_count("pairs_requested", f->mask ? dkvb_mask_count(f->mask) : 0);
    json_count("pairs_total", (uint64_t)f->info.codebooks * f->info.keys);
    json_count("examples", exact ? f->set.id_count : f->set.rows);
    if (f->entry.id && !f->args.dry_run)
        json_count("entry", f->entry.id);
    else
        json_null("entry");
    json_budget(f);
    forget_json_effects(f);
    if (f->effects)
        json_count("exhausted", f->exhausted);
    else
        json_null("exhausted");
    json_open("again", '[');
    for (size_t i = 0; i < f->again_count; i++)
        json_count(NULL, f->again[i]);
    json_close(']');
    json_count("lifted", f->lifted);
    json_bool("keys_placed_again", f->keys_placed);
    json_bool("dry_run", f->args.dry_run);
    if (f->refusal[0])
        json_text("refused", f->refusal);
    else
        json_null("refused");
    json_real("seconds_files", progress_file_seconds());
    json_real("seconds", seconds);
    json_close('}');
}

static void print_masked(const struct forget *f, const char *output, double seconds)
{
    printf("suppressed %" PRIu64 " of %" PRIu64 " pairs by %s", f->entry.pairs_new, dkvb_mask_total(f->mask),
           f->entry.method);
    if (f->set.rows && f->args.examples && f->args.examples < f->set.rows)
        printf(", %" PRIu64 " of %zu rows", f->args.examples, f->set.rows);
    else if (f->set.rows)
        printf(" of %zu rows", f->set.rows);
    if (f->entry.pairs_new < f->entry.pairs)
        printf(" (%" PRIu64 " more were masked before)", f->entry.pairs - f->entry.pairs_new);
    printf(", in %.2f s\n", seconds);
    if (f->budget.met)
        printf("%" PRIu64 " were enough on rows held out: these classes %.4f -> %.4f, all others %.4f -> %.4f\n",
               f->budget.budget, f->budget.forget_before, f->budget.forget_after, f->budget.retain_before,
               f->budget.retain_after);
    for (size_t i = 0; i < f->again_count; i++)
        printf("entry %" PRIu64 ": classes forgotten before came back, and more of their pairs were suppressed\n",
               f->again[i]);
    printf("wrote %s; 'dkvb undo %s %" PRIu64 "' takes it back\n", output, output, f->entry.id);
    if (f->args.mask_out)
        maskfile_say_written(f->mask, f->args.mask_out);
}

static void print_deleted(const struct forget *f, const char *output, double seconds)
{
    printf("deleted what %zu rows taught the values: trained again without them, in %.2f s\n", f->set.id_count,
           seconds);
    if (f->keys_placed)
        printf("the keys were placed again without them too; the journal begins anew\n");
    else if (f->args.keep_keys)
        printf("the keys were placed on these rows too, and are as they were\n");
    if (f->lifted)
        printf("%" PRIu64 " earlier maskings of the same rows were taken back\n", f->lifted);
    printf("wrote %s and %s\n", output, f->args.codes_out ? f->args.codes_out : f->args.codes);
    if (f->args.codes_out)
        printf("%s still has the rows\n", f->args.codes);
}

static void print_text(const struct forget *f, const char *output, double seconds)
{
    if (f->args.dry_run) {
        if (f->mask)
            printf("would suppress %" PRIu64 " of %" PRIu64 " pairs by %s; nothing was changed\n",
                   dkvb_mask_count(f->mask), dkvb_mask_total(f->mask), dkvb_method_name(forget_method(f)));
        else
            printf("would train again without %zu rows; nothing was changed\n", f->set.id_count);
        forget_print_effects(f);
        if (f->refusal[0])
            printf("it would be refused without --force: %s\n", f->refusal);
    } else if (f->args.exact) {
        print_deleted(f, output, seconds);
    } else {
        print_masked(f, output, seconds);
    }
}

/* The model, and for "exact" the codes, may be their own outputs; but a mask must not take their place. */
static int claim_paths(const struct args_command *asking, const struct forget_args *args)
{
    const char *model = args->args.operand[0];
    bool rewrites = args->exact && !args->codes_out;
    const struct path inputs[] = {{"--features", args->features},
                                  {"--images", args->pictures.path},
                                  {"--weights", args->pictures.weights},
                                  {"--config", args->pictures.config},
                                  {"--codes", rewrites ? NULL : args->codes},
                                  {"--labels", args->labels},
                                  {"--rows", args->rows},
                                  {"--key-features", args->key_features},
                                  {"--ids", args->ids},
                                  {asking == &command ? "--mask" : "FILE", args->mask},
                                  {0}};
    const struct path outputs[] = {{args->output ? "--output" : "MODEL", args->output ? args->output : model},
                                   {"--mask-out", args->mask_out},
                                   {rewrites ? "--codes" : "--codes-out", rewrites ? args->codes : args->codes_out},
                                   {0}};
    const struct path read[] = {{"MODEL", model}, {0}};
    const struct path others[] = {{"--mask-out", args->mask_out}, {"--codes-out", args->codes_out}, {0}};
    int code = paths_check(asking, read, others);

    return code || args->dry_run ? code : paths_claim(asking, inputs, outputs);
}

/* The pairs, and whom taking them would hurt. */
static int prepare_mask(struct forget *f)
{
    int code = f->args.mask ? input_mask(&f->mask, f->args.mask) : forget_read_set(f);

    if (code == EXIT_SUCCESS && !f->args.mask)
        code = forget_sample_held(f);
    if (code == EXIT_SUCCESS && !f->args.mask)
        code = forget_choose(f);
    if (code == EXIT_SUCCESS && !f->args.mask)
        code = forget_guard_mixture(f);
    if (code == EXIT_SUCCESS && !f->args.mask)
        code = forget_measure(f);
    if (code == EXIT_SUCCESS && !f->args.mask)
        code = forget_guard_effects(f);
    if (code == EXIT_SUCCESS)
        code = forget_refuse(f);
    return code ? code : mask_pairs(f);
}

static int prepare_exact(struct forget *f)
{
    int code = forget_read_set(f);

    if (code == EXIT_SUCCESS)
        code = forget_sample_held(f);
    if (code == EXIT_SUCCESS)
        code = forget_guard_mixture(f);
    if (code == EXIT_SUCCESS)
        code = forget_refuse(f);
    return code ? code : forget_exact(f);
}

/* Two files that belong together: a signal between them is too late. The model first: while the codes file still has
 * the rows, the same command can be given again. */
static int write_all(struct forget *f, const char *output)
{
    const char *codes = f->args.codes_out ? f->args.codes_out : f->args.codes;
    double began;
    dkvb_status rc;
    int code = EXIT_SUCCESS;

    if (f->args.mask_out)
        code = output_mask(f->mask, f->args.mask_out);
    if (code == EXIT_SUCCESS)
        code = output_model(f->model, output);
    if (code || !f->args.exact)
        return code;
    began = progress_clock();
    rc = dkvb_codeset_save(f->codeset, codes);
    progress_add_file(began);
    if (rc)
        return tool_fail("%s; %s was written without the rows, the codes still have them: give the same command again",
                         dkvb_last_error(), output);
    output_wrote(codes);
    return EXIT_SUCCESS;
}

/* Rows of classes that went before run out of keys as a matter of course, and are silent as they should be. */
static void note_exhausted(const struct forget *f)
{
    uint64_t selections = f->looked_at * f->info.codebooks;

    for (uint32_t l = 0; f->set.classes && l < f->info.classes; l++)
        if (f->set.classes[l] == DKVB_ASIDE)
            return;
    if (f->exhausted * 200 > selections) /* half a percent */
        tool_note("%s: %" PRIu64 " of %" PRIu64 " selections of rows held out ran out of their %" PRIu32
                  " keys, and count for nothing in what was measured: 'train --depth' keeps more",
                  f->args.codes, f->exhausted, selections, f->held.k);
}

static int forget(struct forget *f)
{
    const char *model = f->args.args.operand[0], *output = f->args.output ? f->args.output : model;
    bool exact = f->args.exact;
    int code = check_reason(f->command, &f->args);

    if (code == EXIT_SUCCESS)
        code = output_check_epoch();
    if (code == EXIT_SUCCESS)
        code = claim_paths(f->command, &f->args);
    if (code == EXIT_SUCCESS)
        code = input_model_load(&f->model, model, &f->info);
    if (code)
        return code;
    journal_head(f->model, f->head);
    code = exact ? prepare_exact(f) : prepare_mask(f);
    if (code == EXIT_SUCCESS && f->args.dry_run && !f->effects)
        code = tool_fail(
            "%s: --dry-run measures on rows held out, and there are none: --codes with a file of 'train --codes-out' "
            "is wanted",
            model);
    if (code == EXIT_SUCCESS)
        note_exhausted(f);
    if (code == EXIT_SUCCESS && !f->args.dry_run)
        code = write_all(f, output);
    if (code)
        return code;
    if (f->args.json)
        print_json(f, progress_clock() - f->began);
    else
        print_text(f, output, progress_clock() - f->began);
    return EXIT_SUCCESS;
}

static void forget_free(struct forget *f)
{
    dkvb_mask_free(f->mask);
    free(f->effects);
    free(f->again);
    forget_free_set(f);
    dkvb_model_free(f->model);
}

int forget_by_mask(const struct args_command *asking, const char *model, const char *mask, const char *output,
                   const char *reason, const char *salt, bool json)
{
    struct forget f = {.command = asking, .held = DKVB_CODESET_ROWS_INIT, .began = progress_clock()};
    int code;

    f.args = (struct forget_args){.output = output, .mask = mask, .reason = reason, .salt = salt, .json = json};
    f.args.args.operand[0] = model;
    code = check_salt(asking, salt, f.salt);
    if (code == EXIT_SUCCESS)
        code = forget(&f);
    forget_free(&f);
    return code;
}

int cmd_forget(int argc, char **argv)
{
    struct forget f = {.command = &command, .held = DKVB_CODESET_ROWS_INIT, .began = progress_clock()};
    int code;

    if (!args_parse(&command, argc, argv, &f.args, &code))
        return code;
    code = check_args(&f.args, f.salt);
    if (code == EXIT_SUCCESS)
        code = forget(&f);
    forget_free(&f);
    return code;
}
