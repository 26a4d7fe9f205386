#ifndef DKVB_BASE_STATUS_H
#define DKVB_BASE_STATUS_H

#include <stddef.h>

#include "dkvb/status.h"

/* Keep one line for dkvb_last_error() and hand the code back, so that a failing function ends in
 * `return dkvb__fail(...)`. No newline, no function name. Allocates nothing. */
dkvb_status dkvb__fail(dkvb_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* dkvb__fail(DKVB_EIO) with the path, what was attempted and what errno says. */
dkvb_status dkvb__fail_errno(const char *path, const char *attempt);

/* Copy the `given` options over `full`, which holds the defaults: only as many bytes as the caller knows. Bytes beyond
 * what this library knows must be zero. Both structs begin with `size_t struct_size`. */
dkvb_status dkvb__take_options(void *full, size_t full_size, const void *given, const char *what);

/* For structs that the library fills in: copies at most the caller's struct_size bytes and keeps it. */
dkvb_status dkvb__give_info(void *out, const void *full, size_t full_size, const char *what);

#endif
