/* `dkvb predict --serve`: a process that answers rows as they arrive. */
#ifndef DKVB_TOOL_SERVE_H
#define DKVB_TOOL_SERVE_H

#include <stdbool.h>
#include <stdint.h>

struct serve_args {
    /* `model` is the path of the model file; `id_column` is the name of the column with the ids of rows, or NULL */
    const char *model, *id_column;
    uint32_t top, threads;
    bool scores;
};

/* Answers rows of standard input on standard output until the input ends or a signal comes. */
int serve(const struct serve_args *args);

#endif
