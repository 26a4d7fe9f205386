/* A table, and the parts of it that readers of texts and of arrays fill in. */
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

/* Texts of rows, such as labels: different ones once, and for each row which it has. */
struct dkvb__rows_of_text {
    struct dkvb__texts texts;
    uint32_t *index; /* [rows], or NULL */
    size_t rows;
};

struct dkvb_table {
    dkvb_allocator mem;
    dkvb_array x;                    /* features */
    struct dkvb__row_file *file;     /* features that stay in their file; or NULL */
    dkvb_array y;                    /* labels, int32 */
    dkvb_array ids;                  /* uint64 */
    struct dkvb__texts column_names; /* in the order of the features; of none, or of all */
    struct dkvb__texts label_names;
    struct dkvb__texts id_names; /* in the order of the rows */
    uint64_t *groups;
    const char **column_list, **label_list, **id_list; /* texts as pointers */
    dkvb_table_info info;
};

/* Memory for the texts of `rows` rows. DKVB_ENOMEM. */
dkvb_status dkvb__rows_of_text_begin(struct dkvb__rows_of_text *r, size_t rows, const dkvb_allocator *mem);

/* The text of the next row. *index is that of the text. */
dkvb_status dkvb__rows_of_text_add(struct dkvb__rows_of_text *r, const char *text, uint32_t *index, bool *added);

void dkvb__rows_of_text_free(struct dkvb__rows_of_text *r);

/* Turns the text of each row into its label, and keeps the texts as names of the labels unless all texts are whole
 * numbers. `path` is for messages. */
dkvb_status dkvb__table_take_labels(dkvb_table *t, const struct dkvb__rows_of_text *r, const dkvb_table_options *o,
                                    const char *path);

/* Memory for the ids of rows, as numbers. DKVB_ENOMEM. */
dkvb_status dkvb__table_begin_ids(dkvb_table *t, size_t rows, const char *path);

/* Turns the text of each row, which no other row has, into its id: a number if all texts are whole numbers, otherwise a
 * name. */
dkvb_status dkvb__table_take_ids(dkvb_table *t, const struct dkvb__rows_of_text *r, const char *path);

/* Read a text table into `t`. */
dkvb_status dkvb__table_read_text(dkvb_table *t, const struct dkvb__file *file, const dkvb_table_options *o,
                                  const struct dkvb__run *run);

#endif
