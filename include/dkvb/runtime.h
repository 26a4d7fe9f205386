/**
 * @file
 * @brief How a call of the library runs: threads, progress, cancelling, and the compute kernels in use.
 */
#ifndef DKVB_RUNTIME_H
#define DKVB_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base
 *  @{ */

/**
 * Progress callback of a long call. The library invokes the progress callback on the thread that made the long call.
 *
 * The progress callback must not use the object that the long call works on, and must not leave by longjmp() or by an
 * exception.
 *
 * @param user   pointer `user` of dkvb_run_options.
 * @param done   number of finished units of work: rows, or codebooks while keys are placed.
 * @param total  number of all units of work of the call (rows, or codebooks).
 * @return 0 to continue; any other number cancels the long call, which then returns `DKVB_ECANCELLED` and has changed
 *         nothing.
 */
typedef int (*dkvb_progress_fn)(void *user, uint64_t done, uint64_t total);

struct dkvb_outside; /* search.h */
struct dkvb_ranks;   /* ranks.h */

/**
 * Options that say how a long call runs: threads, progress, ranks. Where a function takes run options, NULL stands for
 * the default run options. The results of the library never depend on run options.
 */
typedef struct dkvb_run_options {
    size_t struct_size; /**< size of dkvb_run_options in bytes, set by DKVB_RUN_OPTIONS_INIT */
    /**
     * Number of threads that a call uses, including the calling thread, at most 1,024; 0 uses as many as OpenMP would.
     */
    uint32_t threads;
    dkvb_progress_fn progress; /**< callback to which the call reports its progress; or NULL */
    void *user;                /**< pointer that the callback `progress` of the run options receives */
    /**
     * Counter of rows far longer or shorter than the rows that the keys were placed on, to which searches add
     * (dkvb_outside in search.h); or NULL.
     */
    struct dkvb_outside *outside;
    /**
     * Ranks (ranks.h): processes that share out among themselves the codebooks to be placed, the pictures to be
     * encoded, or the models of an audit; NULL for a single process.
     */
    const struct dkvb_ranks *ranks;
} dkvb_run_options;

/** Initialiser of dkvb_run_options that gives every member its default. */
#define DKVB_RUN_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_run_options), 0, 0, 0, 0, 0                                                                        \
    }
DKVB_INIT_FUNCTION(dkvb_run_options, DKVB_RUN_OPTIONS_INIT)

/**
 * Name of the compute kernels that the library uses: "scalar", "avx2", "avx512" or "neon".
 *
 * The library chooses its compute kernels once, at their first use: the fastest kernels that the processor can run. The
 * environment variable DKVB_KERNELS can name other compute kernels that the processor can run. All compute kernels of
 * the library compute the same bits (docs/numerics.md).
 *
 * @return the name of the compute kernels, a static string that must not be freed.
 */
DKVB_API const char *dkvb_runtime_kernels(void);

/**
 * Largest number of threads that a call with the given run options uses.
 *
 * In a child process made by fork() after the library was loaded, the largest number of threads is 1, since OpenMP's
 * threads do not survive fork().
 *
 * @param opts  run options whose number of threads is asked for; NULL for the defaults.
 * @return number of threads that the call uses; 1,024 if the options ask for more, although other functions refuse
 *         options that ask for more.
 */
DKVB_API uint32_t dkvb_runtime_threads(const dkvb_run_options *opts);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
