/* Reads the inputs of a command: models, masks, features, labels, class names. Each function that reads a file makes
 * files written later as private as the file that was read: paths_keep_private(). */
#ifndef DKVB_TOOL_INPUT_H
#define DKVB_TOOL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Columns of a table that are not features, as options name them; NULL for an option that was not given. */
struct columns_args {
    const char *labels, *ids, *groups, *group;
    const char *features; /* columns that are features, separated by commas; NULL: all other columns */
};

/* Lines of a command's table of options: --label-column, --id-column and --group-column; `member` is the name of the
 * struct columns_args in the command's arguments. */
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

/* Information that helps to read a table: names of columns and classes. */
struct table_use {
    const struct columns_args *columns; /* options that name the columns of a table; NULL: no such option */
    const dkvb_model *model; /* model whose columns the table must match, and whose classes have names; or NULL */
    /* names of the classes that an option gives in place of the names in the model, or NULL */
    const struct names *names;
    /* true if names in the table that are not among the known class names become new classes */
    bool grows;
};

/* Ways to read the features of a file. The values of INPUT_… are the values of the member `in_place` of
 * dkvb_table_options. */
enum {
    /* features are copied from their file to memory, and the command may change the copy */
    INPUT_COPIED = 0,
    /* features may be mapped from their file instead of copied, and the command must not change them */
    INPUT_MAPPED = 1,
    /* features may stay in their file and be read block by block, and the command must not change them */
    INPUT_BLOCKS = 2
};

/* Rows of features: an array, float[rows][columns], or a source from which rows are read. */
struct features {
    const char *path;
    dkvb_table *table; /* table that the file with the features was read into */
    dkvb_table_info info;
    float *made; /* features that pictures were encoded into; freed with free() */
    float *x;    /* the features in memory; NULL if the rows are read from a source */
    const dkvb_row_source *source;
    /* place of each row in the source of features, [rows], freed with free(); NULL: the rows are the source's rows 0 to
     * rows - 1 */
    size_t *kept;
    size_t rows, columns;
    dkvb_outside outside; /* counts of rows whose scale is unusual for the keys, see codes.h */
};

/* Labels of rows, int32_t[rows]. */
struct labels {
    const char *path;
    dkvb_table *table;        /* table of labels, if the labels come from a file of their own */
    int32_t *made;            /* labels of pictures, if each row is a picture; freed with free() */
    const char *const *names; /* names of the classes, [name_count], of a table whose labels are names; or NULL */
    size_t name_count;
    const int32_t *y;
    size_t rows;
    int32_t largest; /* largest label of the rows; -1 if no row has a label */
    size_t largest_row;
};

/* Reads the features of a file. The argument `how` is INPUT_COPIED, INPUT_MAPPED or INPUT_BLOCKS; `use` may be NULL. */
int input_features(struct features *out, const char *path, uint32_t how, const struct table_use *use);
void input_features_free(struct features *features);

/* Reads features that must have the width that the model takes. `columns` (the options that name columns of a table)
 * may be NULL. */
int input_features_for(struct features *out, const char *path, uint32_t how, const dkvb_model *model,
                       const struct columns_args *columns);

/* Allocates memory for a block of `n` rows of features, which the caller frees with free(); *block becomes NULL if all
 * features are in memory already. */
int input_block(float **block, const struct features *features, size_t n);

/* Sets the pointer *x to `n` rows of features from row `first` on: the rows in memory, or `block` after the rows were
 * read into it. */
int input_rows(const struct features *features, size_t first, size_t n, float *block, const float **x);

/* Reads labels from a file, which must have one label for each of the `rows` rows of the other file, `of`. */
int input_labels(struct labels *out, const char *path, const char *of, size_t rows, const struct table_use *use);

/* Reads the labels of rows of features from a file; without a path, the labels come from the table of the features. If
 * the numbers of rows and labels differ, and the features may be one row written as a column, the message says so. */
int input_labels_for(struct labels *out, const char *path, const struct features *x, const struct table_use *use);
void input_labels_free(struct labels *labels);

/* Computes the largest label of the rows, and the first row that has it. */
void input_labels_range(struct labels *labels);

/* Ids of rows, which may be numbers or strings. */
struct ids {
    const char *path; /* path of the file with the ids of the rows; NULL: ids are row numbers */
    uint64_t *id;     /* ids of the rows if the ids are numbers, [n]; otherwise NULL */
    char **name;      /* ids of the rows if the ids are strings, [n]; otherwise NULL */
    size_t n;
};

/* Reads ids of rows from a file, in which no id appears twice; ids may be strings only if `names` is true. The argument
 * `columns`, the options that name columns of a table, may be NULL. */
int ids_read(struct ids *out, const char *path, bool names, const struct columns_args *columns);

/* Reads ids from a file, which must have one id for each of the `rows` rows of the other file, `of`. With `path` NULL,
 * ids are 0 to rows - 1. */
int ids_of_rows(struct ids *out, const char *path, const char *of, size_t rows);

/* Finds the ids of rows of features: in a file, else in the table of the features; else ids are 0 to rows - 1. */
int ids_of_features(struct ids *out, const char *path, const struct features *x);
void ids_free(struct ids *ids);

/* Opens a model file, for changing the model (load) or only for using it (map), and gets the info of the model. */
int input_model_load(dkvb_model **out, const char *path, dkvb_model_info *info);
int input_model_map(dkvb_model **out, const char *path, dkvb_model_info *info);

/* Opens a model that every rank has completely, for work in which ranks do not share values. */
int input_model_whole(dkvb_model **out, const char *path, dkvb_model_info *info);

/* Returns the name of the encoder that a model stores, or NULL. */
const char *input_encoder(const dkvb_model *model);

int input_mask(dkvb_mask **out, const char *path);

/* Marks the classes of a list: a name, an index, or several names and indices separated by commas, as
 * dkvb_model_find_class() finds them. The caller frees `chosen`, bool[classes], with free(). */
int input_classes(bool **chosen, const char *list, const dkvb_model *model, uint32_t classes);

/* Names of classes or columns that a model accepts: no name appears twice; some may be empty. */
struct names {
    const char *path; /* path of the file that has the names of classes or columns */
    char **line;
    size_t count, room;
};

/* Reads the lines of a text file as names of classes or columns. */
int input_names(struct names *out, const char *path);

/* Appends a copy of a name to a list of names. */
int input_names_add(struct names *names, const char *name);

void input_names_free(struct names *names);

/* Allocates zeroed memory for a * b * c elements of `size` bytes, and at least one byte; the caller frees it with
 * free(). The result is NULL, after a message on stderr, if `what` does not fit in memory. */
void *input_memory(const char *what, size_t size, size_t a, size_t b, size_t c);

#endif
