/* Trains a classifier on rows of features, then classifies rows that the classifier has never seen.
 *
 * The rows are synthetic: four classes, each a cloud around its own centre. In a real program a frozen encoder makes
 * the rows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <dkvb/dkvb.h>

enum { CLASSES = 4, DIM = 16, TRAIN = 2000, TEST = 400, CODEBOOKS = 32 };

static const char *const names[CLASSES] = {"kettle", "lantern", "violin", "anchor"};

static float train_x[TRAIN][DIM], test_x[TEST][DIM];
static int32_t train_y[TRAIN], test_y[TEST], answers[TEST];
static uint16_t codes[TRAIN][CODEBOOKS][1];

/* Each library call returns a status: if a call fails, this program prints the error message and stops. */
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

static void make_rows(float (*x)[DIM], int32_t *y, size_t n, uint64_t seed)
{
    for (size_t r = 0; r < n; r++) {
        uint64_t center = (uint64_t)(y[r] = (int32_t)(r % CLASSES)) + 1;

        for (size_t i = 0; i < DIM; i++)
            x[r][i] = uniform(&center) + 0.4f * (uniform(&seed) + uniform(&seed));
    }
}

static dkvb_model *train(void)
{
    dkvb_keyinit_options opts = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *codebooks;
    dkvb_model *model;

    opts.codebooks = CODEBOOKS;
    opts.keys = 64;
    opts.key_dim = 8;
    must(dkvb_codebooks_fit(&codebooks, train_x[0], TRAIN, DIM, &opts, NULL)); /* placing keys needs no labels */
    must(dkvb_model_new(&model, codebooks, CLASSES, NULL));
    must(dkvb_search(codebooks, NULL, train_x[0], TRAIN, 1, codes[0][0], NULL, NULL));
    must(dkvb_model_train(model, codes[0][0], 1, train_y, TRAIN, NULL, NULL));
    for (uint32_t c = 0; c < CLASSES; c++)
        must(dkvb_model_set_class_name(model, c, names[c]));
    dkvb_codebooks_free(codebooks); /* the model shares the codebooks, and keeps them alive */
    return model;
}

static double accuracy(const dkvb_model *model)
{
    size_t right = 0;

    must(dkvb_model_predict(model, test_x[0], TEST, answers, NULL, NULL));
    for (size_t r = 0; r < TEST; r++)
        right += answers[r] == test_y[r];
    return (double)right / TEST;
}

/* Prints the two best classes of one row, with their probabilities. */
static void explain(const dkvb_model *model, const float *row)
{
    float logits[CLASSES], probs[CLASSES];
    int32_t best[2];

    must(dkvb_model_predict(model, row, 1, NULL, logits, NULL));
    must(dkvb_decode_top(logits, 1, CLASSES, 2, best, NULL));
    must(dkvb_decode_softmax(logits, 1, CLASSES, 1.0, 0.0, probs));
    for (size_t j = 0; j < 2; j++)
        printf("  %-8s %.3f\n", dkvb_model_class_name(model, (uint32_t)best[j]), (double)probs[best[j]]);
}

int main(void)
{
    dkvb_model *model;
    double share;

    make_rows(train_x, train_y, TRAIN, 1);
    make_rows(test_x, test_y, TEST, 2);
    model = train();
    share = accuracy(model);
    printf("%.3f of %d new rows are classified right\n", share, TEST);
    printf("the first of them is a %s:\n", names[test_y[0]]);
    explain(model, test_x[0]);
    dkvb_model_free(model);
    return share >= 0.95 ? 0 : 1;
}
