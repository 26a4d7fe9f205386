#ifndef DKVB_RECEIPT_STATEMENT_H
#define DKVB_RECEIPT_STATEMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/file.h"
#include "dkvb/codeset.h"
#include "dkvb/model.h"
#include "dkvb/receipt.h"

#define DKVB__STATEMENT_TYPE "https://in-toto.io/Statement/v1"
/* The predicate type of receipts: a package URL of this project whose subpath names the predicate and its version
 * (docs/receipt.md). */
#define DKVB__PREDICATE_TYPE "pkg:generic/libdkvb#receipt/v1"

/* Largest number of bytes of a receipt. Larger receipts are neither written nor read, so that no file can take all
 * memory. */
enum { DKVB__RECEIPT_MOST = 64 << 20 };

/* A receipt that is being written or checked. The models and the codes file of a receipt are opened when a statement of
 * the receipt first needs them; until then these pointers are NULL. */
struct dkvb__receipt {
    dkvb_receipt_options o;
    dkvb_allocator mem;
    const dkvb_run_options *run;
    dkvb_model *model, *before;
    dkvb_codeset *codes;
    /* true if codes were searched for the training rows of the codes file too; for the held-out rows, codes are always
     * searched */
    bool searched;
};

/* Files from which a statement of the receipt's predicate is made. */
enum { DKVB__OF_MODEL = 1, DKVB__OF_CODES = 2, DKVB__OF_BEFORE = 4, DKVB__OF_AUDIT = 8 };

/* A statement of the receipt's predicate: its key in JSON, the files that it needs, its subject in words, and the
 * function that makes its value. The same function makes a statement's value when a receipt is written and when it is
 * checked. */
struct dkvb__statement {
    const char *key;
    uint32_t needs;
    /* words for messages about a statement of a receipt: `words` name what is checked ("the journal"), `done` is the
     * result of a successful check ("read again, with the same result") */
    const char *words, *done;
    dkvb_status (*make)(json_t **out, struct dkvb__receipt *r);
};

enum { DKVB__STATEMENTS = 11 };
extern const struct dkvb__statement dkvb__statements[DKVB__STATEMENTS];

/* Writes at most 32 bytes in hexadecimal to `text` and returns `text`. */
const char *dkvb__receipt_hex(char text[65], const uint8_t *bytes, size_t size);

/* Computes the SHA-256 of `size` bytes of a file, beginning at `offset`, in hexadecimal. If `size` is UINT64_MAX, all
 * bytes from `offset` to the end of the file are hashed. */
dkvb_status dkvb__receipt_hash(char text[65], const char *path, uint64_t offset, uint64_t size,
                               const dkvb_allocator *mem);

/* Checks the options of a receipt and fills in defaults. After a failure of dkvb__receipt_begin() there is no receipt
 * to close. */
dkvb_status dkvb__receipt_begin(struct dkvb__receipt *r, const dkvb_receipt_options *opts, const dkvb_run_options *run);

/* Returns the path of the file that a receipt's statement describes, the model or the codes; NULL for a statement that
 * describes no file. */
const char *dkvb__statement_file(size_t s, const dkvb_receipt_options *o);

/* Returns, as bits DKVB__OF_…, which files the caller must name so that statement `s` of a receipt can be made. A
 * receipt's statement about a file reads the file's bytes only, and not as a model or a codes file, so that a damaged
 * file can be described. */
uint32_t dkvb__statement_needs(size_t s);

/* Adds a text of the receipt's options, such as the command line, to a JSON object. Adding the text fails with
 * DKVB_EINVAL if `text` is not UTF-8. */
dkvb_status dkvb__receipt_text(json_t *object, const char *key, const char *text);

/* Returns which files the options of a receipt name: a bit DKVB__OF_… for each. */
uint32_t dkvb__receipt_given(const dkvb_receipt_options *o);

/* Searches the codes of the training rows of the codes file, unless this receipt has searched them already. Most
 * statements of a receipt need only the held-out rows of the codes file, a tenth of the rows. */
dkvb_status dkvb__receipt_search_training(struct dkvb__receipt *r);

/* Makes the value of one statement of a receipt, and opens the files that the statement needs. */
dkvb_status dkvb__statement_make(json_t **out, const struct dkvb__statement *s, struct dkvb__receipt *r);

void dkvb__receipt_close(struct dkvb__receipt *r);

/* Returns DKVB_ENOMEM if `value` is NULL, as jansson returns NULL if memory runs out. */
dkvb_status dkvb__json_made(const json_t *value);

#endif
