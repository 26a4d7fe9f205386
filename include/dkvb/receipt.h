/**
 * @file
 * @brief Receipts: a receipt is a file that says what a model has forgotten, in a form that other tools read and check.
 *
 * A receipt is an in-toto Statement v1 in JSON; docs/receipt.md lists its fields. The subjects of a receipt are the
 * SHA-256 of the model file and of the codes file. The predicate of a receipt holds the journal, the shape of the
 * model, accuracies on held-out rows and, where they were given, the earlier model and the figures of an audit. A
 * signed receipt is a DSSE envelope around the statement.
 *
 * A receipt promises no more than the strength of forgetting that it names: `suppress` masks pairs, `exact` trains the
 * values again without the forgotten rows. A receipt contains no names of classes, reasons, ids of rows or salts.
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
    DKVB_RECEIPT_CHECKED = 0,  /**< the statement was checked against the files, and is right */
    DKVB_RECEIPT_DIFFERS = 1,  /**< the statement was checked against the files, and is wrong */
    DKVB_RECEIPT_UNCHECKED = 2 /**< the statement was not checked; the sentence says why */
};

/**
 * Callback that signs a message by Ed25519 (RFC 8032).
 *
 * @param      message    `uint8_t[size]`, the message to sign.
 * @param      size       number of bytes of the message.
 * @param[out] signature  `uint8_t[64]`, the signature.
 * @param      user       pointer `key` of the options.
 * @return 0 on success, any other number on failure.
 */
typedef int (*dkvb_receipt_sign_fn)(const uint8_t *message, size_t size, uint8_t *signature, void *user);

/**
 * Callback that checks the Ed25519 signature of a message.
 *
 * @param message    `uint8_t[size]`, the signed message.
 * @param size       number of bytes of the message.
 * @param signature  `uint8_t[64]`, the signature to check.
 * @param user       pointer `key` of the options.
 * @return 0 if the signature is right, otherwise another number.
 */
typedef int (*dkvb_receipt_check_fn)(const uint8_t *message, size_t size, const uint8_t *signature, void *user);

/**
 * Callback that receives the result of checking one statement, as a sentence.
 *
 * @param outcome   one of `DKVB_RECEIPT_CHECKED`, `DKVB_RECEIPT_DIFFERS`, `DKVB_RECEIPT_UNCHECKED`.
 * @param about     subject of the sentence in one word, such as "journal".
 * @param sentence  the sentence, in UTF-8; valid during the callback only.
 * @param user      pointer `user` of the options.
 * @return 0 to continue; any other number cancels the check of the receipt.
 */
typedef int (*dkvb_receipt_tell_fn)(uint32_t outcome, const char *about, const char *sentence, void *user);

/**
 * Options of a receipt: the files that it is about, and its keys. Callers initialise the options with
 * `DKVB_RECEIPT_OPTIONS_INIT`.
 */
typedef struct dkvb_receipt_options {
    size_t struct_size; /**< size of dkvb_receipt_options in bytes, set by DKVB_RECEIPT_OPTIONS_INIT */
    const char *model;  /**< path of the model file; required */
    const char *codes;  /**< path of the codes file of the model; or NULL */
    const char *before; /**< path of a file of the model before it forgot; or NULL */
    const char *audit;  /**< path of a file with the output of `dkvb audit --json`; or NULL */
    /** Path of a CycloneDX 1.6 file that dkvb_receipt_write() writes together with the receipt; or NULL. */
    const char *bom;
    /** Command that made the model forget, UTF-8, which dkvb_receipt_write() copies into the receipt; or NULL. */
    const char *command;
    /** `uint64_t[id_count]`, ids of rows to which dkvb_receipt_verify() requires a journal entry to commit; or NULL. */
    const uint64_t *ids;
    uint64_t id_count; /**< number of ids in `ids` */
    /** `uint8_t[32]`, public half of the signing key; NULL for a receipt without a signature. */
    const uint8_t *public_key;
    /** Callback with which dkvb_receipt_write() signs, if `public_key` is given; the library itself cannot sign. */
    dkvb_receipt_sign_fn sign;
    /** Callback with which dkvb_receipt_verify() checks the signature, if `public_key` is given. */
    dkvb_receipt_check_fn check;
    void *key;                 /**< pointer that the callbacks `sign` and `check` receive */
    dkvb_receipt_tell_fn tell; /**< callback that receives every sentence of dkvb_receipt_verify(); or NULL */
    void *user;                /**< pointer that the callback `tell` receives */
    /** Allocator; NULL stands for malloc() and free(). JSON values use the allocator of the library jansson instead. */
    const dkvb_allocator *allocator;
} dkvb_receipt_options;

/** Initialiser of dkvb_receipt_options that gives every member its default. */
#define DKVB_RECEIPT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_receipt_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_receipt_options, DKVB_RECEIPT_OPTIONS_INIT)

/**
 * Write a receipt for a model file, atomically (file.h). Equal files and options give equal bytes.
 *
 * If the codes file is given, accuracies and effects are measured on the held-out rows. If an `exact` forget operation
 * is in force, the values are trained again from the codes and compared with the model.
 *
 * @param path  path of the receipt to write.
 * @param opts  files of the model, and keys for signing.
 * @param run   run options (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_EMISMATCH` for codes of another model, an audit of another number of masked pairs, or a model whose
 *         journal does not continue the journal of `before`; `DKVB_ESTATE` for a library built without jansson; also
 *         the status codes of reading the files. After a failure neither the receipt nor the file of `bom` was written.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_receipt_write(const char *path, const dkvb_receipt_options *opts,
                                                       const dkvb_run_options *run);

/**
 * Check a receipt against the files of the model: everything that the files allow is computed again and compared.
 *
 * The callback `tell` receives a sentence for each statement of the receipt: checked, differs, or not checked and why.
 *
 * @param path  path of the receipt to check.
 * @param opts  files of the model, and keys for checking.
 * @param run   run options (threads, progress, ranks); NULL for the defaults.
 * @return `DKVB_OK` if no statement of the receipt differs, `DKVB_EMISMATCH` if one differs, `DKVB_EFORMAT` if the file
 *         is not a receipt, `DKVB_ECANCELLED` if `tell` cancelled, or `DKVB_ESTATE` for a library built without
 *         jansson.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_receipt_verify(const char *path, const dkvb_receipt_options *opts,
                                                        const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
