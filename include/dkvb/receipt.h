/**
 * Receipts say what was forgotten, in a form that tools of others read, and are checked against the files.
 *
 * A receipt is an in-toto Statement v1 in JSON (docs/receipt.md lists its fields). Its subjects are the SHA-256 of the
 * model file and of the codes file. Its predicate has the journal, the shape, accuracies on held-out rows and, where
 * they were given, the model before and the figures of an audit. A signed receipt is a DSSE envelope around it.
 *
 * A receipt promises no more than the strength that it names: `suppress` masks, `exact` trains again without the rows.
 * Names of classes, reasons, ids of rows and salts are not in it.
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

/* Outcomes of one sentence of a receipt. Values are part of the ABI. */
enum {
    DKVB_RECEIPT_CHECKED = 0,  /**< done again from the files, with the same result */
    DKVB_RECEIPT_DIFFERS = 1,  /**< done again from the files, with another result */
    DKVB_RECEIPT_UNCHECKED = 2 /**< not done again; the sentence says why */
};

/** Signs a message by Ed25519 (RFC 8032): writes `uint8_t[64]`. Returns 0, or another number for a failure. */
typedef int (*dkvb_receipt_sign_fn)(const uint8_t *message, size_t size, uint8_t *signature, void *user);

/** Checks a signature, `uint8_t[64]`, of a message by Ed25519. Returns 0 if it is right, else another number. */
typedef int (*dkvb_receipt_check_fn)(const uint8_t *message, size_t size, const uint8_t *signature, void *user);

/** Hears one sentence of a receipt: DKVB_RECEIPT_…, the subject in a word, the sentence. Returns 0 to go on. */
typedef int (*dkvb_receipt_tell_fn)(uint32_t outcome, const char *about, const char *sentence, void *user);

/** The files that a receipt is about, and its keys. Start from `DKVB_RECEIPT_OPTIONS_INIT`. */
typedef struct dkvb_receipt_options {
    size_t struct_size;          /**< sizeof(dkvb_receipt_options), set by INIT */
    const char *model;           /**< path of the model file; needed */
    const char *codes;           /**< path of its codes file; or NULL */
    const char *before;          /**< path of the model before the forgetting; or NULL */
    const char *audit;           /**< path of what `dkvb audit --json` printed; or NULL */
    const char *bom;             /**< write: path of a CycloneDX 1.6 file to be written too; or NULL */
    const char *command;         /**< write: the command, as it is to stand in the receipt, UTF-8; or NULL */
    const uint64_t *ids;         /**< verify: `uint64_t[id_count]`, rows that an entry may have committed to; or NULL */
    uint64_t id_count;           /**< number of ids */
    const uint8_t *public_key;   /**< `uint8_t[32]`, of the key that signs or signed; NULL: no signature */
    dkvb_receipt_sign_fn sign;   /**< write, with `public_key`; the library has no signatures of its own */
    dkvb_receipt_check_fn check; /**< verify, with `public_key` */
    void *key;                   /**< handed to `sign` and `check` */
    dkvb_receipt_tell_fn tell;   /**< verify: hears every sentence; or NULL */
    void *user;                  /**< handed to `tell` */
    const dkvb_allocator *allocator; /**< NULL: malloc and free. JSON is read and written by jansson's own memory */
} dkvb_receipt_options;

#define DKVB_RECEIPT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(dkvb_receipt_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                      \
    }
DKVB_INIT_FUNCTION(dkvb_receipt_options, DKVB_RECEIPT_OPTIONS_INIT)

/**
 * Write a receipt, atomically (file.h). The same files and options make the same bytes.
 *
 * With codes, accuracies are measured on the rows held out, and where the journal says that values were trained again
 * (`exact`), the values are trained once more from the codes and compared.
 *
 * @param run  NULL for the defaults.
 * @return `DKVB_EMISMATCH` (codes of another model, an audit of another number of masked pairs, a model whose journal
 *         does not go on from `before`), `DKVB_ESTATE` (a library without jansson), and whatever reading the files may
 *         return. No file was written then.
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_receipt_write(const char *path, const dkvb_receipt_options *opts,
                                                       const dkvb_run_options *run);

/**
 * Check a receipt against the files: everything that can be done again is done again. `tell` hears a sentence for each
 * statement: checked, differs, or not checked and why.
 *
 * @param run  NULL for the defaults.
 * @return `DKVB_OK` if no statement differs, `DKVB_EMISMATCH` if one does, `DKVB_EFORMAT` if the file is not a receipt,
 *         `DKVB_ECANCELLED` if `tell` asked to stop, `DKVB_ESTATE` (a library without jansson).
 */
DKVB_API DKVB_NODISCARD dkvb_status dkvb_receipt_verify(const char *path, const dkvb_receipt_options *opts,
                                                        const dkvb_run_options *run);

#ifdef __cplusplus
}
#endif

#endif
