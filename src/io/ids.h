/* Row ids from files: what rows are called when they are to be forgotten. */
#ifndef DKVB_TOOL_IDS_H
#define DKVB_TOOL_IDS_H

#include <stddef.h>
#include <stdint.h>

struct ids {
    const char *path; /* NULL: row numbers */
    uint64_t *id;     /* [n] */
    size_t n;
};

/* Ids of a vector of any integer type, not negative, each once. */
int ids_read(struct ids *out, const char *path);

/* The same, as many as the `rows` of another file, `of`; `path` NULL: 0 to rows - 1. */
int ids_of_rows(struct ids *out, const char *path, const char *of, size_t rows);
void ids_free(struct ids *ids);

#endif
