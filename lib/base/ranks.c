#include "base/ranks.h"

#include <string.h>

#include "base/status.h"

dkvb_status dkvb__ranks_take(dkvb_ranks *ranks, const dkvb_ranks *given)
{
    dkvb_status rc;

    *ranks = (dkvb_ranks)DKVB_RANKS_INIT;
    rc = dkvb__take_options(ranks, sizeof *ranks, given, "ranks");
    if (rc)
        return rc;
    if (ranks->count < 1 || ranks->count > DKVB_RANKS_COUNT || ranks->rank >= ranks->count)
        return dkvb__fail(DKVB_EINVAL, "ranks: this is rank %u of %u; there may be 1 to %d, counted from 0",
                          ranks->rank, ranks->count, DKVB_RANKS_COUNT);
    if (ranks->count > 1 && (!ranks->exchange || !ranks->gather || !ranks->broadcast))
        return dkvb__fail(DKVB_EINVAL, "ranks: %u ranks need the functions exchange, gather and broadcast",
                          ranks->count);
    return DKVB_OK;
}

static dkvb_status result(const dkvb_ranks *ranks, const char *function, int code)
{
    if (code == 0)
        return DKVB_OK;
    return dkvb__fail(DKVB_EIO, "rank %u of %u cannot reach the others: %s gave %d", ranks->rank, ranks->count,
                      function, code);
}

static dkvb_status gather(const dkvb_ranks *ranks, const void *send, void *receive, const size_t *sizes)
{
    return result(ranks, "gather", ranks->gather(ranks->user, send, receive, sizes));
}

dkvb_status dkvb__ranks_compare(const dkvb_ranks *ranks, dkvb_status rc)
{
    enum { MESSAGE = 480 };
    int32_t mine = rc, status[DKVB_RANKS_COUNT];
    size_t sizes[DKVB_RANKS_COUNT];
    char message[MESSAGE] = "", own[MESSAGE] = "";
    uint8_t alike = 1, all[DKVB_RANKS_COUNT];
    uint32_t first = 0;
    dkvb_status failed;

    if (rc)
        strncpy(own, dkvb_last_error(), sizeof own - 1);
    for (uint32_t r = 0; r < ranks->count; r++)
        sizes[r] = sizeof mine;
    failed = gather(ranks, &mine, status, sizes);
    if (failed)
        /* this rank's own error message says more about the failure than the status that the other ranks sent */
        return rc ? dkvb__fail(rc, "%s", own) : failed;
    while (first < ranks->count && status[first] == DKVB_OK)
        first++;
    if (first == ranks->count)
        return DKVB_OK;
    for (uint32_t r = 0; r < ranks->count; r++)
        sizes[r] = r == first ? sizeof message : 0;
    failed = gather(ranks, own, message, sizes);
    message[sizeof message - 1] = '\0';
    alike = rc == status[first] && strcmp(own, message) == 0;
    for (uint32_t r = 0; r < ranks->count; r++)
        sizes[r] = 1;
    if (!failed)
        failed = gather(ranks, &alike, all, sizes);
    if (failed)
        return failed;
    if (memchr(all, 0, ranks->count))
        return dkvb__fail(status[first], "rank %u: %s", first, message);
    return rc;
}

dkvb_status dkvb__ranks_exchange(const dkvb_ranks *ranks, const void *send, const size_t *send_sizes, void *receive,
                                 const size_t *receive_sizes)
{
    if (ranks->count == 1) {
        if (send_sizes[0] > 0)
            memcpy(receive, send, send_sizes[0]);
        return DKVB_OK;
    }
    return result(ranks, "exchange", ranks->exchange(ranks->user, send, send_sizes, receive, receive_sizes));
}

dkvb_status dkvb__ranks_share(const dkvb_ranks *ranks, void *array, const size_t *first, size_t size)
{
    size_t items = first[ranks->count], most = size < DKVB_RANKS_MOST ? DKVB_RANKS_MOST / size : 1;
    size_t sizes[DKVB_RANKS_COUNT], end;
    dkvb_status rc = DKVB_OK;

    if (ranks->count == 1)
        return DKVB_OK;
    for (size_t from = 0; !rc && from < items; from = end) {
        size_t own = 0;

        end = items - from < most ? items : from + most;
        for (uint32_t r = 0; r < ranks->count; r++) {
            size_t low = first[r] > from ? first[r] : from, high = first[r + 1] < end ? first[r + 1] : end;

            sizes[r] = high > low ? (high - low) * size : 0;
            if (r == ranks->rank)
                own = low;
        }
        rc = gather(ranks, (char *)array + own * size, (char *)array + from * size, sizes);
    }
    return rc;
}

dkvb_status dkvb__ranks_share_evenly(const dkvb_ranks *ranks, void *array, size_t items, size_t size)
{
    size_t first[DKVB_RANKS_COUNT + 1];

    for (uint32_t r = 0; r <= ranks->count; r++)
        first[r] = dkvb__ranks_first(ranks, items, r);
    return dkvb__ranks_share(ranks, array, first, size);
}

dkvb_status dkvb__ranks_broadcast(const dkvb_ranks *ranks, void *data, size_t size)
{
    dkvb_status rc = DKVB_OK;

    for (size_t at = 0, part; !rc && ranks->count > 1 && at < size; at += part) {
        part = size - at < DKVB_RANKS_MOST ? size - at : DKVB_RANKS_MOST;
        rc = result(ranks, "broadcast", ranks->broadcast(ranks->user, (char *)data + at, part));
    }
    return rc;
}

dkvb_status dkvb__ranks_sum(const dkvb_ranks *ranks, uint64_t *numbers, size_t count)
{
    enum { ROOM = 8 * DKVB_RANKS_COUNT };
    size_t sizes[DKVB_RANKS_COUNT], most = ROOM / ranks->count, part;
    uint64_t all[ROOM];
    dkvb_status rc = DKVB_OK;

    for (size_t at = 0; !rc && ranks->count > 1 && at < count; at += part) {
        part = count - at < most ? count - at : most;
        for (uint32_t r = 0; r < ranks->count; r++)
            sizes[r] = part * sizeof *all;
        rc = gather(ranks, numbers + at, all, sizes);
        memset(numbers + at, 0, part * sizeof *numbers);
        for (size_t i = 0; !rc && i < part * ranks->count; i++)
            numbers[at + i % part] += all[i];
    }
    return rc;
}
