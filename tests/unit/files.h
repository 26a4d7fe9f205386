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

#endif
