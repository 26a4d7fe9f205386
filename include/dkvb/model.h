/**
 * @file
 * @brief Models: a model has codebooks, a value for every key, class names, a mask in force, and a journal of forget
 * operations.
 *
 * Several threads may read one model at once; every function that takes a `const dkvb_model *` only reads the model.
 * Only one thread may change a model, and no other thread may use the model at the same time. Different models are
 * independent, even if they share codebooks.
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

/** Handle of a model, owned by the caller, who releases it with dkvb_model_free(). */
typedef struct dkvb_model dkvb_model;

/** Largest number of classes of a model. */
#define DKVB_MODEL_CLASSES 1048576u

struct dkvb_ranks; /* ranks.h */

/**
 * Options of dkvb_model_new() and dkvb_model_load(). Callers initialise the model options with
 * `DKVB_MODEL_OPTIONS_INIT`.
 */
typedef struct dkvb_model_options {
    size_t struct_size; /**< size of dkvb_model_options in bytes, set by DKVB_MODEL_OPTIONS_INIT */
    /**
     * Number of keys that a row selects per codebook, 1 to the number of keys in a codebook; ignored by
     * dkvb_model_load().
     */
    uint32_t top_k;
    /** Allocator for the model, which the library copies; NULL stands for malloc() and free(). */
    const dkvb_allocator *allocator;
    /** 1 makes dkvb_model_load() map the model file into memory instead of reading it. */
    uint32_t in_place;
    /** Ranks (ranks.h) over which dkvb_model_load() distributes the model; NULL for a single process. */
    const struct dkvb_ranks *ranks;
} dkvb_model_options;

/** Initialiser of dkvb_model_options that gives every member its default. */
#define DKVB_MODEL_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(dkvb_model_options), 1, 0, 0, 0                                                                         \
    }
DKVB_INIT_FUNCTION(dkvb_model_options, DKVB_MODEL_OPTIONS_INIT)

/**
 * Properties of a model, filled in by dkvb_model_get_info(). Callers initialise the struct with `DKVB_MODEL_INFO_INIT`.
 */
typedef struct dkvb_model_info {
    size_t struct_size; /**< size of dkvb_model_info in bytes, set by DKVB_MODEL_INFO_INIT */
    uint32_t codebooks; /**< number of codebooks of the model (C) */
    uint32_t keys;      /**< number of keys per codebook of the model (K) */
    uint32_t key_dim;   /**< length of a key of the model (d) */
    uint32_t input_dim; /**< number of features in a row that the model classifies (m) */
    uint32_t classes;   /**< number of classes of the model (L) */
    uint32_t top_k;     /**< number of keys that a row selects per codebook (k) */
    uint32_t normalize; /**< 1 if the model scales each row to length 1 before projecting the row */
    uint32_t mapped;    /**< 1 if the model was opened memory-mapped from its file, and cannot be changed */
    /** Major version of the model's file format; the newest version for a model made in memory. */
    uint32_t format_major;
    uint32_t format_minor; /**< minor version of the model's file format */
    uint64_t masked_pairs; /**< number of masked pairs of the model, not counting purged pairs */
    /** Number of masked (codebook, key) pairs of the model that were erased for good (purged). */
    uint64_t purged_pairs;
    uint64_t journal_entries; /**< number of entries in the journal of the model */
    uint64_t rows_trained;    /**< number of rows that the model was trained on, counted once for each epoch */
    uint8_t birth[16];        /**< birth id (permanent identifier) of the model's codebooks */
    /** Number type of the model's stored values: DKVB_DTYPE_F32, DKVB_DTYPE_F16 or DKVB_DTYPE_BF16. */
    uint32_t values_dtype;
    /** 1 if the model keeps, for each class, counts of the selected pairs (dkvb_model_count_classes()). */
    uint32_t class_counts;
    /**
     * Softmax temperature of the model for a row whose spread (largest logit minus mean logit) is 1 (calibration.h).
     */
    double temperature;
    /**
     * Exponent `power` in `temperature * spread^power`, the divisor of a row's logits before the softmax, where
     * `spread` is the largest logit minus the mean logit (calibration.h); temperature 1 and power 0 leave logits
     * unchanged.
     */
    double temperature_power;
    /** Fingerprint of all trainings of the model, see dkvb_model_set_values(); zeros if the model was never trained. */
    uint8_t trained[16];
    /**
     * Number of settings that dkvb_tune() tried before the latest training of the model (fit.h); 0 if the training was
     * not tuned.
     */
    uint32_t trials;
    /**
     * Note that names the encoder of the model, valid until the note changes or the model is freed; NULL if the model
     * has no such note.
     */
    const char *encoder;
} dkvb_model_info;

/** Initialiser of dkvb_model_info that gives every member its default. */
#define DKVB_MODEL_INFO_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(dkvb_model_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0, 0, 0, {0}, 0, 0                  \
    }
DKVB_INIT_FUNCTION(dkvb_model_info, DKVB_MODEL_INFO_INIT)

/**
 * Create an untrained model, whose values are all 0.
 *
 * @param[out] out        receives the new model, which the caller releases with dkvb_model_free(); NULL on failure.
 * @param      codebooks  frozen codebooks of the new model; the model becomes one more owner of the codebooks.
 * @param      classes    number of classes of the new model, 1 to DKVB_MODEL_CLASSES; dkvb_model_add_classes() adds
 *                        more classes later.
 * @param      opts       options of the new model; NULL for the defaults.
 * @return `DKVB_EINVAL` for an argument out of range; `DKVB_ESTATE` if the codebooks of the new model are not frozen;
 *         `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_new(dkvb_model **out, dkvb_codebooks *codebooks, uint32_t classes,
                                                   const dkvb_model_options *opts);

/**
 * Release a model and everything that it owns.
 *
 * @param model  model to release; NULL does nothing.
 */
DKVB_API void dkvb_model_free(dkvb_model *model);

/**
 * Read the properties of a model: shapes, masked pairs, length of the journal, and more.
 *
 * @param      model  the model.
 * @param[out] info   receives the properties of the model; the caller sets its member `struct_size` before the call.
 * @return `DKVB_EINVAL` if the member `struct_size` of `info` is too small.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_get_info(const dkvb_model *model, dkvb_model_info *info);

/**
 * Get the codebooks of a model.
 *
 * @param model  the model.
 * @return the codebooks of the model, which the model owns. dkvb_codebooks_retain() keeps the codebooks of a model
 *         after the model is freed, or after a purge gave the model new codebooks.
 */
DKVB_API dkvb_codebooks *dkvb_model_codebooks(const dkvb_model *model);

/**
 * Copy the values of a model as float32, whatever number type the model stores them in. In the copy of the values, the
 * values of purged (erased) pairs are 0.
 *
 * @param      model  the model.
 * @param[out] out    `float[codebooks][keys][classes]`, receives the values of the model.
 * @return always `DKVB_OK`, since copying the values of a model cannot fail.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_get_values(const dkvb_model *model, float *out);

/**
 * Replace all values of a model, change the number type of the stored values, or both.
 *
 * Replacing values sets the fingerprint `trained` of dkvb_model_info to zeros. Every training of a model makes a new
 * fingerprint from the previous fingerprint, from the training options, and from the ids, labels and codes of the
 * training rows. The order in which the caller gives the training rows does not enter the fingerprint of a model,
 * unless the training option `no_shuffle` trained the rows in that order. Two models with equal fingerprints have equal
 * values, except for the number type of the values.
 *
 * Training always computes in float32: a training widens a copy of the values when it begins, and rounds the copy when
 * it ends.
 *
 * @param model   the model.
 * @param values  `float[codebooks][keys][classes]`, new values of the model, which the library copies; NULL leaves the
 *                values unchanged. All values in the array `values` must be finite, also after rounding to the number
 *                type of the model. Values of purged (erased) pairs stay 0 when dkvb_model_set_values() replaces the
 *                other values.
 * @param dtype   number type of the stored values (data.h): `DKVB_DTYPE_F16` (the type of new models),
 *                `DKVB_DTYPE_BF16`, or `DKVB_DTYPE_F32`, which doubles the memory of the values, in files too
 *                (docs/method.md compares the types); 0 leaves the type unchanged. The library rounds the given values
 *                to the nearest number of the model's number type, ties to even, and the model answers from the rounded
 *                values.
 * @return `DKVB_EINVAL` for an unknown number type, or for a value that is too large for the type (the message names
 *         the value; float16 ends at 65504); `DKVB_ESTATE` if the model is memory-mapped or in training; `DKVB_ENOMEM`.
 *         A failed dkvb_model_set_values() changes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_values(dkvb_model *model, const float *values, uint32_t dtype);

/**
 * Set the two parameters of a model's softmax temperature. Before the softmax, the logits of a row are divided by
 * `temperature * spread^power`, where `spread` is the row's largest logit minus the mean of its logits (calibration.h).
 *
 * A new model has the softmax temperature 1 with the exponent `power` 0, which leave logits unchanged. The temperature
 * of a model changes the class probabilities, but neither logits nor predicted labels.
 *
 * @param model        the model.
 * @param temperature  softmax temperature of a row whose spread (largest logit minus mean logit) is 1, from
 *                     DKVB_TEMPERATURE_MIN to DKVB_TEMPERATURE_MAX.
 * @param power        exponent `power` in `temperature * spread^power`, the number that divides the logits of a row,
 *                     from -DKVB_TEMPERATURE_POWER to DKVB_TEMPERATURE_POWER.
 * @return `DKVB_EINVAL` if `temperature` or `power` is out of range; `DKVB_ESTATE` if the model is memory-mapped or in
 *         training.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_temperature(dkvb_model *model, double temperature, double power);

/**
 * Append classes to a model. Classes added to a model have values of 0 and no names, and can be trained later.
 *
 * @param model  the model.
 * @param count  number of classes to add to the model.
 * @return `DKVB_EINVAL` if the model would have more than DKVB_MODEL_CLASSES classes; `DKVB_ESTATE` if the model is
 *         memory-mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_add_classes(dkvb_model *model, uint32_t count);

/**
 * Count how often the rows of each class select each (codebook, key) pair, and keep these counts in the model and in
 * its files.
 *
 * With kept counts of a class, the class can be forgotten later by its name alone (choose.h).
 * dkvb_model_count_classes() adds new counts to the kept counts, so rows may come in batches. Counts of classes take
 * four bytes for each class and (codebook, key) pair. dkvb_model_replay() counts the pairs again, and
 * dkvb_model_purge() removes all counts of classes.
 *
 * Counts of classes are data about the rows: a count of 1 says that a single row of the class selects the pair
 * (docs/unlearning.md).
 *
 * @param model   the model.
 * @param codes   `uint16_t[n][codebooks][k]`, codes of the training rows of the model, searched without a mask.
 * @param k       number of keys per codebook in the array `codes`.
 * @param labels  `int32_t[n]`, labels of the rows whose codes are counted; rows with label -1 are ignored.
 * @param n       number of rows in `codes` and in `labels`.
 * @param run     run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for an invalid row, with a message that names the row; `DKVB_EMISMATCH` if the codes do not fit
 *         the model; `DKVB_ESTATE` if the model is memory-mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_count_classes(dkvb_model *model, const uint16_t *codes, uint32_t k,
                                                             const int32_t *labels, size_t n,
                                                             const dkvb_run_options *run);

/**
 * Add the counts of one class that a model keeps (how many rows of the class select each pair) to an array of the
 * caller.
 *
 * @param         model   the model.
 * @param         label   index of the class whose counts of selected pairs are added to the array `counts`.
 * @param[in,out] counts  `uint64_t[codebooks][keys]`, array to which dkvb_model_class_counts() adds the counts of the
 *                        class.
 * @return `DKVB_ENOTFOUND` if the model keeps no counts of classes; `DKVB_EINVAL` if the class does not exist.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_class_counts(const dkvb_model *model, uint32_t label, uint64_t *counts);

/**
 * Overwrite the counts that a model keeps of each class, and remove the counts from the model.
 *
 * @param model  the model.
 * @return `DKVB_ESTATE` if the model is memory-mapped or in training.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_drop_counts(dkvb_model *model);

/**
 * Give a name to a class of a model.
 *
 * Names of classes are compared by canonical equivalence of Unicode: "ä" as one character equals "a" followed by a
 * combining diaeresis.
 *
 * @param model  the model.
 * @param label  index of the class to be named.
 * @param name   name of the class in UTF-8 without control characters, at most 255 bytes, copied; "" or NULL removes
 *               the name.
 * @return `DKVB_EINVAL` if the class name is not allowed or another class has this name; `DKVB_ESTATE` if the model is
 *         memory-mapped or in training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_class_name(dkvb_model *model, uint32_t label, const char *name);

/**
 * Give names to the first `count` classes of a model in one call. dkvb_model_set_class_names() replaces all `count`
 * names or none, so that classes can exchange their names.
 *
 * @param      model  model whose classes are named; NULL only checks the names, before any model exists.
 * @param      names  `[count]`, class names as for dkvb_model_set_class_name(), each at most once; NULL or "" removes
 *                    the name of a class.
 * @param      count  number of class names in `names`.
 * @param[out] which  receives the index of the class name that the error message complains about; or NULL.
 * @return `DKVB_EINVAL` for a class name that is not allowed, if a name already belongs to a class with index `count`
 *         or more, or if the model has fewer than `count` classes; `DKVB_ESTATE` if the model is memory-mapped or in
 *         training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_class_names(dkvb_model *model, const char *const *names,
                                                               size_t count, size_t *which);

/** What dkvb_model_find_class() accepts as a class: its name or its index, or only its name. */
enum { DKVB_FIND_NAME_OR_INDEX = 0, DKVB_FIND_NAME = 1 };

/**
 * Find a class of a model by its name or index.
 *
 * dkvb_model_find_class() first compares its argument `word` with the names of classes. For dkvb_model_find_class(), a
 * word that is the name of no class counts as the index of a class. For dkvb_model_find_class(), the word "#3" means
 * the class with index 3 even if a class has the name "3".
 *
 * @param      model  the model.
 * @param      word   name or index of the class to find.
 * @param      how    DKVB_FIND_NAME_OR_INDEX to accept names and indices of classes, or DKVB_FIND_NAME to accept names
 *                    only.
 * @param[out] label  receives the index of the class found.
 * @return `DKVB_ENOTFOUND` if no class has this name or index; `DKVB_EINVAL` if two classes have the name to find,
 *         which files of older library versions allow.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_find_class(const dkvb_model *model, const char *word, uint32_t how,
                                                          uint32_t *label);

/**
 * Get the name of a class of a model.
 *
 * @param model  model to which the class belongs; or NULL.
 * @param label  index of the class whose name is asked for.
 * @return the name of the class, valid until the name changes or the model is freed; NULL if the class has no name or
 *         does not exist, or if the model is NULL.
 */
DKVB_API const char *dkvb_model_class_name(const dkvb_model *model, uint32_t label);

/**
 * Give names to all columns of a row of features, so that a table can be matched to a model by its header.
 *
 * The library keeps the names of columns in model files and through every change of the model. The library cannot check
 * rows against the names of columns, since `float[n][input_dim]` has no names. A model has names for all columns of its
 * rows of features, or for none.
 *
 * @param model  model whose columns are named; NULL only checks the names, before any model exists.
 * @param names  `[count]`, names of the columns of features, each once: UTF-8 without control characters, 1 to 255
 *               bytes, copied. Names of columns are compared by canonical equivalence of Unicode, as names of classes
 * are.
 * @param count  number of column names, equal to `input_dim` of dkvb_model_info; 0 removes all names of columns.
 * @return `DKVB_EINVAL` for an invalid column name, with a message that says which column; `DKVB_ESTATE` if the model
 *         is memory-mapped or in training; `DKVB_ENOMEM`. A failed dkvb_model_set_column_names() changes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_column_names(dkvb_model *model, const char *const *names,
                                                                size_t count);

/**
 * Get the name of a column of the features of a model.
 *
 * @param model   model to which the column belongs; or NULL.
 * @param column  index of the column in a row of features, 0 to `input_dim` - 1.
 * @return the name of the column, valid until the names change or the model is freed; NULL if the columns have no
 *         names, if the column does not exist, or if the model is NULL.
 */
DKVB_API const char *dkvb_model_column_name(const dkvb_model *model, uint32_t column);

/**
 * Note in a model which encoder makes its rows of features.
 *
 * The note of the encoder can be `identity` of dkvb_encoder_info (encoder.h), or any text that tells the caller's own
 * encoders apart. The library keeps the note of the encoder in model files and through every change of the model. The
 * library does not check the note of the encoder, since rows of features do not say which encoder made them.
 *
 * @param model  the model.
 * @param text   note that names the encoder, UTF-8 without control characters, at most 255 bytes, copied; "" or NULL
 *               removes the note.
 * @return `DKVB_EINVAL` if the text of the note is not allowed; `DKVB_ESTATE` if the model is memory-mapped or in
 *         training; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_set_encoder(dkvb_model *model, const char *text);

/**
 * Classify rows: search the code (selected keys) of each row, compute the logits of the row, and take the class with
 * the largest logit.
 *
 * @param      model   the model.
 * @param      x       `float[n][input_dim]`, features of the rows to classify, finite.
 * @param      n       number of rows to classify; with 0 rows, no buffer is touched.
 * @param[out] labels  `int32_t[n]`, predicted labels, or NULL: the class with the largest logit, the lowest index on a
 *                     tie, or -1 (no answer) if no selected pair has learned anything, see dkvb_model_decode().
 * @param[out] logits  `float[n][classes]`, receives the logits of the rows; or NULL.
 * @param      run     run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EINVAL` for a feature that is not finite, with a message that names the row; `DKVB_ENOMEM`;
 *         `DKVB_ECANCELLED`. A failed dkvb_model_predict() leaves its outputs undefined.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_predict(const dkvb_model *model, const float *x, size_t n,
                                                       int32_t *labels, float *logits, const dkvb_run_options *run);

/**
 * Write a model to a file (docs/format.md), atomically.
 *
 * An old model file at the path stays complete until the new model file is on disk; the new model file gets the mode
 * and owner of the old one (file.h). Equal models give files of equal bytes. dkvb_model_save() verifies a memory-mapped
 * model before writing the model file.
 *
 * @param model  the model.
 * @param path   path of the model file to write.
 * @return `DKVB_ESTATE` if the model to save is in training; `DKVB_EIO`; `DKVB_ENOMEM`; `DKVB_ECHECKSUM` or
 *         `DKVB_EFORMAT` if the model is memory-mapped from a damaged file.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_save(const dkvb_model *model, const char *path);

/**
 * Open a model file.
 *
 * Without the option `in_place`, dkvb_model_load() reads the model file into memory, and the model can be used and
 * changed. Without the option `in_place`, dkvb_model_load() checks the whole model file: sizes, checksums, and that
 * every float is finite.
 *
 * With the option `in_place`, dkvb_model_load() maps the model file into memory, and the model can be used but not
 * changed: functions that would change the model return `DKVB_ESTATE`. Processes that map the same model file share one
 * copy in memory. When mapping a model file, the library checks the header, the section table and the small sections,
 * and reads keys and values only when they are needed. Damaged keys or values of a memory-mapped file cannot make the
 * library touch memory outside the file; dkvb_model_verify() checks keys and values. A model file may leave out the
 * values of keys that were never selected or are purged; the values of such a file are read into memory. A
 * memory-mapped model file must not shrink while the model is open. Replacing a memory-mapped model file by
 * dkvb_model_save() is safe.
 *
 * @param[out] out   receives the model, which the caller releases with dkvb_model_free(); NULL on failure.
 * @param      path  path of the model file to open.
 * @param      opts  model options, of which `top_k` is ignored; NULL for the defaults.
 * @return `DKVB_EFORMAT` or `DKVB_ECHECKSUM` for a file that is damaged or no model file; `DKVB_EIO` for a file that
 *         cannot be read; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_load(dkvb_model **out, const char *path, const dkvb_model_options *opts);

/**
 * Read the properties of a model file without reading its keys and values.
 *
 * @param      path  path of the model file to inspect.
 * @param[out] info  receives the properties of the model; its member `encoder` is always NULL, since no model in memory
 *                   holds the text of the note of the encoder.
 * @return `DKVB_EFORMAT` or `DKVB_ECHECKSUM` for a file that is damaged or no model file; `DKVB_EIO` for a file that
 *         cannot be read; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_inspect(const char *path, dkvb_model_info *info);

/**
 * Check a whole model for damage: keys, values, mask and journal.
 *
 * dkvb_model_verify() checks the checksums of all sections of a memory-mapped model, that every float is finite, the
 * journal against the mask, the hash chain of the journal, and the commitments to pairs whose salts the model still
 * has.
 *
 * @param model  the model.
 * @return `DKVB_OK` if the model is intact; `DKVB_ECHECKSUM` or `DKVB_EFORMAT` for a damaged model, with an error
 *         message that says what was found.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_model_verify(const dkvb_model *model);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
