/* Work of a command that goes on after an interrupted one: the line that says so, and the progress bar of the work. */
#ifndef DKVB_TOOL_RESUMED_H
#define DKVB_TOOL_RESUMED_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

struct resumed {
    const char *things;         /* what the work is done on, for messages: "rows" */
    const uint64_t *done, *all; /* members of the library's report: numbers of things finished earlier, and in all */
    bool quiet;                 /* true if no line is printed, as with --json */
    bool told;                  /* true once the line was printed */
    dkvb_run_options bar;       /* run options that move the progress bar */
};

/* Begins the progress bar of work that may go on, and returns its run options. They also print a line on stdout, once
 * the library's report says that an earlier command has finished some things. `label` and `work` must outlive the bar.
 */
dkvb_run_options resumed_start(struct resumed *work, const char *label, uint32_t threads);

#endif
