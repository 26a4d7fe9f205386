/* Who is to be forgotten: rows of a codes file, of plain codes or of features; or classes, by name alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codeset.h"
#include "forget.h"
#include "tool.h"

/* set.classes from --class. */
static int mark_classes(struct forget *f)
{
    bool *chosen = NULL;
    int code = input_classes(&chosen, f->args.classes, f->model, f->info.classes);

    if (code == EXIT_SUCCESS) {
        f->set.classes = input_memory("the classes", 1, f->info.classes, 1, 1);
        code = f->set.classes ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    for (uint32_t l = 0; code == EXIT_SUCCESS && l < f->info.classes; l++)
        f->set.classes[l] = chosen[l] ? DKVB_FORGET : DKVB_KEEP;
    free(chosen);
    return code;
}

static bool is_chosen(const struct forget *f, int32_t label)
{
    return label >= 0 && (uint32_t)label < f->info.classes && f->set.classes[label] == DKVB_FORGET;
}

/* Mark the rows of the chosen classes, given all labels, and note what they are called. ids NULL: row numbers. */
static int mark_by_labels(struct forget *f, const int32_t *labels, const uint64_t *ids)
{
    struct forget_set *set = &f->set;

    set->labels = labels;
    for (size_t i = 0; i < set->n; i++) {
        set->marks[i] = is_chosen(f, labels[i]) ? DKVB_FORGET : DKVB_KEEP;
        if (set->marks[i] == DKVB_FORGET)
            set->ids[set->id_count++] = ids ? ids[i] : i;
    }
    set->rows = set->id_count;
    return EXIT_SUCCESS;
}

static int no_rows(const struct forget *f, const char *path, size_t n)
{
    return tool_fail("%s: none of %zu labels is of class %s, so there is nothing to forget", path, n, f->args.classes);
}

/* Rows of the part held out are forgotten too, though they taught nothing: they are to be called by their ids. */
static void add_held_out(struct forget *f)
{
    for (size_t i = 0; i < f->held.n; i++)
        if (is_chosen(f, f->held.labels[i]))
            f->set.ids[f->set.id_count++] = f->held.ids[i];
}

static int mark_by_ids(struct forget *f, const dkvb_codeset_rows *training)
{
    struct forget_set *set = &f->set;
    int code = ids_read(&f->rows, f->args.rows);

    set->labels = training->labels;
    for (size_t i = 0; code == EXIT_SUCCESS && i < f->rows.n; i++) {
        size_t at = dkvb_codeset_find(training, f->rows.id[i]);

        if (at == training->n && dkvb_codeset_find(&f->held, f->rows.id[i]) == f->held.n)
            return tool_fail("%s: row %zu asks for id %" PRIu64 ", %s has no such row (any more)", f->rows.path, i,
                             f->rows.id[i], f->args.codes);
        if (at < training->n) {
            set->marks[at] = DKVB_FORGET;
            set->rows++;
        }
        set->ids[set->id_count++] = f->rows.id[i];
    }
    if (code == EXIT_SUCCESS && set->id_count == 0)
        code = tool_fail("%s: no ids, so there is nothing to forget", f->rows.path);
    return code;
}

/* Labels of a codes file are those of the model that it was made with. */
static int check_labels(const struct forget *f, const dkvb_codeset_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        if (rows->labels[i] >= 0 && (uint32_t)rows->labels[i] >= f->info.classes)
            return tool_fail(
                "%s: the row with id %" PRIu64 " has label %" PRId32 ", the classes of %s are 0 to %" PRIu32,
                f->args.codes, rows->ids[i], rows->labels[i], f->args.args.operand[0], f->info.classes - 1);
    return EXIT_SUCCESS;
}

/* A mask is chosen by rows that taught the values something. */
static int check_taught(const struct forget *f)
{
    if (f->set.rows > 0 || f->args.exact)
        return EXIT_SUCCESS;
    return tool_fail(
        "%s: all %zu rows to be forgotten are held out: the values never learned from them, and there is nothing "
        "to mask",
        f->args.codes, f->set.id_count);
}

/* The method `values` looks at no code of a row that was trained on: where features are kept, most of the search is
 * saved. */
static bool needs_codes(const struct forget *f)
{
    return f->args.exact || f->args.rows || forget_method(f) != DKVB_METHOD_VALUES;
}

/* Marks of the classes for the sample of rows held out: classes forgotten earlier are looked at in full too. To be
 * free()d. */
static int mark_for_sample(const struct forget *f, uint8_t **classes)
{
    *classes = input_memory("the classes", 1, f->info.classes, 1, 1);
    if (!*classes)
        return EXIT_FAILURE;
    memcpy(*classes, f->set.classes, f->info.classes);
    return forget_put_earlier_aside(f, *classes);
}

/* Where features are kept, rows held out are searched deep: only those that are looked at. Training again needs all. */
static int thin_held_out(struct forget *f)
{
    uint8_t *classes;
    int code = mark_for_sample(f, &classes);

    if (code == EXIT_SUCCESS)
        code = tool_check_about(f->args.codes, dkvb_effect_thin(f->codeset, f->model, classes, 0, &f->held_all));
    free(classes);
    return code;
}

static int read_codeset(struct forget *f)
{
    dkvb_codeset_rows training = DKVB_CODESET_ROWS_INIT;
    struct forget_set *set = &f->set;
    int code = codeset_open(&f->codeset, f->args.codes, f->model);

    if (code == EXIT_SUCCESS && f->args.classes && !f->args.exact)
        code = thin_held_out(f);
    if (code == EXIT_SUCCESS && needs_codes(f))
        code = codeset_search(f->codeset, DKVB_PART_TRAINING, f->args.codes, f->model, f->args.threads);
    if (code == EXIT_SUCCESS)
        code = codeset_search(f->codeset, DKVB_PART_HELD_OUT, f->args.codes, f->model, f->args.threads);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_list_rows(f->codeset, DKVB_PART_TRAINING, &training));
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_codeset_get_rows(f->codeset, DKVB_PART_HELD_OUT, &f->held));
    if (code == EXIT_SUCCESS)
        code = check_labels(f, &training);
    if (code == EXIT_SUCCESS)
        code = check_labels(f, &f->held);
    if (code == EXIT_SUCCESS && training.k != f->info.top_k)
        code = tool_fail("%s: codes have k = %" PRIu32 ", %s selects %" PRIu32, f->args.codes, training.k,
                         f->args.args.operand[0], f->info.top_k);
    if (code)
        return code;
    set->codes = training.codes;
    set->n = training.n;
    set->marks = input_memory("marks of rows", 1, set->n, 1, 1);
    set->ids = set->marks ? input_memory("row ids", sizeof *set->ids, set->n + f->held.n, 1, 1) : NULL;
    if (!set->ids)
        return EXIT_FAILURE;
    if (f->args.rows) {
        code = mark_by_ids(f, &training);
    } else {
        code = mark_by_labels(f, training.labels, training.ids);
        add_held_out(f);
        if (code == EXIT_SUCCESS && set->id_count == 0)
            code = no_rows(f, f->args.codes, set->n + f->held.n);
    }
    return code ? code : check_taught(f);
}

/* Rows of a plain file have their numbers as ids. */
static int number_rows(struct forget *f)
{
    struct forget_set *set = &f->set;

    set->ids = input_memory("row numbers", sizeof *set->ids, set->n, 1, 1);
    for (size_t i = 0; set->ids && i < set->n; i++)
        set->ids[i] = i;
    set->id_count = set->rows = set->n;
    return set->ids ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Those of pictures have the pictures' numbers. */
static int number_pictures(struct forget *f)
{
    struct forget_set *set = &f->set;
    struct ids ids = {0};
    int code = ids_of_rows(&ids, NULL, f->args.pictures.path, f->pictures.info.pictures);

    if (code == EXIT_SUCCESS)
        pictures_keep_ids(&f->pictures, &ids);
    set->ids = ids.id;
    set->id_count = set->rows = ids.n;
    return code;
}

static int read_npy_codes(struct forget *f)
{
    struct forget_set *set = &f->set;
    int code = codes_read(&f->npy, f->args.codes, &f->info);

    if (code)
        return code;
    set->codes = f->npy.codes;
    set->n = f->npy.rows;
    code = number_rows(f);
    if (code || !f->args.labels)
        return code;
    code = input_labels(&f->y, f->args.labels, f->args.codes, set->n);
    set->marks = code ? NULL : input_memory("marks of rows", 1, set->n, 1, 1);
    if (!set->marks)
        return EXIT_FAILURE;
    set->id_count = 0;
    code = mark_by_labels(f, f->y.y, NULL);
    return set->rows == 0 ? no_rows(f, f->y.path, set->n) : code;
}

/* Keep the rows of the chosen classes only, in place: the others need not be searched. */
static int cut_out_classes(struct forget *f)
{
    struct forget_set *set = &f->set;
    size_t kept = 0;

    for (size_t i = 0; i < f->x.rows; i++)
        if (is_chosen(f, f->y.y[i])) {
            if (kept < i)
                memcpy(f->x.x + kept * f->x.columns, f->x.x + i * f->x.columns, f->x.columns * sizeof *f->x.x);
            set->ids[kept++] = set->ids[i];
        }
    set->id_count = set->rows = kept;
    return kept == 0 ? no_rows(f, f->y.path, f->y.rows) : EXIT_SUCCESS;
}

/* Rows, and where classes are to be cut out of them their labels. */
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

static int read_rows(struct forget *f)
{
    int code;

    if (f->args.pictures.path)
        return read_pictures(f);
    code = input_features_for(&f->x, f->args.features, &f->info);
    return code || !f->args.labels ? code : input_labels(&f->y, f->args.labels, f->x.path, f->x.rows);
}

static int read_features(struct forget *f)
{
    struct forget_set *set = &f->set;
    int code = read_rows(f);

    set->n = f->x.rows;
    if (code == EXIT_SUCCESS)
        code = f->args.pictures.path ? number_pictures(f) : number_rows(f);
    if (code == EXIT_SUCCESS && f->args.classes)
        code = cut_out_classes(f);
    if (code)
        return code;
    set->n = f->x.rows = set->rows;
    f->searched = input_memory("codes", sizeof *f->searched, set->n, f->info.codebooks, f->info.top_k);
    set->codes = f->searched;
    return f->searched ? codes_search(f->model, &f->x, f->args.threads, f->searched, NULL) : EXIT_FAILURE;
}

int forget_read_set(struct forget *f)
{
    int code = f->args.classes ? mark_classes(f) : EXIT_SUCCESS;

    if (code)
        return code;
    if (f->args.codes)
        code = f->args.kept ? read_codeset(f) : read_npy_codes(f);
    else if (f->args.set)
        code = read_features(f);
    if (code == EXIT_SUCCESS && !f->codeset && (f->args.codes || f->args.set) && f->set.rows == 0)
        code = tool_fail("%s: no rows, so there is nothing to forget", f->args.codes ? f->args.codes : f->args.set);
    return code;
}

int forget_sample_held(struct forget *f)
{
    uint64_t all = f->held_all > f->held.n ? f->held_all : f->held.n;
    uint8_t *classes = NULL;
    int code;

    f->looked_at = f->held.n;
    if (f->held.n == 0 || !f->set.classes)
        return EXIT_SUCCESS;
    f->sampled = input_memory("labels", sizeof *f->sampled, f->held.n, 1, 1);
    code = f->sampled ? mark_for_sample(f, &classes) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS)
        code = tool_check_about(f->args.codes,
                                dkvb_effect_sample(f->model, &f->held, classes, 0, f->sampled, &f->looked_at));
    if (code == EXIT_SUCCESS && f->looked_at < all)
        tool_note("%s: effects are measured on %" PRIu64 " of the %" PRIu64 " rows held out", f->args.codes,
                  f->looked_at, all);
    f->held.labels = f->sampled;
    free(classes);
    return code;
}

void forget_free_set(struct forget *f)
{
    free(f->sampled);
    free(f->set.marks);
    free(f->set.classes);
    free(f->set.ids);
    free(f->searched);
    ids_free(&f->rows);
    dkvb_codeset_free(f->codeset);
    input_labels_free(&f->y);
    codes_free(&f->npy);
    input_features_free(&f->x);
    pictures_close(&f->pictures);
}

int forget_add_classes(const struct forget *f, uint64_t entry, uint8_t *marks)
{
    uint8_t *asked = input_memory("the classes", 1, f->info.classes, 1, 1);
    int code = asked ? tool_check(dkvb_journal_get_classes(f->model, entry, asked)) : EXIT_FAILURE;

    for (uint32_t l = 0; code == EXIT_SUCCESS && l < f->info.classes; l++)
        if (asked[l] == DKVB_FORGET)
            marks[l] = DKVB_FORGET;
    free(asked);
    return code;
}

int forget_ids_of(const struct forget *f, const uint8_t *classes, uint64_t **ids, size_t *count)
{
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
    int code = EXIT_SUCCESS;

    *count = 0;
    *ids = input_memory("row ids", sizeof **ids, f->set.n + f->held.n, 1, 1);
    if (!*ids)
        return EXIT_FAILURE;
    for (uint32_t p = DKVB_PART_TRAINING; p <= DKVB_PART_HELD_OUT && code == EXIT_SUCCESS; p++) {
        code = tool_check(dkvb_codeset_list_rows(f->codeset, p, &part));
        for (size_t i = 0; i < part.n && code == EXIT_SUCCESS; i++)
            if (part.labels[i] >= 0 && classes[part.labels[i]] == DKVB_FORGET)
                (*ids)[(*count)++] = part.ids[i];
    }
    return code;
}
