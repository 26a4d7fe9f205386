/**
 * Defaults of structs by name, for languages that can use neither the INIT macros nor the `_init` functions of the
 * headers. In C and C++ both do the same without a call: `dkvb_run_options o = DKVB_RUN_OPTIONS_INIT;` and
 * `dkvb_run_options_init(&o);`.
 */
#ifndef DKVB_INIT_H
#define DKVB_INIT_H

#include <stddef.h>

#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Set a struct to its defaults. Fields that this library does not know yet become 0.
 *
 * @param      type         its name, as "dkvb_run_options".
 * @param[out] out          the struct.
 * @param      struct_size  its size as the caller declares it.
 * @return `DKVB_ENOTFOUND` if no struct with a struct_size has this name, `DKVB_EINVAL` if `struct_size` is too small
 * to be one.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_init(const char *type, void *out, size_t struct_size);

#ifdef __cplusplus
}
#endif

#endif
