/**
 * @file
 * @brief Pictures: reading picture files, and sets of pictures in folders and files.
 *
 * Every file may be hostile: the library checks dimensions before it allocates memory. Messages name the file, what was
 * found and what was expected. Encoders resize pictures exactly as Python's PIL does.
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

/** @defgroup dkvb_images Pictures
 *  @{ */

/** Largest width and height of a picture in pixels. A picture has at most 2^28 pixels. */
#define DKVB_IMAGE_MAX_SIDE 65535

/**
 * A picture in memory. The struct starts from DKVB_IMAGE_INIT.
 *
 * A function that fills in a picture reads only its `struct_size`. So a picture that already owns pixels must be
 * released first, by dkvb_image_free().
 */
typedef struct dkvb_image {
    size_t struct_size; /**< sizeof(dkvb_image), set by INIT */
    uint32_t width;     /**< width in pixels */
    uint32_t height;    /**< height in pixels */
    uint32_t channels;  /**< 1: grey, 3: red, green, blue */
    uint32_t
        orientation; /**< EXIF orientation, 1 (upright) to 8; 0: unknown. Pixels lie as they are stored in the file */
    uint8_t *pixels; /**< `uint8_t[height][width][channels]`; owned by the picture, unless the caller set the pointer */
    dkvb_allocator allocator; /**< allocator of `pixels`, for the library's own use */
} dkvb_image;

/** Defaults of dkvb_image. */
#define DKVB_IMAGE_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_image), 0, 0, 0, 0, 0,                                                                             \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_image, DKVB_IMAGE_INIT)

/**
 * Release the pixels of a picture that the library filled in, and clear the picture.
 *
 * @param image  the picture; NULL and an empty picture do nothing.
 */
DKVB_API void dkvb_image_free(dkvb_image *image);

/** Kinds of picture files, as bits of a number. */
enum { DKVB_CODEC_PNG = 1, DKVB_CODEC_JPEG = 2, DKVB_CODEC_WEBP = 4 };

/**
 * Kinds of picture files that this build can read. PNG needs libpng, JPEG needs libjpeg, and WebP needs
 * libwebp.
 *
 * @return DKVB_CODEC_… combined by bitwise or.
 */
DKVB_API uint32_t dkvb_image_codecs(void);

/**
 * Read a picture file, or the bytes of one in memory. The first bytes tell its kind.
 *
 * The pixels equal those of PIL's `Image.open(path).convert("RGB")`. Palettes are looked up, transparency is dropped,
 * gamma and colour profiles are ignored, and CMYK becomes RGB by the products of the complements. 16-bit samples keep
 * their high byte (PIL clips 16-bit grey instead). A grey picture keeps one channel; all functions treat it as three
 * equal channels. The orientation that a camera noted is not applied, as in PIL. Sets of pictures and encoders apply it
 * if their option `upright` is 1.
 *
 * A WebP file always gives three channels. An animated WebP file is refused.
 *
 * All memory comes from the allocator, with two exceptions, where malloc() is used. libjpeg has working memory of a few
 * rows, or the coefficients of a progressive picture. libwebp has working memory of a few rows of a lossy picture, or
 * four bytes for each pixel of a lossless picture, and one byte for each pixel of a picture with transparency.
 *
 * @param[out] out        the picture; empty on failure.
 * @param      path       file to read; if `bytes` are given, a name for messages.
 * @param      bytes      `uint8_t[size]`, contents of a file; NULL: the file at `path` is read.
 * @param      size       number of bytes.
 * @param      allocator  allocator; NULL: malloc() and free().
 * @return `DKVB_EINVAL`; `DKVB_EIO` if the file cannot be read; `DKVB_EFORMAT` if the file is of another kind, damaged,
 * cut short, or larger than DKVB_IMAGE_MAX_SIDE allows; `DKVB_ESTATE` if this build cannot read its kind;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_image_read(dkvb_image *out, const char *path, const uint8_t *bytes,
                                                    size_t size, const dkvb_allocator *allocator);

/** Filters of resizing. Both filters are antialiased: the filter gets wider when a picture gets smaller. */
enum {
    DKVB_FILTER_BILINEAR = 1, /**< linear in both directions */
    DKVB_FILTER_BICUBIC = 2   /**< cubic in both directions, with a = -0.5 */
};

/** An ordered set of pictures on disk. A set never changes after opening, so any number of threads may use it at once.
 */
typedef struct dkvb_imageset dkvb_imageset;

/** Formats of sets of pictures. */
enum {
    DKVB_IMAGES_AUTO = 0,     /**< found from the path and the first bytes of the file */
    DKVB_IMAGES_FOLDER = 1,   /**< a folder with one folder per class */
    DKVB_IMAGES_FILE = 2,     /**< one PNG, JPEG or WebP file */
    DKVB_IMAGES_CIFAR10 = 3,  /**< CIFAR-10, binary version */
    DKVB_IMAGES_CIFAR100 = 4, /**< CIFAR-100, binary version */
    DKVB_IMAGES_ARRAY = 5,    /**< IDX (plain or gzip) or .npy of uint8: [n][h][w], [n][h][w][1 or 3], [n][w] */
    DKVB_IMAGES_LIST = 6      /**< several sources; the format of a set from dkvb_imageset_open_list(), no option */
};

/** Options for opening a set of pictures. The options start from `DKVB_IMAGESET_OPTIONS_INIT`. */
typedef struct dkvb_imageset_options {
    size_t struct_size;              /**< sizeof(dkvb_imageset_options), set by INIT */
    uint32_t format;                 /**< DKVB_IMAGES_… */
    uint32_t coarse_labels;          /**< 1: labels are the 20 superclasses of CIFAR-100 */
    uint32_t upright;                /**< 1: pictures are turned upright by their EXIF orientation */
    const dkvb_allocator *allocator; /**< allocator; NULL: malloc() and free() */
} dkvb_imageset_options;

/** Defaults of dkvb_imageset_options. */
#define DKVB_IMAGESET_OPTIONS_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_imageset_options), DKVB_IMAGES_AUTO, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_imageset_options, DKVB_IMAGESET_OPTIONS_INIT)

/**
 * Open a set of pictures. The pictures themselves are not opened yet.
 *
 * In a folder, each subfolder is a class, and its name is the name of the class. Classes are in byte order of their
 * names, and the pictures of a class are in byte order of their relative paths. Folders may nest to any depth inside a
 * class. Files whose names end in .png, .jpg, .jpeg or .webp, in upper or lower case, are pictures. Other files are
 * counted and left out. Names that begin with a dot, __MACOSX and @@eaDir are skipped. Pictures directly in the folder
 * come first and have no class. A folder without subfolders is a set without classes. Links to folders are followed,
 * except a link to a folder that the path already leads through.
 *
 * CIFAR in its binary version is a file, or a folder with data_batch_*.bin or train.bin, which hold its training
 * pictures. Names of classes come from batches.meta.txt, fine_label_names.txt or coarse_label_names.txt beside the
 * file, if there.
 *
 * @param[out] out   the set, owned by the caller: dkvb_imageset_free(). NULL on failure.
 * @param      path  folder or file.
 * @param      opts  options; NULL for the defaults.
 * @return `DKVB_EINVAL`; `DKVB_EIO`; `DKVB_EFORMAT` if the path is no set of a known format, has no picture, or has a
 * label out of range; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_open(dkvb_imageset **out, const char *path,
                                                       const dkvb_imageset_options *opts);

/** A place that pictures come from: a path, or the bytes of one picture file in memory. */
typedef struct dkvb_image_source {
    const char *path;     /**< path as for dkvb_imageset_open(); if `bytes` are given, a name for the picture */
    const uint8_t *bytes; /**< `uint8_t[size]`, contents of a picture file, which the set keeps using; or NULL */
    size_t size;          /**< number of bytes */
} dkvb_image_source;

/**
 * Open several sources as one set, in their order. Formats may be mixed if the option `format` is DKVB_IMAGES_AUTO.
 *
 * A picture is named by the path of its source: "<path>" for a picture file, "<path>/<path inside the folder>", or
 * "<path>:<number in the file>". A path that leads to no set of a known format counts as one picture, and reading this
 * picture says what is wrong. So a program can leave out one bad file of many.
 *
 * Sources that have the same classes in the same order keep them. Otherwise classes of the same name become one class,
 * and all classes are in byte order of their names. Picture files have no class.
 *
 * @param[out] out      the set, owned by the caller: dkvb_imageset_free(). NULL on failure.
 * @param      sources  `dkvb_image_source[count]`; their `bytes` must stay as they are until the set is released.
 * @param      count    number of sources, at least 1.
 * @param      opts     options; NULL for the defaults.
 * @return as dkvb_imageset_open(); also `DKVB_EFORMAT` if sources have different classes without names.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_open_list(dkvb_imageset **out, const dkvb_image_source *sources,
                                                            size_t count, const dkvb_imageset_options *opts);

/**
 * Release a set of pictures.
 *
 * @param set  the set; NULL does nothing.
 */
DKVB_API void dkvb_imageset_free(dkvb_imageset *set);

/** Signs that a folder may not be a folder of classes. A program that trains on such a folder should warn its user. */
enum {
    DKVB_NESTED_NONE = 0,   /**< no sign: classes contain only pictures */
    DKVB_NESTED_DEEPER = 1, /**< folders inside a class contain pictures too, which count to that class */
    DKVB_NESTED_PARTS = 2,  /**< classes have names like train, val or test, and contain only folders */
    DKVB_NESTED_WRAPPED = 3 /**< the only class contains only folders, which may be the true classes */
};

/** Properties of a set of pictures. The caller sets `struct_size`. */
typedef struct dkvb_imageset_info {
    size_t struct_size; /**< sizeof(dkvb_imageset_info), set by INIT */
    uint64_t pictures;  /**< number of pictures */
    uint64_t ignored;   /**< number of files in the folder whose names are not those of pictures */
    uint32_t format;    /**< DKVB_IMAGES_…, never AUTO */
    uint32_t classes;   /**< number of classes; 0: no labels */
    uint32_t width;     /**< width of every picture, for CIFAR and arrays; else 0 */
    uint32_t height;    /**< height of every picture, for CIFAR and arrays; else 0 */
    uint32_t channels;  /**< channels of every picture, for CIFAR and arrays; else 0 */
    uint32_t nested;    /**< DKVB_NESTED_… */
    uint64_t turned;    /**< number of pictures read so far whose EXIF orientation is not upright */
} dkvb_imageset_info;

/** Defaults of dkvb_imageset_info. */
#define DKVB_IMAGESET_INFO_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_imageset_info), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                          \
    }
DKVB_INIT_FUNCTION(dkvb_imageset_info, DKVB_IMAGESET_INFO_INIT)

/**
 * Read the properties of a set.
 *
 * @param      set   the set.
 * @param[out] info  properties; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if an argument is NULL or `struct_size` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_get_info(const dkvb_imageset *set, dkvb_imageset_info *info);

/**
 * Name of a class.
 *
 * @param set    the set.
 * @param index  index of the class.
 * @return the name, owned by the set; NULL if the class has no name or does not exist.
 */
DKVB_API const char *dkvb_imageset_class_name(const dkvb_imageset *set, uint32_t index);

/**
 * Count the files of a folder that are not pictures, by the ending of their names.
 *
 * @param      set    the set.
 * @param      index  0 for the ending of the most files, then 1, 2, ….
 * @param[out] count  number of files with this ending; or NULL.
 * @return the ending in lower case, for example ".txt"; "" for names without an ending; NULL past the last.
 */
DKVB_API const char *dkvb_imageset_ignored(const dkvb_imageset *set, uint32_t index, uint64_t *count);

/** Size of the longest name of a picture in bytes, with its final 0. */
#define DKVB_PICTURE_NAME_SIZE 4096

/** Label and name of a picture. The caller sets `struct_size`. */
typedef struct dkvb_picture {
    size_t struct_size;                /**< sizeof(dkvb_picture), set by INIT */
    int32_t label;                     /**< class of the picture; -1 without a class */
    char name[DKVB_PICTURE_NAME_SIZE]; /**< path inside the folder, path of the only file as it was given, or
                                          "<file>:<number in the file>" */
} dkvb_picture;

/** Defaults of dkvb_picture. */
#define DKVB_PICTURE_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_picture), -1,                                                                                      \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_picture, DKVB_PICTURE_INIT)

/**
 * Read label and name of a picture, without opening it.
 *
 * @param      set      the set.
 * @param      index    number of the picture.
 * @param[out] picture  label and name; the caller sets `struct_size`.
 * @return `DKVB_ENOTFOUND` if there is no such picture; `DKVB_EINVAL`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_get(const dkvb_imageset *set, uint64_t index, dkvb_picture *picture);

/**
 * Check that writing a file would not replace a file of the set, by any name or link.
 *
 * @param set   the set.
 * @param path  file to be written.
 * @return `DKVB_EINVAL` if a file of the set would be replaced.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_spare(const dkvb_imageset *set, const char *path);

/**
 * Read a picture of a set.
 *
 * @param      set        the set.
 * @param      index      number of the picture.
 * @param[out] out        the picture; empty on failure.
 * @param      allocator  allocator; NULL: malloc() and free().
 * @return as dkvb_image_read(); also `DKVB_ENOTFOUND` if there is no such picture.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_read(const dkvb_imageset *set, uint64_t index, dkvb_image *out,
                                                       const dkvb_allocator *allocator);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
