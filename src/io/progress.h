/* Long work: its bar on the terminal, its clock, and the wish to stop it. There is one terminal and one set of signals,
 * so there is one bar and one flag. */
#ifndef DKVB_TOOL_PROGRESS_H
#define DKVB_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* From here SIGINT and SIGTERM only raise a flag; one that comes a second after the first or later ends the process,
 * and a line on stderr says so. SIGPIPE and SIGXFSZ are ignored: the write fails. Every other signal that ends the
 * process removes what is half written first. Call before there are threads. */
void progress_catch_signals(void);

/* Whether one of them came. */
bool progress_interrupted(void);

/* Begin the clock of lines that long work prints without a terminal: one a minute, or as DKVB_PROGRESS says. 0, or the
 * failure to understand it said on stderr. */
int progress_begin(void);

/* Begin a bar, and give the run options that move it and that cancel when a signal came. `label` must outlive it. */
dkvb_run_options progress_start(const char *label, uint32_t threads);

/* The next call is this part of the whole, 0 <= from <= to <= 1. */
void progress_span(double from, double to);

/* Take the bar off the terminal, until it moves again. */
void progress_hide(void);

/* End the bar. No-op if there is none. */
void progress_stop(void);

/* Seconds of a clock that only goes forward. */
double progress_clock(void);

/* Note that a file of rows, codes, a mask or a model was read or written from `began`, a time of progress_clock(),
 * until now. */
void progress_add_file(double since);

/* Seconds that were noted so: the disk's part in the time of a command. */
double progress_file_seconds(void);

#endif
