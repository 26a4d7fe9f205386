/* Helpers for files of a test program, in a temporary folder that is removed when the program ends. */
#ifndef DKVB_TESTS_FILES_H
#define DKVB_TESTS_FILES_H

#include <stddef.h>

/* Returns the path of the temporary folder, which is made at first use. */
const char *temp_folder(void);

/* Returns the path of a file in the temporary folder. At most 8 paths can be in use, as the buffers are fixed. */
const char *temp_path(const char *name);

/* Reads a whole file into memory, which the caller frees. */
unsigned char *read_file(const char *path, size_t *size);
void write_file(const char *path, const void *data, size_t size);

/* Helpers for files of the library's own formats, in memory: seal_file() corrects the checksums after a change, so that
 * later checks are reached; others find a section's entry in the section table, its offset and its size. */
void seal_file(unsigned char *data);
unsigned char *file_table_line(unsigned char *data, const char *name);
unsigned char *file_section(unsigned char *data, const char *name, size_t *size);

#endif
