/*
 * Computes the fingerprint of all trainings of a model. The fingerprint is a chain of hashes, so that every training
 * changes it. Each link of the chain of hashes (one link for each training) is a sum of row hashes, so that the order
 * of the rows does not matter. The fingerprint of a model's trainings can be computed again from a codeset, which shows
 * whether the codeset belongs to the model.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "bottleneck/model.h"

/* Number of parallel tasks that add the hashes of rows to a fingerprint. The sums of row hashes that the parallel tasks
 * of a fingerprint compute do not depend on the order of rows. */
enum { SHARES = 64 };

struct row_hashes {
    const dkvb_train_options *options;
    const uint16_t *codes;
    const int32_t *labels;
    size_t n, code_size;
    /* number of the next labelled row to add to the fingerprint, if rows are trained on in the order given */
    uint64_t next;
    uint64_t sum[SHARES][2];
};

static void hash_rows(void *context, size_t share, unsigned worker)
{
    struct row_hashes *h = context;
    size_t end = h->n / SHARES * (share + 1) + h->n % SHARES * (share + 1) / SHARES;

    (void)worker;
    for (size_t r = h->n / SHARES * share + h->n % SHARES * share / SHARES; r < end; r++) {
        uint8_t head[12], id[16];
        uint64_t low, number;

        if (h->labels[r] < 0)
            continue;
        number = h->options->no_shuffle ? h->next++ : h->options->ids ? h->options->ids[r] : r;
        dkvb__write64(head, number);
        dkvb__write32(head + 8, (uint32_t)h->labels[r]);
        dkvb__fingerprint(id,
                          (const struct dkvb__piece[]){{head, sizeof head},
                                                       {h->codes + r * h->code_size, h->code_size * sizeof *h->codes}},
                          2);
        low = h->sum[share][0] + dkvb__read64(id);
        h->sum[share][1] += dkvb__read64(id + 8) + (low < h->sum[share][0]);
        h->sum[share][0] = low;
    }
}

void dkvb__trained_extend(uint8_t trained[16], const dkvb_train_options *o, const uint16_t *codes, size_t code_size,
                          const int32_t *labels, size_t n, const struct dkvb__run *run)
{
    struct row_hashes h = {.options = o, .codes = codes, .labels = labels, .n = n, .code_size = code_size};
    const uint32_t numbers[4] = {o->epochs, o->batch, o->no_shuffle, o->class_weight};
    const double reals[3] = {o->learning_rate, o->rate_last, o->label_smoothing};
    uint64_t sum[2] = {0, 0};

    if (!o->no_shuffle)
        dkvb__parallel(run, SHARES, hash_rows, &h);
    for (size_t share = 0; share < SHARES; share++) {
        uint64_t low;

        if (o->no_shuffle)
            hash_rows(&h, share, 0);
        low = sum[0] + h.sum[share][0];
        sum[1] += h.sum[share][1] + (low < sum[0]);
        sum[0] = low;
    }
    dkvb__fingerprint(trained,
                      (const struct dkvb__piece[]){{trained, 16},
                                                   {numbers, sizeof numbers},
                                                   {reals, sizeof reals},
                                                   {&o->seed, sizeof o->seed},
                                                   {sum, sizeof sum}},
                      5);
}
