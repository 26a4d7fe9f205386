/**
 * Outcome of calls: a code for the program, a message for the person.
 *
 * A call succeeds whole or changes nothing, except where its comment says
 * otherwise. Errors are explained one by one in docs/errors.md.
 */
#ifndef DKVB_STATUS_H
#define DKVB_STATUS_H

#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** `DKVB_OK`, or one of the negative codes below. */
typedef int dkvb_status;

/* Values are part of the ABI: new ones are appended, none is renumbered. */
enum {
    DKVB_OK = 0,
    DKVB_ENOMEM = -1,     /**< an allocation failed */
    DKVB_EINVAL = -2,     /**< an argument is outside its documented range */
    DKVB_EIO = -3,        /**< the operating system refused a read or a write */
    DKVB_EFORMAT = -4,    /**< the bytes are not a file this library knows */
    DKVB_ECHECKSUM = -5,  /**< the file is of a known kind but damaged */
    DKVB_EMISMATCH = -6,  /**< two objects disagree: shapes, other codebooks, or stale codes */
    DKVB_ECANCELLED = -7, /**< a progress or report callback asked to stop */
    DKVB_ESTATE = -8,     /**< the object cannot do this now: mapped, not frozen, in training, undone, purged */
    DKVB_ENOTFOUND = -9,  /**< no such entry */
    DKVB_EREFUSED = -10   /**< a plan is refused: its limits would be exceeded, or nothing would be done */
};

/* What a number counts, for dkvb_name(). Values are part of the ABI. */
enum {
    DKVB_NAME_STATUS = 0,      /**< codes of this header: "DKVB_EINVAL" */
    DKVB_NAME_DTYPE = 1,       /**< DKVB_DTYPE_… (data.h): "float32" */
    DKVB_NAME_ENCODER = 2,     /**< DKVB_ENCODER_… (encoder.h): "clip" */
    DKVB_NAME_METHOD = 3,      /**< DKVB_METHOD_… (choose.h): "contrast" */
    DKVB_NAME_STRENGTH = 4,    /**< DKVB_STRENGTH_… (unlearn.h): "suppress" */
    DKVB_NAME_KEYS = 5,        /**< DKVB_KEYS_… (unlearn.h): "kept" */
    DKVB_NAME_ENTRY_KIND = 6,  /**< DKVB_JOURNAL_FORGET … (unlearn.h): "forget" */
    DKVB_NAME_ENTRY_STATE = 7, /**< DKVB_JOURNAL_ACTIVE … (unlearn.h): "active" */
    DKVB_NAME_REFUSAL = 8      /**< DKVB_REFUSED_… (plan.h): "class" */
};

/**
 * The name of a number that the headers define.
 *
 * @param of  DKVB_NAME_…, what the number counts.
 * @return "" for the 0 that says nothing (of methods, strengths, keys and refusals), "unknown" for every number that
 *         has no name. Static; never freed.
 */
DKVB_API const char *dkvb_name(uint32_t of, int64_t number);

/**
 * What went wrong in this thread's latest failing call: one line that says
 * what was found and what was wanted. "" before the first failure.
 *
 * The text lies in a fixed buffer of the calling thread (at most 511 bytes) and
 * stays until that thread's next failing call. Successful calls leave it alone.
 */
DKVB_API const char *dkvb_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
