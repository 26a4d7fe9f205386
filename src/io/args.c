#include "io/args.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/ranks.h"
#include "tool.h"

/* numbers that getopt_long() returns: option i of the table is FIRST_LONG + i */
enum { OPERAND = 1, FIRST_LONG = 256 };

static void print_usage(FILE *to, const struct args_command *command)
{
    fprintf(to, "usage: dkvb %s %s\n", command->name, command->synopsis);
}

int args_misused(const struct args_command *command, const char *format, ...)
{
    char message[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    tool_misused("%s: %s", command->name, message);
    if (!ranks_lead())
        return EXIT_USAGE;
    print_usage(stderr, command);
    fprintf(stderr, "'dkvb help %s' explains the options.\n", command->name);
    return EXIT_USAGE;
}

static bool is_given(const void *values, size_t option)
{
    return ((const struct args *)values)->given >> option & 1;
}

bool args_given(const struct args_command *command, const void *values, const char *name)
{
    for (size_t i = 0; command->options[i].name; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return is_given(values, i);
    return false;
}

int args_refuse(const struct args_command *command, const void *values, const char *const *names, const char *reason)
{
    for (size_t i = 0; names[i]; i++)
        if (args_given(command, values, names[i]))
            return args_misused(command, "--%s does not go with %s", names[i], reason);
    return EXIT_SUCCESS;
}

bool args_number(const char *text, uint64_t *out)
{
    char *end;
    unsigned long long number;

    /* a number must begin with a digit, as strtoull would accept blanks and signs */
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *out = number;
    return true;
}

static uint64_t largest(const struct args_option *option)
{
    if (option->most)
        return option->most;
    return option->kind == ARGS_U32 ? UINT32_MAX : UINT64_MAX;
}

static bool parse_whole(const struct args_option *option, const char *text, void *to)
{
    uint64_t number;

    if (!args_number(text, &number) || number < option->least || number > largest(option))
        return false;
    if (option->kind == ARGS_U32)
        *(uint32_t *)to = (uint32_t)number;
    else
        *(uint64_t *)to = number;
    return true;
}

static bool in_range(const struct args_option *option, double number)
{
    return isfinite(number) && !(option->positive && number == 0.0) &&
           !(option->most && number > (double)option->most) && !(option->below > 0.0 && number >= option->below);
}

static bool parse_real(const struct args_option *option, const char *text, double *to)
{
    char *end;
    double number;

    /* Only plain decimal numbers are accepted: strtod would also accept blanks, "nan", "inf" and hexadecimal. */
    if (!(isdigit((unsigned char)text[0]) || text[0] == '.') || text[strspn(text, "0123456789.eE+-")] != '\0')
        return false;
    number = strtod(text, &end);
    if (*end != '\0' || !in_range(option, number))
        return false;
    *to = number;
    return true;
}

static bool parse_choice(const struct args_option *option, const char *text, uint32_t *to)
{
    for (*to = 0; option->choices[*to]; (*to)++)
        if (strcmp(option->choices[*to], text) == 0)
            return true;
    return false;
}

/* The words of the only list option that a command may have. Words of a list option are in use until the process ends,
 * and are never freed. */
static struct {
    const char **word;
    char text[320];
} listed;

/* Appends a word to the list of a list option, which has at most as many words as the command line, `argc`. */
static int add_word(struct args_list *list, int argc, const char *word)
{
    if (!listed.word)
        listed.word = calloc((size_t)argc, sizeof *listed.word);
    if (!listed.word)
        return tool_fail("out of memory for %d words", argc);
    list->word = listed.word;
    listed.word[list->count++] = word;
    return EXIT_SUCCESS;
}

static struct args_list *find_list(const struct args_command *command, void *values)
{
    for (const struct args_option *o = command->options; o->name; o++)
        if (o->kind == ARGS_LIST)
            return (struct args_list *)(void *)((char *)values + o->at);
    return NULL;
}

/* Uses the last words of a list option for missing operands, so that `predict --images a.png b.png MODEL` works:
 * without this rule MODEL would be a word of the list. */
static void end_list(const struct args_command *command, void *values, struct args_list *list, int *operands)
{
    struct args *args = values;
    size_t missing = command->least_operands > *operands ? (size_t)(command->least_operands - *operands) : 0;

    if (!list || list->count == 0)
        return;
    for (size_t i = 0; list->count > missing && i < missing; i++)
        args->operand[(*operands)++] = list->word[list->count - missing + i];
    if (list->count > missing)
        list->count -= missing;
    list->text = list->word[0];
    if (list->count == 1)
        return;
    snprintf(listed.text, sizeof listed.text, "%.280s and %zu more", list->word[0], list->count - 1);
    list->text = listed.text;
}

static bool parse_value(const struct args_option *option, const char *text, void *values)
{
    void *to = (char *)values + option->at;

    switch (option->kind) {
    case ARGS_FLAG:
        *(bool *)to = true;
        return true;
    case ARGS_TEXT:
        *(const char **)to = text;
        return true;
    case ARGS_LIST:
        /* an option with several words needs no more work here, as take_option() has added the word to the list */
        return true;
    case ARGS_REAL:
        return parse_real(option, text, to);
    case ARGS_CHOICE:
        return parse_choice(option, text, to);
    default:
        return parse_whole(option, text, to);
    }
}

/* Refuses the value of an option with a message that says which values the option accepts. */
static int refuse_value(const struct args_command *command, const struct args_option *o, const char *found)
{
    const char *from = o->positive ? "a number above 0" : "a number of 0 or more";

    if (o->kind == ARGS_CHOICE)
        return args_misused(command, "--%s '%.128s': %s is wanted", o->name, found, o->value);
    if (o->kind != ARGS_REAL)
        return args_misused(command, "--%s '%.128s': a whole number from %" PRIu64 " to %" PRIu64 " is wanted", o->name,
                            found, o->least, largest(o));
    if (o->most)
        return args_misused(command, "--%s '%.128s': %s, at most %" PRIu64 ", is wanted", o->name, found, from,
                            o->most);
    if (o->below > 0.0)
        return args_misused(command, "--%s '%.128s': %s, below %g, is wanted", o->name, found, from, o->below);
    return args_misused(command, "--%s '%.128s': %s is wanted", o->name, found, from);
}

/* Refuses an option with the message that getopt_long() would print, but without its prefix. `argv[optind - 1]` is the
 * word that getopt_long() could not read. */
static int refuse_word(const struct args_command *command, int found, char **argv)
{
    const char *word = argv[optind - 1];

    if (found == ':')
        return args_misused(command, "%.128s: a value is missing", word);
    if (optopt >= FIRST_LONG)
        return args_misused(command, "--%s takes no value", command->options[optopt - FIRST_LONG].name);
    if (optopt != 0)
        return args_misused(command, "unknown option '-%c'", optopt);
    return args_misused(command, "unknown or ambiguous option '%.128s'", word);
}

static int take_operand(const struct args_command *command, struct args *args, int *count, const char *word)
{
    if (*count == command->most_operands)
        return args_misused(command, "unexpected '%.128s'", word);
    args->operand[(*count)++] = word;
    return EXIT_SUCCESS;
}

/* The table of options in the form that getopt_long() needs. */
struct grammar {
    struct option longs[ARGS_MAX_OPTIONS + 2];
    char letters[2 * ARGS_MAX_OPTIONS + 4];
};

static void build_grammar(struct grammar *g, const struct args_command *command)
{
    size_t n = 0;
    char *letter = g->letters;

    /* '-' makes getopt_long() return operands in order, whatever POSIXLY_CORRECT says; ':' distinguishes a missing
     * value from an unknown option. */
    letter = stpcpy(letter, "-:h");
    for (const struct args_option *o = command->options; o->name; o++, n++) {
        g->longs[n] =
            (struct option){o->name, o->kind == ARGS_FLAG ? no_argument : required_argument, NULL, FIRST_LONG + (int)n};
        if (o->letter) {
            *letter++ = o->letter;
            *letter++ = ':';
        }
    }
    *letter = '\0';
    g->longs[n] = (struct option){"help", no_argument, NULL, 'h'};
    g->longs[n + 1] = (struct option){NULL, 0, NULL, 0};
}

/* Takes an option or operand that getopt_long() found. *open is the list option to which words without an option now
 * belong, or NULL. */
static int take_option(const struct args_command *command, void *values, int found, int argc, struct args_list **open)
{
    size_t i = found >= FIRST_LONG ? (size_t)(found - FIRST_LONG) : 0;

    while (found < FIRST_LONG && command->options[i].letter != found)
        i++;
    *open = command->options[i].kind == ARGS_LIST ? find_list(command, values) : NULL;
    if (*open && add_word(*open, argc, optarg))
        return EXIT_FAILURE;
    if (!parse_value(&command->options[i], optarg, values))
        return refuse_value(command, &command->options[i], optarg);
    ((struct args *)values)->given |= UINT64_C(1) << i;
    return EXIT_SUCCESS;
}

static int check_complete(const struct args_command *command, const void *values, int operands)
{
    if (operands < command->least_operands)
        return args_misused(command, "%d of %d operands given", operands, command->least_operands);
    for (size_t i = 0; command->options[i].name; i++)
        if (command->options[i].required && !is_given(values, i))
            return args_misused(command, "--%s is missing", command->options[i].name);
    return EXIT_SUCCESS;
}

void args_default(const struct args_option *option, const void *values, char *text, size_t size)
{
    const void *at = (const char *)values + option->at;

    text[0] = '\0';
    if (!option->shows_default)
        return;
    if (option->kind == ARGS_U32)
        snprintf(text, size, " (default %" PRIu32 ")", *(const uint32_t *)at);
    else if (option->kind == ARGS_U64)
        snprintf(text, size, " (default %" PRIu64 ")", *(const uint64_t *)at);
    else if (option->kind == ARGS_REAL)
        snprintf(text, size, " (default %g)", *(const double *)at);
    else if (option->kind == ARGS_CHOICE)
        snprintf(text, size, " (default %s)", option->choices[*(const uint32_t *)at]);
}

static void print_option(const struct args_option *option, const void *values)
{
    char left[64], letter[8] = "", shown[64];

    args_default(option, values, shown, sizeof shown);
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->value ? " " : "",
             option->value ? option->value : "");
    if (strlen(left) > 31) /* a long option takes a line of its own in the help text */
        printf("  %s\n  %-31s %s%s\n", left, "", option->help, shown);
    else
        printf("  %-31s %s%s\n", left, option->help, shown);
}

static void print_help(const struct args_command *command, const void *values)
{
    if (command->example)
        printf("example: %s\n\n", command->example);
    print_usage(stdout, command);
    printf("\n%s\n\noptions:\n", command->about);
    for (size_t i = 0; command->options[i].name; i++)
        print_option(&command->options[i], values);
    printf("  %-31s %s\n", "-h, --help", "print this and exit");
}

static args_help_fn *help = print_help;

void args_help_by(args_help_fn *print)
{
    help = print;
}

static void set_defaults(const struct args_command *command, void *values)
{
    memset(values, 0, command->size);
    if (command->defaults)
        command->defaults(values);
}

bool args_parse(const struct args_command *command, int argc, char **argv, void *values, int *code)
{
    struct args_list *list = find_list(command, values), *open = NULL;
    struct grammar g;
    int found, operands = 0;

    set_defaults(command, values);
    build_grammar(&g, command);
    *code = EXIT_SUCCESS;
    opterr = 0;
    while (*code == EXIT_SUCCESS && (found = getopt_long(argc, argv, g.letters, g.longs, NULL)) != -1) {
        if (found == 'h') {
            set_defaults(command, values);
            help(command, values);
            return false;
        }
        if (found == ':' || found == '?')
            *code = refuse_word(command, found, argv);
        else if (found == OPERAND && open)
            *code = add_word(open, argc, optarg);
        else if (found == OPERAND)
            *code = take_operand(command, values, &operands, optarg);
        else
            *code = take_option(command, values, found, argc, &open);
    }
    while (*code == EXIT_SUCCESS && optind < argc) /* this loop takes the operands after "--" on the command line */
        *code = open ? add_word(open, argc, argv[optind++]) : take_operand(command, values, &operands, argv[optind++]);
    if (*code == EXIT_SUCCESS)
        end_list(command, values, list, &operands);
    if (*code == EXIT_SUCCESS)
        *code = check_complete(command, values, operands);
    return *code == EXIT_SUCCESS;
}
