/* Rows that are not of the kind that the keys were placed on: counted while rows are searched, and told. */
#ifndef DKVB_TOOL_OUTSIDE_H
#define DKVB_TOOL_OUTSIDE_H

#include "input.h"

/* Where a search of these rows counts them, for its run options; NULL if they have been counted before. */
dkvb_outside *outside_count(struct features *rows);

/* Say in one line on stderr how many there are, if any, and what is odd about the first. */
void outside_tell(const char *path, const dkvb_outside *found);

#endif
