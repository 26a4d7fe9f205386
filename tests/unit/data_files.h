/* Helpers for tests of data files: a file to write and read, and an allocator that measures memory. */
#ifndef DKVB_TESTS_DATA_FILES_H
#define DKVB_TESTS_DATA_FILES_H

#include "dkvb/data.h"
#include "files.h"

/* Path of the test file. name_file() sets the path for a group of tests. */
extern char data_path[128];
int name_file(void **state);
void put_file(const void *data, size_t size);

/* Makes a .npy file of any version in `to`, and returns its size. */
size_t npy(unsigned char *to, unsigned version, const char *header, const void *data, size_t size);
void put_npy(const char *header, const void *data, size_t size);

/* Writes a one-dimensional array in C order to the test file. */
void put_vector(const char *type, size_t n, const void *data, size_t size);

typedef dkvb_status (*read_fn)(dkvb_array *out, const char *path, const dkvb_allocator *allocator);

/* Functions that read an array from a file, with a copy or in place; tests read each file in both ways. */
dkvb_status copy_array(dkvb_array *out, const char *path, const dkvb_allocator *allocator);
dkvb_status copy_features(dkvb_array *out, const char *path, const dkvb_allocator *allocator);
dkvb_status map_features(dkvb_array *out, const char *path, const dkvb_allocator *allocator);

/* Asserts that reading a file fails with status `code`, leaves the array empty, and that the error message contains the
 * file's name and `part`. */
void assert_refused(read_fn read, const char *name, dkvb_status code, const char *part);
void assert_header_refused(const char *header, const char *part);

/* An allocator that lets one call fail, and measures the largest amount of memory held at a time and in one block. */
struct measured_alloc {
    size_t fail_at, calls, live, bytes, peak, largest;
};
void *measured_get(void *user, size_t size);
void measured_release(void *user, void *ptr);

/* Reads the test file while each allocation fails in turn: the result must be DKVB_ENOMEM, and no memory may be
 * kept. */
void let_every_allocation_fail(read_fn read);

#endif
