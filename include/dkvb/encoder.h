/**
 * @file
 * @brief Encoders: they turn pictures into rows of features. Encoders are frozen: nothing trains them.
 *
 * Equal pictures give equal rows, bit for bit, for any number of threads, any processor, and whichever pictures are
 * encoded in the same call. docs/encoder.md has the dimensions, the names of tensors, and each step of preprocessing.
 */
#ifndef DKVB_ENCODER_H
#define DKVB_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "images.h"
#include "memory.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_encoder Encoders
 *  @{ */

/** An encoder of pictures. An encoder never changes after opening, so any number of threads may use it at once. */
typedef struct dkvb_encoder dkvb_encoder;

/** Kinds of encoders. The numbers of these constants are part of the ABI. */
enum {
    DKVB_ENCODER_REMEMBERED = 0, /**< for dkvb_encoder_open(): the kind that `remembered` of the options names */
    DKVB_ENCODER_PIXELS =
        1, /**< pixel values / 255, in the order of the picture in memory; all pictures have one size */
    DKVB_ENCODER_DESCRIPTOR = 2, /**< gradients and colours on a grid, without weights */
    DKVB_ENCODER_CLIP = 3,       /**< the vision transformer of CLIP, with its projection */
    DKVB_ENCODER_RESNET50 = 4    /**< ResNet-50 of torchvision, up to the global average pool */
};

/** Layouts of weights files: how their tensors are named. */
enum {
    DKVB_LAYOUT_NONE = 0,        /**< no weights file */
    DKVB_LAYOUT_HUGGINGFACE = 1, /**< vision_model.…, visual_projection.weight */
    DKVB_LAYOUT_OPENAI = 2,      /**< visual.…: OpenAI and OpenCLIP */
    DKVB_LAYOUT_TORCHVISION = 3  /**< conv1, bn1, layer1 … */
};

/** Activation functions between the two matrices of a transformer block. */
enum {
    DKVB_ACTIVATION_NONE = 0,       /**< no transformer, or not given */
    DKVB_ACTIVATION_QUICK_GELU = 1, /**< x * sigmoid(1.702 x): OpenAI's weights */
    DKVB_ACTIVATION_GELU = 2        /**< x * Phi(x), by erf: most of OpenCLIP's weights */
};

/** Options for opening an encoder. The options start from `DKVB_ENCODER_OPTIONS_INIT`. */
typedef struct dkvb_encoder_options {
    size_t struct_size;  /**< sizeof(dkvb_encoder_options), set by INIT */
    const char *weights; /**< .safetensors file, for CLIP and ResNet-50; NULL for other kinds */
    const char *config;  /**< CLIP: config.json; NULL: the config.json beside the weights, if there is one. NULL for
                            other kinds */
    uint32_t activation; /**< CLIP: DKVB_ACTIVATION_…; 0: as the config says, or quick GELU without one */
    uint32_t heads;      /**< CLIP: number of attention heads; 0: as the config says, or width / 64 without one */
    uint32_t width;      /**< pixels: width of every picture; 0: as in `set` */
    uint32_t height;     /**< pixels: height of every picture; 0: as in `set` */
    uint32_t channels;   /**< pixels: channels of every picture, 1 or 3; 0: as in `set` */
    uint32_t
        upright; /**< 1: pictures are turned upright by their EXIF orientation; the identity then ends in "+exif" */
    const dkvb_allocator *allocator; /**< allocator; NULL: malloc() and free() */

    const dkvb_imageset *set; /**< pixels: set of pictures that gives the size, that of all its pictures or of the first
                                 one; else NULL */
    const char *remembered;   /**< identity that a model remembers (`encoder` of dkvb_model_info); any other encoder is
                                 refused, and the message says what differs; NULL: none */
    const char *remembered_by; /**< file of that model, for messages; NULL: "the model" */
    uint32_t dim;              /**< number of columns that rows must have; 0: any number */
} dkvb_encoder_options;

/** Defaults of dkvb_encoder_options. */
#define DKVB_ENCODER_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_encoder_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                            \
    }
DKVB_INIT_FUNCTION(dkvb_encoder_options, DKVB_ENCODER_OPTIONS_INIT)

/**
 * Open an encoder.
 *
 * @param[out] out   the encoder, owned by the caller: dkvb_encoder_free(). NULL on failure.
 * @param      kind  DKVB_ENCODER_…. DKVB_ENCODER_REMEMBERED opens the encoder of `opts->remembered`, and turns pictures
 *                   upright if that encoder did.
 * @param      opts  options; NULL for the defaults.
 * @return `DKVB_EINVAL`, also if a kind that needs weights got none; `DKVB_EIO`; `DKVB_EFORMAT` naming the tensor, what
 * was found and what was expected; `DKVB_EMISMATCH` if the rows would differ from those of the remembered encoder;
 *         `DKVB_ENOTFOUND` if no encoder is remembered, or this version does not have it; `DKVB_ESTATE` if this build
 *         cannot read weights; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_open(dkvb_encoder **out, uint32_t kind,
                                                      const dkvb_encoder_options *opts);

/**
 * Release an encoder.
 *
 * @param encoder  the encoder; NULL does nothing.
 */
DKVB_API void dkvb_encoder_free(dkvb_encoder *encoder);

/** Size of the longest identity of an encoder in bytes, with its final 0. */
#define DKVB_ENCODER_IDENTITY_SIZE 64

/** Properties of an encoder. Members that a kind does not use are 0. The caller sets `struct_size`. */
typedef struct dkvb_encoder_info {
    size_t struct_size;  /**< sizeof(dkvb_encoder_info), set by INIT */
    uint32_t kind;       /**< DKVB_ENCODER_… */
    uint32_t dim;        /**< number of columns of a row */
    uint32_t shorter;    /**< length of the shorter side after resizing; 0: pictures are not resized */
    uint32_t crop;       /**< side of the square that is cut out after resizing */
    uint32_t filter;     /**< DKVB_FILTER_… */
    uint32_t layout;     /**< DKVB_LAYOUT_… */
    uint32_t patch;      /**< CLIP: side of a patch */
    uint32_t width;      /**< CLIP: length of a token */
    uint32_t layers;     /**< CLIP: number of blocks */
    uint32_t heads;      /**< CLIP: number of attention heads */
    uint32_t activation; /**< CLIP: DKVB_ACTIVATION_… */
    uint32_t guessed;    /**< CLIP: 1: neither config nor options named the activation, so it may be wrong */
    uint32_t upright;    /**< 1: pictures are turned upright by their EXIF orientation */

    /**
     * Identity: a short text that is equal for two encoders exactly if they give equal rows.
     *
     * The identity holds the kind, its version, and a checksum of the weights as they are used, whichever layout they
     * were stored in. The identity of `pixels` is the kind alone, since the number of columns shows the size of the
     * pictures. The ending "+exif" shows that pictures are turned upright. A model can store the identity:
     * dkvb_model_set_encoder().
     */
    char identity[DKVB_ENCODER_IDENTITY_SIZE];
} dkvb_encoder_info;

/** Defaults of dkvb_encoder_info. */
#define DKVB_ENCODER_INFO_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_encoder_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                                              \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_encoder_info, DKVB_ENCODER_INFO_INIT)

/**
 * Read the properties of an encoder.
 *
 * @param      encoder  the encoder.
 * @param[out] info     properties; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_get_info(const dkvb_encoder *encoder, dkvb_encoder_info *info);

/**
 * Callback for a picture that cannot be read. The library calls this function on the thread that made the call, in the
 * order of the set, before the picture is left out or ends the call.
 *
 * @param user     `user` of the options.
 * @param index    number of the picture in the set.
 * @param message  why the picture cannot be read; the same text as dkvb_last_error().
 * @return 0 to continue; any other number ends the call with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_unreadable_fn)(void *user, uint64_t index, const char *message);

/**
 * Callback with the intermediate results of a network. The library calls this function after each layer, on the thread
 * that made the call.
 *
 * @param user     `user` of the options.
 * @param name     name of the layer, as in docs/encoder.md.
 * @param rows     number of rows.
 * @param columns  number of columns.
 * @param values   `float[rows][columns]`, valid during the callback.
 * @return 0 to continue; any other number ends the call with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_trace_fn)(void *user, const char *name, size_t rows, size_t columns, const float *values);

/** Options of encoding. The options start from `DKVB_ENCODE_OPTIONS_INIT`. */
typedef struct dkvb_encode_options {
    size_t struct_size;       /**< sizeof(dkvb_encode_options), set by INIT */
    uint32_t skip_unreadable; /**< 1: pictures that cannot be read are left out; 0: the first such picture ends the
                                 call, with the status of reading it */
    uint32_t dtype;           /**< files only: number type, DKVB_DTYPE_F32 (as 0) or DKVB_DTYPE_F16 */
    uint32_t restart;         /**< files only: 1: rows that an interrupted call left are discarded */
    uint8_t
        *readable; /**< output, `uint8_t[pictures of the call]`, 1, or 0 for a picture that cannot be read; or NULL */
    dkvb_unreadable_fn unreadable; /**< callback for each picture that cannot be read; or NULL */
    void *user;                    /**< pointer that `unreadable` and `trace` receive */
    dkvb_trace_fn trace;           /**< for one picture: callback for every layer, to compare implementations */
} dkvb_encode_options;

/** Defaults of dkvb_encode_options. */
#define DKVB_ENCODE_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_encode_options), 0, 0, 0, 0, 0, 0, 0                                                               \
    }
DKVB_INIT_FUNCTION(dkvb_encode_options, DKVB_ENCODE_OPTIONS_INIT)

/**
 * Encode pictures in memory. Worker threads fit the pictures in memory from malloc().
 *
 * @param      encoder  the encoder.
 * @param      images   `dkvb_image[n]` of any size (for `pixels`: of its size), all with the same `struct_size`.
 * @param      n        number of pictures.
 * @param[out] x        `float[n][dim]`. A failed call leaves the output undefined.
 * @param      opts     options; NULL for the defaults. Only `trace` is read.
 * @param      run      run options; NULL for the defaults. Progress counts pictures.
 * @return `DKVB_EINVAL`; `DKVB_EMISMATCH` for a picture of a size that `pixels` does not accept; `DKVB_EFORMAT` if
 * weights are so large that a sum is not finite; `DKVB_ECANCELLED`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode(const dkvb_encoder *encoder, const dkvb_image *images, size_t n,
                                                        float *x, const dkvb_encode_options *opts,
                                                        const dkvb_run_options *run);

/**
 * Encode the pictures `first` to `first + n - 1` of a set. All threads decode pictures, a few at a time, in memory from
 * malloc().
 *
 * @param      encoder  the encoder.
 * @param      set      the set.
 * @param      first    number of the first picture.
 * @param      n        number of pictures.
 * @param[out] x        `float[n][dim]`; rows of pictures that cannot be read are zeros.
 * @param      opts     options; NULL for the defaults.
 * @param      run      run options; NULL for the defaults. Progress counts pictures.
 * @return as dkvb_encoder_encode(); also `DKVB_ENOTFOUND` if the set has fewer pictures.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode_set(const dkvb_encoder *encoder, const dkvb_imageset *set,
                                                            uint64_t first, size_t n, float *x,
                                                            const dkvb_encode_options *opts,
                                                            const dkvb_run_options *run);

/** Counts of dkvb_encoder_encode_file(). The caller sets `struct_size`. */
typedef struct dkvb_encode_report {
    size_t struct_size;  /**< sizeof(dkvb_encode_report), set by INIT */
    uint64_t pictures;   /**< number of pictures in the set */
    uint64_t rows;       /**< number of rows in the file: pictures that could be read */
    uint64_t unreadable; /**< number of pictures that were left out */
    uint64_t resumed;    /**< number of pictures from an interrupted call; known from the first progress on */
    uint64_t kept;       /**< after a failure: number of pictures in PATH.part, which the same call continues from */
} dkvb_encode_report;

/** Defaults of dkvb_encode_report. */
#define DKVB_ENCODE_REPORT_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_encode_report), 0, 0, 0, 0, 0                                                                      \
    }
DKVB_INIT_FUNCTION(dkvb_encode_report, DKVB_ENCODE_REPORT_INIT)

/**
 * Encode all pictures of a set into a `.npy` file, `float[rows][dim]`, with a row for each picture that can be read.
 *
 * During the work, the file PATH.part holds the finished rows. The file stays if the progress callback stops the call,
 * if the process ends, or if the call fails after long work. The same call then continues from PATH.part, and its
 * result has the same bytes. A successful call removes the file. PATH.part is locked, so that two processes do not
 * write to it. The part file is refused if it is a link, belongs to another user, has a second name, or holds rows of
 * other pictures or of another encoder.
 *
 * Ranks of `run` (ranks.h) share the pictures: all ranks make this call with the same set, encoder and options, and
 * each encodes a share. The file has the same bytes for any number of ranks, and any other number of ranks can continue
 * from PATH.part. Rank 0 alone has these files, and its `unreadable` alone is called. Each rank calls its own progress
 * callback, with the pictures of all ranks, and any rank can stop the call. All ranks get the same `readable` and
 * counts. Ranks whose pictures, encoders or options differ are refused before work starts. Rank 0 needs up to 64 MB for
 * rows of other ranks, and a rank sends each of its rows once.
 *
 * @param      encoder  the encoder.
 * @param      set      the set.
 * @param      path     file to write; must not be a file of the set.
 * @param      opts     options; NULL for the defaults. `readable` is `uint8_t[pictures of the set]`.
 * @param[out] report   counts, also after a failure; or NULL.
 * @param      run      run options; NULL for the defaults. Progress counts the pictures of the set.
 * @return as dkvb_encoder_encode_set() and dkvb_npy_write(); `DKVB_EMISMATCH` if PATH.part holds rows of other
 * pictures, of another encoder or another number type, or if ranks were given different inputs; `DKVB_ESTATE` if
 * another process works on it; `DKVB_EFORMAT` if PATH.part is a file of another kind, or if no picture can be read;
 * `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode_file(const dkvb_encoder *encoder, const dkvb_imageset *set,
                                                             const char *path, const dkvb_encode_options *opts,
                                                             dkvb_encode_report *report, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
