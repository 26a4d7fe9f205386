#ifndef DKVB_BASE_SIGNATURE_H
#define DKVB_BASE_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "dkvb/status.h"

/* The use that a file is given for. How to convert a foreign file depends on the use. */
enum dkvb__use {
    DKVB__USE_ARRAY,    /* features, labels, codes: .npy or IDX */
    DKVB__USE_TABLE,    /* features, labels, ids: CSV, .npz or those */
    DKVB__USE_PICTURE,  /* one picture: PNG, JPEG or WebP */
    DKVB__USE_PICTURES, /* a set of pictures in one file */
    DKVB__USE_WEIGHTS,  /* .safetensors */
    DKVB__USE_OWN,      /* a model, a mask or a codes file of this library */
    DKVB__USES
};

/* Number of bytes at the start of a file that suffice to recognise every kind in the table. */
enum { DKVB__SIGNATURE_SIZE = 512 };

/* Returns the kind of a file by its first `size` bytes, such as "a Parquet file"; NULL if no signature fits. The text
 * is static. */
const char *dkvb__signature_kind(const unsigned char *start, size_t size);

/* Whether the first bytes are those of a text that may be a table. */
bool dkvb__signature_is_table(const unsigned char *start, size_t size);

/* Fails with DKVB_EFORMAT and one sentence: the kind of the file, the kind that the use needs, and how to convert one
 * to the other. If no signature fits, the message shows the first bytes. `whole` is the size of the whole file. */
dkvb_status dkvb__fail_foreign(const char *path, const unsigned char *start, size_t size, uint64_t whole,
                               enum dkvb__use use);

/* Fails like dkvb__fail_foreign(), but for an open file. If the file cannot be read, the error is that of reading it.
 */
dkvb_status dkvb__fail_foreign_file(const struct dkvb__file *file, enum dkvb__use use);

#endif
