/* A table of features, labels and ids; the readers of text files and of array files fill in its parts. */
#ifndef DKVB_DATA_TABLE_H
#define DKVB_DATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"
#include "data/npz.h"
#include "data/row_file.h"
#include "data/texts.h"
#include "dkvb/data.h"
#include "dkvb/table.h"

/* Texts that a file has for rows, such as labels: each different text is stored once, and each row has the index of its
 * text. */
struct dkvb__rows_of_text {
    struct dkvb__texts texts;
    uint32_t *index; /* index of each row's text (such as its label) among the stored texts, [rows], or NULL */
    size_t rows;
};

struct dkvb_table {
    dkvb_allocator mem;
    dkvb_array x; /* features of the table's rows */
    /* file from which a table's features are read block by block; NULL: the features are in memory */
    struct dkvb__row_file *file;
    dkvb_array y;   /* labels of the table's rows, int32 */
    dkvb_array ids; /* ids of the table's rows, uint64 */
    /* names of the table's columns, in the order of the features; either all columns have names or none has */
    struct dkvb__texts column_names;
    struct dkvb__texts label_names;
    struct dkvb__texts id_names; /* ids of a table's rows if the ids are strings, in the order of the rows */
    uint64_t *groups;
    /* names of the table's columns, labels and ids as arrays of strings */
    const char **column_list, **label_list, **id_list;
    dkvb_table_info info;
};

/* Allocates memory for the texts of `rows` rows. Allocating memory for the texts of rows (such as labels) may fail with
 * DKVB_ENOMEM. */
dkvb_status dkvb__rows_of_text_begin(struct dkvb__rows_of_text *r, size_t rows, const dkvb_allocator *mem);

/* Gives the next row its text (such as a label), and stores the text unless an equal text is stored already. *index
 * becomes the index, among the stored texts, of the text (such as a label) that the row has. */
dkvb_status dkvb__rows_of_text_add(struct dkvb__rows_of_text *r, const char *text, uint32_t *index, bool *added);

void dkvb__rows_of_text_free(struct dkvb__rows_of_text *r);

/* Turns the text that a file has as the label of each row into a label number; the texts stay as names of the labels
 * unless all texts are whole numbers. The argument `path` is the path of the table's file, which error messages
 * name. */
dkvb_status dkvb__table_take_labels(dkvb_table *t, const struct dkvb__rows_of_text *r, const dkvb_table_options *o,
                                    const char *path);

/* Allocates memory for the ids of rows that are numbers. The allocation for ids may fail with DKVB_ENOMEM. */
dkvb_status dkvb__table_begin_ids(dkvb_table *t, size_t rows, const char *path);

/* Turns the text that a file has as the id of each row, and no text twice, into ids: numbers if all texts are whole
 * numbers, otherwise names. */
dkvb_status dkvb__table_take_ids(dkvb_table *t, const struct dkvb__rows_of_text *r, const char *path);

/* Reads a text table from a file into `t`. */
dkvb_status dkvb__table_read_text(dkvb_table *t, const struct dkvb__file *file, const dkvb_table_options *o,
                                  const struct dkvb__run *run);

#endif
