/* Helpers for unit tests: CMocka, small artificial data, and an allocator that counts blocks and can fail. */
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

/* Sizes of the artificial data: rows in clusters, one class in each cluster, the same in every run. */
enum { ROWS = 600, DIM = 10, CLASSES = 4, CODEBOOKS = 8, KEYS = 70, KEY_DIM = 5 };
extern float rows[ROWS * DIM];
extern int32_t labels[ROWS];
void make_rows(void);

/* Returns options for placing the keys of small codebooks on ROWS rows. */
dkvb_keyinit_options small_keyinit(void);

/* Returns a model that was trained on `rows`, with k selected keys; `codes`, [ROWS][CODEBOOKS][k], are filled in unless
 * NULL. */
dkvb_model *trained_model(uint32_t k, uint16_t *codes);

/* Returns the number of entries in the journal of a model. */
uint64_t journal_count(const dkvb_model *model);

/* Returns true if a (codebook, key) pair is in a mask. */
bool mask_has(const dkvb_mask *mask, uint32_t codebook, uint32_t key);

/* Returns a mask of the (codebook, key) pairs that rows of one class select most often. */
dkvb_mask *mask_for_class(const dkvb_model *model, const uint16_t *codes, int32_t label, uint64_t pairs);

/* Adds rows to a codeset by ids, labels and codes, without features. */
dkvb_status codeset_add(dkvb_codeset *set, uint32_t part, const uint64_t *ids, const int32_t *row_labels,
                        const uint16_t *codes, size_t n);

/* Opens a model file in place; with `opts` NULL, options have their defaults. */
dkvb_status map_model(dkvb_model **out, const char *path, const dkvb_model_options *opts);

/* Returns the encoder name that a model stores, or NULL. */
const char *encoder_of(const dkvb_model *model);

/* An allocator that fails from its `fail_at`-th call on, and counts live blocks. An allocation on another thread than
 * the allocator's own ends the program, as the library promises never to allocate on worker threads. */
struct failing_alloc {
    size_t calls, fail_at;
    long live;
    pthread_t home;
};
dkvb_allocator failing_allocator(struct failing_alloc *state, size_t fail_at);

#endif
