#ifndef DKVB_BASE_PARTFILE_H
#define DKVB_BASE_PARTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/status.h"

/*
 * Files beside an output, in which long work keeps what it has done, so that a call that was interrupted can go on.
 * What is kept goes only into a file that nobody else put there: not through a link, and not into a file that another
 * user owns or that has a second name, where it would stay readable.
 */

/* Open such a file for reading and writing, or make it, and lock it. `what` names in messages what is kept: "rows".
 * *created: by this call. *fd is -1 after a failure. DKVB_ESTATE where another process is at work on it, DKVB_EIO where
 * somebody else put it there. */
dkvb_status dkvb__partfile_open(const char *path, const char *what, int *fd, bool *created);

/* Write bytes at an offset. */
dkvb_status dkvb__partfile_put(int fd, const char *path, uint64_t offset, const void *from, size_t size);

/* Read the bytes at an offset that the file has, *got of `size`; the others become 0. */
dkvb_status dkvb__partfile_get(int fd, const char *path, uint64_t offset, void *to, size_t size, size_t *got);

/* Flushes the file to disk, so that it survives a power cut. */
dkvb_status dkvb__partfile_sync(int fd, const char *path);

/* Seconds of a clock that only goes forward, now; and when a file that is synced now should be synced again. */
double dkvb__partfile_now(void);
double dkvb__partfile_next_sync(void);

#endif
