/* What a command is given: models, masks, features, labels, class names, and memory for what it makes of them. Each
 * reader keeps later outputs as private as its file: paths_keep_private(). */
#ifndef DKVB_TOOL_INPUT_H
#define DKVB_TOOL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* float[rows][columns]. */
struct features {
    const char *path;
    dkvb_array array; /* of a file */
    float *made;      /* of pictures, to be free()d */
    float *x;
    size_t rows, columns;
    dkvb_outside outside; /* rows outside the scale, see codes.h */
};

/* int32_t[rows]. */
struct labels {
    const char *path;
    dkvb_array array; /* of a file */
    int32_t *made;    /* of pictures, to be free()d */
    const int32_t *y;
    size_t rows;
    int32_t largest; /* -1 if no row has a label */
    size_t largest_row;
};

/* `how`: DKVB_READ_…; in place, rows are only to be read from, and need no memory of their own. */
int input_features(struct features *out, const char *path, uint32_t how);
void input_features_free(struct features *features);

/* Features of the width that the model takes. */
int input_features_for(struct features *out, const char *path, const dkvb_model_info *model);

/* Labels of the `rows` rows of another file, `of`: as many. */
int input_labels(struct labels *out, const char *path, const char *of, size_t rows);

/* The same of rows; a vector that may be meant as one row is told of if the numbers differ. */
int input_labels_for(struct labels *out, const char *path, const struct features *x);
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

/* Ids of a vector of any integer type, not negative, each once; or where `names` may be given, a text with one a line.
 */
int ids_read(struct ids *out, const char *path, bool names);

/* Both, as many as the `rows` of another file, `of`; `path` NULL: 0 to rows - 1. */
int ids_of_rows(struct ids *out, const char *path, const char *of, size_t rows);
void ids_free(struct ids *ids);

/* A model to change, or (map) to use only; and what it is. */
int input_model_load(dkvb_model **out, const char *path, dkvb_model_info *info);
int input_model_map(dkvb_model **out, const char *path, dkvb_model_info *info);

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
