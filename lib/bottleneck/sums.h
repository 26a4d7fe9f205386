#ifndef DKVB_BOTTLENECK_SUMS_H
#define DKVB_BOTTLENECK_SUMS_H

#include "bottleneck/model.h"

/*
 * The one order in which values are summed, in training and in decoding (docs/numerics.md, section Values). Codebooks
 * lie in groups of DKVB__GROUP. Within a group, a class's values are added from 0 in float32, codebooks and ranks
 * ascending. The sums of the groups are added in double precision, groups ascending. A logit is that sum divided by C
 * k, rounded to float32 once.
 */
enum { DKVB__GROUP = 16 };

static inline size_t dkvb__groups(const dkvb_model *m)
{
    return (m->codebooks->shape.codebooks + DKVB__GROUP - 1) / DKVB__GROUP;
}

/* Computes the logits of one code from the model's stored values: float[L]. group: scratch, float[L]; sums: scratch,
 * double[L]. The result is false if the row abstains, because nothing was learned behind the pairs of its code; its
 * logits are then 0. */
bool dkvb__logits(const dkvb_model *model, const uint16_t *code, float *logits, float *group, double *sums);

/* The two steps of dkvb__logits(), for callers that sum only those groups of codebooks again in which a code has
 * changed. The bits are the same. The first step computes sum, float[L], of the values that the code selects in a
 * group, which must be one of this rank's. The second step computes the logits, float[L], from the sums of all groups,
 * double[L], added in ascending order. learned: which pairs of all ranks have values, by dkvb__find_learned(); NULL
 * where this rank has the values of all. */
void dkvb__sum_group(const dkvb_model *model, size_t group, const uint16_t *code, float *sum);
bool dkvb__finish_logits(const dkvb_model *model, const uint16_t *code, const double *sums, float *logits,
                         const uint8_t *learned);

/* Marks the pairs behind which something was learned by 1, the others by 0: learned, [C][K]. One pass over the values,
 * in their order; ranks that share the model put their parts together. */
dkvb_status dkvb__find_learned(const dkvb_model *model, uint8_t *learned, const struct dkvb__run *run);

/* Sums of a block of rows over the ranks that share a model. A row of sums has one float more than classes: in decoding
 * it says whether anything was learned behind the pairs of a group. */
struct dkvb__summing {
    const dkvb_model *model;
    size_t row;        /* floats of a row of sums */
    size_t rows;       /* rows of the present block */
    size_t first, end; /* the rows of the block that this rank adds up */
    float *own;        /* the sums of this rank's groups, [ranks][own groups][rows of that rank][row] */
    float *all;        /* the sums of all groups, [groups][own rows][row] */
};

/* Allocates memory for blocks of up to `most` rows. The result is false if memory runs out; the memory must be freed
 * then too. */
bool dkvb__summing_new(struct dkvb__summing *s, const dkvb_model *model, size_t most);
void dkvb__summing_free(struct dkvb__summing *s);

/* A block of `rows`: settles which rows belong to which rank, sums one of this rank's groups for all rows (codes:
 * [rows][C][k]), exchanges the sums, and computes the logits of an own row as dkvb__logits() does. sums: scratch,
 * double[L]. */
void dkvb__summing_begin(struct dkvb__summing *s, size_t rows);
void dkvb__summing_group(const struct dkvb__summing *s, size_t group, const uint16_t *codes);
dkvb_status dkvb__summing_exchange(const struct dkvb__summing *s);
bool dkvb__summing_logits(const struct dkvb__summing *s, size_t row, double *sums, float *logits);

/* The places of the sums of a row, before and after the exchange: float[row]. */
float *dkvb__summing_own(const struct dkvb__summing *s, size_t group, size_t row);
const float *dkvb__summing_all(const struct dkvb__summing *s, size_t group, size_t row);

/* True if something was learned behind this pair, which means that its values are not all 0. A model of one class has
 * nothing to learn, so there every pair counts. */
bool dkvb__pair_learned(const dkvb_model *model, size_t pair);

/* Prefetches a row of `size` bytes that will be needed soon. Of a long row only the start is prefetched, as the
 * processor itself fetches what follows. */
static inline void dkvb__prefetch_row(const void *row, size_t size)
{
    enum { LINE = 64, LINES = 8 };
    const char *at = row;

    for (size_t i = 0; i < LINES * LINE && i < size; i += LINE)
        __builtin_prefetch(at + i);
    if (size <= LINES * LINE)
        __builtin_prefetch(at + size - 1); /* the row may end in one cache line more */
}

#endif
