/**
 * Pictures: decoding, resizing as PIL does it, and sets of pictures in folders and files.
 *
 * Every file is taken to be hostile: dimensions are checked before memory is asked for, and messages name the file,
 * what was found and what was wanted.
 */
#ifndef DKVB_IMAGES_H
#define DKVB_IMAGES_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** No picture is wider or higher, nor has more pixels than this times 4,096 (2^28). */
#define DKVB_IMAGE_MAX_SIDE 65535

/**
 * A picture in memory. The caller sets `struct_size`, best by DKVB_IMAGE_INIT; what fills a picture does not look at
 * the rest, so a picture that holds something is released first.
 */
typedef struct dkvb_image {
    size_t struct_size;
    uint32_t width;
    uint32_t height;
    uint32_t channels;    /**< 1: grey, 3: red, green, blue */
    uint32_t orientation; /**< as EXIF has it, 1 (upright) to 8; 0: not noted. Pixels are as they are stored */
    uint8_t *pixels;      /**< uint8[height][width][channels]; owned by the picture unless the caller put it there */
    dkvb_allocator allocator; /**< that `pixels` came from; the library's business */
} dkvb_image;

#define DKVB_IMAGE_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_image), 0, 0, 0, 0, 0,                                                                             \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_image, DKVB_IMAGE_INIT)

/** Release what a call filled in, and clear the picture. NULL and an empty picture are no-ops. */
DKVB_API void dkvb_image_free(dkvb_image *image);

/* Kinds of picture files that a build reads. */
enum { DKVB_CODEC_PNG = 1, DKVB_CODEC_JPEG = 2 };

/** The kinds that this build reads: DKVB_CODEC_… or-ed. PNG and JPEG come with libpng and libjpeg. */
DKVB_API uint32_t dkvb_image_codecs(void);

/**
 * Read a PNG or JPEG file, told by its first bytes, or the bytes of one in memory.
 *
 * As PIL's `Image.open(path).convert("RGB")` does, to the level: palettes are looked up, transparency is dropped, gamma
 * and colour profiles are ignored, CMYK becomes RGB by the products of the complements. 16-bit samples keep their high
 * byte (PIL clips 16-bit grey instead). Grey stays one channel, which every user of a picture takes for three equal
 * ones. The orientation that a camera noted is not applied, as PIL does not unless asked: sets of pictures and
 * encoders do it where their options say `upright`.
 *
 * The allocator gives all memory but what libjpeg works in, a few rows or the coefficients of a progressive picture.
 *
 * @param[out] out    left empty on failure.
 * @param      path   of the file; where there are `bytes`, what messages call them.
 * @param      bytes  uint8[size], the contents of a file; NULL: those of the file at `path`.
 * @return `DKVB_EINVAL`; `DKVB_EIO` if the file cannot be read; `DKVB_EFORMAT` if it is of another kind, is damaged or
 *         cut short, or is larger than DKVB_IMAGE_MAX_SIDE allows; `DKVB_ESTATE` if this build does not read its kind;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_image_read(dkvb_image *out, const char *path, const uint8_t *bytes,
                                                    size_t size, const dkvb_allocator *allocator);

/* Filters of resizing, both antialiased: wider when a picture gets smaller. */
enum {
    DKVB_FILTER_BILINEAR = 1,
    DKVB_FILTER_BICUBIC = 2 /**< a = -0.5 */
};

/** An ordered set of pictures somewhere on disk. Read-only after opening: any number of threads may use one. */
typedef struct dkvb_imageset dkvb_imageset;

/* Where pictures lie. */
enum {
    DKVB_IMAGES_AUTO = 0,     /**< told by the path and its first bytes */
    DKVB_IMAGES_FOLDER = 1,   /**< one folder a class */
    DKVB_IMAGES_FILE = 2,     /**< one PNG or JPEG file */
    DKVB_IMAGES_CIFAR10 = 3,  /**< CIFAR-10, binary version */
    DKVB_IMAGES_CIFAR100 = 4, /**< CIFAR-100, binary version */
    DKVB_IMAGES_ARRAY = 5     /**< IDX (plain or gzip) or .npy of uint8: [n][h][w], [n][h][w][1 or 3], [n][w] */
};

typedef struct dkvb_imageset_options {
    size_t struct_size;
    uint32_t format;                 /**< DKVB_IMAGES_… */
    uint32_t coarse_labels;          /**< 1: the 20 superclasses of CIFAR-100 */
    uint32_t upright;                /**< 1: pictures are turned as EXIF notes, when they are read */
    const dkvb_allocator *allocator; /**< NULL: malloc and free */
} dkvb_imageset_options;

#define DKVB_IMAGESET_OPTIONS_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_imageset_options), DKVB_IMAGES_AUTO, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_imageset_options, DKVB_IMAGESET_OPTIONS_INIT)

/**
 * Open a set of pictures.
 *
 * A folder: each of its folders is a class, named by it; classes and, within a class, paths relative to it are in byte
 * order. Below a class folders may nest to any depth. Files that end in .png, .jpg or .jpeg (in any case) are pictures;
 * other files are left out and counted, names that begin with a dot, __MACOSX and @eaDir are not looked at. Pictures
 * that lie directly in the folder come first and have no class; a folder without folders is a set without classes.
 * Links to folders are followed, except to one that the path already leads through. Pictures are not opened yet.
 *
 * CIFAR, binary version: a file, or a folder with data_batch_*.bin or train.bin, which are its training pictures. Names
 * of classes come from batches.meta.txt, fine_label_names.txt or coarse_label_names.txt beside the file, if it is
 * there.
 *
 * @param opts  NULL: defaults.
 * @return `DKVB_EINVAL`; `DKVB_EIO`; `DKVB_EFORMAT` if the path is nothing of this, or holds no picture, or a record's
 *         label is out of range; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_open(dkvb_imageset **out, const char *path,
                                                       const dkvb_imageset_options *opts);

/** NULL is a no-op. */
DKVB_API void dkvb_imageset_free(dkvb_imageset *set);

/* How folders of classes look that may be something else: whoever trains on them should be told. */
enum {
    DKVB_NESTED_NONE = 0,   /**< classes hold pictures only */
    DKVB_NESTED_DEEPER = 1, /**< pictures lie in folders of a class as well; they are of that class */
    DKVB_NESTED_PARTS = 2,  /**< classes are called train, val, test or so, and hold folders only */
    DKVB_NESTED_WRAPPED = 3 /**< there is one class, and it holds folders only: perhaps those are the classes */
};

typedef struct dkvb_imageset_info {
    size_t struct_size;
    uint64_t pictures;
    uint64_t ignored;  /**< files in the folder that are no pictures by their names */
    uint32_t format;   /**< DKVB_IMAGES_…, never AUTO */
    uint32_t classes;  /**< 0: no labels */
    uint32_t width;    /**< of every picture, where they are all of a size: CIFAR and arrays; else 0 */
    uint32_t height;   /**< likewise */
    uint32_t channels; /**< likewise */
    uint32_t nested;   /**< DKVB_NESTED_… */
    uint64_t turned;   /**< times that a picture was read whose EXIF orientation is not upright, up to now */
} dkvb_imageset_info;

#define DKVB_IMAGESET_INFO_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_imageset_info), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                          \
    }
DKVB_INIT_FUNCTION(dkvb_imageset_info, DKVB_IMAGESET_INFO_INIT)

/** `struct_size` must be set. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_get_info(const dkvb_imageset *set, dkvb_imageset_info *info);

/** Name of a class, owned by the set; NULL if it has none or there is no such class. */
DKVB_API const char *dkvb_imageset_class_name(const dkvb_imageset *set, uint32_t index);

/**
 * Files that a folder holds beside pictures, by the ending of their names: ".txt", in lower case, or "" for those that
 * have none. The ending of the most files is `index` 0; NULL past the last. *count: how many files; may be NULL.
 */
DKVB_API const char *dkvb_imageset_ignored(const dkvb_imageset *set, uint32_t index, uint64_t *count);

/** Longest name of a picture, with the final 0. */
#define DKVB_PICTURE_NAME_SIZE 4096

/** What is known of a picture without opening it. */
typedef struct dkvb_picture {
    size_t struct_size;
    int32_t label;                     /**< its class; -1 if it has none */
    char name[DKVB_PICTURE_NAME_SIZE]; /**< its path below the folder, the name of the one file, or "<file>:<number in
                                          it>" */
} dkvb_picture;

#define DKVB_PICTURE_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_picture), -1,                                                                                      \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_picture, DKVB_PICTURE_INIT)

/** Fill in what is known of a picture. `DKVB_ENOTFOUND` if there is no such picture; `DKVB_EINVAL`. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_get(const dkvb_imageset *set, uint64_t index, dkvb_picture *picture);

/**
 * Check that writing a file at `path` would not replace one that pictures of the set lie in, by whatever name or link.
 * `DKVB_EINVAL` if it would.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_spare(const dkvb_imageset *set, const char *path);

/** Read a picture. Fails like dkvb_image_read(); `DKVB_ENOTFOUND` if there is no such picture. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_read(const dkvb_imageset *set, uint64_t index, dkvb_image *out,
                                                       const dkvb_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
