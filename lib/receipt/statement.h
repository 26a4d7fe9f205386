#ifndef DKVB_RECEIPT_STATEMENT_H
#define DKVB_RECEIPT_STATEMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/file.h"
#include "dkvb/codeset.h"
#include "dkvb/model.h"
#include "dkvb/receipt.h"

#define DKVB__STATEMENT_TYPE "https://in-toto.io/Statement/v1"
/* A package URL of the project, whose subpath names the predicate and its version: docs/receipt.md explains it. */
#define DKVB__PREDICATE_TYPE "pkg:generic/libdkvb#receipt/v1"

/* Most bytes of a receipt. A check reads no larger file, so that no file can take all memory; no larger one is written.
 */
enum { DKVB__RECEIPT_MOST = 64 << 20 };

/* A receipt that is being written or checked. Models and codes are opened when the first statement needs them, and are
 * NULL until then. */
struct dkvb__receipt {
    dkvb_receipt_options o;
    dkvb_allocator mem;
    const dkvb_run_options *run;
    dkvb_model *model, *before;
    dkvb_codeset *codes;
    bool searched; /* whether the training part of the codes was searched too; the held-out part always is */
};

/* Files that a statement of the predicate is made from. */
enum { DKVB__OF_MODEL = 1, DKVB__OF_CODES = 2, DKVB__OF_BEFORE = 4, DKVB__OF_AUDIT = 8 };

/* A statement of the predicate: its key in JSON, the files that it needs, its subject in words, and the function that
 * makes its value. Writing and checking call the same function. */
struct dkvb__statement {
    const char *key;
    uint32_t needs;
    const char *words, *done; /* "the journal", "read again, with the same result" */
    dkvb_status (*make)(json_t **out, struct dkvb__receipt *r);
};

enum { DKVB__STATEMENTS = 11 };
extern const struct dkvb__statement dkvb__statements[DKVB__STATEMENTS];

/* Bytes in hexadecimal; returns `text`. At most 32 bytes. */
const char *dkvb__receipt_hex(char text[65], const uint8_t *bytes, size_t size);

/* SHA-256 of `size` bytes of a file from `offset` on, in hexadecimal. Size UINT64_MAX means all bytes. */
dkvb_status dkvb__receipt_hash(char text[65], const char *path, uint64_t offset, uint64_t size,
                               const dkvb_allocator *mem);

/* Options checked, with defaults. A failure leaves nothing to close. */
dkvb_status dkvb__receipt_begin(struct dkvb__receipt *r, const dkvb_receipt_options *opts, const dkvb_run_options *run);

/* Path of the file that a statement describes, the model or the codes; or NULL. */
const char *dkvb__statement_file(size_t s, const dkvb_receipt_options *o);

/* Files that must be given for a statement: bits DKVB__OF_…. The description of a file needs the file, but does not
 * open it as a model or a codeset, so that a damaged file can be described. */
uint32_t dkvb__statement_needs(size_t s);

/* Add a text of the options to an object. DKVB_EINVAL if it is not UTF-8. */
dkvb_status dkvb__receipt_text(json_t *object, const char *key, const char *text);

/* Files that the options name: a bit DKVB__OF_… for each. */
uint32_t dkvb__receipt_given(const dkvb_receipt_options *o);

/* Search the training part of the codes, once. Most statements need the held-out part alone, which is a tenth. */
dkvb_status dkvb__receipt_search_training(struct dkvb__receipt *r);

/* Make the value of one statement, and open the files that it needs. */
dkvb_status dkvb__statement_make(json_t **out, const struct dkvb__statement *s, struct dkvb__receipt *r);

void dkvb__receipt_close(struct dkvb__receipt *r);

/* DKVB_ENOMEM if `value` is NULL: jansson returns NULL where memory fails. */
dkvb_status dkvb__json_made(const json_t *value);

#endif
