#ifndef DKVB_BASE_SORT_H
#define DKVB_BASE_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Something with a number to sort it by. */
struct dkvb__keyed {
    uint64_t key;
    size_t index;
};

/* A key in the order of doubles, -infinity to infinity; both zeros have the same. */
uint64_t dkvb__key_of_double(double value);

/* Sort by key, ascending; what has the same key stays in order. `scratch` has n elements. Takes O(n), and no memory,
 * which qsort() may. */
void dkvb__sort_keyed(struct dkvb__keyed *items, struct dkvb__keyed *scratch, size_t n);

#endif
