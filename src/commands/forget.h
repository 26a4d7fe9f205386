/* Arguments and data of `dkvb forget`. forget.c asks the library for a plan or reads a saved plan; forget_print.c
 * prints the plan. */
#ifndef DKVB_TOOL_FORGET_H
#define DKVB_TOOL_FORGET_H

#include <stdbool.h>
#include <stdint.h>

#include "io/args.h"
#include "io/codes.h"
#include "io/input.h"
#include "io/pictures.h"

struct forget_args {
    struct args args;
    struct pictures_args pictures;
    struct columns_args columns;
    const char *set; /* argument of --features or --images, if one of both was given */
    const char *output, *features, *codes, *labels, *classes, *rows, *mask, *mask_out, *reason, *salt;
    const char *codes_out, *key_features, *ids, *requests, *plan_out;
    uint64_t pairs, examples, seed;
    double target, max_retain_drop, max_class_loss;
    /* index of the word given to the option --strength, of the word given to --method (how pairs to mask are chosen),
     * and the number of threads */
    uint32_t strength, method, threads;
    bool dry_run, force, keep_keys, in_place, drop_name, all_classes, json;
    bool exact; /* true if the strength of forgetting is "exact", false if it is "suppress" */
    bool kept;  /* true if the file of the option --codes is a codes file */
    /* true if the plan of forgetting was read from a file, so that options which would change the plan are missing */
    bool planned;
};

struct forget {
    /* command that messages name: `dkvb forget`, or another command that forgets by a mask */
    const struct args_command *command;
    struct forget_args args;
    dkvb_model *model;
    dkvb_model_info info;
    dkvb_codeset *codeset; /* contents of the file of --codes, if it is a codes file */
    dkvb_mask *mask;       /* mask of pairs that was read from the file of --mask */
    uint8_t *classes;      /* marks of the classes that --class names, [classes] */
    struct features x, key_x;
    struct pictures pictures; /* the pictures that were encoded into the rows to be forgotten */
    struct codes npy;
    struct labels y;
    struct ids rows, key_ids;
    uint16_t *searched;
    uint8_t salt[32];
    char *text; /* text of requests that was read from the file of --requests */
    dkvb_forget_request request;
    dkvb_plan *plan;
    dkvb_plan_info found;
    uint64_t entry; /* number of the journal entry that applying the plan of the forgetting wrote */
    uint32_t names_dropped;
    double began;
};

/* Prints a forgetting that was done, or with --dry-run a forgetting that would be done; as JSON with --json. Without a
 * model, classes are printed without names. */
void forget_print(const struct forget *f, const char *output);

/* Runs `dkvb forget MODEL --mask MASK`, with its output and JSON; messages about wrong use name the command `asking`.
 * The masked model is written to `output`, or replaces the model file if `output` is NULL; `reason` and `salt` may be
 * NULL. */
int forget_by_mask(const struct args_command *asking, const char *model, const char *mask, const char *output,
                   const char *reason, const char *salt, bool json);

/* Prints on stdout that a mask was written, and a warning for users who give the mask file to others. */
void mask_say_written(uint64_t pairs, const char *path);

#endif
