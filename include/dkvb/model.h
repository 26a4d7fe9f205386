/**
 * @file
 * @brief Models: codebooks, a value for every key, class names, the mask in force, and the journal of forgetting.
 *
 * Threads: several threads may read one model at once; every function that takes a `const dkvb_model *` reads. Only one
 * thread may change a model, and no other thread may use the model meanwhile. Different models are independent, even if
 * they share codebooks.
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

/** @defgroup dkvb_model Models
 *  @{ */

/** A model. The caller owns it through a pointer, and dkvb_model_free() releases it. */
typedef struct dkvb_model dkvb_model;

/** Largest number of classes of a model. */
#define DKVB_MODEL_CLASSES 1048576u

struct dkvb_ranks; /* ranks.h */

/** Options for creating or opening a model. They start from `DKVB_MODEL_OPTIONS_INIT`. */
typedef struct dkvb_model_options {
    size_t struct_size;              /**< sizeof(dkvb_model_options), set by INIT */
    uint32_t top_k;                  /**< number of keys selected per codebook, 1 to `keys`; ignored for files */
    const dkvb_allocator *allocator; /**< allocator, copied; NULL: malloc() and free() */
    uint32_t in_place;               /**< 1: dkvb_model_load() maps the file instead of reading it */
    const struct dkvb_ranks *ranks;  /**< dkvb_model_load() shares the model among these ranks (ranks.h); NULL: none */
} dkvb_model_options;

/** Defaults of dkvb_model_options. */
#define DKVB_MODEL_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_model_options), 1, 0, 0, 0                                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_model_options, DKVB_MODEL_OPTIONS_INIT)

/** Properties of a model. The caller sets `struct_size`. */
typedef struct dkvb_model_info {
    size_t struct_size;       /**< sizeof(dkvb_model_info), set by INIT */
    uint32_t codebooks;       /**< number of codebooks (C) */
    uint32_t keys;            /**< number of keys per codebook (K) */
    uint32_t key_dim;         /**< length of a key (d) */
    uint32_t input_dim;       /**< length of a row of features (m) */
    uint32_t classes;         /**< number of classes (L) */
    uint32_t top_k;           /**< number of keys selected per codebook (k) */
    uint32_t normalize;       /**< 1: the model scales each row to length 1 first */
    uint32_t mapped;          /**< 1: the model is read in place from a file and cannot be changed */
    uint32_t format_major;    /**< major version of the file format; for a model made in memory the newest version */
    uint32_t format_minor;    /**< minor version of the file format */
    uint64_t masked_pairs;    /**< number of masked pairs, without purged pairs */
    uint64_t purged_pairs;    /**< number of pairs that were erased for good */
    uint64_t journal_entries; /**< number of entries in the journal */
    uint64_t rows_trained;    /**< number of rows that training has seen; each epoch counts */
    uint8_t birth[16];        /**< birth id of the codebooks */
    uint32_t values_dtype;    /**< number type of the stored values: DKVB_DTYPE_F32, _F16 or _BF16 */
    uint32_t class_counts;    /**< 1: the model keeps counts of each class, see dkvb_model_count_classes() */
    double temperature;       /**< temperature of a row whose logits have spread 1 (calibration.h) */
    double temperature_power; /**< power of the spread in the temperature; temperature 1 and power 0 change nothing */
    uint8_t trained[16];      /**< fingerprint of all trainings, see dkvb_model_set_values(); zeros: no training */
    uint32_t trials;          /**< number of settings that the latest tuned training tried (fit.h); 0: not tuned */
    const char *encoder;      /**< noted encoder, or NULL; valid until the note changes or the model is freed */
} dkvb_model_info;

/** Defaults of dkvb_model_info. */
#define DKVB_MODEL_INFO_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_model_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0, 0, 0, {0}, 0, 0                  \
    }
DKVB_INIT_FUNCTION(dkvb_model_info, DKVB_MODEL_INFO_INIT)

/**
 * Create an untrained model. All its values are 0.
 *
 * @param[out] out        the model, owned by the caller: dkvb_model_free(). NULL on failure.
 * @param      codebooks  frozen codebooks; the model becomes one more owner of them.
 * @param      classes    number of classes, 1 to DKVB_MODEL_CLASSES; dkvb_model_add_classes() adds more later.
 * @param      opts       options; NULL for the defaults.
 * @return `DKVB_EINVAL` for an argument out of range; `DKVB_ESTATE` if the codebooks are not frozen; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_new(dkvb_model **out, dkvb_codebooks *codebooks, uint32_t classes,
                                                   const dkvb_model_options *opts);

/**
 * Release a model and everything that it owns.
 *
 * @param model  the model; NULL does nothing.
 */
DKVB_API void dkvb_model_free(dkvb_model *model);

/**
 * Read the properties of a model: shapes, masked pairs, length of the journal, and more.
 *
 * @param      model  the model.
 * @param[out] info   properties; the caller sets `struct_size`.
 * @return `DKVB_EINVAL` if `struct_size` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_get_info(const dkvb_model *model, dkvb_model_info *info);

/**
 * Codebooks of a model.
 *
 * @param model  the model.
 * @return the codebooks, owned by the model; dkvb_codebooks_retain() keeps them longer. A purge replaces them.
 */
DKVB_API dkvb_codebooks *dkvb_model_codebooks(const dkvb_model *model);

/**
 * Copy the values of a model as float32, whatever number type the model stores. Values of purged pairs are 0.
 *
 * @param      model  the model.
 * @param[out] out    `float[codebooks][keys][classes]`.
 * @return `DKVB_OK`; this call cannot fail.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_get_values(const dkvb_model *model, float *out);

/**
 * Replace all values, change the number type in which values are stored, or both.
 *
 * Replacing values sets the fingerprint `trained` of dkvb_model_info to zeros. Every training makes a new fingerprint
 * from the previous fingerprint, from its options, and from the ids, labels and codes of its rows. The order in which
 * the caller hands over the rows does not enter the fingerprint, unless the rows were trained in that order. So equal
 * fingerprints mean equal values, except for their number type.
 *
 * Training always computes in float32: it widens a copy of the values at its begin and rounds the copy at its end.
 *
 * @param model   the model.
 * @param values  `float[codebooks][keys][classes]`, copied. All must be finite, also in the number type of the model.
 *                Values of purged pairs stay 0. NULL: the values stay.
 * @param dtype   `DKVB_DTYPE_F16` (the type of new models), `DKVB_DTYPE_BF16`, or `DKVB_DTYPE_F32` (data.h), which
 *                doubles the memory of the values, in files too (docs/method.md compares the types). 0: the type stays.
 *                Values are rounded to the nearest number, ties to even. The model answers from the rounded values.
 * @return `DKVB_EINVAL` for another type, or for a value that is too large for the type (the message names the value;
 *         float16 ends at 65504); `DKVB_ESTATE`; `DKVB_ENOMEM`. A failed call changes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_values(dkvb_model *model, const float *values, uint32_t dtype);

/**
 * Set the temperature and its power, from which a model computes probabilities (calibration.h).
 *
 * A new model has temperature 1 and power 0, which leave logits as they are. Temperatures change no logits and no
 * label.
 *
 * @param model        the model.
 * @param temperature  DKVB_TEMPERATURE_MIN to DKVB_TEMPERATURE_MAX.
 * @param power        -DKVB_TEMPERATURE_POWER to DKVB_TEMPERATURE_POWER.
 * @return `DKVB_EINVAL` for a number out of range; `DKVB_ESTATE`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_temperature(dkvb_model *model, double temperature, double power);

/**
 * Append classes to a model. Their values are 0, and they have no names. Training can go on with them.
 *
 * @param model  the model.
 * @param count  number of new classes.
 * @return `DKVB_EINVAL` if there would be too many classes; `DKVB_ESTATE`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_add_classes(dkvb_model *model, uint32_t count);

/**
 * Count how often the rows of each class select each pair, and keep these counts in the model and its files.
 *
 * With kept counts, a class can be forgotten later by its name alone (choose.h). New counts are added to the kept
 * counts, so rows may come in batches. The counts take four bytes for each class and pair. dkvb_model_replay() counts
 * again, and a purge removes all counts.
 *
 * Counts are data about the rows: a count of 1 says that a single row of the class selects the pair
 * (docs/unlearning.md).
 *
 * @param model   the model.
 * @param codes   `uint16_t[n][codebooks][k]`, the codes that the values were trained on, searched without a mask.
 * @param k       number of keys per codebook in `codes`.
 * @param labels  `int32_t[n]`; rows with label -1 are ignored.
 * @param n       number of rows.
 * @param run     run options; NULL for the defaults.
 * @return `DKVB_EINVAL` naming the row; `DKVB_EMISMATCH`; `DKVB_ESTATE`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_count_classes(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                             const int32_t *labels, size_t n,
                                                             const dkvb_run_options *run);

/**
 * Add the kept counts of one class to an array. Counting the codes of the rows of the class would add the same numbers.
 *
 * @param         model   the model.
 * @param         label   index of the class.
 * @param[in,out] counts  `uint64_t[codebooks][keys]`.
 * @return `DKVB_ENOTFOUND` if the model keeps no counts; `DKVB_EINVAL` if the class does not exist.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_class_counts(const dkvb_model *model, uint32_t label, uint64_t *counts);

/**
 * Overwrite and remove the kept counts. The model keeps no counts afterwards.
 *
 * @param model  the model.
 * @return `DKVB_ESTATE` if the model is mapped or in training.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_drop_counts(dkvb_model *model);

/**
 * Name a class.
 *
 * Names compare by Unicode's canonical equivalence: "ä" as one character equals "a" followed by a combining diaeresis.
 *
 * @param model  the model.
 * @param label  index of the class.
 * @param name   UTF-8 without control characters, at most 255 bytes, copied. "" or NULL removes the name.
 * @return `DKVB_EINVAL` if the name is not allowed or another class has this name; `DKVB_ESTATE`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_class_name(dkvb_model *model, uint32_t label, const char *name);

/**
 * Name the first `count` classes in one call. Either all these names are replaced, or none. So classes can exchange
 * their names.
 *
 * @param      model  the model. NULL: the names are only checked, before any model exists.
 * @param      names  `[count]`, names as for dkvb_model_set_class_name(), each at most once; NULL or "": no name.
 * @param      count  number of names.
 * @param[out] which  index of the name that the error message is about; or NULL.
 * @return `DKVB_EINVAL`, also if a class with index `count` or more has one of the names, or if the model has fewer
 *         classes; `DKVB_ESTATE`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_class_names(dkvb_model *model, const char *const *names,
                                                               size_t count, size_t *which);

/** Kinds of words that dkvb_model_find_class() accepts: names and indices, or names only. */
enum { DKVB_FIND_NAME_OR_INDEX = 0, DKVB_FIND_NAME = 1 };

/**
 * Find the class that a word names.
 *
 * A word is first compared with the names of classes. A word that is no name counts as an index. The word "#3" means
 * index 3 even if a class has the name "3".
 *
 * @param      model  the model.
 * @param      word   name or index of the class.
 * @param      how    DKVB_FIND_NAME_OR_INDEX, or DKVB_FIND_NAME, which accepts no index.
 * @param[out] label  index of the class.
 * @return `DKVB_ENOTFOUND` if no class fits; `DKVB_EINVAL` if two classes have this name, which files of older
 * libraries allow.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_find_class(const dkvb_model *model, const char *word, uint32_t how,
                                                          uint32_t *label);

/**
 * Name of a class.
 *
 * @param model  the model; or NULL.
 * @param label  index of the class.
 * @return the name, valid until the name changes or the model is freed; NULL if the class has no name or does not
 * exist, or if the model is NULL.
 */
DKVB_API const char *dkvb_model_class_name(const dkvb_model *model, uint32_t label);

/**
 * Name all columns of a row, so that a table can be matched to a model by its header.
 *
 * The library keeps the names in model files and through every change of the model, purges included. The library does
 * not check rows against the names: `float[n][input_dim]` has none. Either all columns have names or no column has one.
 *
 * @param model  the model. NULL: the names are only checked, before any model exists.
 * @param names  `[count]`, UTF-8 without control characters, 1 to 255 bytes, copied. Each name is given once; names
 *               compare as for dkvb_model_set_class_name().
 * @param count  `input_dim` of dkvb_model_info; or 0, which removes all names.
 * @return `DKVB_EINVAL` naming the column; `DKVB_ESTATE` if the model is mapped or in training; `DKVB_ENOMEM`. A failed
 *         call changes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_column_names(dkvb_model *model, const char *const *names,
                                                                size_t count);

/**
 * Name of a column of the rows.
 *
 * @param model   the model; or NULL.
 * @param column  index of the column, 0 to `input_dim` - 1.
 * @return the name, valid until the names change or the model is freed; NULL if the columns have no names, if there is
 * no such column, or if the model is NULL.
 */
DKVB_API const char *dkvb_model_column_name(const dkvb_model *model, uint32_t column);

/**
 * Note which encoder makes the rows of this model.
 *
 * The note can be `identity` of dkvb_encoder_info (encoder.h), or any text that tells the caller's own encoders apart.
 * The library keeps the note in model files and through every change of the model, purges included. The library does
 * not check the note, since rows do not say which encoder made them.
 *
 * @param model  the model.
 * @param text   UTF-8 without control characters, at most 255 bytes, copied. "" or NULL removes the note.
 * @return `DKVB_EINVAL` if the text is not allowed; `DKVB_ESTATE`; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_encoder(dkvb_model *model, const char *text);

/**
 * Classify rows: search the code of each row, compute the logits, and take the class with the largest logit.
 *
 * @param      model   the model.
 * @param      x       `float[n][input_dim]`, finite.
 * @param      n       number of rows; with 0 the call touches no buffer.
 * @param[out] labels  `int32_t[n]`, or NULL. Class with the largest logit, the lowest index on a tie; -1 (no answer)
 *                     where no selected pair has learned anything, see dkvb_model_decode().
 * @param[out] logits  `float[n][classes]`, or NULL.
 * @param      run     run options; NULL for the defaults.
 * @return `DKVB_EINVAL` naming the row, `DKVB_ENOMEM`, `DKVB_ECANCELLED`. A failed call leaves the outputs undefined.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_predict(const dkvb_model *model, const float *x, size_t n,
                                                       int32_t *labels, float *logits, const dkvb_run_options *run);

/**
 * Write a model to a file (docs/format.md), atomically.
 *
 * An old file of this name stays whole until the new file is on disk; the new file keeps its mode and owner (file.h).
 * Equal models give files of equal bytes. A mapped model is verified before it is written.
 *
 * @param model  the model.
 * @param path   file to write.
 * @return `DKVB_ESTATE` during training; `DKVB_EIO`; `DKVB_ENOMEM`; `DKVB_ECHECKSUM` or `DKVB_EFORMAT` if a mapped
 *         model is damaged.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_save(const dkvb_model *model, const char *path);

/**
 * Open a model file.
 *
 * Without `in_place` the file is read into memory, and the model can be used and changed. The library then checks
 * everything: sizes, checksums, and that every float is finite.
 *
 * With `in_place` the file is mapped, and the model can be used but not changed: calls that would change it return
 * `DKVB_ESTATE`. Many processes share one mapped copy in memory. The library checks the header, the section table and
 * the small sections. The library reads keys and values only when it needs them. Damaged keys or values cannot make the
 * library touch memory outside the file; dkvb_model_verify() checks them. A file may leave out rows of values of keys
 * that were never selected or are purged; the values of such a file are read into memory. A mapped file must not shrink
 * while the model is open. Replacing the file by dkvb_model_save() is safe.
 *
 * @param[out] out   the model, owned by the caller: dkvb_model_free(). NULL on failure.
 * @param      path  model file.
 * @param      opts  options; NULL for the defaults. `top_k` is not used.
 * @return `DKVB_EIO`, `DKVB_EFORMAT`, `DKVB_ECHECKSUM`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_load(dkvb_model **out, const char *path, const dkvb_model_options *opts);

/**
 * Read the properties of a model file from its header and small sections only.
 *
 * @param      path  model file.
 * @param[out] info  properties; `encoder` is always NULL, since no model owns the text.
 * @return `DKVB_EIO`, `DKVB_EFORMAT`, `DKVB_ECHECKSUM`, `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_inspect(const char *path, dkvb_model_info *info);

/**
 * Check a model.
 *
 * The check covers the checksums of all sections of a mapped model, every float, the journal against the mask, the hash
 * chain of the journal, and the commitments to pairs whose salts the model still has.
 *
 * @param model  the model.
 * @return `DKVB_OK`; `DKVB_ECHECKSUM` or `DKVB_EFORMAT` with a message that says what was found.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_verify(const dkvb_model *model);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
