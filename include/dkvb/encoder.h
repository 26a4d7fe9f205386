/**
 * @file
 * @brief Encoders turn pictures into rows of features. Encoders are frozen: their weights are never trained.
 *
 * Equal pictures give equal rows, bit for bit, for any number of threads, any processor, and whichever other pictures
 * are encoded in the same call. docs/encoder.md has the dimensions, the names of tensors, and each step of
 * preprocessing.
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

/**
 * Handle of an encoder of pictures. An encoder never changes after it was opened, so any number of threads may use it
 * at once.
 */
typedef struct dkvb_encoder dkvb_encoder;

/** Kinds of encoders. The numbers of the DKVB_ENCODER_… constants are part of the ABI. */
enum {
    /** The kind of encoder that `remembered` of the options names, accepted by dkvb_encoder_open(). */
    DKVB_ENCODER_REMEMBERED = 0,
    DKVB_ENCODER_PIXELS =
        /** the row of a picture is its pixel values / 255, in the order in memory; all pictures must have one size */
    1,
    /** The row of a picture is gradients and colours on a grid; this kind of encoder has no weights. */
    DKVB_ENCODER_DESCRIPTOR = 2,
    DKVB_ENCODER_CLIP = 3,    /**< vision transformer of CLIP, with its projection */
    DKVB_ENCODER_RESNET50 = 4 /**< ResNet-50 of torchvision, up to its global average pooling layer */
};

/** Layouts of weights files, which say how the tensors in the file are named. */
enum {
    DKVB_LAYOUT_NONE = 0, /**< the encoder has no weights file */
    /** Layout of Hugging Face: tensors are named vision_model.… and visual_projection.weight. */
    DKVB_LAYOUT_HUGGINGFACE = 1,
    DKVB_LAYOUT_OPENAI = 2,     /**< layout of OpenAI and OpenCLIP: tensors are named visual.… */
    DKVB_LAYOUT_TORCHVISION = 3 /**< layout of torchvision: tensors are named conv1, bn1, layer1 … */
};

/** Activation functions between the two matrices of the feed-forward part of a transformer block. */
enum {
    DKVB_ACTIVATION_NONE = 0,       /**< the encoder is no transformer, or no activation was given */
    DKVB_ACTIVATION_QUICK_GELU = 1, /**< quick GELU, x * sigmoid(1.702 x), which the weights of OpenAI use */
    DKVB_ACTIVATION_GELU = 2        /**< GELU, x * Phi(x) computed with erf(), which most weights of OpenCLIP use */
};

/** Options for opening an encoder. Callers initialise the options with `DKVB_ENCODER_OPTIONS_INIT`. */
typedef struct dkvb_encoder_options {
    size_t struct_size; /**< size of dkvb_encoder_options in bytes, set by DKVB_ENCODER_OPTIONS_INIT */
    /** Path of the .safetensors weights file of CLIP or ResNet-50; NULL for other kinds of encoders. */
    const char *weights;
    /**
     * Path of the config.json of CLIP; NULL takes the config.json beside the weights, if there is one, and must be
     * given for other kinds of encoders.
     */
    const char *config;
    /**
     * Activation function of CLIP, DKVB_ACTIVATION_…; 0 takes the activation that the config names, or quick GELU
     * without a config.
     */
    uint32_t activation;
    /** Number of attention heads of CLIP; 0 takes the number that the config names, or width / 64 without a config. */
    uint32_t heads;
    /** Width in pixels of every picture, for the kind pixels; 0 takes the width of the pictures in `set`. */
    uint32_t width;
    /** Height in pixels of every picture, for the kind pixels; 0 takes the height of the pictures in `set`. */
    uint32_t height;
    /** Channels of every picture, 1 or 3, for the kind pixels; 0 takes the channels of the pictures in `set`. */
    uint32_t channels;
    uint32_t
        /** 1 turns pictures upright by their EXIF orientation; the identity of the encoder then ends in "+exif" */
        upright;
    const dkvb_allocator *allocator; /**< allocator; NULL stands for malloc() and free() */

    /**
     * Set of pictures that gives the size of pictures for the kind pixels: the size of all its pictures, or of the
     * first one; NULL for other kinds of encoders.
     */
    const dkvb_imageset *set;
    /**
     * Identity of the encoder that a model remembers (`encoder` of dkvb_model_info); dkvb_encoder_open() refuses any
     * other encoder, and the message says what differs; NULL allows any encoder.
     */
    const char *remembered;
    /** Path of the model file that remembers the encoder, for messages; NULL stands for "the model". */
    const char *remembered_by;
    uint32_t dim; /**< number of columns that rows of the encoder must have; 0 allows any number */
} dkvb_encoder_options;

/** Initialiser of dkvb_encoder_options that gives every member its default. */
#define DKVB_ENCODER_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_encoder_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                            \
    }
DKVB_INIT_FUNCTION(dkvb_encoder_options, DKVB_ENCODER_OPTIONS_INIT)

/**
 * Open an encoder.
 *
 * @param[out] out   the encoder, which the caller releases with dkvb_encoder_free(); NULL on failure.
 * @param      kind  kind of encoder, DKVB_ENCODER_…. DKVB_ENCODER_REMEMBERED opens the encoder that `opts->remembered`
 *                   names, and turns pictures upright if that encoder did.
 * @param      opts  options of the call; NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid option, also if a kind that needs weights got none; `DKVB_EIO` if a file cannot
 *         be read; `DKVB_EFORMAT` for unusable weights, with a message that names the tensor, what was found and what
 *         was expected; `DKVB_EMISMATCH` if the rows would differ from rows of the remembered encoder; `DKVB_ENOTFOUND`
 *         if no encoder is remembered, or this version of the library does not have it; `DKVB_ESTATE` if this build
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

/** Largest size of the identity of an encoder in bytes, including its final 0. */
#define DKVB_ENCODER_IDENTITY_SIZE 64

/** Properties of an encoder. Members that the kind of encoder does not use are 0. The caller sets `struct_size`. */
typedef struct dkvb_encoder_info {
    size_t struct_size; /**< size of dkvb_encoder_info in bytes, set by DKVB_ENCODER_INFO_INIT */
    uint32_t kind;      /**< kind of the encoder, DKVB_ENCODER_… */
    uint32_t dim;       /**< number of columns of a row of features */
    /** Length in pixels of the shorter side of a picture after resizing; 0 if pictures are not resized. */
    uint32_t shorter;
    uint32_t crop;       /**< side in pixels of the square that is cut out of a picture after resizing */
    uint32_t filter;     /**< filter of resizing, DKVB_FILTER_… */
    uint32_t layout;     /**< layout of the weights file, DKVB_LAYOUT_… */
    uint32_t patch;      /**< side of a patch of CLIP in pixels */
    uint32_t width;      /**< width of the transformer of CLIP: length of a token vector */
    uint32_t layers;     /**< number of transformer blocks of CLIP */
    uint32_t heads;      /**< number of attention heads of CLIP */
    uint32_t activation; /**< activation function of CLIP, DKVB_ACTIVATION_… */
    /** 1 if neither the config nor the options of CLIP named the activation function, so that it may be wrong. */
    uint32_t guessed;
    uint32_t upright; /**< 1 if pictures are turned upright by their EXIF orientation */

    /**
     * Identity of the encoder: a short text that is equal for two encoders exactly if they give equal rows.
     *
     * The identity of an encoder holds its kind, its version, and a checksum of its weights as they are used, whichever
     * layout they were stored in. The identity of the encoder `pixels` is the kind alone, since the number of columns
     * shows the size of the pictures. The ending "+exif" of an identity shows that pictures are turned upright. A model
     * can store the identity of its encoder: dkvb_model_set_encoder().
     */
    char identity[DKVB_ENCODER_IDENTITY_SIZE];
} dkvb_encoder_info;

/** Initialiser of dkvb_encoder_info that gives every member its default. */
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
 * Callback for a picture that cannot be read. The library invokes the callback on the thread that made the call, in the
 * order of the set, before it leaves the picture out or ends the call.
 *
 * @param user     pointer `user` of the options.
 * @param index    number of the unreadable picture in the set.
 * @param message  why the picture cannot be read; equal to the text of dkvb_last_error().
 * @return 0 to continue; any other number ends the encoding with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_unreadable_fn)(void *user, uint64_t index, const char *message);

/**
 * Callback that receives intermediate results of a network. The library invokes the callback after each layer, on the
 * thread that made the call.
 *
 * @param user     pointer `user` of the options.
 * @param name     name of the layer, as listed in docs/encoder.md.
 * @param rows     number of rows of the layer's output.
 * @param columns  number of columns of the layer's output.
 * @param values   `float[rows][columns]`, output of the layer, valid during the callback.
 * @return 0 to continue; any other number ends the encoding with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_trace_fn)(void *user, const char *name, size_t rows, size_t columns, const float *values);

/** Options of encoding pictures. Callers initialise the options with `DKVB_ENCODE_OPTIONS_INIT`. */
typedef struct dkvb_encode_options {
    size_t struct_size; /**< size of dkvb_encode_options in bytes, set by DKVB_ENCODE_OPTIONS_INIT */
    /**
     * 1 leaves out pictures that cannot be read; 0 ends the call at the first unreadable picture, with the status of
     * reading it.
     */
    uint32_t skip_unreadable;
    /** Number type of the rows in an encoded file: DKVB_DTYPE_F32 (also chosen by 0) or DKVB_DTYPE_F16. */
    uint32_t dtype;
    /** 1 discards rows of a file that an interrupted call left; 0 continues from the rows of the interrupted call */
    uint32_t restart;
    /**
     * Output, `uint8_t[pictures of the call]`: 1 for each picture that was read, 0 for each unreadable picture; or
     * NULL.
     */
    uint8_t *readable;
    dkvb_unreadable_fn unreadable; /**< callback for each picture that cannot be read; or NULL */
    void *user;                    /**< pointer that `unreadable` and `trace` receive */
    /** Callback for the output of every layer, to compare implementations, if a single picture is encoded; or NULL. */
    dkvb_trace_fn trace;
} dkvb_encode_options;

/** Initialiser of dkvb_encode_options that gives every member its default. */
#define DKVB_ENCODE_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_encode_options), 0, 0, 0, 0, 0, 0, 0                                                               \
    }
DKVB_INIT_FUNCTION(dkvb_encode_options, DKVB_ENCODE_OPTIONS_INIT)

/**
 * Encode pictures in memory into rows of features. Worker threads resize the pictures in memory from malloc().
 *
 * @param      encoder  the encoder.
 * @param      images   `dkvb_image[n]`, pictures of any size (of one fixed size for the encoder `pixels`), all with the
 *                      same `struct_size`.
 * @param      n        number of pictures.
 * @param[out] x        `float[n][dim]`, rows of features; undefined if the call fails.
 * @param      opts     options, of which only `trace` is read; NULL for the defaults.
 * @param      run      run options (threads, progress, ranks); NULL for the defaults. The progress callback counts
 *                      pictures.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EMISMATCH` for a picture of a size that the encoder `pixels`
 *         does not accept; `DKVB_EFORMAT` if weights are so large that a sum is not finite; `DKVB_ECANCELLED`;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode(const dkvb_encoder *encoder, const dkvb_image *images, size_t n,
                                                        float *x, const dkvb_encode_options *opts,
                                                        const dkvb_run_options *run);

/**
 * Encode the pictures `first` to `first + n - 1` of a set into rows of features. All threads decode pictures, a few at
 * a time, in memory from malloc().
 *
 * @param      encoder  the encoder.
 * @param      set      the set of pictures.
 * @param      first    number of the first picture.
 * @param      n        number of pictures.
 * @param[out] x        `float[n][dim]`, rows of features; rows of pictures that cannot be read are zeros.
 * @param      opts     options of the call; NULL for the defaults.
 * @param      run      run options (threads, progress, ranks); NULL for the defaults. The progress callback counts
 *                      pictures.
 * @return the status codes of dkvb_encoder_encode(); also `DKVB_ENOTFOUND` if the set has fewer pictures.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode_set(const dkvb_encoder *encoder, const dkvb_imageset *set,
                                                            uint64_t first, size_t n, float *x,
                                                            const dkvb_encode_options *opts,
                                                            const dkvb_run_options *run);

/** Counts of pictures that dkvb_encoder_encode_file() reports. The caller sets `struct_size`. */
typedef struct dkvb_encode_report {
    size_t struct_size;  /**< size of dkvb_encode_report in bytes, set by DKVB_ENCODE_REPORT_INIT */
    uint64_t pictures;   /**< number of pictures in the set */
    uint64_t rows;       /**< number of rows in the file, one for each picture that could be read */
    uint64_t unreadable; /**< number of pictures that were left out because they could not be read */
    /** Number of pictures that an interrupted call had already encoded; known from the first progress callback on. */
    uint64_t resumed;
    uint64_t kept; /**< number of pictures in PATH.part after a failure, from which the same call can continue */
} dkvb_encode_report;

/** Initialiser of dkvb_encode_report that gives every member its default. */
#define DKVB_ENCODE_REPORT_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_encode_report), 0, 0, 0, 0, 0                                                                      \
    }
DKVB_INIT_FUNCTION(dkvb_encode_report, DKVB_ENCODE_REPORT_INIT)

/**
 * Encode all pictures of a set into a `.npy` file, `float[rows][dim]`, with a row for each picture that can be read.
 *
 * While dkvb_encoder_encode_file() works, the file PATH.part holds the finished rows. PATH.part stays if the progress
 * callback stops the call, if the process ends, or if the call fails after long work. The same call then continues from
 * PATH.part, and its result has the same bytes. A successful call removes PATH.part. PATH.part is locked, so that two
 * processes do not write to it. PATH.part is refused if it is a link, belongs to another user, has a second name, or
 * holds rows of other pictures or of another encoder.
 *
 * Ranks of `run` (ranks.h) divide the pictures among them: all ranks make the call with the same set, encoder and
 * options, and each encodes a part. The encoded file has the same bytes for any number of ranks, and any other number
 * of ranks can continue from PATH.part. Only rank 0 has the encoded file and PATH.part, and only the `unreadable`
 * callback of rank 0 is invoked. Each rank invokes its own progress callback, which counts the pictures of all ranks,
 * and any rank can stop the call. All ranks get the same `readable` and counts. The call is refused before work starts
 * if ranks have different pictures, encoders or options. Rank 0 needs up to 64 MB for rows of other ranks, and a rank
 * sends each of its rows once.
 *
 * @param      encoder  the encoder.
 * @param      set      the set of pictures.
 * @param      path     file to write; must not be a file of the set.
 * @param      opts     options, with `readable` as `uint8_t[pictures of the set]`; NULL for the defaults.
 * @param[out] report   counts of pictures, also filled in after a failure; or NULL.
 * @param      run      run options (threads, progress, ranks); NULL for the defaults. The progress callback counts the
 *                      pictures of the set.
 * @return the status codes of dkvb_encoder_encode_set() and dkvb_npy_write(); `DKVB_EMISMATCH` if PATH.part holds rows
 *         of other pictures, of another encoder or another number type, or if ranks were given different inputs;
 *         `DKVB_ESTATE` if another process works on PATH.part; `DKVB_EFORMAT` if PATH.part is a file of another kind,
 *         or if no picture can be read; `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode_file(const dkvb_encoder *encoder, const dkvb_imageset *set,
                                                             const char *path, const dkvb_encode_options *opts,
                                                             dkvb_encode_report *report, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
