/* A service answers one client: its bytes become a batch of rows, the rows of the batch are answered by one model, and
 * the answers become bytes. frames.c and lines.c read and write the two forms of bytes; service.c calls the model. */
#ifndef DKVB_SERVE_SERVICE_H
#define DKVB_SERVE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/npy.h"
#include "dkvb/live.h"

/* An array of bytes that grows as bytes are appended. */
struct dkvb__text {
    char *bytes;
    size_t size, room;
};

enum { DKVB__ITEM_ROWS, DKVB__ITEM_ERROR, DKVB__ITEM_HEADER };

/* One frame (`.npy` file) or line of a batch, in the order of arrival. A frame (a `.npy` file) is answered by one
 * frame, and a line by one line. */
struct dkvb__item {
    uint32_t kind;
    bool vector; /* true if the frame's array has one dimension, so that the answer has no dimension of rows */
    /* `first` is the number, in the batch, of the first row of this frame or line; `rows` is the number of its rows, 0
     * for an error message or a header */
    size_t first, rows;
    /* number that messages give to the frame or line: for a line the number of its row, from 0; for a frame its number,
     * from 1 */
    uint64_t number;
    /* `text` is the place, in the batch's `texts`, of the row's id or of the error message that answers the frame or
     * line; `length` is the length of that text, 0 for no text */
    size_t text, length;
};

/* Format of the lines of a client, which the first line determines. */
struct dkvb__lines {
    bool known;
    char separator;
    size_t fields;    /* number of fields in every line of the client */
    size_t *field_of; /* index of the field of a line that holds each feature, [columns] */
    size_t id;        /* index of the field with the row's id; if no field has ids, the number of fields */
    /* `line` is the number of the client's last line, from 1; `row` is the number of the next row, from 0 */
    uint64_t line, row;
    size_t scanned; /* number of bytes at the start of the unfinished line that were searched and have no line end */
    bool dropping;  /* true if a line was refused for its length, and the rest of that line is being skipped */
    struct dkvb__text field; /* texts of the fields of a line, each ending with a NUL */
    size_t *at;              /* offset at which each field of a line begins, [at_room] */
    size_t at_room;
};

struct dkvb_service {
    dkvb_allocator mem;
    dkvb_live *live;
    /* `top` is the number of classes in the answer to a row (1 if scores are asked for); `most_rows` is the largest
     * number of rows in a batch */
    uint32_t top, scores, most_rows;
    /* true if the caller chose `top`, the number of classes per answer, so that arrays of answers have a dimension of
     * length `top` */
    bool many;
    uint64_t most_bytes;
    char *id_column, *name;
    uint32_t columns;
    char **names; /* names of the columns, [columns], or NULL: columns have no names */

    /* The members from `kind` to `why` hold the bytes that the client sent, and how far they are understood. */
    uint32_t kind;
    bool ended, cut;
    struct dkvb__text in;
    size_t at;      /* number of input bytes that the service has read as complete frames or lines */
    uint64_t frame; /* number of the client's last frame (.npy file), from 1 */
    uint64_t skip;  /* number of bytes of a refused frame (.npy file) that are still to be skipped */
    struct dkvb__lines lines;
    dkvb_status broken; /* DKVB_OK, or the status that says why no more input of the client can be understood */
    char why[512];

    /* The batch has the frames or lines of the client that were read and not yet answered, in `items`, and their
     * rows. */
    struct dkvb__item *items;
    size_t item_count, item_room;
    struct dkvb__text texts;
    float *x; /* features of the rows of the batch, [row_room][columns] */
    size_t rows, row_room;

    /* The arrays `labels`, `probabilities` and `logits` hold the answers to the rows of the batch. */
    int32_t *labels;      /* predicted classes of the rows, [rows][top] */
    float *probabilities; /* probabilities of the predicted classes of the rows, [rows][top], if the input is lines */
    /* logits of the rows, [rows][classes] if scores are asked for, otherwise [a block of rows][classes] */
    float *logits;
    struct dkvb__text out;
};

/* Reads the input bytes that have arrived as frames or lines, and adds these to the batch until the batch is full. If
 * reading the client's input fails with DKVB_ENOMEM, reading may be tried again. If the input is damaged, the reason is
 * noted in s->broken. */
dkvb_status dkvb__frames_take(dkvb_service *s);
dkvb_status dkvb__lines_take(dkvb_service *s);

/* Appends the answer to one frame or line of the batch to the output bytes s->out. Classes in the answer have the names
 * that `model` gives them. Appending an answer may fail with DKVB_ENOMEM. */
dkvb_status dkvb__frames_answer(dkvb_service *s, const struct dkvb__item *item, uint32_t classes);
dkvb_status dkvb__lines_answer(dkvb_service *s, const struct dkvb__item *item, const dkvb_model *model,
                               uint32_t classes);

/* Makes room for `more` bytes after the present bytes of a growing array. */
dkvb_status dkvb__text_room(dkvb_service *s, struct dkvb__text *text, size_t more);

/* Appends bytes to a growing array of bytes. */
dkvb_status dkvb__text_add(dkvb_service *s, struct dkvb__text *text, const void *bytes, size_t size);

/* Makes room in the batch for one more frame or line that has `rows` rows. If memory runs out, the batch of rows is
 * unchanged.
 */
dkvb_status dkvb__batch_room(dkvb_service *s, size_t rows);

/* Adds an error message to the batch as the answer to a frame or line of the client. */
dkvb_status dkvb__item_error(dkvb_service *s, uint64_t number, const char *message);

/* Notes the reason why no more input of the client can be understood. */
void dkvb__break(dkvb_service *s, dkvb_status rc, const char *message);

#endif
