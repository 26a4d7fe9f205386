/* Checks of the paths that a command reads and writes, made before any work. No output may replace an input, and a path
 * that cannot be written must be refused at once, not after an hour of work. */
#ifndef DKVB_TOOL_PATHS_H
#define DKVB_TOOL_PATHS_H

#include <stdbool.h>

#include "io/args.h"

/* A file that the command line names. A list of struct path ends with a NULL name; the member `path` is NULL for a file
 * that the command line does not name. */
struct path {
    const char *name; /* name of the option or operand that gives the path, for messages */
    const char *path;
};

/* Refuses outputs that are also inputs, or the same file twice (EXIT_USAGE), and outputs that cannot be written
 * (EXIT_FAILURE). A model that a command changes in place is listed as an output, and not as an input. */
int paths_check(const struct args_command *command, const struct path *inputs, const struct path *outputs);

/* Checks paths as paths_check() does, then locks each output that exists already for this process, so that no other
 * command loads a file that this command will replace. In the list `outputs` of a command, models come first. While
 * another command holds the lock of an output, paths_claim() waits and prints a note. The locks of the outputs are held
 * until the process ends. */
int paths_claim(const struct args_command *command, const struct path *inputs, const struct path *outputs);

/* Reports a failure of the library, with the path of the file that caused the failure. Messages of the library begin
 * with the argument at fault, which the user knows by the name of its file. If the message begins with a `name` of the
 * list `files`, which ends with a NULL name, the path of that file replaces the name in the message. The function
 * returns EXIT_FAILURE after printing the message; if the message begins with no name of the list `files`, the function
 * prints nothing and returns 0. */
int paths_tell(const struct path *files, const char *message);

/* Narrows the umask, so that files and folders that this process makes from now on are closed to users who may not read
 * or write the input `path`. */
void paths_keep_private(const char *path);

/* Checks the output files that a command writes into a folder, in the way in which paths_check() checks other outputs.
 * A folder of outputs that does not exist yet is accepted. */
int paths_check_in_folder(const struct args_command *command, const char *folder, const struct path *inputs,
                          const struct path *outputs);
int paths_make_folder(const char *folder);

/* Joins "folder/name", and "path" with an ending; the caller frees the result. The joined path is NULL if memory ran
 * out, which was reported. */
char *paths_join(const char *folder, const char *name);
char *paths_with(const char *path, const char *ending);

#endif
