#ifndef DKVB_BASE_PARTFILE_H
#define DKVB_BASE_PARTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/status.h"

/*
 * A part file lies beside the output file of long work, under the output's name with ".part" added. Long work keeps its
 * finished results in a part file, so that an interrupted call can be resumed. A part file with the results of
 * interrupted work is continued only by the user who made it: links are refused, and so are files of another user, or
 * with a second name under which the results would stay readable.
 */

/* Opens a part file (the finished results of interrupted work) for reading and writing, creates it if needed, and locks
 * it. The argument `what` names the contents of the part file in messages, for example "rows". *created tells whether
 * dkvb__partfile_open() made the part file. If the part file (finished rows of interrupted work) cannot be opened, its
 * file descriptor *fd is -1. DKVB_ESTATE says that another process uses the part file, DKVB_EIO that another user made
 * the part file. */
dkvb_status dkvb__partfile_open(const char *path, const char *what, int *fd, bool *created);

/* Writes bytes at an offset of a part file, which keeps the finished rows of interrupted work. */
dkvb_status dkvb__partfile_put(int fd, const char *path, uint64_t offset, const void *from, size_t size);

/* Reads up to `size` bytes at an offset of a part file, which keeps the finished rows of interrupted work. *got becomes
 * the number of bytes that the part file has from `offset` on; bytes of the buffer past the end of the file become
 * 0. */
dkvb_status dkvb__partfile_get(int fd, const char *path, uint64_t offset, void *to, size_t size, size_t *got);

/* Flushes a part file (finished rows of interrupted work) to disk, so that its contents survive a power cut. */
dkvb_status dkvb__partfile_sync(int fd, const char *path);

/* Returns the seconds of a clock that never goes back. dkvb__partfile_next_sync() returns the time at which a file that
 * is synced now should be synced again. */
double dkvb__partfile_now(void);
double dkvb__partfile_next_sync(void);

#endif
