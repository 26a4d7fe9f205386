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
    /**
     * Kind that dkvb_encoder_open() accepts for the encoder whose identity a model has stored: the option `remembered`
     * gives this identity.
     */
    DKVB_ENCODER_REMEMBERED = 0,
    /** Encoder "pixels": the row of a picture is its pixel values / 255, in memory order; all pictures have one size */
    DKVB_ENCODER_PIXELS = 1,
    /** Encoder "descriptor": the row of a picture is gradients and colours on a grid; this encoder has no weights. */
    DKVB_ENCODER_DESCRIPTOR = 2,
    DKVB_ENCODER_CLIP = 3,    /**< encoder: vision transformer of CLIP, with its projection */
    DKVB_ENCODER_RESNET50 = 4 /**< encoder: ResNet-50 of torchvision, up to its global average pooling layer */
};

/** Layouts of weights files, which say how the tensors in a weights file are named. */
enum {
    DKVB_LAYOUT_NONE = 0, /**< the encoder has no weights file, so its weights have no layout */
    /** Layout of weights files of Hugging Face: tensors are named vision_model.… and visual_projection.weight. */
    DKVB_LAYOUT_HUGGINGFACE = 1,
    DKVB_LAYOUT_OPENAI = 2,     /**< layout of weights files of OpenAI and OpenCLIP: tensors are named visual.… */
    DKVB_LAYOUT_TORCHVISION = 3 /**< layout of weights files of torchvision: tensors are named conv1, bn1, layer1 … */
};

/** Activation functions between the two matrices of the feed-forward part of a transformer block. */
enum {
    /** No activation function: the encoder is no transformer, or the options name no activation. */
    DKVB_ACTIVATION_NONE = 0,
    DKVB_ACTIVATION_QUICK_GELU = 1, /**< quick GELU, x * sigmoid(1.702 x), which the weights of OpenAI use */
    DKVB_ACTIVATION_GELU = 2        /**< GELU, x * Phi(x) computed with erf(), which most weights of OpenCLIP use */
};

/** Options for opening an encoder. Callers initialise a `dkvb_encoder_options` with `DKVB_ENCODER_OPTIONS_INIT`. */
typedef struct dkvb_encoder_options {
    size_t struct_size; /**< size of dkvb_encoder_options in bytes, set by DKVB_ENCODER_OPTIONS_INIT */
    /** Path of the .safetensors weights file of CLIP or ResNet-50; NULL for other kinds of encoders. */
    const char *weights;
    /**
     * Path of the config.json of CLIP; NULL takes the config.json beside the weights file, if there is one. Encoders of
     * all kinds but CLIP need NULL as the path of the config.
     */
    const char *config;
    /**
     * Activation function of CLIP, DKVB_ACTIVATION_…; 0 takes the activation that the config names, or quick GELU
     * without a config.
     */
    uint32_t activation;
    /** Number of attention heads of CLIP; 0 takes the number that the config names, or width / 64 without a config. */
    uint32_t heads;
    /**
     * Width in pixels of every picture, for encoders of the kind pixels; 0 takes the width of the pictures in `set`.
     */
    uint32_t width;
    /**
     * Height in pixels of every picture, for encoders of the kind pixels; 0 takes the height of the pictures in `set`.
     */
    uint32_t height;
    /**
     * Channels of every picture, 1 or 3, for encoders of the kind pixels; 0 takes the channels of the pictures in
     * `set`.
     */
    uint32_t channels;
    /** 1 turns pictures upright by their EXIF orientation; the identity of the encoder then ends in "+exif". */
    uint32_t upright;
    const dkvb_allocator *allocator; /**< allocator; NULL stands for malloc() and free() */

    /**
     * Set of pictures that gives the size of pictures for encoders of the kind pixels: the size of all pictures of the
     * set, or of its first picture; NULL for other kinds of encoders.
     */
    const dkvb_imageset *set;
    /**
     * Identity of the encoder that a model remembers (`encoder` of dkvb_model_info); dkvb_encoder_open() refuses any
     * other encoder, and the error message says what differs; NULL allows any encoder.
     */
    const char *remembered;
    /** Path of the model file that remembers the encoder, for error messages; NULL stands for "the model". */
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
 *                   names, and turns pictures upright if the remembered encoder did.
 * @param      opts  options of opening the encoder; NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid option, also if a kind of encoder that needs weights got none; `DKVB_EIO` if a
 *         file cannot be read; `DKVB_EFORMAT` for unusable weights, with a message that names the tensor, what was
 *         found and what was expected; `DKVB_EMISMATCH` if the rows of the opened encoder would differ from rows of the
 *         remembered encoder; `DKVB_ENOTFOUND` if no encoder is remembered, or this version of the library does not
 *         have the remembered encoder; `DKVB_ESTATE` if this build cannot read weights; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_open(dkvb_encoder **out, uint32_t kind,
                                                      const dkvb_encoder_options *opts);

/**
 * Release an encoder.
 *
 * @param encoder  the encoder to release; NULL does nothing.
 */
DKVB_API void dkvb_encoder_free(dkvb_encoder *encoder);

/** Largest size of the identity of an encoder in bytes, including its final 0. */
#define DKVB_ENCODER_IDENTITY_SIZE 64

/** Properties of an encoder. Members of dkvb_encoder_info that the kind of encoder does not use are 0. */
typedef struct dkvb_encoder_info {
    size_t struct_size; /**< size of dkvb_encoder_info in bytes, set by DKVB_ENCODER_INFO_INIT */
    uint32_t kind;      /**< kind of the encoder, DKVB_ENCODER_… */
    uint32_t dim;       /**< number of columns of a row of features */
    /** Length in pixels of the shorter side of a picture after resizing; 0 if pictures are not resized. */
    uint32_t shorter;
    uint32_t crop;       /**< side in pixels of the square that is cut out of a picture after resizing */
    uint32_t filter;     /**< filter that the encoder uses to resize pictures, DKVB_FILTER_… */
    uint32_t layout;     /**< layout of the encoder's weights file, DKVB_LAYOUT_… */
    uint32_t patch;      /**< side of a patch of CLIP in pixels */
    uint32_t width;      /**< width of the transformer of CLIP: length of a token vector */
    uint32_t layers;     /**< number of transformer blocks of CLIP */
    uint32_t heads;      /**< number of attention heads of CLIP */
    uint32_t activation; /**< activation function of CLIP, DKVB_ACTIVATION_… */
    /**
     * 1 if neither the config nor the options of CLIP named the activation function, so that the encoder may use a
     * wrong one.
     */
    uint32_t guessed;
    uint32_t upright; /**< 1 if pictures are turned upright by their EXIF orientation */

    /**
     * Identity of the encoder: a short text that is equal for two encoders exactly if they give equal rows.
     *
     * The identity of an encoder holds its kind, its version, and a checksum of its weights as they are used, whichever
     * layout they were stored in. The identity of the encoder `pixels` is the kind alone, since the number of columns
     * shows the size of the pictures. The ending "+exif" of an encoder's identity shows that the encoder turns pictures
     * upright. A model can store the identity of its encoder: dkvb_model_set_encoder().
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
 * @param      encoder  the encoder whose properties are read.
 * @param[out] info     receives the properties of the encoder; the caller sets its member `struct_size` before the
 *                      call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is not set.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_get_info(const dkvb_encoder *encoder, dkvb_encoder_info *info);

/**
 * Callback for a picture that cannot be read. The library invokes the callback for unreadable pictures on the thread
 * that made the call, in the order of the set of pictures, before it leaves the picture out or ends the call.
 *
 * @param user     the pointer `user` of dkvb_encode_options.
 * @param index    number of the unreadable picture in the set of pictures.
 * @param message  why the picture cannot be read; equal to the text of dkvb_last_error().
 * @return 0 from the callback continues the encoding; any other number ends the encoding with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_unreadable_fn)(void *user, uint64_t index, const char *message);

/**
 * Callback that receives the output of every layer of an encoder's network. The library invokes the trace callback
 * after each layer, on the thread that made the call.
 *
 * @param user     the pointer `user` of dkvb_encode_options.
 * @param name     name of the network layer, as listed in docs/encoder.md.
 * @param rows     number of rows of the layer's output.
 * @param columns  number of columns of the layer's output.
 * @param values   `float[rows][columns]`, output of the layer, valid during the callback.
 * @return 0 from the callback continues the encoding; any other number ends the encoding with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_trace_fn)(void *user, const char *name, size_t rows, size_t columns, const float *values);

/** Options of encoding pictures. Callers initialise a `dkvb_encode_options` with `DKVB_ENCODE_OPTIONS_INIT`. */
typedef struct dkvb_encode_options {
    size_t struct_size; /**< size of dkvb_encode_options in bytes, set by DKVB_ENCODE_OPTIONS_INIT */
    /**
     * 1 leaves out pictures that cannot be read; 0 ends the call at the first unreadable picture, with the status of
     * reading this picture.
     */
    uint32_t skip_unreadable;
    /** Number type of the rows in an encoded file: DKVB_DTYPE_F32 (also chosen by 0) or DKVB_DTYPE_F16. */
    uint32_t dtype;
    /** 1 discards rows that an interrupted dkvb_encoder_encode_file() left behind; 0 continues from these rows. */
    uint32_t restart;
    /**
     * Receives `uint8_t[pictures of the call]`, 1 for each picture that was read and 0 for each unreadable picture; or
     * NULL.
     */
    uint8_t *readable;
    dkvb_unreadable_fn unreadable; /**< callback for each picture that cannot be read; or NULL */
    void *user;                    /**< pointer that the callbacks `unreadable` and `trace` receive */
    /**
     * Callback that receives the output of every layer when a single picture is encoded, to compare implementations; or
     * NULL.
     */
    dkvb_trace_fn trace;
} dkvb_encode_options;

/** Initialiser of dkvb_encode_options that gives every member its default. */
#define DKVB_ENCODE_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_encode_options), 0, 0, 0, 0, 0, 0, 0                                                               \
    }
DKVB_INIT_FUNCTION(dkvb_encode_options, DKVB_ENCODE_OPTIONS_INIT)

/**
 * Encode pictures in memory into rows of features. Worker threads of an encoding resize pictures in memory that
 * malloc() gives.
 *
 * @param      encoder  the encoder that encodes the pictures.
 * @param      images   `dkvb_image[n]`, pictures of any size (of one fixed size for the encoder `pixels`), all with the
 *                      same `struct_size`.
 * @param      n        number of pictures to encode.
 * @param[out] x        `float[n][dim]`, rows of features; undefined if the call fails.
 * @param      opts     options of encoding, of which only `trace` is read; NULL for the defaults.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults. The progress callback
 *                      of `run` counts encoded pictures.
 * @return `DKVB_EINVAL` for an invalid argument; `DKVB_EMISMATCH` for a picture of a size that the encoder `pixels`
 *         does not accept; `DKVB_EFORMAT` if weights are so large that a sum is not finite; `DKVB_ECANCELLED`;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode(const dkvb_encoder *encoder, const dkvb_image *images, size_t n,
                                                        float *x, const dkvb_encode_options *opts,
                                                        const dkvb_run_options *run);

/**
 * Encode the pictures `first` to `first + n - 1` of a set into rows of features. All threads of an encoding decode
 * pictures, a few at a time, in memory that malloc() gives.
 *
 * @param      encoder  the encoder that encodes the pictures.
 * @param      set      the set of pictures of which some are encoded.
 * @param      first    number of the first picture to encode, in the set of pictures.
 * @param      n        number of pictures to encode.
 * @param[out] x        `float[n][dim]`, rows of features; rows of pictures that cannot be read are zeros.
 * @param      opts     options of encoding; NULL for the defaults.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults. The progress callback
 *                      of `run` counts encoded pictures.
 * @return any status code of dkvb_encoder_encode(); also `DKVB_ENOTFOUND` if the set has fewer pictures than
 *         `first + n`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode_set(const dkvb_encoder *encoder, const dkvb_imageset *set,
                                                            uint64_t first, size_t n, float *x,
                                                            const dkvb_encode_options *opts,
                                                            const dkvb_run_options *run);

/** Counts of pictures that dkvb_encoder_encode_file() reports. */
typedef struct dkvb_encode_report {
    size_t struct_size;  /**< size of dkvb_encode_report in bytes, set by DKVB_ENCODE_REPORT_INIT */
    uint64_t pictures;   /**< number of pictures in the set that was encoded */
    uint64_t rows;       /**< number of rows in the encoded file, one for each picture that could be read */
    uint64_t unreadable; /**< number of pictures that were left out because they could not be read */
    /** Number of pictures that an interrupted call had already encoded; known from the first progress callback on. */
    uint64_t resumed;
    /** Number of pictures whose rows a failed call kept on disk, from which the next call can continue. */
    uint64_t kept;
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
 * While dkvb_encoder_encode_file() works, the partial file PATH.part holds the finished rows. The partial file
 * PATH.part of an encoding stays if the progress callback stops the call, if the process ends, or if the call fails
 * after long work. A later dkvb_encoder_encode_file() with equal arguments continues from the rows in the partial file
 * PATH.part, and writes the same bytes as an uninterrupted call. A successful dkvb_encoder_encode_file() removes the
 * partial file PATH.part of its encoding. The partial file PATH.part of an encoding is locked, so that two processes do
 * not write to it. A partial file PATH.part is refused if it is a link, belongs to another user, has a second name, or
 * holds rows of other pictures or of another encoder.
 *
 * Ranks of `run` (ranks.h) divide the pictures to encode among them: all ranks call dkvb_encoder_encode_file() with the
 * same set, encoder and options, and each rank encodes some of the pictures. The encoded file has the same bytes for
 * any number of ranks, and an interrupted encoding can be continued by any other number of ranks. Only rank 0 has the
 * encoded file and the partial file of finished rows, and only the `unreadable` callback of rank 0 is invoked. Each
 * rank invokes its own progress callback, which counts the pictures of all ranks, and any rank can stop the call. All
 * ranks get the same array `readable` and the same counts of pictures. dkvb_encoder_encode_file() is refused before
 * work starts if ranks have different pictures, encoders or options. Rank 0 needs up to 64 MB for encoded rows of other
 * ranks, and a rank sends each of its encoded rows once.
 *
 * @param      encoder  the encoder that encodes the pictures.
 * @param      set      the set of pictures to encode.
 * @param      path     path of the `.npy` file to write; must not be a file of the set of pictures.
 * @param      opts     options of encoding, with `readable` as `uint8_t[pictures of the set]`; NULL for the defaults.
 * @param[out] report   receives counts of read and unreadable pictures, also after a failure; or NULL.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults. The progress callback
 *                      of `run` counts the pictures of the set.
 * @return any status code of dkvb_encoder_encode_set() and dkvb_npy_write(); `DKVB_EMISMATCH` if the partial file
 *         PATH.part holds rows of other pictures, of another encoder or another number type, or if ranks were given
 *         different inputs; `DKVB_ESTATE` if another process works on the partial file; `DKVB_EFORMAT` if a file of
 *         another kind has the name PATH.part, or if no picture can be read; `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode_file(const dkvb_encoder *encoder, const dkvb_imageset *set,
                                                             const char *path, const dkvb_encode_options *opts,
                                                             dkvb_encode_report *report, const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
