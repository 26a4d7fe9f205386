/**
 * @file
 * @brief Serving: a model file that is answered from while forgettings replace it, and rows answered as they arrive.
 *
 * A forgetting replaces its model file by another one (file.h). A program that mapped the old file would go on to
 * answer from what was to be forgotten. dkvb_live notices the new file: every use of the model begins with
 * dkvb_live_acquire(), which looks at the file's name first. docs/serving.md explains how to run workers.
 */
#ifndef DKVB_LIVE_H
#define DKVB_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "init.h"
#include "memory.h"
#include "model.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_live Serving
 *  @{ */

/** A model file that is followed through its replacements. Many threads may use one dkvb_live at once. */
typedef struct dkvb_live dkvb_live;

/** Options of dkvb_live_open(). The struct starts from DKVB_LIVE_OPTIONS_INIT. */
typedef struct dkvb_live_options {
    size_t struct_size; /**< sizeof(dkvb_live_options), set by INIT */
    uint32_t verify;    /**< 1: dkvb_model_verify() reads every byte of a file before the file is used; 0: the checks of
                             dkvb_model_load() in place */
    const dkvb_allocator *allocator; /**< allocator; NULL: malloc() and free() */
} dkvb_live_options;

/** Defaults of dkvb_live_options. */
#define DKVB_LIVE_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_live_options), 0, 0                                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_live_options, DKVB_LIVE_OPTIONS_INIT)

/**
 * Open a model file in place and follow its replacements. Processes that open the same file share its memory.
 *
 * @param[out] out   the live model, owned by the caller: dkvb_live_free(). NULL on failure.
 * @param      path  model file; the path is copied and looked at again by every dkvb_live_acquire().
 * @param      opts  options; NULL for the defaults.
 * @return as dkvb_model_load().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_live_open(dkvb_live **out, const char *path, const dkvb_live_options *opts);

/**
 * Release a live model. Every model that was acquired from it must have been released.
 *
 * @param live  the live model; NULL does nothing.
 */
DKVB_API void dkvb_live_free(dkvb_live *live);

/**
 * Hold the model of the file that now has the path.
 *
 * The call compares the file's identity (device, inode, size, times) with that of the model in use. If the file was
 * replaced, the new file is opened and checked as a whole, and only then takes the place of the old model. So a use
 * that begins after a replacement always has the new model, and a use that began before keeps the old model to its end.
 * While no file is replaced, the call takes no lock: it costs one look at the file and two atomic operations.
 *
 * A new file must fit the old one: same codebooks (`birth` of dkvb_model_info), same names of columns, same encoder.
 * Classes may be added. A file that cannot be read or does not fit is an error, and so is a missing file: the old model
 * is not handed out, since the new file may be the one that forgets. The next call looks again.
 *
 * @param      live   the live model.
 * @param[out] model  the model, mapped, for reading only, valid until dkvb_live_release(). NULL on failure.
 * @return `DKVB_EIO`, `DKVB_EFORMAT` or `DKVB_ECHECKSUM` if the file cannot be read; `DKVB_EMISMATCH` if it is another
 *         model; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_live_acquire(dkvb_live *live, const dkvb_model **model);

/**
 * End a use of a model. A model that was replaced is freed when its last use ends.
 *
 * @param live   the live model.
 * @param model  a model of dkvb_live_acquire(), once for each call; NULL does nothing.
 */
DKVB_API void dkvb_live_release(dkvb_live *live, const dkvb_model *model);

/**
 * Number of replacements that were taken up since dkvb_live_open().
 *
 * @param live  the live model.
 * @return the number; 0 while the first file is in use.
 */
DKVB_API uint64_t dkvb_live_taken(const dkvb_live *live);

/** Rows that arrive as bytes, and their answers as bytes: one conversation with one client, used by one thread at a
 * time. */
typedef struct dkvb_service dkvb_service;

/** Kinds of bytes that a service understands. The first bytes tell the kind. */
enum {
    DKVB_SERVICE_UNKNOWN = 0, /**< too few bytes have arrived */
    DKVB_SERVICE_FRAMES = 1,  /**< `.npy` files, one behind the other */
    DKVB_SERVICE_LINES = 2    /**< lines of CSV */
};

/** Options of dkvb_service_new(). The struct starts from DKVB_SERVICE_OPTIONS_INIT. */
typedef struct dkvb_service_options {
    size_t struct_size;    /**< sizeof(dkvb_service_options), set by INIT */
    uint32_t top;          /**< number of classes of an answer, likeliest first; 0: one */
    uint32_t scores;       /**< 1: an answer is the logits of all classes */
    uint32_t most_rows;    /**< rows of a batch, which ends with the frame that reaches it; 0: 8192, fewer with
                                many classes */
    uint64_t most_bytes;   /**< bytes of a frame or line; longer ones are refused; 0: 256 MiB */
    const char *id_column; /**< column of lines that holds what rows are called; NULL: rows are numbered */
    const char *name;      /**< what messages call the input; NULL: "input" */
    const dkvb_allocator *allocator; /**< allocator; NULL: malloc() and free() */
} dkvb_service_options;

/** Defaults of dkvb_service_options. */
#define DKVB_SERVICE_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_service_options), 0, 0, 0, 0, 0, 0, 0                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_service_options, DKVB_SERVICE_OPTIONS_INIT)

/** Answers of a batch. The caller sets `struct_size`. */
typedef struct dkvb_answers {
    size_t struct_size; /**< sizeof(dkvb_answers), set by INIT */
    const void *bytes;  /**< answers to be sent, in the order of the input; valid until the next call for the service */
    size_t size;        /**< number of these bytes */
    uint64_t rows;      /**< rows that were answered, rows that abstained included */
    uint64_t abstained; /**< rows without an answer, as dkvb_model_predict() counts them */
    uint64_t refused;   /**< frames or lines that were answered by an error */
    uint32_t more;      /**< 1: further rows wait that have arrived as a whole */
    uint32_t kind;      /**< DKVB_SERVICE_… */
    uint32_t cut;       /**< 1: the last line had no line end */
} dkvb_answers;

/** Defaults of dkvb_answers. */
#define DKVB_ANSWERS_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_answers), 0, 0, 0, 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_answers, DKVB_ANSWERS_INIT)

/**
 * Begin a conversation about the model of a file.
 *
 * Frames are `.npy` files of float16, float32, float64, uint8 or bool, one behind the other. A vector is one row, and a
 * matrix has a row in each line. Each frame has one frame as its answer, of the frame's shape without its columns:
 * `int32`, -1 = abstained; with `top` one more dimension of that length; with `scores` `float32` and a dimension of all
 * classes. A frame of another shape or type, and one with a number that is not finite, is answered by a frame of
 * NumPy's type S without dimensions, the error message.
 *
 * Each line with text has one line as its answer, `row,label,probability,error`, with `label_2,probability_2` and so on
 * for `top`, and `row`, a column for each class and `error` for `scores`. The first line may hold names of columns, and
 * has the names of the answer's columns as its answer. The features of a model whose columns have names are found by
 * their names. A line that is no row has an answer with the error message as its last field.
 *
 * @param[out] out   the service, owned by the caller: dkvb_service_free(). NULL on failure.
 * @param      live  model to answer from; must outlive the service. Many services may share one.
 * @param      opts  options; NULL for the defaults. Texts are copied.
 * @return `DKVB_EINVAL` for `top` above the number of classes, or `top` and `scores` together; `DKVB_ENOMEM`; as
 *         dkvb_live_acquire().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_service_new(dkvb_service **out, dkvb_live *live,
                                                     const dkvb_service_options *opts);

/**
 * Release a service. Rows that were not answered are erased.
 *
 * @param service  the service; NULL does nothing.
 */
DKVB_API void dkvb_service_free(dkvb_service *service);

/**
 * Hand over bytes of the input, any part of it at a time.
 *
 * @param service  the service.
 * @param bytes    `[size]`, copied.
 * @param size     number of bytes; 0: the input has ended, as read() says it.
 * @return `DKVB_ESTATE` if the input has ended before; `DKVB_ENOMEM`. A failed call changes nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_service_put(dkvb_service *service, const void *bytes, size_t size);

/**
 * Answer a batch: the rows that have arrived as a whole, at most `most_rows`. All rows of a batch are answered by one
 * model, the one that the file held when the batch began.
 *
 * A failed call may be repeated, and loses no row. After `DKVB_EFORMAT` about the input the service cannot go on, and
 * every further call returns this error; all rows before the damage were answered by earlier calls.
 *
 * @param      service  the service.
 * @param[out] answers  answers of the batch; the caller sets `struct_size`. `size` 0: no row is complete.
 * @param      run      run options; NULL for the defaults.
 * @return `DKVB_EFORMAT` naming the frame or line if the input cannot be understood any further, or ends within a
 * frame; `DKVB_EMISMATCH` if columns that the model needs are missing; `DKVB_ENOMEM`; as dkvb_live_acquire().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_service_answer(dkvb_service *service, dkvb_answers *answers,
                                                        const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
