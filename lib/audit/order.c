#include "audit/order.h"

#include <string.h>

#include "base/alloc.h"

/* Integers in the order of the doubles: those below 0 turned round, the others above them. */
static uint64_t key_of(double value)
{
    uint64_t bits, sign = (uint64_t)1 << 63;

    value += 0.0; /* -0 and 0 are equal */
    memcpy(&bits, &value, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

struct dkvb__keyed *dkvb__order_by(const double *value, size_t n, const dkvb_allocator *mem)
{
    struct dkvb__keyed *items = dkvb__alloc(mem, n, 2 * sizeof *items);

    for (size_t i = 0; items && i < n; i++)
        items[i] = (struct dkvb__keyed){key_of(value[i]), i};
    if (items)
        dkvb__sort_keyed(items, items + n, n);
    return items;
}
