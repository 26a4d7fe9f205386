/** How files are written: whole or not at all. Every call of the library that writes a file keeps these rules. */
#ifndef DKVB_FILE_H
#define DKVB_FILE_H

#include <stddef.h>

#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Write `size` bytes as the whole contents of a file.
 *
 * The bytes go to a temporary file beside the target, NAME.tmp-PROCESS-NUMBER, are
 * flushed to disk, and then take the target's name; a failure leaves the target as it was. A
 * symbolic link stays, and the file that it points to is replaced. Other hard links to a replaced file keep the old
 * contents.
 *
 * A replaced file keeps its mode, owner, group and access control list. Where the system does not let this process give
 * the file away, it belongs to the process's user, or group; that group gets no more rights than everybody had. A new
 * file gets what the umask leaves of mode 0666.
 *
 * @return `DKVB_EINVAL` if the path or the data is NULL, `DKVB_EIO` if the file cannot be written, or is there and is
 * not a regular file.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_file_write(const char *path, const void *data, size_t size);

/**
 * Name a temporary file that a killed process left beside `path`. Temporary files that a live process still writes are
 * locked by flock(), and are not told of; nor are those that this process may not read.
 *
 * @param      path   a file that is, was or will be written
 * @param      index  0 for the first leftover, counted until `DKVB_ENOTFOUND`; the order is that of the folder
 * @param[out] name   char[size], the path of the leftover
 *
 * @return `DKVB_ENOTFOUND` if there are no more, `DKVB_EINVAL` if `name` is too short, `DKVB_EIO` if the folder cannot
 * be read.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_file_leftover(const char *path, size_t index, char *name, size_t size);

/**
 * Remove the temporary files of all calls that are writing now. For a signal handler, before it lets the signal end
 * the process: async-signal-safe. A call whose temporary file is gone fails with `DKVB_EIO`. In a child made by fork(),
 * files of the parent stay.
 */
DKVB_API void dkvb_file_remove_temporaries(void);

#ifdef __cplusplus
}
#endif

#endif
