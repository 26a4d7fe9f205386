/* A trained model and a plan around a fragment of the tutorial for embedders. */
#include <dkvb/dkvb.h>
#include <stdio.h>
#include <stdlib.h>

static void check(dkvb_status status)
{
    if (status != DKVB_OK) {
        fprintf(stderr, "%s\n", dkvb_last_error());
        exit(1);
    }
}

int main(void)
{
    dkvb_array features = DKVB_ARRAY_INIT;
    dkvb_array labels = DKVB_ARRAY_INIT;
    dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
    dkvb_forget_request request = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model = NULL;
    dkvb_codeset *codeset = NULL;
    dkvb_plan *plan = NULL;
    uint8_t classes[3] = {DKVB_FORGET, DKVB_KEEP, DKVB_KEEP};

    check(dkvb_features_read(&features, "x.npy", DKVB_READ_COPY, NULL));
    check(dkvb_labels_read(&labels, "y.npy", NULL));
    rows.x = features.data;
    rows.labels = labels.data;
    rows.n = features.shape[0];
    rows.dim = features.shape[1];
    check(dkvb_fit(&model, &codeset, &rows, NULL, NULL, NULL));
    request.classes = classes;
    check(dkvb_forget_plan(&plan, model, codeset, &request, NULL));
    {
@BLOCK@
    }
    dkvb_plan_free(plan);
    dkvb_codeset_free(codeset);
    dkvb_model_free(model);
    dkvb_array_free(&labels);
    dkvb_array_free(&features);
    return 0;
}
