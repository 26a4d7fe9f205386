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
    DKVB__TEMPERATURE_ROWS = 50 /* labelled held-out rows; fewer say too little */
};

/* One training of the values. Bit s of a row's `sessions` says whether the row took part in session s. */
struct dkvb__session {
    dkvb_train_options training; /* the options, without their pointers */
    uint32_t classes;            /* number of classes of the model at that time */
    uint32_t values_dtype;       /* number type that values were rounded to at the end */
};

struct dkvb__coderows {
    size_t n, capacity;
    uint32_t k;
    uint64_t *ids;      /* ascending */
    int32_t *labels;    /* [n], -1 or more */
    uint64_t *sessions; /* [n] */
    uint16_t *codes;    /* [n][C][k]; NULL: not searched yet, and `features` are there */
    void *features;     /* [n][columns] of `dtype`; NULL: features are not kept */
    uint32_t dtype, columns;
    char **names; /* [n], and NULL up to capacity; NULL: names are not kept */
};

/* List of removed rows: the first 8 bytes of SHA-256(salt, "dkvb removed", id), ascending. All is zeros if no row was
 * removed. */
struct dkvb__removed {
    uint8_t salt[32];
    uint64_t *hash; /* [n] */
    size_t n;
};

struct dkvb_codeset {
    dkvb_allocator mem;
    uint8_t birth[16]; /* birth id of the codebooks */
    uint32_t codebooks, keys, keep;
    bool own_keys; /* the keys were placed on these rows, with the following options: */
    dkvb_keyinit_options keyinit;
    struct dkvb__session session[DKVB_CODESET_SESSIONS];
    uint32_t sessions;
    struct dkvb__coderows part[DKVB__PARTS];
    struct dkvb__removed removed;
    struct dkvb__row_names names;
};

/* Creates an empty codeset of this shape. Each part has its own k. */
dkvb_status dkvb__codeset_new(dkvb_codeset **out, const uint8_t birth[16], uint32_t codebooks, uint32_t keys,
                              uint32_t top_k, uint32_t depth, const dkvb_allocator *mem);

/* Makes room for `n` rows in all in a part; after a failure the part is as before. A part without rows gets arrays for
 * codes, features or both, as asked. Features have `dtype` and `columns` already. */
dkvb_status dkvb__codeset_reserve(dkvb_codeset *set, uint32_t part, size_t n, bool codes, bool features);

/* Number of codes of a row. */
static inline size_t dkvb__coderows_code_size(const dkvb_codeset *set, const struct dkvb__coderows *part)
{
    return (size_t)set->codebooks * part->k;
}

/* Returns the place of a row, 0 to below 1, by its id: dkvb_codeset_holds_out() compares it with the share. */
double dkvb__hold_out_place(uint64_t id);

/* Orders rows that are to be added by ascending id (ids NULL: by number). Each id must be new to both parts and come
 * once. The function also checks labels. order, scratch: [n]. DKVB_EINVAL names the row. */
dkvb_status dkvb__codeset_order(const dkvb_codeset *set, const uint64_t *ids, size_t n, struct dkvb__keyed *order,
                                struct dkvb__keyed *scratch);
dkvb_status dkvb__codeset_check_labels(const int32_t *labels, size_t n);

/* Removes the rows with these ids, and ignores ids that no row has. gone: [rows of the larger part], scratch. */
uint64_t dkvb__codeset_drop(dkvb_codeset *set, const uint64_t *ids, size_t n, uint8_t *gone);

/* Returns DKVB_EINVAL unless the part is DKVB_PART_TRAINING or DKVB_PART_HELD_OUT. */
dkvb_status dkvb__codeset_check_part(uint32_t part);

/* Returns DKVB_EMISMATCH unless the codeset belongs to these codebooks, by birth id. */
dkvb_status dkvb__codeset_check(const dkvb_codeset *set, const dkvb_codebooks *codebooks);

/* Checks what dkvb__codeset_check() does, and that all labels are classes of the model and all codes have as many keys
 * as the model selects. `other_keys` allows codebooks with other keys. */
dkvb_status dkvb__codeset_check_model(const dkvb_codeset *set, const dkvb_model *model, bool other_keys);

/* Records that the keys were placed on these very rows, and with which options (all but `allocator`). NULL records that
 * the keys were placed on other rows. */
dkvb_status dkvb__codeset_set_keyinit(dkvb_codeset *set, const dkvb_keyinit_options *opts);

/* Returns the index of the row with this id, or n. */
size_t dkvb__codeset_find(const dkvb_codeset_rows *rows, uint64_t id);
size_t dkvb__coderows_find(const struct dkvb__coderows *rows, uint64_t id);

/* Rows that a caller gives again, named as in training: by ids, by names, or by their numbers (both NULL). */
struct dkvb__given {
    size_t n;
    const uint64_t *ids;
    const char *const *names;
};

/* The id of given row i. */
uint64_t dkvb__codeset_given_id(const dkvb_codeset *set, const struct dkvb__given *given, size_t i);

/* Returns the place of a row by its id: rows of the training part come first, then the held-out rows. If neither part
 * has the id, the result is the number of all rows. */
size_t dkvb__codeset_place(const dkvb_codeset *set, uint64_t id);

/* Finds the place of each given row; places: [given->n]. *known is the number of rows of the codeset that are given,
 * *missing the first place that is not given. DKVB_EINVAL names a row of the codeset that is given twice. */
dkvb_status dkvb__codeset_place_given(const dkvb_codeset *set, const struct dkvb__given *given, size_t *places,
                                      size_t *known, size_t *missing, const dkvb_allocator *mem);

/* True if either part has a row with this id. */
bool dkvb__codeset_has(const dkvb_codeset *set, uint64_t id);

/* Returns DKVB_ESTATE if the codes of a part were not searched yet. The message says how to search the codes. */
dkvb_status dkvb__codeset_need_codes(const dkvb_codeset *set, uint32_t part);

/* Number of bytes of a row in a file: its packed codes, or its features. */
uint64_t dkvb__coderows_packed_size(const dkvb_codeset *set, const struct dkvb__coderows *rows, unsigned bits);
uint64_t dkvb__coderows_feature_size(const struct dkvb__coderows *rows);

/* Shortens rows[0 .. *count-1], ascending row numbers, to the rows that a temperature for `classes` classes is fitted
 * on: all rows, or as many as can be decoded in about a second. Rows are drawn by id. If some rows are missing, the
 * other drawn rows stay drawn, and the next rows take the free places. ids: of all rows; NULL: row numbers. */
dkvb_status dkvb__temperature_rows(size_t *rows, size_t *count, const uint64_t *ids, uint32_t classes,
                                   const dkvb_allocator *mem);

/* Copies the sessions of `from`, and its list of removed ids, into a codeset without sessions. The codeset holds the
 * same rows or some of them, searched on other keys. DKVB_EMISMATCH unless both have the same number of codebooks and
 * keys and the same top_k, and every row of the training part of `set` is, by id, in that of `from` with the same
 * label. DKVB_ESTATE as in dkvb_codeset_record(). A failure records nothing. */
dkvb_status dkvb__codeset_copy_sessions(dkvb_codeset *set, const dkvb_codeset *from);

/* Fits a temperature (calibration.h) on the held-out rows. Each row is answered by the top_k nearest live keys of its
 * code, as a model of these codebooks does. Training and exact forgetting both call this function, so that both end
 * with the same numbers. If there are more than 4,194,304 logits and 1,024 rows, rows are drawn by their ids until
 * there are enough. If fewer than DKVB__TEMPERATURE_ROWS held-out rows have a label, the temperature is 1 and the power
 * 0. *rows is the number of rows used, 0 if there were too few; `rows` may be NULL. DKVB_EMISMATCH; DKVB_ESTATE if the
 * rows were not searched yet. */
dkvb_status dkvb__codeset_fit_temperature(const dkvb_codeset *set, const dkvb_model *model, double *temperature,
                                          double *power, size_t *rows, const dkvb_run_options *run);

/* Appends a session whose numbers are not checked yet. DKVB_EINVAL and DKVB_EMISMATCH reject such numbers; DKVB_ESTATE
 * says that there is no room. */
dkvb_status dkvb__codeset_append_session(dkvb_codeset *set, const struct dkvb__session *session);

/* A removal of rows, as dkvb_codeset_remove() makes it: a step that can fail, and one that cannot. A removal that is
 * not committed is freed; zeros need not be. */
struct dkvb__removal {
    uint8_t *gone;               /* scratch, [rows of the larger part] */
    struct dkvb__removed memory; /* the list of removed rows afterwards */
};
dkvb_status dkvb__removal_new(struct dkvb__removal *r, const dkvb_codeset *set, const uint64_t *ids, size_t n);
uint64_t dkvb__removal_commit(struct dkvb__removal *r, dkvb_codeset *set, const uint64_t *ids, size_t n);
void dkvb__removal_free(struct dkvb__removal *r, const dkvb_codeset *set);

/* Takes back the session that was recorded last. */
void dkvb__codeset_drop_session(dkvb_codeset *set);

/* Writes the labels that session s taught to labels: [n] of the training part. A label is -1 if the row did not take
 * part in the session, or is marked in `gone` (NULL: no row is). */
void dkvb__codeset_session_labels(const dkvb_codeset *set, uint32_t s, const uint8_t *gone, int32_t *labels);

/* Computes the fingerprint of a model that was trained as the sessions say, without the rows marked in `gone`. The
 * training part must have its codes. labels: [n], scratch. */
void dkvb__codeset_fingerprint(const dkvb_codeset *set, const uint8_t *gone, int32_t *labels, uint8_t trained[16],
                               const struct dkvb__run *run);

/* Functions of removed.c. dkvb__removed_with() builds a list with these rows added, which may then replace the
 * codeset's list. dkvb__removed_has() tells whether an id is on a list. */
dkvb_status dkvb__removed_with(struct dkvb__removed *out, const dkvb_codeset *set, const uint64_t *ids, size_t n);
dkvb_status dkvb__removed_copy(struct dkvb__removed *out, const struct dkvb__removed *from, const dkvb_allocator *mem);
bool dkvb__removed_has(const struct dkvb__removed *removed, uint64_t id);
void dkvb__removed_free(struct dkvb__removed *removed, const dkvb_allocator *mem);

/* dkvb_codeset_add_features() for some rows of an array or of a source. index: [n], numbers of the rows there; NULL:
 * all rows. Everything else of `source` is of the chosen rows. */
dkvb_status dkvb__codeset_add_some(dkvb_codeset *set, const dkvb_codebooks *cb, const dkvb_codeset_source *source,
                                   const size_t *index, const dkvb_run_options *run);

#endif
