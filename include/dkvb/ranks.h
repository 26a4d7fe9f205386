/**
 * @file
 * @brief Ranks: processes, on one machine or many, that divide the work and the values of one model among them.
 */
#ifndef DKVB_RANKS_H
#define DKVB_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "init.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base Basics: status, memory, files, run options
 *  @{ */

/**
 * A group of processes, called ranks, and three functions that move bytes between them. libdkvb-mpi makes such a group
 * from an MPI communicator; a caller may also provide functions of its own. Callers initialise the struct with
 * `DKVB_RANKS_INIT`.
 *
 * dkvb_run_options and dkvb_model_options pass a group of ranks to the calls that make objects. Codebooks and models
 * that are made with a group of ranks are *distributed*: each rank holds the values of some groups of codebooks, and
 * all ranks must make every later call on the object, in the same order and with the same arguments. All ranks get the
 * same results, with the same bytes as one process alone would compute, for any number of ranks and threads. Only rank
 * 0 writes files.
 *
 * Two functions divide work among the ranks of their run options, on objects that each rank holds whole:
 * dkvb_encoder_encode_file() divides the pictures, dkvb_audit_run() divides the models that it trains.
 *
 * If a call fails on one rank, it fails on all ranks with the same status, as far as ranks can still talk to each
 * other; the error message then begins with the rank that failed. If a function of the group fails, the call returns
 * `DKVB_EIO`, and distributed objects can only be freed afterwards.
 *
 * The library calls the functions of a group on the thread that made the library call, one at a time. No call of a
 * function of the group moves more than DKVB_RANKS_MOST bytes from or to a rank. A function of a group returns 0, or
 * any other number if it failed, and must not leave by longjmp() or by an exception.
 */
typedef struct dkvb_ranks {
    size_t struct_size; /**< size of dkvb_ranks in bytes, set by DKVB_RANKS_INIT */
    uint32_t rank;      /**< rank number of this process, 0 to count - 1 */
    uint32_t count;     /**< number of ranks in the group, 1 to DKVB_RANKS_COUNT */
    void *user;         /**< pointer that the functions of the group receive */

    /**
     * Sends a part of bytes from each rank to each rank, itself included, like MPI_Alltoallv. `send` holds the parts
     * for rank 0, 1, … one after another, of send_sizes[0], send_sizes[1], … bytes; `receive` gets the parts from rank
     * 0, 1, …, of receive_sizes[0], receive_sizes[1], … bytes. Sender and receiver both know the sizes.
     */
    int (*exchange)(void *user, const void *send, const size_t *send_sizes, void *receive, const size_t *receive_sizes);

    /**
     * Gives all ranks the parts of all ranks, in the order of ranks, like MPI_Allgatherv. The part of rank r has
     * sizes[r] bytes. `send` may lie inside `receive`, at the place of this rank's own part.
     */
    int (*gather)(void *user, const void *send, void *receive, const size_t *sizes);

    /** Gives all ranks the `size` bytes that `data` holds on rank 0, like MPI_Bcast. */
    int (*broadcast)(void *user, void *data, size_t size);
} dkvb_ranks;

/**
 * Limits of dkvb_ranks: the number of ranks, and the number of bytes that one call of a function moves from or to a
 * rank.
 */
enum { DKVB_RANKS_COUNT = 1024, DKVB_RANKS_MOST = 1 << 30 };

/** Initialiser of dkvb_ranks for a single process, which needs no functions. */
#define DKVB_RANKS_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_ranks), 0, 1, 0, 0, 0, 0                                                                           \
    }
DKVB_INIT_FUNCTION(dkvb_ranks, DKVB_RANKS_INIT)

/** @} */

#ifdef __cplusplus
}
#endif

#endif
