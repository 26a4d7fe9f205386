/* Encodes a set of pictures into a file of rows. A partial file lets the same call continue after an interrupt
 * (partial.h). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/imageset.h"
#include "dkvb/data.h"
#include "encoder/encoder.h"
#include "encoder/partial.h"

/* Number of pictures that are encoded together. One chunk is the most work that an interrupt can lose. */
enum { CHUNK = DKVB__ENCODER_BATCH };

struct work {
    const dkvb_encoder *encoder;
    const dkvb_imageset *set;
    dkvb_encode_options o;
    dkvb_run_options run; /* run options of the whole call */
    struct dkvb__partial partial;
    dkvb_encode_report report;
    float *x; /* [CHUNK][dim] */
    bool interrupted;
};

static dkvb_status publish(const struct work *w, dkvb_encode_report *report)
{
    return report ? dkvb__give_info(report, &w->report, sizeof w->report, "encode report") : DKVB_OK;
}

/* Reports the progress of a chunk as progress of the whole. */
static int step(void *user, uint64_t done, uint64_t total)
{
    struct work *w = user;

    (void)total;
    if (w->run.progress && w->run.progress(w->run.user, w->partial.done + done, w->report.pictures))
        w->interrupted = true;
    return w->interrupted;
}

/* Continues earlier work. Pictures that an earlier call could not read stay left out; if no picture may be left out,
 * there must be none of them. */
static dkvb_status take_up(struct work *w)
{
    for (uint64_t i = 0; i < w->partial.done; i++) {
        bool readable = w->partial.marks[i] == DKVB__PARTIAL_ROW;
        dkvb_picture picture = DKVB_PICTURE_INIT;
        dkvb_status rc;

        if (w->o.readable)
            w->o.readable[i] = readable;
        w->report.unreadable += !readable;
        if (readable || w->o.skip_unreadable)
            continue;
        rc = dkvb_imageset_get(w->set, i, &picture);
        return rc ? rc
                  : dkvb__fail(
                        DKVB_EFORMAT,
                        "%.160s: picture %.160s could not be read: it must be left out (skip-unreadable), or all "
                        "must be tried again (restart)",
                        w->partial.path, picture.name);
    }
    w->report.resumed = w->partial.resumed;
    return DKVB_OK;
}

static dkvb_status begin(struct work *w, const char *path)
{
    struct dkvb__partial_key key = {.encoder = w->encoder->info.identity,
                                    .dtype = w->o.dtype,
                                    .columns = w->encoder->info.dim,
                                    .pictures = w->report.pictures,
                                    .set = dkvb__imageset_checksum(w->set)};
    dkvb_status rc = dkvb__partial_open(&w->partial, path, &key, w->o.restart != 0, CHUNK, &w->encoder->mem);

    if (rc)
        return rc;
    w->x = dkvb__alloc(&w->encoder->mem, (size_t)CHUNK * key.columns, sizeof *w->x);
    return w->x ? take_up(w) : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for rows", path);
}

static dkvb_status encode_rest(struct work *w)
{
    dkvb_run_options run = w->run;
    dkvb_status rc = DKVB_OK;

    run.progress = step;
    run.user = w;
    for (uint64_t first = w->partial.done; first < w->report.pictures && !rc; first = w->partial.done) {
        size_t n = w->report.pictures - first < CHUNK ? (size_t)(w->report.pictures - first) : CHUNK;
        dkvb_encode_options o = w->o;
        uint8_t readable[CHUNK];

        o.readable = w->o.readable ? w->o.readable + first : readable;
        rc = dkvb_encoder_encode_set(w->encoder, w->set, first, n, w->x, &o, &run);
        if (!rc)
            rc = dkvb__partial_add(&w->partial, w->x, o.readable, n);
        for (size_t i = 0; i < n && !rc; i++)
            w->report.unreadable += !o.readable[i];
    }
    return rc;
}

static dkvb_status write_rows(struct work *w, const char *path)
{
    const uint64_t shape[2] = {w->partial.rows, w->encoder->info.dim};
    const void *rows;
    dkvb_status rc;

    if (w->partial.rows == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: none of %llu pictures can be read", w->set->path,
                          (unsigned long long)w->report.pictures);
    w->report.rows = w->partial.rows;
    rc = dkvb__partial_map(&w->partial, &rows);
    return rc ? rc : dkvb_npy_write(path, w->o.dtype, 0, 2, shape, rows);
}

static dkvb_status check(struct work *w, const char *path, const dkvb_encode_options *opts, const dkvb_run_options *run)
{
    dkvb_status rc;

    w->o = (dkvb_encode_options)DKVB_ENCODE_OPTIONS_INIT;
    w->run = (dkvb_run_options)DKVB_RUN_OPTIONS_INIT;
    rc = dkvb__take_options(&w->o, sizeof w->o, opts, "encode options");
    if (!rc)
        rc = dkvb__take_options(&w->run, sizeof w->run, run, "run options");
    if (!rc && w->o.dtype == 0)
        w->o.dtype = DKVB_DTYPE_F32;
    if (!rc && w->o.dtype != DKVB_DTYPE_F32 && w->o.dtype != DKVB_DTYPE_F16)
        rc = dkvb__fail(DKVB_EINVAL, "encode: dtype is %u, rows are float32 or float16", w->o.dtype);
    if (!rc && w->o.trace)
        rc = dkvb__fail(DKVB_EINVAL, "encode: a trace is of one picture, not of a file");
    if (!rc && w->o.restart > 1)
        rc = dkvb__fail(DKVB_EINVAL, "encode: restart is %u, it must be 0 or 1", w->o.restart);
    return rc ? rc : dkvb_imageset_spare(w->set, path);
}

dkvb_status dkvb_encoder_encode_file(const dkvb_encoder *encoder, const dkvb_imageset *set, const char *path,
                                     const dkvb_encode_options *opts, dkvb_encode_report *report,
                                     const dkvb_run_options *run)
{
    struct work w = {.encoder = encoder, .set = set, .partial = {.fd = -1}};
    dkvb_status rc, told;

    if (!encoder || !set || !path)
        return dkvb__fail(DKVB_EINVAL, "encode: %s is NULL", !encoder ? "encoder" : !set ? "set" : "path");
    w.report.pictures = set->info.pictures;
    rc = publish(&w, report);
    if (!rc)
        rc = check(&w, path, opts, run);
    if (rc)
        return rc;
    w.partial.mem = &encoder->mem;
    rc = begin(&w, path);
    told = publish(&w, report); /* before the first progress report, so that the caller knows where work continues */
    if (!rc)
        rc = told ? told : encode_rest(&w);
    if (!rc)
        rc = write_rows(&w, path);
    rc = dkvb__partial_end(&w.partial, rc, w.interrupted, &w.report.kept);
    dkvb__free(&encoder->mem, w.x);
    told = publish(&w, report);
    return rc ? rc : told;
}
