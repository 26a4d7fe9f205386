/* What a command is given: models, masks, features, labels, class names, and memory for what it makes of them. Each
 * reader keeps later outputs as private as its file: paths_keep_private(). */
#ifndef DKVB_TOOL_INPUT_H
#define DKVB_TOOL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Columns of a table that are no features, as options name them; NULL where they are not given. */
struct columns_args {
    const char *labels, *ids, *groups, *group;
    const char *features; /* the columns that are features, with commas between them; NULL: all others */
};

/* The options of that name; `member` is the struct columns_args among the arguments. */
#define COLUMNS_LABELS(AT, member)                                                                                     \
    {                                                                                                                  \
        "label-column", ARGS_TEXT, AT(member.labels), "NAME", .help = "column of a CSV with the labels", .word = true  \
    }
#define COLUMNS_IDS(AT, member)                                                                                        \
    {                                                                                                                  \
        "id-column", ARGS_TEXT, AT(member.ids), "NAME", .help = "column of a CSV with the ids of rows", .word = true   \
    }
#define COLUMNS_GROUPS(AT, member)                                                                                     \
    {                                                                                                                  \
        "group-column", ARGS_TEXT, AT(member.groups), "NAME", .help = "column of a CSV with the groups of rows",       \
                                                              .word = true                                             \
    }

/* What is known when a table is read. */
struct table_use {
    const struct columns_args *columns; /* or NULL */
    const dkvb_model *model;            /* whose columns are matched and whose classes have names; or NULL */
    const struct names *names;          /* names of the classes, instead of those of the model; or NULL */
    bool grows;                         /* further names are new classes */
};

/* Ways to take the features of a file. The numbers are those of `in_place` of dkvb_table_options. */
enum {
    INPUT_COPIED = 0, /* in memory, which may be changed */
    INPUT_MAPPED = 1, /* mapped if that is possible; only to be read from */
    INPUT_BLOCKS = 2  /* read from the file block by block if that is possible; only to be read from */
};

/* Rows of features: float[rows][columns], or the source that reads them. */
struct features {
    const char *path;
    dkvb_table *table; /* of a file */
    dkvb_table_info info;
    float *made; /* of pictures, to be free()d */
    float *x;    /* NULL if there is a source */
    const dkvb_row_source *source;
    size_t *kept; /* [rows], numbers of the rows in the source, to be free()d; NULL: 0 to rows - 1 */
    size_t rows, columns;
    dkvb_outside outside; /* rows outside the scale, see codes.h */
};

/* int32_t[rows]. */
struct labels {
    const char *path;
    dkvb_table *table;        /* of a file of their own */
    int32_t *made;            /* of pictures, to be free()d */
    const char *const *names; /* [name_count] of a table whose labels are names; or NULL */
    size_t name_count;
    const int32_t *y;
    size_t rows;
    int32_t largest; /* -1 if no row has a label */
    size_t largest_row;
};

/* Rows of a file. `how`: INPUT_…. `use` may be NULL. */
int input_features(struct features *out, const char *path, uint32_t how, const struct table_use *use);
void input_features_free(struct features *features);

/* Features of the width that the model takes. `columns` may be NULL. */
int input_features_for(struct features *out, const char *path, uint32_t how, const dkvb_model *model,
                       const struct columns_args *columns);

/* Memory for the `n` rows of a block, to be free()d; *block is NULL if the features lie in memory. */
int input_block(float **block, const struct features *features, size_t n);

/* The rows from `first` on: where they lie, or read into the block. */
int input_rows(const struct features *features, size_t first, size_t n, float *block, const float **x);

/* Labels of the `rows` rows of another file, `of`: as many. */
int input_labels(struct labels *out, const char *path, const char *of, size_t rows, const struct table_use *use);

/* Labels of these rows; without a path, those of their table. A vector that may be meant as one row is told of if the
 * numbers differ. */
int input_labels_for(struct labels *out, const char *path, const struct features *x, const struct table_use *use);
void input_labels_free(struct labels *labels);

/* Note the largest label. */
void input_labels_range(struct labels *labels);

/* What rows are called. */
struct ids {
    const char *path; /* NULL: row numbers */
    uint64_t *id;     /* [n]; NULL where rows are called by strings: */
    char **name;      /* [n], or NULL */
    size_t n;
};

/* Ids of rows, each once; names only where `names` says so. `columns` may be NULL. */
int ids_read(struct ids *out, const char *path, bool names, const struct columns_args *columns);

/* Ids of the `rows` rows of another file, `of`: as many; `path` NULL: 0 to rows - 1. */
int ids_of_rows(struct ids *out, const char *path, const char *of, size_t rows);

/* Ids of these rows: those of a file, else those of their table, else 0 to rows - 1. */
int ids_of_features(struct ids *out, const char *path, const struct features *x);
void ids_free(struct ids *ids);

/* A model to change, or (map) to use only; and what it is. */
int input_model_load(dkvb_model **out, const char *path, dkvb_model_info *info);
int input_model_map(dkvb_model **out, const char *path, dkvb_model_info *info);

/* A model that every rank has whole, for work in which ranks do not share values. */
int input_model_whole(dkvb_model **out, const char *path, dkvb_model_info *info);

/* The encoder that a model notes, or NULL. */
const char *input_encoder(const dkvb_model *model);

int input_mask(dkvb_mask **out, const char *path);

/* Mark the classes of a list: a name, an index, or several of both with commas between, as dkvb_model_find_class()
 * finds them. `chosen`, bool[classes], is to be free()d. */
int input_classes(bool **chosen, const char *list, const dkvb_model *model, uint32_t classes);

/* Names that a model takes, none of them twice; some may be empty. */
struct names {
    const char *path; /* where they come from */
    char **line;
    size_t count, room;
};

/* Lines of a text file. */
int input_names(struct names *out, const char *path);

/* Append one, copied. */
int input_names_add(struct names *names, const char *name);

void input_names_free(struct names *names);

/* Memory for a * b * c elements of `size` bytes, zeroed, to be free()d; at least one byte. NULL after it has been said
 * on stderr that `what` does not fit. */
void *input_memory(const char *what, size_t size, size_t a, size_t b, size_t c);

#endif
