#include "tool.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/progress.h"
#include "io/ranks.h"

const struct tool_exit_code tool_exit_codes[] = {
    {EXIT_SUCCESS, "EXIT_SUCCESS", "The command is done."},
    {EXIT_FAILURE, "EXIT_FAILURE",
     "The command failed. One line on standard error says what was found and what was expected."},
    {EXIT_USAGE, "EXIT_USAGE",
     "The command line is wrong: an unknown option, a missing value, options that exclude each other. Nothing was "
     "changed."},
    {EXIT_INTERRUPTED, "EXIT_INTERRUPTED",
     "SIGINT or SIGTERM interrupted the command. Each file is whole: as it was, or as the command wrote it."},
    {0, NULL, NULL},
};

/* Prints a message of the tool, on rank 0 only. If a command fails on several ranks with the same error line, the line
 * is printed once, at the end. File names may contain any character, but a message stays one line and cannot control
 * the terminal. */
static void say(bool failure, const char *format, va_list arguments)
{
    char line[1024];

    vsnprintf(line, sizeof line, format, arguments);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    if (failure ? ranks_keep(line) : !ranks_lead())
        return;
    progress_hide();
    fprintf(stderr, "%s: %s\n", ranks_program, line);
}

int tool_fail(const char *format, ...)
{
    va_list arguments;

    progress_stop();
    va_start(arguments, format);
    say(true, format, arguments);
    va_end(arguments);
    return EXIT_FAILURE;
}

void tool_note(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(false, format, arguments);
    va_end(arguments);
}

int tool_misused(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(false, format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

int tool_check_both(const char *a, const char *b, dkvb_status status)
{
    if (status == DKVB_OK)
        return EXIT_SUCCESS;
    if (status == DKVB_ECANCELLED)
        return tool_interrupted();
    return tool_fail("%s%s%s%s%s", a, b[0] ? " and " : "", b, a[0] ? ": " : "", dkvb_last_error());
}

int tool_check_about(const char *name, dkvb_status status)
{
    return tool_check_both(name, "", status);
}

int tool_check(dkvb_status status)
{
    return tool_check_both("", "", status);
}

static size_t files; /* number of files that the running command has written */
static struct {
    uint64_t done, all;
    const char *deed, *things;
} kept;

void tool_wrote_file(void)
{
    files++;
}

void tool_kept(uint64_t done, uint64_t all, const char *deed, const char *things)
{
    kept.done = done;
    kept.all = all;
    kept.deed = deed;
    kept.things = things;
}

void tool_note_kept(const char *path, int code)
{
    if (code && code != EXIT_INTERRUPTED && kept.done > 0)
        tool_note("%s keeps %" PRIu64 " of %" PRIu64 " %s: the same command goes on from there", path, kept.done,
                  kept.all, kept.things);
}

/* Writes a number with a comma between groups of digits, such as "1,234", into `digits`. */
static const char *grouped(uint64_t number, char digits[32])
{
    char *at = digits + 31;

    *at = '\0';
    for (int n = 0; n == 0 || number > 0; n++, number /= 10) {
        if (n > 0 && n % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + number % 10);
    }
    return at;
}

int tool_interrupted(void)
{
    char done[32], all[32];

    if (kept.done > 0)
        tool_fail("interrupted; %s %s of %s %s; the same command goes on from there", kept.deed,
                  grouped(kept.done, done), grouped(kept.all, all), kept.things);
    else if (files == 0)
        tool_fail("interrupted; nothing was written");
    else
        tool_fail("interrupted; %zu %s written before", files, files == 1 ? "file was" : "files were");
    return EXIT_INTERRUPTED;
}
