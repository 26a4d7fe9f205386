#ifndef DKVB_BASE_UNICODE_H
#define DKVB_BASE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names compare as Unicode's canonical equivalence has it, so that "ä" written as one character equals "a" and a
 * diaeresis: file systems and keyboards differ in which they make. Both forms that are usual, NFC and NFD, are equal.
 *
 * The tables are our own. A library for normalization would be one dependency more, or, left optional, names would be
 * found by one build and not by another. */

/* True if both texts, valid UTF-8, are the same name. Texts above 1,024 bytes are compared byte by byte. */
bool dkvb__same_name(const char *a, const char *b);

/* A number that is the same for the same names. */
uint64_t dkvb__name_key(const char *name);

#endif
