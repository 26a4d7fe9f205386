#ifndef DKVB_BASE_RANKS_H
#define DKVB_BASE_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/ranks.h"

/* Calls the functions of a group of ranks (processes, dkvb/ranks.h), and checks that they succeed. A group of one rank
 * (process) needs no callback functions, and the calls that exchange data between ranks then do nothing. All ranks
 * (processes) of a group must make the same calls together. */

/* Copies and checks the group of ranks that a caller gave; NULL stands for this process alone. */
dkvb_status dkvb__ranks_take(dkvb_ranks *ranks, const dkvb_ranks *given);

/* Returns the number of the first item that belongs to a rank (process), if `items` items are dealt out to the ranks
 * evenly and in order. */
static inline size_t dkvb__ranks_first(const dkvb_ranks *ranks, size_t items, uint32_t rank)
{
    return items / ranks->count * rank + items % ranks->count * rank / ranks->count;
}

/* Returns the rank (process) that an item below `items` belongs to, if items are dealt out to the ranks evenly and in
 * order. */
static inline uint32_t dkvb__ranks_owner(const dkvb_ranks *ranks, size_t items, size_t item)
{
    /* a first guess of the rank that owns the item of this number, close to the right rank, as ranks get nearly equal
     * numbers of items */
    uint32_t r = (uint32_t)(item * ranks->count / items);

    while (dkvb__ranks_first(ranks, items, r) > item)
        r--;
    while (dkvb__ranks_first(ranks, items, r + 1) <= item)
        r++;
    return r;
}

/* Ends a step that can fail on some ranks (processes) only: the result is DKVB_OK if `rc` is DKVB_OK on all ranks. If
 * any rank failed, dkvb__ranks_compare() returns the status of the first rank that failed, and dkvb_last_error() has
 * that rank's message, which names the rank unless all ranks failed alike.
 *
 * A rank that returns early leaves the other ranks waiting in their next call for ever. As a rank that returns early
 * leaves the others waiting for ever, every step that can fail on one rank alone (memory, a file, a callback) must end
 * with dkvb__ranks_compare() before ranks exchange anything else. */
dkvb_status dkvb__ranks_compare(const dkvb_ranks *ranks, dkvb_status rc);

static inline dkvb_status dkvb__ranks_agree(const dkvb_ranks *ranks, dkvb_status rc)
{
    return ranks->count == 1 ? rc : dkvb__ranks_compare(ranks, rc);
}

dkvb_status dkvb__ranks_exchange(const dkvb_ranks *ranks, const void *send, const size_t *send_sizes, void *receive,
                                 const size_t *receive_sizes);

/* Completes an array on all ranks (processes) after each rank has filled in its own items: rank r has the items from
 * first[r] to below first[r + 1], each of `size` bytes. The array `first` has the number of each rank's first item, and
 * after the last rank's entry the number of all items. */
dkvb_status dkvb__ranks_share(const dkvb_ranks *ranks, void *array, const size_t *first, size_t size);

/* Completes an array on all ranks (processes), each of which has filled in its own items; the `items` items were dealt
 * out to the ranks evenly and in order. */
dkvb_status dkvb__ranks_share_evenly(const dkvb_ranks *ranks, void *array, size_t items, size_t size);

/* Copies `size` bytes at `data` from rank 0 to all other ranks (processes). */
dkvb_status dkvb__ranks_broadcast(const dkvb_ranks *ranks, void *data, size_t size);

/* Replaces each element of the array `numbers` by its sum over all ranks (processes). */
dkvb_status dkvb__ranks_sum(const dkvb_ranks *ranks, uint64_t *numbers, size_t count);

#endif
