#ifndef DKVB_BASE_PARTFILE_H
#define DKVB_BASE_PARTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/status.h"

/*
 * Part files lie beside an output. Long work keeps its finished results there, so that an interrupted call can be
 * resumed. The file must be one that this user made: links are refused, and so are files of another user or with a
 * second name, where the results would stay readable.
 */

/* Opens a part file for reading and writing, creates it if needed, and locks it. `what` names the contents in messages,
 * for example "rows". *created tells whether this call made the file. *fd is -1 after a failure. DKVB_ESTATE says that
 * another process is at work on the file, DKVB_EIO that somebody else put the file there. */
dkvb_status dkvb__partfile_open(const char *path, const char *what, int *fd, bool *created);

/* Writes bytes at an offset. */
dkvb_status dkvb__partfile_put(int fd, const char *path, uint64_t offset, const void *from, size_t size);

/* Reads up to `size` bytes at an offset. *got is the number of bytes that the file has there; the rest of the buffer
 * becomes 0. */
dkvb_status dkvb__partfile_get(int fd, const char *path, uint64_t offset, void *to, size_t size, size_t *got);

/* Flushes the file to disk, so that it survives a power cut. */
dkvb_status dkvb__partfile_sync(int fd, const char *path);

/* Seconds of a clock that only goes forward. dkvb__partfile_next_sync() returns the time at which a file that is synced
 * now should be synced again. */
double dkvb__partfile_now(void);
double dkvb__partfile_next_sync(void);

#endif
