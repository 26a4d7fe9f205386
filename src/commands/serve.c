/* A process that answers rows as they arrive: it reads input, predicts, writes answers, and measures how long rows
 * waited. */
#include "commands/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/codes.h"
#include "io/input.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

enum {
    READ_BYTES = 1 << 20, /* largest number of bytes that are read at a time before rows are answered */
    PIECE = 4096,         /* PIPE_BUF of Linux: poll() promises room for this number of bytes in a pipe */
    LOOK_EACH = 250, /* milliseconds between checks for a signal and for another model file, while no input arrives */
    /* seconds that rows wait for a usable model file, or that answers wait for a reader after a signal */
    PATIENCE = 5,
    STEPS = 64 /* number of counters for each doubling of a waiting time, so that a percentile is exact to 1.6 % */
};

static const char input[] = "standard input";

struct server {
    const struct serve_args *args;
    dkvb_live *live;
    dkvb_service *service;
    dkvb_run_options run;
    dkvb_outside outside;
    char *buffer; /* buffer for the input that is read at a time, [READ_BYTES] */
    bool ended, broken;
    /* `first` is the time at which the server read the first bytes, `last` the time at which it wrote the last
     * answer */
    double first, last;
    uint64_t rows, batches, abstained, refused;
    /* histogram of the times that rows waited, in nanoseconds: the number of rows whose time fell into each bin */
    uint64_t waited[64 * STEPS];
    uint64_t longest;
};

static size_t step_of(uint64_t nanoseconds)
{
    unsigned power = 63 - (unsigned)__builtin_clzll(nanoseconds | STEPS);

    return (size_t)power * STEPS + (nanoseconds >> (power - 6)) % STEPS;
}

/* Returns the time in milliseconds within which the fraction `share` of the rows was answered. */
static double percentile(const struct server *s, double share)
{
    uint64_t all = 0, seen = 0;

    for (size_t i = 0; i < 64 * STEPS; i++)
        all += s->waited[i];
    for (size_t i = 6 * STEPS; i < 64 * STEPS; i++) {
        size_t power = i / STEPS;
        double end = (double)((uint64_t)(STEPS + i % STEPS + 1)) * (double)(UINT64_C(1) << (power - 6));

        seen += s->waited[i];
        if (seen > 0 && (double)seen >= share * (double)all)
            return (end < (double)s->longest ? end : (double)s->longest) * 1e-6;
    }
    return 0;
}

/* Opens a file that has replaced the model, while no rows wait for an answer. A server that opens a replaced model at
 * once does not keep the old file's bytes on the disk, which a purge may have meant to remove. If the model file cannot
 * be used, the server says so when the next rows arrive. */
static void look_for_model(struct server *s)
{
    const dkvb_model *model;

    if (dkvb_live_acquire(s->live, &model) == DKVB_OK)
        dkvb_live_release(s->live, model);
}

/* Waits until input arrives on standard input. The result is false if a signal came and the server has answered all
 * input before the signal. */
static bool wait_for_input(struct server *s)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

    while (!progress_interrupted()) {
        int ready = poll(&in, 1, LOOK_EACH);

        if (ready > 0)
            return true;
        if (ready == 0)
            look_for_model(s);
    }
    return false;
}

/* Reads the input that has arrived, at most READ_BYTES. */
static int read_input(struct server *s, size_t *size)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

    *size = 0;
    do {
        ssize_t got = read(STDIN_FILENO, s->buffer + *size, READ_BYTES - *size);

        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return tool_fail("%s: cannot read: %s", input, strerror(errno));
        s->ended = got == 0;
        *size += got > 0 ? (size_t)got : 0;
    } while (!s->ended && *size < READ_BYTES && poll(&in, 1, 0) > 0);
    return EXIT_SUCCESS;
}

static int write_answers(struct server *s, const char *bytes, size_t size)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    double stopped = 0;

    while (size > 0) {
        ssize_t put = 0;

        if (poll(&out, 1, LOOK_EACH) > 0)
            put = write(STDOUT_FILENO, bytes, size < PIECE ? size : PIECE);
        if (put < 0 && errno == EPIPE) {
            s->broken = true;
            return tool_fail("standard output: the reader is gone, so answers after row %" PRIu64 " were not written",
                             s->rows);
        }
        if (put < 0 && errno != EINTR && errno != EAGAIN) {
            s->broken = true;
            return tool_fail("standard output: cannot write: %s", strerror(errno));
        }
        if (put > 0) {
            bytes += put;
            size -= (size_t)put;
        } else if (progress_interrupted()) {
            stopped = stopped > 0 ? stopped : progress_clock();
            if (progress_clock() - stopped > PATIENCE) {
                s->broken = true;
                return tool_fail("standard output: the reader took nothing for %d seconds after the interrupt, so "
                                 "answers after row %" PRIu64 " were not written",
                                 PATIENCE, s->rows);
            }
        }
    }
    return EXIT_SUCCESS;
}

/* Waits for a usable model file, after a file could not be used. The old model must not answer while the process waits
 * for a usable model file, as rows may have been forgotten in the new file. */
static int wait_for_model(struct server *s)
{
    double began = progress_clock();
    const dkvb_model *model;
    dkvb_status rc = dkvb_live_acquire(s->live, &model);

    if (rc)
        tool_note("%s; rows wait for up to %d seconds, since the replaced model must not answer them",
                  dkvb_last_error(), PATIENCE);
    while (rc && progress_clock() - began < PATIENCE && !progress_interrupted()) {
        poll(NULL, 0, 20);
        rc = dkvb_live_acquire(s->live, &model);
    }
    dkvb_live_release(s->live, model);
    if (rc)
        return tool_fail("%s; rows that have arrived after row %" PRIu64 " were not answered", dkvb_last_error(),
                         s->rows);
    return EXIT_SUCCESS;
}

/* Answers one batch of rows. `arrived` is the time at which the last byte of the batch was read. */
static int answer_batch(struct server *s, double arrived, dkvb_answers *answers)
{
    dkvb_status rc;
    int code;
    uint64_t waited;

    *answers = (dkvb_answers)DKVB_ANSWERS_INIT;
    rc = dkvb_service_answer(s->service, answers, &s->run);
    /* the batch is kept and answered again after a failure: a model file may have caused the failure, and is replaced
     * later */
    if (rc) {
        if ((code = wait_for_model(s)))
            return code;
        rc = dkvb_service_answer(s->service, answers, &s->run);
    }
    if (rc)
        return tool_fail("%s", dkvb_last_error());
    if (answers->size == 0)
        return EXIT_SUCCESS;
    if ((code = write_answers(s, answers->bytes, answers->size)))
        return code;
    s->last = progress_clock();
    waited = (uint64_t)((s->last - arrived) * 1e9);
    s->waited[step_of(waited)] += answers->rows;
    if (answers->rows > 0 && waited > s->longest)
        s->longest = waited;
    s->rows += answers->rows;
    s->batches++;
    s->abstained += answers->abstained;
    s->refused += answers->refused;
    return EXIT_SUCCESS;
}

static int answer_input(struct server *s)
{
    int code = EXIT_SUCCESS;

    while (code == EXIT_SUCCESS && !s->ended && wait_for_input(s)) {
        dkvb_answers answers;
        double arrived;
        size_t size;

        if ((code = read_input(s, &size)))
            return code;
        arrived = progress_clock();
        if (s->first == 0)
            s->first = arrived;
        if (size > 0)
            code = tool_check(dkvb_service_put(s->service, s->buffer, size));
        if (code == EXIT_SUCCESS && s->ended)
            code = tool_check(dkvb_service_put(s->service, NULL, 0));
        do {
            if (code == EXIT_SUCCESS)
                code = answer_batch(s, arrived, &answers);
        } while (code == EXIT_SUCCESS && (answers.more || (s->ended && answers.size > 0)));
        if (code == EXIT_SUCCESS && answers.cut)
            tool_note("%s: the last line has no line end; it was answered as it stands", input);
    }
    return code;
}

static void print_figures(const struct server *s)
{
    double seconds = s->last - s->first;

    tool_note("%" PRIu64 " rows in %" PRIu64 " batches, %" PRIu64 " abstained, %" PRIu64
              " refused; %.0f rows/s; milliseconds from read to written: p50 %.3f, p90 %.3f, p99 %.3f, max %.3f; "
              "models taken up: %" PRIu64,
              s->rows, s->batches, s->abstained, s->refused, seconds > 0 ? (double)s->rows / seconds : 0.0,
              percentile(s, 0.5), percentile(s, 0.9), percentile(s, 0.99), (double)s->longest * 1e-6,
              dkvb_live_taken(s->live));
}

static int run_server(struct server *s)
{
    dkvb_service_options o = DKVB_SERVICE_OPTIONS_INIT;
    int code;

    o.top = s->args->top;
    o.scores = s->args->scores;
    o.id_column = s->args->id_column;
    o.name = input;
    s->run.threads = s->args->threads;
    s->run.outside = &s->outside;
    s->buffer = input_memory("bytes of standard input", 1, READ_BYTES, 1, 1);
    if (!s->buffer)
        return EXIT_FAILURE;
    paths_keep_private(s->args->model);
    if ((code = tool_check(dkvb_live_open(&s->live, s->args->model, NULL))) ||
        (code = tool_check(dkvb_service_new(&s->service, s->live, &o))))
        return code;
    code = answer_input(s);
    print_figures(s);
    outside_note(input, &s->outside);
    if (code == EXIT_SUCCESS && !s->ended)
        return EXIT_INTERRUPTED;
    return code;
}

int serve(const struct serve_args *args)
{
    struct server *s = input_memory("the worker", sizeof *s, 1, 1, 1);
    int code;

    if (!s)
        return EXIT_FAILURE;
    *s = (struct server){.args = args, .run = DKVB_RUN_OPTIONS_INIT, .outside = DKVB_OUTSIDE_INIT};
    code = run_server(s);
    dkvb_service_free(s->service);
    dkvb_live_free(s->live);
    free(s->buffer);
    free(s);
    return code;
}
