/* Files of one test program, in a folder of its own that goes when the program ends. */
#ifndef DKVB_TESTS_FILES_H
#define DKVB_TESTS_FILES_H

#include <stddef.h>

/* The folder; made at first use. */
const char *temp_folder(void);

/* Path of a file in it. Fixed buffer: up to 8 paths at a time. */
const char *temp_path(const char *name);

/* A whole file; the caller frees it. */
unsigned char *read_file(const char *path, size_t *size);
void write_file(const char *path, const void *data, size_t size);

/* Files of the library's own layout, in memory. Checksums made right again after a change, so that the checks behind
 * them are reached; the line of a section in the table; where a section starts, and its size. */
void seal_file(unsigned char *data);
unsigned char *file_table_line(unsigned char *data, const char *name);
unsigned char *file_section(unsigned char *data, const char *name, size_t *size);

#endif
