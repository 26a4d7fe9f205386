/* Prints man pages in roff. The tables of options have plain text; put_text() escapes characters that roff would
 * interpret. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/pages.h"

/* date that man pages show, that of the last change to the commands; mandoc warns of pages without a date */
#define PAGE_DATE "2026-11-28"

static const char *summary; /* summary of the command whose page is printed */

/* Prints one line of roff text. A hyphen in the text becomes roff's hyphen of the keyboard, and a dot or quote at the
 * start of the line is escaped. */
static void put_line(const char *text, size_t length)
{
    if (length > 0 && (text[0] == '.' || text[0] == '\''))
        fputs("\\&", stdout);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '-')
            fputs("\\-", stdout);
        else if (text[i] == '\\')
            fputs("\\e", stdout);
        else
            putchar(text[i]);
    }
}

static void put_word(const char *text)
{
    put_line(text, strlen(text));
}

/* Prints paragraphs of a text, which are separated by empty lines. In a text for a man page, lines that begin with a
 * blank are a table and keep their line breaks. */
static void put_text(const char *text)
{
    bool table = false;

    while (*text) {
        size_t length = strcspn(text, "\n");
        bool indented = text[0] == ' ';

        if (length == 0) {
            fputs(table ? ".fi\n.PP\n" : ".PP\n", stdout);
            table = false;
        } else {
            if (indented != table)
                fputs(indented ? ".nf\n" : ".fi\n", stdout);
            table = indented;
            put_line(text, length);
            putchar('\n');
        }
        text += length + (text[length] == '\n');
    }
    if (table)
        fputs(".fi\n", stdout);
}

static void put_title(const char *name, const char *suffix)
{
    fputs(".TH ", stdout);
    for (const char *c = name; *c; c++)
        putchar(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    for (const char *c = suffix; *c; c++)
        putchar(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    printf(" 1 \"%s\" \"dkvb %s\" \"User Commands\"\n", PAGE_DATE, dkvb_version_string());
}

static void put_option(const struct args_option *o, const void *values)
{
    char shown[64];

    fputs(".TP\n", stdout);
    if (o->letter)
        printf("\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", stdout);
    put_word(o->name);
    fputs("\\fR", stdout);
    if (o->value) {
        fputs(" \\fI", stdout);
        put_word(o->value);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    args_default(o, values, shown, sizeof shown);
    put_word(o->help);
    put_word(shown);
    putchar('\n');
}

static void put_exit_codes(void)
{
    fputs(".SH EXIT STATUS\n", stdout);
    for (const struct tool_exit_code *e = tool_exit_codes; e->name; e++) {
        printf(".TP\n.B %d\n", e->code);
        put_word(e->meaning);
        putchar('\n');
    }
}

static void put_example(const char *example)
{
    fputs(".nf\n", stdout);
    put_word(example);
    fputs("\n.fi\n", stdout);
}

/* Prints the help of a command as a separate man page. */
static void print_page(const struct args_command *command, const void *values)
{
    put_title("dkvb-", command->name);
    fputs(".SH NAME\ndkvb\\-", stdout);
    put_word(command->name);
    fputs(" \\- ", stdout);
    put_word(summary);
    fputs("\n.SH SYNOPSIS\n.B dkvb ", stdout);
    put_word(command->name);
    putchar('\n');
    put_word(command->synopsis);
    fputs("\n.SH DESCRIPTION\n", stdout);
    put_text(command->about);
    fputs(".SH OPTIONS\n", stdout);
    for (const struct args_option *o = command->options; o->name; o++)
        put_option(o, values);
    fputs(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint the options and exit\n", stdout);
    put_exit_codes();
    if (command->example) {
        fputs(".SH EXAMPLES\n", stdout);
        put_example(command->example);
    }
    fputs(".SH SEE ALSO\n.BR dkvb (1)\n", stdout);
}

int pages_man_of(const struct pages_command *command)
{
    summary = command->summary;
    args_help_by(print_page);
    return pages_ask(command);
}

/* Prints the example of a command as a line in the example section of dkvb(1). */
static void print_example(const struct args_command *command, const void *values)
{
    (void)values;
    if (command->example) {
        put_word(command->example);
        putchar('\n');
    }
}

static const char *const description =
    "dkvb trains a discrete key-value bottleneck on features of any frozen encoder, classifies with it, makes it\n"
    "forget classes or rows, takes that back, or makes it permanent.\n"
    "\n"
    "Features and labels are .npy or IDX files, plain or gzip. A model is a single file. A file is written whole or\n"
    "not at all, and is never an input of the same command, except for a model that the command changes. Commands\n"
    "that change the same model wait for each other.\n"
    "\n"
    "Masking suppresses: values of masked pairs stay in the file until dkvb purge, which overwrites them in the new\n"
    "file but not in other copies. Only training again without the rows removes what they taught the other pairs.\n"
    "\n"
    "A mask file is itself a trace: whoever holds candidate rows can find those that a mask of a few rows was made "
    "of.\n";

static const struct {
    const char *name, *meaning;
} environment[] = {
    {"DKVB_PROGRESS", "Seconds between lines of progress on standard error where it is no terminal: 60 if it is not "
                      "set; 0 prints none."},
    {"DKVB_KERNELS",
     "The kernels to use: scalar, for example. Answers are the same bits. A name that does not run here "
     "is told on standard error, and the fastest kernels are used."},
    {"OMP_NUM_THREADS", "Number of threads where --threads is not given."},
    {"SOURCE_DATE_EPOCH", "Seconds since 1970, in digits, that journals hold instead of the present time. The same "
                          "commands then give the same bytes; forget also needs --salt."},
};

int pages_man(const struct pages_command *commands, size_t count)
{
    int code = EXIT_SUCCESS;

    put_title("dkvb", "");
    fputs(".SH NAME\ndkvb \\- train classifiers that can forget, and make them forget\n"
          ".SH SYNOPSIS\n.B dkvb\n.I command\n.RI [ operands ]\n.RI [ options ]\n"
          ".br\n.B dkvb help\n.RI [ command ]\n.br\n.B dkvb help exit\\-codes\n.br\n.B dkvb \\-\\-version\n"
          ".SH DESCRIPTION\n",
          stdout);
    put_text(description);
    fputs(".SH COMMANDS\nEach command has a page of its own.\n", stdout);
    for (size_t i = 0; i < count; i++) {
        printf(".TP\n.BR dkvb\\-%s (1)\n", commands[i].name);
        put_word(commands[i].summary);
        putchar('\n');
    }
    put_exit_codes();
    fputs(".PP\nThe first SIGINT or SIGTERM ends the work and leaves every file whole; a second one, a second later or "
          "more, kills.\nEvery other signal that ends a process first removes what is half written.\n"
          ".SH ENVIRONMENT\n",
          stdout);
    for (size_t i = 0; i < sizeof environment / sizeof *environment; i++) {
        printf(".TP\n.B %s\n", environment[i].name);
        put_word(environment[i].meaning);
        putchar('\n');
    }
    fputs(".SH EXAMPLES\n.nf\n", stdout);
    args_help_by(print_example);
    for (size_t i = 0; i < count && code == EXIT_SUCCESS; i++)
        code = pages_ask(&commands[i]);
    fputs(".fi\n.SH SEE ALSO\n", stdout);
    for (size_t i = 0; i < count; i++)
        printf(".BR dkvb\\-%s (1)%s\n", commands[i].name, i + 1 < count ? "," : "");
    return code;
}
