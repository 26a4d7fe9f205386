/* Every public call of the reference library (linear heads) begins and ends with functions of lib/reference/work.c. */
#include "reference/head.h"

#include <pthread.h>
#include <time.h>

#include <cblas.h>

#include "base/alloc.h"
#include "base/status.h"

enum { STEPS = 1000 /* number of steps in which a part of a library call's work reports progress */ };

/* The BLAS library OpenBLAS has one number of threads for the whole process. Library calls that change the number of
 * OpenBLAS threads may overlap and end in any order. The first of several overlapping library calls saves the number of
 * OpenBLAS threads, and the last one restores it. */
static struct {
    pthread_mutex_t lock;
    unsigned calls; /* number of library calls in progress that have set the number of OpenBLAS threads */
    int before;
} threads = {PTHREAD_MUTEX_INITIALIZER, 0, 0};

static void set_threads(uint32_t number)
{
    pthread_mutex_lock(&threads.lock);
    if (threads.calls++ == 0)
        threads.before = openblas_get_num_threads();
    openblas_set_num_threads((int)number);
    pthread_mutex_unlock(&threads.lock);
}

static void put_threads_back(void)
{
    pthread_mutex_lock(&threads.lock);
    if (--threads.calls == 0)
        openblas_set_num_threads(threads.before);
    pthread_mutex_unlock(&threads.lock);
}

dkvb_status dkvb__work_begin(struct dkvb__work *work, const dkvb_run_options *given, const dkvb_allocator *mem,
                             uint64_t parts)
{
    dkvb_run_options full = DKVB_RUN_OPTIONS_INIT;
    dkvb_status rc = dkvb__take_options(&full, sizeof full, given, "run options");

    *work = (struct dkvb__work){dkvb__allocator(mem), full.progress, full.user, 0, parts, false};
    if (rc)
        return rc;
    if (full.threads > 1024)
        return dkvb__fail(DKVB_EINVAL, "run options: %u threads, at most 1024 are supported", full.threads);
    if (full.threads > 0)
        set_threads(full.threads);
    work->sets_threads = full.threads > 0;
    return DKVB_OK;
}

void dkvb__work_end(const struct dkvb__work *work)
{
    if (work->sets_threads)
        put_threads_back();
}

dkvb_status dkvb__work_tick(const struct dkvb__work *work, double done)
{
    uint64_t step = work->part * STEPS + (uint64_t)(done * STEPS);

    if (work->progress && work->progress(work->user, step, work->parts * STEPS))
        return dkvb__fail(DKVB_ECANCELLED, "cancelled by the progress callback");
    return DKVB_OK;
}

double dkvb__work_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const char *dkvb_reference_error(void)
{
    return dkvb_last_error();
}
