/* Fuzz target for the rows that a service gets as bytes. The first byte of the input chooses the model, the kind of
 * answers, and how the remaining bytes are cut into pieces. The answers and the final status must be the same as if the
 * remaining bytes came in one piece. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dkvb/dkvb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLUMNS = 3, CLASSES = 3, ROWS = 24 };

static void require(int holds)
{
    if (!holds)
        abort();
}

/* Model files of three columns, with and without column names; a service looks at the file's path, so the files stay
 * until the process ends. */
static char paths[2][40] = {"/tmp/dkvb-fuzz-serve-a-XXXXXX", "/tmp/dkvb-fuzz-serve-b-XXXXXX"};

static void remove_files(void)
{
    unlink(paths[0]);
    unlink(paths[1]);
}

static dkvb_live *open_model(int named)
{
    static const char *const names[COLUMNS] = {"a", "b", "c"};
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    dkvb_live *live;
    float x[ROWS * COLUMNS];
    float values[2 * 4 * CLASSES];
    int fd = mkstemp(paths[named]);

    require(fd >= 0 && close(fd) == 0);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        x[i] = (float)(i * 37 % 23);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = (float)(i * 7 % 11);
    o.codebooks = 2;
    o.keys = 4;
    o.key_dim = 2;
    require(dkvb_codebooks_fit(&codebooks, x, ROWS, COLUMNS, &o, NULL) == DKVB_OK);
    require(dkvb_model_new(&model, codebooks, CLASSES, NULL) == DKVB_OK);
    require(dkvb_model_set_values(model, values, 0) == DKVB_OK);
    if (named)
        require(dkvb_model_set_column_names(model, names, COLUMNS) == DKVB_OK &&
                dkvb_model_set_class_name(model, 1, "one, \"two\"") == DKVB_OK);
    require(dkvb_model_save(model, paths[named]) == DKVB_OK);
    require(dkvb_live_open(&live, paths[named], NULL) == DKVB_OK);
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks);
    return live;
}

/* The answers of a service, over all batches. */
struct said {
    char *bytes;
    size_t size;
    uint64_t rows, refused;
    dkvb_status end;
};

static void take_answers(struct said *s, dkvb_service *service)
{
    dkvb_answers a = DKVB_ANSWERS_INIT;

    do {
        s->end = dkvb_service_answer(service, &a, NULL);
        if (s->end)
            return;
        s->bytes = realloc(s->bytes, s->size + a.size + 1);
        require(s->bytes != NULL);
        if (a.size > 0)
            memcpy(s->bytes + s->size, a.bytes, a.size);
        s->size += a.size;
        s->rows += a.rows;
        s->refused += a.refused;
    } while (a.more);
}

static struct said talk(dkvb_live *live, uint8_t options, const uint8_t *data, size_t size, size_t piece)
{
    dkvb_service_options o = DKVB_SERVICE_OPTIONS_INIT;
    dkvb_service *service;
    struct said s = {0};

    o.scores = (options & 6) == 2;
    o.top = (options & 6) == 4 ? 2 : 0;
    o.id_column = (options & 8) ? "id" : NULL;
    o.most_bytes = 4096;
    o.most_rows = 16;
    require(dkvb_service_new(&service, live, &o) == DKVB_OK);
    for (size_t at = 0; at < size && !s.end; at += piece) {
        require(dkvb_service_put(service, data + at, size - at < piece ? size - at : piece) == DKVB_OK);
        take_answers(&s, service);
    }
    if (!s.end) {
        require(dkvb_service_put(service, NULL, 0) == DKVB_OK);
        take_answers(&s, service);
    }
    require(!s.end || s.end == DKVB_EFORMAT || s.end == DKVB_EMISMATCH);
    dkvb_service_free(service);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dkvb_live *live[2];
    struct said whole, cut;

    if (size < 1)
        return 0;
    if (!live[0]) {
        atexit(remove_files);
        live[0] = open_model(0);
        live[1] = open_model(1);
    }
    whole = talk(live[data[0] & 1], data[0], data + 1, size - 1, size);
    cut = talk(live[data[0] & 1], data[0], data + 1, size - 1, 1 + (size_t)(data[0] >> 4) * 3);
    require(whole.end == cut.end && whole.rows == cut.rows && whole.refused == cut.refused);
    require(whole.size == cut.size && (whole.size == 0 || memcmp(whole.bytes, cut.bytes, whole.size) == 0));
    free(whole.bytes);
    free(cut.bytes);
    return 0;
}
