/* Helpers for tests of plans: small models with held-out rows, and checks of plans made on them. */
#ifndef DKVB_TESTS_PLAN_FIXTURE_H
#define DKVB_TESTS_PLAN_FIXTURE_H

#include <stdbool.h>

#include "fixture.h"

extern const uint8_t salt[32];

/* Rows in which the first three classes are moved towards each other, so that they are hard to separate. */
extern float hard[ROWS * DIM];

extern bool few_keys; /* true if plan_fit() makes so few keys that classes share keys */

/* Setup of the tests of plans: makes the rows, and fixes the time of journal entries, so that files can be compared
 * byte by byte. */
int plan_setup(void **state);

/* Fits a small model. The keys are placed on other rows unless `own_keys` is true. If `ids` is NULL, row numbers are
 * the ids. */
void plan_fit(dkvb_model **model, dkvb_codeset **set, bool own_keys, const float *x, const int32_t *y,
              const uint64_t *ids, size_t n);

dkvb_forget_request request_for(uint8_t classes[CLASSES], uint32_t label);

dkvb_plan_info info_of(const dkvb_plan *plan);

dkvb_journal_entry entry_at(const dkvb_model *model, uint64_t index);

/* Returns the bytes of the file of a model or a codeset; the caller frees them. */
char *bytes_of(const dkvb_model *model, const dkvb_codeset *set, size_t *size);

void assert_same_bytes(const char *a, size_t a_size, const char *b, size_t b_size);

void assert_same_values(const dkvb_model *a, const dkvb_model *b);

/* Asserts that both codesets have the same rows, codes and sessions. The lists of removed rows of the two codesets may
 * differ. */
void assert_same_rows(const dkvb_codeset *a, const dkvb_codeset *b);

/* Copies a codeset by saving and loading it. */
dkvb_codeset *copy_of(const dkvb_codeset *set);

/* Asserts that a plan is refused for the reason `why`, and that applying the plan changes nothing. */
dkvb_plan *assert_plan_refused(dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q, uint32_t why,
                               bool can_be_forced);

void assert_plan_forced(dkvb_model *model, dkvb_codeset *set, dkvb_forget_request q);

/* Fills in a request to forget all rows of class 1, with 60 rows of class 2 slipped in. */
void ask_for_slipped_in(dkvb_forget_request *q, uint64_t ids[ROWS]);

uint64_t right_rows(const dkvb_model *model, const dkvb_codeset *set, uint32_t label);

/* Asserts that planning fails with this status, and that the error message contains `part`. */
void assert_plan_fails(dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q, dkvb_status status,
                       const char *part);

dkvb_plan *apply_request(dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q);

#endif
