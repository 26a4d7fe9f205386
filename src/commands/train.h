/* The options of `dkvb train`, and the functions that check these options. */
#ifndef DKVB_TOOL_TRAIN_H
#define DKVB_TOOL_TRAIN_H

#include <stdbool.h>

#include <dkvb/dkvb.h>

#include "io/args.h"
#include "io/pictures.h"

struct train_args {
    struct args args;
    const char *features, *codes, *labels, *output;
    const char *key_features, *init_from, *continue_from, *class_names, *ids, *codes_out, *size;
    struct pictures_args pictures;
    struct columns_args columns;
    dkvb_settings settings;
    uint64_t seed, most_bytes;
    double hold_out, tune_seconds;
    uint32_t preset, keep, depth, values, trials, threads;
    bool as_they_are, tune, keep_counts, relearn, empty_classes, keep_names, in_place, json;
};

extern const struct args_command train_command;

/* The library's constants for the number types in which a model's values are stored, by the index train_args.values. */
extern const uint32_t train_value_types[];

/* Checks which options of `dkvb train` belong together, and sets values that follow from them. train_claim_paths()
 * checks that no file is used twice. */
int train_check_args(struct train_args *args);
int train_claim_paths(const struct train_args *args);

#endif
