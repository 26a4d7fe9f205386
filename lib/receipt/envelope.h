#ifndef DKVB_RECEIPT_ENVELOPE_H
#define DKVB_RECEIPT_ENVELOPE_H

#include <jansson.h>

#include "dkvb/receipt.h"

/* The two forms of a receipt: the bytes of a statement, or a DSSE v1 envelope around them
 * (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md). */

/* JSON as the bytes that a receipt has: keys sorted, two blanks an indent, reals in 15 digits, a newline at the end. In
 * new memory. */
dkvb_status dkvb__json_bytes(char **out, size_t *size, const json_t *value, const dkvb_allocator *mem);

/* The envelope around a statement, signed by the key of the options. */
dkvb_status dkvb__envelope_seal(json_t **out, const char *statement, size_t size, const dkvb_receipt_options *o,
                                const dkvb_allocator *mem);

/* What an envelope holds, in new memory, and whether its signature is right: DKVB_RECEIPT_…, with a sentence.
 * DKVB_EFORMAT unless every field is there and canonical. */
dkvb_status dkvb__envelope_open(char **statement, size_t *size, const json_t *envelope, const char *path,
                                const dkvb_receipt_options *o, const dkvb_allocator *mem, uint32_t *outcome,
                                const char **sentence);

#endif
