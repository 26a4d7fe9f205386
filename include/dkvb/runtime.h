/**
 * @file
 * @brief How a call runs: threads, progress, cancelling, and the compute kernels in use.
 */
#ifndef DKVB_RUNTIME_H
#define DKVB_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base Basics: status, memory, files, run options
 *  @{ */

/**
 * Progress callback of a long call. The library calls this function on the thread that made the call.
 *
 * The callback must not use the object that the call works on, and must not leave by longjmp() or by an exception.
 *
 * @param user   `user` of dkvb_run_options.
 * @param done   number of finished units: rows, or codebooks while keys are fitted.
 * @param total  number of all units.
 * @return 0 to continue; any other number cancels: the call then returns `DKVB_ECANCELLED` and has changed nothing.
 */
typedef int (*dkvb_progress_fn)(void *user, uint64_t done, uint64_t total);

struct dkvb_outside; /* search.h */
struct dkvb_ranks;   /* ranks.h */

/** How to run a long call. NULL stands for the defaults. Results never depend on these options. */
typedef struct dkvb_run_options {
    size_t struct_size;           /**< sizeof(dkvb_run_options), set by INIT */
    uint32_t threads;             /**< number of threads, with the caller's, at most 1,024; 0: as many as OpenMP uses */
    dkvb_progress_fn progress;    /**< progress callback; or NULL */
    void *user;                   /**< pointer that `progress` receives */
    struct dkvb_outside *outside; /**< searches count rows outside the scale here (search.h); or NULL */
    const struct dkvb_ranks *ranks; /**< ranks (ranks.h) that share the codebooks of a call that makes some, the
 pictures of an encoded file, or the models of an audit; NULL: none */
} dkvb_run_options;

/** Defaults of dkvb_run_options. */
#define DKVB_RUN_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_run_options), 0, 0, 0, 0, 0                                                                        \
    }
DKVB_INIT_FUNCTION(dkvb_run_options, DKVB_RUN_OPTIONS_INIT)

/**
 * Name of the compute kernels in use: "scalar", "avx2", "avx512" or "neon".
 *
 * The library chooses the kernels once, at their first use. The fastest kernels that this processor can run are chosen.
 * The environment variable DKVB_KERNELS can name other kernels that this processor can run. All kernels compute the
 * same bits (docs/numerics.md).
 *
 * @return a static string, never to be freed.
 */
DKVB_API const char *dkvb_runtime_kernels(void);

/**
 * Largest number of threads that a call with these options uses.
 *
 * In a child process made by fork() after the library was loaded, the result is 1, since OpenMP's threads do not
 * survive fork().
 *
 * @param opts  run options; NULL for the defaults.
 * @return number of threads; 1,024 if the options ask for more, although other calls refuse such options.
 */
DKVB_API uint32_t dkvb_runtime_threads(const dkvb_run_options *opts);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
