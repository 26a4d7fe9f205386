/* NumPy archives (.npz): zip files whose members are .npy files. A path names an array behind a colon: "rows.npz:x". */
#ifndef DKVB_DATA_NPZ_H
#define DKVB_DATA_NPZ_H

#include "dkvb/memory.h"
#include "base/file.h"

/* A file that is open for reading, or one array of an archive in memory. */
struct dkvb__source {
    struct dkvb__file file;
    void *member; /* NULL unless the array is one of an archive */
    dkvb_allocator mem;
};

/* Where the name of an array begins in a path such as "rows.npz:x"; NULL for a path that is a file's or names none. */
const char *dkvb__array_name(const char *path);

/* Open the file of a path, or the array of an archive that the path names; an archive with one array needs no name.
 * DKVB_ENOTFOUND lists the arrays that are there. */
dkvb_status dkvb__source_open(struct dkvb__source *source, const char *path, const dkvb_allocator *mem);

/* Close what dkvb__source_open() opened. */
void dkvb__source_close(struct dkvb__source *source);

#endif
