/* Masks as files. */
#ifndef DKVB_TOOL_MASK_H
#define DKVB_TOOL_MASK_H

#include <stdint.h>

/* Say on stdout that a mask was written, and what whoever passes it on should know. */
void mask_say_written(uint64_t pairs, const char *path);

#endif
