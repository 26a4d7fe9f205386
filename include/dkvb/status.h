/**
 * Outcome of calls: a code for the program, a message for the person.
 *
 * A call succeeds whole or changes nothing, except where its comment says
 * otherwise. Errors are explained one by one in docs/errors.md.
 */
#ifndef DKVB_STATUS_H
#define DKVB_STATUS_H

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

/** Name of a code, such as "DKVB_EINVAL"; "unknown status" for others. Static; never freed. */
DKVB_API const char *dkvb_status_name(dkvb_status status);

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
