#ifndef DKVB_BOTTLENECK_ROW_NAMES_H
#define DKVB_BOTTLENECK_ROW_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dkvb/memory.h"
#include "dkvb/status.h"

enum { DKVB__NAME_SALT = 16, DKVB__ROW_NAME = 255 /* bytes */ };

/* How rows of a codeset are called. */
struct dkvb__row_names {
    uint8_t salt[DKVB__NAME_SALT]; /* zeros unless `salted` */
    bool salted;                   /* by strings: every id is a hash of one */
    bool kept;                     /* the strings are kept too */
};

/* The id of a row with this name: the first 8 bytes of SHA-256(salt, name), little-endian. */
uint64_t dkvb__row_name_id(const uint8_t salt[DKVB__NAME_SALT], const char *name);

/* A salt that follows from names and labels: the same rows give the same ids, and other rows other ones, so that a
 * table of hashed names made for one codes file says nothing about another. */
void dkvb__row_names_salt(uint8_t salt[DKVB__NAME_SALT], const char *const *names, const int32_t *labels, size_t n);

/* DKVB_EINVAL unless a name is UTF-8 without control characters, 1 to 255 bytes; of many, naming the row. */
dkvb_status dkvb__row_name_check(const char *name);
dkvb_status dkvb__row_names_check(const char *const *names, size_t n);

/* ids: [n]. DKVB_EINVAL where two names, or the hashes of two, are the same. The names were checked. */
dkvb_status dkvb__row_names_hash(uint64_t *ids, const uint8_t salt[DKVB__NAME_SALT], const char *const *names, size_t n,
                                 const dkvb_allocator *mem);

#endif
