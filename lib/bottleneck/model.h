#ifndef DKVB_BOTTLENECK_MODEL_H
#define DKVB_BOTTLENECK_MODEL_H

#include "base/parallel.h"
#include "bottleneck/mask.h"
#include "dkvb/model.h"
#include "dkvb/values.h"

enum { DKVB__MAX_CLASSES = DKVB_MODEL_CLASSES, DKVB__MAX_NAME = 255, DKVB__MAX_ENCODER = 255 };

/* The newest version of the file format that this library writes; a model made in memory is of it. */
enum { DKVB__FORMAT_MAJOR = 2, DKVB__FORMAT_MINOR = 0 };

/* One journal entry: plain data, written by unlearn/journal.c. */
struct dkvb__record {
    uint32_t kind, state; /* DKVB_JOURNAL_…; the state follows from later entries and is not in files */
    uint64_t ends;        /* undo: the entry taken back; relearn: the forgetting that is over */
    int64_t time;
    uint64_t pairs, pairs_new;
    char *method, *reason;
    uint32_t *list; /* the pairs asked for, ascending, `pairs` of them: masked. NULL once undone or purged */

    /* What was meant and measured, in the bytes of the file's section "terms": unlearn/terms.c. NULL: nothing said. */
    unsigned char *terms;
    size_t terms_size;

    /* Evidence: unlearn/evidence.c. */
    uint32_t strength;
    uint64_t rows;
    bool salted, commits_to_rows, commits_to_pairs;
    uint8_t salt[32], rows_hash[32], pairs_hash[32]; /* zeros where there is none */
    uint8_t head[32];
};

struct dkvb__journal {
    struct dkvb__record *records; /* entry `id` is records[id - 1] */
    size_t count, capacity;
    size_t settled; /* entries up to the latest purge: none of them is active */
};

/* A section of the file that this library does not know: kept, and written again. */
struct dkvb__extra {
    char name[17];
    uint32_t dtype;
    void *data; /* in the model's mapping if there is one, else owned */
    size_t size;
};

/* Training between begin and end: see values.c. */
struct dkvb__training {
    dkvb_train_options options;
    float *values; /* [C][K][stride], becoming the model's, in whatever type that stores its own */
    size_t stride; /* L, rounded up to whole vectors; the rest of a row is zeros */
    bool afresh;   /* values began as 0 */
    uint8_t trained[16];
    uint64_t rows; /* trained so far */
    uint32_t steps;
    uint8_t *taught; /* [L], with `relearn` 1 for classes of the rows so far; else scratch */
};

struct dkvb_model {
    dkvb_allocator mem;
    dkvb_codebooks *codebooks;
    uint32_t classes, top_k;
    void *values; /* [C][K][L] of values_dtype; owned, or in `mapping` */
    bool values_mapped;
    uint32_t values_dtype;
    bool blank; /* values are 0, all of them: nothing was ever put there */
    uint32_t
        *counts; /* [L][C][K], how often rows of each class selected each pair; in `mapping` or owned; NULL: not kept */
    char **names;    /* [L], NULL = no name */
    char *encoder;   /* encoder that makes the rows; NULL: not noted */
    char **columns;  /* [input_dim], names of the columns of a row, one block with their texts; NULL: no names */
    dkvb_mask *mask; /* in force, purged pairs not included */
    struct dkvb__journal journal;
    struct dkvb__training *training;
    uint64_t rows_trained;
    uint32_t trials;           /* trials of the latest tuned training; 0: none was tuned */
    uint8_t trained[16];       /* fingerprint of all trainings: dkvb__trained_extend(); zeros if there was none */
    double temperature, power; /* temperature of probabilities and its power; 1 and 0: none */
    struct dkvb__extra *extras;
    size_t extra_count;
    struct dkvb__mapping *mapping;
    uint32_t format_major, format_minor; /* version of the model's file */
    char *path;                          /* path of the mapped file, for messages */
};

/* A model with codebooks (one more owner), mask and names but no values yet. */
dkvb_status dkvb__model_shell(dkvb_model **out, dkvb_codebooks *cb, uint32_t classes, uint32_t top_k,
                              const dkvb_allocator *mem);

/* A model of the same codebooks that answers as `model` does and may be trained in its place: its values, mask, classes
 * and temperature, without names, counts, journal. And the way back: `model` takes values and what they learned from
 * `twin`, which is freed. Nothing fails there; the twin must still have the classes and the type of the model. */
dkvb_status dkvb__model_twin(dkvb_model **out, const dkvb_model *model);
void dkvb__model_become(dkvb_model *model, dkvb_model *twin);

/* Number of all values; false if they do not fit in memory as floats. */
bool dkvb__value_count(size_t *count, const struct dkvb__shape *shape, uint32_t classes);

/* DKVB_EINVAL: value number `at` is too large for this type. */
dkvb_status dkvb__fail_narrow(const dkvb_model *model, uint32_t dtype, size_t at, float value);

/* `code` unless these are within the limits of calibration.h; `what` begins the message. */
dkvb_status dkvb__temperature_check(double temperature, double power, dkvb_status code, const char *what);

/* DKVB_ESTATE if the model is mapped or in training. */
dkvb_status dkvb__model_need_mutable(const dkvb_model *model);

/* A copy of the mask in force: masked and purged pairs together. */
dkvb_status dkvb__model_get_mask(const dkvb_model *model, dkvb_mask **out);

/* DKVB_EINVAL unless `name` is UTF-8 without control characters and of at most `most` bytes. */
dkvb_status dkvb__check_text(const char *what, const char *text, size_t most);

/* Two of the names that are the same, by their places; `*second` is `count` where all differ. NULL and "" are no names.
 * DKVB_ENOMEM. */
dkvb_status dkvb__names_twice(const char *const *names, size_t count, size_t *first, size_t *second,
                              const dkvb_allocator *mem);

/* Names of columns, as dkvb_model keeps them: pointers and then `text` bytes, which begin at names + count. One block
 * instead of one for each name, since a model may have a million columns. NULL: out of memory. */
char **dkvb__column_names_alloc(size_t count, size_t text, const dkvb_allocator *mem);

/* `code` unless each column has a name that is allowed, and no other column has it. `where` begins the message. */
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

static inline size_t dkvb__code_size(const dkvb_model *m)
{
    return (size_t)m->codebooks->shape.codebooks * m->top_k;
}

/* The options of a caller, checked. `o` holds the defaults. */
dkvb_status dkvb__train_options_take(dkvb_train_options *o, const dkvb_train_options *given);

/* The fingerprint `trained` after one more training with these options on rows, of which those with a label count.
 * Ids (of the options; NULL: row numbers) take the place of an order, except where rows are trained on as they come. */
void dkvb__trained_extend(uint8_t trained[16], const dkvb_train_options *options, const uint16_t *codes,
                          size_t code_size, const int32_t *labels, size_t n, const struct dkvb__run *run);

/* No-op if there is no training under way. */
void dkvb__training_free(dkvb_model *model);

/* unlearn/ has the rest of the journal; the model frees it. */
void dkvb__record_clear(struct dkvb__record *record, const dkvb_allocator *mem);

/* Training asks the journal, which lies above it: unlearn/relearn.c. Whoever puts values in place that were trained on
 * a copy of the model asks for the model itself. */

/* DKVB_ESTATE if a row has a class that a forgetting in force is about. Labels are checked already. scratch: [L]. */
dkvb_status dkvb__relearn_check(const dkvb_model *model, const int32_t *labels, size_t n, uint8_t *scratch);

/* Note the classes of rows that were trained on; taught: [L], 1 where there was one. */
void dkvb__relearn_note(uint8_t *taught, const int32_t *labels, size_t n);

/* Entries that end the forgettings whose classes were taught, and then those of exactly the rows that came back: made
 * before the values are put in place, since that may fail, and appended after. taught: [L], or NULL; back: ids, [n].
 * `made` is NULL where none is to be written. Without an append a drop must follow. */
struct dkvb__relearning {
    struct dkvb__record *made; /* [count] */
    size_t count;
};
dkvb_status dkvb__relearn_prepare(dkvb_model *model, const uint8_t *taught, const uint64_t *back, size_t n,
                                  struct dkvb__relearning *r);
void dkvb__relearn_append(dkvb_model *model, struct dkvb__relearning *r);
void dkvb__relearn_drop(dkvb_model *model, struct dkvb__relearning *r);

#endif
