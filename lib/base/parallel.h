#ifndef DKVB_BASE_PARALLEL_H
#define DKVB_BASE_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/runtime.h"
#include "dkvb/status.h"

/* One piece of work. Pieces run in any order on any worker, so what a piece computes must not depend on `worker`, which
 * only picks scratch space: 0 .. threads-1. */
typedef void (*dkvb__task_fn)(void *context, size_t task, unsigned worker);

/* Options of a call, checked, with the number of threads settled. */
struct dkvb__run {
    unsigned threads;
    dkvb_progress_fn progress;
    void *user;
    struct dkvb_outside *outside; /* or NULL */
};

dkvb_status dkvb__run_take(struct dkvb__run *run, const dkvb_run_options *given);

/* Run tasks 0 .. tasks-1 on the run's threads; quiet. */
void dkvb__parallel(const struct dkvb__run *run, size_t tasks, dkvb__task_fn fn, void *context);

/* Runs tasks that take long: the progress callback hears of finished tasks, `before` of a `total` being
 * finished already, from the calling thread. DKVB_ECANCELLED if it asked to stop; then some tasks never ran. */
dkvb_status dkvb__parallel_long(const struct dkvb__run *run, size_t tasks, dkvb__task_fn fn, void *context,
                                size_t before, size_t total);

/* Runs tasks over rows; each task takes `chunk` rows, the last one the rest: progress counts rows. */
dkvb_status dkvb__parallel_rows(const struct dkvb__run *run, size_t rows, size_t chunk, dkvb__task_fn fn,
                                void *context);

/* Tell the progress callback; DKVB_ECANCELLED if it asks to stop. */
dkvb_status dkvb__report(const struct dkvb__run *run, uint64_t done, uint64_t total);

#endif
