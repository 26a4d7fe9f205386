/**
 * @file
 * @brief Writing files: a file is written whole, or not at all.
 *
 * Every function of the library that writes a file follows the rules of dkvb_file_write().
 */
#ifndef DKVB_FILE_H
#define DKVB_FILE_H

#include <stddef.h>

#include "export.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup dkvb_base Basics: status, memory, files, run options
 *  @{ */

/**
 * Write `size` bytes as the whole contents of a file.
 *
 * The library writes the bytes to a temporary file beside the target, named NAME.tmp-PROCESS-NUMBER, flushes that file
 * to disk, and renames it to the target. A failure leaves the target as it was. A symbolic link stays, and the file
 * that the link points to is replaced. Other hard links to a replaced file keep the old contents.
 *
 * A replaced file keeps its mode, owner, group and access control list. If the system does not let this process give
 * the file to its old owner or group, the file belongs to the user or group of the process; that group then gets no
 * more rights than everybody had. A new file has mode 0666 without the bits of the umask.
 *
 * @param path  file to write.
 * @param data  `uint8_t[size]`, the new contents.
 * @param size  number of bytes.
 * @return `DKVB_EINVAL` if the path or the data is NULL; `DKVB_EIO` if the file cannot be written, or if the target
 *         exists and is not a regular file.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_file_write(const char *path, const void *data, size_t size);

/**
 * Find a temporary file that a killed process left beside `path`.
 *
 * A live process locks its temporary files by flock(). This function skips locked files, and files that this process
 * may not read.
 *
 * @param      path   file that exists, existed or will be written.
 * @param      index  0 for the first leftover, then 1, 2, … until `DKVB_ENOTFOUND`; the order is that of the folder.
 * @param[out] name   `char[size]`, path of the leftover.
 * @param      size   size of `name` in bytes.
 * @return `DKVB_ENOTFOUND` if there are no more leftovers; `DKVB_EINVAL` if `name` is too short; `DKVB_EIO` if the
 *         folder cannot be read.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_file_leftover(const char *path, size_t index, char *name, size_t size);

/**
 * Remove the temporary files of all calls that are writing now.
 *
 * This function is async-signal-safe: a signal handler may call it before the signal ends the process. A call whose
 * temporary file was removed fails with `DKVB_EIO`. In a child process made by fork(), the files of the parent stay.
 */
DKVB_API void dkvb_file_remove_temporaries(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
