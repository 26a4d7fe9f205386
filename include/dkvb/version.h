/**
 * The version of the library. A program that was built against one minor version runs with every later one of the same
 * major version (docs/abi.md).
 */
#ifndef DKVB_VERSION_H
#define DKVB_VERSION_H

#include "export.h"

#define DKVB_VERSION_MAJOR 1
#define DKVB_VERSION_MINOR 0
#define DKVB_VERSION_PATCH 0
#define DKVB_VERSION_STRING "1.0.0-rc1"
/** One number that grows with the version: major * 10000 + minor * 100 + patch. */
#define DKVB_VERSION_NUMBER (DKVB_VERSION_MAJOR * 10000 + DKVB_VERSION_MINOR * 100 + DKVB_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/** `DKVB_VERSION_STRING` of the library that is loaded, which may be newer than the header. Static; never freed. */
DKVB_API const char *dkvb_version_string(void);

#ifdef __cplusplus
}
#endif

#endif
