#ifndef DKVB_BASE_SIGNATURE_H
#define DKVB_BASE_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "dkvb/status.h"

/* The purpose for which a caller reads a file: as an array, a table, a picture and so on. The purpose for which a file
 * is read decides what an error message about a file of the wrong kind says on converting the file. */
enum dkvb__use {
    DKVB__USE_ARRAY,    /* use of a file as an array of features, labels or codes: .npy or IDX */
    DKVB__USE_TABLE,    /* use of a file as a table of features, labels or ids: CSV, .npz, .npy or IDX */
    DKVB__USE_PICTURE,  /* use of a file as one picture: PNG, JPEG or WebP */
    DKVB__USE_PICTURES, /* use of a file as a set of pictures in one file */
    DKVB__USE_WEIGHTS,  /* use of a file as weights of an encoder: .safetensors */
    DKVB__USE_OWN,      /* use of a file as a file of libdkvb: a model, a mask or codes */
    DKVB__USES
};

/* Number of bytes at the start of a file that suffice to recognise every kind of file that libdkvb knows. */
enum { DKVB__SIGNATURE_SIZE = 512 };

/* Returns the kind of a file by its first `size` bytes, such as "a Parquet file"; NULL if no signature fits.
 * dkvb__signature_kind() returns a static text, which the caller must not free. */
const char *dkvb__signature_kind(const unsigned char *start, size_t size);

/* True if the first bytes of a file are text that may be a table, such as CSV. */
bool dkvb__signature_is_table(const unsigned char *start, size_t size);

/* Fails with DKVB_EFORMAT and a message of one sentence: the kind of the file, the kind that the use needs, and how to
 * convert the file. If the first bytes of a file of the wrong kind are no known signature, the error message shows the
 * bytes. The argument `whole` is the number of bytes of the whole file, which begins with the `size` bytes at
 * `start`. */
dkvb_status dkvb__fail_foreign(const char *path, const unsigned char *start, size_t size, uint64_t whole,
                               enum dkvb__use use);

/* Fails with the message of dkvb__fail_foreign() about a file of the wrong kind, but takes an open file instead of its
 * first bytes. If reading the first bytes of the file fails, dkvb__fail_foreign_file() returns the error of the
 * read. */
dkvb_status dkvb__fail_foreign_file(const struct dkvb__file *file, enum dkvb__use use);

#endif
