/**
 * @file
 * @brief Default values of an option struct, found by the name of its type, for languages without C macros.
 *
 * C and C++ programs initialise option structs with the INIT macros or the inline `_init` functions, which need no call
 * into the library: `dkvb_run_options o = DKVB_RUN_OPTIONS_INIT;` or `dkvb_run_options_init(&o);`.
 */
#ifndef DKVB_INIT_H
#define DKVB_INIT_H

#include <stddef.h>

#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base
 *  @{ */

/**
 * Set a struct of the library to its defaults. Struct members that the loaded version of the library does not know
 * become 0.
 *
 * @param      type         name of the struct type, for example "dkvb_run_options".
 * @param[out] out          struct to set to its defaults.
 * @param      struct_size  size of the struct in bytes, as the caller declares it.
 * @return `DKVB_ENOTFOUND` if no struct with a `struct_size` member has the name `type`; `DKVB_EINVAL` if `struct_size`
 *         is smaller than any version of the struct type.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_init(const char *type, void *out, size_t struct_size);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
