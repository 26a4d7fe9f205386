/* Progress of long work: its bar on the terminal, its clock, and requests to stop it. There is one terminal and one set
 * of signals, so there is one bar and one flag. */
#ifndef DKVB_TOOL_PROGRESS_H
#define DKVB_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Catches signals. From here on, SIGINT and SIGTERM only set a flag; one that comes a second or more after the first
 * ends the process, with a line on stderr. SIGPIPE and SIGXFSZ are ignored, so the write fails. Every other signal that
 * ends the process removes half-written files first. The function must be called before there are threads. */
void progress_catch_signals(void);

/* True if SIGINT or SIGTERM came. */
bool progress_interrupted(void);

/* Starts the clock of the lines that long work prints without a terminal: one a minute, or as DKVB_PROGRESS says.
 * Returns 0, or the exit code after an error message about DKVB_PROGRESS. */
int progress_begin(void);

/* Begins a bar, and returns run options that move it and that cancel the work after a signal. `label` must outlive the
 * bar. */
dkvb_run_options progress_start(const char *label, uint32_t threads);

/* Tells which part of the whole the next call is, 0 <= from <= to <= 1. */
void progress_span(double from, double to);

/* Takes the bar off the terminal until it moves again. */
void progress_hide(void);

/* Ends the bar. Without a bar it does nothing. */
void progress_stop(void);

/* Seconds of a clock that only goes forward. */
double progress_clock(void);

/* Notes that a file of rows, codes, a mask or a model was read or written from `began`, a time of progress_clock(),
 * until now. */
void progress_add_file(double since);

/* Seconds that were noted in this way: the disk's part in the time of a command. */
double progress_file_seconds(void);

#endif
