#ifndef DKVB_FIT_FIT_H
#define DKVB_FIT_FIT_H

#include "base/parallel.h"
#include "bottleneck/model.h"
#include "dkvb/fit.h"

enum { DKVB__ECE_BINS = 15 };

/* Rows to learn from, checked, and which of them are held out. */
struct dkvb__fitting {
    dkvb_allocator mem;
    const dkvb_run_options *run;
    dkvb_fit_rows rows;   /* `classes` settled */
    size_t labelled;      /* rows with a label */
    size_t largest_row;   /* the first with the largest label */
    uint64_t *class_rows; /* [classes], rows with this label */
    uint8_t *held;        /* [n], 1 = not trained on */
    int32_t *taught;      /* [n], labels, -1 where a row is held out */
    size_t held_count;    /* of rows with a label */
};

/* Check rows and labels, hold none out. DKVB_EINVAL. */
dkvb_status dkvb__fitting_new(struct dkvb__fitting *f, const dkvb_fit_rows *given, const dkvb_run_options *run,
                              const dkvb_allocator *mem);
void dkvb__fitting_free(struct dkvb__fitting *f);

/* Hold out a share of the rows by id; classes with fewer than four rows lose none, and no class loses all. */
void dkvb__fitting_hold_out(struct dkvb__fitting *f, double share);

/* How well rows that are held out are answered. */
struct dkvb__measured {
    double temperature, accuracy, loss, calibration_error; /* loss and error at that temperature */
    size_t rows;
};

/* Fit a temperature to the held-out rows' codes and measure at it, on as many rows as dkvb__temperature_rows() leaves.
 * Where no row is held out: rows is 0, temperature 1. */
dkvb_status dkvb__fitting_measure(const struct dkvb__fitting *f, const dkvb_model *model, const uint16_t *codes,
                                  struct dkvb__measured *out);

/* Keys on the rows, codes of all of them, values of those that are not held out, measured on the others; all thrown
 * away again. */
dkvb_status dkvb__fitting_try(const struct dkvb__fitting *f, const dkvb_keyinit_options *keyinit,
                              const dkvb_train_options *train, uint32_t top_k, struct dkvb__measured *out);

#endif
