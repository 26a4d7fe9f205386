/* dkvb train places the keys (or takes the keys of another model), searches every row once, trains the values, and
 * saves the model. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/codes.h"
#include "io/input.h"
#include "io/journal.h"
#include "io/json.h"
#include "io/output.h"
#include "io/progress.h"
#include "tool.h"
#include "commands/train.h"

/* Stages of training, as the library names them. */
enum { STAGES = 6 };
static const char *const stages[STAGES] = {"whitening", "keys", "search", "values", "temperature", "codes"};

struct train {
    struct train_args args;
    struct features x, key_rows;
    struct pictures pictures; /* the pictures whose rows are trained on, until they are encoded */
    /* identity of the encoder that made the rows; "" if the encoder is not known */
    char encoder[DKVB_ENCODER_IDENTITY_SIZE];
    struct left_out left;      /* counts of files that the picture set left out */
    dkvb_labels_info seen;     /* counts and range of the training labels */
    dkvb_labels_info measured; /* counts and range of the labels of held-out rows */
    dkvb_features_info values; /* facts about the feature values of the training rows, such as their range */
    struct codes given;        /* codes of the training rows, if the options give codes in place of rows */
    struct labels y;
    struct ids ids;
    dkvb_codeset *set;
    struct names names;
    uint32_t classes;
    dkvb_codebooks *codebooks; /* codebooks of the model that --init-from names */
    dkvb_model *model;
    dkvb_model_info info;
    dkvb_fit_report fitted;
    double began, stage_began;
    double seconds[STAGES];  /* seconds that each stage of the training took */
    const char *stage;       /* name of the present stage of the training, or NULL */
    uint64_t entries_before; /* number of journal entries before the training of the model is continued */
};

/* Prints a line of text unless JSON output was asked for. */
TOOL_PRINTF(2, 3)
static void say(const struct train *t, const char *format, ...)
{
    va_list arguments;

    if (t->args.json)
        return;
    va_start(arguments, format);
    progress_hide();
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
}

/* Refuses classes without training rows, unless --empty-classes or a file of names asks for them. `known` is the
 * number of classes of the model whose training continues. */
static int survey(struct train *t, uint32_t known)
{
    bool any = t->args.empty_classes || t->args.class_names;
    dkvb_status rc = dkvb_labels_survey(&t->seen, t->y.y, t->y.rows, t->classes, any ? DKVB_LABELS_ANY : known, NULL);

    if (rc != DKVB_EMISMATCH)
        return tool_check_about(t->y.path, rc);
    if (t->seen.first_empty < t->names.count)
        return tool_fail("%s: %s ('%s' is class %" PRIu32 "); --empty-classes trains nevertheless", t->y.path,
                         dkvb_last_error(), t->names.line[t->seen.first_empty], t->seen.first_empty);
    return tool_fail("%s: %s; --empty-classes trains nevertheless", t->y.path, dkvb_last_error());
}

/* Computes the number of classes that the labels and names of `dkvb train` ask for. */
static int count_classes(struct train *t)
{
    size_t classes = (size_t)t->y.largest + 1;

    if (t->names.count > 0 && classes > t->names.count)
        return tool_fail("%s: row %zu has label %" PRId32 ", %s names %zu classes, 0 to %zu", t->y.path,
                         t->y.largest_row, t->y.largest, t->names.path, t->names.count, t->names.count - 1);
    if (t->y.largest < 0)
        return tool_fail("%s: %zu labels and none of 0 or more, so there is nothing to learn", t->y.path, t->y.rows);
    if (t->names.count > DKVB_MODEL_CLASSES)
        return tool_fail("%s: %zu names: at most %u classes are supported", t->names.path, t->names.count,
                         DKVB_MODEL_CLASSES);
    if (classes > DKVB_MODEL_CLASSES)
        return tool_fail("%s: row %zu has label %" PRId32 ": at most %u classes are supported", t->y.path,
                         t->y.largest_row, t->y.largest, DKVB_MODEL_CLASSES);
    t->classes = (uint32_t)(t->names.count > classes ? t->names.count : classes);
    return t->args.continue_from ? EXIT_SUCCESS : survey(t, 0);
}

/* Encodes pictures into rows, with labels and ids. Once the pictures are encoded, the encoder is closed, as later steps
 * of the training need the memory. */
static int read_pictures(struct train *t)
{
    const struct train_args *a = &t->args;
    const char *path = a->continue_from ? a->continue_from : a->init_from;
    bool chosen = args_given(&train_command, a, "encoder");
    struct pictures *p = &t->pictures;
    struct names unused = {0};
    struct table_use use = {.names = a->class_names ? &t->names : NULL, .grows = !a->class_names};
    dkvb_model *model = NULL; /* the model in the file `path`, whose encoder and classes are used for the pictures */
    dkvb_model_info info;
    int32_t *as = NULL;
    int code;

    if (path && (code = input_model_map(&model, path, &info)))
        goto end;
    use.model = a->continue_from ? model : NULL;
    if ((code = pictures_open_for(p, &a->pictures, chosen || !model || !input_encoder(model), model, path)) ||
        (code = pictures_spare(p, a->output, a->codes_out)) ||
        (code = a->labels ? input_labels(&t->y, a->labels, pictures_source(&a->pictures), p->info.pictures, &use)
                          : pictures_name_classes(p, a->continue_from ? model : NULL, path,
                                                  a->class_names ? &unused : &t->names, &as)) ||
        (code = ids_of_rows(&t->ids, a->ids, pictures_source(&a->pictures), p->info.pictures)) ||
        (!a->labels && ((code = pictures_labels(p, as, &t->y)) || (code = count_classes(t)))) ||
        (code = pictures_features(p, a->threads, &t->x)))
        goto end;
    pictures_keep_labels(p, &t->y);
    pictures_keep_ids(p, &t->ids);
    snprintf(t->encoder, sizeof t->encoder, "%s", p->encoder_info.identity);
    pictures_left_out(&t->left, p);

end:
    free(as);
    input_names_free(&unused);
    dkvb_model_free(model);
    pictures_close(p);
    return code;
}

/* Takes the names of classes from training labels that are names. */
static int name_classes(struct train *t)
{
    int code = EXIT_SUCCESS;

    if (!t->y.names || t->args.class_names)
        return code;
    t->names.path = t->y.path;
    for (size_t i = 0; code == EXIT_SUCCESS && i < t->y.name_count; i++)
        code = input_names_add(&t->names, t->y.names[i]);
    return code;
}

/* Reads the training rows or their codes, the same number of labels, and the ids of the rows. */
static int read_rows(struct train *t)
{
    const struct train_args *a = &t->args;
    struct table_use use = {
        .columns = &a->columns, .names = a->class_names ? &t->names : NULL, .grows = !a->class_names};
    /* the model whose training continues; its columns and classes are used to read the rows */
    dkvb_model *model = NULL;
    dkvb_model_info info;
    int code;

    if (a->continue_from && !pictures_source(&a->pictures) && (code = input_model_map(&model, a->continue_from, &info)))
        return code;
    use.model = model;
    if (pictures_source(&a->pictures))
        code = read_pictures(t);
    else if ((code = a->codes ? codes_map(&t->given, a->codes)
                              : input_features(&t->x, a->features, INPUT_BLOCKS, &use)) == EXIT_SUCCESS)
        code = a->codes ? input_labels(&t->y, a->labels, t->given.path, t->given.rows, &use)
                        : input_labels_for(&t->y, a->labels, &t->x, &use);
    if (code == EXIT_SUCCESS)
        code = name_classes(t);
    dkvb_model_free(model);
    if (code || (code = count_classes(t)))
        return code;
    if (t->ids.n)
        return EXIT_SUCCESS;
    return a->codes ? ids_of_rows(&t->ids, a->ids, t->given.path, t->y.rows) : ids_of_features(&t->ids, a->ids, &t->x);
}

/* Prints notes about training labels that train no class. */
static void say_labels(const struct train *t)
{
    if (t->seen.unlabelled > 0)
        say(t, "note    %" PRIu64 " of %" PRIu64 " rows have no label (-1), and are not learned from\n",
            t->seen.unlabelled, t->seen.rows);
    if (t->seen.empty > 0)
        say(t, "note    %" PRIu32 " of %" PRIu32 " classes have no rows: %s\n", t->seen.empty, t->seen.classes,
            t->seen.empty_list);
    if (t->seen.classes - t->seen.empty == 1 && !t->args.continue_from)
        say(t, "note    all rows are of one class, so there is nothing to tell apart\n");
}

static int read_inputs(struct train *t)
{
    const struct train_args *a = &t->args;
    const dkvb_features_info *v = &t->values;
    int code;

    if ((a->class_names && (code = input_names(&t->names, a->class_names))) || (code = read_rows(t)))
        return code;
    t->values.source = t->x.source;
    if ((!a->codes &&
         (code = tool_check_about(t->x.path, dkvb_features_survey(&t->values, t->x.x, t->x.rows, t->x.columns)))))
        return code;
    if (a->keep_names && !t->ids.name)
        return tool_fail("%s: has numbers, and --keep-names keeps names: a text with one a line must be given",
                         a->ids ? a->ids : a->features);
    if (v->outlying > 0)
        tool_note("%s: %" PRIu64
                  " values are over 1000 times as large as all others, so that rows look alike beside them: "
                  "row %" PRIu64 ", column %" PRIu64 " is %g; remove or scale them",
                  t->x.path, v->outlying, v->first_row, v->first_column, (double)v->first_value);
    if (a->codes)
        say(t, "read    codes of %zu rows from %s, %" PRIu32 " classes\n", t->given.rows, t->given.path, t->classes);
    else
        say(t, "read    %zu rows of %zu from %s%s%s, %" PRIu32 " classes\n", t->x.rows, t->x.columns, t->x.path,
            t->encoder[0] ? " by " : "", t->encoder, t->classes);
    if (!a->json)
        pictures_say_left_out(&t->left);
    if (!a->continue_from)
        say_labels(t);
    return EXIT_SUCCESS;
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

    code = code ? code : check_columns(t, t->args.init_from, &info);
    if (code == EXIT_SUCCESS)
        t->codebooks = dkvb_codebooks_retain(dkvb_model_codebooks(other));
    dkvb_model_free(other);
    return code;
}

/* Continues the training of a model. If a training continues, the model may have more classes than the new labels use,
 * or need more classes. */
static int continue_model(struct train *t)
{
    dkvb_model_info info;
    int code;

    if ((code = input_model_load(&t->model, t->args.continue_from, &info)) ||
        (code = check_columns(t, t->args.continue_from, &info)) || (code = survey(t, info.classes)))
        return code;
    say_labels(t);
    if (info.classes >= t->classes)
        return EXIT_SUCCESS;
    say(t, "classes %" PRIu32 " more than the %" PRIu32 " of %s\n", t->classes - info.classes, info.classes,
        t->args.continue_from);
    return tool_check(dkvb_model_add_classes(t->model, t->classes - info.classes));
}

/* Sets the names of classes and the encoder of the model, and prints its properties. The training of a model of feature
 * rows may continue with pictures: from then on its encoder is known. */
static int describe_model(struct train *t)
{
    size_t which = 0;

    if (dkvb_model_set_class_names(t->model, (const char *const *)t->names.line, t->names.count, &which) != DKVB_OK)
        return tool_fail("%s: line %zu: %s", t->names.path, which + 1, dkvb_last_error());
    if (t->x.info.column_names && !dkvb_model_column_name(t->model, 0) &&
        dkvb_model_set_column_names(t->model, t->x.info.column_names, t->x.columns) != DKVB_OK)
        return tool_fail("%s: %s", t->x.path, dkvb_last_error());
    if (t->encoder[0] && !input_encoder(t->model) && dkvb_model_set_encoder(t->model, t->encoder) != DKVB_OK)
        return tool_fail("%s", dkvb_last_error());
    t->info = (dkvb_model_info)DKVB_MODEL_INFO_INIT;
    return tool_check(dkvb_model_get_info(t->model, &t->info));
}

/* Prints the name and the time of the training stage that has ended. */
static void end_stage(struct train *t)
{
    double now = progress_clock(), took = now - t->stage_began;

    progress_stop();
    for (size_t i = 0; t->stage && i < STAGES; i++)
        if (strcmp(t->stage, stages[i]) == 0)
            t->seconds[i] = took;
    if (t->stage)
        say(t, "%-11s %41s %8.2f s\n", t->stage, "", took);
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
    say(user, "epoch   %" PRIu32 " of %" PRIu32 ": loss %.4f, accuracy %.4f\n", report->epoch, report->epochs,
        report->loss, report->accuracy);
    return progress_interrupted();
}

static int report_trial(void *user, const dkvb_trial *trial)
{
    say(user,
        "trial   %2" PRIu32 ": keys %5" PRIu32 ", top %2" PRIu32 ", %s, epochs %2" PRIu32
        ", rate %4.1f: accuracy %.4f, loss %.4f on %" PRIu64 " rows held out\n",
        trial->number, trial->keys, trial->top_k, trial->whitened ? "whitened" : "plain   ", trial->epochs,
        trial->learning_rate, trial->accuracy, trial->loss, trial->held_out);
    return progress_interrupted();
}

/* Chooses settings of the model so that its file fits --size; with --tune, only the placement of keys and the
 * whitening. */
static int fit_size(struct train_args *a, const struct train *t)
{
    dkvb_settings suit = a->settings;
    uint64_t bytes = a->most_bytes;
    int code;

    for (size_t i = 0; i < t->names.count; i++)
        /* the model gets the bytes that the class names leave, but at least one byte, as a size of 0 would mean no
         * limit */
        bytes -= bytes > strlen(t->names.line[i]) ? strlen(t->names.line[i]) : bytes - 1;
    code = tool_check_about("--size", dkvb_fit_suit(&suit, t->seen.rows - t->seen.unlabelled, t->x.columns, t->classes,
                                                    DKVB_PRESET_NONE, bytes));
    if (code)
        return code;
    a->settings.keyinit = suit.keyinit;
    a->settings.whiten = suit.whiten;
    if (!a->tune)
        a->settings = suit;
    return EXIT_SUCCESS;
}

static int tune(struct train *t, const dkvb_fit_rows *rows)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_run_options run = progress_start("tune", t->args.threads);
    int code;

    o.trials = t->args.trials;
    o.seconds = t->args.tune_seconds;
    o.report = report_trial;
    o.user = t;
    code = tool_check_about(t->x.path, dkvb_tune(&t->args.settings, rows, &o, &run));
    progress_stop();
    if (code == EXIT_SUCCESS)
        say(t, "tune    the best of %" PRIu32 " trials is taken; --trials %" PRIu32 " repeats them on any machine\n",
            t->args.settings.train.trials, t->args.settings.train.trials);
    return code;
}

static int settle(struct train *t, const dkvb_fit_rows *rows)
{
    struct train_args *a = &t->args;
    int code = EXIT_SUCCESS;

    if ((a->most_bytes > 0 && (code = fit_size(a, t))) || (a->tune && (code = tune(t, rows))) ||
        (a->init_from && (code = share_keys(t))) ||
        (a->key_features && (code = input_features(&t->key_rows, a->key_features, INPUT_BLOCKS, NULL))))
        return code;
    if (a->key_features && t->key_rows.columns != t->x.columns)
        return tool_fail("%s has %zu columns, %s has %zu: they must have the same", t->key_rows.path,
                         t->key_rows.columns, t->x.path, t->x.columns);
    return EXIT_SUCCESS;
}

/* Prints the results of the training on held-out rows, or why the temperature does not come from held-out rows. */
static void say_held_out(const struct train *t)
{
    static const char *const kept[] = {[DKVB_TEMPERATURE_FEW_ROWS] = "too few rows can be held out",
                                       [DKVB_TEMPERATURE_FEW_CLASSES] =
                                           "rows held out are of less than half of the classes"};
    const dkvb_fit_report *r = &t->fitted;

    if (r->temperature_rows > 0)
        say(t, "held out %" PRIu64 " rows: accuracy %.4f; temperature %.3f x spread^%.3f, calibration error %.4f\n",
            r->temperature_rows, r->held_out_accuracy, r->temperature, r->temperature_power, r->calibration_error);
    else
        say(t, "temperature %.3f is %s: %s\n", t->info.temperature, t->args.continue_from ? "kept" : "not fitted",
            kept[r->temperature_kept]);
}

static void say_settings(const struct train *t)
{
    const dkvb_fit_report *r = &t->fitted;

    say(t,
        "model   %" PRIu32 " codebooks of %" PRIu32 " keys, %" PRIu32 " wide, top %" PRIu32 "%s, because %" PRIu64
        " rows\n",
        r->codebooks, r->keys, r->key_dim, r->top_k, r->whitened ? ", rows half whitened" : "", r->labelled);
    if (r->accuracy_plain >= 0)
        say(t, "whiten  %s: accuracy on rows held out %.4f with it, %.4f without (by few codebooks)\n",
            r->whitened ? "yes" : "no", r->accuracy_whitened, r->accuracy_plain);
    if (r->unlearnable > 0)
        say(t, "note    %" PRIu64 " of %" PRIu32 " classes have no row to learn from\n", r->unlearnable, r->classes);
}

/* Makes a model without trained values for rows whose codes were searched by an earlier command. */
static int make_model_of_codes(struct train *t)
{
    const dkvb_array *codes = &t->given.array;
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    int code = share_keys(t);

    if (t->args.settings.top_k)
        o.top_k = t->args.settings.top_k;
    /* the number of selected keys is taken from the array of codes; an array of codes of another shape is refused
     * later */
    else if (codes->ndim == 3 && codes->shape[2] >= 1 && codes->shape[2] <= UINT16_MAX)
        o.top_k = (uint32_t)codes->shape[2];
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_new(&t->model, t->codebooks, t->classes, &o));
    return code;
}

/* Makes the ids of the new training rows larger than all ids in the codes file. The library numbers new training rows
 * after the rows of the codes file, but pictures that cannot be read take numbers too. */
static int number_on(struct train *t)
{
    uint64_t first = 0;

    for (uint32_t p = DKVB_PART_TRAINING; p <= DKVB_PART_HELD_OUT; p++) {
        dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
        int code = tool_check(dkvb_codeset_get_rows(t->set, p, &part));

        if (code)
            return code;
        if (part.n > 0 && part.ids[part.n - 1] >= first)
            first = part.ids[part.n - 1] + 1;
    }
    for (size_t i = 0; i < t->ids.n; i++)
        t->ids.id[i] += first;
    return EXIT_SUCCESS;
}

/* Prints a note if rows were forgotten by their ids, and nobody can check whether this training uses these rows
 * again. */
static int note_unchecked(const struct train *t)
{
    for (uint64_t i = 0; i < t->entries_before && !t->args.codes_out; i++) {
        dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;
        int code = tool_check(dkvb_journal_get(t->model, i, &e));

        if (code)
            return code;
        if (e.in_force && e.rows && !e.by_class)
            tool_note("%s: journal entry %" PRIu64 " forgot %" PRIu64 " rows by their ids%s", t->args.continue_from,
                      e.id, e.rows,
                      e.salted ? "; whether they are among these rows is not checked without the codes file that they "
                                 "were taken out of (--codes-out)"
                               : ", and their salt is gone: nobody can check whether they are among these rows");
    }
    return EXIT_SUCCESS;
}

/* Prepares a training: of a new model, of a model that continues, or with codes in place of rows. */
static int prepare(struct train *t, dkvb_fit_rows *rows)
{
    const struct train_args *a = &t->args;
    int code;

    if ((code = a->continue_from ? continue_model(t) : make_model_of_codes(t)) ||
        (args_given(&train_command, a, "values") &&
         (code = tool_check(dkvb_model_set_values(t->model, NULL, train_value_types[a->values])))) ||
        (code = describe_model(t)) || (a->codes && (code = codes_check_shape(&t->given, &t->info))) ||
        (a->codes_out && (code = codeset_read(&t->set, a->codes_out, t->model, a->threads))))
        return code;
    t->entries_before = t->info.journal_entries;
    rows->codes = t->given.codes;
    rows->k = a->codes ? t->info.top_k : 0;
    if (a->codes_out && !a->ids && !pictures_source(&a->pictures))
        rows->ids = NULL;
    return a->codes_out && !a->ids && pictures_source(&a->pictures) ? number_on(t) : EXIT_SUCCESS;
}

/* Makes a model, or continues its training. The error message about a failed training names the codes, or the rows, or
 * the model and its codes file. */
static int fit(struct train *t)
{
    struct train_args *a = &t->args;
    bool more = a->continue_from || a->codes;
    dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;
    dkvb_run_options run;
    dkvb_status rc;
    int code;

    rows.x = t->x.x, rows.source = t->x.source, rows.dim = t->x.columns;
    rows.labels = t->y.y, rows.n = t->y.rows;
    rows.ids = t->ids.id, rows.names = (const char *const *)t->ids.name;
    rows.classes = t->classes;
    rows.groups = t->x.info.groups;
    a->settings.train.report = report_epoch;
    a->settings.train.user = t;
    if ((code = more ? prepare(t, &rows) : settle(t, &rows)))
        return code;
    o.settings = &a->settings;
    o.values_dtype = train_value_types[a->values];
    o.keep = a->keep;
    o.keep_names = a->keep_names;
    o.in_place = a->in_place;
    o.depth = a->depth;
    o.hold_out = a->hold_out;
    o.count_classes = a->keep_counts;
    o.codebooks = t->codebooks;
    o.key_rows = t->key_rows.x, o.key_source = t->key_rows.source, o.key_row_count = t->key_rows.rows;
    o.stage = begin_stage;
    o.user = t;
    run = progress_start(more ? "search" : "fit", a->threads);
    run.outside = a->codes ? NULL : outside_count(&t->x);
    t->stage_began = progress_clock();
    rc = more ? dkvb_fit_more(t->model, t->set, &rows, &o, &t->fitted, &run)
              : dkvb_fit(&t->model, a->codes_out ? &t->set : NULL, &rows, &o, &t->fitted, &run);
    if (rc == DKVB_EMISMATCH && t->set && a->continue_from)
        code = tool_check_both(a->continue_from, a->codes_out, rc);
    else if (rc == DKVB_ESTATE && a->continue_from)
        code = tool_check_about(a->continue_from, rc);
    else
        code = tool_check_about(a->codes ? a->codes : t->x.path, rc);
    end_stage(t);
    if (code || (code = describe_model(t)))
        return code;
    if (!more)
        say_settings(t);
    say_held_out(t);
    outside_note(t->x.path, &t->x.outside);
    return EXIT_SUCCESS;
}

/* Finds the classes without a held-out row in the codes file: a class with so few rows that fewer than three would be
 * left for training has none. */
static int survey_held_out(struct train *t)
{
    dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;
    int code = t->set ? tool_check(dkvb_codeset_get_rows(t->set, DKVB_PART_HELD_OUT, &rows)) : EXIT_SUCCESS;

    if (code == EXIT_SUCCESS && rows.n > 0)
        code =
            tool_check(dkvb_labels_survey(&t->measured, rows.labels, rows.n, t->info.classes, DKVB_LABELS_ANY, NULL));
    return code;
}

/* Returns the number of the forgetting that the training at journal entry `index` ended, as the journal entry says; 0
 * if the training ended no forgetting. */
static uint64_t ended_by(const struct train *t, uint64_t index)
{
    dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

    return dkvb_journal_get(t->model, index, &entry) == DKVB_OK ? entry.ends : 0;
}

static void print_json(const struct train *t)
{
    const dkvb_fit_report *r = &t->fitted;
    char key[32];

    json_open(NULL, '{');
    json_count("n", t->y.rows);
    json_count("held_out", r->held_out);
    json_count("classes_not_held_out", t->measured.empty);
    json_text("not_held_out", t->measured.empty_list);
    json_count("unlearnable", r->unlearnable);
    json_count("unlabelled", t->seen.unlabelled);
    json_count("classes_without_rows", t->seen.empty);
    json_text("without_rows", t->seen.empty_list);
    json_count("outlying_values", t->values.outlying);
    pictures_json_left_out(&t->left);
    json_count_if("rows_outside_scale", !t->args.codes, t->x.outside.rows);
    json_text("encoder", t->encoder[0] ? t->encoder : NULL);
    json_count("classes", t->info.classes);
    json_count("codebooks", t->info.codebooks);
    json_count("keys", t->info.keys);
    json_count("key_dim", t->info.key_dim);
    json_count("top_k", t->info.top_k);
    json_count("epochs", r->epochs);
    json_number("whitened_accuracy", r->accuracy_whitened);
    json_number("plain_accuracy", r->accuracy_plain);
    json_bool("whitened", r->whitened != 0);
    json_count("trials", t->args.settings.train.trials);
    json_count("temperature_rows", r->temperature_rows);
    json_number("temperature", t->info.temperature);
    json_number("temperature_power", t->info.temperature_power);
    json_bool("temperature_kept", r->temperature_kept != 0 && t->args.continue_from);
    json_number("calibration_error", r->calibration_error);
    json_number("held_out_accuracy", r->held_out_accuracy);
    json_open("relearned", '[');
    for (uint64_t i = t->entries_before; i < t->info.journal_entries; i++)
        json_count(NULL, ended_by(t, i));
    json_close(']');
    json_number("loss", r->loss);
    json_number("accuracy", r->accuracy);
    for (size_t i = 0; i < STAGES; i++) {
        snprintf(key, sizeof key, "seconds_%s", stages[i]);
        json_number(key, t->seconds[i]);
    }
    json_number("seconds_files", progress_file_seconds());
    json_number("seconds", progress_clock() - t->began);
    json_close('}');
}

static void print_written(const struct train *t)
{
    for (uint64_t i = t->entries_before; i < t->info.journal_entries; i++)
        printf("journal entry %" PRIu64 " is over: what it forgot was taught again\n", ended_by(t, i));
    if (t->args.codes_out)
        printf("wrote   %s: %zu rows%s, %" PRIu64 " of them held out to measure effects on\n", t->args.codes_out,
               t->y.rows, t->args.continue_from ? " more" : "", t->fitted.held_out);
    if (t->measured.empty > 0)
        printf("note    %" PRIu32 " of %" PRIu32
               " classes are too small to hold rows out, so forgetting them cannot be "
               "measured: %s\n",
               t->measured.empty, t->measured.classes, t->measured.empty_list);
    printf("wrote   %-50s %8.2f s in all\n", t->args.output, progress_clock() - t->began);
}

int cmd_train(int argc, char **argv)
{
    struct train t = {.began = progress_clock(),
                      .fitted = DKVB_FIT_REPORT_INIT,
                      .seen = DKVB_LABELS_INFO_INIT,
                      .measured = DKVB_LABELS_INFO_INIT,
                      .values = DKVB_FEATURES_INFO_INIT};
    int code;

    if (!args_parse(&train_command, argc, argv, &t.args, &code))
        return code;
    if ((code = train_check_args(&t.args)) || (code = train_claim_paths(&t.args)) || (code = read_inputs(&t)) ||
        (code = fit(&t)) || (code = survey_held_out(&t)) || (code = note_unchecked(&t)) ||
        (code = t.args.codes_out ? output_model_with(t.model, t.args.output, t.set, t.args.codes_out)
                                 : output_model(t.model, t.args.output)))
        goto end;
    t.args.json ? print_json(&t) : print_written(&t);
end:
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
