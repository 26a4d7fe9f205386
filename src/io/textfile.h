/* Files of text: printed into memory, then written whole or not at all, as everything that commands write. */
#ifndef DKVB_TOOL_TEXTFILE_H
#define DKVB_TOOL_TEXTFILE_H

#include <stddef.h>
#include <stdio.h>

struct textfile {
    const char *path;
    FILE *file; /* to print into */
    char *text; /* what was printed, once the file is closed */
    size_t size;
};

/* To be ended also after a failure. */
int textfile_begin(struct textfile *text, const char *path);

/* Write the file if `code` is EXIT_SUCCESS and no signal came. Returns `code`, or the failure to write. */
int textfile_end(struct textfile *text, int code);

#endif
