/* What undo, purge and rename have in common: a model is loaded, changed, and saved in its place or as another file. */
#ifndef DKVB_TOOL_CHANGE_H
#define DKVB_TOOL_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include <dkvb/dkvb.h>

#include "io/args.h"

/* Options of such a command, and what becomes of its model. */
struct change {
    struct args args; /* operand 0 is the model */
    const char *output;
    bool json, drop_name;

    dkvb_model *model;
    dkvb_model_info before, after;
    uint64_t entry;   /* undo: the entry that was taken back; 0 before: the latest */
    uint32_t label;   /* rename: the class */
    uint32_t dropped; /* purge: classes that lost their name */
};

#define CHANGE_AT(member) offsetof(struct change, member)
#define CHANGE_OPTIONS                                                                                                 \
    {                                                                                                                  \
        "output",     ARGS_TEXT, CHANGE_AT(output), "OUT", .help = "where to save; MODEL itself if not given",         \
        .letter = 'o'},                                                                                                \
    {                                                                                                                  \
        "json", ARGS_FLAG, CHANGE_AT(json), .help = "print one JSON object instead of text"                            \
    }

/* Load the model, `make` the change, save, and `tell`: members of the JSON object that is open, or lines of text. */
int change_model(const struct args_command *command, struct change *c, int (*make)(struct change *c),
                 void (*tell)(const struct change *c));

#endif
