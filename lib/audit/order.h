#ifndef DKVB_AUDIT_ORDER_H
#define DKVB_AUDIT_ORDER_H

#include "base/sort.h"
#include "dkvb/memory.h"

/* Numbers of n doubles, none of them NaN, by ascending value: `index` of each item. To be freed; NULL: out of memory.
 */
struct dkvb__keyed *dkvb__order_by(const double *value, size_t n, const dkvb_allocator *mem);

#endif
