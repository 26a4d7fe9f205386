#ifndef DKVB_BOTTLENECK_ROW_NAMES_H
#define DKVB_BOTTLENECK_ROW_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

enum {
    DKVB__NAME_SALT = 16,
    DKVB__ROW_NAME = 255 /* sizes in bytes of a codeset's salt and of the longest name of a row */
};

/* The way in which the rows of a codeset are named: by numbers or by strings. */
struct dkvb__row_names {
    uint8_t salt[DKVB__NAME_SALT]; /* random-looking salt of the hashes of row names; zeros unless `salted` */
    bool salted; /* true if rows of the codeset are named by strings and every id is a hash of the row's name */
    bool kept;   /* true if the codeset stores the names of rows as strings too, besides their hashes */
};

/* Returns the id of a row that is named by a string: the first 8 bytes of SHA-256(salt, name) as a little-endian
 * number. */
uint64_t dkvb__row_name_id(const uint8_t salt[DKVB__NAME_SALT], const char *name);

/* Computes a salt for a codeset from the names and labels of its rows. Rows with the same names and labels give the
 * same salt and so the same ids; other rows give other ids, so that a table of hashed names made for one codes file
 * tells nothing about another codes file. */
void dkvb__row_names_salt(uint8_t salt[DKVB__NAME_SALT], const char *const *names, const int32_t *labels, size_t n);

/* Returns DKVB_EINVAL unless a row's name is UTF-8 without control characters, 1 to 255 bytes. dkvb__row_names_check()
 * checks many names, and its error message gives the row. */
dkvb_status dkvb__row_name_check(const char *name);
dkvb_status dkvb__row_names_check(const char *const *names, size_t n);

/* Computes the ids of rows from names that dkvb__row_names_check() has accepted; `ids` is [n]. dkvb__row_names_hash()
 * returns DKVB_EINVAL if two names, or the hashes of two names, are equal. */
dkvb_status dkvb__row_names_hash(uint64_t *ids, const uint8_t salt[DKVB__NAME_SALT], const char *const *names, size_t n,
                                 const dkvb_allocator *mem);

#endif
