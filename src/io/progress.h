/* Progress of long work: the bar on the terminal, the clock, and requests to stop the work. A process has one terminal
 * and one set of signals, so there is one progress bar, and one flag that a signal came. */
#ifndef DKVB_TOOL_PROGRESS_H
#define DKVB_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Catches the signals that end a process. After progress_catch_signals(), SIGINT and SIGTERM only set a flag; a second
 * signal that comes a second or more after the first ends the process, with a line on stderr. SIGPIPE and SIGXFSZ are
 * ignored, so that a write to a closed pipe or a file that must not grow fails, and is reported. If a signal other than
 * SIGINT and SIGTERM ends the process, the process first removes its half-written files. */
void progress_catch_signals(void);

/* True if the process received SIGINT or SIGTERM. */
bool progress_interrupted(void);

/* Starts the clock for progress lines, which long work prints without a terminal: one a minute, or as DKVB_PROGRESS
 * says. The result is 0, or the exit code after an error message about the value of DKVB_PROGRESS. */
int progress_begin(void);

/* Begins a progress bar, and returns run options that move the bar and that cancel the work after a signal. The text
 * `label` must stay valid until the progress bar has ended. */
dkvb_run_options progress_start(const char *label, uint32_t threads);

/* Sets which part of the whole progress of a command the next call makes, 0 <= from <= to <= 1. */
void progress_span(double from, double to);

/* Removes the progress bar from the terminal until the bar moves again. */
void progress_hide(void);

/* Ends the progress bar. progress_stop() does nothing if no progress bar is shown. */
void progress_stop(void);

/* Returns the seconds of a clock that never goes back. */
double progress_clock(void);

/* Adds the time from `since`, a time of progress_clock(), until now to the time for reading and writing files of rows,
 * codes, masks or models. */
void progress_add_file(double since);

/* Returns the seconds that the command has spent on reading and writing files, as added up by progress_add_file(). */
double progress_file_seconds(void);

#endif
