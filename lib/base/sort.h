#ifndef DKVB_BASE_SORT_H
#define DKVB_BASE_SORT_H

#include <stddef.h>
#include <stdint.h>

/* An item to sort, with the number that is its sort key. */
struct dkvb__keyed {
    uint64_t key;
    size_t index;
};

/* Returns an integer key that sorts as doubles do, from -infinity to infinity. 0.0 and -0.0 have the same key. */
uint64_t dkvb__key_of_double(double value);

/* Sorts items by their sort key, ascending; items with the same sort key keep their order. The argument `scratch` of
 * dkvb__sort_keyed() is scratch space for n items. Sorting n items takes O(n) time, and, unlike qsort(),
 * dkvb__sort_keyed() allocates no memory. */
void dkvb__sort_keyed(struct dkvb__keyed *items, struct dkvb__keyed *scratch, size_t n);

#endif
