/* Prints man pages and shell completions, from the tables of options that --help uses. */
#ifndef DKVB_TOOL_PAGES_H
#define DKVB_TOOL_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "tool.h"

struct pages_command {
    const char *name;
    tool_command *run; /* function that runs the command; with --help the command prints its table of options */
    const char *summary;
};

/* Prints the man page of all commands together, dkvb(1). */
int pages_man(const struct pages_command *commands, size_t count);

/* Prints the man page of one command, such as dkvb-train(1). */
int pages_man_of(const struct pages_command *command);

/* Prints a completion script for a shell. The result is false unless `shell` is "bash", "zsh" or "fish". */
bool pages_completion(const char *shell, const struct pages_command *commands, size_t count, int *code);

/* Calls a command with --help. The result is the exit code that the command returns for --help. */
int pages_ask(const struct pages_command *command);

#endif
