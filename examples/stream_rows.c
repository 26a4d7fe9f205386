/* Trains a model on rows that are never all in memory.
 *
 * A source of rows hands out one batch at a time, and can be read twice; in this example the rows are made up. The
 * first pass over the source places the keys, the second pass trains the values. Each pass works batch by batch, with
 * only one batch of rows in memory. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <dkvb/dkvb.h>

enum { CLASSES = 4, DIM = 16, BATCH = 500, BATCHES = 20, CODEBOOKS = 32 };

static float x[BATCH][DIM];
static int32_t y[BATCH], answers[BATCH];
static uint16_t codes[BATCH][CODEBOOKS][1];

static void must(dkvb_status rc)
{
    if (rc == DKVB_OK)
        return;
    fprintf(stderr, "%s: %s\n", dkvb_name(DKVB_NAME_STATUS, rc), dkvb_last_error());
    exit(1);
}

static float uniform(uint64_t *state) /* a pseudo-random number in [-1, 1) */
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / 8388608.0f - 1.0f;
}

/* Reads batch `b` of the source into x and y; the same `b` gives the same rows each time. */
static void read_batch(uint64_t b)
{
    uint64_t noise = b + 1000;

    for (size_t r = 0; r < BATCH; r++) {
        uint64_t center = (uint64_t)(y[r] = (int32_t)(r % CLASSES)) + 1;

        for (size_t i = 0; i < DIM; i++)
            x[r][i] = uniform(&center) + 0.4f * (uniform(&noise) + uniform(&noise));
    }
}

static dkvb_codebooks *place_keys(void)
{
    dkvb_keyinit_options opts = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *codebooks;

    opts.codebooks = CODEBOOKS;
    opts.keys = 64;
    opts.key_dim = 8;
    must(dkvb_codebooks_begin(&codebooks, DIM, &opts));
    for (uint64_t b = 0; b < BATCHES; b++) {
        read_batch(b);
        must(dkvb_codebooks_step(codebooks, x[0], BATCH, NULL));
    }
    must(dkvb_codebooks_freeze(codebooks)); /* only frozen codebooks can search the codes of rows */
    return codebooks;
}

static int print_report(void *user, const dkvb_train_report *report)
{
    (void)user;
    if (report->epoch % 5 == 0)
        printf("step %2u: loss %.3f, accuracy %.3f\n", report->epoch, report->loss, report->accuracy);
    return 0; /* if the callback returns 0, the training goes on; any other result cancels the training */
}

static void teach(dkvb_model *model, const dkvb_codebooks *codebooks)
{
    dkvb_train_options opts = DKVB_TRAIN_OPTIONS_INIT;

    opts.report = print_report;
    must(dkvb_model_train_begin(model, &opts));
    for (uint64_t b = 0; b < BATCHES; b++) {
        read_batch(b);
        must(dkvb_search(codebooks, NULL, x[0], BATCH, 1, codes[0][0], NULL, NULL));
        must(dkvb_model_train_step(model, codes[0][0], 1, y, BATCH, NULL));
    }
    /* puts the trained values into force; until now the model answers as before */
    must(dkvb_model_train_end(model, 1));
}

int main(void)
{
    dkvb_codebooks *codebooks = place_keys();
    dkvb_model *model;
    size_t right = 0;

    must(dkvb_model_new(&model, codebooks, CLASSES, NULL));
    teach(model, codebooks);

    read_batch(BATCHES); /* makes a batch of rows that the model was not trained on */
    must(dkvb_model_predict(model, x[0], BATCH, answers, NULL, NULL));
    for (size_t r = 0; r < BATCH; r++)
        right += answers[r] == y[r];
    printf("%zu of %d new rows are classified right\n", right, BATCH);

    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks);
    return right >= BATCH * 95 / 100 ? 0 : 1;
}
