/**
 * Models: codebooks, a value for every key, class names, the mask in force and
 * the journal of what was forgotten.
 *
 * Threads: one model may be read from many threads at once (every function that
 * takes a `const dkvb_model *`), or changed from one, not both together. Different
 * models are independent, also when they share codebooks.
 */
#ifndef DKVB_MODEL_H
#define DKVB_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "codebooks.h"
#include "export.h"
#include "mask.h"
#include "memory.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dkvb_model dkvb_model;

/** Classes that a model can have. */
#define DKVB_MODEL_CLASSES 1048576u

/** How to build or open a model. Start from `DKVB_MODEL_OPTIONS_INIT`. */
typedef struct dkvb_model_options {
    size_t struct_size;              /**< sizeof(dkvb_model_options), set by INIT */
    uint32_t top_k;                  /**< keys selected in a codebook, 1 to `keys`; a file brings its own */
    const dkvb_allocator *allocator; /**< NULL: malloc and free; copied */
    uint32_t in_place;               /**< 1: dkvb_model_load() maps the file instead of reading it */
} dkvb_model_options;

#define DKVB_MODEL_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_model_options), 1, 0, 0                                                                            \
    }
DKVB_INIT_FUNCTION(dkvb_model_options, DKVB_MODEL_OPTIONS_INIT)

/** What a model is. The caller sets `struct_size`. */
typedef struct dkvb_model_info {
    size_t struct_size;
    uint32_t codebooks;    /**< C */
    uint32_t keys;         /**< K per codebook */
    uint32_t key_dim;      /**< d */
    uint32_t input_dim;    /**< m, the width of a row */
    uint32_t classes;      /**< L */
    uint32_t top_k;        /**< k */
    uint32_t normalize;    /**< 1: rows are scaled to length 1 first */
    uint32_t mapped;       /**< 1: read in place from a file, cannot be changed */
    uint32_t format_major; /**< of the file; the newest that this library writes if made in memory */
    uint32_t format_minor;
    uint64_t masked_pairs; /**< in force, purged ones not counted */
    uint64_t purged_pairs; /**< erased for good */
    uint64_t journal_entries;
    uint64_t rows_trained;    /**< rows seen in training, each epoch counted */
    uint8_t birth[16];        /**< birth id of the codebooks */
    uint32_t values_dtype;    /**< how values are stored: DKVB_DTYPE_F32, _F16 or _BF16 */
    uint32_t class_counts;    /**< 1: counts of each class are kept, see dkvb_model_count_classes() */
    double temperature;       /**< of a row of spread 1, see calibration.h; 1 with power 0: logits as they are */
    double temperature_power; /**< how it follows the spread */
    uint8_t trained[16];      /**< fingerprint of all trainings, zeros if there was none: see dkvb_model_set_values() */
    uint32_t trials;          /**< settings tried to find those of the latest tuned training (fit.h); 0: not tuned */
    const char *encoder;      /**< that was noted, or NULL. Tied to the model, until the note is changed */
} dkvb_model_info;

#define DKVB_MODEL_INFO_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_model_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0, 0, 0, {0}, 0, 0                  \
    }
DKVB_INIT_FUNCTION(dkvb_model_info, DKVB_MODEL_INFO_INIT)

/**
 * An untrained model: all values are 0.
 *
 * @param[out] out        owned by the caller: dkvb_model_free(). NULL on failure.
 * @param      codebooks  frozen; the model becomes one more owner.
 * @param      classes    1 to DKVB_MODEL_CLASSES; more can be added later.
 * @param      opts       NULL for the defaults.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_new(dkvb_model **out, dkvb_codebooks *codebooks, uint32_t classes,
                                                   const dkvb_model_options *opts);

/** Release a model and everything it owns. NULL is a no-op. */
DKVB_API void dkvb_model_free(dkvb_model *model);

/** Shapes, masked pairs, journal length. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_get_info(const dkvb_model *model, dkvb_model_info *info);

/** The model's codebooks, tied to the model: dkvb_codebooks_retain() to keep them longer. Changed by a purge. */
DKVB_API dkvb_codebooks *dkvb_model_codebooks(const dkvb_model *model);

/** Copy the values to `out`, `float[codebooks][keys][classes]`, whatever they are stored in. Purged rows are zeros. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_get_values(const dkvb_model *model, float *out);

/**
 * Replace all values, store them in another type, or both.
 *
 * Replacing values makes the fingerprint `trained` (dkvb_model_info) zeros. Every training makes a new one, of the one
 * before, its options and the ids, labels and codes of its rows, whatever order they were handed over in (unless they
 * were trained on as they came); so equal fingerprints mean the same values, give or take their type.
 *
 * Training is in float32 whatever the type: it widens a copy of the values at its begin and rounds it at its end.
 *
 * @param values  `float[codebooks][keys][classes]`, copied; all must be finite, also in the type that the model stores.
 *                Values of purged pairs stay 0. NULL: as they are.
 * @param dtype   `DKVB_DTYPE_F16`, as new models have, `DKVB_DTYPE_BF16`, or `DKVB_DTYPE_F32` (data.h), which takes
 * twice the memory, in files too (docs/method.md has what is gained). Values are rounded to the nearest, ties to even;
 * the model answers from them as they are stored. 0: the type stays.
 * @return `DKVB_EINVAL` for another type, or naming a value that is too large for it: float16 ends at 65504;
 *         `DKVB_ESTATE`, `DKVB_ENOMEM`. Nothing has changed then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_values(dkvb_model *model, const float *values, uint32_t dtype);

/**
 * Keep what makes the temperatures of rows for probabilities (calibration.h); 1 and 0 in a new model, which leave
 * logits as they are. They change no logits and no label.
 *
 * @return `DKVB_EINVAL` unless they are DKVB_TEMPERATURE_MIN to DKVB_TEMPERATURE_MAX, and at most
 *         DKVB_TEMPERATURE_POWER from 0; `DKVB_ESTATE`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_temperature(dkvb_model *model, double temperature, double power);

/** Append `count` classes with values 0 and no names. Training can go on with them. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_add_classes(dkvb_model *model, uint32_t count);

/**
 * Keep, in the model and its files, how often the rows of each class select each pair, so that a class can be forgotten
 * later by its name alone (choose.h). Counts are added to those that are there, so rows may come in batches. They take
 * four bytes for each class and pair, as much as the values do; dkvb_model_replay() makes them again, a purge drops
 * them.
 *
 * Counts are data about the rows: a count of 1 says that a single row of the class selects the pair
 * (docs/unlearning.md).
 *
 * @param codes   `uint16_t[n][codebooks][k]`, those that the values were trained on, searched without a mask.
 * @param labels  `int32_t[n]`, -1 = ignore.
 * @return `DKVB_EINVAL` naming the row, `DKVB_EMISMATCH`, `DKVB_ESTATE`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_count_classes(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                             const int32_t *labels, size_t n,
                                                             const dkvb_run_options *run);

/**
 * Add the kept counts of a class to `counts`, `uint64_t[codebooks][keys]`, as counting the codes of its rows
 * would.
 *
 * @return `DKVB_ENOTFOUND` if the model keeps none, `DKVB_EINVAL` if there is no such class.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_class_counts(const dkvb_model *model, uint32_t label, uint64_t *counts);

/** Overwrite the kept counts and keep none any more. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_drop_counts(dkvb_model *model);

/**
 * Name a class: UTF-8 without control characters, at most 255 bytes, copied. "" or NULL takes the name away.
 *
 * Names compare by Unicode's canonical equivalence: "ä" as one character is the same as "a" and a diaeresis.
 * `DKVB_EINVAL` if another class is called so: take its name away first.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_class_name(dkvb_model *model, uint32_t label, const char *name);

/**
 * Name the first `count` classes at once, so that names may change places: all are replaced, or none.
 *
 * @param model  NULL: the names are only checked, as they could be those of any model, before there is one.
 * @param names  [count], each as dkvb_model_set_class_name() takes it, none twice; NULL and "" leave a class without.
 * @param which  the place of the name that the message is about; or NULL.
 * @return `DKVB_EINVAL`, also where a class from `count` on has one of the names, or there are fewer classes;
 *         `DKVB_ESTATE`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_class_names(dkvb_model *model, const char *const *names,
                                                               size_t count, size_t *which);

/* What a word may be for dkvb_model_find_class(). */
enum { DKVB_FIND_NAME_OR_INDEX = 0, DKVB_FIND_NAME = 1 };

/**
 * The class that a word means: the one of that name or, if none is called so, the one of that index; "#3" is index 3
 * even where a class is called "3".
 *
 * @param how  DKVB_FIND_…: with DKVB_FIND_NAME an index is no word for a class.
 * @return `DKVB_ENOTFOUND`; `DKVB_EINVAL` if two classes are called so, as files of older libraries may have them.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_find_class(const dkvb_model *model, const char *word, uint32_t how,
                                                          uint32_t *label);

/** Name of a class, or NULL if it has none or does not exist, or if the model is NULL. Tied to the model, until the
 * name is changed. */
DKVB_API const char *dkvb_model_class_name(const dkvb_model *model, uint32_t label);

/**
 * Note which encoder makes the rows of this model: `identity` of dkvb_encoder_info (encoder.h), or what tells encoders
 * of the caller's own apart. UTF-8 without control characters, at most 255 bytes, copied. "" or NULL takes the note
 * away.
 *
 * The library keeps it, in files and through everything that is done to the model, purges too, and compares it with
 * nothing: rows do not say who made them.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_encoder(dkvb_model *model, const char *text);

/**
 * Classify rows: search, decode, argmax.
 *
 * @param      x       `float[n][input_dim]`, finite.
 * @param      n       0 is allowed and touches no buffer.
 * @param[out] labels  `int32_t[n]`, the class with the largest logit, the lowest on a
 *                     tie; -1 (abstain) where nothing was learned behind the row, see
 *                     dkvb_model_decode(). Or NULL.
 * @param[out] logits  `float[n][classes]`, or NULL.
 * Outputs are undefined on failure.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_predict(const dkvb_model *model, const float *x, size_t n,
                                                       int32_t *labels, float *logits, const dkvb_run_options *run);

/**
 * Write the model to a file (docs/format.md), atomically: written under a
 * temporary name beside `path`, flushed to disk, renamed. An old file stays whole
 * until then, and its mode and owner are kept (file.h). Same model, same bytes. `DKVB_ESTATE` during training. A mapped
 * model is verified first.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_save(const dkvb_model *model, const char *path);

/**
 * Open a model file.
 *
 * Into memory, to use and to change: everything is checked, sizes, checksums, every float.
 *
 * With `in_place` of the options, to use only: calls that would change it return `DKVB_ESTATE`. Many processes share
 * one copy in memory. Header, section table and the small sections are checked; keys and values are not read until they
 * are needed, and whatever lies in them cannot make the library touch memory outside: dkvb_model_verify() checks them
 * on request. A file that leaves out rows of values, because many keys were never selected or are purged, has its
 * values read into memory of the model's own. The file must not shrink meanwhile (replacing it by dkvb_model_save() is
 * fine).
 *
 * @param opts  NULL for the defaults; `top_k` is not used.
 * @return `DKVB_EIO`, `DKVB_EFORMAT`, `DKVB_ECHECKSUM`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_load(dkvb_model **out, const char *path, const dkvb_model_options *opts);

/** Read only the header and the small sections of a model file. `encoder` is NULL, since no model is left to own it. */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_inspect(const char *path, dkvb_model_info *info);

/**
 * Check a model: checksums of every section if it is mapped, every float, the journal against the mask, its chain of
 * hashes, and its commitments to pairs as far as their salts are kept.
 *
 * @return `DKVB_OK`, `DKVB_ECHECKSUM` or `DKVB_EFORMAT` with what was found.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_verify(const dkvb_model *model);

#ifdef __cplusplus
}
#endif

#endif
