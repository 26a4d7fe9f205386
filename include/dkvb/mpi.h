/**
 * @file
 * @brief Ranks on MPI: the processes of an MPI job work on one model together.
 *
 * The header mpi.h belongs to a library of its own, `libdkvb-mpi` (`-ldkvb-mpi`, CMake target `dkvb::mpi`). libdkvb-mpi
 * calls MPI and does not need libdkvb at run time. libdkvb needs neither libdkvb-mpi nor MPI.
 *
 *     dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
 *     dkvb_mpi *job;
 *
 *     MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
 *     rc = dkvb_mpi_new(&job, MPI_Comm_c2f(MPI_COMM_WORLD), NULL);
 *     run.ranks = dkvb_mpi_ranks(job);
 *     rc = dkvb_fit(&model, NULL, &rows, NULL, NULL, &run);         // every rank makes the same calls
 *     dkvb_model_free(model);
 *     dkvb_mpi_free(job);
 *     MPI_Finalize();
 *
 * The header mpi.h uses no type of MPI, so that it can be used where MPI has no headers, for example from Python. A
 * communicator is given by its Fortran handle: MPI_Comm_c2f() in C, `comm.py2f()` with mpi4py.
 *
 * libdkvb-mpi uses MPI only to move bytes. libdkvb-mpi uses no reduction of MPI, so no result depends on the order in
 * which MPI adds numbers.
 */
#ifndef DKVB_MPI_H
#define DKVB_MPI_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "ranks.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_mpi Ranks on MPI (libdkvb-mpi)
 *  @{ */

/** Handle of a group: the ranks of one MPI communicator. */
typedef struct dkvb_mpi dkvb_mpi;

/** Options of dkvb_mpi_new(). Callers initialise the options with `DKVB_MPI_OPTIONS_INIT`. */
typedef struct dkvb_mpi_options {
    size_t struct_size;              /**< size of dkvb_mpi_options in bytes, set by DKVB_MPI_OPTIONS_INIT */
    const dkvb_allocator *allocator; /**< allocator, which is copied; NULL stands for malloc() and free() */
    /**
     * Seconds without a sign of life after which a rank counts as lost; 0 switches this watch off. Each rank sends a
     * sign of life each second, from a thread of its own, however long it computes. The watch needs
     * MPI_THREAD_MULTIPLE; with a lower thread level of MPI the watch is off.
     */
    uint32_t silence;
    void (*leave)(
        void *user); /**< function that is called once before the watch ends the job by MPI_Abort(); or NULL */
    void *user;      /**< pointer that the function `leave` receives */
} dkvb_mpi_options;

/** Initialiser of dkvb_mpi_options that gives every member its default. */
#define DKVB_MPI_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_mpi_options), 0, 15, 0, 0                                                                          \
    }
DKVB_INIT_FUNCTION(dkvb_mpi_options, DKVB_MPI_OPTIONS_INIT)

/**
 * Traffic of one function of a group: bytes that this rank sent to other ranks and received from them. A part that a
 * rank sends to itself does not count. A broadcast counts as sent once to each other rank.
 */
typedef struct dkvb_mpi_traffic {
    uint64_t calls;    /**< number of calls of the function */
    uint64_t sent;     /**< number of bytes that this rank sent to other ranks */
    uint64_t received; /**< number of bytes that this rank received from other ranks */
} dkvb_mpi_traffic;

/** Properties of a group of ranks on MPI. The caller sets `struct_size`. */
typedef struct dkvb_mpi_info {
    size_t struct_size; /**< size of dkvb_mpi_info in bytes, set by DKVB_MPI_INFO_INIT */
    uint32_t rank;      /**< rank number of this process in the group */
    uint32_t count;     /**< number of ranks in the group */
    uint32_t watched;   /**< 1 if ranks watch each other's signs of life */
    uint32_t silence;   /**< option `silence`: seconds without a sign of life after which a rank counts as lost */
    dkvb_mpi_traffic exchange;  /**< traffic of the function `exchange` of dkvb_ranks */
    dkvb_mpi_traffic gather;    /**< traffic of the function `gather` of dkvb_ranks */
    dkvb_mpi_traffic broadcast; /**< traffic of the function `broadcast` of dkvb_ranks */
} dkvb_mpi_info;

/** Initialiser of dkvb_mpi_info that gives every member its default. */
#define DKVB_MPI_INFO_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(dkvb_mpi_info), 0, 0, 0, 0, {0, 0, 0}, {0, 0, 0},                                                       \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_mpi_info, DKVB_MPI_INFO_INIT)

/**
 * Make a group of all ranks of a communicator. All ranks of the communicator must call dkvb_mpi_new(). The communicator
 * is duplicated, so messages of the group do not mix with messages of the caller.
 *
 * dkvb_mpi_new() compares the version of libdkvb-mpi, the byte order and the sizes of types on all ranks, and fails on
 * all ranks if they differ, with an error message that names rank and host.
 *
 * @param[out] out           the group; the caller frees it with dkvb_mpi_free() before MPI_Finalize().
 * @param      communicator  Fortran handle of the communicator, from MPI_Comm_c2f().
 * @param      options       options, or NULL for the defaults.
 * @return `DKVB_ESTATE` if MPI is not initialised, `DKVB_EINVAL` if there are more than DKVB_RANKS_COUNT ranks,
 *         `DKVB_EMISMATCH` if the ranks differ, `DKVB_EIO` if a function of MPI failed, or `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_new(dkvb_mpi **out, int32_t communicator, const dkvb_mpi_options *options);

/**
 * Get the group of ranks that run options and model options take.
 *
 * @param job  group on MPI.
 * @return the group of ranks, which belongs to `job`.
 */
DKVB_API const dkvb_ranks *dkvb_mpi_ranks(const dkvb_mpi *job);

/**
 * Get the name of the host on which a rank runs.
 *
 * @param job   group on MPI.
 * @param rank  number of the rank.
 * @return the name that MPI_Get_processor_name() gives on the rank, which belongs to `job`; "" for a rank that does not
 *         exist.
 */
DKVB_API const char *dkvb_mpi_host(const dkvb_mpi *job, uint32_t rank);

/**
 * Get the properties of a group, and the traffic of its functions until now.
 *
 * @param      job   group on MPI.
 * @param[out] info  properties of the group; the caller sets its `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_get_info(const dkvb_mpi *job, dkvb_mpi_info *info);

/**
 * Get the ranks from which no sign of life came lately, although each rank sends one each second. A signal handler may
 * call dkvb_mpi_silent() for a last message, since whoever started the job may end it before the watch does.
 *
 * @param job  group on MPI.
 * @return a text such as "rank 3 on b", with a comma between ranks; "" if all ranks send signs of life, or if the watch
 *         is off.
 */
DKVB_API const char *dkvb_mpi_silent(const dkvb_mpi *job);

/**
 * Check that a text is the same on all ranks. All ranks call dkvb_mpi_compare() with the same `name`.
 *
 * @param job   group on MPI.
 * @param name  name of the thing that the text describes, for the error message.
 * @param text  text of this rank, which the error message shows.
 * @return `DKVB_EMISMATCH` on all ranks if a rank differs from rank 0; the message names the first such rank and its
 *         host. Other failures are `DKVB_EIO` if a function of MPI failed, and `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_compare(dkvb_mpi *job, const char *name, const char *text);

/**
 * End the work of this rank, and wait for the other ranks. Every rank calls dkvb_mpi_end() last, with an exit code of
 * its own: 0 if it succeeded. At most one rank prints a line on the standard error of the job:
 *
 * - If no rank failed, dkvb_mpi_end() prints nothing and returns 0.
 * - If all failed ranks have the same message, or if only one rank has a message and no rank still works,
 *   dkvb_mpi_end() prints the message.
 * - If a rank failed with a message that other ranks do not have, dkvb_mpi_end() prints the message with rank and host.
 *   If other ranks still work two seconds later, MPI_Abort() ends the job.
 *
 * If the watch is off, dkvb_mpi_end() does not wait: a rank that failed prints its message with rank and host.
 *
 * @param job      group on MPI.
 * @param code     exit code of this rank.
 * @param message  message to print, one line without a newline; NULL or "" if this rank has no message.
 * @return the first exit code that is not 0, in the order of ranks, which is the same on all ranks; `code` if the watch
 *         is off.
 */
DKVB_API int dkvb_mpi_end(dkvb_mpi *job, int code, const char *message);

/**
 * Free a group of ranks. All ranks call dkvb_mpi_free(), which waits for all ranks. Objects that are distributed over
 * the ranks must have been freed before.
 *
 * @param job  group on MPI; NULL does nothing.
 */
DKVB_API void dkvb_mpi_free(dkvb_mpi *job);

/**
 * Get the message of the latest failed call of libdkvb-mpi in the calling thread.
 *
 * @return the message, valid until the next failed call of libdkvb-mpi in the calling thread.
 */
DKVB_API const char *dkvb_mpi_error(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
