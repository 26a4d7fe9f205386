#ifndef DKVB_ENCODER_SAFETENSORS_H
#define DKVB_ENCODER_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/data.h"
#include "dkvb/memory.h"
#include "dkvb/status.h"

/* A .safetensors file, mapped and checked as a whole when it is opened. */
struct dkvb__safetensors;

/* One tensor where it lies in the file. */
struct dkvb__tensor {
    const char *name;
    uint32_t dtype; /* DKVB_DTYPE_…; 0 for a type, or a number of dimensions, that this library does not know. Such
                       tensors may be there, but are not read */
    char code[12];  /* the type as the file has it, for messages */
    uint32_t ndim;
    uint64_t bytes;
    uint64_t shape[DKVB_ARRAY_MAX_NDIM];
    const unsigned char *data;
    bool used; /* its elements were read */
};

dkvb_status dkvb__safetensors_open(struct dkvb__safetensors **out, const char *path, const dkvb_allocator *mem);
void dkvb__safetensors_close(struct dkvb__safetensors *file); /* NULL is a no-op */

/* Find what stands before the network's own names in a checkpoint: "" or one prefix such as "model." or "module.", so
 * that `name` follows it. All names are behind that prefix from here on. False if no tensor of that name is there;
 * DKVB_EFORMAT if several are, which is in *rc. */
bool dkvb__safetensors_find_prefix(struct dkvb__safetensors *file, const char *name, dkvb_status *rc);

/* DKVB_EFORMAT for a tensor that is not there, with what the others let guess. */
dkvb_status dkvb__safetensors_missing(const struct dkvb__safetensors *file, const char *name);

/* NULL if there is none of that name. */
const struct dkvb__tensor *dkvb__safetensors_find(const struct dkvb__safetensors *file, const char *name);

/* The elements of a tensor of just this shape as float32, C order: DKVB_EFORMAT with the file, the tensor, what was
 * found and what was wanted if it is missing, or another shape or type, or not all finite. */
dkvb_status dkvb__safetensors_read(const struct dkvb__safetensors *file, const char *name, uint32_t ndim,
                                   const uint64_t *shape, float *to);

/* DKVB_EFORMAT if a tensor whose name begins with `start` has not been read: a larger network holds the tensors of a
 * smaller one, but is another. Names that end in `but` do not count. */
dkvb_status dkvb__safetensors_need_used(const struct dkvb__safetensors *file, const char *start, const char *but);

/* The path it was opened by, for messages. */
const char *dkvb__safetensors_path(const struct dkvb__safetensors *file);

#endif
