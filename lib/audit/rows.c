/* The rows of an audit: forgotten rows, retained rows, test rows, rows that the attacker has, and the codes of all
 * rows. */
#include <string.h>

#include "audit/recovery.h"
#include "audit/run.h"
#include "audit/shares.h"
#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codeset.h"
#include "bottleneck/project.h"
#include "dkvb/choose.h"
#include "dkvb/search.h"
#include "dkvb/unlearn.h"
#include "unlearn/journal.h"

/* Every ATTACKER_PART-th training row is a row whose label the attacker of the audit has. */
enum { ATTACKER_PART = 5 };

const size_t dkvb__prototype_sizes[DKVB__PROTOTYPE_SIZES] = {1, 3, DKVB__MOST_PROTOTYPES};

static dkvb_status check_labels(const struct dkvb__audit *a, const int32_t *labels, size_t n, const char *what)
{
    for (size_t r = 0; r < n; r++)
        if (labels[r] < -1 || (labels[r] >= 0 && (uint32_t)labels[r] >= a->classes))
            return dkvb__fail(DKVB_EINVAL, "%s: row %zu is %d, it must be -1 to %u", what, r, labels[r],
                              a->classes - 1);
    return DKVB_OK;
}

/* Reads from a codeset how the values of a model were trained, and on which rows. Training rows that the audited model
 * did not learn lose their labels. */
static dkvb_status take_codeset(struct dkvb__audit *a)
{
    const dkvb_codeset *set = a->o.codeset;
    dkvb_codeset_rows part = DKVB_CODESET_ROWS_INIT;
    dkvb_codeset_session session = DKVB_CODESET_SESSION_INIT;
    size_t found = 0;
    dkvb_status rc = dkvb__codeset_check(set, a->base->codebooks);

    if (!rc)
        rc = dkvb_codeset_get_session(set, 0, &session, NULL);
    if (!rc && dkvb_codeset_get_session(set, 1, &session, NULL) == DKVB_OK)
        rc = dkvb__fail(DKVB_EINVAL, "codeset: records more than one session of training, an audit repeats a single "
                                     "one: a model trained on all rows at once can be audited");
    if (!rc)
        rc = dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &part);
    for (size_t r = 0; !rc && r < a->n; r++) {
        size_t at = dkvb__codeset_find(&part, a->given.ids ? a->given.ids[r] : r);

        found += at < part.n;
        if (at < part.n && part.labels[at] != a->labels[r])
            rc = dkvb__fail(DKVB_EMISMATCH, "training labels: row %zu is %d, the codeset has label %d for it", r,
                            a->labels[r], part.labels[at]);
        if (at == part.n)
            a->labels[r] = -1;
    }
    if (!rc && found < part.n)
        rc = dkvb__fail(DKVB_EMISMATCH,
                        "codeset: %zu of its %zu rows are not among the %zu training rows, as their %s say",
                        part.n - found, part.n, a->n, a->given.ids ? "ids" : "numbers, which ids must be,");
    a->train = session.training;
    return rc;
}

/* Marks the classes that were asked for by forget requests that are in the journal and still in force. The argument
 * `marks`, [classes], is scratch space for marks of classes. */
static dkvb_status ask_journal(struct dkvb__audit *a, uint8_t *marks)
{
    const struct dkvb__journal *j = &a->model->journal;
    bool any = false;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && i < j->count; i++) {
        if (!dkvb__record_in_force(&j->records[i]))
            continue;
        rc = dkvb_journal_get_terms(a->model, i + 1, marks, NULL);
        for (uint32_t l = 0; !rc && l < a->classes; l++)
            if (marks[l] == DKVB_FORGET) {
                a->marks[l] = 1;
                any = true;
            }
    }
    if (!rc && !any)
        rc = dkvb__fail(DKVB_EINVAL, "forgotten rows: no forgetting in the journal of the model names a class, so the "
                                     "classes or the rows must be given");
    return rc;
}

static dkvb_status mark_rows(struct dkvb__audit *a, const dkvb_audit_request *request)
{
    for (size_t i = 0; i < request->row_count; i++) {
        uint64_t row = request->rows[i];

        if (row >= a->n)
            return dkvb__fail(DKVB_EINVAL, "forgotten rows: number %zu is %llu, training rows are 0 to %llu", i,
                              (unsigned long long)row, (unsigned long long)a->n - 1);
        if (a->forgotten[row])
            return dkvb__fail(DKVB_EINVAL, "forgotten rows: number %zu names row %llu a second time", i,
                              (unsigned long long)row);
        if (a->labels[row] < 0)
            return dkvb__fail(DKVB_EINVAL,
                              "forgotten rows: number %zu names row %llu, which has no label: it was not trained on", i,
                              (unsigned long long)row);
        a->forgotten[row] = 1;
        a->marks[a->labels[row]] = 1;
    }
    return DKVB_OK;
}

static dkvb_status mark_forgotten(struct dkvb__audit *a, const dkvb_audit_request *request)
{
    uint8_t *scratch;
    size_t others = 0;
    dkvb_status rc = DKVB_OK;

    if (request->classes && request->rows)
        return dkvb__fail(DKVB_EINVAL, "forgotten rows: both classes and rows are given, one of them must be NULL");
    a->by_class = !request->rows;
    if (request->rows) {
        rc = mark_rows(a, request);
    } else if (request->classes) {
        for (uint32_t l = 0; l < a->classes; l++)
            a->marks[l] = request->classes[l] == DKVB_FORGET;
    } else {
        scratch = dkvb__alloc(a->mem, a->classes, sizeof *scratch);
        rc = scratch ? ask_journal(a, scratch) : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", a->classes);
        dkvb__free(a->mem, scratch);
    }
    if (rc)
        return rc;
    for (size_t r = 0; r < a->n; r++) {
        bool of_class = a->labels[r] >= 0 && a->marks[a->labels[r]];

        if (a->by_class)
            a->forgotten[r] = of_class;
        a->retained[r] = a->forgotten[r] ? -1 : a->labels[r];
        a->members += a->forgotten[r];
        a->retains += a->retained[r] >= 0;
        others += a->labels[r] >= 0 && !of_class;
    }
    for (uint32_t l = 0; l < a->classes; l++)
        a->report->seen.class_count += a->marks[l];
    a->class_attacks = (a->by_class || a->report->seen.class_count == 1) && others > 0;
    if (a->members < 2)
        return dkvb__fail(DKVB_EINVAL,
                          "forgotten rows: %zu training rows with a label, there must be at least 2 to be told from "
                          "others",
                          a->members);
    return DKVB_OK;
}

/* Sorts the test rows of an audit: first the test rows of the forgotten rows' classes, then all others. */
static dkvb_status sort_tests(struct dkvb__audit *a)
{
    for (int marked = 1; marked >= 0; marked--) {
        for (size_t r = 0; r < a->given.test_n; r++) {
            int32_t label = a->given.test_labels[r];

            if (label < 0 || a->marks[label] != marked)
                continue;
            a->order[a->tests] = r;
            a->test_y[a->tests++] = label;
        }
        if (marked)
            a->class_tests = a->tests;
    }
    a->class_attacks = a->class_attacks && a->class_tests < a->tests;
    if (a->class_tests < 2)
        return dkvb__fail(DKVB_EINVAL,
                          "test labels: %zu test rows of the classes of the forgotten rows, there must be at least 2",
                          a->class_tests);
    return DKVB_OK;
}

/* Lists the targets of membership attacks: forgotten rows in the order of their file, then the test rows of the
 * forgotten rows' classes. */
static dkvb_status list_targets(struct dkvb__audit *a)
{
    size_t count = 0, most;

    a->targets = a->members + a->class_tests;
    most = a->targets > a->tests ? a->targets : a->tests;
    most = most > a->n ? most : a->n;
    a->target = dkvb__alloc(a->mem, a->targets, sizeof *a->target);
    a->target_y = dkvb__alloc(a->mem, a->targets, sizeof *a->target_y);
    a->member = dkvb__alloc(a->mem, a->targets, sizeof *a->member);
    a->class_test = dkvb__alloc0(a->mem, a->tests, sizeof *a->class_test);
    a->logits = dkvb__alloc(a->mem, most, a->classes * sizeof *a->logits);
    a->answers = dkvb__alloc(a->mem, a->tests, sizeof *a->answers);
    a->reference = dkvb__alloc(a->mem, a->tests, sizeof *a->reference);
    if (!a->target || !a->target_y || !a->member || !a->class_test || !a->logits || !a->answers || !a->reference)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the answers to %zu rows", most);
    for (size_t r = 0; r < a->n; r++)
        if (a->forgotten[r])
            a->target[count++] = r;
    for (size_t i = 0; i < a->class_tests; i++) {
        a->labels[a->n + i] = a->test_y[i];
        a->target[count++] = a->n + i;
        a->class_test[i] = 1;
    }
    for (size_t i = 0; i < a->targets; i++) {
        a->member[i] = i < a->members;
        a->target_y[i] = a->labels[a->target[i]];
    }
    return DKVB_OK;
}

/* Draws the rows that the attacker of the audit has, one in five training rows, with equal numbers for all classes as
 * far as possible. */
static dkvb_status draw_attacker(struct dkvb__audit *a)
{
    struct dkvb__drawing d = {.labels = a->labels, .n = a->n, .classes = a->classes, .seed = a->o.seed};
    dkvb_status rc;

    for (size_t r = 0; r < a->n; r++)
        d.per_class += a->labels[r] >= 0;
    d.per_class = d.per_class / ATTACKER_PART / a->classes + 1;
    rc = dkvb__audit_few_rows(&d, a->attacker, a->mem);
    for (size_t r = 0; !rc && r < a->n; r++)
        if (a->attacker[r] >= 0)
            a->attacker_y[a->attackers++] = a->attacker[r];
    return rc;
}

/* Computes prototypes, which are means of the attacker's rows, for one number of prototypes a class after the other. */
static dkvb_status make_prototypes(struct dkvb__audit *a)
{
    size_t dim = a->base->codebooks->shape.input_dim, most = 0, count;
    struct dkvb__grouping g = {
        .x = a->given.x, .dim = dim, .labels = a->attacker, .n = a->n, .classes = a->classes, .seed = a->o.seed};
    dkvb_status rc = DKVB_OK;

    if (!a->class_attacks)
        return DKVB_OK;
    for (size_t s = 0; s < DKVB__PROTOTYPE_SIZES; s++)
        most += dkvb__prototype_sizes[s] * a->classes;
    a->prototype = dkvb__alloc(a->mem, most, dim * sizeof *a->prototype);
    a->prototype_y = dkvb__alloc(a->mem, most, sizeof *a->prototype_y);
    if (!a->prototype || !a->prototype_y)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu prototypes", most);
    for (size_t s = 0; !rc && s < DKVB__PROTOTYPE_SIZES; s++) {
        g.groups = dkvb__prototype_sizes[s];
        rc = dkvb__audit_prototypes(&g, a->prototype + a->prototype_at[s] * dim, a->prototype_y + a->prototype_at[s],
                                    &count, a->mem);
        a->prototype_at[s + 1] = a->prototype_at[s] + count;
    }
    return rc;
}

dkvb_status dkvb__audit_take_rows(struct dkvb__audit *a, const dkvb_audit_request *request)
{
    const struct dkvb__run quiet = {.threads = a->run.threads};
    const dkvb_audit_rows *given = &a->given;
    size_t dim = a->base->codebooks->shape.input_dim;
    dkvb_status rc;

    if (given->n > 0 && (!given->x || !given->labels))
        return dkvb__fail(DKVB_EINVAL, "training rows: %zu, but no %s", given->n, given->x ? "labels" : "features");
    if (given->test_n > 0 && (!given->test_x || !given->test_labels))
        return dkvb__fail(DKVB_EINVAL, "test rows: %zu, but no %s", given->test_n,
                          given->test_x ? "labels" : "features");
    if ((rc = check_labels(a, given->labels, given->n, "training labels")) ||
        (rc = check_labels(a, given->test_labels, given->test_n, "test labels")) ||
        (rc = dkvb__check_finite(&quiet, given->x, given->n, dim, "training rows")) ||
        (rc = dkvb__check_finite(&quiet, given->test_x, given->test_n, dim, "test rows")))
        return rc;
    a->forgotten = dkvb__alloc0(a->mem, a->n, sizeof *a->forgotten);
    a->labels = dkvb__alloc(a->mem, a->n + given->test_n, sizeof *a->labels);
    a->retained = dkvb__alloc(a->mem, a->n, sizeof *a->retained);
    a->attacker = dkvb__alloc(a->mem, a->n, sizeof *a->attacker);
    a->attacker_y = dkvb__alloc(a->mem, a->n, sizeof *a->attacker_y);
    a->order = dkvb__alloc(a->mem, given->test_n, sizeof *a->order);
    a->test_y = dkvb__alloc(a->mem, given->test_n, sizeof *a->test_y);
    if (!a->forgotten || !a->labels || !a->retained || !a->attacker || !a->attacker_y || !a->order || !a->test_y)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the labels of %zu rows", a->n + given->test_n);
    if (a->n > 0)
        memcpy(a->labels, given->labels, a->n * sizeof *a->labels);
    if ((a->o.codeset && (rc = take_codeset(a))) || (rc = mark_forgotten(a, request)) || (rc = sort_tests(a)) ||
        (rc = list_targets(a)))
        return rc;
    rc = draw_attacker(a);
    return rc ? rc : make_prototypes(a);
}

static void copy_code(const struct dkvb__audit *a, uint16_t *to, size_t to_row, const uint16_t *from, size_t row)
{
    memcpy(to + to_row * a->code, from + row * a->code, a->code * sizeof *to);
}

/* Gathers the codes of an audit's rows: first those of the training rows, then those of the test rows, in the order of
 * their files, then copies of codes that are decoded again and again. */
static dkvb_status gather(const struct dkvb__audit *a, struct dkvb__coded *coded, const uint16_t *tests)
{
    size_t count = 0;

    for (size_t i = 0; i < a->tests; i++)
        copy_code(a, coded->all, a->n + i, tests, a->order[i]);
    coded->targets = dkvb__alloc(a->mem, a->targets, a->code * sizeof *coded->targets);
    coded->attacker = dkvb__alloc(a->mem, a->attackers, a->code * sizeof *coded->attacker);
    if (!coded->targets || !coded->attacker)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", a->targets + a->attackers);
    for (size_t i = 0; i < a->targets; i++)
        copy_code(a, coded->targets, i, coded->all, (size_t)a->target[i]);
    for (size_t r = 0; r < a->n; r++)
        if (a->attacker[r] >= 0)
            copy_code(a, coded->attacker, count++, coded->all, r);
    return DKVB_OK;
}

static dkvb_status refresh_prototypes(const struct dkvb__audit *a, const dkvb_model *model, struct dkvb__coded *coded)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    size_t count = a->prototype_at[DKVB__PROTOTYPE_SIZES];

    if (!a->prototype)
        return DKVB_OK;
    run.threads = a->run.threads;
    coded->prototypes = dkvb__alloc(a->mem, count, a->code * sizeof *coded->prototypes);
    if (!coded->prototypes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu prototypes", count);
    memcpy(coded->prototypes, a->first.prototypes, count * a->code * sizeof *coded->prototypes);
    return dkvb_search_refresh(model, a->prototype, count, a->k, coded->prototypes, NULL, &run);
}

/* Computes the codes of rows under the mask of a model: the codes without a mask, searched again where they name masked
 * key-value pairs. */
static dkvb_status refresh(const struct dkvb__audit *a, const dkvb_model *model, struct dkvb__coded *coded)
{
    uint16_t *tests = dkvb__alloc(a->mem, a->given.test_n, a->code * sizeof *tests);
    dkvb_status rc = DKVB_OK;

    coded->all = dkvb__alloc(a->mem, a->n + a->tests, a->code * sizeof *coded->all);
    if (!tests || !coded->all)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", a->n + a->tests);
    rc = dkvb__ranks_agree(&a->ranks, rc);
    if (!rc) {
        memcpy(coded->all, a->first.all, a->n * a->code * sizeof *coded->all);
        memcpy(tests, a->searched, a->given.test_n * a->code * sizeof *tests);
        rc = dkvb__audit_refresh_rows(a, model, a->given.x, a->n, coded->all);
    }
    if (!rc)
        rc = dkvb__audit_refresh_rows(a, model, a->given.test_x, a->given.test_n, tests);
    if (!rc)
        rc = gather(a, coded, tests);
    dkvb__free_erased(a->mem, tests);
    return rc ? rc : refresh_prototypes(a, model, coded);
}

static dkvb_status search_prototypes(struct dkvb__audit *a)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    size_t count = a->prototype_at[DKVB__PROTOTYPE_SIZES];

    if (!a->prototype)
        return DKVB_OK;
    run.threads = a->run.threads;
    a->first.prototypes = dkvb__alloc(a->mem, count, a->code * sizeof *a->first.prototypes);
    if (!a->first.prototypes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu prototypes", count);
    return dkvb_search(a->base->codebooks, NULL, a->prototype, count, a->k, a->first.prototypes, NULL, &run);
}

dkvb_status dkvb__audit_search(struct dkvb__audit *a)
{
    bool masked = a->report->seen.masked_pairs + a->report->seen.purged_pairs > 0;
    bool earlier = a->before && dkvb__mask_count(a->before->mask) > 0;
    dkvb_status rc = dkvb__audit_stage(a, "search");

    a->first.all = dkvb__alloc(a->mem, a->n + a->tests, a->code * sizeof *a->first.all);
    a->searched = dkvb__alloc(a->mem, a->given.test_n, a->code * sizeof *a->searched);
    if (!rc && (!a->first.all || !a->searched))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the codes of %zu rows", a->n + a->tests);
    rc = dkvb__ranks_agree(&a->ranks, rc);
    if (!rc)
        rc = dkvb__audit_search_rows(a, a->given.x, a->n, a->first.all, &a->report->outside);
    if (!rc)
        rc = dkvb__audit_search_rows(a, a->given.test_x, a->given.test_n, a->searched, &a->report->test_outside);
    if (!rc)
        rc = gather(a, &a->first, a->searched);
    if (!rc)
        rc = search_prototypes(a);
    if (!rc && (masked || earlier))
        rc = dkvb__audit_stage(a, "refresh");
    rc = dkvb__ranks_agree(&a->ranks, rc);
    if (!rc && masked)
        rc = dkvb__ranks_agree(&a->ranks, refresh(a, a->model, &a->masked));
    if (!rc && earlier)
        rc = refresh(a, a->before, &a->earlier);
    return rc;
}
