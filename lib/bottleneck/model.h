#ifndef DKVB_BOTTLENECK_MODEL_H
#define DKVB_BOTTLENECK_MODEL_H

#include "base/parallel.h"
#include "bottleneck/mask.h"
#include "dkvb/model.h"
#include "dkvb/values.h"

enum { DKVB__MAX_CLASSES = DKVB_MODEL_CLASSES, DKVB__MAX_NAME = 255, DKVB__MAX_ENCODER = 255 };

/* The version of the model file format that this library writes. A model that was created in memory counts as a model
 * of the newest format version. */
enum { DKVB__FORMAT_MAJOR = 2, DKVB__FORMAT_MINOR = 0 };

/* One journal entry as plain data; unlearn/journal.c fills it in. */
struct dkvb__record {
    /* kind and state of the journal entry, DKVB_JOURNAL_…; files do not store the state, which follows from later
     * entries */
    uint32_t kind, state;
    /* id of another journal entry: for an undo, the entry that was taken back; for a relearning, the forgetting that
     * ended */
    uint64_t ends;
    int64_t time;
    uint64_t pairs, pairs_new;
    char *method, *reason;
    /* key-value pairs that a forgetting's journal entry masked, ascending, `pairs` of them; NULL once the forgetting is
     * undone or purged */
    uint32_t *list;

    /* The target, the limits and the measured effects of a forget request: the journal entry's bytes in the file's
     * section "terms" (unlearn/terms.c). NULL if no forget request belongs to the journal entry. */
    unsigned char *terms;
    size_t terms_size;

    /* Evidence that the journal entry commits to by hashes (unlearn/evidence.c): facts about the forgotten rows and
     * key-value pairs */
    uint32_t strength;
    uint64_t rows;
    bool salted, commits_to_rows, commits_to_pairs;
    /* salt and hashes that commit the journal entry to facts about the forgotten rows; zeros if the entry has none */
    uint8_t salt[32], rows_hash[32], pairs_hash[32];
    uint8_t head[32];
};

struct dkvb__journal {
    struct dkvb__record *records; /* journal entries of the model; entry `id` is records[id - 1] */
    size_t count, capacity;
    /* number of journal entries up to the latest purge; none of these journal entries has the state active */
    size_t settled;
};

/* A section of a model file that the library does not know: the section is kept, and is written again with the
 * model. */
struct dkvb__extra {
    char name[17];
    uint32_t dtype;
    /* bytes of a section that the library does not know, in the model's mapping if there is one; otherwise owned by the
     * model */
    void *data;
    size_t size;
};

/* State of a training of the values between its begin and its end (values.c). */
struct dkvb__training {
    dkvb_train_options options;
    /* float32 values in training, [own codebooks][keys][stride], copied to the model in its own number type at the
     * end */
    float *values;
    /* number of floats of a row of values in training: the number of classes, rounded up to whole vectors; the padding
     * is zeros */
    size_t stride;
    bool afresh; /* true if all values of the model were 0 when the training began */
    uint8_t trained[16];
    uint64_t rows; /* number of rows that the training has used so far */
    uint32_t steps;
    /* true if the training uses the model's own memory for values, so that the model cannot answer meanwhile */
    bool in_place;
    /* scratch space for one row of values, [classes], while a model is trained in the memory of its own values (in
     * place) */
    float *row;
    /* marks of the classes of the rows that the training has seen so far, [classes], if the option `relearn` is set;
     * otherwise scratch space */
    uint8_t *taught;
};

struct dkvb_model {
    dkvb_allocator mem;
    dkvb_codebooks *codebooks;
    uint32_t classes, top_k;
    /* The groups of codebooks (sums.h) whose values this rank (process) holds, and the codebooks of these groups: all,
     * unless several ranks share the model. */
    size_t first_group, end_group, first_codebook, end_codebook;
    /* values of the key-value pairs, [own codebooks][keys][classes] of values_dtype; owned, or in `mapping` */
    void *values;
    bool values_mapped;
    /* true if `values` has room for the float32 rows of a training, which then needs no other memory for values */
    bool roomy;
    uint32_t values_dtype;
    bool blank; /* true if all values of the model are 0 and no training ever changed them */
    /* counts of how often training rows of each class selected each key-value pair, [classes][own codebooks][keys]; or
     * [classes][codebooks][keys] in `mapping`; NULL: counts are not kept */
    uint32_t *counts;
    char **names;    /* names of the model's classes, [classes], NULL = the class has no name */
    char *encoder;   /* name of the encoder that makes the model's rows of features; NULL: unknown */
    char **columns;  /* names of the columns of a row, [input_dim], in one block with their texts; NULL: no names */
    dkvb_mask *mask; /* the key-value pairs that are masked now in the model, without purged pairs */
    struct dkvb__journal journal;
    struct dkvb__training *training;
    uint64_t rows_trained;
    /* number of trials in the latest training with tuned settings; 0: no training was tuned */
    uint32_t trials;
    /* fingerprint of all trainings of the model, see dkvb__trained_extend(); zeros without training */
    uint8_t trained[16];
    /* temperature and power p of the model's probabilities: the softmax temperature of a row is temperature * spread^p,
     * by the spread of its logits; 1 and 0 if none were set */
    double temperature, power;
    struct dkvb__extra *extras;
    size_t extra_count;
    struct dkvb__mapping *mapping;
    uint32_t format_major, format_minor; /* version of the model file format that the model's file has */
    char *path;                          /* path of the mapped model file, for error messages */
};

/* Creates a model without values, but with a mask and names. The new model becomes one more owner of its codebooks,
 * which several models can share. */
dkvb_status dkvb__model_shell(dkvb_model **out, dkvb_codebooks *cb, uint32_t classes, uint32_t top_k,
                              const dkvb_allocator *mem);

/* Creates a twin of a model: a second model with the same codebooks, values, mask, classes and temperature, which gives
 * the same answers as `model` and can be trained in its place. The second model that dkvb__model_twin() creates (the
 * twin) has no names, counts or journal. dkvb__model_become() moves the trained values from `twin` to `model` and frees
 * the twin. dkvb__model_become() cannot fail; the twin must still have the classes and the number type of `model`. */
dkvb_status dkvb__model_twin(dkvb_model **out, const dkvb_model *model);
void dkvb__model_become(dkvb_model *model, dkvb_model *twin);

/* Decides which groups of codebooks this rank (process) holds the values of, among the ranks that share the model. */
void dkvb__model_deal(dkvb_model *model);

/* Ends a step that can fail on only some of the ranks (processes) that share a model; the result is the same on all
 * ranks, see dkvb__ranks_compare(). */
static inline dkvb_status dkvb__model_agree(const dkvb_model *model, dkvb_status rc)
{
    return dkvb__ranks_agree(&model->codebooks->ranks, rc);
}

/* Computes the number of the first key-value pair of each rank (process) that shares the model; `first` is
 * [DKVB_RANKS_COUNT + 1]. */
void dkvb__pairs_of_ranks(const dkvb_model *model, size_t *first);

/* Returns the values of a key-value pair; this rank (process) must hold the values of the pair. */
void *dkvb__values_of(const dkvb_model *model, size_t pair);

/* Calls the callback `take` on rank 0 with the values of all key-value pairs of the ranks, some pairs at a time and in
 * ascending order of the pairs. All ranks (processes) must call dkvb__values_to_first() together, and all ranks get the
 * status that the callback `take` returned on rank 0. */
typedef dkvb_status (*dkvb__take_values_fn)(void *context, const void *values, size_t size);
dkvb_status dkvb__values_to_first(const dkvb_model *model, dkvb__take_values_fn take, void *context);

/* Computes the number of all values of a model. dkvb__value_count() returns false if the values of the model would not
 * fit in memory as floats. */
bool dkvb__value_count(size_t *count, const struct dkvb__shape *shape, uint32_t classes);

/* Fails with DKVB_EINVAL and says that value number `at` is too large for the number type `dtype`. */
dkvb_status dkvb__fail_narrow(const dkvb_model *model, uint32_t dtype, size_t at, float value);

/* Returns `code` unless the softmax temperature of a model and its power of the logits' spread are within the limits of
 * calibration.h; `what` begins the error message. */
dkvb_status dkvb__temperature_check(double temperature, double power, dkvb_status code, const char *what);

/* Returns DKVB_ESTATE if the model is mapped or in training. */
dkvb_status dkvb__model_need_mutable(const dkvb_model *model);

/* Makes a mask of all key-value pairs that the model must not select: the masked and the purged pairs together. */
dkvb_status dkvb__model_get_mask(const dkvb_model *model, dkvb_mask **out);

/* Returns DKVB_EINVAL unless the text is UTF-8 without control characters and of at most `most` bytes; `what` names the
 * text in the error message. */
dkvb_status dkvb__check_text(const char *what, const char *text, size_t most);

/* Finds two equal names in a list and returns their indices; *second is `count` if all names differ. Entries of the
 * list of names that are NULL or "" do not count as names. dkvb__names_twice() can fail only with DKVB_ENOMEM. */
dkvb_status dkvb__names_twice(const char *const *names, size_t count, size_t *first, size_t *second,
                              const dkvb_allocator *mem);

/* Allocates names of columns in the form that dkvb_model keeps: one block of `count` pointers, then `text` bytes for
 * the texts. A separate memory block for each column name would be slow, since a model may have a million columns.
 * dkvb__column_names_alloc() returns NULL if memory runs out. */
char **dkvb__column_names_alloc(size_t count, size_t text, const dkvb_allocator *mem);

/* Returns the status `code` if a name of a column is not allowed or two names are equal, otherwise DKVB_OK. The error
 * message of dkvb__column_names_check() begins with the text `where`. */
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

/* Returns the number of key-value pairs whose values this rank (process) holds, or the number of the first of these
 * pairs. */
static inline size_t dkvb__own_pairs(const dkvb_model *m)
{
    return (m->end_codebook - m->first_codebook) * m->codebooks->shape.keys;
}

static inline size_t dkvb__first_pair(const dkvb_model *m)
{
    return m->first_codebook * m->codebooks->shape.keys;
}

/* Returns the selection counts of a class for the key-value pairs whose values this rank (process) holds. */
static inline uint32_t *dkvb__class_counts_of(const dkvb_model *m, size_t label)
{
    return m->mapping ? m->counts + label * dkvb__pair_count(m) + dkvb__first_pair(m)
                      : m->counts + label * dkvb__own_pairs(m);
}

static inline size_t dkvb__code_size(const dkvb_model *m)
{
    return (size_t)m->codebooks->shape.codebooks * m->top_k;
}

/* Checks the training options of a caller and copies them over the defaults in `o`. */
dkvb_status dkvb__train_options_take(dkvb_train_options *o, const dkvb_train_options *given);

/* Extends the fingerprint `trained` by one more training on rows with the given training options; rows without a label
 * do not count. As training options have row ids, the fingerprint of a training does not depend on the order of rows,
 * except if rows are trained on in the order given; if the ids are NULL, row numbers stand for them. */
void dkvb__trained_extend(uint8_t trained[16], const dkvb_train_options *options, const uint16_t *codes,
                          size_t code_size, const int32_t *labels, size_t n, const struct dkvb__run *run);

/* Trains as dkvb_model_train() does, but in the memory of the model's own values, so that there is only one copy of the
 * values, in float32. During a training in the memory of its own values the model cannot answer, and a training that
 * fails sets all values of the model to 0. */
dkvb_status dkvb__model_train_in_place(dkvb_model *model, const uint16_t *codes, uint32_t k, const int32_t *labels,
                                       size_t n, const dkvb_train_options *options, const dkvb_run_options *run);

/* Returns DKVB_ESTATE if a training in place (in the memory of the model's own values) is running. */
dkvb_status dkvb__model_need_values(const dkvb_model *model);

/* Frees the values of a model, and erases them unless all of them are still zero. */
void dkvb__values_free(dkvb_model *model);

/* Sets all values of a model to 0, after a training in the model's own memory that cannot be finished. */
void dkvb__values_lose(dkvb_model *model);

/* Frees the state of a training; without a training the call does nothing. If a training in the memory of the model's
 * own values is freed before it has ended, the values are lost. */
void dkvb__training_free(dkvb_model *model);

/* Frees the contents of a journal entry. Other functions for journal entries are in unlearn/; dkvb__record_clear() is
 * here because a model frees its own journal entries. */
void dkvb__record_clear(struct dkvb__record *record, const dkvb_allocator *mem);

/* Functions of the model's journal that training calls, although the journal lies in the layer above training
 * (unlearn/relearn.c). When training works on a copy of a model, the functions for the journal must be given the
 * original model, which has the journal. */

/* Returns DKVB_ESTATE if a row to train on has a class that was forgotten by a forgetting still in force. The caller of
 * dkvb__relearn_check() has checked that the labels are classes of the model. The array `scratch`, uint8_t[classes], is
 * scratch space of dkvb__relearn_check(). */
dkvb_status dkvb__relearn_check(const dkvb_model *model, const int32_t *labels, size_t n, uint8_t *scratch);

/* Marks the classes of rows that were trained on; `taught` is [classes], with 1 for each class that was trained on. */
void dkvb__relearn_note(uint8_t *taught, const int32_t *labels, size_t n);

/* Journal entries that record the end of forgettings whose rows were trained on again. The journal entries that end
 * forgettings are made before the model gets its new values, since making entries may fail, and are appended to the
 * journal afterwards. In a struct dkvb__relearning, the first journal entries are for forgettings of classes that were
 * trained on again (`taught`, [classes], or NULL), the next for forgettings of exactly the rows that came back to the
 * codeset (`back`, [n] ids). The member `made` of a struct dkvb__relearning is NULL if the training ended no
 * forgetting. The journal entries in a struct dkvb__relearning must be appended or dropped. */
struct dkvb__relearning {
    /* journal entries that are made already and must still be appended to the model's journal, [count] */
    struct dkvb__record *made;
    size_t count;
};
dkvb_status dkvb__relearn_prepare(dkvb_model *model, const uint8_t *taught, const uint64_t *back, size_t n,
                                  struct dkvb__relearning *r);
void dkvb__relearn_append(dkvb_model *model, struct dkvb__relearning *r);
void dkvb__relearn_drop(dkvb_model *model, struct dkvb__relearning *r);

#endif
