/**
 * Encoders: pictures in, rows of features out. All are frozen: nothing here learns.
 *
 * The same picture gives the same row, bit for bit, whatever the number of threads, the processor, and the pictures
 * that are encoded beside it. docs/encoder.md has dimensions, tensor names and each step of preprocessing.
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

/** An encoder, read-only after opening: any number of threads may use one, each call with its own memory. */
typedef struct dkvb_encoder dkvb_encoder;

/* Kinds of encoders. Values are part of the ABI. */
enum {
    DKVB_ENCODER_REMEMBERED = 0, /**< for dkvb_encoder_open(): the kind that the options' `remembered` says */
    DKVB_ENCODER_PIXELS = 1,     /**< each value / 255, as the picture lies in memory; pictures of one size only */
    DKVB_ENCODER_DESCRIPTOR = 2, /**< gradients and colours on a grid; needs no weights */
    DKVB_ENCODER_CLIP = 3,       /**< the vision transformer of CLIP, with its projection */
    DKVB_ENCODER_RESNET50 = 4    /**< ResNet-50 of torchvision, up to the global average pool */
};

/* How the tensors of a weights file are named. */
enum {
    DKVB_LAYOUT_NONE = 0,
    DKVB_LAYOUT_HUGGINGFACE = 1, /**< vision_model.…, visual_projection.weight */
    DKVB_LAYOUT_OPENAI = 2,      /**< visual.…: OpenAI and OpenCLIP */
    DKVB_LAYOUT_TORCHVISION = 3  /**< conv1, bn1, layer1 … */
};

/* What stands between the two matrices of a transformer's block. */
enum {
    DKVB_ACTIVATION_NONE = 0,
    DKVB_ACTIVATION_QUICK_GELU = 1, /**< x * sigmoid(1.702 x): OpenAI's weights */
    DKVB_ACTIVATION_GELU = 2        /**< x * Phi(x), by erf: most of OpenCLIP's weights */
};

typedef struct dkvb_encoder_options {
    size_t struct_size;
    const char *weights; /**< .safetensors file of CLIP and ResNet-50; NULL for the others */
    const char *config;  /**< CLIP: config.json; NULL: that beside the weights, if there is one. For the others NULL */
    uint32_t activation; /**< CLIP: DKVB_ACTIVATION_…; 0: as the config says, else quick GELU */
    uint32_t heads;      /**< CLIP: attention heads; 0: as the config says, else width / 64 */
    uint32_t width;      /**< pixels: of every picture; 0: as in `set` */
    uint32_t height;     /**< likewise */
    uint32_t channels;   /**< likewise, 1 or 3 */
    uint32_t upright;    /**< 1: turn pictures as their orientation says; the identity then ends in "+exif" */
    const dkvb_allocator *allocator; /**< NULL: malloc and free */

    const dkvb_imageset *set;  /**< pixels: whose pictures say the size: all of them, or the first; else NULL */
    const char *remembered;    /**< identity that a model remembers, dkvb_model_encoder(): any other encoder is refused,
                                  and the message says what differs; NULL: none */
    const char *remembered_by; /**< who does, in messages: the file of the model; NULL: "the model" */
    uint32_t dim;              /**< columns that rows must have, of the model; 0: any */
} dkvb_encoder_options;

#define DKVB_ENCODER_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_encoder_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                            \
    }
DKVB_INIT_FUNCTION(dkvb_encoder_options, DKVB_ENCODER_OPTIONS_INIT)

/**
 * Open an encoder.
 *
 * @param kind  DKVB_ENCODER_…. DKVB_ENCODER_REMEMBERED opens the encoder of `opts->remembered`, and turns pictures
 *              upright if that one did.
 * @param opts  NULL: defaults.
 * @return `DKVB_EINVAL`, also where a kind that needs weights got none; `DKVB_EIO`, `DKVB_EFORMAT` with the name of the
 *         tensor, what was found and what was wanted; `DKVB_EMISMATCH` for other rows than those remembered;
 *         `DKVB_ENOTFOUND` if nothing is remembered, or no encoder of this version; `DKVB_ESTATE` if this build reads
 *         no weights; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_open(dkvb_encoder **out, uint32_t kind,
                                                      const dkvb_encoder_options *opts);

/** NULL is a no-op. */
DKVB_API void dkvb_encoder_free(dkvb_encoder *encoder);

/** Longest identity of an encoder, with the final 0. */
#define DKVB_ENCODER_IDENTITY_SIZE 64

/** What an encoder is. Fields that a kind has no use for are 0. */
typedef struct dkvb_encoder_info {
    size_t struct_size;
    uint32_t kind;       /**< DKVB_ENCODER_… */
    uint32_t dim;        /**< columns of a row */
    uint32_t shorter;    /**< the shorter side that pictures are resized to; 0: they are not */
    uint32_t crop;       /**< side of the square cut out of that */
    uint32_t filter;     /**< DKVB_FILTER_… */
    uint32_t layout;     /**< DKVB_LAYOUT_… */
    uint32_t patch;      /**< CLIP: side of a patch */
    uint32_t width;      /**< CLIP: of a token */
    uint32_t layers;     /**< CLIP: blocks */
    uint32_t heads;      /**< CLIP: attention heads */
    uint32_t activation; /**< CLIP: DKVB_ACTIVATION_… */
    uint32_t guessed;    /**< CLIP: 1 if no config and no option said the activation: it may be another */
    uint32_t upright;    /**< 1 if pictures are turned as their orientation says */

    /**
     * A short text that is the same for two encoders exactly if they give the same rows: kind and version, and a
     * checksum of the weights as they are used, so not of the layout they came in. Of `pixels` it is the kind alone:
     * what size they take, the number of columns and the pictures say. "+exif" ends it if pictures are turned upright.
     * A model remembers it: dkvb_model_set_encoder().
     */
    char identity[DKVB_ENCODER_IDENTITY_SIZE];
} dkvb_encoder_info;

#define DKVB_ENCODER_INFO_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_encoder_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                                              \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_encoder_info, DKVB_ENCODER_INFO_INIT)

/** `struct_size` must be set. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_get_info(const dkvb_encoder *encoder, dkvb_encoder_info *info);

/**
 * Told of a picture that cannot be read, on the thread that made the call, in the order of the set, before it is left
 * out or ends the call. `message` is that of dkvb_last_error(). Return 0 to go on; anything else ends the call with
 * `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_unreadable_fn)(void *user, uint64_t index, const char *message);

/**
 * Told what a network holds between its layers, on the thread that made the call: float[rows][columns], valid during
 * the call. `name` is that of docs/encoder.md. Return 0 to go on; anything else ends the call with `DKVB_ECANCELLED`.
 */
typedef int (*dkvb_trace_fn)(void *user, const char *name, size_t rows, size_t columns, const float *values);

/** How pictures are encoded. */
typedef struct dkvb_encode_options {
    size_t struct_size;
    uint32_t skip_unreadable; /**< 1: pictures that cannot be read are left out; 0: the first one ends the call with
                                 what reading it gave */
    uint32_t dtype;           /**< of a file: DKVB_DTYPE_F32 (as 0) or DKVB_DTYPE_F16 */
    uint32_t restart;         /**< of a file: 1: begin anew, whatever an interrupted call has left */
    uint8_t *readable;        /**< uint8[pictures of the call], out, or NULL: 0 where the picture could not be read */
    dkvb_unreadable_fn unreadable; /**< told of each, or NULL */
    void *user;                    /**< handed to `unreadable` and `trace` */
    dkvb_trace_fn trace;           /**< of one picture: told of every layer, to compare with another implementation */
} dkvb_encode_options;

#define DKVB_ENCODE_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(dkvb_encode_options), 0, 0, 0, 0, 0, 0, 0                                                               \
    }
DKVB_INIT_FUNCTION(dkvb_encode_options, DKVB_ENCODE_OPTIONS_INIT)

/**
 * Encode pictures.
 *
 * @param images  n pictures of any size (for `pixels`: of its size), all with the same struct_size.
 * @param x       float[n][dim], out. Undefined after a failure.
 * @param opts    NULL: defaults. Of pictures in memory only `trace` is looked at.
 * @param run     NULL: defaults. Progress counts pictures.
 * @return `DKVB_EINVAL`, `DKVB_EMISMATCH` for a picture of a size that `pixels` does not take, `DKVB_EFORMAT` if
 *         the weights are so large that a sum is not finite, `DKVB_ECANCELLED`, `DKVB_ENOMEM`. Pictures are fitted
 *         by workers, in memory from malloc().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode(const dkvb_encoder *encoder, const dkvb_image *images, size_t n,
                                                        float *x, const dkvb_encode_options *opts,
                                                        const dkvb_run_options *run);

/**
 * Encode the pictures `first` to `first + n - 1` of a set; they are decoded on all threads, a few at a time.
 *
 * @param x     float[n][dim], out: rows of unreadable pictures are zeros.
 * @param opts  NULL: defaults.
 * @return as dkvb_encoder_encode(); `DKVB_ENOTFOUND` if the set has fewer pictures.
 *
 * Workers take memory for decoding from malloc().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode_set(const dkvb_encoder *encoder, const dkvb_imageset *set,
                                                            uint64_t first, size_t n, float *x,
                                                            const dkvb_encode_options *opts,
                                                            const dkvb_run_options *run);

/** What dkvb_encoder_encode_file() did. */
typedef struct dkvb_encode_report {
    size_t struct_size;
    uint64_t pictures;   /**< of the set */
    uint64_t rows;       /**< in the file: pictures that could be read */
    uint64_t unreadable; /**< pictures left out */
    uint64_t resumed;    /**< pictures that an interrupted call had encoded before; known from the first progress on */
    uint64_t kept;       /**< after a failure: pictures that wait in PATH.part for the same call to go on from */
} dkvb_encode_report;

#define DKVB_ENCODE_REPORT_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_encode_report), 0, 0, 0, 0, 0                                                                      \
    }
DKVB_INIT_FUNCTION(dkvb_encode_report, DKVB_ENCODE_REPORT_INIT)

/**
 * Encode all pictures of a set into a `.npy` file, float[rows][dim], a row for each picture that can be read.
 *
 * Rows are kept in PATH.part while the work goes on. A call that was stopped by its progress callback, by the end of
 * the process, or after long work by a failure, leaves that file, and the same call goes on from there; it ends with
 * the same bytes. Success removes it. It is locked, so that two processes do not write one, and never a link, a file of
 * another user or one with a second name. It must not be made of other pictures, or by another encoder.
 *
 * @param path    no file of the set.
 * @param opts    NULL: defaults. `readable`: uint8[pictures of the set].
 * @param report  out, or NULL. Also after a failure.
 * @param run     progress counts the pictures of the set.
 * @return as dkvb_encoder_encode_set() and dkvb_npy_write(); `DKVB_EMISMATCH` if PATH.part holds rows of other
 *         pictures, of another encoder or type; `DKVB_ESTATE` if another process is at work on it; `DKVB_EFORMAT` if it
 *         is another file, or no picture can be read; `DKVB_EIO`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_encoder_encode_file(const dkvb_encoder *encoder, const dkvb_imageset *set,
                                                             const char *path, const dkvb_encode_options *opts,
                                                             dkvb_encode_report *report, const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
