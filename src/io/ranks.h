/* Ranks of the tool are processes that run one command together. The program dkvb has one rank; dkvb-mpi has the ranks
 * of its MPI job. Every rank runs the same command with the same arguments. Rank 0 alone prints, and writes files.
 *
 * The functions for ranks have two source files: io/ranks_alone.c is part of the program dkvb, io/ranks_mpi.c of
 * dkvb-mpi. */
#ifndef DKVB_TOOL_RANKS_H
#define DKVB_TOOL_RANKS_H

#include <stdbool.h>

#include <dkvb/dkvb.h>

/* Name of this program for messages, and lines about this program that are added to the list of commands. */
extern const char ranks_program[], ranks_usage[];

/* Text that --version adds after the version of libdkvb. */
const char *ranks_version(void);

/* Joins the other ranks of the MPI job. Options of dkvb-mpi itself, which stand before the name of the command, are
 * removed from argc and argv. The result is 0, or the exit code after an error message was printed. */
int ranks_begin(int *argc, char **argv);

/* Prepares the run of a command on all ranks. *runs becomes false on every rank other than 0 if only rank 0 runs the
 * command. The result is 0, or the exit code after an error message: if the command lines of ranks differ, this is
 * reported before any work. */
int ranks_command(const char *name, int argc, char **argv, bool *runs);

/* Ends this process's part in the MPI job of all ranks. `code` is the exit code of this rank (process); the result is
 * the exit code of the whole job. */
int ranks_end(int code);

/* Returns the group of ranks that shares the models of the running command. If this process works alone, the result is
 * NULL. */
const dkvb_ranks *ranks_group(void);

/* True on rank 0, which prints and writes files for all ranks. */
bool ranks_lead(void);

/* Takes over the error line of a failure, which ranks_end() prints once for all ranks. The result is false if the
 * caller has to print the error line itself. */
bool ranks_keep(const char *line);

/* Takes the result of a step that only rank 0 made (an exit code or a dkvb_status, 0 after a success) to all ranks
 * (processes). All ranks must call ranks_settle(). If the step on rank 0 failed, only rank 0 has the error message. */
int ranks_settle(int result);

/* Returns true if a signal ends this process at once, since ranks cannot agree to stop at the same step; the function
 * has then written the reason. ranks_end_by_signal() is called by signal handlers. */
bool ranks_end_by_signal(int number);

#endif
