/**
 * @file
 * @brief Writing files: the library writes a file completely, or not at all.
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

/** @addtogroup dkvb_base
 *  @{ */

/**
 * Write `size` bytes as the whole contents of a file, completely or not at all.
 *
 * dkvb_file_write() writes the bytes to a temporary file beside the target file, named NAME.tmp-PROCESS-NUMBER, flushes
 * the temporary file to disk, and renames the temporary file to the target file. A failure of dkvb_file_write() leaves
 * the target file as it was. If the target file of dkvb_file_write() is a symbolic link, the link stays and the file
 * that the link points to is replaced. Other hard links to a replaced file keep the old contents.
 *
 * A replaced file keeps its mode, owner, group and access control list. If the system does not let the process give a
 * replaced file to its old owner or group, the file belongs to the user or group of the process; the group of the
 * process then gets no more rights than everybody had before. A new file that replaces no other file has mode 0666
 * without the bits of the umask.
 *
 * @param path  path of the file to write.
 * @param data  `uint8_t[size]`, the new contents of the file.
 * @param size  number of bytes to write to the file.
 * @return `DKVB_EINVAL` if the path or the data is NULL; `DKVB_EIO` if the file cannot be written, or if the target
 *         file exists and is not a regular file.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_file_write(const char *path, const void *data, size_t size);

/**
 * Callback of dkvb_file_write_parts() that supplies the next bytes of the file.
 *
 * The bytes that the callback `next` supplies must stay as they are until the callback is invoked again, or until
 * dkvb_file_write_parts() returns. The callback `next` must not leave by longjmp() or by an exception.
 *
 * @param      user  the pointer `user` that was given to dkvb_file_write_parts().
 * @param[out] data  `uint8_t[*size]`, pointer that the callback sets to the next bytes of the file; NULL when the
 *                   callback is invoked.
 * @param[out] size  number of bytes that the callback supplies, 0 when the callback is invoked; a callback that leaves
 *                   0 ends the file.
 * @return 0 from the callback continues the writing; any other number cancels the writing, and the target file stays as
 *         it was.
 */
typedef int (*dkvb_part_fn)(void *user, const void **data, size_t *size);

/**
 * Write a file part by part, by the rules of dkvb_file_write(), so that no memory has to hold the whole contents.
 *
 * @param path  path of the file to write.
 * @param next  callback that supplies the parts of the file; the library invokes the callback on the thread that made
 *              the call, until a part has no bytes.
 * @param user  pointer that the callback `next` receives.
 * @return `DKVB_ECANCELLED` if the callback `next` cancels; otherwise any status code of dkvb_file_write().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_file_write_parts(const char *path, dkvb_part_fn next, void *user);

/**
 * Find a temporary file that a killed process left beside a file that it was writing.
 *
 * A live process locks its temporary files by flock(). dkvb_file_leftover() skips locked files, and files that the
 * process may not read.
 *
 * @param      path   path of the file whose leftover temporary files are looked for; no file need have this path now.
 * @param      index  number of the leftover temporary file: 0 for the first, then 1, 2, … until `DKVB_ENOTFOUND`;
 *                    leftover files come in the order of their folder.
 * @param[out] name   `char[size]`, receives the path of the leftover temporary file.
 * @param      size   size of the array `name` in bytes.
 * @return `DKVB_ENOTFOUND` if there are no more leftover temporary files; `DKVB_EINVAL` if the array `name` is too
 *         short for the path; `DKVB_EIO` if the folder cannot be read.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_file_leftover(const char *path, size_t index, char *name, size_t size);

/**
 * Remove the temporary files of all library calls in this process that are writing files now.
 *
 * dkvb_file_remove_temporaries() is async-signal-safe: a signal handler may call dkvb_file_remove_temporaries() before
 * the signal ends the process. A library call whose temporary file was removed fails with `DKVB_EIO`. In a child
 * process made by fork(), dkvb_file_remove_temporaries() does not remove temporary files of the parent process.
 */
DKVB_API void dkvb_file_remove_temporaries(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
