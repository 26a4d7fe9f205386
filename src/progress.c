#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 40 };

static const double FIRST_DRAW = 0.5; /* seconds: shorter work shows no bar */
static const double REDRAW = 0.1;

static volatile sig_atomic_t interrupted;

static struct {
    const char *label; /* NULL: no bar */
    double from, to;
    double next_draw;
    int drawn; /* characters on the terminal */
} bar;

static void raise_flag(int number)
{
    (void)number;
    interrupted = 1;
}

/* SA_RESETHAND lets a second signal kill. Signals ignored by the parent (nohup, background jobs) stay ignored. */
static void catch_signal(int number)
{
    struct sigaction action, old;

    memset(&action, 0, sizeof action);
    action.sa_handler = raise_flag;
    action.sa_flags = (int)(SA_RESTART | SA_RESETHAND);
    sigemptyset(&action.sa_mask);
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
    bar.next_draw = progress_clock() + FIRST_DRAW;
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
