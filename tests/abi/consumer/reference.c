/* A minimal program that uses only libdkvb-reference: a linear head fitted on four rows. The program returns 0 if the
 * predictions are right. */
#include <stdio.h>
#include <string.h>

#include <dkvb/reference.h>

static const float x[4][2] = {{1, 0}, {0, 1}, {2, 0}, {0, 3}};
static const int32_t y[4] = {0, 1, 0, 1};

int main(void)
{
    dkvb_reference_rows rows = DKVB_REFERENCE_ROWS_INIT;
    dkvb_reference *head = NULL;
    int32_t answers[4];
    int fine;

    rows.x = x[0];
    rows.labels = y;
    rows.n = 4;
    rows.dim = 2;
    rows.classes = 2;
    fine = dkvb_reference_fit(&head, &rows, NULL, NULL) == DKVB_OK &&
           dkvb_reference_predict(head, x[0], 4, answers, NULL) == DKVB_OK && memcmp(answers, y, sizeof y) == 0;
    printf("libdkvb-reference: %s\n", fine ? "fine" : dkvb_reference_error());
    dkvb_reference_free(head);
    return fine ? 0 : 1;
}
