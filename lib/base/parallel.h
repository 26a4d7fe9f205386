#ifndef DKVB_BASE_PARALLEL_H
#define DKVB_BASE_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/ranks.h"
#include "dkvb/runtime.h"
#include "dkvb/status.h"

/* Work for several threads of a call is divided into numbered tasks. Numbered tasks run in any order on any worker
 * thread. The result of a task must not depend on `worker`, a number from 0 to threads-1 that names the thread and only
 * selects scratch space. */
typedef void (*dkvb__task_fn)(void *context, size_t task, unsigned worker);

/* The checked run options of a call, with the number of threads decided. */
struct dkvb__run {
    unsigned threads;
    bool asked; /* true if the caller of the library chose the number of threads */
    dkvb_progress_fn progress;
    void *user;
    /* counts of rows outside the scale of the codebooks, into which the call adds; NULL if the caller wants none */
    struct dkvb_outside *outside;
    /* ranks (processes) that share the codebooks to be made; NULL: this process makes all codebooks */
    const dkvb_ranks *ranks;
};

dkvb_status dkvb__run_take(struct dkvb__run *run, const dkvb_run_options *given);

/* Runs tasks number 0 to tasks - 1 on the threads of `run`, without progress reports. */
void dkvb__parallel(const struct dkvb__run *run, size_t tasks, dkvb__task_fn fn, void *context);

/* Runs numbered tasks of long work on several threads, with progress reports. The calling thread tells the progress
 * callback how many of `total` units of work are finished; `before` units were finished before the call of
 * dkvb__parallel_long(). dkvb__parallel_long() returns DKVB_ECANCELLED if the progress callback asked to stop; some
 * tasks then never ran. */
dkvb_status dkvb__parallel_long(const struct dkvb__run *run, size_t tasks, dkvb__task_fn fn, void *context,
                                size_t before, size_t total);

/* Runs tasks that divide an array of rows among them. Each parallel task takes `chunk` rows of the array, the last task
 * takes the rest, and progress reports count rows. */
dkvb_status dkvb__parallel_rows(const struct dkvb__run *run, size_t rows, size_t chunk, dkvb__task_fn fn,
                                void *context);

/* Calls the progress callback of a run. dkvb__report() returns DKVB_ECANCELLED if the progress callback asks to
 * stop. */
dkvb_status dkvb__report(const struct dkvb__run *run, uint64_t done, uint64_t total);

#endif
