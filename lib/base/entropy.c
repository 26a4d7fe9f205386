#include "base/entropy.h"

#include <errno.h>
#include <sys/random.h>

#include "base/status.h"

dkvb_status dkvb__entropy(void *bytes, size_t size)
{
    unsigned char *at = bytes;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return dkvb__fail_errno("the system's random source", "read");
        at += got;
        size -= (size_t)got;
    }
    return DKVB_OK;
}
