/* Encodes a set of pictures into a file of rows. Finished rows are kept in a part file, so that an interrupted call can
 * be continued by the same call (base/partial.h).
 *
 * The pictures of a set are encoded in rounds: each rank (process) encodes the next few pictures of its own, and then
 * rank 0, which alone has the files, takes the rows of all ranks in the order of the pictures. A single process counts
 * as rank 0 of one rank. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fnv.h"
#include "base/npy_header.h"
#include "base/parallel.h"
#include "base/partial.h"
#include "base/ranks.h"
#include "base/ranks_same.h"
#include "base/status.h"
#include "data/imageset.h"
#include "data/stored.h"
#include "dkvb/data.h"
#include "encoder/encoder.h"

/* Number of pictures that a rank (process) encodes together. An interrupt of an encoding loses at most the rows that
 * all ranks encode in one round, CHUNK pictures each. ROOM is the number of bytes of other ranks' rows that rank 0
 * takes at a time. */
enum { CHUNK = DKVB__ENCODER_BATCH, ROOM = 64 << 20, MESSAGE = 512 };

/* Marks that tell whether a picture was readable, for the pictures that are encoded together in one round. */
enum { UNREADABLE = 0, READABLE = 1, NOT_REACHED = 2 };

/* Marks of pictures in a part file (a file of rows that were finished before an interrupt), a byte for each picture. */
enum { MARK_ROW = 1, MARK_UNREADABLE = 2 };

struct work {
    const dkvb_encoder *encoder;
    const dkvb_imageset *set;
    dkvb_encode_options o;
    struct dkvb__run run; /* run options of the whole call that encodes the set */
    dkvb_ranks ranks;
    struct dkvb__partial partial;
    dkvb_encode_report report;
    size_t chunk;  /* number of pictures that a rank (process) encodes in a round, at most CHUNK */
    size_t taken;  /* number of ranks (processes) from which rank 0 takes rows of features at a time */
    float *x;      /* rows of features of the pictures that this rank (process) encodes, [chunk][dim] */
    float *others; /* rows of features from other ranks, [taken][chunk][dim]; NULL on all ranks except rank 0 */
    /* one mark for each picture encoded in a round, [count][chunk]: UNREADABLE, READABLE or NOT_REACHED */
    uint8_t *marks;
    /* rows of features as float16 before they are written, [chunk][dim]; NULL on all ranks except rank 0 */
    uint16_t *half;
    char (*messages)[MESSAGE]; /* messages about unreadable pictures of this rank, [chunk] */
    /* messages about unreadable pictures of all ranks, [count][chunk], on rank 0; NULL if the caller wants no such
     * messages */
    char (*told)[MESSAGE];
    /* index in the picture set of the first picture that this rank (process) encodes in the present round */
    size_t own;
    /* index of each rank's first picture among the pictures of an encoding round; the last element is the number of
     * pictures in the round */
    size_t first[DKVB_RANKS_COUNT + 1];
    /* number of turned pictures that dkvb__imageset_turned() returned in this process before the set was encoded */
    uint64_t turned;
    bool interrupted;
};

static dkvb_status publish(const struct work *w, dkvb_encode_report *report)
{
    return report ? dkvb__give_info(report, &w->report, sizeof w->report, "encode report") : DKVB_OK;
}

/* Continues the encoding of an interrupted call. Pictures that were unreadable before the interrupt stay left out; if
 * the caller lets no picture be left out, an unreadable picture is an error. */
static dkvb_status take_up(struct work *w)
{
    for (uint64_t i = 0; i < w->partial.done; i++) {
        bool readable = w->partial.marks[i] == MARK_ROW;
        dkvb_picture picture = DKVB_PICTURE_INIT;
        dkvb_status rc;

        if (readable || w->o.skip_unreadable) {
            if (w->o.readable)
                w->o.readable[i] = readable;
            w->report.unreadable += !readable;
            continue;
        }
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

/* Allocates the buffers for the pictures that are encoded in one round. Rank 0 also gets buffers for the rows of
 * features and the error messages that the other ranks send. */
static dkvb_status make_room(struct work *w, const char *path)
{
    const dkvb_allocator *mem = &w->encoder->mem;
    size_t dim = w->encoder->info.dim, row = dim * sizeof *w->x, count = w->ranks.count;
    bool first = w->ranks.rank == 0, many = count > 1, half = w->o.dtype == DKVB_DTYPE_F16;

    if (many && row > DKVB_RANKS_MOST)
        return dkvb__fail(DKVB_EINVAL, "%.300s: rows of %zu columns are too long to be passed between ranks", path,
                          dim);
    w->chunk = !many || row * CHUNK <= ROOM ? CHUNK : row <= ROOM ? ROOM / row : 1;
    w->taken = ROOM / (row * w->chunk) < count - 1 ? ROOM / (row * w->chunk) : count - 1;
    w->taken = w->taken > 0 ? w->taken : 1;
    w->x = dkvb__alloc(mem, w->chunk, row);
    w->marks = dkvb__alloc(mem, count * w->chunk, sizeof *w->marks);
    w->messages = dkvb__alloc(mem, w->chunk, sizeof *w->messages);
    if (many && first)
        w->others = dkvb__alloc(mem, w->taken * w->chunk, row);
    if (first && half)
        w->half = dkvb__alloc(mem, w->chunk, dim * sizeof *w->half);
    if (many && first && w->o.unreadable)
        w->told = dkvb__alloc(mem, count * w->chunk, sizeof *w->told);
    return w->x && w->marks && w->messages && (!many || !first || w->others) && (!first || !half || w->half) &&
                   (!many || !first || !w->o.unreadable || w->told)
               ? DKVB_OK
               : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for rows", path);
}

static bool take_mark(const struct dkvb__partial_key *key, const void *mark, uint64_t *rows)
{
    uint8_t kind = *(const uint8_t *)mark;

    (void)key;
    *rows += kind == MARK_ROW;
    return kind == MARK_ROW || kind == MARK_UNREADABLE;
}

/* Opens the part file (rows kept from an interrupted encoding) on rank 0, and tells all ranks (processes) how many
 * pictures the part file has. */
static dkvb_status begin(struct work *w, const char *path)
{
    const dkvb_encoder_info *info = &w->encoder->info;
    struct dkvb__partial_key key = {.contents = "rows",
                                    .thing = "picture",
                                    .set = dkvb__imageset_checksum(w->set),
                                    .things = w->report.pictures,
                                    .marks = w->report.pictures,
                                    .mark_size = sizeof *w->marks,
                                    .row_size = info->dim * dkvb__dtype_size(w->o.dtype),
                                    .take = take_mark};
    dkvb_status rc;

    snprintf(key.text[0], sizeof key.text[0], "%s", info->identity);
    snprintf(key.text[1], sizeof key.text[1], "%u columns", info->dim);
    snprintf(key.text[2], sizeof key.text[2], "%s", dkvb_name(DKVB_NAME_DTYPE, w->o.dtype));
    rc = w->ranks.rank == 0 ? dkvb__partial_open(&w->partial, path, &key, w->o.restart != 0, &w->encoder->mem)
                            : dkvb__partial_follow(&w->partial, path, &key, &w->encoder->mem);
    if (!rc)
        rc = make_room(w, path);
    rc = dkvb__ranks_agree(&w->ranks, rc);
    if (!rc)
        rc = dkvb__partial_pass_on(&w->partial, &w->ranks);
    return dkvb__ranks_agree(&w->ranks, rc ? rc : take_up(w));
}

/* Notes why a picture of this rank (process) cannot be read. Rank 0 passes the notes about unreadable pictures of all
 * ranks to the caller. */
static int note(void *user, uint64_t index, const char *message)
{
    struct work *w = user;

    snprintf(w->messages[index - w->own], sizeof *w->messages, "%s", message);
    return 0;
}

/* Encodes this rank's share of the pictures of a round, and marks each picture as readable or not. */
static dkvb_status encode_own(struct work *w, uint64_t round)
{
    size_t from = w->first[w->ranks.rank], n = w->first[w->ranks.rank + 1] - from;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_encode_options o = w->o;
    dkvb_status rc;

    w->own = round + from;
    for (size_t i = 0; i < w->chunk; i++)
        w->messages[i][0] = '\0';
    memset(w->marks + from, NOT_REACHED, n);
    run.threads = w->run.threads;
    o.readable = w->marks + from;
    o.unreadable = note;
    o.user = w;
    rc = dkvb_encoder_encode_set(w->encoder, w->set, w->own, n, w->x, &o, &run);
    /* this loop handles a failure of encoding that no picture has caused, such as missing memory */
    for (size_t i = 0; i < n; i++)
        if (w->marks[from + i] == UNREADABLE && w->messages[i][0] == '\0')
            w->marks[from + i] = NOT_REACHED;
    return rc;
}

/* Sends the messages about unreadable pictures to rank 0, in the order of the pictures. */
static dkvb_status pass_messages(struct work *w)
{
    size_t sent[DKVB_RANKS_COUNT] = {0}, received[DKVB_RANKS_COUNT] = {0}, own = 0;
    uint32_t rank = w->ranks.rank;

    for (uint32_t r = 0; r < w->ranks.count; r++)
        for (size_t i = w->first[r]; i < w->first[r + 1]; i++) {
            if (w->marks[i] != UNREADABLE)
                continue;
            received[r] += rank == 0 ? sizeof *w->told : 0;
            if (r == rank)
                memmove(w->messages[own++], w->messages[i - w->first[r]], sizeof *w->messages);
        }
    sent[0] = own * sizeof *w->messages;
    return dkvb__ranks_exchange(&w->ranks, w->messages, sent, w->told, received);
}

/* Tells the caller of rank 0 about pictures that cannot be read, in the order of the set, up to the first picture that
 * ends the call. */
static dkvb_status tell(const struct work *w, uint64_t round)
{
    size_t end = w->first[w->ranks.count], told = 0;

    for (size_t i = 0; i < end && w->marks[i] != NOT_REACHED; i++) {
        const char *message;

        if (w->marks[i] == READABLE)
            continue;
        message = w->told ? w->told[told++] : w->messages[i];
        if (w->o.unreadable(w->o.user, round + i, message))
            return dkvb__fail(DKVB_ECANCELLED, "stopped at a picture that cannot be read: %.400s", message);
        if (!w->o.skip_unreadable)
            break;
    }
    return DKVB_OK;
}

/* Adds the next n encoded pictures to the part file on rank 0; the other ranks (processes) have no part file and only
 * count the pictures, with x NULL. Rows of features of neighbouring readable pictures are added at once, for as many
 * pictures as a rank encodes together. */
static dkvb_status add_pictures(struct work *w, const float *x, const uint8_t *readable, size_t n)
{
    size_t dim = w->encoder->info.dim;
    uint8_t kinds[CHUNK];
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0, run; i < n && !rc; i += run > 0 ? run : 1) {
        const void *rows = x ? x + i * dim : NULL;

        for (run = 0; i + run < n && run < w->chunk && readable[i + run]; run++)
            ;
        if (rows && w->half) {
            dkvb__half_from_floats(w->half, rows, run * dim);
            rows = w->half;
        }
        rc = dkvb__partial_put(&w->partial, rows, run);
    }
    for (size_t i = 0, some; i < n && !rc; i += some) {
        some = n - i < CHUNK ? n - i : CHUNK;
        for (size_t j = 0; j < some; j++)
            kinds[j] = readable[i + j] ? MARK_ROW : MARK_UNREADABLE;
        rc = dkvb__partial_mark(&w->partial, kinds, some);
    }
    return rc;
}

/* Adds the rows of features from all ranks (processes) to the part file on rank 0, which keeps finished rows, in the
 * order of the pictures. Ranks other than rank 0 write no part file, but count the rows of features as rank 0 does. */
static dkvb_status add_rows(struct work *w)
{
    size_t row = w->encoder->info.dim * sizeof *w->x, *first = w->first;
    uint32_t count = w->ranks.count, end;
    dkvb_status rc = DKVB_OK, added;

    if (w->ranks.rank > 0)
        added = add_pictures(w, NULL, w->marks, first[count]);
    else
        added = add_pictures(w, w->x, w->marks, first[1]);
    for (uint32_t from = 1; !rc && from < count; from = end) {
        size_t sent[DKVB_RANKS_COUNT] = {0}, received[DKVB_RANKS_COUNT] = {0};

        end = count - from < w->taken ? count : from + (uint32_t)w->taken;
        if (w->ranks.rank >= from && w->ranks.rank < end)
            sent[0] = (first[w->ranks.rank + 1] - first[w->ranks.rank]) * row;
        for (uint32_t r = from; w->ranks.rank == 0 && r < end; r++)
            received[r] = (first[r + 1] - first[r]) * row;
        rc = dkvb__ranks_exchange(&w->ranks, w->x, sent, w->others, received);
        if (!rc && !added && w->ranks.rank == 0)
            added = add_pictures(w, w->others, w->marks + first[from], first[end] - first[from]);
    }
    return rc ? rc : dkvb__ranks_agree(&w->ranks, added);
}

/* Encodes the next pictures of the set, at most w->chunk of them on each rank (process). */
static dkvb_status encode_round(struct work *w)
{
    uint64_t round = w->partial.done, rest = w->report.pictures - round;
    size_t most = w->chunk * w->ranks.count, n = rest < most ? (size_t)rest : most;
    uint8_t tells = w->o.unreadable != NULL;
    dkvb_status rc, failed;

    for (uint32_t r = 0; r <= w->ranks.count; r++)
        w->first[r] = dkvb__ranks_first(&w->ranks, n, r);
    rc = encode_own(w, round);
    failed = dkvb__ranks_share(&w->ranks, w->marks, w->first, 1);
    if (!failed)
        failed = dkvb__ranks_broadcast(&w->ranks, &tells, sizeof tells);
    if (!failed && tells && w->ranks.count > 1)
        failed = pass_messages(w);
    if (failed)
        return failed;
    for (size_t i = 0; w->o.readable && i < n && w->marks[i] != NOT_REACHED; i++)
        w->o.readable[round + i] = w->marks[i];
    if (w->o.unreadable && w->ranks.rank == 0 && (failed = tell(w, round)))
        rc = failed;
    if (!rc) {
        rc = dkvb__report(&w->run, round + n, w->report.pictures);
        w->interrupted = rc == DKVB_ECANCELLED;
    }
    failed = rc;
    rc = dkvb__ranks_agree(&w->ranks, rc);
    /* the encoding of the set counts as interrupted if another rank was interrupted */
    w->interrupted = w->interrupted || (rc == DKVB_ECANCELLED && !failed);
    if (!rc)
        rc = add_rows(w);
    for (size_t i = 0; i < n && !rc; i++)
        w->report.unreadable += w->marks[i] == UNREADABLE;
    return rc;
}

static dkvb_status encode_rest(struct work *w)
{
    dkvb_status rc = DKVB_OK;

    while (w->partial.done < w->report.pictures && !rc)
        rc = encode_round(w);
    return rc;
}

/* Copies all rows of features from the part file, which kept finished rows, to the output file. */
static dkvb_status write_file(const struct work *w, const char *path)
{
    const uint64_t shape[2] = {w->partial.rows, w->encoder->info.dim};
    const char *descr = w->o.dtype == DKVB_DTYPE_F16 ? "<f2" : "<f4";
    struct dkvb__writer to;
    dkvb_status rc = dkvb__npy_begin(&to, path, descr, 2, shape, &w->encoder->mem);

    if (rc)
        return rc;
    return dkvb__writer_end(&to, dkvb__partial_copy(&w->partial, 0, w->partial.rows * w->partial.key.row_size, &to));
}

static dkvb_status write_rows(struct work *w, const char *path)
{
    if (w->partial.rows == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: none of %llu pictures can be read", w->set->path,
                          (unsigned long long)w->report.pictures);
    w->report.rows = w->partial.rows;
    return w->ranks.rank == 0 ? write_file(w, path) : DKVB_OK;
}

static dkvb_status check(struct work *w, const char *path, const dkvb_encode_options *opts)
{
    dkvb_status rc;

    w->o = (dkvb_encode_options)DKVB_ENCODE_OPTIONS_INIT;
    rc = dkvb__take_options(&w->o, sizeof w->o, opts, "encode options");
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

/* Checks that all ranks (processes) encode the same pictures in the same way. The argument `rc` is the dkvb_status of
 * this rank before the ranks compare what they encode. */
static dkvb_status check_ranks(const struct work *w, dkvb_status rc)
{
    struct dkvb__ranks_input inputs[] = {
        {"pictures (their names, sizes and times)", 0}, {"encoders", DKVB__FNV_BEGIN}, {"options of encoding", 0}};

    if (w->ranks.count == 1)
        return rc;
    if (!rc) {
        const char *identity = w->encoder->info.identity;

        inputs[0].sum = dkvb__imageset_checksum(w->set) ^ w->report.pictures;
        dkvb__fnv_add(&inputs[1].sum, identity, strlen(identity));
        dkvb__fnv_add(&inputs[1].sum, &w->encoder->info.dim, sizeof w->encoder->info.dim);
        inputs[2].sum = w->o.dtype | (uint64_t)w->o.restart << 32 | (uint64_t)w->o.skip_unreadable << 33;
    }
    return dkvb__ranks_same(&w->ranks, inputs, sizeof inputs / sizeof *inputs, rc);
}

/* Adds up the pictures with an orientation other than upright that all ranks (processes) have read, as if this process
 * had read all pictures. */
static dkvb_status count_turned(const struct work *w)
{
    uint64_t own = dkvb__imageset_turned(w->set) - w->turned, all = own;
    dkvb_status rc = dkvb__ranks_sum(&w->ranks, &all, 1);

    if (!rc)
        dkvb__imageset_add_turned(w->set, all - own);
    return rc;
}

/* Ends the encoding of pictures on all ranks (processes), so that all return the same status and the same counts. */
static dkvb_status end(struct work *w, dkvb_status rc)
{
    const dkvb_allocator *mem = &w->encoder->mem;

    uint64_t done = w->partial.done;
    bool kept;

    rc = dkvb__partial_end(&w->partial, rc, w->interrupted, &kept);
    w->report.kept = kept ? done : 0;
    dkvb__free(mem, w->x);
    dkvb__free(mem, w->others);
    dkvb__free(mem, w->half);
    dkvb__free(mem, w->marks);
    dkvb__free(mem, w->messages);
    dkvb__free(mem, w->told);
    rc = dkvb__ranks_agree(&w->ranks, rc);
    /* after an I/O error, which may be the failed connection to the other ranks, this rank sends nothing more to other
     * ranks, so that the error message stays the one of the I/O error */
    if (rc != DKVB_EIO)
        (void)dkvb__ranks_broadcast(&w->ranks, &w->report.kept, sizeof w->report.kept);
    return rc;
}

dkvb_status dkvb_encoder_encode_file(const dkvb_encoder *encoder, const dkvb_imageset *set, const char *path,
                                     const dkvb_encode_options *opts, dkvb_encode_report *report,
                                     const dkvb_run_options *run)
{
    struct work w = {.encoder = encoder, .set = set, .partial = {.fd = -1}};
    dkvb_status rc, told;

    rc = dkvb__run_take(&w.run, run);
    if (!rc)
        rc = dkvb__ranks_take(&w.ranks, w.run.ranks);
    if (rc)
        return rc;
    if (!encoder || !set || !path)
        rc = dkvb__fail(DKVB_EINVAL, "encode: %s is NULL", !encoder ? "encoder" : !set ? "set" : "path");
    w.report.pictures = set ? set->info.pictures : 0;
    w.turned = set ? dkvb__imageset_turned(set) : 0;
    if (!rc)
        rc = publish(&w, report);
    if (!rc)
        rc = check(&w, path, opts);
    rc = check_ranks(&w, rc);
    if (rc)
        return rc;
    w.partial.mem = &encoder->mem;
    rc = begin(&w, path);
    /* the report on a continued encoding is given before the first progress report, so that the caller knows where the
     * work continues */
    told = publish(&w, report);
    if (!rc)
        rc = told ? told : encode_rest(&w);
    if (!rc)
        rc = count_turned(&w);
    if (!rc)
        rc = write_rows(&w, path);
    rc = end(&w, rc);
    told = publish(&w, report);
    return rc ? rc : told;
}
