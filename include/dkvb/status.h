/**
 * @file
 * @brief Results of calls of the library: a status code for the program, and an error message for the person.
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

/** @defgroup dkvb_base Basics: functions for status codes, memory, files and run options
 *  @{ */

/** Result of a function of the library: `DKVB_OK`, or one of the negative status codes that begin with DKVB_E. */
typedef int dkvb_status;

/** Status codes. The numbers of status codes are part of the ABI: new codes are appended, and no code is renumbered. */
enum {
    DKVB_OK = 0,         /**< status code: the call succeeded */
    DKVB_ENOMEM = -1,    /**< status code: an allocation of memory failed */
    DKVB_EINVAL = -2,    /**< status code: an argument of the call is outside its documented range */
    DKVB_EIO = -3,       /**< status code: the operating system refused to read or write a file */
    DKVB_EFORMAT = -4,   /**< status code: the file is of no kind that this library knows */
    DKVB_ECHECKSUM = -5, /**< status code: the file is of a kind that this library knows, but damaged */
    /** Status code: two objects do not fit together, since their shapes or codebooks differ, or codes are outdated. */
    DKVB_EMISMATCH = -6,
    DKVB_ECANCELLED = -7, /**< status code: a progress or report callback asked the call to stop */
    /**
     * Status code: an object is in a state that does not allow the call: for example a memory-mapped model, or
     * codebooks that are not frozen.
     */
    DKVB_ESTATE = -8,
    DKVB_ENOTFOUND = -9, /**< status code: the journal entry, class, row or file was not found */
    /** Status code: the plan of a forget operation is refused, since it would exceed its limits or do nothing. */
    DKVB_EREFUSED = -10
};

/** Kinds of constants whose names dkvb_name() knows. The numbers of the DKVB_NAME_… constants are part of the ABI. */
enum {
    DKVB_NAME_STATUS = 0,  /**< status codes of the library (status.h), for example "DKVB_EINVAL" */
    DKVB_NAME_DTYPE = 1,   /**< number types of array elements, DKVB_DTYPE_… (data.h), for example "float32" */
    DKVB_NAME_ENCODER = 2, /**< kinds of encoders, DKVB_ENCODER_… (encoder.h), for example "clip" */
    DKVB_NAME_METHOD = 3,  /**< methods of choosing pairs to mask, DKVB_METHOD_… (choose.h), for example "contrast" */
    DKVB_NAME_STRENGTH = 4, /**< strengths of forgetting, DKVB_STRENGTH_… (unlearn.h), for example "suppress" */
    /** What a forget operation does with keys, DKVB_KEYS_… (unlearn.h), for example "kept". */
    DKVB_NAME_KEYS = 5,
    DKVB_NAME_ENTRY_KIND = 6, /**< kinds of journal entries, DKVB_JOURNAL_FORGET … (unlearn.h), for example "forget" */
    /** States of journal entries, DKVB_JOURNAL_ACTIVE … (unlearn.h), for example "active". */
    DKVB_NAME_ENTRY_STATE = 7,
    DKVB_NAME_REFUSAL = 8 /**< reasons why a plan to forget is refused, DKVB_REFUSED_… (plan.h), for example "class" */
};

/**
 * Look up the name of a constant that the headers define.
 *
 * @param of      kind of the constant whose name is asked for, DKVB_NAME_….
 * @param number  number of the constant whose name is asked for.
 * @return the name of the constant as a static string, never to be freed; "" for the value 0 of methods, strengths,
 *         keys and refusals; "unknown" for a number without a name.
 */
DKVB_API const char *dkvb_name(uint32_t of, int64_t number);

/**
 * Message of the latest failed call in the calling thread: one line that says what was found and what was expected.
 *
 * The error message lies in a buffer of the calling thread, at most 511 bytes long. The error message of a thread stays
 * until the next failed call in this thread; successful calls do not change the message.
 *
 * @return the error message; "" before the first failure in the calling thread.
 */
DKVB_API const char *dkvb_last_error(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
