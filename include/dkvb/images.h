/**
 * @file
 * @brief Pictures: the library reads picture files, and sets of pictures in folders and files.
 *
 * Picture files may be hostile: the library checks dimensions before it allocates memory. Error messages about a
 * picture name the file, what was found and what was expected. Encoders resize pictures exactly as Python's PIL does.
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
 * A picture in memory: its size and its pixels. Callers initialise a `dkvb_image` with `DKVB_IMAGE_INIT`.
 *
 * A function that fills in a picture ignores all members of the struct but `struct_size`, and overwrites them; callers
 * must first release a picture that already owns pixels with dkvb_image_free().
 */
typedef struct dkvb_image {
    size_t struct_size; /**< size of dkvb_image in bytes, set by DKVB_IMAGE_INIT */
    uint32_t width;     /**< width of the picture in pixels */
    uint32_t height;    /**< height of the picture in pixels */
    uint32_t channels;  /**< 1 if the picture is grey, 3 if its channels are red, green and blue */
    /**
     * EXIF orientation of the picture, 1 (upright) to 8; 0 if unknown. The pixels of a picture are in the order in
     * which the file stores them, whatever the EXIF orientation.
     */
    uint32_t orientation;
    /** `uint8_t[height][width][channels]`, pixels owned by the picture, unless the caller set the pointer. */
    uint8_t *pixels;
    dkvb_allocator allocator; /**< allocator that gave the memory of `pixels`, for the library's own use */
} dkvb_image;

/** Initialiser of dkvb_image that gives every member its default. */
#define DKVB_IMAGE_INIT                                                                                                \
    {                                                                                                                  \
        sizeof(dkvb_image), 0, 0, 0, 0, 0,                                                                             \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_image, DKVB_IMAGE_INIT)

/**
 * Release the pixels of a picture that the library filled in, and clear the picture struct.
 *
 * @param image  the picture to release; NULL or an empty picture does nothing.
 */
DKVB_API void dkvb_image_free(dkvb_image *image);

/** Kinds of picture files (PNG, JPEG, WebP), as bits that can be combined. */
enum { DKVB_CODEC_PNG = 1, DKVB_CODEC_JPEG = 2, DKVB_CODEC_WEBP = 4 };

/**
 * Query which kinds of picture files this build can read. PNG needs libpng, JPEG needs libjpeg, and WebP needs libwebp.
 *
 * @return the kinds of picture files that this build can read, DKVB_CODEC_… combined by bitwise or.
 */
DKVB_API uint32_t dkvb_image_codecs(void);

/**
 * Read a picture from a file, or from the bytes of a picture file in memory. The first bytes of a picture file tell its
 * kind.
 *
 * The pixels that dkvb_image_read() reads equal those of PIL's `Image.open(path).convert("RGB")`. dkvb_image_read()
 * looks up palettes, drops transparency, ignores gamma and colour profiles, and turns CMYK into RGB by the products of
 * the complements. Picture samples of 16 bits are reduced to their high byte (PIL clips 16-bit grey instead). A grey
 * picture keeps one channel; all functions of the library treat a grey picture as three equal channels. Like PIL,
 * dkvb_image_read() does not apply the EXIF orientation. Sets of pictures and encoders apply the EXIF orientation if
 * their option `upright` is 1.
 *
 * A WebP file always gives a picture of three channels. dkvb_image_read() refuses an animated WebP file.
 *
 * All memory for reading a picture comes from the allocator, but two libraries use malloc(): libjpeg allocates working
 * memory for a few rows, or for the coefficients of a progressive picture; libwebp allocates working memory for a few
 * rows of a lossy picture, or four bytes for each pixel of a lossless picture, and one byte for each pixel of a picture
 * with transparency.
 *
 * @param[out] out        the picture that was read; empty on failure.
 * @param      path       path of the file to read; if `bytes` are given, a name for error messages.
 * @param      bytes      `uint8_t[size]`, contents of a picture file; NULL reads the file at `path`.
 * @param      size       number of bytes of the picture file in memory.
 * @param      allocator  allocator; NULL stands for malloc() and free().
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EIO` if the file cannot be read; `DKVB_EFORMAT` if the file is
 *         of another kind, damaged, cut short, or larger than DKVB_IMAGE_MAX_SIDE allows; `DKVB_ESTATE` if this build
 *         cannot read the kind of the file; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_image_read(dkvb_image *out, const char *path, const uint8_t *bytes,
                                                    size_t size, const dkvb_allocator *allocator);

/**
 * Filters for resizing pictures. The filters are antialiased: the filter kernel gets wider when a picture gets smaller.
 */
enum {
    DKVB_FILTER_BILINEAR = 1, /**< bilinear filter: linear interpolation in both directions */
    DKVB_FILTER_BICUBIC = 2   /**< bicubic filter: cubic interpolation in both directions, with a = -0.5 */
};

/**
 * Handle of an ordered set of pictures on disk. A set of pictures never changes after it was opened, so any number of
 * threads may use it at once.
 */
typedef struct dkvb_imageset dkvb_imageset;

/** Formats of sets of pictures. */
enum {
    /** Format AUTO: the library finds the format from the path and the first bytes of the file. */
    DKVB_IMAGES_AUTO = 0,
    DKVB_IMAGES_FOLDER = 1,   /**< set of pictures in a folder, with one subfolder per class */
    DKVB_IMAGES_FILE = 2,     /**< set of one picture: a single PNG, JPEG or WebP file */
    DKVB_IMAGES_CIFAR10 = 3,  /**< set of the CIFAR-10 pictures in their binary version */
    DKVB_IMAGES_CIFAR100 = 4, /**< set of the CIFAR-100 pictures in their binary version */
    /**
     * Set of the pictures in an array file of uint8 pixels, IDX (plain or gzip) or .npy, of shape [n][h][w],
     * [n][h][w][1 or 3] or [n][w].
     */
    DKVB_IMAGES_ARRAY = 5,
    /**
     * Set of several sources: the format of a set that dkvb_imageset_open_list() opened, which cannot be given as an
     * option.
     */
    DKVB_IMAGES_LIST = 6
};

/**
 * Options for opening a set of pictures. Callers initialise a `dkvb_imageset_options` with
 * `DKVB_IMAGESET_OPTIONS_INIT`.
 */
typedef struct dkvb_imageset_options {
    size_t struct_size;              /**< size of dkvb_imageset_options in bytes, set by DKVB_IMAGESET_OPTIONS_INIT */
    uint32_t format;                 /**< format of the set of pictures, DKVB_IMAGES_… */
    uint32_t coarse_labels;          /**< 1 takes the 20 superclasses of CIFAR-100 as labels */
    uint32_t upright;                /**< 1 turns pictures upright by their EXIF orientation */
    const dkvb_allocator *allocator; /**< allocator; NULL stands for malloc() and free() */
} dkvb_imageset_options;

/** Initialiser of dkvb_imageset_options that gives every member its default. */
#define DKVB_IMAGESET_OPTIONS_INIT                                                                                     \
    {                                                                                                                  \
        sizeof(dkvb_imageset_options), DKVB_IMAGES_AUTO, 0, 0, 0                                                       \
    }
DKVB_INIT_FUNCTION(dkvb_imageset_options, DKVB_IMAGESET_OPTIONS_INIT)

/**
 * Open a set of pictures. dkvb_imageset_open() does not read the pictures yet.
 *
 * Each subfolder of a folder of pictures is a class, and its name is the name of the class. Classes are in byte order
 * of their names, and the pictures of a class are in byte order of their relative paths. Folders of pictures may nest
 * to any depth inside the folder of a class. Files whose names end in .png, .jpg, .jpeg or .webp, in upper or lower
 * case, are pictures. Files of a folder whose names do not end like those of pictures are counted and left out. Files
 * and folders whose names begin with a dot, and folders named __MACOSX and @@eaDir, are left out of a set of pictures.
 * Pictures that lie directly in the folder of the set come first and have no class. A folder without subfolders is a
 * set without classes. Links to folders are followed, except a link to a folder that the path already leads through.
 *
 * A CIFAR data set in its binary version is a file, or a folder with data_batch_*.bin or train.bin, which hold its
 * training pictures. Class names of CIFAR come from batches.meta.txt, fine_label_names.txt or coarse_label_names.txt
 * beside the data file, if there is such a file.
 *
 * @param[out] out   the opened set of pictures, which the caller releases with dkvb_imageset_free(); NULL on failure.
 * @param      path  path of the folder or file with the pictures.
 * @param      opts  options of opening the set of pictures; NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EIO` if a file cannot be read; `DKVB_EFORMAT` if the path is no
 *         set of a known format, has no picture, or has a label out of range; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_open(dkvb_imageset **out, const char *path,
                                                       const dkvb_imageset_options *opts);

/** Source of pictures in a set: a path, or the bytes of one picture file in memory. */
typedef struct dkvb_image_source {
    /**
     * Path of a folder or file with pictures, as for dkvb_imageset_open(); if `bytes` are given, a name for the
     * picture.
     */
    const char *path;
    /**
     * `uint8_t[size]`, contents of a picture file in memory, which must stay until the set of pictures is released; or
     * NULL.
     */
    const uint8_t *bytes;
    size_t size; /**< number of bytes of the picture file in memory */
} dkvb_image_source;

/**
 * Open several sources as one set of pictures, in the order of the sources. Sources of different formats are allowed if
 * the option `format` is DKVB_IMAGES_AUTO.
 *
 * A picture in a list of sources is named by the path of its source: "<path>" for a picture file, "<path>/<path inside
 * the folder>", or "<path>:<number in the file>". A path that leads to no set of a known format counts as one picture,
 * and reading the picture returns an error that says what is wrong, so a program can leave out one bad file of many.
 *
 * Sources of pictures that all have the same classes in the same order keep these classes. If the classes of the
 * sources differ, classes of the same name become one class, and all classes are in byte order of their names. Single
 * picture files have no class.
 *
 * @param[out] out      the opened set of pictures, which the caller releases with dkvb_imageset_free(); NULL on
 *                      failure.
 * @param      sources  `dkvb_image_source[count]`, sources of pictures; their `bytes` must stay as they are until the
 *                      set of pictures is released.
 * @param      count    number of sources of pictures, at least 1.
 * @param      opts     options of opening the set of pictures; NULL for the defaults.
 * @return any status code of dkvb_imageset_open(); also `DKVB_EFORMAT` if sources have different classes and the
 *         classes have no names.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_open_list(dkvb_imageset **out, const dkvb_image_source *sources,
                                                            size_t count, const dkvb_imageset_options *opts);

/**
 * Release a set of pictures.
 *
 * @param set  the set of pictures to release; NULL does nothing.
 */
DKVB_API void dkvb_imageset_free(dkvb_imageset *set);

/**
 * Signs that the subfolders of a folder may not be classes. A program that trains on a folder whose subfolders may not
 * be classes should warn its user.
 */
enum {
    DKVB_NESTED_NONE = 0, /**< no sign of wrong classes: the folders of classes contain only pictures */
    /** Folders inside the folder of a class contain pictures too, which count as pictures of this class. */
    DKVB_NESTED_DEEPER = 1,
    /** Sign of wrong classes: the folders of classes are named like train, val or test, and contain only folders. */
    DKVB_NESTED_PARTS = 2,
    /** Sign of wrong classes: the only class is a folder that contains only folders, which may be the true classes. */
    DKVB_NESTED_WRAPPED = 3
};

/** Properties of a set of pictures. */
typedef struct dkvb_imageset_info {
    size_t struct_size; /**< size of dkvb_imageset_info in bytes, set by DKVB_IMAGESET_INFO_INIT */
    uint64_t pictures;  /**< number of pictures in the set */
    /**
     * Number of files in a folder of pictures that were left out, since their names do not end like those of pictures.
     */
    uint64_t ignored;
    uint32_t format;   /**< format of the set, DKVB_IMAGES_…, never DKVB_IMAGES_AUTO */
    uint32_t classes;  /**< number of classes of the set; 0 if pictures have no labels */
    uint32_t width;    /**< width in pixels of every picture of CIFAR or of an array file; 0 for other sets */
    uint32_t height;   /**< height in pixels of every picture of CIFAR or of an array file; 0 for other sets */
    uint32_t channels; /**< number of channels of every picture of CIFAR or of an array file; 0 for other sets */
    uint32_t nested;   /**< sign that subfolders of the set may not be classes, DKVB_NESTED_… */
    uint64_t turned;   /**< number of pictures read so far whose EXIF orientation is not upright */
} dkvb_imageset_info;

/** Initialiser of dkvb_imageset_info that gives every member its default. */
#define DKVB_IMAGESET_INFO_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_imageset_info), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                          \
    }
DKVB_INIT_FUNCTION(dkvb_imageset_info, DKVB_IMAGESET_INFO_INIT)

/**
 * Read the properties of a set of pictures.
 *
 * @param      set   the set of pictures whose properties are read.
 * @param[out] info  receives the properties of the set of pictures; the caller sets its member `struct_size` before the
 *                   call.
 * @return `DKVB_EINVAL` if an argument is NULL or the member `struct_size` of `info` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_get_info(const dkvb_imageset *set, dkvb_imageset_info *info);

/**
 * Look up the name of a class in a set of pictures.
 *
 * @param set    the set of pictures that has the class.
 * @param index  index of the class in the set of pictures.
 * @return the name of the class, owned by the set of pictures; NULL if the class has no name or does not exist.
 */
DKVB_API const char *dkvb_imageset_class_name(const dkvb_imageset *set, uint32_t index);

/**
 * Count the files of a folder that are not pictures, for each ending of file names.
 *
 * @param      set    the set of pictures that was opened from a folder.
 * @param      index  index of the file-name ending, with endings in descending order of their numbers of files: 0 for
 *                    the ending that most files have.
 * @param[out] count  number of files whose names have the ending that dkvb_imageset_ignored() returns; or NULL.
 * @return the file-name ending in lower case, for example ".txt"; "" for file names without an ending; NULL if `index`
 *         is past the last ending.
 */
DKVB_API const char *dkvb_imageset_ignored(const dkvb_imageset *set, uint32_t index, uint64_t *count);

/** Largest size of the name of a picture in bytes, including its final 0. */
#define DKVB_PICTURE_NAME_SIZE 4096

/** Label and name of a picture. */
typedef struct dkvb_picture {
    size_t struct_size; /**< size of dkvb_picture in bytes, set by DKVB_PICTURE_INIT */
    int32_t label;      /**< class index of the picture; -1 if the picture has no class */
    /**
     * Name of the picture: its path inside the folder, the path of a single picture file as it was given, or
     * "<file>:<number in the file>" for a picture of a data file.
     */
    char name[DKVB_PICTURE_NAME_SIZE];
} dkvb_picture;

/** Initialiser of dkvb_picture that gives every member its default. */
#define DKVB_PICTURE_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_picture), -1,                                                                                      \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_picture, DKVB_PICTURE_INIT)

/**
 * Get label and name of a picture in a set, without opening its file.
 *
 * @param      set      the set of pictures that has the picture.
 * @param      index    number of the picture in the set, from 0.
 * @param[out] picture  receives label and name of the picture; the caller sets its member `struct_size` before the
 *                      call.
 * @return `DKVB_ENOTFOUND` if no picture has the number `index`; `DKVB_EINVAL` for an invalid argument.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_get(const dkvb_imageset *set, uint64_t index, dkvb_picture *picture);

/**
 * Check that writing a file would not replace a file of a set of pictures, by any name or link.
 *
 * @param set   the set of pictures whose files must not be replaced.
 * @param path  path of the file that is to be written.
 * @return `DKVB_EINVAL` if writing the path would replace a file of the set of pictures.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_spare(const dkvb_imageset *set, const char *path);

/**
 * Read a picture of a set into memory.
 *
 * @param      set        the set of pictures that has the picture.
 * @param      index      number of the picture in the set, from 0.
 * @param[out] out        the picture that was read; empty on failure.
 * @param      allocator  allocator; NULL stands for malloc() and free().
 * @return any status code of dkvb_image_read(); also `DKVB_ENOTFOUND` if the set of pictures has no picture with the
 *         number `index`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_imageset_read(const dkvb_imageset *set, uint64_t index, dkvb_image *out,
                                                       const dkvb_allocator *allocator);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
