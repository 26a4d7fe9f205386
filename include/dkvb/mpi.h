/**
 * @file
 * @brief Ranks on MPI: the processes (ranks) of an MPI job work on one model together.
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
 * The header mpi.h uses no type of MPI, so that it can be used where MPI has no headers, for example from Python.
 * Callers name an MPI communicator by its Fortran handle: MPI_Comm_c2f() in C, `comm.py2f()` with mpi4py.
 *
 * libdkvb-mpi uses MPI only to move bytes. libdkvb-mpi uses no reduction of MPI, so no result of the library depends on
 * the order in which MPI adds numbers.
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

/** @defgroup dkvb_mpi Ranks on MPI: groups of the processes of an MPI job
 *  @{ */

/** Handle of a group of ranks: the processes of one MPI communicator. */
typedef struct dkvb_mpi dkvb_mpi;

/** Options of dkvb_mpi_new(). Callers initialise the struct with `DKVB_MPI_OPTIONS_INIT`. */
typedef struct dkvb_mpi_options {
    size_t struct_size; /**< size of dkvb_mpi_options in bytes, set by DKVB_MPI_OPTIONS_INIT */
    /** Allocator for the group of ranks, which the library copies; NULL stands for malloc() and free(). */
    const dkvb_allocator *allocator;
    /**
     * Seconds without a sign of life after which a rank counts as lost; 0 switches the watch over lost ranks off. Each
     * rank sends a sign of life each second, from a thread of its own, however long the rank computes. The watch over
     * lost ranks needs MPI_THREAD_MULTIPLE; with a lower thread level of MPI the watch is off.
     */
    uint32_t silence;
    /** Function that is called once before the watch over lost ranks ends the job by MPI_Abort(); or NULL. */
    void (*leave)(void *user);
    void *user; /**< pointer that the function `leave` of dkvb_mpi_options receives */
} dkvb_mpi_options;

/** Initialiser of dkvb_mpi_options that gives every member its default. */
#define DKVB_MPI_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_mpi_options), 0, 15, 0, 0                                                                          \
    }
DKVB_INIT_FUNCTION(dkvb_mpi_options, DKVB_MPI_OPTIONS_INIT)

/**
 * Traffic of one function of a group of ranks: the calls of the function, and the bytes that this rank sent to other
 * ranks and received from other ranks. The traffic of a rank does not count bytes that the rank sends to itself. In the
 * traffic of a rank, a broadcast counts as sent once to each other rank.
 */
typedef struct dkvb_mpi_traffic {
    uint64_t calls;    /**< number of calls of one function of the group of ranks */
    uint64_t sent;     /**< number of bytes that this rank sent to other ranks */
    uint64_t received; /**< number of bytes that this rank received from other ranks */
} dkvb_mpi_traffic;

/** Properties of a group of ranks on MPI. Callers initialise the struct with `DKVB_MPI_INFO_INIT`. */
typedef struct dkvb_mpi_info {
    size_t struct_size; /**< size of dkvb_mpi_info in bytes, set by DKVB_MPI_INFO_INIT */
    uint32_t rank;      /**< rank number of this process in the group of ranks */
    uint32_t count;     /**< number of ranks in the group */
    uint32_t watched;   /**< 1 if the ranks of the group watch each other's signs of life */
    /** Seconds without a sign of life after which a rank counts as lost, as in the option `silence`. */
    uint32_t silence;
    dkvb_mpi_traffic exchange;  /**< traffic of the function `exchange` of the group of ranks (dkvb_ranks) */
    dkvb_mpi_traffic gather;    /**< traffic of the function `gather` of the group of ranks (dkvb_ranks) */
    dkvb_mpi_traffic broadcast; /**< traffic of the function `broadcast` of the group of ranks (dkvb_ranks) */
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
 * Make a group of all ranks of an MPI communicator. All ranks of the MPI communicator must call dkvb_mpi_new().
 * dkvb_mpi_new() duplicates the MPI communicator, so messages of the group do not mix with messages of the caller.
 *
 * dkvb_mpi_new() compares the version of libdkvb-mpi, the byte order and the size of a pointer on all ranks, and fails
 * on all ranks if any of these differ, with an error message that names rank and host.
 *
 * @param[out] out           receives the group of ranks, which the caller frees with dkvb_mpi_free() before
 *                           MPI_Finalize().
 * @param      communicator  Fortran handle of the MPI communicator, from MPI_Comm_c2f().
 * @param      options       options of the group of ranks, or NULL for the defaults.
 * @return `DKVB_ESTATE` if MPI is not initialised, `DKVB_EINVAL` if there are more than DKVB_RANKS_COUNT ranks,
 *         `DKVB_EMISMATCH` if the ranks differ in library version, byte order or size of a pointer, `DKVB_EIO` if a
 *         function of MPI failed, or `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_new(dkvb_mpi **out, int32_t communicator, const dkvb_mpi_options *options);

/**
 * Get the group of ranks in the form that run options and model options take.
 *
 * @param job  group of ranks on MPI, from dkvb_mpi_new().
 * @return the group of ranks for run options and model options, which dkvb_mpi_free() frees together with `job`.
 */
DKVB_API const dkvb_ranks *dkvb_mpi_ranks(const dkvb_mpi *job);

/**
 * Get the name of the host on which a rank runs.
 *
 * @param job   group of ranks on MPI, from dkvb_mpi_new().
 * @param rank  number of the rank whose host is asked for.
 * @return the host name of the rank, as MPI_Get_processor_name() gives it, valid until `job` is freed; "" for a rank
 *         that does not exist.
 */
DKVB_API const char *dkvb_mpi_host(const dkvb_mpi *job, uint32_t rank);

/**
 * Get the properties of a group of ranks, and the traffic of its functions until now.
 *
 * @param      job   group of ranks on MPI, from dkvb_mpi_new().
 * @param[out] info  receives the properties of the group of ranks; the caller sets its member `struct_size` before the
 *                   call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_get_info(const dkvb_mpi *job, dkvb_mpi_info *info);

/**
 * Get the ranks from which no sign of life came lately, although each rank sends a sign of life each second. When an
 * MPI job is stopped from outside, a signal handler may call dkvb_mpi_silent() to print the ranks that send no sign of
 * life, since the job may end before the watch over lost ranks finds them.
 *
 * @param job  group of ranks on MPI, from dkvb_mpi_new().
 * @return the ranks that send no sign of life, as a text such as "rank 3 on b", with a comma between ranks; "" if all
 *         ranks send signs of life, or if the watch over lost ranks is off.
 */
DKVB_API const char *dkvb_mpi_silent(const dkvb_mpi *job);

/**
 * Check that a text is the same on all ranks. All ranks call dkvb_mpi_compare() with one and the same text `name`.
 *
 * @param job   group of ranks on MPI, from dkvb_mpi_new().
 * @param name  name, for the error message, of what the compared text describes, for example "inputs".
 * @param text  text of this rank to compare, which the error message shows.
 * @return `DKVB_EMISMATCH` on all ranks if the text of a rank differs from the text of rank 0; the error message names
 *         the first such rank and its host. dkvb_mpi_compare() also fails with `DKVB_EIO` if a function of MPI failed,
 * or with `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_compare(dkvb_mpi *job, const char *name, const char *text);

/**
 * End the work of this rank, and wait for the other ranks. Every rank calls dkvb_mpi_end() last, with an exit code of
 * its own: 0 if the rank succeeded. When an MPI job ends with dkvb_mpi_end(), at most one of its ranks prints a line on
 * standard error:
 *
 * - If no rank failed, dkvb_mpi_end() prints nothing and returns 0.
 * - If all failed ranks have the same message, or if only one rank has a message and no rank still works,
 *   dkvb_mpi_end() prints the message without a rank.
 * - If a rank failed with a message that other ranks do not have, dkvb_mpi_end() prints the message with rank and host.
 *   If other ranks still work two seconds after a rank failed, MPI_Abort() ends the MPI job.
 *
 * If the watch over lost ranks is off, dkvb_mpi_end() does not wait: a rank that failed prints its message with rank
 * and host.
 *
 * @param job      group of ranks on MPI, from dkvb_mpi_new().
 * @param code     exit code of this rank, 0 if the rank succeeded.
 * @param message  error message of this rank to print, one line without a newline; NULL or "" if this rank has no
 *                 message.
 * @return exit code of the MPI job, the same on all ranks: the first exit code that is not 0, in the order of ranks. If
 *         the watch over lost ranks is off, dkvb_mpi_end() returns its argument `code`, the exit code of this rank.
 */
DKVB_API int dkvb_mpi_end(dkvb_mpi *job, int code, const char *message);

/**
 * Free a group of ranks. All ranks call dkvb_mpi_free(), which waits for all ranks. Models and codebooks that are
 * distributed over the ranks must be freed before the group of ranks.
 *
 * @param job  group of ranks on MPI to free; NULL does nothing.
 */
DKVB_API void dkvb_mpi_free(dkvb_mpi *job);

/**
 * Get the message of the latest failed call of libdkvb-mpi in the calling thread.
 *
 * @return the error message, valid until the next failed call of libdkvb-mpi in the calling thread.
 */
DKVB_API const char *dkvb_mpi_error(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
