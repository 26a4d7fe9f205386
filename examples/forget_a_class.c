/* Makes a trained classifier forget a class, without training and without rows of the other classes.
 *
 * The program forgets the class by two methods: masking the (codebook, key) pairs that rows of the class select most
 * often, and masking every pair that any row of the class selects. The rows are synthetic: four classes, each a cloud
 * around its own centre. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <dkvb/dkvb.h>

enum { CLASSES = 4, DIM = 16, ROWS = 2000, CODEBOOKS = 32, KEYS = 64, FORGOTTEN = 2, FORGET_ROWS = ROWS / CLASSES };

static float x[ROWS][DIM];
static int32_t y[ROWS], answers[ROWS];
static uint16_t codes[ROWS][CODEBOOKS][1];

struct score {
    double forgotten, retained; /* accuracy on the forgotten class, and on all other classes */
};

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

/* Rows of one class lie together, so that the forget set is one block. */
static void make_rows(uint64_t seed)
{
    for (size_t r = 0; r < ROWS; r++) {
        uint64_t center = (uint64_t)(y[r] = (int32_t)(r / FORGET_ROWS)) + 1;

        for (size_t i = 0; i < DIM; i++)
            x[r][i] = uniform(&center) + 0.4f * (uniform(&seed) + uniform(&seed));
    }
}

static void train(dkvb_codebooks **codebooks, dkvb_model **model)
{
    dkvb_keyinit_options opts = DKVB_KEYINIT_OPTIONS_INIT;

    opts.codebooks = CODEBOOKS;
    opts.keys = KEYS;
    opts.key_dim = 8;
    must(dkvb_codebooks_fit(codebooks, x[0], ROWS, DIM, &opts, NULL));
    must(dkvb_model_new(model, *codebooks, CLASSES, NULL));
    must(dkvb_search(*codebooks, NULL, x[0], ROWS, 1, codes[0][0], NULL, NULL));
    must(dkvb_model_train(*model, codes[0][0], 1, y, ROWS, NULL, NULL));
}

static struct score score(const char *when, const dkvb_model *model)
{
    size_t right[2] = {0, 0};
    struct score s;

    must(dkvb_model_predict(model, x[0], ROWS, answers, NULL, NULL));
    for (size_t r = 0; r < ROWS; r++)
        right[y[r] != FORGOTTEN] += answers[r] == y[r];
    s.forgotten = (double)right[0] / FORGET_ROWS;
    s.retained = (double)right[1] / (ROWS - FORGET_ROWS);
    printf("%-22s  class %d: %.3f   the others: %.3f\n", when, FORGOTTEN, s.forgotten, s.retained);
    return s;
}

static void forget(dkvb_model *model, const dkvb_mask *mask, const char *method)
{
    dkvb_forget_options opts = DKVB_FORGET_OPTIONS_INIT;

    opts.method = method;
    opts.reason = "the class was withdrawn";
    must(dkvb_model_forget(model, mask, &opts, NULL));
}

int main(void)
{
    dkvb_request request = DKVB_REQUEST_INIT;
    struct score before, activations, examples;
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    dkvb_mask *mask;

    make_rows(1);
    train(&codebooks, &model);
    before = score("before", model);

    must(dkvb_mask_new(&mask, codebooks));
    request.method = DKVB_METHOD_ACTIVATIONS;
    /* the codes found for training are used again, without a new search */
    request.codes = codes[FORGOTTEN * FORGET_ROWS][0];
    request.n = FORGET_ROWS;
    must(dkvb_unlearn_choose(mask, model, &request, 500, NULL));
    forget(model, mask, "activations");
    activations = score("500 most used pairs", model);

    request.method = DKVB_METHOD_EXAMPLES;
    request.seed = 7;
    must(dkvb_unlearn_choose(mask, model, &request, 100, NULL)); /* adds the 100 chosen pairs to the mask */
    forget(model, mask, "examples");
    examples = score("and those of 100 rows", model);

    dkvb_mask_free(mask);
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks);
    return before.forgotten >= 0.95 && activations.forgotten <= 0.05 && examples.forgotten <= 0.01 &&
                   examples.retained >= before.retained - 0.05
               ? 0
               : 1;
}
