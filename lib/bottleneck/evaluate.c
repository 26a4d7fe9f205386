/* Measures the accuracy and the loss of a model on labelled rows, block by block. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/calibration.h"
#include "bottleneck/codes.h"
#include "bottleneck/project.h"
#include "dkvb/search.h"

/* largest numbers of rows and of logits in a block of rows that is evaluated at once */
enum { MOST_ROWS = 8192, MOST_LOGITS = 8 * 1024 * 1024 };

/* Progress of evaluating one block of rows, reported as a part of all rows. */
struct told {
    dkvb_run_options all;
    uint64_t before, total;
};

static int tell(void *user, uint64_t done, uint64_t total)
{
    const struct told *t = user;

    (void)total;
    return t->all.progress(t->all.user, t->before + done, t->total);
}

/* Checks labels, features and codes of all rows before the first block is predicted, so that a message names a row by
 * its own number. */
static dkvb_status check(const dkvb_model *model, const struct dkvb__rows *from, const uint16_t *codes,
                         const int32_t *labels, const dkvb_run_options *opts)
{
    size_t n = from->n;
    dkvb_run_options silent = *opts;
    struct dkvb__run run;
    dkvb_status rc;

    silent.progress = NULL;
    rc = dkvb__run_take(&run, &silent);
    for (size_t r = 0; !rc && r < n; r++)
        if (labels[r] < -1 || labels[r] >= (int64_t)model->classes)
            rc = dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, it must be -1 (leave out) or 0 to %u", r, labels[r],
                            model->classes - 1);
    if (!rc && codes)
        rc = dkvb__check_codes(model, codes, model->top_k, n);
    if (!rc)
        rc = dkvb__check_rows(&run, from, "features", &model->mem);
    return dkvb__model_agree(model, rc);
}

/* Counts the right answers in a block of rows. The member `loss` of an evaluation's report is a sum over rows until all
 * rows are counted. */
static void count(const dkvb_model *model, const int32_t *labels, const int32_t *answers, const float *logits, size_t n,
                  dkvb_evaluation *e)
{
    for (size_t r = 0; r < n; r++) {
        bool right = answers[r] == labels[r];

        if (labels[r] < 0) {
            e->unlabelled++;
            continue;
        }
        e->rows++;
        e->right += right;
        e->abstained += answers[r] < 0;
        if (e->class_rows)
            e->class_rows[labels[r]]++;
        if (e->class_right)
            e->class_right[labels[r]] += right;
        e->loss +=
            dkvb__row_loss(logits + r * model->classes, model->classes, labels[r], model->temperature, model->power);
    }
}

static dkvb_status measure(const dkvb_model *model, const struct dkvb__rows *from, uint16_t *codes,
                           const int32_t *labels, dkvb_evaluation *e, struct told *told)
{
    size_t most = MOST_LOGITS / model->classes, n = from->n, size = dkvb__code_size(model);
    bool reads = !dkvb__rows_in_place(from);
    double gaps[DKVB__ECE_BINS] = {0.0};
    uint64_t searched = 0, rows = 0;
    dkvb_run_options run = told->all, silent = told->all;
    int32_t *answers;
    /* buffer for the features of a block of rows that do not lie in memory, [most][input_dim] */
    float *logits, *read = NULL;
    dkvb_status rc = DKVB_OK;

    most = most < MOST_ROWS ? most : MOST_ROWS;
    most = n < most ? n : most > 0 ? most : 1;
    answers = dkvb__alloc(&model->mem, most, sizeof *answers);
    logits = dkvb__alloc(&model->mem, most, model->classes * sizeof *logits);
    if (reads)
        read = dkvb__alloc(&model->mem, most, from->width * sizeof *read);
    if (!answers || !logits || (reads && !read))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the logits of %zu rows", most);
    rc = dkvb__model_agree(model, rc);
    silent.progress = NULL;
    if (run.progress) {
        run.progress = tell;
        run.user = told;
    }
    for (size_t first = 0, block; !rc && first < n; first += block) {
        const float *x;

        block = n - first < most ? n - first : most;
        told->before = first;
        rc = dkvb__rows_block(from, first, block, read, &x);
        if (reads) /* reading a file of features may fail on some ranks (processes) only */
            rc = dkvb__ranks_agree(&model->codebooks->ranks, rc);
        if (rc)
            break;
        if (codes) {
            rc = dkvb_search_refresh(model, x, block, model->top_k, codes + first * size, &searched, &run);
            if (!rc)
                rc = dkvb_model_decode(model, codes + first * size, model->top_k, block, answers, logits, &silent);
            e->searched += searched;
        } else {
            rc = dkvb_model_predict(model, x, block, answers, logits, &run);
        }
        if (rc)
            break;
        count(model, labels + first, answers, logits, block, e);
        dkvb__gaps_add(gaps, &rows, logits, labels + first, block, model->classes, model->temperature, model->power);
    }
    dkvb__free(&model->mem, answers);
    dkvb__free(&model->mem, logits);
    dkvb__free_erased(&model->mem, read);
    e->accuracy = e->rows ? (double)e->right / (double)e->rows : NAN;
    e->loss = e->rows ? e->loss / (double)e->rows : NAN;
    e->calibration_error = e->rows ? dkvb__gaps_error(gaps, rows) : NAN;
    return rc;
}

dkvb_status dkvb_model_evaluate(const dkvb_model *model, const float *x, uint16_t *codes, const int32_t *labels,
                                size_t n, dkvb_evaluation *report, const dkvb_run_options *opts)
{
    dkvb_evaluation given = DKVB_EVALUATION_INIT, e = DKVB_EVALUATION_INIT;
    struct told told = {.all = DKVB_RUN_OPTIONS_INIT, .total = n};
    struct dkvb__rows from;
    dkvb_status rc = dkvb__take_options(&told.all, sizeof told.all, opts, "run options");

    if (!rc)
        rc = dkvb__take_options(&given, sizeof given, report, "evaluation");
    if (!rc)
        rc = dkvb__rows_take(&from, x, given.source, n, model->codebooks->shape.input_dim, "features");
    if (!rc)
        rc = check(model, &from, codes, labels, &told.all);
    if (rc)
        return rc;
    e.class_rows = given.class_rows;
    e.class_right = given.class_right;
    e.source = given.source;
    if (e.class_rows)
        memset(e.class_rows, 0, model->classes * sizeof *e.class_rows);
    if (e.class_right)
        memset(e.class_right, 0, model->classes * sizeof *e.class_right);
    rc = measure(model, &from, codes, labels, &e, &told);
    return rc ? rc : dkvb__give_info(report, &e, sizeof e, "evaluation");
}
