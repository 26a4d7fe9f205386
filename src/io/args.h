/* Reads the options and operands of one command of the command-line tool. Each command has a table of its options and a
 * struct for their values, and help is printed from the same table. */
#ifndef DKVB_TOOL_ARGS_H
#define DKVB_TOOL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tool.h"

enum { ARGS_MAX_OPERANDS = 257, ARGS_MAX_OPTIONS = 60 };

/* Kind of the value that an option of a command takes; the kind determines the type of the struct member that receives
 * the value. */
enum args_kind {
    ARGS_FLAG, /* kind of a flag: the member is a bool, and the option takes no value */
    ARGS_TEXT, /* kind of an option with a text: the member is a const char * */
    /* kind of an option with one word or more: the member is a struct args_list; a command has at most one such option
     */
    ARGS_LIST,
    ARGS_U32,   /* kind of an option with a number: the member is a uint32_t */
    ARGS_U64,   /* kind of an option with a number: the member is a uint64_t */
    ARGS_REAL,  /* kind of an option with a number that is finite and not negative: the member is a double */
    ARGS_CHOICE /* kind of an option with a word of `choices`: the member is a uint32_t, the index of the word */
};

/* The words of a list option: `--images a.png b.png` has two words. The words of a list option end at the next
 * option. */
struct args_list {
    /* text of the list for messages: its only word, or "a.png and 1 more"; NULL: the option was not given */
    const char *text;
    const char *const *word;
    size_t count;
};

struct args_option {
    const char *name;
    enum args_kind kind;
    size_t at;         /* offset of the member for the option's value in the command's struct */
    const char *value; /* placeholder for the option's value in help; NULL for a flag */
    const char *help;
    /* limits of the value that a command's option takes: `least` and `most` for integers (ARGS_U32, ARGS_U64), `most`
     * for ARGS_REAL; if `most` is 0, only the type limits the value */
    uint64_t least, most;
    double below;  /* limit for an option of the kind ARGS_REAL: the value must be less than the limit; 0: no limit */
    bool positive; /* true if an option of the kind ARGS_REAL refuses 0 */
    const char *const *choices; /* allowed words of an option of the kind ARGS_CHOICE, ending with NULL */
    char letter;                /* letter of the option's one-letter form, or 0 */
    bool required;
    bool shows_default; /* true if help prints the default value of the option, which args_command.defaults sets */
    bool word; /* true if the text of an option of the kind ARGS_TEXT names no file, so that a shell offers no files */
};

/* Lines at the end of the table of options, for every command that works on rows. */
/* clang-format off */
#define ARGS_THREADS_JSON(AT)                                                                                          \
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},                                  \
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},                                    \
    {0}
/* clang-format on */

/* Arguments that every command has. struct args is the first member of every command's struct. */
struct args {
    /* the operands of the command line; NULL for operands that were not given */
    const char *operand[ARGS_MAX_OPERANDS];
    uint64_t given; /* options that the command line gave: bit i is 1 if option i of the command's table was given */
};

struct args_command {
    const char *name;
    const char *synopsis;     /* text after the command's name in the usage line */
    const char *example;      /* example of the command, the first line of help; a test runs it */
    const char *const *words; /* words that the first operand may be, ending with NULL; NULL: operands are files */
    const char *about;        /* one or two sentences about the command for help, with fixed line breaks */
    const struct args_option *options; /* table of the command's options, ending with a NULL name */
    size_t size;                       /* size of the command's struct in bytes */
    void (*defaults)(void *values); /* function that sets the default values of options; NULL: all defaults are zero */
    int least_operands, most_operands;
};

/* A function that prints the text of --help; `values` holds the defaults. */
typedef void args_help_fn(const struct args_command *command, const void *values);

/* Makes --help call `print` from now on, so that man pages and completions use the same tables as help. */
void args_help_by(args_help_fn *print);

/* Writes the default of an option for help, " (default 16)", or an empty text if help shows none. */
void args_default(const struct args_option *option, const void *values, char *text, size_t size);

/* Reads the command line into `values`, the command's struct. The result is true if the command has to run, and false
 * after --help or a mistake. If the result is false, help or an error message was printed, and *code is the exit
 * code. */
bool args_parse(const struct args_command *command, int argc, char **argv, void *values, int *code);

/* True if the command line has the option called `name`. `values` is the command's struct, into which the options were
 * read. */
bool args_given(const struct args_command *command, const void *values, const char *name);

/* Prints an error message about a combination of options, then the usage line. Returns EXIT_USAGE. */
int args_misused(const struct args_command *command, const char *format, ...) TOOL_PRINTF(2, 3);

/* Refuses every given option among `names` (which ends with NULL), with `reason` in the message. The result is 0, or
 * EXIT_USAGE if an option among `names` was given. */
int args_refuse(const struct args_command *command, const void *values, const char *const *names, const char *reason);

/* Reads a text that must be a whole number in decimal digits and nothing else. */
bool args_number(const char *text, uint64_t *out);

#endif
