#ifndef DKVB_BOTTLENECK_CODESET_H
#define DKVB_BOTTLENECK_CODESET_H

#include <stdbool.h>

#include "base/parallel.h"
#include "base/sort.h"
#include "bottleneck/codebooks.h"
#include "bottleneck/row_names.h"
#include "bottleneck/train_record.h"
#include "dkvb/codeset.h"

enum {
    DKVB__PARTS = 2,
    DKVB__TEMPERATURE_ROWS = 50 /* least number of labelled held-out rows for fitting a temperature */
};

/* One session of training the values on the rows of a codeset. Bit s of a row's `sessions` says whether the row took
 * part in session s. */
struct dkvb__session {
    dkvb_train_options training; /* training options of the session of training, without their pointers */
    uint32_t classes;            /* number of classes of the model during the session of training */
    uint32_t values_dtype; /* number type to which the values were rounded at the end of the session of training */
};

struct dkvb__coderows {
    size_t n, capacity;
    uint32_t k;
    uint64_t *ids;      /* ids of the codeset's rows, ascending */
    int32_t *labels;    /* labels of the codeset's rows, [n], -1 (no label) or more */
    uint64_t *sessions; /* sessions of training that each row took part in, [n], bit s for session s */
    /* codes of the codeset's rows, [n][codebooks][k]; NULL: the codes were not searched yet, and `features` is there */
    uint16_t *codes;
    void *features; /* features of the codeset's rows, [n][columns] of `dtype`; NULL: features are not kept */
    uint32_t dtype, columns;
    /* names of the codeset's rows, [n], and NULL for places from n up to the capacity; NULL instead of the array: names
     * are not kept */
    char **names;
};

/* List of the rows that were removed from a codeset: the first 8 bytes of SHA-256(salt, "dkvb removed", id), ascending.
 * A struct dkvb__removed is all zeros if no row was removed. */
struct dkvb__removed {
    uint8_t salt[32];
    uint64_t *hash; /* hashes of the removed rows' ids, [n], ascending */
    size_t n;
};

struct dkvb_codeset {
    dkvb_allocator mem;
    uint8_t birth[16]; /* birth id (hash of contents) of the codebooks that the codes of the codeset belong to */
    uint32_t codebooks, keys, keep;
    /* true if the keys of the codebooks were placed on the rows of this codeset; `keyinit` then has the options of the
     * key placement */
    bool own_keys;
    dkvb_keyinit_options keyinit;
    struct dkvb__session session[DKVB_CODESET_SESSIONS];
    uint32_t sessions;
    struct dkvb__coderows part[DKVB__PARTS];
    struct dkvb__removed removed;
    struct dkvb__row_names names;
};

/* Creates an empty codeset for codebooks of the given shape. Each part of a codeset (training and held-out) has its own
 * k, the number of codes of a row in a codebook. */
dkvb_status dkvb__codeset_new(dkvb_codeset **out, const uint8_t birth[16], uint32_t codebooks, uint32_t keys,
                              uint32_t top_k, uint32_t depth, const dkvb_allocator *mem);

/* Makes room for `n` rows in all in a part of a codeset (training or held-out rows); after a failure the part is
 * unchanged. A part of a codeset that has no rows yet gets an array for codes if `codes` is true, and one for features
 * if `features` is true. The caller of dkvb__codeset_reserve() must have set the number type and the number of columns
 * of the part's features. */
dkvb_status dkvb__codeset_reserve(dkvb_codeset *set, uint32_t part, size_t n, bool codes, bool features);

/* Returns the number of codes of a row of a codeset: codebooks times k. */
static inline size_t dkvb__coderows_code_size(const dkvb_codeset *set, const struct dkvb__coderows *part)
{
    return (size_t)set->codebooks * part->k;
}

/* Returns the place of a row, a random-looking number from 0 to below 1 that follows from the row's id:
 * dkvb_codeset_holds_out() compares the place with the share of held-out rows. */
double dkvb__hold_out_place(uint64_t id);

/* Orders rows that are to be added to a codeset by ascending id (ids NULL: by number). Each id must be new to both
 * parts of the codeset (training and held-out rows) and appear once. dkvb__codeset_order() also checks the labels. The
 * arrays `order` and `scratch` of dkvb__codeset_order() have n elements. If dkvb__codeset_order() fails, the error
 * message names the row at fault. */
dkvb_status dkvb__codeset_order(const dkvb_codeset *set, const uint64_t *ids, size_t n, struct dkvb__keyed *order,
                                struct dkvb__keyed *scratch);
dkvb_status dkvb__codeset_check_labels(const int32_t *labels, size_t n);

/* Removes the rows whose ids are in `ids` from a codeset, and ignores ids that no row has. The array `gone` is scratch
 * space of dkvb__codeset_drop() with one byte for each row of the larger part of the codeset (training or held-out
 * rows). */
uint64_t dkvb__codeset_drop(dkvb_codeset *set, const uint64_t *ids, size_t n, uint8_t *gone);

/* Returns DKVB_EINVAL unless the number of a codeset's part is DKVB_PART_TRAINING or DKVB_PART_HELD_OUT. */
dkvb_status dkvb__codeset_check_part(uint32_t part);

/* Returns DKVB_EMISMATCH unless the codeset belongs to `codebooks`: both must have the same birth id, a hash of the
 * codebooks. */
dkvb_status dkvb__codeset_check(const dkvb_codeset *set, const dkvb_codebooks *codebooks);

/* Checks that a codeset belongs to a model's codebooks by birth id, that all labels are classes of the model, and that
 * all codes have as many keys as the model selects. If `other_keys` is true, dkvb__codeset_check_model() accepts a
 * model whose codebooks have other keys than those that the codeset was searched on. */
dkvb_status dkvb__codeset_check_model(const dkvb_codeset *set, const dkvb_model *model, bool other_keys);

/* Records that a codeset's keys were placed on exactly the rows of the codeset, and with which options (all but
 * `allocator`). dkvb__codeset_set_keyinit() with options of NULL records that the keys were placed on other rows. */
dkvb_status dkvb__codeset_set_keyinit(dkvb_codeset *set, const dkvb_keyinit_options *opts);

/* Returns the index of the row with the id `id` in a part of a codeset, or the number of rows if no row has the id. */
size_t dkvb__codeset_find(const dkvb_codeset_rows *rows, uint64_t id);
size_t dkvb__coderows_find(const struct dkvb__coderows *rows, uint64_t id);

/* Rows that a caller gives to a codeset a second time, named as in training: by ids, by names, or by row numbers (ids
 * and names NULL). */
struct dkvb__given {
    size_t n;
    const uint64_t *ids;
    const char *const *names;
};

/* Returns the id of row i of `given`, the rows that a caller gives to a codeset a second time. */
uint64_t dkvb__codeset_given_id(const dkvb_codeset *set, const struct dkvb__given *given, size_t i);

/* Returns the place of the row with the id `id` in the codeset: rows of the training part come first, then the held-out
 * rows. dkvb__codeset_place() returns the number of all rows of the codeset if no row has the id. */
size_t dkvb__codeset_place(const dkvb_codeset *set, uint64_t id);

/* Finds the place of each given row in the codeset; `places` is [given->n]. *known becomes the number of the codeset's
 * rows that are among the given rows, *missing the place in the codeset of the first row that is not.
 * dkvb__codeset_place_given() returns DKVB_EINVAL if a row of the codeset is given twice. */
dkvb_status dkvb__codeset_place_given(const dkvb_codeset *set, const struct dkvb__given *given, size_t *places,
                                      size_t *known, size_t *missing, const dkvb_allocator *mem);

/* True if the training part or the held-out part of a codeset has a row with the id `id`. */
bool dkvb__codeset_has(const dkvb_codeset *set, uint64_t id);

/* Returns DKVB_ESTATE if the codes of a part of a codeset (training or held-out rows) were not searched yet. If a part
 * of a codeset has features but no codes yet, the error message of dkvb__codeset_need_codes() says how the caller can
 * search the codes. */
dkvb_status dkvb__codeset_need_codes(const dkvb_codeset *set, uint32_t part);

/* Returns the number of bytes that a row takes in a codes file: the bytes of its packed codes, or of its features. */
uint64_t dkvb__coderows_packed_size(const dkvb_codeset *set, const struct dkvb__coderows *rows, unsigned bits);
uint64_t dkvb__coderows_feature_size(const struct dkvb__coderows *rows);

/* Shortens the list `rows` of *count ascending row numbers to the rows that a softmax temperature for `classes` classes
 * is fitted on: all rows, or as many as can be decoded in about a second. Rows for fitting a temperature are drawn by
 * their ids. The choice of rows for fitting a temperature is stable: if some rows are missing, the other drawn rows
 * stay drawn, and the next rows in the order of the draw fill the free places. The argument `ids` has the ids of all
 * rows; if `ids` is NULL, the row numbers serve as ids. */
dkvb_status dkvb__temperature_rows(size_t *rows, size_t *count, const uint64_t *ids, uint32_t classes,
                                   const dkvb_allocator *mem);

/* Copies the sessions of `from`, and its list of removed ids, into a codeset without sessions. The codeset `set`, to
 * which the sessions are copied, holds the same rows as `from`, or some of them, searched on other keys.
 * dkvb__codeset_copy_sessions() returns DKVB_EMISMATCH unless both codesets have the same number of codebooks and keys
 * and the same top_k, and every row of the training part of `set` is, by id, in the training part of `from` with the
 * same label. dkvb__codeset_copy_sessions() returns DKVB_ESTATE in the same cases as dkvb_codeset_record(). If copying
 * the sessions fails, the codeset `set` has no sessions. */
dkvb_status dkvb__codeset_copy_sessions(dkvb_codeset *set, const dkvb_codeset *from);

/* Fits the softmax temperature of a model (calibration.h) on the held-out rows. The logits of each row are those of the
 * top_k nearest live keys of its code, as a model of these codebooks computes them. Training and exact forgetting both
 * call dkvb__codeset_fit_temperature(), so that both find the same temperature. If the held-out rows have more than
 * 4,194,304 logits and there are more than 1,024 rows, the temperature is fitted on rows drawn by their ids. If fewer
 * than DKVB__TEMPERATURE_ROWS held-out rows have a label, the softmax temperature is 1, and its power of the logits'
 * spread is 0. *rows becomes the number of rows that the temperature was fitted on, or 0 if too few held-out rows have
 * labels; `rows` may be NULL. Fitting a temperature may fail with DKVB_EMISMATCH, or with DKVB_ESTATE if the codes of
 * the held-out rows were not searched yet. */
dkvb_status dkvb__codeset_fit_temperature(const dkvb_codeset *set, const dkvb_model *model, double *temperature,
                                          double *power, size_t *rows, const dkvb_run_options *run);

/* Appends a session of training, whose options are not checked yet, to a codeset. dkvb__codeset_append_session()
 * returns DKVB_EINVAL or DKVB_EMISMATCH for wrong options, and DKVB_ESTATE if the codeset has the largest number of
 * sessions already. */
dkvb_status dkvb__codeset_append_session(dkvb_codeset *set, const struct dkvb__session *session);

/* A removal of rows from a codeset in two steps, as dkvb_codeset_remove() makes it: the first step can fail, the second
 * cannot. A struct dkvb__removal that is not committed must be freed; freeing one of all zeros does nothing, and
 * accepts NULL as the codeset. */
struct dkvb__removal {
    /* scratch space for marks of the codeset's rows, one for each row of the larger part (training or held-out) */
    uint8_t *gone;
    struct dkvb__removed memory; /* the codeset's list of removed rows as it will be after the removal */
};
dkvb_status dkvb__removal_new(struct dkvb__removal *r, const dkvb_codeset *set, const uint64_t *ids, size_t n);
uint64_t dkvb__removal_commit(struct dkvb__removal *r, dkvb_codeset *set, const uint64_t *ids, size_t n);
void dkvb__removal_free(struct dkvb__removal *r, const dkvb_codeset *set);

/* Removes the session of training that was recorded last in a codeset. */
void dkvb__codeset_drop_session(dkvb_codeset *set);

/* Writes the labels with which the rows of the codeset's training part took part in training session s to `labels`,
 * [n]. The label written for a row is -1 if the row did not take part in training session s, or is marked in `gone` (if
 * `gone` is NULL, no row is marked). */
void dkvb__codeset_session_labels(const dkvb_codeset *set, uint32_t s, const uint8_t *gone, int32_t *labels);

/* Computes the fingerprint that a model has after the training sessions of a codeset, without the rows marked in
 * `gone`. The codes of the codeset's training part must have been searched before its fingerprint is computed. The
 * array `labels`, int32_t[n] for n training rows, is scratch space for the labels of one session of training. */
void dkvb__codeset_fingerprint(const dkvb_codeset *set, const uint8_t *gone, int32_t *labels, uint8_t trained[16],
                               const struct dkvb__run *run);

/* Functions of the list of rows that were removed from a codeset (removed.c): dkvb__removed_with() builds a list with
 * more rows added, which may replace the codeset's list; dkvb__removed_has() tells whether an id is on a list. */
dkvb_status dkvb__removed_with(struct dkvb__removed *out, const dkvb_codeset *set, const uint64_t *ids, size_t n);
dkvb_status dkvb__removed_copy(struct dkvb__removed *out, const struct dkvb__removed *from, const dkvb_allocator *mem);
bool dkvb__removed_has(const struct dkvb__removed *removed, uint64_t id);
void dkvb__removed_free(struct dkvb__removed *removed, const dkvb_allocator *mem);

/* Adds chosen rows of an array or of a source to a codeset, by the rules of dkvb_codeset_add_features(). The array
 * `index` holds the numbers of the chosen rows, [n]; if `index` is NULL, all rows are chosen. The members `ids`,
 * `labels` and `names` of the struct that describes the rows to add have one element for each chosen row. */
dkvb_status dkvb__codeset_add_some(dkvb_codeset *set, const dkvb_codebooks *cb, const dkvb_codeset_source *source,
                                   const size_t *index, const dkvb_run_options *run);

#endif
