#ifndef DKVB_BOTTLENECK_MODEL_H
#define DKVB_BOTTLENECK_MODEL_H

#include "base/parallel.h"
#include "bottleneck/mask.h"
#include "dkvb/model.h"
#include "dkvb/values.h"

enum { DKVB__MAX_CLASSES = DKVB_MODEL_CLASSES, DKVB__MAX_NAME = 255, DKVB__MAX_ENCODER = 255 };

/* The version of the file format that this library writes. A model made in memory has this version. */
enum { DKVB__FORMAT_MAJOR = 2, DKVB__FORMAT_MINOR = 0 };

/* One journal entry: plain data, which unlearn/journal.c writes. */
struct dkvb__record {
    uint32_t kind, state; /* DKVB_JOURNAL_…; later entries determine the state, which files do not hold */
    uint64_t ends;        /* undo: the entry that was taken back; relearn: the forgetting that ended */
    int64_t time;
    uint64_t pairs, pairs_new;
    char *method, *reason;
    uint32_t *list; /* the `pairs` pairs that this entry masked, ascending. NULL once undone or purged */

    /* Request and measurements of the entry, in the bytes of the file's section "terms" (unlearn/terms.c). NULL: none
     * given. */
    unsigned char *terms;
    size_t terms_size;

    /* Evidence of the entry (unlearn/evidence.c). */
    uint32_t strength;
    uint64_t rows;
    bool salted, commits_to_rows, commits_to_pairs;
    uint8_t salt[32], rows_hash[32], pairs_hash[32]; /* zeros if the entry has none */
    uint8_t head[32];
};

struct dkvb__journal {
    struct dkvb__record *records; /* entry `id` is records[id - 1] */
    size_t count, capacity;
    size_t settled; /* number of entries up to the latest purge; none of them is active */
};

/* A section of the file that this library does not know. It is kept and written again. */
struct dkvb__extra {
    char name[17];
    uint32_t dtype;
    void *data; /* lies in the model's mapping if there is one, else owned */
    size_t size;
};

/* State of a training between its begin and its end (values.c). */
struct dkvb__training {
    dkvb_train_options options;
    float *values; /* [own codebooks][K][stride], copied to the model in its own type at the end */
    size_t stride; /* L, rounded up to whole vectors; the rest of a row is zeros */
    bool afresh;   /* the values began as 0 */
    uint8_t trained[16];
    uint64_t rows; /* number of rows trained so far */
    uint32_t steps;
    bool in_place;   /* the model has no values of its own meanwhile */
    float *row;      /* [L], scratch of a training in place */
    uint8_t *taught; /* [L], with `relearn` 1 for each class of the rows so far; else scratch */
};

struct dkvb_model {
    dkvb_allocator mem;
    dkvb_codebooks *codebooks;
    uint32_t classes, top_k;
    /* The groups of codebooks (sums.h) whose values this rank holds, and their codebooks: all, unless ranks share the
     * model. */
    size_t first_group, end_group, first_codebook, end_codebook;
    void *values; /* [own codebooks][K][L] of values_dtype; owned, or in `mapping` */
    bool values_mapped;
    bool roomy; /* `values` has room for float32 rows of a training, which then needs no memory beside it */
    uint32_t values_dtype;
    bool blank;       /* all values are 0, and never were anything else */
    uint32_t *counts; /* [L][own codebooks][K], how often rows of each class selected each pair; or [L][C][K] in
                         `mapping`; NULL: not kept */
    char **names;     /* [L], NULL = no name */
    char *encoder;    /* name of the encoder that makes the rows; NULL: unknown */
    char **columns;   /* [input_dim], names of the columns of a row, one block with their texts; NULL: no names */
    dkvb_mask *mask;  /* the pairs masked now, purged pairs not included */
    struct dkvb__journal journal;
    struct dkvb__training *training;
    uint64_t rows_trained;
    uint32_t trials;           /* number of trials of the latest tuned training; 0: no training was tuned */
    uint8_t trained[16];       /* fingerprint of all trainings: dkvb__trained_extend(); zeros without training */
    double temperature, power; /* temperature of probabilities and its power; 1 and 0 if none was set */
    struct dkvb__extra *extras;
    size_t extra_count;
    struct dkvb__mapping *mapping;
    uint32_t format_major, format_minor; /* version of the model's file */
    char *path;                          /* path of the mapped file, for messages */
};

/* Creates a model with codebooks (as one more owner), a mask and names, but without values. */
dkvb_status dkvb__model_shell(dkvb_model **out, dkvb_codebooks *cb, uint32_t classes, uint32_t top_k,
                              const dkvb_allocator *mem);

/* Creates a twin of a model. The twin has the same codebooks, values, mask, classes and temperature, so that it answers
 * as `model` does and can be trained in its place. The twin has no names, counts or journal. dkvb__model_become() moves
 * the trained values from `twin` to `model` and frees the twin. dkvb__model_become() cannot fail; the twin must still
 * have the classes and the type of the model. */
dkvb_status dkvb__model_twin(dkvb_model **out, const dkvb_model *model);
void dkvb__model_become(dkvb_model *model, dkvb_model *twin);

/* Settles which groups of codebooks this rank holds the values of. */
void dkvb__model_deal(dkvb_model *model);

/* Ends a step that can fail on some of the ranks only that share a model: dkvb__ranks_agree(). */
static inline dkvb_status dkvb__model_agree(const dkvb_model *model, dkvb_status rc)
{
    return dkvb__ranks_agree(&model->codebooks->ranks, rc);
}

/* The places at which the ranks' pairs begin: first: [DKVB_RANKS_COUNT + 1]. */
void dkvb__pairs_of_ranks(const dkvb_model *model, size_t *first);

/* The values of a pair that this rank holds. */
void *dkvb__values_of(const dkvb_model *model, size_t pair);

/* Calls `take` on rank 0 with the values of all pairs, in their order and some at a time. All ranks call this together;
 * the status of `take` is that of all. */
typedef dkvb_status (*dkvb__take_values_fn)(void *context, const void *values, size_t size);
dkvb_status dkvb__values_to_first(const dkvb_model *model, dkvb__take_values_fn take, void *context);

/* Computes the number of all values. The result is false if they do not fit in memory as floats. */
bool dkvb__value_count(size_t *count, const struct dkvb__shape *shape, uint32_t classes);

/* Fails with DKVB_EINVAL: value number `at` is too large for this type. */
dkvb_status dkvb__fail_narrow(const dkvb_model *model, uint32_t dtype, size_t at, float value);

/* Returns `code` unless both numbers are within the limits of calibration.h; `what` begins the message. */
dkvb_status dkvb__temperature_check(double temperature, double power, dkvb_status code, const char *what);

/* Returns DKVB_ESTATE if the model is mapped or in training. */
dkvb_status dkvb__model_need_mutable(const dkvb_model *model);

/* Copies the mask in force, which is the masked and the purged pairs together. */
dkvb_status dkvb__model_get_mask(const dkvb_model *model, dkvb_mask **out);

/* Returns DKVB_EINVAL unless the text is UTF-8 without control characters and of at most `most` bytes; `what` names it.
 */
dkvb_status dkvb__check_text(const char *what, const char *text, size_t most);

/* Finds two equal names and returns their places; `*second` is `count` if all names differ. NULL and "" are no names.
 * DKVB_ENOMEM. */
dkvb_status dkvb__names_twice(const char *const *names, size_t count, size_t *first, size_t *second,
                              const dkvb_allocator *mem);

/* Allocates names of columns, as dkvb_model keeps them: `count` pointers, and then `text` bytes for the texts. A block
 * for each name would be slow, since a model may have a million columns. NULL: out of memory. */
char **dkvb__column_names_alloc(size_t count, size_t text, const dkvb_allocator *mem);

/* Returns `code` unless each column has an allowed name of its own. `where` begins the message. */
dkvb_status dkvb__column_names_check(const char *const *names, size_t count, dkvb_status code, const char *where,
                                     const dkvb_allocator *mem);

static inline bool dkvb__model_dead(const dkvb_model *m, size_t codebook, size_t key)
{
    size_t word = codebook * m->mask->words + key / 64;

    return (m->mask->bits[word] | m->codebooks->purged[word]) >> (key % 64) & 1;
}

static inline size_t dkvb__pair_count(const dkvb_model *m)
{
    return (size_t)m->codebooks->shape.codebooks * m->codebooks->shape.keys;
}

/* The number of pairs whose values this rank holds, and the number of the first of them. */
static inline size_t dkvb__own_pairs(const dkvb_model *m)
{
    return (m->end_codebook - m->first_codebook) * m->codebooks->shape.keys;
}

static inline size_t dkvb__first_pair(const dkvb_model *m)
{
    return m->first_codebook * m->codebooks->shape.keys;
}

/* The counts of a class, of the pairs whose values this rank holds. */
static inline uint32_t *dkvb__class_counts_of(const dkvb_model *m, size_t label)
{
    return m->mapping ? m->counts + label * dkvb__pair_count(m) + dkvb__first_pair(m)
                      : m->counts + label * dkvb__own_pairs(m);
}

static inline size_t dkvb__code_size(const dkvb_model *m)
{
    return (size_t)m->codebooks->shape.codebooks * m->top_k;
}

/* Checks the training options of a caller. `o` holds the defaults. */
dkvb_status dkvb__train_options_take(dkvb_train_options *o, const dkvb_train_options *given);

/* Extends the fingerprint `trained` by one more training with these options on rows; rows without a label do not count.
 * Ids (of the options; NULL: row numbers) stand in for an order, except where rows are trained on in the order given.
 */
void dkvb__trained_extend(uint8_t trained[16], const dkvb_train_options *options, const uint16_t *codes,
                          size_t code_size, const int32_t *labels, size_t n, const struct dkvb__run *run);

/* dkvb_model_train() on the model's own values, so that there is only one copy of them, in float32. The model cannot
 * answer meanwhile, and a training that fails leaves a model without values that were learned: all are 0 then. */
dkvb_status dkvb__model_train_in_place(dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels,
                                       size_t n, const dkvb_train_options *options, const dkvb_run_options *run);

/* Returns DKVB_ESTATE if the values are being trained in place. */
dkvb_status dkvb__model_need_values(const dkvb_model *model);

/* Frees the values, and erases them unless all are still zero. */
void dkvb__values_free(dkvb_model *model);

/* Makes all values 0, after work in place that cannot be finished. */
void dkvb__values_lose(dkvb_model *model);

/* Frees the state of a training; without a training it does nothing. A training in place that has not ended loses the
 * values. */
void dkvb__training_free(dkvb_model *model);

/* Frees the contents of a journal entry. The rest of the journal is in unlearn/, but the model frees it. */
void dkvb__record_clear(struct dkvb__record *record, const dkvb_allocator *mem);

/* Functions of the journal that training calls, although the journal lies in the layer above (unlearn/relearn.c). Code
 * that trains values on a copy of the model must pass the model itself. */

/* Returns DKVB_ESTATE if a row has a class that a forgetting in force is about. The labels are checked already.
 * scratch: [L]. */
dkvb_status dkvb__relearn_check(const dkvb_model *model, const int32_t *labels, size_t n, uint8_t *scratch);

/* Notes the classes of rows that were trained on; taught: [L], 1 for each such class. */
void dkvb__relearn_note(uint8_t *taught, const int32_t *labels, size_t n);

/* Journal entries for the end of forgettings, made before the values are put in place, since making them may fail, and
 * appended afterwards. Entries come first for forgettings whose classes were taught, then for forgettings of exactly
 * the rows that came back. taught: [L], or NULL; back: ids, [n]. `made` is NULL if no entry is to be written. Each
 * relearning must be appended or dropped. */
struct dkvb__relearning {
    struct dkvb__record *made; /* [count] */
    size_t count;
};
dkvb_status dkvb__relearn_prepare(dkvb_model *model, const uint8_t *taught, const uint64_t *back, size_t n,
                                  struct dkvb__relearning *r);
void dkvb__relearn_append(dkvb_model *model, struct dkvb__relearning *r);
void dkvb__relearn_drop(dkvb_model *model, struct dkvb__relearning *r);

#endif
