/* Arguments and data of `dkvb forget`. forget.c asks the library for a plan or reads a saved one, forget_print.c shows
 * it. */
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
    const char *set; /* --features or --images, if one was given */
    const char *output, *features, *codes, *labels, *classes, *rows, *mask, *mask_out, *reason, *salt;
    const char *codes_out, *key_features, *ids, *requests, *plan_out;
    uint64_t pairs, examples, seed;
    double target, max_retain_drop, max_class_loss;
    uint32_t strength, method, threads; /* strength: index of the names that --strength accepts */
    bool dry_run, force, keep_keys, in_place, drop_name, all_classes, json;
    bool exact;   /* the strength is "exact", else "suppress" */
    bool kept;    /* --codes is a codes file */
    bool planned; /* the plan was saved before, so options that would make another plan are missing */
};

struct forget {
    const struct args_command *command; /* named in messages: "forget", or a command that forgets by a mask */
    struct forget_args args;
    dkvb_model *model;
    dkvb_model_info info;
    dkvb_codeset *codeset; /* contents of --codes, if that is a codes file */
    dkvb_mask *mask;       /* mask of --mask */
    uint8_t *classes;      /* [L], classes of --class */
    struct features x, key_x;
    struct pictures pictures; /* pictures that x was made of */
    struct codes npy;
    struct labels y;
    struct ids rows, key_ids;
    uint16_t *searched;
    uint8_t salt[32];
    char *text; /* text of --requests */
    dkvb_forget_request request;
    dkvb_plan *plan;
    dkvb_plan_info found;
    uint64_t entry; /* number of the journal entry, once the plan is applied */
    uint32_t names_dropped;
    double began;
};

/* Prints what was done, or with --dry-run what would be done; as JSON with --json. Without a model, classes have no
 * names. */
void forget_print(const struct forget *f, const char *output);

/* Runs `dkvb forget MODEL --mask MASK`, with its output and JSON; wrong use is reported as that of `asking`. If
 * `output` is NULL, the model is replaced; `reason` and `salt` may be NULL. */
int forget_by_mask(const struct args_command *asking, const char *model, const char *mask, const char *output,
                   const char *reason, const char *salt, bool json);

/* Prints on stdout that a mask was written, and a warning for those who pass it on. */
void mask_say_written(uint64_t pairs, const char *path);

#endif
