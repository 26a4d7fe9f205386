/* `dkvb predict --serve`: a process that answers rows as they arrive. */
#ifndef DKVB_TOOL_SERVE_H
#define DKVB_TOOL_SERVE_H

#include <stdbool.h>
#include <stdint.h>

struct serve_args {
    const char *model, *id_column; /* path of the model and name of the column with ids; `id_column` may be NULL */
    uint32_t top, threads;
    bool scores;
};

/* Answers rows of standard input on standard output until the input ends or a signal comes. */
int serve(const struct serve_args *args);

#endif
