/**
 * @file
 * @brief Serving: answering rows, as they arrive, from a model file that forget operations replace while a
 * program uses it.
 *
 * A forget operation replaces its model file by a new file (file.h). A program that mapped the model file into memory
 * before a forget operation replaced the file would still answer from what was forgotten. A live model (dkvb_live)
 * notices the new model file: every use of the model begins with dkvb_live_acquire(), which first checks which file is
 * at the path. docs/serving.md explains how to run server processes.
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

/**
 * Handle of a live model: a model file that is reopened whenever it is replaced. Many threads may use one dkvb_live at
 * once.
 */
typedef struct dkvb_live dkvb_live;

/** Options of dkvb_live_open(). Callers initialise a `dkvb_live_options` with `DKVB_LIVE_OPTIONS_INIT`. */
typedef struct dkvb_live_options {
    size_t struct_size; /**< size of dkvb_live_options in bytes, set by DKVB_LIVE_OPTIONS_INIT */
    /**
     * 1 checks every byte of a model file with dkvb_model_verify() before the file is used; 0 makes only the checks
     * that dkvb_model_load() makes when it opens a model file in place.
     */
    uint32_t verify;
    const dkvb_allocator *allocator; /**< allocator; NULL stands for malloc() and free() */
} dkvb_live_options;

/** Initialiser of dkvb_live_options that gives every member its default. */
#define DKVB_LIVE_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(dkvb_live_options), 0, 0                                                                                \
    }
DKVB_INIT_FUNCTION(dkvb_live_options, DKVB_LIVE_OPTIONS_INIT)

/**
 * Open a model file in place and follow its replacements. Processes that open the same model file share its memory.
 *
 * @param[out] out   the live model (model file that is reopened when replaced), which the caller releases with
 *                   dkvb_live_free(); NULL on failure.
 * @param      path  path of the model file, which is copied; every dkvb_live_acquire() looks at the path again.
 * @param      opts  options of opening the live model; NULL for the defaults.
 * @return any status code of dkvb_model_load().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_live_open(dkvb_live **out, const char *path, const dkvb_live_options *opts);

/**
 * Release a live model. Every model that was acquired from the live model must be released before the live model.
 *
 * @param live  the live model to release; NULL does nothing.
 */
DKVB_API void dkvb_live_free(dkvb_live *live);

/**
 * Begin a use of a live model, with the model file that is at the path now.
 *
 * dkvb_live_acquire() compares the identity of the file at the path (device, inode, size, times) with the identity of
 * the file that the model in use was read from. If the model file was replaced, the new model file is opened and
 * checked as a whole, and only then replaces the old model. A use of a live model that begins after a replacement of
 * the model file always has the new model, and a use that began before the replacement keeps the old model to its end.
 * While no model file is replaced, dkvb_live_acquire() takes no lock: it costs one file status query and two atomic
 * operations.
 *
 * A new model file must fit the model file that it replaces: codebooks (`birth` of dkvb_model_info), names of columns
 * and encoder must be equal in both, but the new model may have more classes. A new model file that is missing,
 * unreadable or does not fit is an error: the old model is not handed out, since the new file may be the one that
 * forgets. After a failed dkvb_live_acquire(), the next call tries again to open the new model file.
 *
 * @param      live   the live model whose model is used.
 * @param[out] model  the model, memory-mapped and read-only, valid until dkvb_live_release(); NULL on failure.
 * @return `DKVB_EIO`, `DKVB_EFORMAT` or `DKVB_ECHECKSUM` if the model file cannot be read; `DKVB_EMISMATCH` if the
 *         model file holds another model; `DKVB_ENOMEM`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_live_acquire(dkvb_live *live, const dkvb_model **model);

/**
 * End a use of a live model that dkvb_live_acquire() began. When the last use of a replaced model ends, the library
 * frees the replaced model.
 *
 * @param live   the live model whose model was used.
 * @param model  the model that dkvb_live_acquire() returned, released once for each acquisition; NULL does nothing.
 */
DKVB_API void dkvb_live_release(dkvb_live *live, const dkvb_model *model);

/**
 * Number of replacements of the model file that were noticed since dkvb_live_open().
 *
 * @param live  the live model whose file may have been replaced.
 * @return the number of replacements of the model file; 0 while the first model file is in use.
 */
DKVB_API uint64_t dkvb_live_taken(const dkvb_live *live);

/**
 * Handle of a service, which takes rows as bytes and gives answers as bytes: one conversation with one client, used by
 * one thread at a time.
 */
typedef struct dkvb_service dkvb_service;

/** Kinds of input that a service understands. The first bytes of the input of a service tell its kind. */
enum {
    DKVB_SERVICE_UNKNOWN = 0, /**< kind of a service's input: too few bytes have arrived to tell the kind */
    DKVB_SERVICE_FRAMES = 1,  /**< kind of a service's input: frames, which are `.npy` files, one after another */
    DKVB_SERVICE_LINES = 2    /**< kind of a service's input: lines of CSV text */
};

/** Options of dkvb_service_new(). Callers initialise a `dkvb_service_options` with `DKVB_SERVICE_OPTIONS_INIT`. */
typedef struct dkvb_service_options {
    size_t struct_size; /**< size of dkvb_service_options in bytes, set by DKVB_SERVICE_OPTIONS_INIT */
    /** Number of classes that the service names in an answer, likeliest class first; 0 stands for one. */
    uint32_t top;
    uint32_t scores; /**< 1 if the service answers a row by the logits of all classes */
    /**
     * Number of rows after which a batch of the service ends (the frame that reaches this number is still part of the
     * batch); 0 stands for 8192, or fewer if there are many classes.
     */
    uint32_t most_rows;
    /**
     * Largest number of bytes of an input frame or line, above which the service refuses the frame or line; 0 stands
     * for 256 MiB.
     */
    uint64_t most_bytes;
    const char *id_column;           /**< name of the CSV column that holds the ids of rows; NULL numbers the rows */
    const char *name;                /**< name of the service's input in error messages; NULL stands for "input" */
    const dkvb_allocator *allocator; /**< allocator; NULL stands for malloc() and free() */
} dkvb_service_options;

/** Initialiser of dkvb_service_options that gives every member its default. */
#define DKVB_SERVICE_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_service_options), 0, 0, 0, 0, 0, 0, 0                                                              \
    }
DKVB_INIT_FUNCTION(dkvb_service_options, DKVB_SERVICE_OPTIONS_INIT)

/** Answers of a service to a batch of rows. */
typedef struct dkvb_answers {
    size_t struct_size; /**< size of dkvb_answers in bytes, set by DKVB_ANSWERS_INIT */
    /** Answers to send to the client, in the order of the input; valid until the next function call for the service. */
    const void *bytes;
    size_t size;   /**< number of bytes of answers to send to the client */
    uint64_t rows; /**< number of rows that the service answered, including rows for which the model abstained */
    /** Number of rows for which the model abstained (gave no class), as dkvb_model_predict() counts them. */
    uint64_t abstained;
    uint64_t refused; /**< number of input frames or lines that the service answered by an error message */
    uint32_t more;    /**< 1 if further rows have arrived completely and wait for an answer of the service */
    uint32_t kind;    /**< kind of the service's input, DKVB_SERVICE_… */
    uint32_t cut;     /**< 1 if the last line of the service's input had no line end */
} dkvb_answers;

/** Initialiser of dkvb_answers that gives every member its default. */
#define DKVB_ANSWERS_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(dkvb_answers), 0, 0, 0, 0, 0, 0, 0, 0                                                                   \
    }
DKVB_INIT_FUNCTION(dkvb_answers, DKVB_ANSWERS_INIT)

/**
 * Begin a service: a conversation with a client about a live model.
 *
 * Input frames of a service are `.npy` files of float16, float32, float64, uint8 or bool, one after another. An input
 * frame of a service with one dimension is one row; an input frame with more dimensions has one row for each index of
 * the first dimension. A service answers each input frame by one frame, which has the shape of the input frame without
 * its columns: `int32` classes, with -1 for an abstention. With the option `top` of a service, an answer frame has one
 * more dimension of length `top`; with the option `scores`, an answer frame is `float32` with one more dimension of all
 * classes. A service answers an input frame of a wrong shape or type, or with a number that is not finite, by a frame
 * of NumPy's type S without dimensions, which holds the error message.
 *
 * A service answers each non-empty input line by one line, `row,label,probability,error`. With the option `top` of a
 * service, an answer line has further fields `label_2,probability_2` and so on; with `scores`, the fields of an answer
 * line are `row`, one for each class, and `error`. The first input line may hold names of columns; the service answers
 * that line by the names of the answer's columns. If the columns of a model have names, the service finds features by
 * these names. A service answers an input line that is not a valid row by a line with the error message as its last
 * field.
 *
 * @param[out] out   the service that begins, which the caller releases with dkvb_service_free(); NULL on failure.
 * @param      live  live model to answer from, which must outlive the service; many services may share one live model.
 * @param      opts  options of the service, whose texts are copied; NULL for the defaults.
 * @return `DKVB_EINVAL` for an option `top` above the number of classes, or `top` and `scores` together; `DKVB_ENOMEM`;
 *         also any status code of dkvb_live_acquire().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_service_new(dkvb_service **out, dkvb_live *live,
                                                     const dkvb_service_options *opts);

/**
 * Release a service. The library erases from memory all rows that the service did not answer.
 *
 * @param service  the service to release; NULL does nothing.
 */
DKVB_API void dkvb_service_free(dkvb_service *service);

/**
 * Give input bytes from the client to a service, in pieces of any size.
 *
 * @param service  the service that gets the input bytes of its client.
 * @param bytes    `uint8_t[size]`, input bytes of the service, which are copied.
 * @param size     number of input bytes; 0 says that the client's input has ended, as read() does.
 * @return `DKVB_ESTATE` if the service's input had already ended; `DKVB_ENOMEM`. A failed dkvb_service_put() changes
 *         nothing.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_service_put(dkvb_service *service, const void *bytes, size_t size);

/**
 * Answer a batch of a service: the rows that have arrived completely, at most `most_rows`. One model answers all rows
 * of a batch: the model that the live model's file held when the batch began.
 *
 * A failed dkvb_service_answer() may be repeated, and loses no row. After a dkvb_service_answer() that fails with
 * `DKVB_EFORMAT`, the service cannot continue, and every further call returns `DKVB_EFORMAT`; earlier calls answered
 * all rows before the damaged input.
 *
 * @param      service  the service that answers its client's rows.
 * @param[out] answers  receives the answers to the batch of rows, with `size` 0 if no row is complete; the caller sets
 *                      its member `struct_size`.
 * @param      run      run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EFORMAT` if the service's input cannot be understood any further, or ends within a frame, with a
 *         message that names the frame or line; `DKVB_EMISMATCH` if columns that the model needs are missing;
 *         `DKVB_ENOMEM`; also any status code of dkvb_live_acquire().
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_service_answer(dkvb_service *service, dkvb_answers *answers,
                                                        const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
