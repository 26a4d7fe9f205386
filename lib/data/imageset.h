#ifndef DKVB_DATA_IMAGESET_H
#define DKVB_DATA_IMAGESET_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dkvb/images.h"

/* The functions of a kind of set. The indices of pictures and classes that they get are always valid. */
struct dkvb__images_kind {
    /* Opens the path set->path: sets the state, and the info except its format. After a failure a state may be left. */
    dkvb_status (*open)(struct dkvb_imageset *set, bool coarse_labels);
    void (*close)(void *state, const dkvb_allocator *mem); /* also of a state half made; NULL does nothing */

    /* Reads a picture. `out` is empty and has its struct_size. */
    dkvb_status (*read)(const struct dkvb_imageset *set, uint64_t index, dkvb_image *out,
                        const dkvb_allocator *allocator);
    size_t (*name)(const struct dkvb_imageset *set, uint64_t index, char *name,
                   size_t size); /* returns the length, like snprintf() */

    /* Gives the file that a picture lies in; false if an earlier picture lies in it too. NULL: all lie in set->path. */
    bool (*file)(const struct dkvb_imageset *set, uint64_t index, char path[PATH_MAX]);

    /* The next functions are NULL if no picture has a class, no class has a name, or nothing is ever left out. */
    int32_t (*label)(const struct dkvb_imageset *set, uint64_t index);
    const char *(*class_name)(const struct dkvb_imageset *set, uint32_t index);
    const char *(*ignored)(const struct dkvb_imageset *set, uint32_t index, uint64_t *count);

    /* Adds data that lie in no file to a checksum of the set. NULL: all data lie in files. */
    void (*add)(const struct dkvb_imageset *set, uint64_t *sum);
};

/* Limits of the counted endings of files that are left out: their number, and their length. */
enum { DKVB__ENDINGS = 32, DKVB__ENDING_SIZE = 12 };

struct dkvb__ending {
    char text[DKVB__ENDING_SIZE]; /* lower case with the dot; "" for no ending, or one that is not a plain word */
    uint64_t count;               /* number of files with this ending */
};

struct dkvb__endings {
    struct dkvb__ending of[DKVB__ENDINGS];
    uint32_t count;
};

/* Counts files of one ending. When there are too many different endings, the further ones count as "". */
void dkvb__endings_add(struct dkvb__endings *e, const char *text, uint64_t files);

/* Puts the endings of the most files first; equal numbers in byte order. */
void dkvb__endings_sort(struct dkvb__endings *e);

/* An ending and, in *count, its files; NULL past the last. */
const char *dkvb__endings_get(const struct dkvb__endings *e, uint32_t index, uint64_t *count);

struct dkvb_imageset {
    dkvb_allocator mem;
    char *path;
    const struct dkvb__images_kind *kind;
    void *state;
    dkvb_imageset_info info;
    bool upright;
    atomic_ullong turned; /* `turned` of the info; atomic, since threads read pictures side by side */
};

/* The kinds of sets, with one file each. */
extern const struct dkvb__images_kind dkvb__images_folder, dkvb__images_cifar, dkvb__images_array, dkvb__images_list;

/* Opens the sources of a list into a set that has its allocator and its path, which then only stands in messages. */
dkvb_status dkvb__image_list_open(struct dkvb_imageset *set, const dkvb_image_source *sources, size_t count,
                                  const dkvb_imageset_options *opts);

/* The kind of set that a path leads to, in *format. */
dkvb_status dkvb__imageset_detect(uint32_t *format, const char *path);

/* Tells which CIFAR a path is by its contents, its name and its size, in *format; 0 for neither. */
dkvb_status dkvb__cifar_sniff(uint32_t *format, const char *path, bool is_folder, uint64_t size);

/* Number of pictures read so far whose EXIF orientation is not upright, as the info of the set has it; and pictures
 * that other processes read, which count as well. */
uint64_t dkvb__imageset_turned(const struct dkvb_imageset *set);
void dkvb__imageset_add_turned(const struct dkvb_imageset *set, uint64_t pictures);

/* A checksum that changes with the pictures: over names, labels, sizes and times of files, not over contents. */
uint64_t dkvb__imageset_checksum(const struct dkvb_imageset *set);

/* The last part of a path. */
static inline const char *dkvb__base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Writes "<file>:<index>", like snprintf(). */
static inline size_t dkvb__numbered_name(char *name, size_t size, const char *path, uint64_t index)
{
    return (size_t)snprintf(name, size, "%s:%llu", dkvb__base_name(path), (unsigned long long)index);
}

/* True if `text` ends with `end`, ignoring case. */
static inline bool dkvb__ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), size = strlen(end);

    return length >= size && strcasecmp(text + length - size, end) == 0;
}

#endif
