#ifndef DKVB_FIT_FIT_H
#define DKVB_FIT_FIT_H

#include "base/parallel.h"
#include "base/ranks.h"
#include "base/rows.h"
#include "bottleneck/model.h"
#include "bottleneck/row_names.h"
#include "dkvb/fit.h"

/* largest number of features of a row for which a fit compares whitened with plain rows */
enum { DKVB__MOST_COMPARED = 2048 };

/* A group of rows that are held out together or not at all. */
struct dkvb__row_group {
    /* place of a group of rows: a number from 0 to below 1, computed from the group's number, that decides whether the
     * rows of the group are held out */
    double place;
    size_t first, n; /* The rows of one group are the `n` elements of the array group_rows from group_rows[first] on. */
};

/* Rows from which a model learns, after they were checked, and the choice of held-out rows among them. */
struct dkvb__fitting {
    dkvb_allocator mem;
    /* Run options of all steps of a fit, except of the search that counts rows outside the scale of the keys. */
    const dkvb_run_options *run;
    /* run options of the search that counts rows outside the scale of the keys, as the caller gave them */
    const dkvb_run_options *counting;
    dkvb_run_options uncounted;
    /* ranks (processes) that fit together: the ranks of the run options, or of the model */
    dkvb_ranks ranks;
    dkvb_fit_rows rows; /* the rows that the caller gave, with the number of classes filled in */
    /* The features of the rows to learn from, if the caller gives features and not codes. */
    struct dkvb__rows from;
    size_t labelled;      /* number of labelled rows among the rows to learn from */
    size_t largest_row;   /* index of the first row that has the largest label of all rows */
    uint64_t *class_rows; /* number of rows with each label, uint64_t[classes] */
    uint8_t *held;        /* marks of held-out rows, [n]: 1 if the row is held out and not trained on, otherwise 0 */
    int32_t *taught;      /* labels from which the values learn, [n], -1 if a row is held out or has no label */
    size_t held_count;    /* number of held-out rows that have a label */
    uint64_t *named_ids;  /* ids of the rows if rows have names, [n], which are the array `rows.ids`; otherwise NULL */
    uint8_t salt[DKVB__NAME_SALT]; /* salt of the hashes that stand for the names of rows */

    /* The groups of rows that are held out together, sorted by their place, a number that is computed from the group's
     * number and decides whether the group is held out, [group_count]. Without a group of two or more rows, group_count
     * is 0. */
    struct dkvb__row_group *groups;
    size_t group_count;
    size_t *group_rows;   /* numbers of the rows, sorted by the groups to which the rows belong, [n] */
    uint64_t *class_held; /* number of held-out rows with each label, [classes] */
    /* Scratch space for counting the rows of one group by class, all zeros between calls, [classes]. */
    uint64_t *in_group;
    bool in_place; /* true if the fit trains models in place, so that a failure may destroy their values */
    /* true if about the wanted fraction of each class should be held out even where groups of rows are large */
    bool keeps_share;
};

/* Checks the rows and labels that the caller gives; choosing held-out rows is a later step. Checking the caller's rows
 * can fail on one rank (process) alone, so the caller must then call dkvb__fitting_agree(), after which all ranks have
 * the same status. Rows with names get ids computed from the names and the given `salt`, [DKVB__NAME_SALT], or a salt
 * that is computed from the rows if `salt` is NULL. Checking the rows that a model is to learn from may fail with
 * DKVB_EINVAL. */
dkvb_status dkvb__fitting_new(struct dkvb__fitting *f, const dkvb_fit_rows *given, const dkvb_run_options *run,
                              const uint8_t *salt, const dkvb_allocator *mem);

void dkvb__fitting_free(struct dkvb__fitting *f);

/* Ends a step that can fail on some ranks (processes) only, such as dkvb__fitting_new(): afterwards all ranks have the
 * same status. */
static inline dkvb_status dkvb__fitting_agree(const struct dkvb__fitting *f, dkvb_status rc)
{
    return dkvb__ranks_agree(&f->ranks, rc);
}

/* Holds out exactly the rows whose place is from `from` to below `to`, where the place of a row is a number between 0
 * and 1 computed from its id. No row is held out of a class with fewer than four rows, and no class has all its rows
 * held out. Rows of one group share one number, computed from the group, that decides whether rows are held out; so
 * they are held out together or not at all. */
void dkvb__fitting_hold_out(struct dkvb__fitting *f, double from, double to);

static inline uint64_t dkvb__fitting_id(const struct dkvb__fitting *f, size_t row)
{
    return f->rows.ids ? f->rows.ids[row] : row;
}

/* Measurements of a model on held-out rows: temperature, accuracy, loss and calibration error. */
struct dkvb__measured {
    /* The fitted temperature of the model's softmax, the power of the spread of a row's logits in it, and the model's
     * accuracy, loss and calibration error on held-out rows at the fitted temperature. */
    double temperature, power, accuracy, loss, calibration_error;
    size_t rows;
};

/* Fits a temperature on the codes of those held-out rows that dkvb__temperature_rows() draws, and measures the model at
 * the fitted temperature on the same rows. Without held-out rows, no row is measured and the temperature is 1. */
dkvb_status dkvb__fitting_measure(const struct dkvb__fitting *f, const dkvb_model *model, const uint16_t *codes,
                                  struct dkvb__measured *out);

/* Searches the codes of all rows to learn from, [n][codebooks][top_k], under a mask (NULL: no mask); the caller frees
 * the codes. For the argument `run` (the run options), the caller gives `f->run`, or `f->counting` if the search also
 * has to count rows outside the scale of the keys. */
dkvb_status dkvb__fitting_search(const struct dkvb__fitting *f, const dkvb_codebooks *cb, const dkvb_mask *mask,
                                 uint32_t top_k, uint16_t **codes, const dkvb_run_options *run);

/* Creates a model on the given codebooks and trains it on the labels `labels`, [n], with values of type `dtype`, or of
 * the default type if `dtype` is 0. */
dkvb_status dkvb__fitting_train(const struct dkvb__fitting *f, dkvb_codebooks *cb, uint32_t top_k, uint32_t dtype,
                                const uint16_t *codes, const int32_t *labels, const dkvb_train_options *train,
                                dkvb_model **out);

/* The functions dkvb__settings_take() (which reads) and dkvb__settings_give() (which writes) handle a caller's settings
 * as far as the caller's struct_size reaches; NULL stands for the defaults. The function dkvb__settings_take() fills in
 * all settings of `s`; dkvb__settings_give() writes no settings that dkvb__settings_take() would refuse. */
dkvb_status dkvb__settings_take(dkvb_settings *s, const dkvb_settings *given);
dkvb_status dkvb__settings_give(const dkvb_settings *s, dkvb_settings *to);

/* Replaces training settings that are 0 by settings that suit the number of rows, features and classes. */
void dkvb__settings_suit(dkvb_settings *s, size_t rows, size_t columns, uint32_t classes);

/* Tries training settings: places keys on the rows, searches the codes of all rows, trains values on the rows that are
 * not held out, and measures on the held-out rows. The keys and values of a trial of settings are thrown away. */
dkvb_status dkvb__fitting_try(const struct dkvb__fitting *f, const dkvb_settings *settings, struct dkvb__measured *out);

/* Decides whether a fit half-whitens its rows, by a trial of plain and of whitened rows on held-out rows; `measured`
 * gets both results. Rows that stay held out after the fit take no part in the trial of whitening. If rows are too few
 * or have too many features, whitening is not tried (`compared` is false). */
dkvb_status dkvb__fitting_choose_whitening(const struct dkvb__fitting *f, const dkvb_settings *settings,
                                           bool keeps_held_out, struct dkvb__measured measured[2], bool *compared,
                                           bool *whiten);

/* Checks the options that a caller gives for fitting a model. In the settings `s` of a fit, a setting that the caller
 * left open is 0. */
dkvb_status dkvb__fit_take(dkvb_fit_options *o, dkvb_settings *s, const dkvb_fit_options *given);

/* Reports the beginning of a stage of a fit to the progress callback. DKVB_ECANCELLED says that the progress callback
 * of any rank (process) asks to stop the fit. */
dkvb_status dkvb__fit_stage(const dkvb_fit_options *o, const struct dkvb__fitting *f, const char *name);

/* Training options that store each epoch's loss, accuracy and rows in the report of a fit, and then call the caller's
 * own callback. The struct dkvb__told, which holds training options with their progress callback, must stay in memory
 * until the training that uses the options ends. */
struct dkvb__told {
    dkvb_fit_report *report;
    const dkvb_train_options *train;
};
dkvb_train_options dkvb__fit_tell(struct dkvb__told *told, dkvb_fit_report *report, const dkvb_train_options *train);

/* Fills in those members of a fit's report that follow from the rows and the settings. */
void dkvb__fit_describe(dkvb_fit_report *report, const struct dkvb__fitting *f, const dkvb_settings *s,
                        const dkvb_codebooks *cb);

#endif
