#ifndef DKVB_BASE_STATUS_H
#define DKVB_BASE_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "dkvb/status.h"

/* Stores one line for dkvb_last_error() and returns the code, so that a failing function ends in `return
 * dkvb__fail(...)`. A message for dkvb__fail() has no newline and no function name. dkvb__fail() allocates nothing. */
dkvb_status dkvb__fail(dkvb_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts the formatted text and ": " in front of the message that this thread stored last, and returns the code: for a
 * caller that knows which file, row or line the message is about. */
dkvb_status dkvb__fail_about(dkvb_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Calls dkvb__fail(DKVB_EIO) with the path, the action that was attempted and the text of errno. */
dkvb_status dkvb__fail_errno(const char *path, const char *attempt);

/* Copies the caller's options, `given`, over `full`, which holds the defaults. Of the caller's options struct, only the
 * bytes that its struct_size states are copied; bytes beyond the library's own struct must be zero. Public structs
 * begin with `size_t struct_size`. */
dkvb_status dkvb__take_options(void *full, size_t full_size, const void *given, const char *what);

/* Copies a result into a struct of the caller: at most the caller's struct_size bytes; struct_size itself stays
 * unchanged. */
dkvb_status dkvb__give_info(void *out, const void *full, size_t full_size, const char *what);

/* Returns the number of messages that dkvb__fail() has stored on this thread. If the number of stored error messages
 * grows while a callback fails, the callback itself has stored an error message. */
uint64_t dkvb__fail_count(void);

#endif
