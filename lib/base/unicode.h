#ifndef DKVB_BASE_UNICODE_H
#define DKVB_BASE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names are compared by Unicode's canonical equivalence, so that "ä" as one character equals "a" followed by a
 * diaeresis. File systems and keyboards differ in whether they produce "ä" as one character or as "a" followed by a
 * diaeresis. The Unicode normalization forms NFC and NFD of one name count as the same name.
 *
 * The Unicode tables for comparing names are part of this library. A library for Unicode normalization would be one
 * more dependency; if it were optional, one build of libdkvb would find a name that another build does not find. */

/* True if two texts, both valid UTF-8, are the same name. Texts longer than 1,024 bytes are compared byte by byte. */
bool dkvb__same_name(const char *a, const char *b);

/* Returns a number that is equal for names that dkvb__same_name() calls the same. */
uint64_t dkvb__name_key(const char *name);

#endif
