#include "serve/service.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dkvb/values.h"

enum { MOST_ROWS = 8192, MOST_LOGITS = 1024 * 1024 };

static const uint64_t MOST_BYTES = UINT64_C(256) << 20;

dkvb_status dkvb__text_room(dkvb_service *s, struct dkvb__text *text, size_t more)
{
    size_t room = text->room ? text->room : 4096;
    char *bytes;

    if (more > PTRDIFF_MAX - text->size)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", s->name);
    while (room < text->size + more)
        room *= 2;
    if (room == text->room)
        return DKVB_OK;
    bytes = dkvb__alloc(&s->mem, room, 1);
    if (!bytes)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu bytes", s->name, room);
    if (text->size > 0)
        memcpy(bytes, text->bytes, text->size);
    dkvb__free_erased(&s->mem, text->bytes);
    text->bytes = bytes;
    text->room = room;
    return DKVB_OK;
}

dkvb_status dkvb__text_add(dkvb_service *s, struct dkvb__text *text, const void *bytes, size_t size)
{
    dkvb_status rc = dkvb__text_room(s, text, size);

    if (!rc && size > 0) {
        memcpy(text->bytes + text->size, bytes, size);
        text->size += size;
    }
    return rc;
}

dkvb_status dkvb__batch_room(dkvb_service *s, size_t rows)
{
    if (s->item_count == s->item_room) {
        size_t room = s->item_room ? 2 * s->item_room : 64;
        struct dkvb__item *items = dkvb__alloc(&s->mem, room, sizeof *items);

        if (!items)
            return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu answers", s->name, room);
        if (s->item_count > 0)
            memcpy(items, s->items, s->item_count * sizeof *items);
        dkvb__free(&s->mem, s->items);
        s->items = items;
        s->item_room = room;
    }
    if (rows > s->row_room - s->rows) {
        size_t room = 2 * s->row_room > s->rows + rows ? 2 * s->row_room : s->rows + rows;
        float *x = dkvb__alloc(&s->mem, room, s->columns * sizeof *x);

        if (!x)
            return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu rows", s->name, room);
        if (s->rows > 0)
            memcpy(x, s->x, s->rows * s->columns * sizeof *x);
        dkvb__free_erased(&s->mem, s->x);
        s->x = x;
        s->row_room = room;
    }
    return DKVB_OK;
}

dkvb_status dkvb__item_error(dkvb_service *s, uint64_t number, const char *message)
{
    struct dkvb__item item = {DKVB__ITEM_ERROR, false, s->rows, 0, number, s->texts.size, strlen(message)};
    dkvb_status rc = dkvb__batch_room(s, 0);

    if (!rc)
        rc = dkvb__text_add(s, &s->texts, message, item.length);
    if (!rc)
        s->items[s->item_count++] = item;
    return rc;
}

void dkvb__break(dkvb_service *s, dkvb_status rc, const char *message)
{
    s->broken = rc;
    snprintf(s->why, sizeof s->why, "%s", message);
}

static dkvb_status copy_names(dkvb_service *s, const dkvb_model *model)
{
    if (!dkvb_model_column_name(model, 0))
        return DKVB_OK;
    s->names = dkvb__alloc0(&s->mem, s->columns, sizeof *s->names);
    for (uint32_t i = 0; s->names && i < s->columns; i++) {
        s->names[i] = dkvb__strdup(&s->mem, dkvb_model_column_name(model, i));
        if (!s->names[i])
            return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for names of columns", s->name);
    }
    return s->names ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for names of columns", s->name);
}

/* Copies from the first model what all later versions of the model file must have too: the number of columns and their
 * names. */
static dkvb_status know_model(dkvb_service *s)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    const dkvb_model *model;
    dkvb_status rc = dkvb_live_acquire(s->live, &model);

    if (rc)
        return rc;
    rc = dkvb_model_get_info(model, &info);
    s->columns = info.input_dim;
    if (!rc && s->top > info.classes)
        rc = dkvb__fail(DKVB_EINVAL, "service options: top is %u, the model has %u classes", s->top, info.classes);
    if (!rc)
        rc = copy_names(s, model);
    dkvb_live_release(s->live, model);
    return rc;
}

dkvb_status dkvb_service_new(dkvb_service **out, dkvb_live *live, const dkvb_service_options *given)
{
    dkvb_service_options o = DKVB_SERVICE_OPTIONS_INIT;
    dkvb_allocator mem;
    dkvb_service *s;
    dkvb_status rc;

    *out = NULL;
    rc = dkvb__take_options(&o, sizeof o, given, "service options");
    if (!rc)
        rc = dkvb__check_allocator(o.allocator);
    if (!rc && !live)
        rc = dkvb__fail(DKVB_EINVAL, "service: the live model is NULL");
    if (!rc && o.scores > 1)
        rc = dkvb__fail(DKVB_EINVAL, "service options: scores is %u, it must be 0 or 1", o.scores);
    if (!rc && o.scores && o.top)
        rc = dkvb__fail(DKVB_EINVAL, "service options: top is %u with scores, which give all logits", o.top);
    if (rc)
        return rc;
    mem = dkvb__allocator(o.allocator);
    s = dkvb__alloc0(&mem, 1, sizeof *s);
    if (!s)
        return dkvb__fail(DKVB_ENOMEM, "service: out of memory");
    s->mem = mem;
    s->live = live;
    s->top = o.top ? o.top : 1;
    s->many = o.top > 0;
    s->scores = o.scores;
    s->most_rows = o.most_rows ? o.most_rows : MOST_ROWS;
    s->most_bytes = o.most_bytes ? o.most_bytes : MOST_BYTES;
    s->name = dkvb__strdup(&mem, o.name ? o.name : "input");
    s->id_column = o.id_column ? dkvb__strdup(&mem, o.id_column) : NULL;
    rc = s->name && (s->id_column || !o.id_column) ? know_model(s) : dkvb__fail(DKVB_ENOMEM, "service: out of memory");
    if (rc)
        dkvb_service_free(s);
    else
        *out = s;
    return rc;
}

void dkvb_service_free(dkvb_service *s)
{
    dkvb_allocator mem;

    if (!s)
        return;
    mem = s->mem;
    for (uint32_t i = 0; s->names && i < s->columns; i++)
        dkvb__free(&mem, s->names[i]);
    dkvb__free(&mem, s->names);
    dkvb__free(&mem, s->id_column);
    dkvb__free(&mem, s->name);
    dkvb__free_erased(&mem, s->in.bytes);
    dkvb__free_erased(&mem, s->texts.bytes);
    dkvb__free_erased(&mem, s->out.bytes);
    dkvb__free_erased(&mem, s->lines.field.bytes);
    dkvb__free(&mem, s->lines.field_of);
    dkvb__free(&mem, s->lines.at);
    dkvb__free(&mem, s->items);
    dkvb__free_erased(&mem, s->x);
    dkvb__free(&mem, s->labels);
    dkvb__free(&mem, s->probabilities);
    dkvb__free(&mem, s->logits);
    dkvb__free_erased(&mem, s);
}

dkvb_status dkvb_service_put(dkvb_service *s, const void *bytes, size_t size)
{
    dkvb_status rc;

    if (s->ended)
        return dkvb__fail(DKVB_ESTATE, "%.300s: has ended, no bytes can be added", s->name);
    if (size == 0) {
        s->ended = true;
        return DKVB_OK;
    }
    /* Input bytes that the service has read completely are removed first, so the memory in use depends on the longest
     * frame or line, not on the length of the input. */
    if (s->at > 0) {
        memmove(s->in.bytes, s->in.bytes + s->at, s->in.size - s->at);
        s->in.size -= s->at;
        s->at = 0;
    }
    /* the input buffer gets room for one byte more: a NUL that replaces a line's end while the line is read */
    rc = dkvb__text_room(s, &s->in, size + 1);
    return rc ? rc : dkvb__text_add(s, &s->in, bytes, size);
}

/* Adds rows to the batch from the input bytes that have arrived. */
static dkvb_status take(dkvb_service *s)
{
    static const unsigned char numpy = 0x93; /* the first byte of a .npy file, with which no UTF-8 text begins */

    if (s->kind == DKVB_SERVICE_UNKNOWN && s->in.size > s->at)
        s->kind = (unsigned char)s->in.bytes[s->at] == numpy ? DKVB_SERVICE_FRAMES : DKVB_SERVICE_LINES;
    if (s->broken || s->kind == DKVB_SERVICE_UNKNOWN)
        return DKVB_OK;
    return s->kind == DKVB_SERVICE_FRAMES ? dkvb__frames_take(s) : dkvb__lines_take(s);
}

/* Makes room for the answers to the rows of the batch. The arrays that held the answers of an earlier batch are used
 * again if they are large enough. */
static dkvb_status make_room(dkvb_service *s, uint32_t classes, size_t block)
{
    size_t rows = s->rows ? s->rows : 1;

    dkvb__free(&s->mem, s->labels);
    dkvb__free(&s->mem, s->probabilities);
    dkvb__free(&s->mem, s->logits);
    s->probabilities = s->logits = NULL;
    s->labels = dkvb__alloc(&s->mem, rows, s->top * sizeof *s->labels);
    s->probabilities = dkvb__alloc(&s->mem, rows, s->top * sizeof *s->probabilities);
    s->logits = dkvb__alloc(&s->mem, s->scores ? rows : block, classes * sizeof *s->logits);
    if (s->labels && s->probabilities && s->logits)
        return DKVB_OK;
    return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for the answers of %zu rows", s->name, rows);
}

/* Predicts some rows of the batch, [first, first + n), so few that their logits fit in the array for a block. */
static dkvb_status answer_block(dkvb_service *s, const dkvb_model *model, const dkvb_model_info *info, size_t first,
                                size_t n, const dkvb_run_options *run)
{
    bool lines = s->kind == DKVB_SERVICE_LINES, ranks = !s->scores && (s->top > 1 || lines);
    float *logits = s->logits + (s->scores ? first * info->classes : 0);
    int32_t *labels = s->labels + first * s->top;
    dkvb_status rc;

    /* Prediction gives the likeliest class of each row, or -1 if the model abstained. If `top` is above 1, the
     * likeliest class of each row is written to labels[row] first, and then moved to labels[row * top]. */
    rc = dkvb_model_predict(model, s->x + first * s->columns, n, labels, s->scores || ranks ? logits : NULL, run);
    if (rc || !ranks)
        return rc;
    if (s->top > 1) {
        for (size_t i = n; i-- > 0;)
            labels[i * s->top] = labels[i];
        for (size_t i = 0; !rc && i < n; i++) {
            int32_t *row = labels + i * s->top;
            bool abstained = row[0] < 0;

            rc = dkvb_decode_top(logits + i * info->classes, 1, info->classes, s->top, row, NULL);
            if (abstained)
                row[0] = -1;
        }
    }
    if (!rc && lines)
        rc = dkvb_decode_softmax(logits, n, info->classes, info->temperature, info->temperature_power, logits);
    for (size_t i = 0; !rc && i < n; i++) {
        int32_t *row = labels + i * s->top;

        for (size_t t = 0; t < s->top; t++) {
            if (row[0] < 0)
                row[t] = -1;
            s->probabilities[(first + i) * s->top + t] =
                lines && row[t] >= 0 ? logits[i * info->classes + (size_t)row[t]] : 0.0f;
        }
    }
    return rc;
}

static dkvb_status answer_range(dkvb_service *s, const dkvb_model *model, const dkvb_model_info *info, size_t first,
                                size_t n, size_t block, const dkvb_run_options *run)
{
    dkvb_status rc = DKVB_OK;

    for (size_t at = first, rows; !rc && at < first + n; at += rows) {
        rows = first + n - at < block ? first + n - at : block;
        rc = answer_block(s, model, info, at, rows, run);
    }
    return rc;
}

/* Predicts each frame or line of the batch separately, after a prediction of all rows failed: a row may hold numbers so
 * large that their sums overflow. If the numbers of a row overflow, the frame or line with this row is answered by an
 * error message. */
static dkvb_status answer_singly(dkvb_service *s, const dkvb_model *model, const dkvb_model_info *info, size_t block,
                                 const dkvb_run_options *run)
{
    for (size_t i = 0; i < s->item_count; i++) {
        struct dkvb__item *item = &s->items[i];
        dkvb_status rc = answer_range(s, model, info, item->first, item->rows, block, run);
        char message[600];

        if (rc == DKVB_EINVAL) {
            snprintf(message, sizeof message, "%s: %s %llu: %s", s->name,
                     s->kind == DKVB_SERVICE_LINES ? "row" : "frame", (unsigned long long)item->number,
                     item->rows == 1 ? "holds numbers so large that their sums overflow" : dkvb_last_error());
            item->text = s->texts.size;
            item->length = strlen(message);
            rc = dkvb__text_add(s, &s->texts, message, item->length);
            item->kind = DKVB__ITEM_ERROR;
        }
        if (rc)
            return rc;
    }
    return DKVB_OK;
}

static dkvb_status answer_items(dkvb_service *s, const dkvb_model *model, dkvb_answers *answers,
                                const dkvb_run_options *run)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    size_t block;
    dkvb_status rc = dkvb_model_get_info(model, &info);

    if (rc)
        return rc;
    block = MOST_LOGITS / info.classes;
    block = block < 1 ? 1 : block < s->most_rows ? block : s->most_rows;
    rc = make_room(s, info.classes, block < s->rows ? block : s->rows ? s->rows : 1);
    if (!rc)
        rc = answer_range(s, model, &info, 0, s->rows, block, run);
    if (rc == DKVB_EINVAL)
        rc = answer_singly(s, model, &info, block, run);
    s->out.size = 0;
    for (size_t i = 0; !rc && i < s->item_count; i++) {
        const struct dkvb__item *item = &s->items[i];

        rc = s->kind == DKVB_SERVICE_FRAMES ? dkvb__frames_answer(s, item, info.classes)
                                            : dkvb__lines_answer(s, item, model, info.classes);
        answers->refused += item->kind == DKVB__ITEM_ERROR;
        if (item->kind != DKVB__ITEM_ROWS)
            continue;
        answers->rows += item->rows;
        for (size_t r = item->first; r < item->first + item->rows; r++)
            answers->abstained += s->labels[r * s->top] < 0;
    }
    return rc;
}

dkvb_status dkvb_service_answer(dkvb_service *s, dkvb_answers *out, const dkvb_run_options *run)
{
    dkvb_answers full = DKVB_ANSWERS_INIT;
    const dkvb_model *model;
    dkvb_status rc = take(s);

    if (rc)
        return rc;
    if (s->item_count > 0) {
        rc = dkvb_live_acquire(s->live, &model);
        if (rc)
            return rc;
        rc = answer_items(s, model, &full, run);
        dkvb_live_release(s->live, model);
    } else if (s->broken) {
        return dkvb__fail(s->broken, "%s", s->why);
    }
    if (rc)
        return rc;
    if (s->item_count > 0) {
        full.bytes = s->out.bytes;
        full.size = s->out.size;
    }
    full.kind = s->kind;
    full.cut = s->cut;
    full.more = s->rows >= s->most_rows || s->broken;
    rc = dkvb__give_info(out, &full, sizeof full, "answers");
    if (rc)
        return rc;
    s->item_count = s->rows = s->texts.size = 0;
    return DKVB_OK;
}
