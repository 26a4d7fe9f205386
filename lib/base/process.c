#include "base/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_uint forks; /* number of forks between the process that loaded the library and this one */
static uint64_t loaded_in;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

/* If memory runs out for the handler that counts forks, nothing is lost: process ids still differ between the
 * processes. */
__attribute__((constructor)) static void remember_process(void)
{
    (void)pthread_atfork(NULL, NULL, count_fork);
    loaded_in = dkvb__process();
}

uint64_t dkvb__process(void)
{
    return (uint64_t)atomic_load(&forks) << 32 | (uint32_t)getpid();
}

bool dkvb__forked(void)
{
    return dkvb__process() != loaded_in;
}
