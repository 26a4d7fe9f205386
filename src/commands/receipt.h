#ifndef DKVB_TOOL_RECEIPT_H
#define DKVB_TOOL_RECEIPT_H

#include <stdbool.h>

/* Paths of `dkvb verify --receipt`; NULL for a path that was not given. */
struct receipt_check {
    const char *receipt, *model, *codes, *before, *audit, *key, *ids;
    bool json;
};

/* Checks a receipt against the files that it describes, and prints one sentence per line. The result is 0 if the
 * receipt is right, or another exit code of the tool. */
int receipt_check(const struct receipt_check *check);

#endif
