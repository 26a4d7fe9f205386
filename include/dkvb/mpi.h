/**
 * @file
 * @brief Ranks on MPI: the processes of an MPI job share one model.
 *
 * This header belongs to a library of its own, `libdkvb-mpi` (`-ldkvb-mpi`, CMake target `dkvb::mpi`). That library
 * calls MPI and does not need libdkvb at run time. libdkvb needs neither of them.
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
 * The header names no type of MPI, so that it can be used where MPI has no headers, for example from Python. A
 * communicator is given by its Fortran handle: MPI_Comm_c2f() in C, `comm.py2f()` with mpi4py.
 *
 * MPI only moves bytes. No reduction of MPI is used, so no result depends on its order of additions.
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

/** The ranks of one communicator. */
typedef struct dkvb_mpi dkvb_mpi;

/** Options of dkvb_mpi_new(). They start from `DKVB_MPI_OPTIONS_INIT`. */
typedef struct dkvb_mpi_options {
    size_t struct_size;              /**< sizeof(dkvb_mpi_options), set by INIT */
    const dkvb_allocator *allocator; /**< allocator, copied; NULL: malloc() and free() */
    /** Seconds without a sign of life after which a rank counts as lost; 0: nobody watches. Each rank sends a sign of
     *  life each second, by a thread of its own, however long it computes. The watch needs MPI_THREAD_MULTIPLE; without
     *  this level of threads it is off. */
    uint32_t silence;
    void (*leave)(
        void *user); /**< function that is called once before the watch ends the job by MPI_Abort(); or NULL */
    void *user;      /**< pointer that `leave` receives */
} dkvb_mpi_options;

/** Defaults of dkvb_mpi_options. */
#define DKVB_MPI_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(dkvb_mpi_options), 0, 15, 0, 0                                                                          \
    }
DKVB_INIT_FUNCTION(dkvb_mpi_options, DKVB_MPI_OPTIONS_INIT)

/** What one function of the group has moved. The bytes are those that this rank sent to others and received from
 *  others; a part that a rank sends to itself does not count. A broadcast counts once, as sent to each other rank. */
typedef struct dkvb_mpi_traffic {
    uint64_t calls;    /**< number of calls */
    uint64_t sent;     /**< bytes that this rank gave to other ranks */
    uint64_t received; /**< bytes that this rank got from other ranks */
} dkvb_mpi_traffic;

/** Properties of a group on MPI. The caller sets `struct_size`. */
typedef struct dkvb_mpi_info {
    size_t struct_size;         /**< sizeof(dkvb_mpi_info), set by INIT */
    uint32_t rank;              /**< number of this process */
    uint32_t count;             /**< number of processes */
    uint32_t watched;           /**< 1: ranks watch each other's signs of life */
    uint32_t silence;           /**< seconds of the option `silence` */
    dkvb_mpi_traffic exchange;  /**< traffic of dkvb_ranks.exchange */
    dkvb_mpi_traffic gather;    /**< traffic of dkvb_ranks.gather */
    dkvb_mpi_traffic broadcast; /**< traffic of dkvb_ranks.broadcast */
} dkvb_mpi_info;

/** Defaults of dkvb_mpi_info. */
#define DKVB_MPI_INFO_INIT                                                                                             \
    {                                                                                                                  \
        sizeof(dkvb_mpi_info), 0, 0, 0, 0, {0, 0, 0}, {0, 0, 0},                                                       \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_mpi_info, DKVB_MPI_INFO_INIT)

/**
 * Make a group of all ranks of a communicator. All of them call the function. The communicator is duplicated, so the
 * messages of the group do not meet those of the caller.
 *
 * The function compares the ranks: version of this library, byte order and sizes of types. If they differ, it fails
 * on all ranks, and the message names rank and host.
 *
 * @param[out] out           group; free it with dkvb_mpi_free() before MPI_Finalize().
 * @param      communicator  Fortran handle of the communicator, from MPI_Comm_c2f().
 * @param      options       options, or NULL for the defaults.
 * @return `DKVB_ESTATE` if MPI is not initialised, `DKVB_EINVAL` if there are more than DKVB_RANKS_COUNT ranks,
 *         `DKVB_EMISMATCH` if the ranks differ, `DKVB_EIO` if a function of MPI failed, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_new(dkvb_mpi **out, int32_t communicator, const dkvb_mpi_options *options);

/**
 * Get the group for run options and model options.
 *
 * @param job  group on MPI.
 * @return the group, which belongs to `job`.
 */
DKVB_API const dkvb_ranks *dkvb_mpi_ranks(const dkvb_mpi *job);

/**
 * Get the name of the host of a rank.
 *
 * @param job   group on MPI.
 * @param rank  number of the rank.
 * @return the name that MPI_Get_processor_name() gives, which belongs to `job`; "" for a rank that does not exist.
 */
DKVB_API const char *dkvb_mpi_host(const dkvb_mpi *job, uint32_t rank);

/**
 * Get the properties of a group, and what it has moved until now.
 *
 * @param      job   group on MPI.
 * @param[out] info  struct to fill; the caller sets its `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_get_info(const dkvb_mpi *job, dkvb_mpi_info *info);

/**
 * Get the ranks that were not heard of lately, although each sends a sign of life each second. A signal handler may
 * call the function, for its last words: whoever started the job may end it before the watch does.
 *
 * @param job  group on MPI.
 * @return a text such as "rank 3 on b", with a comma between ranks; "" if all are heard, or without the watch.
 */
DKVB_API const char *dkvb_mpi_silent(const dkvb_mpi *job);

/**
 * Check that a text is the same on all ranks. All ranks call the function, with the same `name`.
 *
 * @param job   group on MPI.
 * @param name  thing that the text describes, for the message.
 * @param text  text of this rank; the message shows it.
 * @return `DKVB_EMISMATCH` on all ranks if a rank differs from rank 0; the message names the first such rank and its
 *         host. `DKVB_EIO` if a function of MPI failed, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_mpi_compare(dkvb_mpi *job, const char *name, const char *text);

/**
 * End the work of this rank, and wait for the others. Every rank calls this function last, with a code of its own: 0
 * if it succeeded. The function prints at most one line on the job's standard error, from one rank:
 *
 * - If no rank failed, it prints nothing and returns 0.
 * - If all failed ranks have the same message, or one alone has a message and no rank works on, it prints the message.
 * - If a rank failed with a message that others do not have, it prints the message with rank and host. If other ranks
 *   still work two seconds later, MPI_Abort() ends the job.
 *
 * Without the watch nothing is waited for: a rank that failed prints its message with rank and host.
 *
 * @param job      group on MPI.
 * @param code     exit code of this rank.
 * @param message  line to print, without a newline; NULL or "": this rank has nothing to say.
 * @return the first code that is not 0, in the order of ranks; the same on all ranks. Without the watch: `code`.
 */
DKVB_API int dkvb_mpi_end(dkvb_mpi *job, int code, const char *message);

/**
 * Free a group. All ranks call the function; it waits until they do. Objects that the ranks share must have been freed.
 *
 * @param job  group on MPI; NULL does nothing.
 */
DKVB_API void dkvb_mpi_free(dkvb_mpi *job);

/**
 * Get the message of the last failure of this library in this thread.
 *
 * @return the message, which the next failure of this library in this thread replaces.
 */
DKVB_API const char *dkvb_mpi_error(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
