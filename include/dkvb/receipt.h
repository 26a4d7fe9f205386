/**
 * @file
 * @brief Receipts: a receipt says what a model has forgotten, in a form that other tools read and check.
 *
 * A receipt is an in-toto Statement v1 in JSON; docs/receipt.md lists its fields. Its subjects are the SHA-256 of the
 * model file and of the codes file. Its predicate holds the journal, the shape of the model, accuracies on held-out
 * rows and, where they were given, the model before and the figures of an audit. A signed receipt is a DSSE envelope
 * around the statement.
 *
 * A receipt promises no more than the strength that it names. `suppress` masks pairs. `exact` trains the values again
 * without the rows. Names of classes, reasons, ids of rows and salts are not in a receipt.
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

/** Outcomes of one sentence of a receipt. Values are part of the ABI. */
enum {
    DKVB_RECEIPT_CHECKED = 0,  /**< the check was made from the files, and the receipt is right */
    DKVB_RECEIPT_DIFFERS = 1,  /**< the check was made from the files, and the receipt is wrong */
    DKVB_RECEIPT_UNCHECKED = 2 /**< no check was made; the sentence says why */
};

/**
 * Sign a message by Ed25519 (RFC 8032).
 *
 * @param      message    `uint8_t[size]`.
 * @param      size       number of bytes.
 * @param[out] signature  `uint8_t[64]`.
 * @param      user       member `key` of the options.
 * @return 0, or another number for a failure.
 */
typedef int (*dkvb_receipt_sign_fn)(const uint8_t *message, size_t size, uint8_t *signature, void *user);

/**
 * Check the signature of a message by Ed25519.
 *
 * @param message    `uint8_t[size]`.
 * @param size       number of bytes.
 * @param signature  `uint8_t[64]`.
 * @param user       member `key` of the options.
 * @return 0 if the signature is right, otherwise another number.
 */
typedef int (*dkvb_receipt_check_fn)(const uint8_t *message, size_t size, const uint8_t *signature, void *user);

/**
 * Receive one sentence of a check.
 *
 * @param outcome   one of `DKVB_RECEIPT_CHECKED`, `DKVB_RECEIPT_DIFFERS`, `DKVB_RECEIPT_UNCHECKED`.
 * @param about     the subject in one word, such as "journal".
 * @param sentence  the sentence, UTF-8; valid during the call only.
 * @param user      member `user` of the options.
 * @return 0 to go on; another number cancels the check.
 */
typedef int (*dkvb_receipt_tell_fn)(uint32_t outcome, const char *about, const char *sentence, void *user);

/** Options of a receipt: the files that it is about, and its keys. They start from `DKVB_RECEIPT_OPTIONS_INIT`. */
typedef struct dkvb_receipt_options {
    size_t struct_size;          /**< sizeof(dkvb_receipt_options), set by INIT */
    const char *model;           /**< path of the model file; required */
    const char *codes;           /**< path of the codes file of the model; or NULL */
    const char *before;          /**< path of the model before the forgetting; or NULL */
    const char *audit;           /**< path of the output of `dkvb audit --json`; or NULL */
    const char *bom;             /**< write: path of a CycloneDX 1.6 file, written together with the receipt; or NULL */
    const char *command;         /**< write: the command that forgot, UTF-8, copied into the receipt; or NULL */
    const uint64_t *ids;         /**< verify: `uint64_t[id_count]`, rows that an entry must commit to; or NULL */
    uint64_t id_count;           /**< number of ids */
    const uint8_t *public_key;   /**< `uint8_t[32]`, public half of the key that signs; NULL: no signature */
    dkvb_receipt_sign_fn sign;   /**< write, with `public_key`: signs. The library itself has no signatures */
    dkvb_receipt_check_fn check; /**< verify, with `public_key`: checks the signature */
    void *key;                   /**< passed to `sign` and `check` */
    dkvb_receipt_tell_fn tell;   /**< verify: receives every sentence; or NULL */
    void *user;                  /**< passed to `tell` */
    const dkvb_allocator *allocator; /**< NULL: malloc and free. JSON values use the memory of jansson instead */
} dkvb_receipt_options;

/** Defaults of dkvb_receipt_options. */
#define DKVB_RECEIPT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_receipt_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_receipt_options, DKVB_RECEIPT_OPTIONS_INIT)

/**
 * Write a receipt, atomically (file.h). Equal files and options give equal bytes.
 *
 * With codes, accuracies and effects are measured on the held-out rows. Where `exact` is in force, the values are
 * trained again from the codes and compared with the model.
 *
 * @param path  file that is written.
 * @param opts  files and keys.
 * @param run   run options; NULL for the defaults.
 * @return `DKVB_EMISMATCH` (codes of another model, an audit of another number of masked pairs, a model whose journal
 *         does not continue the journal of `before`), `DKVB_ESTATE` (a library without jansson), and the failures of
 *         reading the files. After a failure neither the receipt nor the file of `bom` was written.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_receipt_write(const char *path, const dkvb_receipt_options *opts,
                                                       const dkvb_run_options *run);

/**
 * Check a receipt against the files: everything that the files allow is computed again and compared.
 *
 * `tell` receives a sentence for each statement of the receipt: checked, differs, or not checked and why.
 *
 * @param path  the receipt.
 * @param opts  files and keys.
 * @param run   run options; NULL for the defaults.
 * @return `DKVB_OK` if no statement differs, `DKVB_EMISMATCH` if one does, `DKVB_EFORMAT` if the file is not a receipt,
 *         `DKVB_ECANCELLED` if `tell` cancelled, `DKVB_ESTATE` (a library without jansson).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_receipt_verify(const char *path, const dkvb_receipt_options *opts,
                                                        const dkvb_run_options *run);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
