/**
 * @file
 * @brief Receipts: a receipt is a file that says what a model has forgotten, in a form that other tools read and check.
 *
 * A receipt is an in-toto Statement v1 in JSON; docs/receipt.md lists its fields. The subjects of a receipt are the
 * model file and the codes file, each named by its SHA-256. The predicate of a receipt (the content of its in-toto
 * statement) holds the journal, the shape of the model, accuracies on held-out rows and, where they were given, the
 * earlier model and the figures of an audit. A signed receipt is a DSSE envelope around the in-toto statement.
 *
 * A receipt promises no more than the strength of forgetting that it names: `suppress` masks pairs, `exact` trains the
 * values of the model again without the forgotten rows. A receipt contains no names of classes, no reasons of requests,
 * no ids of rows and no salts of hashes.
 */
#ifndef DKVB_RECEIPT_H
#define DKVB_RECEIPT_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "memory.h"
#include "runtime.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup dkvb_receipt Receipts
 *  @{ */

/** Outcomes of checking one statement of a receipt. The numbers of the DKVB_RECEIPT_… constants are part of the ABI. */
enum {
    /** Outcome of a check: the statement of the receipt agrees with the files of the model. */
    DKVB_RECEIPT_CHECKED = 0,
    /** Outcome of a check: the statement of the receipt differs from the files of the model. */
    DKVB_RECEIPT_DIFFERS = 1,
    /**
     * Outcome of a check: the statement of the receipt was not checked, for a reason that the callback `tell` receives.
     */
    DKVB_RECEIPT_UNCHECKED = 2
};

/**
 * Callback that signs a message by Ed25519 (RFC 8032).
 *
 * @param      message    `uint8_t[size]`, the bytes of the message to sign.
 * @param      size       number of bytes of the message to sign.
 * @param[out] signature  `uint8_t[64]`, receives the Ed25519 signature of the message.
 * @param      user       pointer `key` of dkvb_receipt_options.
 * @return 0 if the message was signed, any other number on failure.
 */
typedef int (*dkvb_receipt_sign_fn)(const uint8_t *message, size_t size, uint8_t *signature, void *user);

/**
 * Callback that checks the Ed25519 signature of a message.
 *
 * @param message    `uint8_t[size]`, the bytes of the signed message.
 * @param size       number of bytes of the signed message.
 * @param signature  `uint8_t[64]`, the Ed25519 signature to check.
 * @param user       pointer `key` of dkvb_receipt_options.
 * @return 0 if the signature is right, otherwise another number.
 */
typedef int (*dkvb_receipt_check_fn)(const uint8_t *message, size_t size, const uint8_t *signature, void *user);

/**
 * Callback that receives the result of checking one statement of a receipt, as a sentence.
 *
 * @param outcome   outcome of checking a statement of the receipt: `DKVB_RECEIPT_CHECKED`, `DKVB_RECEIPT_DIFFERS` or
 *                  `DKVB_RECEIPT_UNCHECKED`.
 * @param about     subject of the checked statement in one word, such as "journal".
 * @param sentence  sentence about the checked statement of the receipt, in UTF-8; valid during the callback only.
 * @param user      pointer `user` of dkvb_receipt_options.
 * @return 0 to go on checking the receipt; any other number cancels the check.
 */
typedef int (*dkvb_receipt_tell_fn)(uint32_t outcome, const char *about, const char *sentence, void *user);

/**
 * Options of writing or checking a receipt: the files that the receipt is about, and the keys of its signature. Callers
 * initialise the options with `DKVB_RECEIPT_OPTIONS_INIT`.
 */
typedef struct dkvb_receipt_options {
    size_t struct_size; /**< size of dkvb_receipt_options in bytes, set by DKVB_RECEIPT_OPTIONS_INIT */
    const char *model;  /**< path of the model file that the receipt is about; required */
    const char *codes;  /**< path of the codes file of the model; or NULL */
    const char *before; /**< path of a file that holds the model as it was before the forgetting; or NULL */
    /** Path of a file with the output of the command `dkvb audit --json` about the model; or NULL. */
    const char *audit;
    /** Path of a CycloneDX 1.6 file that dkvb_receipt_write() writes together with the receipt; or NULL. */
    const char *bom;
    /** Command that made the model forget, UTF-8, which dkvb_receipt_write() copies into the receipt; or NULL. */
    const char *command;
    /**
     * `uint64_t[id_count]`, ids of rows; dkvb_receipt_verify() requires that some entry of the model's journal has a
     * commitment (salted hash) to these rows; or NULL.
     */
    const uint64_t *ids;
    uint64_t id_count; /**< number of row ids in `ids` */
    /** `uint8_t[32]`, public half of the key that signs the receipt; NULL for a receipt without a signature. */
    const uint8_t *public_key;
    /**
     * Callback with which dkvb_receipt_write() signs the receipt, if `public_key` is given; the library itself cannot
     * sign.
     */
    dkvb_receipt_sign_fn sign;
    /** Callback with which dkvb_receipt_verify() checks the signature of the receipt, if `public_key` is given. */
    dkvb_receipt_check_fn check;
    void *key; /**< pointer that the callbacks `sign` and `check` of the receipt options receive */
    /** Callback that receives a sentence for each statement that dkvb_receipt_verify() checks; or NULL. */
    dkvb_receipt_tell_fn tell;
    void *user; /**< pointer that the callback `tell` of the receipt options receives */
    /**
     * Allocator for the work on a receipt; NULL stands for malloc() and free(). The JSON values of a receipt use the
     * allocator of the library jansson, whatever allocator the options name.
     */
    const dkvb_allocator *allocator;
} dkvb_receipt_options;

/** Initialiser of dkvb_receipt_options that gives every member its default. */
#define DKVB_RECEIPT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_receipt_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_receipt_options, DKVB_RECEIPT_OPTIONS_INIT)

/**
 * Write a receipt for a model file, atomically (file.h). Two receipts that are written for equal files with equal
 * options have equal bytes.
 *
 * If the options name a codes file, dkvb_receipt_write() measures accuracies and effects on the held-out rows of this
 * codes file. If an `exact` forget operation is in force, dkvb_receipt_write() trains the values again from the codes
 * file and compares the result with the model.
 *
 * @param path  path of the receipt to write.
 * @param opts  receipt options: the files of the model, and the keys for signing.
 * @param run   run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EMISMATCH` for codes of another model, an audit of another number of masked pairs, or a model whose
 *         journal does not continue the journal of the earlier model `before`; `DKVB_ESTATE` for a library built
 *         without jansson; also the status codes that come from reading the model file and the other files. A failed
 *         dkvb_receipt_write() writes neither the receipt nor the CycloneDX file `bom`.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_receipt_write(const char *path, const dkvb_receipt_options *opts,
                                                       const dkvb_run_options *run);

/**
 * Check a receipt against the files of the model: compute again and compare everything in the receipt that the files
 * allow.
 *
 * The callback `tell` receives a sentence for each statement of the receipt, which says that the statement is right,
 * that it is wrong, or why it was not checked.
 *
 * @param path  path of the receipt to check.
 * @param opts  receipt options: the files of the model, and the keys for checking the signature.
 * @param run   run options of the call (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_OK` if no statement of the receipt differs from the files of the model, `DKVB_EMISMATCH` if a statement
 *         differs, `DKVB_EFORMAT` if the file is not a receipt, `DKVB_ECANCELLED` if the callback `tell` cancelled the
 *         check, or `DKVB_ESTATE` for a library built without jansson.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_receipt_verify(const char *path, const dkvb_receipt_options *opts,
                                                        const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
