/* Ranks of the tool: processes that run one command together. dkvb is rank 0 of 1; dkvb-mpi has the ranks of its MPI
 * job. Every rank runs the same command with the same arguments. Rank 0 alone prints, and writes files.
 *
 * Two sources implement these functions: io/ranks_alone.c is part of dkvb, mpi/tool.c of dkvb-mpi. */
#ifndef DKVB_TOOL_RANKS_H
#define DKVB_TOOL_RANKS_H

#include <stdbool.h>

#include <dkvb/dkvb.h>

/* Name of this program, for messages; and the lines that the list of commands adds about it. */
extern const char ranks_program[], ranks_usage[];

/* Text that --version adds after the version of libdkvb. */
const char *ranks_version(void);

/* Joins the other ranks. Options of the program itself, in front of the command, are taken out of argc and argv. The
 * result is 0, or the exit code after an error message. */
int ranks_begin(int *argc, char **argv);

/* Prepares a command. *runs is false if rank 0 alone runs it, and this is another rank. The result is 0, or the exit
 * code after an error message: ranks that differ are reported before any work. */
int ranks_command(const char *name, int argc, char **argv, bool *runs);

/* Leaves the other ranks. `code` is the exit code of this rank; the result is that of all. */
int ranks_end(int code);

/* The group that shares the models of this command. NULL: this process alone. */
const dkvb_ranks *ranks_group(void);

/* True on rank 0, which prints and writes. */
bool ranks_lead(void);

/* Takes over the line of a failure, which ranks_end() prints once for all ranks. The result is false if the caller has
 * to print the line itself. */
bool ranks_keep(const char *line);

/* Gives the result of a step that rank 0 alone made to all ranks: an exit code or a dkvb_status, 0 if it succeeded. All
 * ranks call the function. Rank 0 has the message of a failure. */
int ranks_settle(int result);

/* Called by signal handlers. True if a signal ends this process at once, since ranks cannot agree to stop at the same
 * step; the function has then written why. */
bool ranks_end_by_signal(int number);

#endif
