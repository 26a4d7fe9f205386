/**
 * @file
 * @brief Ranks: processes, on one machine or many, that share the work and the values of one model.
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
 * A group of processes, called ranks, and three functions that move bytes between them. libdkvb-mpi has a group on MPI;
 * a caller may bring functions of its own. The struct starts from `DKVB_RANKS_INIT`.
 *
 * dkvb_run_options and dkvb_model_options carry a group to the calls that make objects. Codebooks and models that are
 * made with a group are *shared*: each rank holds the values of its own groups of codebooks, and every later call on
 * such an object is made by all ranks, in the same order and with the same arguments. All ranks get the same results,
 * and these are the bytes that one process alone would compute, for any number of ranks and threads. Rank 0 alone
 * writes files.
 *
 * Two calls divide work among the ranks of their run options, on objects that each rank has whole:
 * dkvb_encoder_encode_file() the pictures, dkvb_audit_run() the models that it trains.
 *
 * If a call fails on one rank, it fails on all ranks with the same status wherever ranks can still talk to each other;
 * the message then begins with the rank that failed. If a function of the group fails, the call returns `DKVB_EIO`, and
 * the shared objects can only be freed.
 *
 * The library calls the functions on the thread that made the call, one at a time. No call moves more than
 * DKVB_RANKS_MOST bytes from or to a rank. A function returns 0, or any other number if it failed. It must not leave by
 * longjmp() or by an exception.
 */
typedef struct dkvb_ranks {
    size_t struct_size; /**< sizeof(dkvb_ranks), set by INIT */
    uint32_t rank;      /**< number of this process, 0 to count - 1 */
    uint32_t count;     /**< number of processes, 1 to DKVB_RANKS_COUNT */
    void *user;         /**< pointer that the functions receive */

    /** Each rank sends a part to each rank, itself included. Parts lie one after the other, in the order of ranks:
     *  `send` holds the parts for rank 0, 1, …, of send_sizes[0], send_sizes[1], … bytes; `receive` gets the parts from
     *  rank 0, 1, …, of receive_sizes[…] bytes. Both sides know the sizes. (MPI_Alltoallv) */
    int (*exchange)(void *user, const void *send, const size_t *send_sizes, void *receive, const size_t *receive_sizes);

    /** All ranks get the parts of all ranks, in the order of ranks. The part of rank r has sizes[r] bytes. `send` may
     *  lie in `receive`, at its own place. (MPI_Allgatherv) */
    int (*gather)(void *user, const void *send, void *receive, const size_t *sizes);

    /** All ranks get the `size` bytes that `data` holds on rank 0. (MPI_Bcast) */
    int (*broadcast)(void *user, void *data, size_t size);
} dkvb_ranks;

/** Limits of dkvb_ranks: the number of ranks, and the bytes that one call moves from or to a rank. */
enum { DKVB_RANKS_COUNT = 1024, DKVB_RANKS_MOST = 1 << 30 };

/** Defaults of dkvb_ranks: this process alone, which needs no functions. */
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
