#ifndef DKVB_DATA_IMAGESET_H
#define DKVB_DATA_IMAGESET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/images.h"

/* What a kind of set has to bring. Indices are those of pictures, and classes, that are there. */
struct dkvb__images_kind {
    /* `out` is empty and has its struct_size. */
    dkvb_status (*read)(const struct dkvb_imageset *set, uint64_t index, dkvb_image *out,
                        const dkvb_allocator *allocator);
    size_t (*name)(const struct dkvb_imageset *set, uint64_t index, char *name, size_t size); /* as snprintf() */
    int32_t (*label)(const struct dkvb_imageset *set, uint64_t index);
    const char *(*class_name)(const struct dkvb_imageset *set, uint32_t index);
    void (*close)(void *state, const dkvb_allocator *mem); /* also of a state half made; NULL is a no-op */
    const char *(*ignored)(const struct dkvb_imageset *set, uint32_t index, uint64_t *count); /* NULL: none ever */
};

struct dkvb_imageset {
    dkvb_allocator mem;
    char *path;
    const struct dkvb__images_kind *kind;
    void *state;
    dkvb_imageset_info info;
    atomic_ullong turned; /* of the info: threads read pictures side by side */
};

/* Open what set->path leads to: set the kind, the state and the info but for its format. A state may be left after a
 * failure. */
dkvb_status dkvb__folder_open(struct dkvb_imageset *set);
dkvb_status dkvb__cifar_open(struct dkvb_imageset *set, bool coarse_labels);
dkvb_status dkvb__image_array_open(struct dkvb_imageset *set);

/* Which CIFAR a path is by what lies there, its name and its size, in *format; 0 for none. */
dkvb_status dkvb__cifar_sniff(uint32_t *format, const char *path, bool is_folder, uint64_t size);

/* The last part of a path. */
const char *dkvb__base_name(const char *path);

/* "<file>:<index>" */
size_t dkvb__numbered_name(const struct dkvb_imageset *set, uint64_t index, char *name, size_t size);

/* `text` ends so, letters in any case. */
bool dkvb__ends_in(const char *text, const char *end);

#endif
