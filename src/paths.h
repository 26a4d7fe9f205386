/* Where a command reads and writes, looked at before any work: no output may take the place of an input, and a place
 * that cannot be written is no reason to learn of it after an hour. */
#ifndef DKVB_TOOL_PATHS_H
#define DKVB_TOOL_PATHS_H

#include "args.h"

/* A file that a command was told of. Lists of them end with a NULL name; a NULL path was not given. */
struct path {
    const char *name; /* of the option or operand, for messages */
    const char *path;
};

/* Refuse outputs that are one of the inputs, or the same file twice (EXIT_USAGE), or that cannot be put where they are
 * to be (EXIT_FAILURE). A model that is changed in place is no input here. */
int paths_check(const struct args_command *command, const struct path *inputs, const struct path *outputs);

/* The same; then take the first output, a model, for this process if it is there already, so that no other command
 * loads what this one is about to replace. Waits, and says so, while another has it. Held until the process ends. */
int paths_claim(const struct args_command *command, const struct path *inputs, const struct path *outputs);

#endif
