/* A minimal program that uses every part of the library: two rows, two classes, one of them forgotten. The program
 * returns 0 if the predictions are right. */
#include <stdio.h>
#include <string.h>

#include <dkvb/dkvb.h>

static const float x[2][2] = {{1, 0}, {0, 1}};
static const int32_t y[2] = {0, 1};

static int learn(dkvb_codebooks *codebooks, dkvb_model *model)
{
    uint16_t codes[2][4][1];
    int32_t answers[2];

    return dkvb_search(codebooks, NULL, x[0], 2, 1, codes[0][0], NULL, NULL) == DKVB_OK &&
           dkvb_model_train(model, codes[0][0], 1, y, 2, NULL, NULL) == DKVB_OK &&
           dkvb_model_predict(model, x[0], 2, answers, NULL, NULL) == DKVB_OK && memcmp(answers, y, sizeof y) == 0;
}

int main(void)
{
    dkvb_keyinit_options opts = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *codebooks;
    dkvb_model *model = NULL;
    int fine;

    opts.codebooks = 4;
    opts.keys = 2;
    opts.key_dim = 2;
    opts.method = DKVB_KEYINIT_SAMPLE;
    fine = dkvb_codebooks_fit(&codebooks, x[0], 2, 2, &opts, NULL) == DKVB_OK &&
           dkvb_model_new(&model, codebooks, 2, NULL) == DKVB_OK && learn(codebooks, model);
    printf("libdkvb %s: %s\n", dkvb_version_string(), fine ? "fine" : dkvb_last_error());
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks);
    return fine ? 0 : 1;
}
