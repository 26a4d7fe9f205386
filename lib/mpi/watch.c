/* The watch of an MPI job sends a sign of life (heartbeat) from each rank each second, by a separate thread, so that a
 * computing rank does not count as silent. Rank 0 listens to all other ranks, and the other ranks listen to rank 0. The
 * signs of life also carry the results of ranks, from which rank 0 decides which one line to print. */
#include "mpi/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/alloc.h"
#include "base/status.h"

static const double BEAT = 1.0; /* seconds between two signs of life of a rank */
/* seconds to wait after a rank failed, in which further ranks may fail in the same way */
static const double GRACE = 2.0;
/* a rank also counts as lost if its silence is at most this many seconds shorter than that of the first lost rank */
static const double NEAR = 3.0;
/* seconds after which a rank's sign of life is late, though the rank does not count as lost yet */
static const double LATE = 2.5;
/* seconds of a pause of the watch thread after which the silence of other ranks means nothing */
static const double STARVED = 1.0;
static const double LAST_SECONDS = 5.0; /* seconds for which MPI_Abort() may run before the process is ended */
enum { TURN = 10000 /* microseconds between checks of the watch thread for messages */ };

/* A line of text that is put together piece by piece. */
struct line {
    char text[2 * DKVB__MPI_TEXT];
    size_t length;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    int more;

    va_start(arguments, format);
    more = vsnprintf(line->text + line->length, sizeof line->text - line->length, format, arguments);
    va_end(arguments);
    line->length += more > 0 ? (size_t)more : 0;
    if (line->length >= sizeof line->text)
        line->length = sizeof line->text - 1;
}

/* Prints a line by a single write, so that the line is not mixed with lines of other ranks. */
static void print(struct line *line)
{
    ssize_t ignored;

    add(line, "\n");
    ignored = write(STDERR_FILENO, line->text, line->length);
    (void)ignored;
}

/* Ends the process if MPI_Abort() does not: messages that MPI_Abort() sends may wait for a host that is cut off. */
static void *last_resort(void *code)
{
    dkvb__mpi_sleep(999999);
    for (double end = dkvb__mpi_clock() + LAST_SECONDS - 1.0; dkvb__mpi_clock() < end;)
        dkvb__mpi_sleep(100000);
    _exit(*(int *)code);
}

static void leave(dkvb_mpi *job, int code)
{
    static int kept;
    pthread_t guard;

    kept = code ? code : EXIT_FAILURE;
    if (job->options.leave)
        job->options.leave(job->options.user);
    if (pthread_create(&guard, NULL, last_resort, &kept) != 0)
        _exit(kept);
    MPI_Abort(job->watch.comm, kept);
    _exit(kept);
}

/* True if this rank listens to the messages of rank `rank`. */
static bool hears(const dkvb_mpi *job, uint32_t rank)
{
    return rank != job->ranks.rank && (job->ranks.rank == 0 || rank == 0);
}

/* Returns the seconds after which a silent rank counts as lost. If rank 0 is lost, rank 1 reports the loss for all
 * ranks; each later rank waits longer, so that the ranks before it can report. */
static double patience(const dkvb_mpi *job)
{
    uint32_t rank = job->ranks.rank;

    return job->options.silence + (rank < 2 ? 0.0 : rank < 5 ? (rank - 1) * 2.0 : 8.0);
}

/* True if a rank that may still send messages was silent for `limit` seconds or longer. */
static bool is_silent(const dkvb_mpi *job, uint32_t rank, double now, double limit)
{
    const struct dkvb__mpi_rank *r = &job->watch.ranks[rank];

    return hears(job, rank) && r->stage != DKVB__MPI_LEAVING && now - r->heard > limit;
}

/* Adds the silent ranks to a line of output, at most four by name. Returns the number of silent ranks. */
static uint32_t add_silent(const dkvb_mpi *job, struct line *line, double now, double limit)
{
    uint32_t found = 0;

    for (uint32_t r = 0; r < job->ranks.count; r++)
        if (is_silent(job, r, now, limit) && found++ < 4)
            add(line, "%srank %u on %s", found > 1 ? ", " : "", r, job->hosts[r]);
    if (found > 4)
        add(line, " and %u more", found - 4);
    return found;
}

/* Stores the names of the silent ranks as a text, which dkvb_mpi_silent() returns. */
static void note_silent(dkvb_mpi *job, double now)
{
    struct dkvb__mpi_watch *w = &job->watch;
    unsigned other = 1 - atomic_load(&w->reads);
    struct line line = {.length = 0};

    add_silent(job, &line, now, LATE);
    snprintf(w->silent[other], sizeof w->silent[other], "%.*s", DKVB__MPI_TEXT - 1, line.text);
    atomic_store(&w->reads, other);
}

static void check_silence(dkvb_mpi *job, double now)
{
    struct line line = {.length = 0};
    double limit = patience(job), near = limit < 4 * NEAR ? limit / 4 : NEAR;
    uint32_t lost;
    bool any = false;

    for (uint32_t r = 0; r < job->ranks.count; r++)
        any = any || is_silent(job, r, now, limit);
    if (!any)
        return;
    add(&line, "dkvb-mpi: ");
    lost = add_silent(job, &line, now, limit - near);
    add(&line, "%s not been heard of for %.0f s: the process hangs, or its host is cut off. The job ends",
        lost > 1 ? " have" : " has", limit);
    print(&line);
    leave(job, EXIT_FAILURE);
}

/* Receives all messages of other ranks that have arrived. */
static void listen(dkvb_mpi *job, double now)
{
    struct dkvb__mpi_watch *w = &job->watch;
    struct dkvb__mpi_note note;
    MPI_Status status;
    int there;

    while (MPI_Iprobe(MPI_ANY_SOURCE, 0, w->comm, &there, &status) == MPI_SUCCESS && there) {
        struct dkvb__mpi_rank *from = &w->ranks[status.MPI_SOURCE];

        if (MPI_Recv(&note, sizeof note, MPI_BYTE, status.MPI_SOURCE, 0, w->comm, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return;
        from->heard = now;
        from->stage = note.stage;
        from->code = note.code;
        from->cut_off = note.cut_off;
        memcpy(from->text, note.text, sizeof from->text);
        if (note.verdict && status.MPI_SOURCE == 0) {
            pthread_mutex_lock(&w->lock);
            w->job_code = note.code;
            w->verdict = true;
            pthread_cond_broadcast(&w->changed);
            pthread_mutex_unlock(&w->lock);
        }
    }
}

/* Sends the state of this rank to another rank, unless the previous message to that rank is still being sent. Returns
 * true if the message was sent. */
static bool tell(dkvb_mpi *job, uint32_t rank, const struct dkvb__mpi_note *note)
{
    struct dkvb__mpi_watch *w = &job->watch;
    int done = 1;

    if (w->requests[rank] != MPI_REQUEST_NULL && MPI_Test(&w->requests[rank], &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        w->requests[rank] = MPI_REQUEST_NULL;
    if (!done)
        return false;
    w->sent[rank] = *note;
    return MPI_Isend(&w->sent[rank], sizeof *note, MPI_BYTE, (int)rank, 0, w->comm, &w->requests[rank]) == MPI_SUCCESS;
}

/* Adds the message of a rank to a line of output, after the rank's name unless the message begins with the name. */
static void add_named(const dkvb_mpi *job, struct line *line, uint32_t rank)
{
    const char *text = job->watch.ranks[rank].text;
    size_t before;

    add(line, "dkvb-mpi: ");
    before = line->length;
    add(line, "rank %u on %s: ", rank, job->hosts[rank]);
    if (strncmp(text, line->text + before, line->length - before) == 0)
        line->length = before;
    add(line, "%s", text);
}

/* Decides on rank 0, from the results of the ranks, which line is printed. Returns true once no rank works any more; a
 * rank that failed while others work ends the MPI job. */
static bool decide(dkvb_mpi *job, double now, int32_t *code)
{
    struct dkvb__mpi_watch *w = &job->watch;
    static double failed_at; /* time at which the watch thread saw the first failure of a rank */
    uint32_t count = job->ranks.count, working = 0, failed = 0, speaks = UINT32_MAX, with_text = 0;
    bool alike = true, cut_off = false;
    struct line line = {.length = 0};

    *code = 0;
    for (uint32_t r = 0; r < count; r++) {
        const struct dkvb__mpi_rank *rank = &w->ranks[r];

        if (rank->stage == DKVB__MPI_WORKING) {
            working++;
            continue;
        }
        if (rank->code == 0)
            continue;
        failed++;
        if (*code == 0)
            *code = rank->code;
        if (rank->text[0] == '\0')
            continue;
        with_text++;
        /* A rank that only lost contact to other ranks knows less about the cause of a failure than a rank that failed
         * itself. */
        if (speaks == UINT32_MAX || (w->ranks[speaks].cut_off && !rank->cut_off))
            speaks = r;
        alike = alike && strcmp(rank->text, w->ranks[speaks].text) == 0;
    }
    if (failed == 0) {
        failed_at = 0;
        return working == 0;
    }
    if (failed_at == 0)
        failed_at = now;
    cut_off = speaks != UINT32_MAX && w->ranks[speaks].cut_off;
    if (working > 0 && now - failed_at < (cut_off ? job->options.silence + NEAR : GRACE))
        return false;
    if (speaks != UINT32_MAX) {
        if (working == 0 && alike && with_text == failed)
            add(&line, "dkvb-mpi: %s", w->ranks[speaks].text);
        else
            add_named(job, &line, speaks);
        print(&line);
    }
    if (working > 0)
        leave(job, *code);
    failed_at = 0;
    return true;
}

/* Sends a sign of life when it is due, and news at once, to the ranks that listen to this rank. */
static void speak(dkvb_mpi *job, double now, const struct dkvb__mpi_note *note, bool news)
{
    struct dkvb__mpi_watch *w = &job->watch;

    if (!news && now < w->beat)
        return;
    w->beat = now + BEAT;
    for (uint32_t r = 0; r < job->ranks.count; r++)
        if (hears(job, r) && !w->told_end[r] && tell(job, r, note))
            w->told_end[r] = note->stage == DKVB__MPI_LEAVING;
}

/* Returns true when this rank and every rank that this rank listens to have sent their last messages, so that no
 * message is still on its way. */
static bool over(dkvb_mpi *job)
{
    struct dkvb__mpi_watch *w = &job->watch;
    int done;

    for (uint32_t r = 0; r < job->ranks.count; r++) {
        if (!hears(job, r))
            continue;
        if (!w->told_end[r] || w->ranks[r].stage != DKVB__MPI_LEAVING)
            return false;
        if (w->requests[r] != MPI_REQUEST_NULL &&
            (MPI_Test(&w->requests[r], &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done))
            return false;
    }
    return true;
}

static void *watch(void *user)
{
    dkvb_mpi *job = user;
    struct dkvb__mpi_watch *w = &job->watch;
    struct dkvb__mpi_rank *me = &w->ranks[job->ranks.rank];
    struct dkvb__mpi_note note;
    double now, last = dkvb__mpi_clock();
    uint32_t said = DKVB__MPI_WORKING;
    bool judged = false, just_judged, cancelled;
    int32_t code;

#ifdef __linux__
    prctl(PR_SET_NAME, "dkvb-watch"); /* the name of the watch thread, as debuggers and top show it */
#endif
    for (;;) {
        dkvb__mpi_sleep(TURN);
        now = dkvb__mpi_clock();
        for (uint32_t r = 0; now - last > STARVED && r < job->ranks.count; r++)
            /* after a pause of this process, or of its host, the silence of other ranks means nothing */
            w->ranks[r].heard = now;
        last = now;
        pthread_mutex_lock(&w->lock);
        note = w->own;
        note.stage = w->mine;
        cancelled = w->cancelled;
        pthread_mutex_unlock(&w->lock);
        if (cancelled)
            return NULL;
        me->stage = note.stage;
        me->code = note.code;
        me->cut_off = note.cut_off;
        memcpy(me->text, note.text, sizeof me->text);
        listen(job, now);
        just_judged = false;
        if (job->ranks.rank == 0 && !judged && note.stage != DKVB__MPI_LEAVING && decide(job, now, &code)) {
            judged = just_judged = true;
            pthread_mutex_lock(&w->lock);
            w->own.code = code;
            w->own.verdict = 1;
            note = w->own;
            note.stage = w->mine;
            w->job_code = code;
            w->verdict = true;
            pthread_cond_broadcast(&w->changed);
            pthread_mutex_unlock(&w->lock);
        }
        speak(job, now, &note, note.stage != said || just_judged || note.stage == DKVB__MPI_LEAVING);
        said = note.stage;
        if (note.stage == DKVB__MPI_LEAVING && over(job))
            return NULL;
        note_silent(job, now);
        check_silence(job, now);
    }
}

dkvb_status dkvb__mpi_watch_start(dkvb_mpi *job)
{
    struct dkvb__mpi_watch *w = &job->watch;
    uint32_t count = job->ranks.count;
    int level = MPI_THREAD_SINGLE, wanted, least = 0;
    bool room;

    MPI_Query_thread(&level);
    wanted = level == MPI_THREAD_MULTIPLE && job->options.silence > 0 && count > 1;
    w->ranks = dkvb__alloc0(&job->mem, count, sizeof *w->ranks);
    w->sent = dkvb__alloc0(&job->mem, count, sizeof *w->sent);
    w->requests = dkvb__alloc0(&job->mem, count, sizeof *w->requests);
    w->told_end = dkvb__alloc0(&job->mem, count, sizeof *w->told_end);
    room = w->ranks && w->sent && w->requests && w->told_end;
    wanted = room ? wanted : -1;
    /* All ranks take the least value of `wanted`, so that either all ranks start a watch thread or none. */
    if (MPI_Allreduce(&wanted, &least, 1, MPI_INT, MPI_MIN, job->comm) != MPI_SUCCESS || least < 0 ||
        (least > 0 && MPI_Comm_dup(job->comm, &w->comm) != MPI_SUCCESS)) {
        dkvb__mpi_watch_stop(job);
        return dkvb__fail(least < 0 ? DKVB_ENOMEM : DKVB_EIO, "the watch of %u ranks cannot be set up on all of them",
                          count);
    }
    if (least == 0)
        return DKVB_OK;
    MPI_Comm_set_errhandler(w->comm, MPI_ERRORS_RETURN);
    for (uint32_t r = 0; r < count; r++) {
        w->requests[r] = MPI_REQUEST_NULL;
        w->ranks[r].heard = dkvb__mpi_clock();
    }
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->running = pthread_create(&w->thread, NULL, watch, job) == 0;
    job->info.watched = w->running;
    least = w->running;
    /* A rank without a watch thread would count as silent. */
    MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_INT, MPI_MIN, job->comm);
    if (least)
        return DKVB_OK;
    pthread_mutex_lock(&w->lock);
    w->cancelled = true;
    pthread_mutex_unlock(&w->lock);
    dkvb__mpi_watch_stop(job);
    return dkvb__fail(DKVB_ENOMEM, "a rank cannot start the thread that watches the others");
}

int dkvb__mpi_watch_end(dkvb_mpi *job, int code, const char *text)
{
    struct dkvb__mpi_watch *w = &job->watch;

    pthread_mutex_lock(&w->lock);
    w->own.code = code;
    w->own.cut_off = atomic_load(&job->cut_off);
    snprintf(w->own.text, sizeof w->own.text, "%s", text);
    w->mine = DKVB__MPI_ENDED;
    while (!w->verdict)
        pthread_cond_wait(&w->changed, &w->lock);
    code = w->job_code;
    pthread_mutex_unlock(&w->lock);
    return code;
}

void dkvb__mpi_watch_stop(dkvb_mpi *job)
{
    struct dkvb__mpi_watch *w = &job->watch;

    if (w->running) {
        pthread_mutex_lock(&w->lock);
        w->mine = DKVB__MPI_LEAVING;
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
        pthread_mutex_destroy(&w->lock);
        pthread_cond_destroy(&w->changed);
        MPI_Comm_free(&w->comm);
        w->running = false;
    }
    dkvb__free(&job->mem, w->ranks);
    dkvb__free(&job->mem, w->sent);
    dkvb__free(&job->mem, w->requests);
    dkvb__free(&job->mem, w->told_end);
    *w = (struct dkvb__mpi_watch){.running = false};
}
