#include "progress.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 40 };

static const double FIRST_DRAW = 0.5; /* seconds without a bar before one is drawn: short work shows none */
static const double REDRAW = 0.1;

static const unsigned IMPATIENCE = 1000; /* milliseconds after which a second signal is meant to kill */

static atomic_uint interrupted; /* 0, or when the first signal came: millisecond(), made odd */

static struct {
    const char *label; /* NULL: no bar */
    double from, to;
    double next_draw, last_draw;
    int drawn; /* characters on the terminal */
} bar;

/* Of a clock that wraps round, for differences. Async-signal-safe. */
static unsigned millisecond(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned)now.tv_sec * 1000 + (unsigned)(now.tv_nsec / 1000000);
}

/* Die of the signal, as if it had not been caught. It is blocked until the handler returns. */
static void die_of(int number)
{
    static const char text[] = "\ndkvb: killed by a second signal; beside an output a file NAME.tmp-... may be left\n";
    size_t skip = bar.drawn == 0; /* without a bar the line is free */
    ssize_t ignored = write(STDERR_FILENO, text + skip, sizeof text - 1 - skip);

    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

/* Ctrl-C is often pressed twice, and some programs pass on a signal that the terminal has sent already: what comes soon
 * after the first is the same wish. */
static void raise_flag(int number)
{
    unsigned now = millisecond() | 1, first = 0;
    int error = errno;

    if (!atomic_compare_exchange_strong(&interrupted, &first, now) && now - first >= IMPATIENCE)
        die_of(number);
    errno = error;
}

/* Signals ignored by the parent (nohup, background jobs) stay ignored. */
static void catch_signal(int number)
{
    struct sigaction action, old;

    memset(&action, 0, sizeof action);
    action.sa_handler = raise_flag;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void progress_catch_signals(void)
{
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
}

bool progress_interrupted(void)
{
    return interrupted != 0;
}

double progress_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double file_seconds;

void progress_add_file(double began)
{
    file_seconds += progress_clock() - began;
}

double progress_file_seconds(void)
{
    return file_seconds;
}

static void draw(double share)
{
    char cells[BAR_WIDTH + 1];
    int full = (int)(share * BAR_WIDTH);

    for (int i = 0; i < BAR_WIDTH; i++)
        cells[i] = i < full ? '#' : '.';
    cells[BAR_WIDTH] = '\0';
    fputc('\r', stderr);
    bar.drawn = fprintf(stderr, "%-8s [%s] %3d%%", bar.label, cells, (int)(share * 100));
    fflush(stderr);
}

static int step(void *user, uint64_t done, uint64_t total)
{
    double now, share = total ? (double)done / (double)total : 1;

    (void)user;
    if (interrupted)
        return 1;
    if (!bar.label)
        return 0;
    now = progress_clock();
    if (now < bar.next_draw)
        return 0;
    bar.next_draw = now + REDRAW;
    bar.last_draw = now;
    draw(bar.from + (bar.to - bar.from) * (share < 1 ? share : 1));
    return 0;
}

dkvb_run_options progress_start(const char *label, uint32_t threads)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = threads;
    run.progress = step;
    progress_stop();
    bar.from = 0;
    bar.to = 1;
    if (bar.last_draw == 0)
        bar.last_draw = progress_clock();
    bar.next_draw = bar.last_draw + FIRST_DRAW; /* many short works one after another are long together */
    bar.label = isatty(STDERR_FILENO) ? label : NULL;
    return run;
}

void progress_span(double from, double to)
{
    bar.from = from;
    bar.to = to;
}

void progress_hide(void)
{
    if (bar.drawn > 0) {
        fprintf(stderr, "\r%*s\r", bar.drawn, "");
        fflush(stderr);
    }
    bar.drawn = 0;
}

void progress_stop(void)
{
    progress_hide();
    bar.label = NULL;
}
