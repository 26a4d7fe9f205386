#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[512];
static _Thread_local uint64_t failures;

const char *dkvb_last_error(void)
{
    return last_error;
}

dkvb_status dkvb__fail(dkvb_status code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(last_error, sizeof last_error, format, args);
    va_end(args);
    failures++;
    return code;
}

dkvb_status dkvb__fail_about(dkvb_status code, const char *format, ...)
{
    char said[sizeof last_error];
    size_t length;
    va_list args;

    memcpy(said, last_error, sizeof said);
    va_start(args, format);
    vsnprintf(last_error, sizeof last_error, format, args);
    va_end(args);
    length = strlen(last_error);
    snprintf(last_error + length, sizeof last_error - length, ": %s", said);
    failures++;
    return code;
}

uint64_t dkvb__fail_count(void)
{
    return failures;
}

dkvb_status dkvb__fail_errno(const char *path, const char *attempt)
{
    char why[128];

    if (strerror_r(errno, why, sizeof why) != 0)
        snprintf(why, sizeof why, "error %d", errno);
    return dkvb__fail(DKVB_EIO, "%.300s: cannot %s: %s", path, attempt, why);
}

dkvb_status dkvb__take_options(void *full, size_t full_size, const void *given, const char *what)
{
    const unsigned char *bytes = given;
    size_t size;

    if (!given)
        return DKVB_OK;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size)
        return dkvb__fail(DKVB_EINVAL, "%s: struct_size is %zu; start from the INIT macro", what, size);
    for (size_t i = full_size; i < size; i++)
        if (bytes[i] != 0)
            return dkvb__fail(DKVB_EINVAL, "%s: struct_size is %zu, this library knows %zu and a later field is set",
                              what, size, full_size);
    memcpy(full, given, size < full_size ? size : full_size);
    memcpy(full, &full_size, sizeof full_size);
    return DKVB_OK;
}

dkvb_status dkvb__give_info(void *out, const void *full, size_t full_size, const char *what)
{
    size_t size;

    memcpy(&size, out, sizeof size);
    if (size < sizeof size)
        return dkvb__fail(DKVB_EINVAL, "%s: struct_size is %zu; start from the INIT macro", what, size);
    memcpy((char *)out + sizeof size, (const char *)full + sizeof size,
           (size < full_size ? size : full_size) - sizeof size);
    return DKVB_OK;
}
