/* Options and operands of one command. A table lists the options, a struct of the command takes their values, and help
 * is printed from the same table. */
#ifndef DKVB_TOOL_ARGS_H
#define DKVB_TOOL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tool.h"

enum { ARGS_MAX_OPERANDS = 257, ARGS_MAX_OPTIONS = 60 };

/* Kind of an option's value, which determines the type of the member at the offset `at`. */
enum args_kind {
    ARGS_FLAG,  /* a bool; the option takes no value */
    ARGS_TEXT,  /* a text, const char * */
    ARGS_LIST,  /* one word or more, struct args_list; a command has at most one such option */
    ARGS_U32,   /* a number, uint32_t */
    ARGS_U64,   /* a number, uint64_t */
    ARGS_REAL,  /* a double, finite and not negative */
    ARGS_CHOICE /* a word, stored as uint32_t, the word's index in `choices` */
};

/* The words of a list option: `--images a.png b.png` has two words. The list ends at the next option. */
struct args_list {
    const char *text; /* text for messages: the only word, or "a.png and 1 more"; NULL: the option was not given */
    const char *const *word;
    size_t count;
};

struct args_option {
    const char *name;
    enum args_kind kind;
    size_t at;         /* offset of the value's member in the command's struct */
    const char *value; /* placeholder for the value in help; NULL for a flag */
    const char *help;
    /* limits of a U32 or U64 value, and of a REAL value (`most` only); most 0: the limit of the type */
    uint64_t least, most;
    double below;               /* for REAL: the value must be less than this limit; 0: no such limit */
    bool positive;              /* for REAL: true if 0 is refused */
    const char *const *choices; /* for CHOICE: the allowed words, ending with NULL */
    char letter;                /* one-letter form of the option, or 0 */
    bool required;
    bool shows_default; /* true if help prints the default value, which args_command.defaults sets */
    bool word;          /* for TEXT: true if the value names no file, so that a shell offers no files */
};

/* The last lines of the table of options of a command that works on rows. */
/* clang-format off */
#define ARGS_THREADS_JSON(AT)                                                                                          \
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},                                  \
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},                                    \
    {0}
/* clang-format on */

/* Arguments that every command has. struct args is the first member of every command's struct. */
struct args {
    const char *operand[ARGS_MAX_OPERANDS]; /* the operands; NULL for operands that were not given */
    uint64_t given;                         /* bit i is 1 if the command line has option i */
};

struct args_command {
    const char *name;
    const char *synopsis;     /* text after the command's name in the usage line */
    const char *example;      /* example of the command, the first line of help; a test runs it */
    const char *const *words; /* words that the first operand may be, ending with NULL; NULL: operands are files */
    const char *about;        /* one or two sentences about the command for help, with fixed line breaks */
    const struct args_option *options; /* table of options, ending with a NULL name */
    size_t size;                       /* size of the command's struct */
    void (*defaults)(void *values);    /* sets the default values; NULL: all are zero */
    int least_operands, most_operands;
};

/* Prints the text of --help; `values` holds the defaults. */
typedef void args_help_fn(const struct args_command *command, const void *values);

/* Makes --help call `print` from now on, so that man pages and completions use the same tables as help. */
void args_help_by(args_help_fn *print);

/* Writes the default of an option for help, " (default 16)", or an empty text if help shows none. */
void args_default(const struct args_option *option, const void *values, char *text, size_t size);

/* Reads the command line into `values`, the command's struct. The result is true if the command has to run. If the
 * result is false, help or an error message was printed, and *code is the exit code. */
bool args_parse(const struct args_command *command, int argc, char **argv, void *values, int *code);

/* True if the option of this name was on the command line. `values` is the command's struct. */
bool args_given(const struct args_command *command, const void *values, const char *name);

/* Prints an error message about a combination of options, then the usage line. Returns EXIT_USAGE. */
int args_misused(const struct args_command *command, const char *format, ...) TOOL_PRINTF(2, 3);

/* Refuses every given option among `names` (which ends with NULL), with `reason` in the message. Returns 0, or
 * EXIT_USAGE. */
int args_refuse(const struct args_command *command, const void *values, const char *const *names, const char *reason);

/* Reads a text that must be a whole number in decimal digits and nothing else. */
bool args_number(const char *text, uint64_t *out);

#endif
