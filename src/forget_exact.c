/* The strength "exact": the values are trained again from stored codes without the rows; and if the keys were placed on
 * those rows too, they are placed again without them, and every row is searched again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codeset.h"
#include "forget.h"
#include "hex.h"
#include "journal.h"
#include "output.h"
#include "progress.h"
#include "tool.h"

/* What masked these very rows before would only be a trace of them: taken back. */
static int lift_earlier(struct forget *f)
{
    uint64_t count = dkvb_journal_count(f->model);
    int code = EXIT_SUCCESS;

    for (uint64_t id = 1; id <= count && code == EXIT_SUCCESS; id++) {
        dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

        code = tool_check(dkvb_journal_get(f->model, id - 1, &entry));
        if (code == EXIT_SUCCESS && entry.kind == DKVB_JOURNAL_FORGET && entry.state == DKVB_JOURNAL_ACTIVE &&
            dkvb_journal_names_rows(f->model, id, f->set.ids, f->set.id_count)) {
            code = tool_check(dkvb_model_undo(f->model, id));
            f->lifted++;
        }
    }
    return code;
}

/* What the rows held out answer before and after. */
static int measure(struct forget *f, const dkvb_model *before, const dkvb_model *after)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    if (f->held.n == 0)
        return EXIT_SUCCESS;
    run.threads = f->args.threads;
    f->effects = input_memory("effects", sizeof *f->effects, f->info.classes, 1, 1);
    if (!f->effects)
        return EXIT_FAILURE;
    return tool_check(dkvb_effect_compare(before, after, &f->held, f->effects, &run));
}

/* What the journal says of a replay. */
static dkvb_forget_options replay_options(const struct forget *f, const char *parameters, char *effect)
{
    dkvb_forget_options o = forget_options(f, f->effects, parameters, effect);

    o.method = "replay";
    return o;
}

static int replay(struct forget *f)
{
    dkvb_run_options run = progress_start("values", f->args.threads);
    char parameters[FORGET_TEXT], effect[FORGET_TEXT], classes[128];
    dkvb_forget_options o;
    uint64_t id;
    int code;

    forget_class_text(f, f->set.classes, classes, sizeof classes);
    snprintf(parameters, sizeof parameters, "%srows=%zu keys=kept", classes, f->set.id_count);
    o = replay_options(f, parameters, effect);
    code = tool_check_both(f->args.args.operand[0], f->args.codes,
                           dkvb_model_replay(f->model, f->codeset, f->set.ids, f->set.id_count, &o, &id, &run));
    progress_stop();
    return code ? code : journal_find(f->model, id, &f->entry);
}

struct again {
    struct features x;
    struct ids ids;
    int32_t *labels, *taught;
    uint8_t *held_out;
    uint16_t *codes;
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_keyinit_options keyinit;
    dkvb_train_options training;
    int32_t *before;      /* [answered], of the rows that were held out before */
    uint64_t *before_ids; /* [answered] */
    size_t answered;
};

/* The rows of --key-features that are still in the codeset, in the order of the file: moved up in place, with their
 * ids, labels, and whether they are held out. */
static int keep_known_rows(const struct forget *f, struct again *a)
{
    dkvb_codeset_rows training = DKVB_CODESET_ROWS_INIT;
    size_t kept = 0, columns = a->x.columns;
    int code = tool_check(dkvb_codeset_get_rows(f->codeset, DKVB_PART_TRAINING, &training));

    for (size_t i = 0; i < a->x.rows && code == EXIT_SUCCESS; i++) {
        size_t t = dkvb_codeset_find(&training, a->ids.id[i]), h = dkvb_codeset_find(&f->held, a->ids.id[i]);

        if (t == training.n && h == f->held.n)
            continue;
        memmove(a->x.x + kept * columns, a->x.x + i * columns, columns * sizeof *a->x.x);
        a->held_out[kept] = t == training.n;
        a->labels[kept] = t < training.n ? training.labels[t] : f->held.labels[h];
        a->taught[kept] = t < training.n ? training.labels[t] : -1;
        a->ids.id[kept++] = a->ids.id[i];
    }
    if (code == EXIT_SUCCESS && kept != training.n + f->held.n)
        code = tool_fail("%s: %zu of its rows are in %s, which has %zu: all of them are wanted, to place the keys on",
                         a->x.path, kept, f->args.codes, training.n + f->held.n);
    a->x.rows = a->ids.n = kept;
    return code;
}

/* Placing keys again gives new codebooks: masks of the old ones mean nothing there. */
static int check_no_mask(const struct forget *f)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    int code = tool_check(dkvb_model_get_info(f->model, &info));

    if (code == EXIT_SUCCESS && info.masked_pairs + info.purged_pairs > 0)
        code =
            tool_fail("%s: %" PRIu64 " pairs are masked or purged for other rows, and new keys would bring those back: "
                      "undo what can be undone and name its rows here too, or keep the keys (--keep-keys)",
                      f->args.args.operand[0], info.masked_pairs + info.purged_pairs);
    return code;
}

static int read_again(struct forget *f, struct again *a)
{
    int code = input_features_for(&a->x, f->args.key_features, &f->info);

    if (code == EXIT_SUCCESS)
        code = ids_of_rows(&a->ids, f->args.ids, a->x.path, a->x.rows);
    if (code)
        return code;
    a->labels = input_memory("labels", sizeof *a->labels, a->x.rows, 2, 1);
    a->held_out = input_memory("rows held out", 1, a->x.rows, 1, 1);
    a->codes = input_memory("codes", sizeof *a->codes, a->x.rows, f->info.codebooks, f->info.top_k);
    if (!a->labels || !a->held_out || !a->codes)
        return EXIT_FAILURE;
    a->taught = a->labels + a->x.rows;
    return keep_known_rows(f, a);
}

/* Keys, codes and values from the rows that are left, as they were made at first. */
static int train_again(struct forget *f, struct again *a)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_run_options run = progress_start("keys", f->args.threads);
    int code;

    o.top_k = f->info.top_k;
    a->training.ids = a->ids.id;
    code = tool_check_about(a->x.path,
                            dkvb_codebooks_fit(&a->codebooks, a->x.x, a->x.rows, a->x.columns, &a->keyinit, &run));
    progress_stop();
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_new(&a->model, a->codebooks, f->info.classes, &o));
    for (uint32_t l = 0; l < f->info.classes && code == EXIT_SUCCESS; l++)
        code = tool_check(dkvb_model_set_class_name(a->model, l, dkvb_model_class_name(f->model, l)));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_set_values_dtype(a->model, f->info.values_dtype));
    if (code == EXIT_SUCCESS)
        code = codes_search(a->model, &a->x, f->args.threads, a->codes, NULL);
    if (code)
        return code;
    run = progress_start("values", f->args.threads);
    code = tool_check(dkvb_model_train(a->model, a->codes, o.top_k, a->taught, a->x.rows, &a->training, &run));
    if (code == EXIT_SUCCESS && f->info.class_counts)
        code = tool_check(dkvb_model_count_classes(a->model, a->codes, o.top_k, a->taught, a->x.rows, &run));
    progress_stop();
    return code;
}

static int keep_codes_again(const struct forget *f, struct again *a)
{
    const struct codeset_source source = {.model = a->model,
                                          .x = &a->x,
                                          .ids = &a->ids,
                                          .labels = a->labels,
                                          .held_out = a->held_out,
                                          .codes = a->codes,
                                          .depth = f->held.k,
                                          .threads = f->args.threads};
    int code = codeset_make(&a->set, &source);

    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_set_keyinit(a->set, &a->keyinit));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_set_training(a->set, &a->training));
    return code;
}

/* The new model has a journal of its own: a replay without further rows writes its first entry, which names the head of
 * the journal before. */
static int begin_journal(struct forget *f, struct again *a)
{
    char parameters[FORGET_TEXT], effect[FORGET_TEXT], classes[96];
    dkvb_forget_options o;
    uint64_t id;
    int code;

    forget_class_text(f, f->set.classes, classes, sizeof classes);
    snprintf(parameters, sizeof parameters, "%srows=%zu keys=placed-again after=%s", classes, f->set.id_count, f->head);
    o = replay_options(f, parameters, effect);
    code = tool_check(dkvb_model_replay(a->model, a->set, NULL, 0, &o, &id, NULL));
    return code ? code : journal_find(a->model, id, &f->entry);
}

/* What the rows held out were answered before, with their ids: the codeset that has them is about to change. */
static int answer_before(const struct forget *f, struct again *a)
{
    dkvb_model_info info;
    dkvb_model *before = NULL;
    int code = input_model_map(&before, f->args.args.operand[0], &info);

    a->answered = f->held.n;
    a->before = input_memory("answers", sizeof *a->before, f->held.n, 1, 1);
    a->before_ids = input_memory("row ids", sizeof *a->before_ids, f->held.n, 1, 1);
    if (!a->before || !a->before_ids)
        code = EXIT_FAILURE;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_effect_answer(before, NULL, &f->held, a->before, NULL, NULL));
    for (size_t i = 0; code == EXIT_SUCCESS && i < f->held.n; i++)
        a->before_ids[i] = f->held.ids[i];
    dkvb_model_free(before);
    return code;
}

/* The effects of new keys and values on the rows held out that are left, and whether they may stand. */
static int judge_again(struct forget *f, const struct again *a)
{
    dkvb_codeset_rows left = DKVB_CODESET_ROWS_INIT, old = {.n = a->answered, .ids = a->before_ids};
    dkvb_class_effect none = {0};
    int32_t *after;
    int code = tool_check(dkvb_codeset_get_rows(a->set, DKVB_PART_HELD_OUT, &left));

    if (code || left.n == 0)
        return code;
    after = input_memory("answers", sizeof *after, left.n, 1, 1);
    code = after ? tool_check(dkvb_effect_answer(a->model, NULL, &left, after, NULL, NULL)) : EXIT_FAILURE;
    memset(f->effects, 0, f->info.classes * sizeof *f->effects);
    for (size_t i = 0; code == EXIT_SUCCESS && i < left.n; i++) {
        size_t was = dkvb_codeset_find(&old, left.ids[i]);
        bool right_before = was < old.n && a->before[was] == left.labels[i], right_after = after[i] == left.labels[i];
        dkvb_class_effect *e = left.labels[i] < 0 ? &none : &f->effects[left.labels[i]];

        e->rows++;
        e->right_before += right_before;
        e->right_after += right_after;
        e->lost += right_before && !right_after;
        e->gained += right_after && !right_before;
    }
    for (uint32_t l = 0; code == EXIT_SUCCESS && l < f->info.classes; l++)
        dkvb_effect_add(&f->effects[l], &(dkvb_class_effect){0});
    free(after);
    return code ? code : forget_guard_effects(f);
}

static int place_again(struct forget *f, struct again *a)
{
    int code = check_no_mask(f);

    f->refusal[0] = '\0'; /* what the old keys would have given is not what will be written */
    if (code == EXIT_SUCCESS && f->held.n > 0)
        code = answer_before(f, a);

    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_training(f->codeset, &a->training));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_remove(f->codeset, f->set.ids, f->set.id_count, NULL));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_rows(f->codeset, DKVB_PART_HELD_OUT, &f->held));
    if (code == EXIT_SUCCESS)
        code = read_again(f, a);
    if (code == EXIT_SUCCESS)
        code = train_again(f, a);
    if (code == EXIT_SUCCESS)
        code = keep_codes_again(f, a);
    if (code == EXIT_SUCCESS && f->effects)
        code = judge_again(f, a);
    if (code == EXIT_SUCCESS)
        code = begin_journal(f, a);
    if (code)
        return code;
    dkvb_model_free(f->model);
    dkvb_codeset_free(f->codeset);
    f->model = a->model;
    f->codeset = a->set;
    f->keys_placed = true;
    a->model = NULL;
    a->set = NULL;
    return EXIT_SUCCESS;
}

static void again_free(struct again *a)
{
    input_features_free(&a->x);
    ids_free(&a->ids);
    free(a->labels);
    free(a->held_out);
    free(a->codes);
    free(a->before);
    free(a->before_ids);
    dkvb_codebooks_free(a->codebooks);
    dkvb_model_free(a->model);
    dkvb_codeset_free(a->set);
}

/* A model on the same keys that learned these labels of the codes file, as the file says that it was taught; with the
 * mask in force of f->model. */
static int teach(const struct forget *f, const int32_t *labels, dkvb_model **out)
{
    dkvb_codeset_rows training = DKVB_CODESET_ROWS_INIT;
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_run_options run = progress_start("check", f->args.threads);
    dkvb_mask *mask = NULL;
    int code = tool_check(dkvb_codeset_get_training(f->codeset, &o));

    options.top_k = f->info.top_k;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_rows(f->codeset, DKVB_PART_TRAINING, &training));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_new(out, dkvb_model_codebooks(f->model), f->info.classes, &options));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_set_values_dtype(*out, f->info.values_dtype));
    o.ids = training.ids;
    if (code == EXIT_SUCCESS)
        code = tool_check_about(f->args.codes,
                                dkvb_model_train(*out, training.codes, options.top_k, labels, training.n, &o, &run));
    progress_stop();
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_get_mask(f->model, &mask));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_forget(*out, mask, NULL, NULL));
    dkvb_mask_free(mask);
    return code;
}

/* Values of a model of these classes, to be free()d. */
static int copy_values(const struct forget *f, const dkvb_model *model, float **values)
{
    *values = input_memory("values", sizeof **values, f->info.codebooks, f->info.keys, f->info.classes);
    return *values ? tool_check(dkvb_model_get_values(model, *values)) : EXIT_FAILURE;
}

static int compare_values(const struct forget *f, const dkvb_model *a, const dkvb_model *b, bool *same)
{
    float *of_a = NULL, *of_b = NULL;
    int code = copy_values(f, a, &of_a);

    if (code == EXIT_SUCCESS)
        code = copy_values(f, b, &of_b);
    *same = code == EXIT_SUCCESS &&
            memcmp(of_a, of_b, (size_t)f->info.codebooks * f->info.keys * f->info.classes * sizeof *of_a) == 0;
    free(of_a);
    free(of_b);
    return code;
}

/*
 * Codes of another model that shares the keys would replace all that this one knows. They are its own if they teach
 * what it knows; or if it knows already what they teach without the rows: then the model was written, and they were
 * not.
 */
static int check_origin(const struct forget *f, const dkvb_model *without)
{
    dkvb_model *all = NULL;
    bool same = false, done = false;
    int code = teach(f, f->set.labels, &all);

    if (code == EXIT_SUCCESS)
        code = compare_values(f, f->model, all, &same);
    if (code == EXIT_SUCCESS && !same)
        code = compare_values(f, f->model, without, &done);
    dkvb_model_free(all);
    if (code == EXIT_SUCCESS && !same && !done)
        code = tool_fail(
            "%s teaches other values than %s has: it is not what the model was trained on, or not in this way",
            f->args.codes, f->args.args.operand[0]);
    return code;
}

/* With the keys as they are: are these its codes, what would be different, and may that be? Nothing is changed. Values
 * of purged pairs are gone, so there is nothing to compare with then. */
static int try_without(struct forget *f)
{
    int32_t *labels = input_memory("labels", sizeof *labels, f->set.n, 1, 1);
    dkvb_model *before = NULL, *without = NULL;
    dkvb_model_info info;
    int code = labels ? input_model_map(&before, f->args.args.operand[0], &info) : EXIT_FAILURE;

    for (size_t i = 0; labels && i < f->set.n; i++)
        labels[i] = f->set.marks[i] == DKVB_FORGET ? -1 : f->set.labels[i];
    if (code == EXIT_SUCCESS)
        code = teach(f, labels, &without);
    if (code == EXIT_SUCCESS)
        code = check_origin(f, without);
    if (code == EXIT_SUCCESS)
        code = measure(f, before, without);
    if (code == EXIT_SUCCESS)
        code = forget_guard_effects(f);
    dkvb_model_free(without);
    dkvb_model_free(before);
    free(labels);
    return code;
}

int forget_exact(struct forget *f)
{
    struct again a = {.keyinit = DKVB_KEYINIT_OPTIONS_INIT, .training = DKVB_TRAIN_OPTIONS_INIT};
    bool own_keys = dkvb_codeset_get_keyinit(f->codeset, &a.keyinit) == DKVB_OK;
    int code;

    if (own_keys && !f->args.key_features && !f->args.keep_keys && !f->args.dry_run)
        return tool_fail(
            "%s: the keys were placed on rows that are to be forgotten too. --key-features X (the rows that it was "
            "trained on) places them again without those; --keep-keys leaves the keys, and what they show of "
            "the rows, as they are",
            f->args.args.operand[0]);
    if (!own_keys && f->args.key_features)
        return tool_fail("%s: its keys were placed on other rows: --key-features is of no use", f->args.codes);
    code = lift_earlier(f);
    if (code == EXIT_SUCCESS && f->info.purged_pairs == 0)
        code = try_without(f);
    if (code == EXIT_SUCCESS && !f->args.key_features)
        code = forget_refuse(f);
    if (code == EXIT_SUCCESS && !f->args.key_features)
        code = replay(f);
    if (code == EXIT_SUCCESS && f->args.key_features && !f->args.dry_run) {
        code = place_again(f, &a);
        again_free(&a);
    } else if (code == EXIT_SUCCESS) {
        code = tool_check(dkvb_codeset_remove(f->codeset, f->set.ids, f->set.id_count, NULL));
    }
    return code ? code : forget_refuse(f);
}
