/* Options and operands of one command. A table lists them, a struct of the command takes the values, and help is
 * printed from the same table. */
#ifndef DKVB_TOOL_ARGS_H
#define DKVB_TOOL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tool.h"

enum { ARGS_MAX_OPERANDS = 257, ARGS_MAX_OPTIONS = 60 };

/* Kind of a value, which determines the type of the member at `at`. */
enum args_kind {
    ARGS_FLAG,  /* bool; takes no value */
    ARGS_TEXT,  /* const char * */
    ARGS_LIST,  /* struct args_list: one word or more; a command has one such option at most */
    ARGS_U32,   /* uint32_t */
    ARGS_U64,   /* uint64_t */
    ARGS_REAL,  /* double, finite, not negative */
    ARGS_CHOICE /* uint32_t, the index in `choices` */
};

/* The words behind an option, of which `--images a.png b.png` has two. They end at the next option. */
struct args_list {
    const char *text; /* for messages: the only word, or "a.png and 1 more"; NULL: the option was not given */
    const char *const *word;
    size_t count;
};

struct args_option {
    const char *name;
    enum args_kind kind;
    size_t at;         /* offset in the command's struct */
    const char *value; /* word for the value in help; NULL for a flag */
    const char *help;
    uint64_t least, most;       /* limits of U32 and U64; `most` also of REAL; most 0: the limit of the type */
    double below;               /* for REAL: the value must be less than this; 0: no such limit */
    bool positive;              /* for REAL: 0 is refused */
    const char *const *choices; /* for CHOICE: its words, ended by NULL */
    char letter;                /* short form, or 0 */
    bool required;
    bool shows_default; /* help prints the value that args_command.defaults sets */
    bool word;          /* for TEXT: the value names no file, so that a shell offers none */
};

/* The last lines of the table of a command that works on rows. */
/* clang-format off */
#define ARGS_THREADS_JSON(AT)                                                                                          \
    {"threads", ARGS_U32, AT(threads), "N", .help = "0: as many as the machine has"},                                  \
    {"json", ARGS_FLAG, AT(json), .help = "print one JSON object instead of text"},                                    \
    {0}
/* clang-format on */

/* Arguments that every command has. This is the first member of every command's struct. */
struct args {
    const char *operand[ARGS_MAX_OPERANDS]; /* NULL for operands that were not given */
    uint64_t given;                         /* bit i: option i was given */
};

struct args_command {
    const char *name;
    const char *synopsis;     /* text after the name in the usage line */
    const char *example;      /* a command that works, the first line of help; run by a test */
    const char *const *words; /* words that the first operand may be, ended by NULL; NULL: operands are files */
    const char *about;        /* one or two sentences for help, with fixed line breaks */
    const struct args_option *options; /* table of options, ended by a NULL name */
    size_t size;                       /* size of the command's struct */
    void (*defaults)(void *values);    /* sets the defaults; NULL: all zero */
    int least_operands, most_operands;
};

/* Prints the text of --help; `values` holds the defaults. */
typedef void args_help_fn(const struct args_command *command, const void *values);

/* Makes --help call `print` from now on, so that man pages and completions come from the same tables. */
void args_help_by(args_help_fn *print);

/* Writes " (default 16)", or an empty text if help shows no default. */
void args_default(const struct args_option *option, const void *values, char *text, size_t size);

/* Reads the command line into `values`, the command's struct. The result is true if the command has to run. Otherwise
 * *code is the exit code: help was printed, or an error message. */
bool args_parse(const struct args_command *command, int argc, char **argv, void *values, int *code);

/* True if the option of this name was on the command line. `values` is the command's struct. */
bool args_given(const struct args_command *command, const void *values, const char *name);

/* Ends with an error about this combination of options, then the usage line. Returns EXIT_USAGE. */
int args_misused(const struct args_command *command, const char *format, ...) TOOL_PRINTF(2, 3);

/* Refuses every given option among `names` (ended by NULL), with `reason` in the message. Returns 0, or EXIT_USAGE. */
int args_refuse(const struct args_command *command, const void *values, const char *const *names, const char *reason);

/* Reads a whole number of decimal digits and nothing else. */
bool args_number(const char *text, uint64_t *out);

#endif
