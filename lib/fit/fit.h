#ifndef DKVB_FIT_FIT_H
#define DKVB_FIT_FIT_H

#include "base/parallel.h"
#include "base/ranks.h"
#include "base/rows.h"
#include "bottleneck/model.h"
#include "bottleneck/row_names.h"
#include "dkvb/fit.h"

enum { DKVB__MOST_COMPARED = 2048 /* limits of columns, with and without whitening */ };

/* Rows that are held out together. */
struct dkvb__row_group {
    double place;    /* 0 to below 1, by the number of the group */
    size_t first, n; /* its rows are group_rows[first] and on */
};

/* Rows to learn from, which are checked, and the choice of held-out rows. */
struct dkvb__fitting {
    dkvb_allocator mem;
    const dkvb_run_options *run; /* run options of everything except the search that counts rows outside the scale */
    const dkvb_run_options *counting; /* run options of that search, as the caller gave them */
    dkvb_run_options uncounted;
    dkvb_ranks ranks;              /* ranks that make the call together: those of the run options, or of the model */
    dkvb_fit_rows rows;            /* the caller's rows, with `classes` filled in */
    struct dkvb__rows from;        /* their features, unless codes are given */
    size_t labelled;               /* number of rows with a label */
    size_t largest_row;            /* the first row with the largest label */
    uint64_t *class_rows;          /* [classes], number of rows with this label */
    uint8_t *held;                 /* [n], 1 = not trained on */
    int32_t *taught;               /* [n], labels, -1 where a row is held out */
    size_t held_count;             /* number of held-out rows with a label */
    uint64_t *named_ids;           /* [n], `rows.ids` if rows have names; else NULL */
    uint8_t salt[DKVB__NAME_SALT]; /* salt of the hashes of names */

    /* Groups of which one at least has two rows; else group_count is 0. */
    struct dkvb__row_group *groups; /* [group_count], by place */
    size_t group_count;
    size_t *group_rows;   /* [n], rows by group */
    uint64_t *class_held; /* [classes], rows with this label that are held out */
    uint64_t *in_group;   /* [classes], scratch, zeros */
    bool in_place;        /* models are trained in place */
    bool keeps_share;     /* about the wanted share of each class is held out, even where groups are large */
};

/* Checks rows and labels, and holds no row out. This step is one rank's own: the caller ends it by
 * dkvb__fitting_agree(). Rows with names get ids, by this salt, [DKVB__NAME_SALT], or if it is
 * NULL by one computed from the rows. DKVB_EINVAL. */
dkvb_status dkvb__fitting_new(struct dkvb__fitting *f, const dkvb_fit_rows *given, const dkvb_run_options *run,
                              const uint8_t *salt, const dkvb_allocator *mem);

void dkvb__fitting_free(struct dkvb__fitting *f);

/* Ends a step that can fail on some ranks only, dkvb__fitting_new() too. */
static inline dkvb_status dkvb__fitting_agree(const struct dkvb__fitting *f, dkvb_status rc)
{
    return dkvb__ranks_agree(&f->ranks, rc);
}

/* Holds out the rows whose place between 0 and 1, by id, is from `from` to below `to`, and no others. Classes with
 * fewer than four rows lose none, and no class loses all. Rows of a group have the place of the group's number. */
void dkvb__fitting_hold_out(struct dkvb__fitting *f, double from, double to);

static inline uint64_t dkvb__fitting_id(const struct dkvb__fitting *f, size_t row)
{
    return f->rows.ids ? f->rows.ids[row] : row;
}

/* Measurements on held-out rows. */
struct dkvb__measured {
    double temperature, power, accuracy, loss, calibration_error; /* loss and error at that temperature */
    size_t rows;
};

/* Fits a temperature to the held-out rows' codes and measures with it, on the rows that dkvb__temperature_rows()
 * leaves. If no row is held out, rows is 0 and the temperature 1. */
dkvb_status dkvb__fitting_measure(const struct dkvb__fitting *f, const dkvb_model *model, const uint16_t *codes,
                                  struct dkvb__measured *out);

/* Searches the codes of all rows, [n][C][top_k], under a mask (NULL: none); the caller frees them. run: f->run or
 * f->counting. */
dkvb_status dkvb__fitting_search(const struct dkvb__fitting *f, const dkvb_codebooks *cb, const dkvb_mask *mask,
                                 uint32_t top_k, uint16_t **codes, const dkvb_run_options *run);

/* Creates a model of these codebooks that learned `labels`, [n], with values of type `dtype`, or of the usual type if
 * that is 0. */
dkvb_status dkvb__fitting_train(const struct dkvb__fitting *f, dkvb_codebooks *cb, uint32_t top_k, uint32_t dtype,
                                const uint16_t *codes, const int32_t *labels, const dkvb_train_options *train,
                                dkvb_model **out);

/* Reads and writes the settings of a caller (NULL: the defaults), as far as the caller knows them. take() fills in all
 * of `s`; give() writes nothing that take() would refuse. */
dkvb_status dkvb__settings_take(dkvb_settings *s, const dkvb_settings *given);
dkvb_status dkvb__settings_give(const dkvb_settings *s, dkvb_settings *to);

/* Fills in settings that are 0. */
void dkvb__settings_suit(dkvb_settings *s, size_t rows, size_t columns, uint32_t classes);

/* Places keys on the rows, searches all rows, trains values on those that are not held out, and measures on the others.
 * Keys and values are thrown away. */
dkvb_status dkvb__fitting_try(const struct dkvb__fitting *f, const dkvb_settings *settings, struct dkvb__measured *out);

/* Decides whether rows will be half whitened, by trying both on held-out rows: `measured`, plain and whitened. Rows
 * that stay held out for good are not used. If rows are too few or too wide, nothing is measured (`compared` is false).
 */
dkvb_status dkvb__fitting_choose_whitening(const struct dkvb__fitting *f, const dkvb_settings *settings,
                                           bool keeps_held_out, struct dkvb__measured measured[2], bool *compared,
                                           bool *whiten);

/* Checks the options of a caller. Settings that the caller left open are 0 in `s`. */
dkvb_status dkvb__fit_take(dkvb_fit_options *o, dkvb_settings *s, const dkvb_fit_options *given);

/* Reports the beginning of a stage; DKVB_ECANCELLED, also if another rank is cancelled. */
dkvb_status dkvb__fit_stage(const dkvb_fit_options *o, const struct dkvb__fitting *f, const char *name);

/* Training options that store each epoch's loss, accuracy and rows in the report of a fit, and then call the caller's
 * own callback. `told` must outlive the training. */
struct dkvb__told {
    dkvb_fit_report *report;
    const dkvb_train_options *train;
};
dkvb_train_options dkvb__fit_tell(struct dkvb__told *told, dkvb_fit_report *report, const dkvb_train_options *train);

/* Fills in the members of a report that follow from the rows and their settings. */
void dkvb__fit_describe(dkvb_fit_report *report, const struct dkvb__fitting *f, const dkvb_settings *s,
                        const dkvb_codebooks *cb);

#endif
