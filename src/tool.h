/* Functions that every command uses, for exit codes and for the one error line of a failed command, and the
 * declarations of the commands themselves.
 *
 * A function of tool.h that returns int returns an exit code: 0, or the code with which the tool must end. If an exit
 * code of a function is not 0, the error line on stderr was written already, so callers only pass the code on. */
#ifndef DKVB_TOOL_H
#define DKVB_TOOL_H

#include <dkvb/dkvb.h>

enum {
    /* exit code after wrong use of a command, in addition to EXIT_SUCCESS and EXIT_FAILURE of stdlib.h */
    EXIT_USAGE = 2,
    EXIT_INTERRUPTED = 130 /* exit code after an interrupt by a signal: 128 + SIGINT, as shells report it */
};

/* A row of the table of exit codes, which help and man pages list. A row with a NULL name ends the table of exit
 * codes. */
struct tool_exit_code {
    int code;
    const char *name, *meaning;
};

extern const struct tool_exit_code tool_exit_codes[];

#if defined(__GNUC__)
#define TOOL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TOOL_PRINTF(text, first)
#endif

/* Prints the error line "dkvb: <message>" on stderr, in one line for any text. Returns EXIT_FAILURE. If a command has
 * several ranks, the error line is printed once for all ranks, when the command ends. */
int tool_fail(const char *format, ...) TOOL_PRINTF(1, 2);

/* Prints a note "dkvb: <message>" on stderr about something that does not end the command. */
void tool_note(const char *format, ...) TOOL_PRINTF(1, 2);

/* Prints "dkvb: <message>" on stderr and returns EXIT_USAGE; the caller prints the usage line. */
int tool_misused(const char *format, ...) TOOL_PRINTF(1, 2);

/* Turns the result of a library call into an exit code. If the library call failed, the error line is the library's
 * message. */
int tool_check(dkvb_status status);

/* Turns the result of a library call about a file or option into an exit code; the error message begins with the file's
 * or option's name. */
int tool_check_about(const char *name, dkvb_status status);

/* Turns the result of a library call into an exit code, if the error may be that files `a` and `b` do not belong
 * together. */
int tool_check_both(const char *a, const char *b, dkvb_status status);

/* Counts one more written file for the message after an interrupt. */
void tool_wrote_file(void);

/* Notes, for the message after an interrupt, that `done` of `all` things (such as pictures) are kept, so that repeating
 * the command continues the work; `done` 0: nothing is kept. `deed` and `things` are the words of the message after an
 * interrupt, such as "encoded" and "pictures".
 */
void tool_kept(uint64_t done, uint64_t all, const char *deed, const char *things);

/* After a failure with the exit code `code`, says on stderr how much finished work the file `path` keeps, as
 * tool_kept() has noted. No message is printed if no finished work is kept, or after an interrupt, whose own message
 * names the kept work. */
void tool_note_kept(const char *path, int code);

/* Reports that a signal ended the work, and which part of the work is on disk. Returns EXIT_INTERRUPTED. */
int tool_interrupted(void);

typedef int tool_command(int argc, char **argv);

tool_command cmd_train, cmd_eval, cmd_predict, cmd_forget, cmd_apply, cmd_undo, cmd_rename, cmd_purge, cmd_masks,
    cmd_mask, cmd_search, cmd_separation, cmd_sweep, cmd_export, cmd_audit, cmd_inspect, cmd_verify, cmd_encode,
    cmd_bench, cmd_receipt, cmd_report;

#endif
