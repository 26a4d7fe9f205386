#ifndef DKVB_DATA_ROW_FILE_H
#define DKVB_DATA_ROW_FILE_H

#include "base/file.h"
#include "dkvb/rows.h"

/* Features that stay in their .npy file and are read block by block, in any number type that features may have. Several
 * threads may read features of one file at the same time. */
struct dkvb__row_file {
    dkvb_allocator mem;
    char *path; /* copy of the feature file's path, for messages */
    struct dkvb__file file;
    uint64_t offset; /* offset of the first element in the feature file */
    size_t rows, columns;
    uint32_t dtype;
    bool swapped, boolean;
    dkvb_row_source source;
};

/* Opens a .npy file of features for reading in blocks. *out is NULL, without a failure, if the file is no .npy file, or
 * if the array's elements are not stored row by row. All features in the .npy file are read once and checked to be
 * finite. */
dkvb_status dkvb__row_file_open(struct dkvb__row_file **out, const char *path, const dkvb_allocator *mem);
void dkvb__row_file_free(struct dkvb__row_file *f);

#endif
