/* A conversation with one client: bytes become a batch of rows, the rows of the batch are answered by one model, and
 * the answers become bytes. frames.c and lines.c know the two forms of bytes; service.c knows the model. */
#ifndef DKVB_SERVE_SERVICE_H
#define DKVB_SERVE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/npy.h"
#include "dkvb/live.h"

/* Bytes that grow. */
struct dkvb__text {
    char *bytes;
    size_t size, room;
};

enum { DKVB__ITEM_ROWS, DKVB__ITEM_ERROR, DKVB__ITEM_HEADER };

/* One frame or line of a batch, in the order of arrival. Each has one frame or line as its answer. */
struct dkvb__item {
    uint32_t kind;
    bool vector;         /* the frame has one dimension, and so has no dimension of rows in its answer */
    size_t first, rows;  /* its rows of the batch, `rows` 0 for other kinds */
    uint64_t number;     /* number of the line's row, from 0; of the frame, from 1 */
    size_t text, length; /* in `texts`: the error message, or what the row is called; length 0: nothing */
};

/* Form of the lines, which the first line tells. */
struct dkvb__lines {
    bool known;
    char separator;
    size_t fields;           /* of every line */
    size_t *field_of;        /* [columns], the field that holds a feature */
    size_t id;               /* field that holds what the row is called; `fields` without one */
    uint64_t line, row;      /* numbers of the last line, from 1, and of the next row, from 0 */
    size_t scanned;          /* bytes of an unfinished line without a line end */
    bool dropping;           /* the line was refused for its length, and its rest is passed over */
    struct dkvb__text field; /* the fields of a line, each ended by a zero */
    size_t *at;              /* [at_room], where each field begins */
    size_t at_room;
};

struct dkvb_service {
    dkvb_allocator mem;
    dkvb_live *live;
    uint32_t top, scores, most_rows; /* `top` is 1 at least */
    bool many;                       /* the caller chose `top`, so answers have a dimension of that length */
    uint64_t most_bytes;
    char *id_column, *name;
    uint32_t columns;
    char **names; /* [columns], or NULL: columns have no names */

    /* Input. */
    uint32_t kind;
    bool ended, cut;
    struct dkvb__text in;
    size_t at;      /* bytes before this one became items */
    uint64_t frame; /* number of the last frame, from 1 */
    uint64_t skip;  /* bytes of a refused frame that are passed over */
    struct dkvb__lines lines;
    dkvb_status broken; /* DKVB_OK, or why the input cannot be understood any further */
    char why[512];

    /* The batch, from the first item that is made until its answers are handed over. */
    struct dkvb__item *items;
    size_t item_count, item_room;
    struct dkvb__text texts;
    float *x; /* [row_room][columns] */
    size_t rows, row_room;

    /* Its answers. */
    int32_t *labels;      /* [rows][top] */
    float *probabilities; /* [rows][top], of lines */
    float *logits;        /* [rows][classes] with scores, else [a block of rows][classes] */
    struct dkvb__text out;
};

/* Makes items of the bytes that have arrived, until the batch is full. A failure with DKVB_ENOMEM may be repeated.
 * Damage is noted in `broken`. */
dkvb_status dkvb__frames_take(dkvb_service *s);
dkvb_status dkvb__lines_take(dkvb_service *s);

/* Appends the answer of an item to `out`. `model` has the names of classes. DKVB_ENOMEM. */
dkvb_status dkvb__frames_answer(dkvb_service *s, const struct dkvb__item *item, uint32_t classes);
dkvb_status dkvb__lines_answer(dkvb_service *s, const struct dkvb__item *item, const dkvb_model *model,
                               uint32_t classes);

/* Makes room for `more` bytes behind the text. */
dkvb_status dkvb__text_room(dkvb_service *s, struct dkvb__text *text, size_t more);

/* Appends bytes. */
dkvb_status dkvb__text_add(dkvb_service *s, struct dkvb__text *text, const void *bytes, size_t size);

/* Makes room for `rows` rows more, and for an item. Until then nothing has changed. */
dkvb_status dkvb__batch_room(dkvb_service *s, size_t rows);

/* Appends an item whose answer is an error message. */
dkvb_status dkvb__item_error(dkvb_service *s, uint64_t number, const char *message);

/* Notes why the input cannot be understood any further. */
void dkvb__break(dkvb_service *s, dkvb_status rc, const char *message);

#endif
