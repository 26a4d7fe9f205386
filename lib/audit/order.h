#ifndef DKVB_AUDIT_ORDER_H
#define DKVB_AUDIT_ORDER_H

#include "base/sort.h"
#include "dkvb/memory.h"

/* The function dkvb__order_by() sorts the positions of n doubles, none of them NaN, by ascending value; each item's
 * `index` is a position. The function dkvb__order_by() returns the sorted positions in new memory, which the caller
 * frees, or NULL if memory ran out. */
struct dkvb__keyed *dkvb__order_by(const double *value, size_t n, const dkvb_allocator *mem);

#endif
