/**
 * @file
 * @brief Defaults of structs by the name of their type, for languages without C macros.
 *
 * C and C++ programs use the INIT macros or the inline `_init` functions instead, which need no call into the library:
 * `dkvb_run_options o = DKVB_RUN_OPTIONS_INIT;` or `dkvb_run_options_init(&o);`.
 */
#ifndef DKVB_INIT_H
#define DKVB_INIT_H

#include <stddef.h>

#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base Basics: status, memory, files, run options
 *  @{ */

/**
 * Set a struct to its defaults. Members that this library does not know yet become 0.
 *
 * @param      type         name of the type, for example "dkvb_run_options".
 * @param[out] out          struct to set.
 * @param      struct_size  size of the struct as the caller declares it, in bytes.
 * @return `DKVB_ENOTFOUND` if no struct with a `struct_size` member has this name; `DKVB_EINVAL` if `struct_size` is
 *         smaller than any version of this struct.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_init(const char *type, void *out, size_t struct_size);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
