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
 * Part callback of dkvb_file_write_parts(): supplies the next bytes of the file.
 *
 * The bytes must stay as they are until the next call, or until dkvb_file_write_parts() returns. The callback must not
 * leave by longjmp() or by an exception.
 *
 * @param      user  `user` of dkvb_file_write_parts().
 * @param[out] data  `uint8_t[*size]`, the next bytes.
 * @param[out] size  number of bytes; 0 ends the file. Both are NULL and 0 before the call.
 * @return 0 to continue; any other number cancels: the target then stays as it was.
 */
typedef int (*dkvb_part_fn)(void *user, const void **data, size_t *size);

/**
 * Write a file part by part, by the rules of dkvb_file_write(), so that no memory has to hold the whole contents.
 *
 * @param path  file to write.
 * @param next  part callback. The library calls it on the thread that made the call, until a part has no bytes.
 * @param user  pointer that `next` receives.
 * @return `DKVB_ECANCELLED` if `next` cancels; otherwise as dkvb_file_write().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_file_write_parts(const char *path, dkvb_part_fn next, void *user);

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
