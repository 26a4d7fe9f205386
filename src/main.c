/* The program dkvb offers the functions of libdkvb in a shell. Each command of dkvb has a source file of its own, and
 * uses only the public header. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/codes.h"
#include "io/output.h"
#include "io/pages.h"
#include "io/progress.h"
#include "io/ranks.h"
#include "tool.h"

static const struct pages_command commands[] = {
    {"train", cmd_train, "place keys and fit the values to labelled features"},
    {"eval", cmd_eval, "measure accuracy and loss on labelled features"},
    {"predict", cmd_predict, "classify features"},
    {"forget", cmd_forget, "forget classes or rows: mask pairs, or train again without the rows"},
    {"apply", cmd_apply, "show or do a plan that 'forget --plan-out' wrote"},
    {"undo", cmd_undo, "take a forgetting back"},
    {"purge", cmd_purge, "make forgetting permanent"},
    {"rename", cmd_rename, "give a class another name, or none"},
    {"masks", cmd_masks, "list what was forgotten, undone and purged; save masks"},
    {"mask", cmd_mask, "masks as files: save, apply, combine, describe"},
    {"search", cmd_search, "write the codes of features"},
    {"separation", cmd_separation, "tell how far the codes of classes lie apart"},
    {"sweep", cmd_sweep, "measure what forgetting costs along the number of pairs, as a table"},
    {"export", cmd_export, "write a model as plain arrays"},
    {"audit", cmd_audit, "attack a model that has forgotten, beside one trained again"},
    {"report", cmd_report, "write a page about what was forgotten, to hand on"},
    {"inspect", cmd_inspect, "describe a model"},
    {"verify", cmd_verify, "check a model file, every byte of it"},
    {"receipt", cmd_receipt, "write a receipt of what was forgotten, signed or not"},
    {"encode", cmd_encode, "turn pictures into features"},
    {"bench", cmd_bench, "time search, training or forgetting"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_commands(FILE *to)
{
    fprintf(to, "usage: %s COMMAND [options]\n\ncommands:\n", ranks_program);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("  help       explain a command: dkvb help COMMAND\n\n"
          "Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted; 'dkvb help exit-codes' explains them.\n"
          "'dkvb --version' says which this is.\n",
          to);
    fputs(ranks_usage, to);
}

static int run_command(const char *name, int argc, char **argv)
{
    bool runs = true;
    int code = ranks_command(name, argc, argv, &runs);

    if (code || !runs)
        return code;
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc, argv);
    tool_misused("unknown command '%.64s'", name);
    if (ranks_lead())
        print_commands(stderr);
    return EXIT_USAGE;
}

static int print_exit_codes(void)
{
    for (const struct tool_exit_code *e = tool_exit_codes; e->name; e++)
        printf("%3d  %s\n", e->code, e->meaning);
    return EXIT_SUCCESS;
}

/* Prints man pages: `dkvb help --man [COMMAND]`, which packages install as dkvb.1 and dkvb-COMMAND.1. */
static int print_man(int argc, char **argv)
{
    if (argc < 3)
        return pages_man(commands, COMMANDS);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, argv[2]) == 0)
            return pages_man_of(&commands[i]);
    /* if argv[2] is no name of a command, run_command() prints the error message */
    return run_command(argv[2], 0, NULL);
}

static int print_completion(int argc, char **argv)
{
    int code = EXIT_USAGE;

    if (argc != 3 || !pages_completion(argv[2], commands, COMMANDS, &code)) {
        tool_misused("--completion: bash, zsh or fish must follow");
        fputs("usage: dkvb help --completion bash|zsh|fish\n", stderr);
    }
    return code;
}

static int help(int argc, char **argv)
{
    char option[] = "--help";
    char *words[] = {NULL, option, NULL};

    if (argc < 2) {
        print_commands(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "exit-codes") == 0)
        return print_exit_codes();
    if (strcmp(argv[1], "--man") == 0)
        return print_man(argc, argv);
    if (strcmp(argv[1], "--completion") == 0)
        return print_completion(argc, argv);
    words[0] = argv[1];
    return run_command(argv[1], 2, words);
}

/* Opens the standard streams that were closed for this process. If a standard stream stayed closed, a file that the
 * process opens could become stdout or stderr, and printed text would be written to the file. Streams that were closed
 * are opened read-only, so that printing still fails and is noticed. */
static void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) < 0)
            /* if a standard stream cannot be opened, the process aborts, as no stream is left to report the failure */
            abort();
}

/* Prints a note if the environment variable DKVB_KERNELS names kernels that do not run on this machine. The library
 * ignores unknown names of kernels (compute routines for a kind of processor), so a user who compares kernels must get
 * a message. */
static void check_kernels(void)
{
    const char *wanted = getenv("DKVB_KERNELS");

    if (wanted && *wanted && strcmp(wanted, dkvb_runtime_kernels()) != 0)
        tool_note("DKVB_KERNELS '%.64s': no kernels of this name run here, %s are used", wanted,
                  dkvb_runtime_kernels());
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        if (ranks_lead())
            print_commands(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("%s %s%s\n", ranks_program, dkvb_version_string(), ranks_version());
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(argc - 1, argv + 1);
    check_kernels();
    return run_command(argv[1], argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    int code, output;

    hold_standard_streams();
    progress_catch_signals();
    code = ranks_begin(&argc, argv);
    if (code == EXIT_SUCCESS)
        code = progress_begin();
    if (code == EXIT_SUCCESS)
        code = run(argc, argv);
    progress_stop();
    output = output_finish();
    if (code == EXIT_SUCCESS && output == EXIT_SUCCESS)
        outside_tell();
    return ranks_end(code ? code : output);
}
