/*
 * Golden files of every version of the format. `golden FOLDER` reads each golden file and makes it again. The bytes
 * must be the same on every machine, so the time and the salts are fixed. `golden --write FOLDER` writes the golden
 * files, once, when the format gets a new version.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dkvb/dkvb.h"

enum { N = 48, DIM = 6, CLASSES = 3, CODEBOOKS = 3, TOP_K = 2, DEPTH = 5, FORGOTTEN = 3 };

/* Ids of the rows that every journal entry of the golden models forgets. */
static const uint64_t forgotten[FORGOTTEN] = {21, 6, 15};

#define CHECK(call) check((call), #call)

static void check(dkvb_status rc, const char *what)
{
    if (rc == DKVB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, dkvb_name(DKVB_NAME_STATUS, rc), dkvb_last_error());
    exit(1);
}

static void require(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    exit(1);
}

/* Makes rows from integers only, so that the floats are the same on every machine. */
static void make_rows(float *x, int32_t *y)
{
    for (int r = 0; r < N; r++) {
        y[r] = r % CLASSES;
        for (int i = 0; i < DIM; i++)
            x[r * DIM + i] = (float)(i % CLASSES == y[r] ? 8 : 0) + (float)((r * 31 + i * 17) % 23) / 8.0f;
    }
}

/* Returns the options of placing keys: by moving averages, with two rounds of transforms. */
static dkvb_keyinit_options keyinit_options(uint32_t whiten)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;

    o.method = DKVB_KEYINIT_EMA;
    o.codebooks = CODEBOOKS;
    o.keys = 18;
    o.key_dim = 4;
    o.batch = 16;
    o.normalize = 1;
    o.whiten = whiten;
    o.rows_per_key = 64;
    o.decay = 0.5;
    o.seed = 2;
    return o;
}

static dkvb_train_options train_options(void)
{
    dkvb_train_options o = DKVB_TRAIN_OPTIONS_INIT;

    o.epochs = 2;
    o.batch = 7;
    o.learning_rate = 2.0;
    o.label_smoothing = 0.05;
    o.trials = 5;
    return o;
}

static void add_row(dkvb_codeset *set, uint32_t part, uint64_t id, const int32_t *label, const uint16_t *code)
{
    dkvb_codeset_rows row = DKVB_CODESET_ROWS_INIT;

    row.n = 1;
    row.codebooks = CODEBOOKS;
    row.k = part == DKVB_PART_HELD_OUT ? DEPTH : TOP_K;
    row.ids = &id;
    row.labels = label;
    row.codes = code;
    CHECK(dkvb_codeset_add_rows(set, part, &row));
}

/* Makes a codeset with a training and a held-out part; the ids decide which rows are held out. */
static dkvb_codeset *make_codeset(dkvb_codebooks *cb, uint32_t whiten, const float *x, const int32_t *y)
{
    dkvb_codeset_options options = DKVB_CODESET_OPTIONS_INIT;
    dkvb_keyinit_options keyinit = keyinit_options(whiten);
    dkvb_train_options train = train_options();
    dkvb_model_options model_options = DKVB_MODEL_OPTIONS_INIT;
    const uint64_t removed = 1000;
    uint16_t code[CODEBOOKS * DEPTH];
    dkvb_codeset *set;
    dkvb_model *model;

    options.top_k = TOP_K;
    options.depth = DEPTH;
    options.keyinit = &keyinit;
    CHECK(dkvb_codeset_new(&set, cb, &options));
    for (int r = 0; r < N; r++) {
        uint64_t id = 3 * (uint64_t)r;
        uint32_t held_out = (uint32_t)dkvb_codeset_holds_out(id, 0.25);

        CHECK(dkvb_search(cb, NULL, x + r * DIM, 1, held_out ? DEPTH : TOP_K, code, NULL, NULL));
        add_row(set, held_out ? DKVB_PART_HELD_OUT : DKVB_PART_TRAINING, id, &y[r], code);
    }
    CHECK(dkvb_search(cb, NULL, x, 1, TOP_K, code, NULL, NULL));
    add_row(set, DKVB_PART_TRAINING, removed, &y[0], code);
    /* the codeset remembers the id, so that the row cannot come back */
    CHECK(dkvb_codeset_remove(set, &removed, 1, NULL));
    model_options.top_k = TOP_K;
    CHECK(dkvb_model_new(&model, cb, CLASSES, &model_options)); /* the model that the codeset records */
    CHECK(dkvb_codeset_add_session(set, model, &train, NULL, 0));
    dkvb_model_free(model);
    return set;
}

static dkvb_codeset_rows training_rows(const dkvb_codeset *set)
{
    dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;

    CHECK(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &rows));
    return rows;
}

static dkvb_model *train_model(dkvb_codebooks *cb, const dkvb_codeset *set)
{
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options train = train_options();
    dkvb_codeset_rows rows = training_rows(set);
    dkvb_model *model;

    options.top_k = TOP_K;
    train.ids = rows.ids;
    CHECK(dkvb_model_new(&model, cb, CLASSES, &options));
    CHECK(dkvb_model_train(model, rows.codes, TOP_K, rows.labels, rows.n, &train, NULL));
    CHECK(dkvb_model_set_class_name(model, 0, "zero"));
    CHECK(dkvb_model_set_class_name(model, 2, "two"));
    return model;
}

/* Returns options of a forget operation, with a fixed salt that differs from entry to entry. */
static dkvb_forget_options evidence(uint8_t salt[32], const char *method)
{
    static const uint8_t classes[CLASSES] = {DKVB_FORGET, DKVB_KEEP, DKVB_FORGET};
    static const dkvb_class_effect effects[CLASSES] = {
        {.rows = 4, .right_before = 3, .right_after = 1, .lost = 2},
        {.rows = 5, .right_before = 4, .right_after = 5, .gained = 1},
    };
    dkvb_forget_options o = DKVB_FORGET_OPTIONS_INIT;

    o.method = method;
    o.reason = "golden";
    o.classes = classes;
    o.effects = effects;
    o.max_retain_drop = 0.25;
    o.max_class_loss = 0.5;
    o.rows = forgotten;
    o.row_count = FORGOTTEN;
    o.salt = salt;
    salt[0]++;
    return o;
}

static void forget(dkvb_model *model, const dkvb_codeset *set, uint64_t seed, uint8_t salt[32])
{
    dkvb_forget_options options = evidence(salt, "examples");
    dkvb_codeset_rows rows = training_rows(set);
    dkvb_request request = DKVB_REQUEST_INIT;
    dkvb_mask *mask;

    request.method = DKVB_METHOD_EXAMPLES;
    request.k = TOP_K;
    request.codes = rows.codes;
    request.n = rows.n;
    request.seed = seed;
    options.strength = DKVB_STRENGTH_SUPPRESS;
    options.budget = 1;
    options.found = seed == 9; /* the second journal entry repeats the first one, with a target */
    options.target = 0.125;
    options.again = seed == 9;
    CHECK(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    CHECK(dkvb_unlearn_choose(mask, model, &request, 1, NULL));
    CHECK(dkvb_model_forget(model, mask, &options, NULL));
    dkvb_mask_free(mask);
}

/* Makes a model with everything that a file can hold: names, journal, mask, purged pairs, counts of the classes. */
static dkvb_model *make_model(dkvb_codebooks *cb, const dkvb_codeset *set)
{
    dkvb_model *model = train_model(cb, set);
    dkvb_codeset_rows rows = training_rows(set);
    dkvb_forget_options options;
    uint8_t salt[32];

    memset(salt, 0x59, sizeof salt);
    forget(model, set, 1, salt);
    CHECK(dkvb_model_purge(model));
    forget(model, set, 9, salt);
    CHECK(dkvb_model_count_classes(model, rows.codes, TOP_K, rows.labels, rows.n, NULL));
    options = evidence(salt, "replay");
    options.strength = DKVB_STRENGTH_EXACT;
    options.keys = DKVB_KEYS_KEPT;
    options.after = salt; /* any 32 bytes as head of an older journal */
    CHECK(dkvb_model_replay(model, set, forgotten, FORGOTTEN, &options, NULL, NULL));
    return model;
}

/* The golden models: one for each number type of values, and one with every optional section. */
static const struct golden {
    const char *name;
    uint32_t values_dtype, whiten;
    const char *encoder;
} goldens[] = {
    {"model-2.0.dkvb", DKVB_DTYPE_F32, 0, NULL},
    {"model-2.0-f16.dkvb", DKVB_DTYPE_F16, 0, NULL},
    {"model-2.0-bf16.dkvb", DKVB_DTYPE_BF16, 0, NULL},
    {"model-2.0-whitened.dkvb", DKVB_DTYPE_F16, 1, "an encoder of g\xC3\xB6lden rows"},
};

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    unsigned char *data = malloc(1 << 20);

    require(f && data, path);
    *size = fread(data, 1, 1 << 20, f);
    fclose(f);
    return data;
}

static void compare_files(const char *a, const char *b)
{
    size_t size[2];
    unsigned char *data[2] = {read_file(a, &size[0]), read_file(b, &size[1])};

    require(size[0] == size[1] && memcmp(data[0], data[1], size[0]) == 0, "the file made now equals the golden one");
    free(data[0]);
    free(data[1]);
}

/* Loads a golden model, and checks what every version of the format stores. */
static dkvb_model *load_golden(const char *path, uint64_t entries)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_model *loaded;

    CHECK(dkvb_model_load(&loaded, path, NULL));
    CHECK(dkvb_model_verify(loaded));
    CHECK(dkvb_model_get_info(loaded, &info));
    require(strcmp(dkvb_model_class_name(loaded, 2), "two") == 0, "class 2 is called two");
    require(info.journal_entries == entries, "the journal has as many entries as were made");
    return loaded;
}

static void same_answers(const dkvb_model *a, const dkvb_model *b, const float *x)
{
    float logits[2][N * CLASSES];

    CHECK(dkvb_model_predict(a, x, N, NULL, logits[0], NULL));
    CHECK(dkvb_model_predict(b, x, N, NULL, logits[1], NULL));
    require(memcmp(logits[0], logits[1], sizeof logits[0]) == 0, "the golden model answers as the one made now");
}

static void read_encoder(const dkvb_model *loaded, const dkvb_model *expected)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT, wanted = DKVB_MODEL_INFO_INIT;

    CHECK(dkvb_model_get_info(loaded, &info));
    CHECK(dkvb_model_get_info(expected, &wanted));
    require(info.format_major == 2 && info.format_minor == 0, "the file is of format 2.0");
    require(!wanted.encoder == !info.encoder, "an encoder is noted where one was");
    require(!wanted.encoder || strcmp(info.encoder, wanted.encoder) == 0, "the encoder is the one that was noted");
}

static void read_model(const char *path, const dkvb_model *expected, const float *x)
{
    dkvb_model *loaded = load_golden(path, 4);
    dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    same_answers(loaded, expected, x);
    read_encoder(loaded, expected);
    CHECK(dkvb_model_get_info(loaded, &info));
    require(info.class_counts == 1, "counts of the classes are kept");
    CHECK(dkvb_journal_get(loaded, 3, &entry));
    require(entry.kind == DKVB_JOURNAL_REPLAY && entry.rows == FORGOTTEN, "entry 4 is a replay without three rows");
    require(dkvb_journal_names_rows(loaded, 3, forgotten, FORGOTTEN) == 1, "entry 3 commits to its rows");
    require(dkvb_journal_names_rows(loaded, 1, forgotten, FORGOTTEN) == 0, "the salt of entry 1 has gone in the purge");
    CHECK(dkvb_model_undo(loaded, 3, NULL));
    dkvb_model_free(loaded);
}

/* Reads a golden codes file and removes the forgotten rows from it; training on the remaining rows must give the same
 * values. */
static void read_codes(const char *path, dkvb_codebooks *cb, const float *x, const int32_t *y)
{
    dkvb_codeset *made = make_codeset(cb, 0, x, y), *loaded;
    dkvb_model *expected = make_model(cb, made), *model = make_model(cb, made);

    CHECK(dkvb_codeset_load(&loaded, path, dkvb_model_codebooks(model), NULL));
    require(dkvb_codeset_was_removed(loaded, 1000) && !dkvb_codeset_was_removed(loaded, 999), "id 1000 was removed");
    CHECK(dkvb_codeset_remove(loaded, forgotten, FORGOTTEN, NULL));
    CHECK(dkvb_model_replay(model, loaded, NULL, 0, NULL, NULL, NULL));
    same_answers(model, expected, x);
    dkvb_model_free(model);
    dkvb_model_free(expected);
    dkvb_codeset_free(loaded);
    dkvb_codeset_free(made);
}

/* Reads golden files of format 1, which must be refused with one sentence. */
static void refuse_format_1(const char *path)
{
    dkvb_model *model;
    size_t size;
    unsigned char *data = read_file(path, &size);
    FILE *f = fopen("golden-now.dkvb", "wb");

    data[8] = 1;
    require(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "a file is written");
    require(dkvb_model_load(&model, "golden-now.dkvb", NULL) == DKVB_EFORMAT && !model, "format 1 is refused");
    require(strstr(dkvb_last_error(), "format 1.0 is not supported") != NULL, "the message names the format");
    free(data);
}

int main(int argc, char **argv)
{
    int write = argc == 3 && strcmp(argv[1], "--write") == 0;
    const char *folder = argv[argc - 1];
    char golden[1024];
    float x[N * DIM];
    int32_t y[N];

    if (argc != 2 && !write) {
        fprintf(stderr, "usage: golden [--write] FOLDER\n");
        return 2;
    }
    make_rows(x, y);
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        dkvb_keyinit_options keyinit = keyinit_options(goldens[i].whiten);
        dkvb_codebooks *cb;
        dkvb_codeset *set;
        dkvb_model *model;

        CHECK(dkvb_codebooks_fit(&cb, x, N, DIM, &keyinit, NULL));
        set = make_codeset(cb, goldens[i].whiten, x, y);
        model = make_model(cb, set);
        CHECK(dkvb_model_set_values(model, NULL, goldens[i].values_dtype));
        CHECK(dkvb_model_set_encoder(model, goldens[i].encoder));
        snprintf(golden, sizeof golden, "%s/%s", folder, goldens[i].name);
        CHECK(dkvb_model_save(model, write ? golden : "golden-now.dkvb"));
        if (!write) {
            compare_files(golden, "golden-now.dkvb");
            read_model(golden, model, x);
        }
        if (i == 0) { /* all golden models without whitening have the same codes */
            snprintf(golden, sizeof golden, "%s/codes-2.0.dkvb", folder);
            CHECK(dkvb_codeset_save(set, write ? golden : "golden-now.dkvb"));
            if (!write) {
                compare_files(golden, "golden-now.dkvb");
                read_codes(golden, cb, x, y);
            }
        }
        dkvb_model_free(model);
        dkvb_codeset_free(set);
        dkvb_codebooks_free(cb);
    }
    snprintf(golden, sizeof golden, "%s/%s", folder, goldens[0].name);
    if (!write)
        refuse_format_1(golden);
    return 0;
}
