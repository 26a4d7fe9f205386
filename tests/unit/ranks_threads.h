/* Ranks as threads of one process, for tests of calls that a group of ranks makes together. */
#ifndef DKVB_TESTS_RANKS_THREADS_H
#define DKVB_TESTS_RANKS_THREADS_H

#include "dkvb/ranks.h"

/*
 * Runs body(ranks, context) on `count` threads at once, each of them a rank of one group, and returns after the last.
 * ranks->rank tells the threads apart; `context` is the same pointer for all.
 *
 * The functions of the group check what libdkvb must keep: all ranks make the same calls in the same order, both sides
 * of a call know the same sizes, and no call moves more than DKVB_RANKS_MOST bytes. A breach ends the program with a
 * sentence. So does a failed assertion of cmocka on any of these threads. A rank that returns while others still wait
 * for it makes their call fail, and all later calls, as if it had died.
 */
void ranks_run(unsigned count, void (*body)(const dkvb_ranks *ranks, void *context), void *context);

/* A fault, and what the group did. Zeros: nothing fails. */
struct ranks_trial {
    unsigned fail_rank; /* the rank whose call fails */
    unsigned fail_call; /* number of this call among the calls of the rank, from 1; 0: none fails */
    unsigned calls;     /* output: number of calls that each rank made, those of rank 0 */
    /* Output: bytes that each rank sent to the others and received from them. */
    unsigned long long sent[DKVB_RANKS_COUNT], received[DKVB_RANKS_COUNT];
};

/* As ranks_run(). The call that the trial names fails, on its rank first, then on all others; so do all later calls. */
void ranks_try(unsigned count, void (*body)(const dkvb_ranks *ranks, void *context), void *context,
               struct ranks_trial *trial);

#endif
