#include "io/resumed.h"

#include <inttypes.h>
#include <stdio.h>

#include "io/progress.h"

static int step(void *user, uint64_t done, uint64_t total)
{
    struct resumed *work = user;

    if (*work->done > 0 && !work->told && !work->quiet) {
        progress_hide();
        printf("going on after %" PRIu64 " of %" PRIu64 " %s\n", *work->done, *work->all, work->things);
        fflush(stdout);
        work->told = true;
    }
    return work->bar.progress(work->bar.user, done, total);
}

dkvb_run_options resumed_start(struct resumed *work, const char *label, uint32_t threads)
{
    dkvb_run_options run = work->bar = progress_start(label, threads);

    run.progress = step;
    run.user = work;
    return run;
}
