/* What unit tests share: CMocka, small made-up data, an allocator that counts and can fail. */
#ifndef DKVB_TESTS_FIXTURE_H
#define DKVB_TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

#include <cmocka.h>

#include "dkvb/dkvb.h"
#include "files.h"

#define assert_ok(call) assert_int_equal((call), DKVB_OK)
#define assert_message(part) assert_non_null(strstr(dkvb_last_error(), (part)))

/* Rows in clusters, one class a cluster, always the same. */
enum { ROWS = 600, DIM = 10, CLASSES = 4, CODEBOOKS = 8, KEYS = 70, KEY_DIM = 5 };
extern float rows[ROWS * DIM];
extern int32_t labels[ROWS];
void make_rows(void);

/* Options for small codebooks of ROWS rows. */
dkvb_keyinit_options small_keyinit(void);

/* A model trained on `rows`, k keys selected; `codes`, [ROWS][CODEBOOKS][k], are filled in unless NULL. */
dkvb_model *trained_model(uint32_t k, uint16_t *codes);

/* Entries of the journal. */
uint64_t journal_count(const dkvb_model *model);

/* Whether a pair is in a mask. */
bool mask_has(const dkvb_mask *mask, uint32_t codebook, uint32_t key);

/* The pairs that rows of one class use most. */
dkvb_mask *mask_for_class(const dkvb_model *model, const uint16_t *codes, int32_t label, uint64_t pairs);

/* Add rows of which only ids, labels and codes are at hand. */
dkvb_status codeset_add(dkvb_codeset *set, uint32_t part, const uint64_t *ids, const int32_t *row_labels,
                        const uint16_t *codes, size_t n);

/* Open a model in place; opts: NULL for the defaults. */
dkvb_status map_model(dkvb_model **out, const char *path, const dkvb_model_options *opts);

/* The encoder that a model notes, or NULL. */
const char *encoder_of(const dkvb_model *model);

/* malloc that fails from its `fail_at`-th call on, and counts what is live. A call on another thread than the one that
 * made the allocator ends the program: the library promises never to allocate on its workers. */
struct failing_alloc {
    size_t calls, fail_at;
    long live;
    pthread_t home;
};
dkvb_allocator failing_allocator(struct failing_alloc *state, size_t fail_at);

#endif
