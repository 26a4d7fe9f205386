/* Files of text, whole or not at all, as everything that commands write. */
#ifndef DKVB_TOOL_TEXTFILE_H
#define DKVB_TOOL_TEXTFILE_H

#include <stdio.h>

struct textfile {
    const char *path;
    char *target, *temporary; /* what the path names, links followed, and the file beside it */
    FILE *file;
};

/* To be ended also after a failure. */
int textfile_begin(struct textfile *text, const char *path);

/* Put the file in its place if `code` is EXIT_SUCCESS and no signal came, else leave no trace of it. */
int textfile_end(struct textfile *text, int code);

#endif
