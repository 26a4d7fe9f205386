/* Rows that are not of the kind that the keys were placed on: counted while rows are searched, and told at the
 * end. */
#ifndef DKVB_TOOL_OUTSIDE_H
#define DKVB_TOOL_OUTSIDE_H

#include "io/input.h"

/* Where a search of these rows counts them, for its run options; NULL if they have been counted before. */
dkvb_outside *outside_count(struct features *rows);

/* Rows of this file were searched: told by outside_tell() if any is outside the scale. `path` must outlive that. */
void outside_note(const char *path, const dkvb_outside *found);

/* Say in a line on stderr for each file how many there are, and what is odd about the first. At the end of a command
 * that succeeded, since one that fails says one line only. */
void outside_tell(void);

#endif
