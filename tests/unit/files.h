/* Files of one test program, in a temporary folder that is removed when the program ends. */
#ifndef DKVB_TESTS_FILES_H
#define DKVB_TESTS_FILES_H

#include <stddef.h>

/* Returns the path of the temporary folder, which is made at first use. */
const char *temp_folder(void);

/* Returns the path of a file in the temporary folder. At most 8 paths can be in use, as the buffers are fixed. */
const char *temp_path(const char *name);

/* Reads a whole file; the caller frees it. */
unsigned char *read_file(const char *path, size_t *size);
void write_file(const char *path, const void *data, size_t size);

/* Helpers for files of the library's own layout, in memory. The helpers correct checksums after a change, so that later
 * checks are reached; find the entry of a section in the table; and give the offset and the size of a section. */
void seal_file(unsigned char *data);
unsigned char *file_table_line(unsigned char *data, const char *name);
unsigned char *file_section(unsigned char *data, const char *name, size_t *size);

#endif
