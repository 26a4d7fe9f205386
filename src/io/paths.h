/* Where a command reads and writes, looked at before any work: no output may take the place of an input, and a place
 * that cannot be written is no reason to learn of it after an hour. */
#ifndef DKVB_TOOL_PATHS_H
#define DKVB_TOOL_PATHS_H

#include <stdbool.h>

#include "io/args.h"

/* A file that a command was told of. Lists of them end with a NULL name; a NULL path was not given. */
struct path {
    const char *name; /* of the option or operand, for messages */
    const char *path;
};

/* Refuse outputs that are one of the inputs, or the same file twice (EXIT_USAGE), or that cannot be put where they are
 * to be (EXIT_FAILURE). A model that is changed in place is no input here. */
int paths_check(const struct args_command *command, const struct path *inputs, const struct path *outputs);

/* The same; then take each output that is there already for this process, so that no other command loads what this one
 * is about to replace. Models come first in the list. Waits, and says so, while another has one. Held until the process
 * ends. */
int paths_claim(const struct args_command *command, const struct path *inputs, const struct path *outputs);

/* A failure that the library tells of. Its messages begin with what they are about: the person knows that by the name
 * of its file, which stands in place of it where `files` has one, `name` as the message begins, ended by a NULL name.
 * Returns EXIT_FAILURE; 0, and says nothing, where no file is what the message is about. */
int paths_tell(const struct path *files, const char *message);

/* Narrow the umask, so that no file or folder that this process makes from now on is open to a group or to others who
 * may not read or write the input `path`. */
void paths_keep_private(const char *path);

/* The same as paths_check() for outputs in a folder: one that is not there yet holds nothing, and is left to
 * paths_make_folder(), which makes it, or says what stands in its place. */
int paths_check_in_folder(const struct args_command *command, const char *folder, const struct path *inputs,
                          const struct path *outputs);
int paths_make_folder(const char *folder);

/* "folder/name" and "path" with an ending, to be free()d; NULL if out of memory, which has been said. */
char *paths_join(const char *folder, const char *name);
char *paths_with(const char *path, const char *ending);

#endif
