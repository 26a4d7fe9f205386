#ifndef DKVB_ENCODER_SAFETENSORS_H
#define DKVB_ENCODER_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/data.h"
#include "dkvb/memory.h"
#include "dkvb/status.h"

/* A .safetensors file that is mapped into memory, and was checked as a whole when it was opened. */
struct dkvb__safetensors;

/* One tensor of a .safetensors file, and its place in the file. */
struct dkvb__tensor {
    const char *name;
    /* number type of the tensor's elements, DKVB_DTYPE_…; 0 if the library does not know the type or the number of
     * dimensions: such tensors may be in a file, but are not read */
    uint32_t dtype;
    char code[12]; /* name of the tensor's number type in the file, for messages */
    uint32_t ndim;
    uint64_t bytes;
    uint64_t shape[DKVB_ARRAY_MAX_NDIM];
    const unsigned char *data;
    bool used; /* true if the elements of the tensor were read since the file was opened */
};

dkvb_status dkvb__safetensors_open(struct dkvb__safetensors **out, const char *path, const dkvb_allocator *mem);
void dkvb__safetensors_close(struct dkvb__safetensors *file); /* Closes a .safetensors file; NULL does nothing. */

/* Finds the prefix of the network's tensor names in a checkpoint: the text before `name`, such as "", "model." or
 * "module.". After a success, all other functions for the .safetensors file take tensor names without the prefix. The
 * result is false if the checkpoint has no tensor called `name`, with any prefix. If tensors with several prefixes are
 * called `name`, the status *rc is DKVB_EFORMAT. */
bool dkvb__safetensors_find_prefix(struct dkvb__safetensors *file, const char *name, dkvb_status *rc);

/* Returns DKVB_EFORMAT with a message for a tensor that a weights file lacks. The message about the missing tensor
 * guesses from the other tensors of the file which kind of network the file holds. */
dkvb_status dkvb__safetensors_missing(const struct dkvb__safetensors *file, const char *name);

/* Returns the tensor of a name; NULL if the file has no tensor of that name. */
const struct dkvb__tensor *dkvb__safetensors_find(const struct dkvb__safetensors *file, const char *name);

/* Reads the elements of a tensor, which must have exactly the given shape, as float32 in C order. Reading a tensor
 * fails with DKVB_EFORMAT if the tensor is missing, has another shape or type, or has a number that is not finite; the
 * error message gives the file, the tensor, what was found and what was expected. */
dkvb_status dkvb__safetensors_read(const struct dkvb__safetensors *file, const char *name, uint32_t ndim,
                                   const uint64_t *shape, float *to);

/* Returns DKVB_EFORMAT if a tensor whose name begins with `start` has not been read: the file then holds a larger
 * network, which contains the tensors of a smaller network. Tensors whose names end in the text `but` are allowed to
 * stay unread. */
dkvb_status dkvb__safetensors_need_used(const struct dkvb__safetensors *file, const char *start, const char *but);

/* Returns the path with which a .safetensors file was opened, for messages. */
const char *dkvb__safetensors_path(const struct dkvb__safetensors *file);

#endif
