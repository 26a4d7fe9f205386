/* Runs ranks as threads of one process, for tests of calls that a group of ranks makes together. */
#ifndef DKVB_TESTS_RANKS_THREADS_H
#define DKVB_TESTS_RANKS_THREADS_H

#include "dkvb/ranks.h"

/*
 * Runs body(ranks, context) on `count` threads at once, each of them a rank of one group, and returns when all threads
 * have ended. ranks->rank is the number of the thread; `context` is the same pointer for all threads.
 *
 * The functions of the group check what libdkvb must keep: all ranks make the same calls in the same order, both sides
 * of a call know the same sizes, and no call moves more than DKVB_RANKS_MOST bytes. A violation, or a failed assertion
 * of cmocka on any of the threads, ends the program with a message. If a rank returns while others still wait for it,
 * their call and all later calls fail, as if the rank had died.
 */
void ranks_run(unsigned count, void (*body)(const dkvb_ranks *ranks, void *context), void *context);

/* A failure to provoke in a group of ranks, and counts of the group's calls. A struct of zeros provokes no failure. */
struct ranks_trial {
    unsigned fail_rank; /* number of the rank whose call fails */
    unsigned fail_call; /* number of the call that fails on this rank, from 1; 0 = no call fails */
    unsigned calls;     /* output: number of calls that each rank made, counted on rank 0 */
    /* Output: numbers of bytes that each rank sent to the others and received from them. */
    unsigned long long sent[DKVB_RANKS_COUNT], received[DKVB_RANKS_COUNT];
};

/* Runs ranks as ranks_run() does. The call given by fail_rank and fail_call fails, first on this rank, then on all
 * others, and so do all later calls. */
void ranks_try(unsigned count, void (*body)(const dkvb_ranks *ranks, void *context), void *context,
               struct ranks_trial *trial);

#endif
