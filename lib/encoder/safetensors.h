#ifndef DKVB_ENCODER_SAFETENSORS_H
#define DKVB_ENCODER_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/data.h"
#include "dkvb/memory.h"
#include "dkvb/status.h"

/* A .safetensors file, which is mapped, and checked as a whole when it is opened. */
struct dkvb__safetensors;

/* One tensor and its place in the file. */
struct dkvb__tensor {
    const char *name;
    uint32_t dtype; /* DKVB_DTYPE_…; 0 for a type, or a number of dimensions, that this library does not know. Such
                       tensors may be there, but are not read */
    char code[12];  /* name of the type in the file, for messages */
    uint32_t ndim;
    uint64_t bytes;
    uint64_t shape[DKVB_ARRAY_MAX_NDIM];
    const unsigned char *data;
    bool used; /* the elements were read */
};

dkvb_status dkvb__safetensors_open(struct dkvb__safetensors **out, const char *path, const dkvb_allocator *mem);
void dkvb__safetensors_close(struct dkvb__safetensors *file); /* NULL does nothing */

/* Finds the prefix before the network's own names in a checkpoint: "" or one such as "model." or "module.", after which
 * `name` follows. From then on all names are taken behind that prefix. The result is false if no tensor has that name.
 * If several tensors have that name, *rc is DKVB_EFORMAT. */
bool dkvb__safetensors_find_prefix(struct dkvb__safetensors *file, const char *name, dkvb_status *rc);

/* Returns DKVB_EFORMAT for a missing tensor. The message says what the other tensors suggest. */
dkvb_status dkvb__safetensors_missing(const struct dkvb__safetensors *file, const char *name);

/* Finds a tensor by name; NULL if the file has none of that name. */
const struct dkvb__tensor *dkvb__safetensors_find(const struct dkvb__safetensors *file, const char *name);

/* Reads the elements of a tensor of exactly this shape as float32 in C order. DKVB_EFORMAT if the tensor is missing,
 * has another shape or type, or is not finite; the message gives the file, the tensor, what was found and what was
 * expected. */
dkvb_status dkvb__safetensors_read(const struct dkvb__safetensors *file, const char *name, uint32_t ndim,
                                   const uint64_t *shape, float *to);

/* Returns DKVB_EFORMAT if a tensor whose name begins with `start` has not been read: the file then holds a larger
 * network, which has the tensors of the smaller one. Names that end in `but` do not count. */
dkvb_status dkvb__safetensors_need_used(const struct dkvb__safetensors *file, const char *start, const char *but);

/* Returns the path that the file was opened by, for messages. */
const char *dkvb__safetensors_path(const struct dkvb__safetensors *file);

#endif
