/* What every command shares: exit codes, the one line a failure says, and the commands themselves.
 *
 * A function that returns int here returns an exit code: 0, or what the tool is to end with after the line on stderr
 * has been written. So callers only pass it on. */
#ifndef DKVB_TOOL_H
#define DKVB_TOOL_H

#include <dkvb/dkvb.h>

enum {
    EXIT_USAGE = 2,        /* beside EXIT_SUCCESS and EXIT_FAILURE of stdlib.h */
    EXIT_INTERRUPTED = 130 /* 128 + SIGINT, as shells report it */
};

/* Every exit code, as help and man pages list them. Ended by a NULL name. */
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

/* Say "dkvb: <message>" on stderr, in one line whatever the text holds. Returns EXIT_FAILURE. */
int tool_fail(const char *format, ...) TOOL_PRINTF(1, 2);

/* The same line about something that does not end the command. */
void tool_note(const char *format, ...) TOOL_PRINTF(1, 2);

/* The same, returning EXIT_USAGE; the caller adds the usage. */
int tool_misused(const char *format, ...) TOOL_PRINTF(1, 2);

/* Outcome of a library call as an exit code; a failure is told in the library's words. */
int tool_check(dkvb_status status);

/* The same for a call about a file or option: the message begins with its name. */
int tool_check_about(const char *name, dkvb_status status);

/* The same for a call about two files that do not go together, or may not. */
int tool_check_both(const char *a, const char *b, dkvb_status status);

/* One more file is on disk. */
void tool_wrote_file(void);

/* So many of all are kept for the same command, if it is given again; 0: none. `deed` and `things` say what was done to
 * them: "encoded", "pictures". */
void tool_kept(uint64_t done, uint64_t all, const char *deed, const char *things);

/* Say that a signal ended the work, and what of it is on disk. Returns EXIT_INTERRUPTED. */
int tool_interrupted(void);

typedef int tool_command(int argc, char **argv);

tool_command cmd_train, cmd_eval, cmd_predict, cmd_forget, cmd_apply, cmd_undo, cmd_rename, cmd_purge, cmd_masks,
    cmd_mask, cmd_search, cmd_separation, cmd_sweep, cmd_export, cmd_audit, cmd_inspect, cmd_verify, cmd_encode,
    cmd_bench, cmd_receipt, cmd_report;

#endif
