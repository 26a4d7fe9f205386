/**
 * Version of the library. Programs built against one minor version run with
 * every later one of the same major version (docs/guide.md, *Versions*).
 */
#ifndef DKVB_VERSION_H
#define DKVB_VERSION_H

#include "export.h"

#define DKVB_VERSION_MAJOR 0
#define DKVB_VERSION_MINOR 1
#define DKVB_VERSION_PATCH 0
#define DKVB_VERSION_STRING "0.1.0"
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
