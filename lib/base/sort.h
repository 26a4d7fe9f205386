#ifndef DKVB_BASE_SORT_H
#define DKVB_BASE_SORT_H

#include <stddef.h>
#include <stdint.h>

/* An item and the number that it is sorted by. */
struct dkvb__keyed {
    uint64_t key;
    size_t index;
};

/* Returns a key that sorts as the doubles do, from -infinity to infinity. Both zeros have the same key. */
uint64_t dkvb__key_of_double(double value);

/* Sorts by key, ascending; items with the same key keep their order. `scratch` has n elements. The time is O(n), and no
 * memory is allocated, unlike qsort(). */
void dkvb__sort_keyed(struct dkvb__keyed *items, struct dkvb__keyed *scratch, size_t n);

#endif
