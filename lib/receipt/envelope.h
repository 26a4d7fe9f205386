#ifndef DKVB_RECEIPT_ENVELOPE_H
#define DKVB_RECEIPT_ENVELOPE_H

#include <jansson.h>

#include "dkvb/receipt.h"

/* A receipt has one of two forms: the bytes of a statement, or a DSSE v1 envelope around a statement
 * (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md). */

/* Writes a JSON value in the one form that receipts have: keys in order, an indent of two blanks, numbers in 15 digits,
 * a newline at the end. The caller frees *out, the new memory with the JSON text. */
dkvb_status dkvb__json_bytes(char **out, size_t *size, const json_t *value, const dkvb_allocator *mem);

/* Makes a DSSE envelope around a receipt's statement, signed with the signing key in the options of the receipt. */
dkvb_status dkvb__envelope_seal(json_t **out, const char *statement, size_t size, const dkvb_receipt_options *o,
                                const dkvb_allocator *mem);

/* Takes the statement of a receipt out of a DSSE envelope, in new memory, and checks the signature: *outcome becomes
 * DKVB_RECEIPT_…, and *sentence gives the reason. The result is DKVB_EFORMAT unless the DSSE envelope has every field
 * in its one allowed form. */
dkvb_status dkvb__envelope_open(char **statement, size_t *size, const json_t *envelope, const char *path,
                                const dkvb_receipt_options *o, const dkvb_allocator *mem, uint32_t *outcome,
                                const char **sentence);

#endif
