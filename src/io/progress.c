#include "io/progress.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/args.h"
#include "io/ranks.h"
#include "tool.h"

/* BAR_WIDTH is the number of characters of the progress bar; LINE_EACH is the number of seconds between progress lines
 * if there is no terminal */
enum { BAR_WIDTH = 40, LINE_EACH = 60 };

/* seconds of work before a progress bar is drawn, so that short work shows no bar */
static const double FIRST_DRAW = 0.5;
static const double REDRAW = 0.1;

static const unsigned IMPATIENCE = 1000; /* milliseconds after which a second signal ends the process */

/* time of the first signal, from millisecond() with the lowest bit set to 1; 0: no signal came */
static atomic_uint interrupted;

static struct {
    const char *label; /* label of the progress bar; NULL: no work is running */
    /* true if stderr is a terminal, where a progress bar is drawn; otherwise a line is printed at intervals */
    bool terminal;
    double from, to;
    double next_draw, last_draw;
    int drawn; /* number of characters of the progress bar that are on the terminal */
} bar;

/* time when the command began, seconds between two progress lines, and time when the next progress line is due */
static double began, line_each, next_line;

/* Returns the milliseconds of a clock that wraps around, for differences. A signal handler may call millisecond(). */
static unsigned millisecond(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned)now.tv_sec * 1000 + (unsigned)(now.tv_nsec / 1000000);
}

/* Removes half-written files, then ends the process by the signal as if the signal had not been caught. The signal is
 * blocked until the signal handler returns, so a core file shows the place of the fault in the program. */
static void end_by(int number)
{
    dkvb_file_remove_temporaries();
    signal(number, SIG_DFL);
    raise(number);
}

/* Ends the process after a second signal: prints a message, removes half-written files, and ends by the signal. */
static void die_of(int number)
{
    static const char text[] = "\ndkvb: killed by a second signal; half-written files are removed\n";
    /* the message after a signal begins with a newline only if a progress bar is on the terminal, whose line must end
     * first */
    size_t skip = bar.drawn == 0;
    ssize_t ignored = write(STDERR_FILENO, text + skip, sizeof text - 1 - skip);

    (void)ignored;
    end_by(number);
}

/* Notes that a signal asked the command to stop. As Ctrl-C is often pressed twice, and some programs send a signal
 * again that the terminal has sent already, a second signal soon after the first counts as the same request to stop the
 * command. */
static void raise_flag(int number)
{
    unsigned now = millisecond() | 1, first = 0;
    int error = errno;

    if (ranks_end_by_signal(number)) {
        dkvb_file_remove_temporaries();
        _exit(EXIT_INTERRUPTED);
    }

    if (!atomic_compare_exchange_strong(&interrupted, &first, now) && now - first >= IMPATIENCE)
        die_of(number);
    errno = error;
}

/* Catches a signal, unless the parent process ignores it (nohup, background jobs) or a handler exists already (a
 * sanitizer's, a profiler's). */
static void catch_signal(int number, void (*handler)(int))
{
    struct sigaction action, old;

    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        sigaction(number, &action, NULL);
}

void progress_catch_signals(void)
{
    /* Signals that end no process: by default these signals are ignored, stop the process, or continue it. */
    static const int others[] = {SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SIGSTOP, SIGKILL};
    enum { OTHERS = sizeof others / sizeof *others };

    catch_signal(SIGINT, raise_flag);
    catch_signal(SIGTERM, raise_flag);
    /* SIGPIPE is ignored: writing to a closed pipe then fails, and the failure is reported */
    catch_signal(SIGPIPE, SIG_IGN);
    /* SIGXFSZ is ignored: writing to a file that must not grow then fails, and the failure is reported */
    catch_signal(SIGXFSZ, SIG_IGN);
    for (int number = 1; number <= SIGRTMAX; number++) {
        bool ends = true;

        for (int i = 0; i < OTHERS; i++)
            ends = ends && number != others[i];
        if (ends)
            /* signals other than SIGINT and SIGTERM get a handler unless they are caught or ignored already */
            catch_signal(number, end_by);
    }
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

void progress_add_file(double since)
{
    file_seconds += progress_clock() - since;
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

/* Prints a progress line for logs, where a progress bar would be drawn over and over again. */
static void print_line(double share, double now)
{
    fprintf(stderr, "%s: %s: %d %% done, %.0f seconds after the command began\n", ranks_program, bar.label,
            (int)(share * 100), now - began);
    next_line = now + line_each;
}

static int step(void *user, uint64_t done, uint64_t total)
{
    double now, share = total ? (double)done / (double)total : 1;

    (void)user;
    if (interrupted)
        return 1;
    now = progress_clock();
    if (!bar.label || now < bar.next_draw || !ranks_lead())
        return 0;
    bar.next_draw = now + REDRAW;
    bar.last_draw = now;
    /* standard output is flushed now, so that readers of a pipe or a log see finished work at once; a failed flush is
     * reported at the end */
    fflush(stdout);
    share = bar.from + (bar.to - bar.from) * (share < 1 ? share : 1);
    if (bar.terminal)
        draw(share);
    else if (line_each > 0 && now >= next_line)
        print_line(share, now);
    return 0;
}

int progress_begin(void)
{
    const char *seconds = getenv("DKVB_PROGRESS");
    uint64_t number = LINE_EACH;

    if (seconds && *seconds && !args_number(seconds, &number))
        return tool_fail("DKVB_PROGRESS '%.64s': must be a whole number of seconds between lines of progress, or 0 for "
                         "none",
                         seconds);
    began = progress_clock();
    line_each = (double)number;
    next_line = began + line_each;
    return EXIT_SUCCESS;
}

dkvb_run_options progress_start(const char *label, uint32_t threads)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = threads;
    run.progress = step;
    run.ranks = ranks_group();
    progress_stop();
    bar.from = 0;
    bar.to = 1;
    if (bar.last_draw == 0)
        bar.last_draw = progress_clock();
    /* the progress bar is drawn when it is due, even at the start of new work, since many short pieces of work in a row
     * may take long together */
    bar.next_draw = bar.last_draw + FIRST_DRAW;
    bar.label = label;
    bar.terminal = isatty(STDERR_FILENO);
    fflush(stdout);
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
