/**
 * @file
 * @brief Version of libdkvb: constants of the header, and a function that asks the loaded library. A program that was
 * built with one minor version of the library runs with every later minor version of the same major version
 * (docs/abi.md).
 */
#ifndef DKVB_VERSION_H
#define DKVB_VERSION_H

#include "export.h"

/** Major version of the library: changes when programs must be built anew. */
#define DKVB_VERSION_MAJOR 1
/** Minor version of the library: changes when functions or members are added. */
#define DKVB_VERSION_MINOR 0
/** Patch version of the library: changes when only errors are corrected. */
#define DKVB_VERSION_PATCH 0
/** Version of the library that the header belongs to, as a text. */
#define DKVB_VERSION_STRING "1.0.0-rc1"
/** Version of the library that the header belongs to, as one number that grows: major * 10000 + minor * 100 + patch. */
#define DKVB_VERSION_NUMBER (DKVB_VERSION_MAJOR * 10000 + DKVB_VERSION_MINOR * 100 + DKVB_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base
 *  @{ */

/**
 * Get the version of the libdkvb that the program has loaded, which may be newer than the version in the header
 * version.h.
 *
 * @return the version of the library as a static string, which must not be freed.
 */
DKVB_API const char *dkvb_version_string(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
