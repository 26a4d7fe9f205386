/* NumPy archives (.npz) are zip files whose members are .npy files. A path names an array of an archive after a colon:
 * "rows.npz:x". */
#ifndef DKVB_DATA_NPZ_H
#define DKVB_DATA_NPZ_H

#include "dkvb/memory.h"
#include "base/file.h"

/* A file that is open for reading, or one array of an archive in memory. */
struct dkvb__source {
    struct dkvb__file file;
    void *member; /* memory of the array if it comes from an .npz archive; otherwise NULL */
    dkvb_allocator mem;
};

/* Returns the name of the array within a path such as "rows.npz:x"; NULL if the whole path is an existing file, or no
 * array is named. */
const char *dkvb__array_name(const char *path);

/* Opens the file of a path, or the array of an archive that the path names; the name may be left out if the archive has
 * only one array. If the archive has no array of the name, the call fails with DKVB_ENOTFOUND, and the error message
 * lists the arrays of the archive. */
dkvb_status dkvb__source_open(struct dkvb__source *source, const char *path, const dkvb_allocator *mem);

/* Closes a file or an array that dkvb__source_open() opened. */
void dkvb__source_close(struct dkvb__source *source);

#endif
