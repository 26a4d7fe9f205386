/* If a command continues the work of an interrupted command, prints the line that says so; also shows the progress bar
 * of the work. */
#ifndef DKVB_TOOL_RESUMED_H
#define DKVB_TOOL_RESUMED_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

struct resumed {
    const char *things; /* plural of what the interrupted work counts, for messages: "rows" */
    /* pointers to two counts in the library's report: how many things (such as rows) an interrupted command had
     * finished, and how many things there are in all */
    const uint64_t *done, *all;
    bool quiet;           /* true if nothing is printed about interrupted work, as with --json */
    bool told;            /* true once the line about the interrupted work was printed */
    dkvb_run_options bar; /* run options that move the progress bar */
};

/* Begins the progress bar of work that may continue the work of an interrupted command, and returns run options that
 * move the bar. When the library reports that an interrupted command had finished a part of the work, a line on stdout
 * says so. `label` and `work` must stay valid until the progress bar has ended. */
dkvb_run_options resumed_start(struct resumed *work, const char *label, uint32_t threads);

#endif
