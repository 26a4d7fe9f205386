/* Compares reference heads (linear classifiers) with a model: heads are fitted on all rows and on the kept rows, and
 * measured on the same test rows. */
#include "reference/head.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sort.h"
#include "base/status.h"
#include "dkvb/choose.h"

enum { LINES = 5 };

struct report {
    /* The public report of the comparison of linear heads is the first member of the struct, so a pointer to it is a
     * pointer to the whole struct. */
    dkvb_reference_report open;
    dkvb_reference_line line[LINES];
    /* marks of the classes that have forgotten rows in the comparison with linear heads, [classes] */
    uint8_t *forgotten;
    dkvb_allocator mem;
};

/* State of comparing reference heads with a model. */
struct comparison {
    dkvb_reference_rows rows, test;
    dkvb_reference_options opts;
    struct report *report;
    int32_t *kept;   /* labels of the rows that were not forgotten, [rows.n], with -1 for the forgotten rows */
    int32_t *gone;   /* labels of the forgotten rows, [rows.n], with -1 for the rows that were not forgotten */
    int32_t *answer; /* predicted classes of the test rows in the comparison of linear heads with a model, [test.n] */
    /* margins of the test rows (largest score of the forgotten classes minus largest score of the others), [test.n] */
    double *margin;
    /* The order of the test rows by margin, [test.n], and scratch space for sorting them. */
    struct dkvb__keyed *order, *scratch;
    struct dkvb__work work;
};

static dkvb_status no_memory(const struct comparison *c)
{
    return dkvb__fail(DKVB_ENOMEM, "out of memory for a comparison of %zu training and %zu test rows", c->rows.n,
                      c->test.n);
}

static dkvb_status check_answers(const struct comparison *c, const int32_t *answers)
{
    for (size_t i = 0; answers && i < c->test.n; i++)
        if (answers[i] < -1 || answers[i] >= (int64_t)c->test.classes)
            return dkvb__fail(DKVB_EINVAL, "answers: row %zu is %" PRId32 ", it must be -1 (abstained) to %u", i,
                              answers[i], c->test.classes - 1);
    return DKVB_OK;
}

static dkvb_status take(struct comparison *c, const dkvb_reference_rows *rows, const dkvb_reference_rows *test,
                        const dkvb_reference_options *opts)
{
    dkvb_status rc = dkvb__reference_take_options(&c->opts, opts);

    if (!rc)
        rc = dkvb__reference_take_rows(&c->rows, rows, "");
    if (!rc)
        rc = dkvb__reference_take_rows(&c->test, test, "test ");
    if (rc)
        return rc;
    if (c->rows.dim != c->test.dim || c->rows.classes != c->test.classes)
        return dkvb__fail(DKVB_EINVAL, "test rows: %u columns and %u classes found, training rows have %u and %u",
                          c->test.dim, c->test.classes, c->rows.dim, c->rows.classes);
    return DKVB_OK;
}

static dkvb_status allocate(struct comparison *c)
{
    const dkvb_allocator mem = dkvb__allocator(c->opts.allocator);
    struct report *r = dkvb__alloc0(&mem, 1, sizeof *r);

    if (!r)
        return no_memory(c);
    c->report = r;
    r->mem = mem;
    r->forgotten = dkvb__alloc0(&mem, c->rows.classes, 1);
    c->kept = dkvb__alloc(&mem, c->rows.n, sizeof *c->kept);
    c->gone = dkvb__alloc(&mem, c->rows.n, sizeof *c->gone);
    c->answer = dkvb__alloc(&mem, c->test.n, sizeof *c->answer);
    c->margin = dkvb__alloc(&mem, c->test.n, sizeof *c->margin);
    c->order = dkvb__alloc(&mem, c->test.n, sizeof *c->order);
    c->scratch = dkvb__alloc(&mem, c->test.n, sizeof *c->scratch);
    return r->forgotten && c->kept && c->gone && c->answer && c->margin && c->order && c->scratch ? DKVB_OK
                                                                                                  : no_memory(c);
}

/* Marks the forgotten rows among the training rows of a comparison of linear heads with a model. The comparison of
 * linear heads refuses a request that names a row twice, or a row to which no head was fitted, as dkvb_audit_run()
 * does. */
static dkvb_status mark_rows(struct comparison *c, const dkvb_audit_request *request)
{
    for (size_t i = 0; i < request->row_count; i++) {
        uint64_t row = request->rows[i];

        if (row >= c->rows.n)
            return dkvb__fail(DKVB_EINVAL, "forgotten rows: number %zu is %" PRIu64 ", training rows are 0 to %" PRIu64,
                              i, row, (uint64_t)c->rows.n - 1);
        if (c->gone[row] >= 0)
            return dkvb__fail(DKVB_EINVAL, "forgotten rows: number %zu names row %" PRIu64 " a second time", i, row);
        if (c->rows.labels[row] < 0)
            return dkvb__fail(DKVB_EINVAL,
                              "forgotten rows: number %zu names row %" PRIu64 ", which has no label: no head is fitted "
                              "on it",
                              i, row);
        c->gone[row] = c->rows.labels[row];
        c->report->forgotten[c->rows.labels[row]] = DKVB_FORGET;
    }
    return DKVB_OK;
}

static void mark_classes(struct comparison *c, const uint8_t *classes)
{
    uint8_t *forgotten = c->report->forgotten;

    for (uint32_t l = 0; l < c->rows.classes; l++)
        forgotten[l] = classes[l] == DKVB_FORGET ? DKVB_FORGET : DKVB_KEEP;
    for (size_t i = 0; i < c->rows.n; i++)
        if (c->rows.labels[i] >= 0 && forgotten[c->rows.labels[i]])
            c->gone[i] = c->rows.labels[i];
}

/* Writes the labels of the forgotten rows to `gone`, and marks the classes of these rows in the report. */
static dkvb_status mark(struct comparison *c, const dkvb_audit_request *given)
{
    const int32_t *labels = c->rows.labels;
    dkvb_audit_request request = DKVB_AUDIT_REQUEST_INIT;
    struct report *r = c->report;
    dkvb_status rc = dkvb__take_options(&request, sizeof request, given, "forgotten rows");

    if (rc)
        return rc;
    if (request.row_count > 0 && !request.rows)
        return dkvb__fail(DKVB_EINVAL, "forgotten rows: NULL found for %zu numbers", request.row_count);
    if (request.classes && request.rows)
        return dkvb__fail(DKVB_EINVAL, "forgotten rows: both classes and rows are given, one of them must be NULL");
    for (size_t i = 0; i < c->rows.n; i++)
        c->gone[i] = -1;
    if (request.classes)
        mark_classes(c, request.classes);
    rc = mark_rows(c, &request);
    if (rc)
        return rc;
    for (size_t i = 0; i < c->rows.n; i++) {
        c->kept[i] = c->gone[i] >= 0 ? -1 : labels[i];
        r->open.forgotten_rows += c->gone[i] >= 0;
    }
    if ((request.classes || request.rows) && r->open.forgotten_rows == 0)
        return dkvb__fail(DKVB_EINVAL, "forgotten rows: the request names no training row with a label; without a "
                                       "request heads of all rows are compared");
    for (size_t i = 0; i < c->test.n; i++)
        if (c->test.labels[i] >= 0)
            *(r->forgotten[c->test.labels[i]] ? &r->open.test_forgotten : &r->open.test_others) += 1;
    return DKVB_OK;
}

/* Returns the chance that the margin of a test row of the forgotten classes is above that of another test row, with
 * ties counted half (Mann-Whitney). */
static double area(struct comparison *c)
{
    const struct report *r = c->report;
    double below = 0, members = (double)r->open.test_forgotten, others = (double)r->open.test_others;
    size_t n = 0, passed = 0;

    for (size_t i = 0; i < c->test.n; i++)
        if (c->test.labels[i] >= 0) {
            /* The margin between forgotten classes and others is infinite if the model or head cannot predict any class
             * on one side, because no row of these classes was learned. */
            if (!isfinite(c->margin[i]))
                return NAN;
            c->order[n++] = (struct dkvb__keyed){dkvb__key_of_double(c->margin[i]), i};
        }
    if (r->open.test_forgotten == 0 || r->open.test_others == 0)
        return NAN;
    dkvb__sort_keyed(c->order, c->scratch, n);
    for (size_t i = 0, end; i < n; i = end) {
        size_t tied[2] = {0, 0};

        for (end = i; end < n && c->order[end].key == c->order[i].key; end++)
            tied[r->forgotten[c->test.labels[c->order[end].index]] != 0]++;
        below += (double)tied[1] * ((double)passed + 0.5 * (double)tied[0]);
        passed += tied[0];
    }
    return below / (members * others);
}

static double share(uint64_t right, uint64_t rows)
{
    return rows > 0 ? (double)right / (double)rows : (double)NAN;
}

/* Adds a line with the accuracy of a classifier's predictions on the test rows to the report of the comparison. */
static dkvb_reference_line *add_line(struct comparison *c, const char *head, const char *rows, const int32_t *answers)
{
    struct report *r = c->report;
    dkvb_reference_line *line = &r->line[r->open.lines++];
    uint64_t right[2] = {0, 0};

    for (size_t i = 0; i < c->test.n; i++)
        if (c->test.labels[i] >= 0)
            right[r->forgotten[c->test.labels[i]] != 0] += answers[i] == c->test.labels[i];
    *line = (dkvb_reference_line){.head = head, .rows = rows, .auc = (double)NAN, .converged = 1};
    line->accuracy = share(right[0] + right[1], r->open.test_forgotten + r->open.test_others);
    line->forgotten = share(right[1], r->open.test_forgotten);
    line->others = share(right[0], r->open.test_others);
    return line;
}

static dkvb_status add_head(struct comparison *c, const dkvb_reference *head, const char *rows)
{
    const char *name = head->info.kind == DKVB_REFERENCE_RIDGE ? "ridge" : "logistic";
    dkvb_reference_line *line;
    dkvb_status rc = dkvb__reference_answer(head, &c->test, c->answer, NULL, c->report->forgotten, c->margin);

    if (rc)
        return rc;
    line = add_line(c, name, rows, c->answer);
    line->auc = area(c);
    line->fitted = head->info.rows;
    line->penalty = head->info.penalty;
    line->choosing = head->info.choosing;
    line->seconds = head->info.seconds;
    line->iterations = head->info.iterations;
    line->converged = head->info.converged;
    return DKVB_OK;
}

/* Fits a linear head to the rows that are not forgotten. For ridge regression the forgotten rows are removed from the
 * linear head's sums over rows, if the sums have enough digits; otherwise, and for logistic regression, a new linear
 * head is fitted to the kept rows. */
static dkvb_status forget(struct comparison *c, dkvb_reference **head)
{
    dkvb_reference *kept;
    dkvb_status rc;

    if ((*head)->info.kind == DKVB_REFERENCE_RIDGE) {
        rc = dkvb__reference_remove(*head, &c->rows, c->gone, &c->work);
        if (rc != DKVB_ESTATE) {
            (*head)->info.choosing = 0;
            return rc;
        }
    }
    rc = dkvb__reference_fit(&kept, &c->rows, c->kept, &c->opts, (*head)->info.penalty, &c->work);
    if (!rc) {
        dkvb_reference_free(*head);
        *head = kept;
    }
    return rc;
}

static dkvb_status compare_head(struct comparison *c, uint32_t kind)
{
    dkvb_reference *head;
    dkvb_status rc;

    c->opts.kind = kind;
    rc = dkvb__reference_fit(&head, &c->rows, c->rows.labels, &c->opts, c->opts.penalty, &c->work);
    if (rc)
        return rc;
    rc = add_head(c, head, "all");
    if (!rc && c->report->open.forgotten_rows > 0) {
        rc = forget(c, &head);
        if (!rc)
            rc = add_head(c, head, "kept");
    }
    dkvb_reference_free(head);
    return rc;
}

/* Checks that the rows that are not forgotten have two classes; otherwise no head is fitted to them. */
static dkvb_status check_kept(const struct comparison *c)
{
    int32_t first = -1;

    for (size_t i = 0; i < c->rows.n; i++) {
        if (c->kept[i] < 0)
            continue;
        if (first >= 0 && c->kept[i] != first)
            return DKVB_OK;
        first = c->kept[i];
    }
    return dkvb__fail(DKVB_EINVAL, "forgotten rows: without them rows of %s are left, at least 2 classes are wanted",
                      first >= 0 ? "1 class" : "no class");
}

static dkvb_status compare(struct comparison *c, const dkvb_audit_request *request, const int32_t *answers,
                           const dkvb_run_options *run)
{
    uint32_t kind = c->opts.kind;
    dkvb_status rc = mark(c, request);
    uint64_t parts;

    if (!rc && c->report->open.forgotten_rows > 0)
        rc = check_kept(c);
    if (rc)
        return rc;
    parts = (kind == DKVB_REFERENCE_BOTH ? 2U : 1U) * (c->report->open.forgotten_rows > 0 ? 2U : 1U);
    rc = dkvb__work_begin(&c->work, run, c->opts.allocator, parts);
    if (!rc && answers)
        (void)add_line(c, "model", "", answers);
    if (!rc && kind != DKVB_REFERENCE_LOGISTIC)
        rc = compare_head(c, DKVB_REFERENCE_RIDGE);
    if (!rc && kind != DKVB_REFERENCE_RIDGE)
        rc = compare_head(c, DKVB_REFERENCE_LOGISTIC);
    dkvb__work_end(&c->work);
    return rc;
}

dkvb_status dkvb_reference_compare(dkvb_reference_report **report, const dkvb_reference_rows *rows,
                                   const dkvb_reference_rows *test, const dkvb_audit_request *request,
                                   const int32_t *answers, const dkvb_reference_options *opts,
                                   const dkvb_run_options *run)
{
    struct comparison c = {.opts = DKVB_REFERENCE_OPTIONS_INIT};
    dkvb_status rc;

    if (!report)
        return dkvb__fail(DKVB_EINVAL, "report: NULL found");
    *report = NULL;
    rc = take(&c, rows, test, opts);
    if (!rc)
        rc = check_answers(&c, answers);
    if (!rc)
        rc = allocate(&c);
    if (!rc)
        rc = compare(&c, request, answers, run);
    if (c.report) {
        const dkvb_allocator *mem = &c.report->mem;

        dkvb__free(mem, c.scratch);
        dkvb__free(mem, c.order);
        dkvb__free(mem, c.margin);
        dkvb__free(mem, c.answer);
        dkvb__free(mem, c.gone);
        dkvb__free(mem, c.kept);
        c.report->open.classes = c.rows.classes;
        c.report->open.line = c.report->line;
        c.report->open.forgotten = c.report->forgotten;
    }
    if (rc)
        dkvb_reference_report_free((dkvb_reference_report *)c.report);
    else
        *report = &c.report->open;
    return rc;
}

void dkvb_reference_report_free(dkvb_reference_report *open)
{
    /* The struct of a report of comparing linear heads begins with its public part, so a pointer to the public part is
     * a pointer to the whole report. */
    struct report *report = (struct report *)open;
    dkvb_allocator mem;

    if (!report)
        return;
    mem = report->mem;
    dkvb__free(&mem, report->forgotten);
    dkvb__free(&mem, report);
}
