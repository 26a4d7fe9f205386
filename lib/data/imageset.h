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

/* The functions of one kind of picture set, such as a folder. All functions of a kind of picture set get only valid
 * indices of pictures and classes. */
struct dkvb__images_kind {
    /* Opens the picture set at set->path: creates the state, and fills in all of the set's info except the format. If
     * opening fails, the state of the picture set may be left for close() to free. */
    dkvb_status (*open)(struct dkvb_imageset *set, bool coarse_labels);
    /* Frees the state of a picture set, even one that open() left half made; NULL does nothing. */
    void (*close)(void *state, const dkvb_allocator *mem);

    /* Reads one picture of the set. The function read() gets `out` as an empty picture whose struct_size is set. */
    dkvb_status (*read)(const struct dkvb_imageset *set, uint64_t index, dkvb_image *out,
                        const dkvb_allocator *allocator);
    size_t (*name)(const struct dkvb_imageset *set, uint64_t index, char *name,
                   /* the function writes the name of a picture, and returns the length of the name, like snprintf() */
                   size_t size);

    /* Gives the path of the file that holds a picture; false if an earlier picture is in the same file. The function
     * `file` is NULL if all pictures of the set are in the file set->path. */
    bool (*file)(const struct dkvb_imageset *set, uint64_t index, char path[PATH_MAX]);

    /* The functions label(), class_name() and ignored() are NULL for a kind of picture set without class labels, class
     * names, or left-out files. */
    int32_t (*label)(const struct dkvb_imageset *set, uint64_t index);
    const char *(*class_name)(const struct dkvb_imageset *set, uint32_t index);
    const char *(*ignored)(const struct dkvb_imageset *set, uint32_t index, uint64_t *count);

    /* Adds data of the picture set that are in no file to a checksum of the set. The function `add` is NULL if all data
     * of the picture set are in files. */
    void (*add)(const struct dkvb_imageset *set, uint64_t *sum);
};

/* Limits for counting left-out files by their name endings: the number of endings, and the length of an ending. */
enum { DKVB__ENDINGS = 32, DKVB__ENDING_SIZE = 12 };

struct dkvb__ending {
    /* ending of file names in lower case with the dot; "" for no ending, or for an ending that is not a plain word */
    char text[DKVB__ENDING_SIZE];
    uint64_t count; /* number of left-out files whose names have the ending `text` */
};

struct dkvb__endings {
    struct dkvb__ending of[DKVB__ENDINGS];
    uint32_t count;
};

/* Counts `files` left-out files with one name ending. After the first few different endings, files with further endings
 * count under the ending "". */
void dkvb__endings_add(struct dkvb__endings *e, const char *text, uint64_t files);

/* Sorts name endings by their number of left-out files, largest first; equal numbers in byte order. */
void dkvb__endings_sort(struct dkvb__endings *e);

/* Returns a name ending of left-out files, such as ".txt", and in *count the number of left-out files with this ending;
 * NULL past the last ending. */
const char *dkvb__endings_get(const struct dkvb__endings *e, uint32_t index, uint64_t *count);

struct dkvb_imageset {
    dkvb_allocator mem;
    char *path;
    const struct dkvb__images_kind *kind;
    void *state;
    dkvb_imageset_info info;
    bool upright;
    /* number of pictures of the set that were read and are not stored upright, given as `turned` of dkvb_imageset_info;
     * atomic, since several threads read pictures */
    atomic_ullong turned;
};

/* The kinds of picture sets; each kind has a source file of its own. */
extern const struct dkvb__images_kind dkvb__images_folder, dkvb__images_cifar, dkvb__images_array, dkvb__images_list;

/* Opens the sources of a list as one picture set. The caller sets the allocator of the picture set `set`, and a path,
 * which only messages use. */
dkvb_status dkvb__image_list_open(struct dkvb_imageset *set, const dkvb_image_source *sources, size_t count,
                                  const dkvb_imageset_options *opts);

/* Finds which kind of picture set a path leads to; *format becomes the kind. */
dkvb_status dkvb__imageset_detect(uint32_t *format, const char *path);

/* Finds out whether a path leads to CIFAR-10 or CIFAR-100 by contents, name and size of the file. The result *format
 * becomes the kind of CIFAR, or 0 if the path leads to no CIFAR set. */
dkvb_status dkvb__cifar_sniff(uint32_t *format, const char *path, bool is_folder, uint64_t size);

/* Returns the number of pictures of a set that were read so far and whose EXIF orientation is not upright, as in the
 * set's info. */
uint64_t dkvb__imageset_turned(const struct dkvb_imageset *set);
void dkvb__imageset_add_turned(const struct dkvb_imageset *set, uint64_t pictures);

/* Returns a checksum that changes with the pictures of a set. The checksum of a picture set covers names, labels, sizes
 * and times of files, not the contents of files. */
uint64_t dkvb__imageset_checksum(const struct dkvb_imageset *set);

/* Returns the last part of a path, which is the name of the file or folder. */
static inline const char *dkvb__base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Writes the name "<file>:<index>" of a picture to `name` and returns the length of the text, like snprintf(). */
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
