/** How long calls run: threads, progress, cancelling; and which kernels they use. */
#ifndef DKVB_RUNTIME_H
#define DKVB_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Called now and then during a long call, always on the thread that made the
 * call. `done` of `total` units (rows, or codebooks while keys are fitted) are
 * finished. Return 0 to go on; anything else cancels: the call returns
 * `DKVB_ECANCELLED` and nothing has changed. Must not call into the object at
 * work, nor leave by longjmp or an exception.
 */
typedef int (*dkvb_progress_fn)(void *user, uint64_t done, uint64_t total);

struct dkvb_outside; /* search.h */

/** How to run a long call. NULL stands for the defaults. Results never depend on it. */
typedef struct dkvb_run_options {
    size_t struct_size;           /**< sizeof(dkvb_run_options), set by INIT */
    uint32_t threads;             /**< workers, the caller included, at most 1,024; 0: as many as OpenMP would use */
    dkvb_progress_fn progress;    /**< or NULL */
    void *user;                   /**< handed to `progress` */
    struct dkvb_outside *outside; /**< searches count rows outside the scale here, see search.h; or NULL */
} dkvb_run_options;

#define DKVB_RUN_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_run_options), 0, 0, 0, 0                                                                           \
    }
DKVB_INIT_FUNCTION(dkvb_run_options, DKVB_RUN_OPTIONS_INIT)

/**
 * Name of the kernels in use: "scalar", "avx2", "avx512" or "neon". Chosen once, at the
 * first use: the fastest that the processor runs, or those that the environment
 * variable DKVB_KERNELS names, if it names kernels that run here. Every kernel gives the same bits
 * (docs/numerics.md). Static; never freed.
 */
DKVB_API const char *dkvb_runtime_kernels(void);

/**
 * Number of threads that a call with these options uses at most: 1,024 if they ask for more, which calls refuse.
 * 1 in a child made by fork() after the library was loaded: OpenMP's threads do not survive it.
 */
DKVB_API uint32_t dkvb_runtime_threads(const dkvb_run_options *opts);

#ifdef __cplusplus
}
#endif

#endif
