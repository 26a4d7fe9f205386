/* Small .safetensors files for tests: written header by header, or tensor by tensor. */
#ifndef DKVB_TESTS_TENSOR_FILES_H
#define DKVB_TESTS_TENSOR_FILES_H

#include <stddef.h>
#include <stdint.h>

/* A file of just this header and these elements: its size; `to` has room for 8 bytes more than both. */
size_t tensor_bytes(unsigned char *to, const char *header, const void *elements, size_t size);

/* A file that grows: begin, add, write. */
struct tensor_file {
    char *header;
    unsigned char *elements;
    size_t header_size, size;
};

void tensor_file_begin(struct tensor_file *f);

/* `dtype` as the format has it: "F32". `elements` has `size` bytes. */
void tensor_file_add(struct tensor_file *f, const char *name, const char *dtype, uint32_t ndim, const uint64_t *shape,
                     const void *elements, size_t size);

/* float32 between centre - spread and centre + spread, which follow from name and place alone. */
void tensor_file_add_random(struct tensor_file *f, const char *name, uint32_t ndim, const uint64_t *shape, float centre,
                            float spread);

/* Write the file and release what was gathered. */
void tensor_file_write(struct tensor_file *f, const char *path);

#endif
