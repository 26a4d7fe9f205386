#ifndef DKVB_BOTTLENECK_CODESET_H
#define DKVB_BOTTLENECK_CODESET_H

#include <stdbool.h>

#include "base/parallel.h"
#include "base/sort.h"
#include "bottleneck/codebooks.h"
#include "bottleneck/row_names.h"
#include "bottleneck/train_record.h"
#include "dkvb/codeset.h"

enum { DKVB__PARTS = 2, DKVB__TEMPERATURE_ROWS = 50 /* held out, with a label; fewer say too little */ };

/* One training of the values. Bit s of a row's `sessions` says whether the row took part in session s. */
struct dkvb__session {
    dkvb_train_options training; /* without pointers */
    uint32_t classes;            /* number of classes of the model at that time */
    uint32_t values_dtype;       /* number type that values were rounded to at the end */
};

struct dkvb__coderows {
    size_t n, capacity;
    uint32_t k;
    uint64_t *ids;      /* ascending */
    int32_t *labels;    /* [n], -1 or more */
    uint64_t *sessions; /* [n] */
    uint16_t *codes;    /* [n][C][k]; NULL: to be searched, `features` are there */
    void *features;     /* [n][columns] of `dtype`; NULL: not kept */
    uint32_t dtype, columns;
    char **names; /* [n], and NULL up to capacity; NULL: not kept */
};

/* Rows that were removed: the first 8 bytes of SHA-256(salt, "dkvb removed", id), ascending. Zeros without rows. */
struct dkvb__removed {
    uint8_t salt[32];
    uint64_t *hash; /* [n] */
    size_t n;
};

struct dkvb_codeset {
    dkvb_allocator mem;
    uint8_t birth[16]; /* birth id of the codebooks */
    uint32_t codebooks, keys, keep;
    bool own_keys; /* the keys were placed on these rows, in this way: */
    dkvb_keyinit_options keyinit;
    struct dkvb__session session[DKVB_CODESET_SESSIONS];
    uint32_t sessions;
    struct dkvb__coderows part[DKVB__PARTS];
    struct dkvb__removed removed;
    struct dkvb__row_names names;
};

/* Empty, of this shape, both parts with their k. */
dkvb_status dkvb__codeset_new(dkvb_codeset **out, const uint8_t birth[16], uint32_t codebooks, uint32_t keys,
                              uint32_t top_k, uint32_t depth, const dkvb_allocator *mem);

/* Room for `n` rows in all in a part, kept if that fails. A part without rows takes codes, features or both as asked;
 * features have `dtype` and `columns` already. */
dkvb_status dkvb__codeset_reserve(dkvb_codeset *set, uint32_t part, size_t n, bool codes, bool features);

/* Codes of a row. */
static inline size_t dkvb__coderows_code_size(const dkvb_codeset *set, const struct dkvb__coderows *part)
{
    return (size_t)set->codebooks * part->k;
}

/* Place of a row, 0 to below 1, by its id: dkvb_codeset_holds_out() compares it with the share. */
double dkvb__hold_out_place(uint64_t id);

/* Rows on their way in, ordered by ascending id (ids NULL: their numbers), which must be new to both parts and come
 * once; and their labels. order, scratch: [n]. DKVB_EINVAL names the row. */
dkvb_status dkvb__codeset_order(const dkvb_codeset *set, const uint64_t *ids, size_t n, struct dkvb__keyed *order,
                                struct dkvb__keyed *scratch);
dkvb_status dkvb__codeset_check_labels(const int32_t *labels, size_t n);

/* Take out rows that are there, of these ids, and pass over other ids. gone: [rows of the larger part], scratch. */
uint64_t dkvb__codeset_drop(dkvb_codeset *set, const uint64_t *ids, size_t n, uint8_t *gone);

/* DKVB_EINVAL unless it is DKVB_PART_TRAINING or _HELD_OUT. */
dkvb_status dkvb__codeset_check_part(uint32_t part);

/* DKVB_EMISMATCH unless the codeset belongs to these codebooks, by birth id. */
dkvb_status dkvb__codeset_check(const dkvb_codeset *set, const dkvb_codebooks *codebooks);

/* The same, and unless labels are classes of the model and codes have as many keys as it selects. `other_keys`: keys
 * may be others. */
dkvb_status dkvb__codeset_check_model(const dkvb_codeset *set, const dkvb_model *model, bool other_keys);

/* Say that the keys were placed on these very rows, and how; all of the options but `allocator`. NULL: on others. */
dkvb_status dkvb__codeset_set_keyinit(dkvb_codeset *set, const dkvb_keyinit_options *opts);

/* Index of the row with this id, or n. */
size_t dkvb__codeset_find(const dkvb_codeset_rows *rows, uint64_t id);
size_t dkvb__coderows_find(const struct dkvb__coderows *rows, uint64_t id);

/* Rows that a caller gives once more, called as in training: by ids, by names, or by their numbers (both NULL). */
struct dkvb__given {
    size_t n;
    const uint64_t *ids;
    const char *const *names;
};

/* The id of given row i. */
uint64_t dkvb__codeset_given_id(const dkvb_codeset *set, const struct dkvb__given *given, size_t i);

/* Place of a row by its id among those of the training part and then those held out; their number if neither has it. */
size_t dkvb__codeset_place(const dkvb_codeset *set, uint64_t id);

/* places: [given->n], that of each given row. *known: how many rows of the codeset are given; *missing: the first place
 * that is not. DKVB_EINVAL names a row of the codeset that is given twice. */
dkvb_status dkvb__codeset_place_given(const dkvb_codeset *set, const struct dkvb__given *given, size_t *places,
                                      size_t *known, size_t *missing, const dkvb_allocator *mem);

/* Whether either part has a row with this id. */
bool dkvb__codeset_has(const dkvb_codeset *set, uint64_t id);

/* DKVB_ESTATE, naming the way on, if codes of a part are not there yet. */
dkvb_status dkvb__codeset_need_codes(const dkvb_codeset *set, uint32_t part);

/* Bytes of a row in a file: its packed codes, or its features. */
uint64_t dkvb__coderows_packed_size(const dkvb_codeset *set, const struct dkvb__coderows *rows, unsigned bits);
uint64_t dkvb__coderows_feature_size(const struct dkvb__coderows *rows);

/* Shorten rows[0 .. *count-1], ascending row numbers, to those that a temperature of `classes` classes is fitted on:
 * all, or as many as are decoded and looked at in about a second. They are drawn by id: where some rows are missing,
 * the others that were drawn are drawn again, and rows that had no room take the free places. ids: of all rows; NULL:
 * row numbers. */
dkvb_status dkvb__temperature_rows(size_t *rows, size_t *count, const uint64_t *ids, uint32_t classes,
                                   const dkvb_allocator *mem);

/* Record the sessions of `from` in a codeset without any, of the same rows or some of them, searched on other keys; and
 * which ids were removed. DKVB_EMISMATCH unless both have as many codebooks and keys, the same top_k, and every row of
 * the training part of `set`, by id, is in that of `from`, with the same label; DKVB_ESTATE. Nothing was recorded then.
 */
dkvb_status dkvb__codeset_copy_sessions(dkvb_codeset *set, const dkvb_codeset *from);

/* Fit a temperature (calibration.h) on the rows held out, as a model of these codebooks answers them by the top_k
 * nearest live keys of their codes. Training and exact forgetting call this, so that both end with the same numbers.
 * Where more than 4,194,304 logits and 1,024 rows would be looked at, rows are drawn by their ids until that is enough.
 * Where fewer than DKVB__TEMPERATURE_ROWS rows with a label are held out, the temperature is 1 and the power 0. rows:
 * how many there are, 0 where they are too few; or NULL. DKVB_EMISMATCH; DKVB_ESTATE (not searched yet). */
dkvb_status dkvb__codeset_fit_temperature(const dkvb_codeset *set, const dkvb_model *model, double *temperature,
                                          double *power, size_t *rows, const dkvb_run_options *run);

/* Record a session that was checked but for its numbers: DKVB_EINVAL, DKVB_EMISMATCH, or DKVB_ESTATE without room. */
dkvb_status dkvb__codeset_append_session(dkvb_codeset *set, const struct dkvb__session *session);

/* labels: [n] of the training part, as session s taught them: -1 where a row did not take part, or is `gone` (NULL:
 * none is). */
void dkvb__codeset_session_labels(const dkvb_codeset *set, uint32_t s, const uint8_t *gone, int32_t *labels);

/* Fingerprint of a model that was trained as the sessions say, without rows that are `gone`. The training part has its
 * codes. labels: [n], scratch. */
void dkvb__codeset_fingerprint(const dkvb_codeset *set, const uint8_t *gone, int32_t *labels, uint8_t trained[16],
                               const struct dkvb__run *run);

/* removed.c. A list with more rows than the codeset has, which may then take its place; a copy; whether an id is on it.
 */
dkvb_status dkvb__removed_with(struct dkvb__removed *out, const dkvb_codeset *set, const uint64_t *ids, size_t n);
dkvb_status dkvb__removed_copy(struct dkvb__removed *out, const struct dkvb__removed *from, const dkvb_allocator *mem);
bool dkvb__removed_has(const struct dkvb__removed *removed, uint64_t id);
void dkvb__removed_free(struct dkvb__removed *removed, const dkvb_allocator *mem);

#endif
