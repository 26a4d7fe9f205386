/* Masks on their way into files. */
#ifndef DKVB_TOOL_MASKFILE_H
#define DKVB_TOOL_MASKFILE_H

#include <stdint.h>

#include <dkvb/dkvb.h>

/* Write the mask in force, purged pairs too, or what journal entry `entry` asked for if it is not 0. `*mask` is the
 * mask that was written, to be freed also after a failure. */
int maskfile_export(dkvb_mask **mask, const dkvb_model *model, const char *model_path, uint64_t entry,
                    const char *path);

/* Say on stdout that a mask was written, and what whoever passes it on should know. */
void maskfile_say_written(const dkvb_mask *mask, const char *path);

#endif
