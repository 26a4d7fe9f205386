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

/** @addtogroup dkvb_base
 *  @{ */

/**
 * A group of processes, called ranks, and three functions that move bytes between the ranks. libdkvb-mpi makes such a
 * group from an MPI communicator; a caller may also provide functions of its own. Callers initialise the struct with
 * `DKVB_RANKS_INIT`.
 *
 * Callers pass a group of ranks in dkvb_run_options or dkvb_model_options to the calls that make codebooks and models.
 * Codebooks and models that are made with a group of ranks are *distributed*: each rank holds the values of some groups
 * of codebooks, and all ranks must make every later call on the codebooks or model, in the same order and with the same
 * arguments. All ranks of a group get the same results, with the same bytes as one process alone would compute, for any
 * number of ranks and threads. Of the ranks of a group, only rank 0 writes the files of a library call.
 *
 * Two functions divide work among the ranks of their run options, while each rank holds a whole encoder or model:
 * dkvb_encoder_encode_file() divides the pictures, dkvb_audit_run() divides the models that it trains.
 *
 * If a call of the library fails on one rank, the call fails on all ranks with the same status, as far as ranks can
 * still talk to each other; the error message then begins with the rank that failed. If a function of a group of ranks
 * fails, the library call returns `DKVB_EIO`, and distributed codebooks and models can only be freed afterwards.
 *
 * The library calls the functions of a group of ranks on the thread that made the library call, one at a time. No call
 * of a function of a group of ranks moves more than DKVB_RANKS_MOST bytes from or to a rank. A function of a group of
 * ranks returns 0 on success and any other number on failure, and must not leave by longjmp() or by an exception.
 */
typedef struct dkvb_ranks {
    size_t struct_size; /**< size of dkvb_ranks in bytes, set by DKVB_RANKS_INIT */
    uint32_t rank;      /**< rank number of this process in the group, 0 to count - 1 */
    uint32_t count;     /**< number of ranks in the group, 1 to DKVB_RANKS_COUNT */
    /** Pointer that the library hands to `exchange`, `gather` and `broadcast`, the functions of the group of ranks. */
    void *user;

    /**
     * Sends bytes from each rank to each rank, itself included, like MPI_Alltoallv. In an exchange between ranks, the
     * array `send` holds the bytes for rank 0, 1, … one after another, of send_sizes[0], send_sizes[1], … bytes; the
     * array `receive` gets the bytes from rank 0, 1, …, of receive_sizes[0], receive_sizes[1], … bytes. In an exchange
     * between ranks, sender and receiver both know the number of bytes.
     */
    int (*exchange)(void *user, const void *send, const size_t *send_sizes, void *receive, const size_t *receive_sizes);

    /**
     * Gives all ranks the bytes of all ranks, in the order of ranks, like MPI_Allgatherv. In a gather among ranks, rank
     * r contributes sizes[r] bytes. In a gather among ranks, the array `send` may lie inside the array `receive`, at
     * the place of the bytes of this rank.
     */
    int (*gather)(void *user, const void *send, void *receive, const size_t *sizes);

    /** Gives all ranks the `size` bytes that the array `data` holds on rank 0, like MPI_Bcast. */
    int (*broadcast)(void *user, void *data, size_t size);
} dkvb_ranks;

/**
 * Limits of a group of ranks: the largest number of ranks, and the largest number of bytes that one call of a function
 * of the group moves from or to a rank.
 */
enum { DKVB_RANKS_COUNT = 1024, DKVB_RANKS_MOST = 1 << 30 };

/** Initialiser of dkvb_ranks for a single process, which needs no functions to move bytes between ranks. */
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
