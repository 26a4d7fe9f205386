#include "base/parallel.h"

#include <stdatomic.h>

#include "base/process.h"
#include "base/status.h"

#ifdef _OPENMP
#include <omp.h>
#endif

enum { MAX_THREADS = 1024 };

dkvb_status dkvb__run_take(struct dkvb__run *run, const dkvb_run_options *given)
{
    dkvb_run_options o = DKVB_RUN_OPTIONS_INIT;
    dkvb_status rc = dkvb__take_options(&o, sizeof o, given, "run options");

    if (rc)
        return rc;
    if (o.threads > MAX_THREADS)
        return dkvb__fail(DKVB_EINVAL, "run options: %u threads, at most %d", o.threads, MAX_THREADS);
    run->threads = dkvb_runtime_threads(&o);
    run->asked = o.threads > 0;
    run->progress = o.progress;
    run->user = o.user;
    run->outside = o.outside;
    run->ranks = o.ranks;
    return DKVB_OK;
}

uint32_t dkvb_runtime_threads(const dkvb_run_options *opts)
{
#ifdef _OPENMP
    int available = omp_get_max_threads();
    uint32_t threads = opts && opts->threads > 0 ? opts->threads : available > 0 ? (uint32_t)available : 1;

    if (dkvb__forked()) /* a forked child has no copy of GNU OpenMP's workers, so a parallel region would wait for them
                           for ever */
        return 1;
    return threads < MAX_THREADS ? threads : MAX_THREADS;
#else
    (void)opts;
    return 1;
#endif
}

dkvb_status dkvb__report(const struct dkvb__run *run, uint64_t done, uint64_t total)
{
    if (run->progress && run->progress(run->user, done, total) != 0)
        return dkvb__fail(DKVB_ECANCELLED, "cancelled after %llu of %llu", (unsigned long long)done,
                          (unsigned long long)total);
    return DKVB_OK;
}

struct job {
    const struct dkvb__run *run;
    size_t tasks;
    dkvb__task_fn fn;
    void *context;
    bool reports;
    /* units of work for progress reports: number in one task, number finished before the tasks of this job, and number
     * in all */
    size_t unit, before, total;
    atomic_size_t next, done;
    atomic_bool stop;
};

/* Returns the number of units of work that are finished after `done` tasks. In progress reports, a last task that has
 * fewer units of work than the others counts as a whole task until all tasks are done. */
static size_t finished(const struct job *job, size_t done)
{
    size_t units = job->before + done * job->unit;

    return units < job->total ? units : job->total;
}

/* Runs tasks on one worker until none are left. Worker 0 is the calling thread, which makes the progress reports. */
static void work(struct job *job, unsigned worker)
{
    for (;;) {
        size_t task = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        size_t done;

        if (task >= job->tasks || atomic_load_explicit(&job->stop, memory_order_relaxed))
            return;
        job->fn(job->context, task, worker);
        done = atomic_fetch_add_explicit(&job->done, 1, memory_order_relaxed) + 1;
        if (job->reports && worker == 0 && done < job->tasks &&
            job->run->progress(job->run->user, finished(job, done), job->total) != 0)
            atomic_store_explicit(&job->stop, true, memory_order_relaxed);
    }
}

static void run_job(struct job *job)
{
    unsigned threads = job->run->threads < job->tasks ? job->run->threads : (unsigned)job->tasks;

    atomic_init(&job->next, 0);
    atomic_init(&job->done, 0);
    atomic_init(&job->stop, false);
#ifdef _OPENMP
    if (threads > 1) {
#pragma omp parallel num_threads((int)threads)
        work(job, (unsigned)omp_get_thread_num());
        return;
    }
#endif
    (void)threads;
    work(job, 0);
}

void dkvb__parallel(const struct dkvb__run *run, size_t tasks, dkvb__task_fn fn, void *context)
{
    struct job job = {.run = run, .tasks = tasks, .fn = fn, .context = context};

    run_job(&job);
}

/* Runs tasks with progress reports, in which `upto` units of work are finished when all tasks are done. */
static dkvb_status run_reporting(struct job *job, size_t upto)
{
    run_job(job);
    if (atomic_load(&job->stop))
        return dkvb__fail(DKVB_ECANCELLED, "cancelled after %zu of %zu", finished(job, atomic_load(&job->done)),
                          job->total);
    /* other threads may have run the last tasks of a call, or all tasks, so the calling thread reports the end of the
     * work */
    return dkvb__report(job->run, upto, job->total);
}

dkvb_status dkvb__parallel_long(const struct dkvb__run *run, size_t tasks, dkvb__task_fn fn, void *context,
                                size_t before, size_t total)
{
    struct job job = {.run = run,
                      .tasks = tasks,
                      .fn = fn,
                      .context = context,
                      .reports = run->progress != NULL,
                      .unit = 1,
                      .before = before,
                      .total = total};

    return run_reporting(&job, before + tasks);
}

dkvb_status dkvb__parallel_rows(const struct dkvb__run *run, size_t rows, size_t chunk, dkvb__task_fn fn, void *context)
{
    struct job job = {.run = run,
                      .tasks = rows / chunk + (rows % chunk != 0),
                      .fn = fn,
                      .context = context,
                      .reports = run->progress != NULL,
                      .unit = chunk,
                      .total = rows};

    return run_reporting(&job, rows);
}
