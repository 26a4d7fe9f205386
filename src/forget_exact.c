/* The strength "exact": the values are trained again from stored codes without the rows; and if the keys were placed on
 * those rows too, they are placed again without them, and every row is searched again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Effects on the rows held out, of values that are not in place yet: the model's file still has the old ones. */
static int measure(struct forget *f, const dkvb_model *after)
{
    dkvb_run_options run;
    dkvb_model *before = NULL;
    dkvb_model_info info;
    int code;

    if (f->held.n == 0)
        return EXIT_SUCCESS;
    run = progress_start("effects", f->args.threads);
    f->effects = input_memory("effects", sizeof *f->effects, f->info.classes, 1, 1);
    code = f->effects ? input_model_map(&before, f->args.args.operand[0], &info) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_effect_compare(before, after, &f->held, f->effects, &run));
    progress_stop();
    dkvb_model_free(before);
    return code ? code : forget_guard_effects(f);
}

/* What the journal says of a replay. */
static dkvb_forget_options replay_options(const struct forget *f, uint32_t keys, const uint8_t *after)
{
    dkvb_forget_options o = forget_options(f, f->set.classes, f->effects);

    o.method = "replay";
    o.keys = keys;
    o.after = after;
    return o;
}

/* Put new values in place, with an entry of the journal. `keys`: what became of the keys; `after`: the head of the
 * journal that this one goes on from, or NULL. */
static int commit(struct forget *f, dkvb_replay *trained, uint32_t keys, const uint8_t *after)
{
    dkvb_forget_options o = replay_options(f, keys, after);
    uint64_t id;
    int code;

    code = tool_check(dkvb_replay_commit(trained, &o, &id));
    return code ? code : journal_find(f->model, id, &f->entry);
}

/* A temperature follows from the rows held out: it is fitted again, without those that go. */
static int fit_temperature(const struct forget *f)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_model *model = f->model;
    double temperature, power;
    int code = tool_check(dkvb_model_get_info(model, &info));
    dkvb_run_options run;
    dkvb_status rc;

    if (code || info.temperature == 1.0)
        return code;
    run = progress_start("temperature", f->args.threads);
    rc = dkvb_codeset_fit_temperature(f->codeset, model, &temperature, &power, &run);
    progress_stop();
    if (rc == DKVB_ENOTFOUND) /* too few are left: as where there were too few at first */
        return tool_check(dkvb_model_set_temperature(model, 1.0, 0.0));
    return rc ? tool_check(rc) : tool_check(dkvb_model_set_temperature(model, temperature, power));
}

/* Values trained once without the rows, on the keys as they are: measured, judged, and put in place. */
static int replay(struct forget *f)
{
    dkvb_run_options run = progress_start("values", f->args.threads);
    dkvb_replay *trained = NULL;
    int code = tool_check_both(f->args.args.operand[0], f->args.codes,
                               dkvb_replay_new(&trained, f->model, f->codeset, f->set.ids, f->set.id_count, &run));

    progress_stop();
    if (code == EXIT_SUCCESS)
        code = measure(f, dkvb_replay_model(trained));
    if (code == EXIT_SUCCESS)
        code = forget_refuse(f);
    if (code == EXIT_SUCCESS)
        code = commit(f, trained, DKVB_KEYS_KEPT, NULL);
    dkvb_replay_free(trained);
    return code;
}

struct again {
    struct features x;
    struct ids ids;
    int32_t *labels;
    uint8_t *held_out;
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_keyinit_options keyinit;
    dkvb_replay *trained;
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
    a->labels = input_memory("labels", sizeof *a->labels, a->x.rows, 1, 1);
    a->held_out = input_memory("rows held out", 1, a->x.rows, 1, 1);
    if (!a->labels || !a->held_out)
        return EXIT_FAILURE;
    return keep_known_rows(f, a);
}

/* Keys of the rows that are left, as they were placed at first, and a model that has learned nothing yet. */
static int key_again(struct forget *f, struct again *a)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_run_options run = progress_start("keys", f->args.threads);
    int code;

    o.top_k = f->info.top_k;
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
        code = tool_check(dkvb_model_set_temperature(a->model, f->info.temperature, f->info.temperature_power));
    if (code == EXIT_SUCCESS && f->info.class_counts) /* of no row yet, so that the replay counts */
        code = tool_check(dkvb_model_count_classes(a->model, NULL, o.top_k, NULL, 0, NULL));
    return code;
}

/* A codes file of the new codes with the old sessions, and the values that they train. */
static int train_again(struct forget *f, struct again *a, uint32_t keep)
{
    dkvb_codeset_options o = DKVB_CODESET_OPTIONS_INIT;
    dkvb_codeset_source source = DKVB_CODESET_SOURCE_INIT;
    dkvb_run_options run = progress_start("search", f->args.threads);
    int code;

    o.top_k = f->info.top_k;
    o.depth = f->held.k;
    o.keep = keep;
    source.x = a->x.x;
    source.n = a->x.rows;
    source.dim = a->x.columns;
    source.ids = a->ids.id;
    source.labels = a->labels;
    source.held_out = a->held_out;
    code = tool_check(dkvb_codeset_new(&a->set, a->codebooks, &o));
    if (code == EXIT_SUCCESS)
        code = tool_check_about(a->x.path, dkvb_codeset_add_features(a->set, a->codebooks, &source, &run));
    progress_stop();
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_set_keyinit(a->set, &a->keyinit));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_copy_sessions(a->set, f->codeset));
    if (code)
        return code;
    run = progress_start("values", f->args.threads);
    code = tool_check(dkvb_replay_new(&a->trained, a->model, a->set, NULL, 0, &run));
    progress_stop();
    return code;
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
    code = after ? tool_check(dkvb_effect_answer(dkvb_replay_model(a->trained), NULL, &left, after, NULL, NULL))
                 : EXIT_FAILURE;
    f->effects = input_memory("effects", sizeof *f->effects, f->info.classes, 1, 1);
    if (!f->effects)
        code = EXIT_FAILURE;
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
    uint8_t after[32]; /* the new journal begins with the head of the old one */
    dkvb_codeset_info info = DKVB_CODESET_INFO_INIT;
    dkvb_model *old = f->model;
    int code = check_no_mask(f);

    if (code == EXIT_SUCCESS)
        code = tool_check_both(f->args.args.operand[0], f->args.codes,
                               dkvb_replay_check(f->model, f->codeset, f->set.ids, f->set.id_count, NULL));
    if (code == EXIT_SUCCESS && f->held.n > 0)
        code = answer_before(f, a);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_info(f->codeset, &info));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_remove(f->codeset, f->set.ids, f->set.id_count, NULL));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_rows(f->codeset, DKVB_PART_HELD_OUT, &f->held));
    if (code == EXIT_SUCCESS)
        code = read_again(f, a);
    if (code == EXIT_SUCCESS)
        code = key_again(f, a);
    if (code == EXIT_SUCCESS) /* a file that keeps no features is not to have them all of a sudden */
        code = train_again(f, a, info.dtype[0] || info.dtype[1] ? DKVB_KEPT_AUTO : DKVB_KEPT_CODES);
    if (code == EXIT_SUCCESS)
        code = judge_again(f, a);
    if (code)
        return code;
    hex_parse(f->head, after, sizeof after);
    f->model = a->model;
    code = commit(f, a->trained, DKVB_KEYS_PLACED, after);
    a->model = old;
    if (code)
        return code;
    dkvb_codeset_free(f->codeset);
    f->codeset = a->set;
    f->keys_placed = true;
    a->set = NULL;
    return fit_temperature(f);
}

static void again_free(struct again *a)
{
    input_features_free(&a->x);
    ids_free(&a->ids);
    free(a->labels);
    free(a->held_out);
    free(a->before);
    free(a->before_ids);
    dkvb_replay_free(a->trained); /* before the model that it is of */
    dkvb_codebooks_free(a->codebooks);
    dkvb_model_free(a->model);
    dkvb_codeset_free(a->set);
}

int forget_exact(struct forget *f)
{
    struct again a = {.keyinit = DKVB_KEYINIT_OPTIONS_INIT};
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
    if (code == EXIT_SUCCESS && f->args.key_features && !f->args.dry_run) {
        code = place_again(f, &a);
        again_free(&a);
    } else if (code == EXIT_SUCCESS) {
        code = replay(f);
        if (code == EXIT_SUCCESS)
            code = tool_check(dkvb_codeset_remove(f->codeset, f->set.ids, f->set.id_count, NULL));
        if (code == EXIT_SUCCESS)
            code = fit_temperature(f);
    }
    return code ? code : forget_refuse(f);
}
