/**
 * @file
 * @brief Results of calls: a status code for the program, and an error message for the person.
 *
 * A function of the library either succeeds completely or changes nothing, unless its comment says otherwise.
 * docs/errors.md explains every status code.
 */
#ifndef DKVB_STATUS_H
#define DKVB_STATUS_H

#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_base Basics: status, memory, files, run options
 *  @{ */

/** Result of a function: `DKVB_OK`, or one of the negative codes that begin with DKVB_E. */
typedef int dkvb_status;

/** Status codes. The numbers of status codes are part of the ABI: new codes are appended, and no code is renumbered. */
enum {
    DKVB_OK = 0,         /**< the call succeeded */
    DKVB_ENOMEM = -1,    /**< an allocation failed */
    DKVB_EINVAL = -2,    /**< an argument is outside its documented range */
    DKVB_EIO = -3,       /**< the operating system refused a read or a write */
    DKVB_EFORMAT = -4,   /**< the bytes are not a file of a kind that this library knows */
    DKVB_ECHECKSUM = -5, /**< the file is of a kind that this library knows, but damaged */
    /** Two objects do not fit together: their shapes or codebooks differ, or codes are outdated. */
    DKVB_EMISMATCH = -6,
    DKVB_ECANCELLED = -7, /**< a progress or report callback asked the call to stop */
    /** The object is in a state that does not allow the call: mapped, not frozen, in training, undone or purged. */
    DKVB_ESTATE = -8,
    DKVB_ENOTFOUND = -9, /**< the entry, class, row or file was not found */
    /** The plan of a forget operation is refused: it would exceed its limits, or it would do nothing. */
    DKVB_EREFUSED = -10
};

/** Kinds of constants whose names dkvb_name() knows. The numbers of the DKVB_NAME_… constants are part of the ABI. */
enum {
    DKVB_NAME_STATUS = 0,  /**< status codes (status.h), for example "DKVB_EINVAL" */
    DKVB_NAME_DTYPE = 1,   /**< number types of elements, DKVB_DTYPE_… (data.h), for example "float32" */
    DKVB_NAME_ENCODER = 2, /**< kinds of encoders, DKVB_ENCODER_… (encoder.h), for example "clip" */
    DKVB_NAME_METHOD = 3,  /**< methods of choosing pairs to mask, DKVB_METHOD_… (choose.h), for example "contrast" */
    DKVB_NAME_STRENGTH = 4,   /**< strengths of forgetting, DKVB_STRENGTH_… (unlearn.h), for example "suppress" */
    DKVB_NAME_KEYS = 5,       /**< treatments of keys, DKVB_KEYS_… (unlearn.h), for example "kept" */
    DKVB_NAME_ENTRY_KIND = 6, /**< kinds of journal entries, DKVB_JOURNAL_FORGET … (unlearn.h), for example "forget" */
    /** States of journal entries, DKVB_JOURNAL_ACTIVE … (unlearn.h), for example "active". */
    DKVB_NAME_ENTRY_STATE = 7,
    DKVB_NAME_REFUSAL = 8 /**< reasons why a plan is refused, DKVB_REFUSED_… (plan.h), for example "class" */
};

/**
 * Look up the name of a constant that the headers define.
 *
 * @param of      kind of the constant, DKVB_NAME_….
 * @param number  value of the constant.
 * @return the name as a static string, never to be freed; "" for the value 0 of methods, strengths, keys and refusals;
 *         "unknown" for a number without a name.
 */
DKVB_API const char *dkvb_name(uint32_t of, int64_t number);

/**
 * Message of the latest failed call in the calling thread: one line that says what was found and what was expected.
 *
 * The message lies in a buffer of the calling thread, at most 511 bytes long. The message stays until the next failed
 * call in this thread; successful calls do not change it.
 *
 * @return the message; "" before the first failure in the calling thread.
 */
DKVB_API const char *dkvb_last_error(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
