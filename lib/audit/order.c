#include "audit/order.h"

#include "base/alloc.h"

struct dkvb__keyed *dkvb__order_by(const double *value, size_t n, const dkvb_allocator *mem)
{
    struct dkvb__keyed *items = dkvb__alloc(mem, n, 2 * sizeof *items);

    for (size_t i = 0; items && i < n; i++)
        items[i] = (struct dkvb__keyed){dkvb__key_of_double(value[i]), i};
    if (items)
        dkvb__sort_keyed(items, items + n, n);
    return items;
}
