/* The functions of io/ranks.h for a single process: the program dkvb. */
#include <stddef.h>
#include <stdlib.h>

#include "io/ranks.h"

const char ranks_program[] = "dkvb", ranks_usage[] = "";

const char *ranks_version(void)
{
    return "";
}

int ranks_begin(int *argc, char **argv)
{
    (void)argc;
    (void)argv;
    return EXIT_SUCCESS;
}

int ranks_command(const char *name, int argc, char **argv, bool *runs)
{
    (void)name;
    (void)argc;
    (void)argv;
    *runs = true;
    return EXIT_SUCCESS;
}

int ranks_end(int code)
{
    return code;
}

const dkvb_ranks *ranks_group(void)
{
    return NULL;
}

bool ranks_lead(void)
{
    return true;
}

bool ranks_keep(const char *line)
{
    (void)line;
    return false;
}

int ranks_settle(int result)
{
    return result;
}

bool ranks_end_by_signal(int number)
{
    (void)number;
    return false;
}
