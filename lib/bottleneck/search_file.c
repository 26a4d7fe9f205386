/* Searches the codes (the nearest keys) of rows, and writes them to a file. A part file lets the same call continue
 * after an interrupt (base/partial.h).
 *
 * A search of nearest keys whose codes go into a file is made in steps of some rows. The part file of a search has a
 * mark (record of finished rows) for each finished step, and after all marks the results of the steps: first the
 * distances of a step's rows, if distances are wanted, and then their codes. In the part file of a search, each mark
 * (record of finished rows) has two facts about all rows so far: their checksum, by which the next call finds out
 * whether it was given the same rows, and the counts of rows outside the scale of the codebooks.
 *
 * Ranks (processes) that share the model search a part of each step's rows, and rank 0 alone has the output files. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/fnv.h"
#include "base/npy_header.h"
#include "base/partial.h"
#include "base/ranks.h"
#include "base/ranks_same.h"
#include "base/status.h"
#include "bottleneck/model.h"
#include "bottleneck/outside.h"
#include "bottleneck/search.h"

/* LEAST_ROWS is the least number of rows in a step of a search into a file, except in the last step. ROOM is the number
 * of bytes of memory that the codes and distances of a step may take, if a search into a file makes steps of more than
 * the least number of rows. */
enum { LEAST_ROWS = DKVB__TILE_ROWS, ROOM = 64 << 20 };

/* A mark (record of finished rows) in the part file of a search: facts about all rows up to the end of one step of the
 * search. */
struct mark {
    uint64_t rows;
    uint64_t checksum; /* checksum of the searched rows, as dkvb__rows_checksum() computes it */
    uint64_t outside, shorter, longer, first;
    /* counts of rows outside the scale of the codebooks, for all rows so far: members of dkvb_outside (outside,
     * shorter, longer, first, length and cut) */
    double length, cut;
    uint64_t check; /* checksum of the members of struct mark that stand before `check` */
};

struct work {
    const dkvb_codebooks *cb;
    const dkvb_ranks *ranks;
    dkvb_search_file_options o;
    struct dkvb__rows rows;
    struct dkvb__run run;
    dkvb_mask *mask; /* mask in force of the model: the masked and the purged key-value pairs */
    /* counts of rows outside the scale of the codebooks from earlier searches, which the caller passed in */
    dkvb_outside told;
    /* counts of rows outside the scale of the codebooks in this search into a file, including the rows of earlier,
     * interrupted calls */
    dkvb_outside own;
    dkvb_search_file_report report;
    struct dkvb__search search;
    struct dkvb__partial partial;
    /* checksum of all rows that the search has finished, which shows whether a later call is given the same rows */
    uint64_t checksum;
    /* number of bytes of a row's codes, and of a row's distances to its nearest keys (0 if no distances are wanted) */
    size_t code_size, dist_size;
    size_t step; /* number of rows that a search into a file searches and stores in one step */
    /* results of one step of a search into a file: the distances of the step's rows to their keys, and then their
     * codes */
    unsigned char *found;
    const char *path;
};

static dkvb_status publish(const struct work *w, dkvb_search_file_report *report)
{
    return report ? dkvb__give_info(report, &w->report, sizeof w->report, "search report") : DKVB_OK;
}

static uint64_t checksum_of(const struct mark *m)
{
    uint64_t sum = DKVB__FNV_BEGIN;

    dkvb__fnv_add(&sum, m, offsetof(struct mark, check));
    return sum;
}

/* Returns the mark (record of finished rows) that step number `step` of a search has in the part file of the search. */
static struct mark mark_of(const struct work *w, uint64_t step)
{
    struct mark m;

    memcpy(&m, w->partial.marks + step * sizeof m, sizeof m);
    return m;
}

/* Returns the mark (record of finished rows) of the last finished step in the part file of a search; zeros if no step
 * is finished. */
static struct mark last_mark(const struct work *w)
{
    const struct mark none = {0};

    return w->partial.done > 0 ? mark_of(w, w->partial.done - 1) : none;
}

/* Reads a mark (record of finished rows) from a part file, which anybody may have written: a step with fewer rows than
 * this library makes is refused, as such steps would need more marks than the file has room for. */
static bool take_mark(const struct dkvb__partial_key *key, const void *mark, uint64_t *rows)
{
    struct mark m;
    uint64_t rest = key->things - *rows;

    memcpy(&m, mark, sizeof m);
    if (m.check != checksum_of(&m) || m.rows <= *rows || m.rows > key->things ||
        m.rows - *rows < (rest < LEAST_ROWS ? rest : LEAST_ROWS))
        return false;
    *rows = m.rows;
    return true;
}

/* Continues an interrupted search after the rows that the part file records as finished. */
static void take_up(struct work *w)
{
    const struct mark m = last_mark(w);

    w->report.resumed = m.rows;
    w->checksum = m.checksum;
    w->own.searched = m.rows;
    w->own.rows = m.outside;
    w->own.shorter = m.shorter;
    w->own.longer = m.longer;
    w->own.first = m.first;
    w->own.length = m.length;
    w->own.cut = m.cut;
    w->own.least = (double)w->cb->least;
    w->own.greatest = (double)w->cb->greatest;
    w->search.found = w->own;
}

/* Makes the key by which the part file of an interrupted search is recognised: what determines the codes (keys, mask,
 * k, and the number and width of the rows). */
static struct dkvb__partial_key make_key(const struct work *w)
{
    const struct dkvb__shape *shape = &w->cb->shape;
    struct dkvb__partial_key key = {.contents = "codes",
                                    .thing = "row",
                                    .things = w->rows.n,
                                    .marks = w->rows.n / LEAST_ROWS + (w->rows.n % LEAST_ROWS > 0),
                                    .mark_size = sizeof(struct mark),
                                    .row_size = w->code_size + w->dist_size,
                                    .take = take_mark};
    uint64_t mask = dkvb__checksum(w->mask->bits, w->mask->codebooks * w->mask->words * sizeof *w->mask->bits);
    int at = snprintf(key.text[0], sizeof key.text[0], "keys ");

    for (size_t i = 0; i < sizeof w->cb->birth; i++)
        at += snprintf(key.text[0] + at, sizeof key.text[0] - (size_t)at, "%02x", w->cb->birth[i]);
    snprintf(key.text[1], sizeof key.text[1], "%" PRIu32 " keys a codebook, with%s distances", w->search.k,
             w->dist_size > 0 ? "" : "out");
    snprintf(key.text[2], sizeof key.text[2], "a mask of %" PRIu64 " pairs (checksum %016" PRIx64 ")",
             dkvb__mask_count(w->mask), mask);
    snprintf(key.text[3], sizeof key.text[3], "%zu rows of %" PRIu32 " columns", w->rows.n, shape->input_dim);
    return key;
}

/* Decides how many rows each step of a search into a file takes, and allocates memory for the results of one step. */
static dkvb_status make_room(struct work *w)
{
    size_t row = w->code_size + w->dist_size, most = w->search.capacity;

    most = row > ROOM / most ? ROOM / row : most;
    most = most < LEAST_ROWS ? LEAST_ROWS : most;
    w->step = most < w->rows.n ? most : w->rows.n;
    w->found = dkvb__alloc(&w->cb->mem, w->step, row);
    return w->found ? DKVB_OK
                    : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for codes of %zu rows", w->path, w->step);
}

/* Opens the part file of a search on rank 0, and tells all ranks (processes) how many finished rows the part file
 * has. */
static dkvb_status begin(struct work *w)
{
    const struct dkvb__partial_key key = make_key(w);
    dkvb_status rc;

    rc = w->ranks->rank == 0 ? dkvb__partial_open(&w->partial, w->path, &key, w->o.restart != 0, &w->cb->mem)
                             : dkvb__partial_follow(&w->partial, w->path, &key, &w->cb->mem);
    if (!rc)
        rc = make_room(w);
    rc = dkvb__ranks_agree(w->ranks, rc);
    if (!rc)
        rc = dkvb__partial_pass_on(&w->partial, w->ranks);
    if (!rc)
        take_up(w);
    return rc;
}

/* Reads the rows whose codes are in the part file of an interrupted search, each rank (process) a part of them, and
 * refuses the part file if its codes are those of other rows. */
static dkvb_status compare_rows(struct work *w)
{
    struct dkvb__search *s = &w->search;
    uint64_t sum = 0;
    dkvb_status rc = DKVB_OK;

    for (size_t first = 0, n; !rc && first < w->report.resumed; first += n) {
        size_t own, end;
        const float *x;

        n = w->report.resumed - first < s->capacity ? (size_t)w->report.resumed - first : s->capacity;
        own = dkvb__ranks_first(w->ranks, n, w->ranks->rank);
        end = dkvb__ranks_first(w->ranks, n, w->ranks->rank + 1);
        rc = dkvb__rows_block(&w->rows, first + own, end - own, s->block, &x);
        if (!rc)
            sum += dkvb__rows_checksum(&w->run, x, first + own, end - own, w->rows.width);
        rc = dkvb__ranks_agree(w->ranks, rc ? rc : dkvb__report(&w->run, first + n, w->rows.n));
    }
    if (!rc)
        rc = dkvb__ranks_sum(w->ranks, &sum, 1);
    if (rc || sum == w->checksum)
        return rc;
    w->report.resumed = 0;
    return dkvb__partial_refuse(&w->partial, "other rows, or of these before they were changed",
                                "the rows that are given");
}

/* Adds the results of one step of a search, and the mark that records them as finished, to the part file of the
 * search. */
static dkvb_status add_step(struct work *w, size_t n)
{
    struct mark m = {.rows = w->partial.rows + n};
    uint64_t sum = w->search.sum;
    dkvb_status rc = dkvb__ranks_sum(w->ranks, &sum, 1), added;

    if (rc)
        return rc;
    w->search.sum = 0;
    w->checksum += sum;
    m.checksum = w->checksum;
    m.outside = w->own.rows;
    m.shorter = w->own.shorter;
    m.longer = w->own.longer;
    m.first = w->own.first;
    m.length = w->own.length;
    m.cut = w->own.cut;
    m.check = checksum_of(&m);
    added = dkvb__partial_put(&w->partial, w->found, n);
    if (!added)
        added = dkvb__partial_mark(&w->partial, &m, 1);
    return dkvb__ranks_agree(w->ranks, added);
}

/* Searches the rows of the next step of a search into a file, and adds the results to the part file before the last
 * progress report of the step, so that an interrupt at that report does not lose the results. */
static dkvb_status search_step(struct work *w)
{
    size_t done = (size_t)w->partial.rows, rest = w->rows.n - done, n = rest < w->step ? rest : w->step;
    int32_t *dist = w->dist_size > 0 ? (int32_t *)(void *)w->found : NULL;
    uint16_t *codes = (uint16_t *)(void *)(w->found + n * w->dist_size);
    dkvb_status rc = DKVB_OK;

    for (size_t at = 0, rows; !rc && at < n; at += rows) {
        size_t place = at * (w->code_size / sizeof *codes);

        rows = n - at < w->search.capacity ? n - at : w->search.capacity;
        rc = dkvb__search_tile(&w->search, done + at, rows, codes + place, dist ? dist + place : NULL);
        if (!rc && at + rows == n)
            rc = add_step(w, n);
        if (!rc)
            rc = dkvb__ranks_agree(w->ranks, dkvb__report(&w->run, done + at + rows, w->rows.n));
    }
    return rc;
}

static dkvb_status search_rest(struct work *w)
{
    dkvb_status rc = DKVB_OK;

    while (w->partial.rows < w->rows.n && !rc)
        rc = search_step(w);
    return rc;
}

/* Writes the file of all codes, or of all distances, from the part file, in which the distances and the codes of each
 * step follow each other. */
static dkvb_status write_file(const struct work *w, const char *path, const char *descr, bool codes)
{
    const uint64_t shape[3] = {w->rows.n, w->cb->shape.codebooks, w->search.k};
    size_t size = codes ? w->code_size : w->dist_size;
    struct dkvb__writer to;
    uint64_t before = 0;
    dkvb_status rc = dkvb__npy_begin(&to, path, descr, 3, shape, &w->cb->mem);

    if (rc)
        return rc;
    for (uint64_t i = 0; !rc && i < w->partial.done; i++) {
        const struct mark m = mark_of(w, i);
        uint64_t at = before * w->partial.key.row_size;

        at += codes ? (m.rows - before) * w->dist_size : 0;
        rc = dkvb__partial_copy(&w->partial, at, (m.rows - before) * size, &to);
        before = m.rows;
    }
    return dkvb__writer_end(&to, rc);
}

static dkvb_status write_files(const struct work *w)
{
    dkvb_status rc = DKVB_OK;

    if (w->ranks->rank == 0)
        rc = write_file(w, w->path, "<u2", true);
    if (!rc && w->ranks->rank == 0 && w->o.distances)
        rc = write_file(w, w->o.distances, "<i4", false);
    return dkvb__ranks_agree(w->ranks, rc);
}

/* Checks the arguments of a search into a file, and stores them in the struct work. */
static dkvb_status check(struct work *w, const dkvb_model *model, const float *x, size_t n,
                         const dkvb_search_file_options *opts)
{
    size_t code = 0;
    dkvb_status rc;

    rc = dkvb__take_options(&w->o, sizeof w->o, opts, "search options");
    if (!rc && !w->path)
        rc = dkvb__fail(DKVB_EINVAL, "search: path is NULL");
    if (!rc && w->o.restart > 1)
        rc = dkvb__fail(DKVB_EINVAL, "search: restart is %" PRIu32 ", it must be 0 or 1", w->o.restart);
    if (!rc && w->o.distances && strcmp(w->o.distances, w->path) == 0)
        rc = dkvb__fail(DKVB_EINVAL, "search: %.300s is the file of codes and that of distances: two are wanted",
                        w->path);
    if (!rc)
        rc = dkvb__rows_take(&w->rows, x, w->o.source, n, w->cb->shape.input_dim, "features");
    if (!rc && w->run.outside)
        rc = dkvb__take_options(&w->told, sizeof w->told, w->run.outside, "rows outside the scale");
    if (!rc)
        rc = dkvb__model_get_mask(model, &w->mask);
    if (rc)
        return rc;
    if (dkvb__mul_overflow(&code, w->cb->shape.codebooks, model->top_k) ||
        dkvb__mul_overflow(&w->code_size, code, sizeof(uint16_t)) ||
        (w->o.distances && dkvb__mul_overflow(&w->dist_size, code, sizeof(int32_t))) ||
        w->code_size > SIZE_MAX - w->dist_size)
        return dkvb__fail(DKVB_ENOMEM, "search: the codes of a row do not fit in memory");
    return DKVB_OK;
}

/* Checks that all ranks (processes) search with the same options. The argument `rc` of check_ranks() is the status that
 * this rank (process) has so far. */
static dkvb_status check_ranks(const struct work *w, dkvb_status rc)
{
    struct dkvb__ranks_input inputs[] = {{"numbers of rows", 0}, {"options of the search", 0}};

    if (w->ranks->count == 1)
        return rc;
    inputs[0].sum = w->rows.n;
    inputs[1].sum = w->o.restart | (uint64_t)(w->o.distances != NULL) << 32;
    return dkvb__ranks_same(w->ranks, inputs, sizeof inputs / sizeof *inputs, rc);
}

/* Ends the search into a file on all ranks (processes) with the same status and the same counts. */
static dkvb_status end(struct work *w, dkvb_status rc)
{
    uint64_t rows = last_mark(w).rows;
    bool kept;

    rc = dkvb__partial_end(&w->partial, rc, rc == DKVB_ECANCELLED, &kept);
    w->report.kept = kept ? rows : 0;
    dkvb__free_erased(&w->cb->mem, w->found);
    dkvb__search_end(&w->search);
    rc = dkvb__ranks_agree(w->ranks, rc);
    /* after an I/O error, which may be the failed connection to the other ranks, nothing more is exchanged, so that the
     * reason is not lost */
    if (rc != DKVB_EIO)
        (void)dkvb__ranks_broadcast(w->ranks, &w->report.kept, sizeof w->report.kept);
    return rc;
}

/* Runs a search into a file, for which dkvb__search_begin() has allocated the scratch memory. */
static dkvb_status search(struct work *w, dkvb_search_file_report *report)
{
    dkvb_status rc, told;

    w->search.sums = true;
    w->partial = (struct dkvb__partial){.mem = &w->cb->mem, .fd = -1};
    rc = begin(w);
    if (!rc)
        rc = compare_rows(w);
    /* the first progress report comes before any row is searched, so that the caller knows at which row an interrupted
     * search continues */
    told = publish(w, report);
    if (!rc)
        rc = told ? told : search_rest(w);
    if (!rc)
        rc = write_files(w);
    rc = end(w, rc);
    told = publish(w, report);
    return rc ? rc : told;
}

dkvb_status dkvb_search_file(const dkvb_model *model, const float *x, size_t n, const char *path,
                             const dkvb_search_file_options *opts, dkvb_search_file_report *report,
                             const dkvb_run_options *run)
{
    struct work w = {.cb = model->codebooks,
                     .ranks = &model->codebooks->ranks,
                     .o = DKVB_SEARCH_FILE_OPTIONS_INIT,
                     .told = DKVB_OUTSIDE_INIT,
                     .own = DKVB_OUTSIDE_INIT,
                     .report = DKVB_SEARCH_FILE_REPORT_INIT,
                     .path = path};
    dkvb_outside *outside;
    dkvb_status rc = dkvb__run_take(&w.run, run);

    if (rc)
        return rc;
    w.report.rows = n;
    rc = publish(&w, report);
    if (!rc)
        rc = check(&w, model, x, n, opts);
    rc = check_ranks(&w, rc);
    outside = w.run.outside;
    /* rows outside the scale of the codebooks are counted even if the caller does not ask for the counts, since a later
     * call that continues the search may ask */
    w.run.outside = &w.own;
    if (!rc)
        rc = dkvb__search_begin(&w.search, w.cb, w.mask, model->top_k, &w.rows, DKVB__TILE_ROWS, &w.run);
    if (!rc)
        rc = search(&w, report);
    if (!rc && outside) {
        dkvb__outside_join(&w.told, &w.own);
        rc = dkvb__give_info(outside, &w.told, sizeof w.told, "rows outside the scale");
    }
    dkvb_mask_free(w.mask);
    return rc;
}
