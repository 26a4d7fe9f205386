#ifndef DKVB_TOOL_RECEIPT_H
#define DKVB_TOOL_RECEIPT_H

#include <stdbool.h>

/* dkvb verify --receipt: paths, NULL where none was given. */
struct receipt_check {
    const char *receipt, *model, *codes, *before, *audit, *key, *ids;
    bool json;
};

/* Check a receipt against files, and print a sentence a line. Returns an exit code. */
int receipt_check(const struct receipt_check *check);

#endif
