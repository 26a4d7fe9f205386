#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dkvb/runtime.h"
#include "kernels/kernels.h"

const struct dkvb__kernels *const dkvb__kernel_tables[] = {
#ifdef DKVB_HAVE_X86
    &dkvb__kernels_avx512,
    &dkvb__kernels_avx2,
#elif defined DKVB_HAVE_NEON
    &dkvb__kernels_neon_dot,
    &dkvb__kernels_neon,
#endif
    &dkvb__kernels_scalar,
    NULL,
};

static const struct dkvb__kernels *pick(void)
{
    const char *wanted = getenv("DKVB_KERNELS");

    for (size_t t = 0; wanted && dkvb__kernel_tables[t]; t++)
        if (strcmp(dkvb__kernel_tables[t]->name, wanted) == 0 && dkvb__kernel_tables[t]->supported())
            return dkvb__kernel_tables[t];
    for (size_t t = 0; dkvb__kernel_tables[t]; t++)
        if (dkvb__kernel_tables[t]->supported())
            return dkvb__kernel_tables[t];
    return &dkvb__kernels_scalar;
}

/* The choice of a kernel table needs no lock: two threads that choose at the same time choose the same table. */
const struct dkvb__kernels *dkvb__kernels(void)
{
    static const struct dkvb__kernels *_Atomic picked;
    const struct dkvb__kernels *k = atomic_load_explicit(&picked, memory_order_acquire);

    if (!k) {
        k = pick();
        atomic_store_explicit(&picked, k, memory_order_release);
    }
    return k;
}

const char *dkvb_runtime_kernels(void)
{
    return dkvb__kernels()->name;
}
