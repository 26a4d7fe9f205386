/* Makes small .safetensors files for tests: from a header and elements, or tensor by tensor. */
#ifndef DKVB_TESTS_TENSOR_FILES_H
#define DKVB_TESTS_TENSOR_FILES_H

#include <stddef.h>
#include <stdint.h>

/* Makes a .safetensors file of a given header and elements in `to`, and returns its size; `to` must have room for 8
 * bytes more than header and elements. */
size_t tensor_bytes(unsigned char *to, const char *header, const void *elements, size_t size);

/* A .safetensors file that is built tensor by tensor: begin, add, write. */
struct tensor_file {
    char *header;
    unsigned char *elements;
    size_t header_size, size;
};

void tensor_file_begin(struct tensor_file *f);

/* Adds a tensor to a file that is being built. The number type `dtype` is spelled as in the format, such as "F32";
 * `elements` has `size` bytes. */
void tensor_file_add(struct tensor_file *f, const char *name, const char *dtype, uint32_t ndim, const uint64_t *shape,
                     const void *elements, size_t size);

/* Adds a tensor of float32 numbers between centre - spread and centre + spread, which depend only on the name and the
 * position. */
void tensor_file_add_random(struct tensor_file *f, const char *name, uint32_t ndim, const uint64_t *shape, float centre,
                            float spread);

/* Writes the .safetensors file to `path`, and frees the tensors. */
void tensor_file_write(struct tensor_file *f, const char *path);

#endif
