#ifndef DKVB_BOTTLENECK_SUMS_H
#define DKVB_BOTTLENECK_SUMS_H

#include "bottleneck/model.h"

/*
 * Values are summed in one fixed order, in training and in decoding (docs/numerics.md, section Values). For summing
 * values, codebooks are divided into groups of DKVB__GROUP (16) codebooks. Within a group of codebooks, the values of a
 * class are added from 0 in float32: codebooks in ascending order, and in a codebook from the nearest selected key to
 * the farthest. The sums of single groups of codebooks are added in double precision, in ascending order of the groups.
 * A logit is the sum over all groups of codebooks divided by the number of selected keys (codebooks times k), rounded
 * to float32 once.
 */
enum { DKVB__GROUP = 16 };

static inline size_t dkvb__groups(const dkvb_model *m)
{
    return (m->codebooks->shape.codebooks + DKVB__GROUP - 1) / DKVB__GROUP;
}

/* Computes the logits, float[classes], of one code from the model's stored values. The arrays `group`, float[classes],
 * and `sums`, double[classes], are scratch space of dkvb__logits(). dkvb__logits() returns false if the row abstains,
 * because no key-value pair that its code selects has learned values; the logits of such a row are 0. */
bool dkvb__logits(const dkvb_model *model, const uint16_t *code, float *logits, float *group, double *sums);

/* dkvb__sum_group() and dkvb__finish_logits() do the work of dkvb__logits() in two steps, for callers that sum again
 * only those groups of codebooks in which the code of a row has changed. The logits that dkvb__sum_group() and
 * dkvb__finish_logits() compute equal those of dkvb__logits() bit for bit. dkvb__sum_group() sums the values that a
 * code selects in one group of codebooks to `sum`, float[classes]; this rank (process) must hold the values of the
 * group. dkvb__finish_logits() computes the logits, float[classes], from `sums`, double[classes]: the sums of all
 * groups of codebooks, added in ascending order of the groups. The array `learned` marks the key-value pairs of all
 * ranks that have learned values, from dkvb__find_learned(); NULL if this rank (process) holds the values of all
 * pairs. */
void dkvb__sum_group(const dkvb_model *model, size_t group, const uint16_t *code, float *sum);
bool dkvb__finish_logits(const dkvb_model *model, const uint16_t *code, const double *sums, float *logits,
                         const uint8_t *learned);

/* Marks the key-value pairs whose values are not all 0 by 1, the others by 0, in `learned`, [codebooks][keys].
 * dkvb__find_learned() reads the model's values once, in their order; ranks (processes) that share the model combine
 * their parts. */
dkvb_status dkvb__find_learned(const dkvb_model *model, uint8_t *learned, const struct dkvb__run *run);

/* Sums of the values of a block of rows over the ranks (processes) that share a model. A row of sums has one float for
 * each class of the model. In decoding, a row of sums has one float more than the classes, which says whether any value
 * of a group of codebooks was learned. */
struct dkvb__summing {
    const dkvb_model *model;
    size_t row;  /* number of floats in a row of sums: one for each class, and one more in decoding */
    size_t rows; /* number of rows in the block whose values are being summed */
    /* range of the rows of a block for which this rank (process) adds up the sums of values of all ranks */
    size_t first, end;
    /* sums of values of this rank's groups of codebooks before the ranks exchange sums, [ranks][own groups][rows of
     * that rank][floats of a row of sums] */
    float *own;
    /* sums of values of all groups of codebooks after the ranks have exchanged sums, [groups][own rows][floats of a row
     * of sums] */
    float *all;
};

/* Allocates memory for summing the values of blocks of up to `most` rows. dkvb__summing_new() returns false if memory
 * runs out; even then the caller must free the struct. */
bool dkvb__summing_new(struct dkvb__summing *s, const dkvb_model *model, size_t most);
void dkvb__summing_free(struct dkvb__summing *s);

/* Functions that sum the values of a block of `rows` rows, declared in the order in which they are called. The
 * functions dkvb__summing_…() decide which rows belong to which rank (process), sum one of this rank's groups of
 * codebooks for all rows (`codes` is [rows][codebooks][k]), exchange the sums, and compute the logits of a row of this
 * rank as dkvb__logits() does. The array `sums`, double[classes], is scratch space for computing the logits of a
 * row. */
void dkvb__summing_begin(struct dkvb__summing *s, size_t rows);
void dkvb__summing_group(const struct dkvb__summing *s, size_t group, const uint16_t *codes);
dkvb_status dkvb__summing_exchange(const struct dkvb__summing *s);
bool dkvb__summing_logits(const struct dkvb__summing *s, size_t row, double *sums, float *logits);

/* dkvb__summing_own() and dkvb__summing_all() return the place of a row's sums of values for one group of codebooks,
 * before and after the ranks exchange sums. */
float *dkvb__summing_own(const struct dkvb__summing *s, size_t group, size_t row);
const float *dkvb__summing_all(const struct dkvb__summing *s, size_t group, size_t row);

/* True if a key-value pair has learned, which means that its values are not all 0. In a model of one class, which has
 * nothing to learn, every key-value pair counts as learned. */
bool dkvb__pair_learned(const dkvb_model *model, size_t pair);

/* Prefetches a row of `size` bytes that the caller will need soon. Only the start of a long row of values is
 * prefetched, as the processor itself fetches the rest of the row. */
static inline void dkvb__prefetch_row(const void *row, size_t size)
{
    enum { LINE = 64, LINES = 8 };
    const char *at = row;

    for (size_t i = 0; i < LINES * LINE && i < size; i += LINE)
        __builtin_prefetch(at + i);
    if (size <= LINES * LINE)
        /* a row of values that begins within a cache line may reach into one more line */
        __builtin_prefetch(at + size - 1);
}

#endif
