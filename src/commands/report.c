/* dkvb report makes an HTML page about forgotten rows and classes. The HTML page is made by the Python package dkvb:
 * `dkvb report` finds Python and passes the arguments on, never through a shell. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/args.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

struct report_args {
    struct args args;
    const char *output, *before, *codes, *features, *labels, *test_features, *test_labels, *classes, *rows, *title,
        *date;
    bool reference;
};

#define AT(member) offsetof(struct report_args, member)

/* The options of dkvb report must equal the options in bindings/python/dkvb/report/__main__.py; a test compares both.
 */
static const struct args_option options[] = {
    {"output", ARGS_TEXT, AT(output), "REPORT.html", .help = "the page", .letter = 'o', .required = true},
    {"before", ARGS_TEXT, AT(before), "MODEL0",
     .help = "the model before it forgot; without it, maskings are taken back in a copy"},
    {"codes", ARGS_TEXT, AT(codes), "CODES", .help = "of 'train --codes-out', as it was before the forgetting"},
    {"features", ARGS_TEXT, AT(features), "X",
     .help = "the rows trained on, where CODES keeps codes only; ids are their numbers"},
    {"labels", ARGS_TEXT, AT(labels), "Y", .help = "their labels"},
    {"test-features", ARGS_TEXT, AT(test_features), "TX", .help = "rows of the same kind that were never trained on"},
    {"test-labels", ARGS_TEXT, AT(test_labels), "TY", .help = "their labels"},
    {"class", ARGS_TEXT, AT(classes), "C[,C...]", .help = "the forgotten classes; without it, those of the journal",
     .word = true},
    {"rows", ARGS_TEXT, AT(rows), "IDS.npy", .help = "the forgotten rows, by their ids in CODES"},
    {"reference", ARGS_FLAG, AT(reference), .help = "also fit linear heads; needs libdkvb-reference"},
    {"title", ARGS_TEXT, AT(title), "TEXT", .help = "of the page", .word = true},
    {"date", ARGS_TEXT, AT(date), "TEXT", .help = "printed under the title; the page has no date of its own",
     .word = true},
    {0},
};

static const struct args_command command = {
    .name = "report",
    .synopsis = "MODEL -o REPORT.html [options]",
    .example = "dkvb report m.dkvb --codes m.codes -o report.html",
    .about =
        "Write one HTML page about what a model forgot: what was asked, what that promises, and what was measured.\n"
        "The Python package 'dkvb' makes it, with matplotlib, by python3 or the Python that DKVB_PYTHON names.",
    .options = options,
    .size = sizeof(struct report_args),
    .least_operands = 1,
    .most_operands = 1,
};

/* The Python program with which `dkvb report` makes its HTML page. The Python program removes the current folder from
 * the module path, as a file there with the name of a module would be run. The Python program appends the folder in
 * which the package was installed, since Python may not look there. A missing package gives a message of one
 * sentence; any other module that cannot be loaded gives Python's own message. */
static const char program[] =
    "import sys\n"
    "if sys.path[:1] == ['']: del sys.path[0]\n"
    "sys.path += filter(None, [sys.argv.pop(1)])\n"
    "try:\n"
    "    from dkvb.report.__main__ import main\n"
    "except ImportError as error:\n"
    "    why = ' '.join(str(error).split())\n"
    "    sys.exit('dkvb: report: ' + sys.executable + ' cannot load the package dkvb (' + why + '); install it "
    "(Debian: '\n"
    "             'python3-dkvb), put its folder on PYTHONPATH, or name another Python by DKVB_PYTHON')\n"
    "sys.exit(main(sys.argv[1:]))\n";

#ifndef DKVB_PACKAGE_FROM_TOOL
/* no folder of the Python package is searched, as the package is not installed with this tool */
#define DKVB_PACKAGE_FROM_TOOL ""
#endif

/* Finds the folder of the Python package relative to the folder of this program, as both folders may have been moved
 * together. The result `folder` is empty if no folder with the Python package is found. */
static void find_package(char *folder, size_t size)
{
    char self[4096];
    ssize_t length;
    char *slash;

    snprintf(folder, size, "%s", DKVB_PACKAGE_FROM_TOOL);
    if (!*folder || *folder == '/')
        return;
    length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length < 0 ? 0 : length] = '\0';
    slash = strrchr(self, '/');
    if (slash)
        slash[1] = '\0';
    snprintf(folder, slash ? size : 1, "%s%s", self, DKVB_PACKAGE_FROM_TOOL);
}

/* Joins "--name=value", so that Python does not take a value that begins with '-' for an option; the caller frees the
 * joined text. */
static char *joined(const char *name, const char *value)
{
    size_t size = strlen(name) + (value ? strlen(value) : 0) + sizeof "--=";
    char *word = malloc(size);

    if (word)
        snprintf(word, size, "--%s%s%s", name, value ? "=" : "", value ? value : "");
    return word;
}

static int tell_no_python(const char *python)
{
    return tool_fail("report: the page is made by Python, and '%.300s' cannot be run (%s); install Python 3 with numpy "
                     "and matplotlib, or name one by DKVB_PYTHON",
                     python, strerror(errno));
}

/* Replaces this process by Python, which then has its signals, umask and output. run_python() returns only after a
 * failure. */
static int run_python(const struct report_args *a)
{
    enum { OPTIONS = sizeof options / sizeof *options - 1, BEFORE = 4, AFTER = 3 };
    const char *chosen = getenv("DKVB_PYTHON"), *python = chosen && *chosen ? chosen : "python3";
    char folder[8192], *words[BEFORE + OPTIONS + AFTER] = {(char *)python, (char *)"-c", (char *)program, folder};
    /* the arguments for Python are passed without const, as execvp() does not change them */
    int n = BEFORE, code = EXIT_SUCCESS;

    find_package(folder, sizeof folder);
    for (size_t i = 0; i < OPTIONS && code == EXIT_SUCCESS; i++) {
        const char *const *value = (const void *)((const char *)a + options[i].at);

        if (!args_given(&command, a, options[i].name))
            continue;
        words[n] = joined(options[i].name, options[i].kind == ARGS_FLAG ? NULL : *value);
        code = words[n++] ? EXIT_SUCCESS : tool_fail("report: out of memory");
    }
    if (code == EXIT_SUCCESS) {
        words[n] = (char *)"--";
        words[n + 1] = (char *)a->args.operand[0];
        execvp(python, words);
        code = tell_no_python(python);
    }
    while (n > BEFORE)
        free(words[--n]);
    return code;
}

int cmd_report(int argc, char **argv)
{
    struct report_args a;
    int code;

    if (!args_parse(&command, argc, argv, &a, &code))
        return code;
    const struct path inputs[] = {
        {"MODEL", a.args.operand[0]},     {"--before", a.before}, {"--codes", a.codes},
        {"--features", a.features},       {"--labels", a.labels}, {"--test-features", a.test_features},
        {"--test-labels", a.test_labels}, {"--rows", a.rows},     {0}};
    const struct path outputs[] = {{"--output", a.output}, {0}};

    if (!a.features != !a.labels || !a.test_features != !a.test_labels)
        return args_misused(&command, "features and their labels are given together or not at all");
    if ((code = paths_check(&command, inputs, outputs)))
        return code;
    if (progress_interrupted())
        return tool_interrupted();
    fflush(NULL);
    return run_python(&a);
}
