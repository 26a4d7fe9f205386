/* Prints completion scripts for shells: commands, options, the words that an option accepts, files and folders. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/args.h"
#include "io/pages.h"

/* Kind of words that a shell offers for completion after an option. */
enum offer { OFFER_NOTHING, OFFER_WORDS, OFFER_FILES, OFFER_FOLDERS };

static enum offer offer_of(const struct args_option *o)
{
    if (o->kind == ARGS_CHOICE)
        return OFFER_WORDS;
    if ((o->kind != ARGS_TEXT && o->kind != ARGS_LIST) || o->word)
        return OFFER_NOTHING;
    return strcmp(o->value, "DIR") == 0 ? OFFER_FOLDERS : OFFER_FILES;
}

static void put_words(const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        printf("%s%s", i ? " " : "", words[i]);
}

/* Prints text between single quotes of a POSIX shell; characters of `escaped` get a backslash before them. */
static void put_quoted(const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", stdout);
        else if (strchr(escaped, *text))
            putchar('\\');
        putchar(*text);
    }
}

static void bash_option(const struct args_option *o)
{
    printf("    --%s", o->name);
    if (o->letter)
        printf("|-%c", o->letter);
    fputs(") ", stdout);
    switch (offer_of(o)) {
    case OFFER_WORDS:
        fputs("offer=words words='", stdout);
        put_words(o->choices);
        fputs("' ;;\n", stdout);
        break;
    case OFFER_FILES:
        puts("offer=files ;;");
        break;
    case OFFER_FOLDERS:
        puts("offer=folders ;;");
        break;
    default:
        puts("offer=nothing ;;");
    }
}

static void bash_command(const struct args_command *command, const void *values)
{
    (void)values;
    printf("  %s)\n    options='", command->name);
    for (const struct args_option *o = command->options; o->name; o++)
        printf("--%s ", o->name);
    fputs("--help'\n", stdout);
    if (command->words) {
        fputs("    first='", stdout);
        put_words(command->words);
        fputs("'\n", stdout);
    }
    fputs("    case $prev in\n", stdout);
    for (const struct args_option *o = command->options; o->name; o++)
        if (o->kind != ARGS_FLAG)
            bash_option(o);
    fputs("    esac ;;\n", stdout);
}

static int bash(const struct pages_command *commands, size_t count)
{
    int code = EXIT_SUCCESS;

    fputs("# Completion of dkvb for bash, as 'dkvb help --completion bash' prints it.\n"
          "_dkvb() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}\n"
          "  local commands='",
          stdout);
    for (size_t i = 0; i < count; i++)
        printf("%s ", commands[i].name);
    fputs("help'\n"
          "  local options='' first='' words='' offer=operand\n"
          "  COMPREPLY=()\n"
          "  # bash makes three words of --option=value.\n"
          "  if [ \"$cur\" = = ]; then\n"
          "    cur=''\n"
          "  elif [ \"$prev\" = = ]; then\n"
          "    prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "  fi\n"
          "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$commands --help --version\" -- \"$cur\")\n"
          "    return\n"
          "  fi\n"
          "  case $command in\n"
          "  help) options='--man --completion' first=\"$commands exit-codes\" ;;\n",
          stdout);
    args_help_by(bash_command);
    for (size_t i = 0; i < count && code == EXIT_SUCCESS; i++)
        code = pages_ask(&commands[i]);
    fputs("  esac\n"
          "  if [ $offer = operand ]; then\n"
          "    case $cur in\n"
          "    -*) offer=words words=$options ;;\n"
          "    *)\n"
          "      offer=files\n"
          "      if [ -n \"$first\" ] && [ \"$COMP_CWORD\" -eq 2 ]; then offer=words words=$first; fi ;;\n"
          "    esac\n"
          "  fi\n"
          "  case $offer in\n"
          "  words) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
          "  files | folders)\n"
          "    compopt -o filenames 2>/dev/null\n"
          "    if [ $offer = files ]; then\n"
          "      mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
          "    else\n"
          "      mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
          "    fi ;;\n"
          "  esac\n"
          "}\n"
          "complete -F _dkvb dkvb\n",
          stdout);
    return code;
}

/* Prints [explanation]:value:action, the end of a line in the completion script for zsh (_arguments). */
static void zsh_rest(const struct args_option *o)
{
    putchar('[');
    put_quoted(o->help, "[]:\\");
    putchar(']');
    if (o->kind != ARGS_FLAG) {
        putchar(':');
        put_quoted(o->value, ":\\");
        putchar(':');
    }
    switch (offer_of(o)) {
    case OFFER_WORDS:
        putchar('(');
        put_words(o->choices);
        putchar(')');
        break;
    case OFFER_FILES:
        fputs("_files", stdout);
        break;
    case OFFER_FOLDERS:
        fputs("_files -/", stdout);
        break;
    default:
        break;
    }
    fputs("' \\\n", stdout);
}

static void zsh_command(const struct args_command *command, const void *values)
{
    (void)values;
    printf("  %s)\n    _arguments \\\n", command->name);
    for (const struct args_option *o = command->options; o->name; o++) {
        if (o->letter) {
            printf("      '(--%s)-%c", o->name, o->letter);
            zsh_rest(o);
        }
        printf("      '");
        if (o->letter)
            printf("(-%c)", o->letter);
        printf("--%s%s", o->name, o->kind == ARGS_FLAG ? "" : "=");
        zsh_rest(o);
    }
    fputs("      '(- *)'{-h,--help}'[print the options and exit]' \\\n", stdout);
    if (command->words) {
        fputs("      '1:what:(", stdout);
        put_words(command->words);
        fputs(")' \\\n", stdout);
    }
    fputs("      '*:file:_files' ;;\n", stdout);
}

static int zsh(const struct pages_command *commands, size_t count)
{
    int code = EXIT_SUCCESS;

    fputs("#compdef dkvb\n"
          "# Completion of dkvb for zsh, as 'dkvb help --completion zsh' prints it.\n"
          "_dkvb() {\n"
          "  local -a commands\n"
          "  commands=(\n",
          stdout);
    for (size_t i = 0; i < count; i++) {
        printf("    '%s:", commands[i].name);
        put_quoted(commands[i].summary, ":\\");
        fputs("'\n", stdout);
    }
    fputs("    'help:explain a command'\n"
          "  )\n"
          "  if (( CURRENT == 2 )); then\n"
          "    _describe command commands\n"
          "    return\n"
          "  fi\n"
          "  shift words\n"
          "  (( CURRENT-- ))\n"
          "  case $words[1] in\n"
          "  help) _describe command commands ;;\n",
          stdout);
    args_help_by(zsh_command);
    for (size_t i = 0; i < count && code == EXIT_SUCCESS; i++)
        code = pages_ask(&commands[i]);
    fputs("  esac\n"
          "}\n"
          "if [ \"$funcstack[1]\" = _dkvb ]; then _dkvb \"$@\"; else compdef _dkvb dkvb; fi\n",
          stdout);
    return code;
}

/* Prints text between the single quotes of the shell fish, in which a backslash escapes characters. */
static void fish_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
}

static void fish_option(const struct args_command *command, const struct args_option *o)
{
    printf("complete -c dkvb -n '__dkvb_in %s' -l %s", command->name, o->name);
    if (o->letter)
        printf(" -s %c", o->letter);
    switch (offer_of(o)) {
    case OFFER_WORDS:
        fputs(" -x -a '", stdout);
        put_words(o->choices);
        putchar('\'');
        break;
    case OFFER_FILES:
        fputs(" -r -F", stdout);
        break;
    case OFFER_FOLDERS:
        fputs(" -x -a '(__fish_complete_directories)'", stdout);
        break;
    default:
        fputs(o->kind == ARGS_FLAG ? "" : " -x", stdout);
    }
    fputs(" -d '", stdout);
    fish_quoted(o->help);
    fputs("'\n", stdout);
}

static void fish_command(const struct args_command *command, const void *values)
{
    (void)values;
    for (const struct args_option *o = command->options; o->name; o++)
        fish_option(command, o);
    printf("complete -c dkvb -n '__dkvb_in %s' -l help -s h -d 'print the options and exit'\n", command->name);
    if (command->words) {
        printf("complete -c dkvb -n '__dkvb_in %s; and __dkvb_has 2' -a '", command->name);
        put_words(command->words);
        printf("'\ncomplete -c dkvb -n '__dkvb_in %s; and not __dkvb_has 2' -F\n", command->name);
    } else {
        printf("complete -c dkvb -n '__dkvb_in %s' -F\n", command->name);
    }
}

static int fish(const struct pages_command *commands, size_t count)
{
    int code = EXIT_SUCCESS;

    fputs("# Completion of dkvb for fish, as 'dkvb help --completion fish' prints it.\n"
          "function __dkvb_has\n"
          "    test (count (commandline -opc)) -eq $argv[1]\n"
          "end\n"
          "function __dkvb_in\n"
          "    set -l words (commandline -opc)\n"
          "    test (count $words) -gt 1; and test $words[2] = $argv[1]\n"
          "end\n"
          "complete -c dkvb -f\n",
          stdout);
    for (size_t i = 0; i < count; i++) {
        printf("complete -c dkvb -n '__dkvb_has 1; or __dkvb_in help' -a %s -d '", commands[i].name);
        fish_quoted(commands[i].summary);
        fputs("'\n", stdout);
    }
    fputs("complete -c dkvb -n '__dkvb_has 1' -a help -d 'explain a command'\n"
          "complete -c dkvb -n '__dkvb_has 1' -l version -d 'print the version and exit'\n",
          stdout);
    args_help_by(fish_command);
    for (size_t i = 0; i < count && code == EXIT_SUCCESS; i++)
        code = pages_ask(&commands[i]);
    return code;
}

bool pages_completion(const char *shell, const struct pages_command *commands, size_t count, int *code)
{
    static const struct {
        const char *name;
        int (*print)(const struct pages_command *commands, size_t count);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(shells[i].name, shell) == 0) {
            *code = shells[i].print(commands, count);
            return true;
        }
    return false;
}

int pages_ask(const struct pages_command *command)
{
    char name[32], option[] = "--help";
    char *words[] = {name, option, NULL};

    snprintf(name, sizeof name, "%s", command->name);
    optind = 0; /* 0 makes glibc's getopt_long() read a new command line from its start */
    return command->run(2, words);
}
