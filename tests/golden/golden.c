/*
 * Files of every version of the format. `golden FOLDER` reads each of them, and makes the newest again: the same bytes
 * must come out on every machine, so time and salts are fixed. `golden --write FOLDER` writes the newest, once, when
 * the format gets a new version.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dkvb/dkvb.h"

enum { N = 48, DIM = 6, CLASSES = 3 };

#define CHECK(call) check((call), #call)

static void check(dkvb_status rc, const char *what)
{
    if (rc == DKVB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, dkvb_status_name(rc), dkvb_last_error());
    exit(1);
}

static void require(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    exit(1);
}

/* Rows from integers only: the same floats everywhere. */
static void make_rows(float *x, int32_t *y)
{
    for (int r = 0; r < N; r++) {
        y[r] = r % CLASSES;
        for (int i = 0; i < DIM; i++)
            x[r * DIM + i] = (float)(i % CLASSES == y[r] ? 8 : 0) + (float)((r * 31 + i * 17) % 23) / 8.0f;
    }
}

/* Everything that a file can hold: names, journal, mask, purged pairs. Moving averages, two keys a codebook, weight
 * decay. */
static dkvb_model *make_model(const float *x, const int32_t *y)
{
    dkvb_keyinit_options keyinit = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options train = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_forget_options forget = DKVB_FORGET_OPTIONS_INIT;
    static const uint64_t forgotten[] = {21, 3, 12};
    uint8_t salt[32];
    uint16_t codes[N * 3 * 2];
    dkvb_codebooks *cb;
    dkvb_model *model;
    dkvb_mask *mask;

    keyinit.codebooks = 3;
    keyinit.keys = 18;
    keyinit.key_dim = 4;
    keyinit.batch = 16;
    keyinit.normalize = 1;
    keyinit.decay = 0.5;
    keyinit.seed = 2;
    options.top_k = 2;
    train.epochs = 2;
    train.batch = 7;
    train.learning_rate = 2.0;
    train.weight_decay = 0.001;
    CHECK(dkvb_codebooks_fit(&cb, x, N, DIM, &keyinit, NULL));
    CHECK(dkvb_model_new(&model, cb, CLASSES, &options));
    CHECK(dkvb_search(cb, NULL, x, N, 2, codes, NULL, NULL));
    CHECK(dkvb_model_train(model, codes, 2, y, N, &train, NULL));
    CHECK(dkvb_model_set_class_name(model, 0, "zero"));
    CHECK(dkvb_model_set_class_name(model, 2, "two"));
    CHECK(dkvb_mask_new(&mask, cb));
    CHECK(dkvb_unlearn_by_examples(mask, codes, 2, N, 1, 1));
    forget.method = "examples";
    forget.reason = "golden";
    forget.strength = DKVB_STRENGTH_SUPPRESS;
    forget.parameters = "examples=1 seed=1";
    forget.effect = "rows=3";
    forget.rows = forgotten;
    forget.row_count = 3;
    forget.salt = salt;
    memset(salt, 0x5A, sizeof salt);
    CHECK(dkvb_model_forget(model, mask, &forget, NULL));
    CHECK(dkvb_model_purge(model));
    dkvb_mask_clear(mask);
    CHECK(dkvb_unlearn_by_examples(mask, codes, 2, N, 1, 9));
    forget.parameters = "examples=1 seed=9";
    salt[0]++;
    CHECK(dkvb_model_forget(model, mask, &forget, NULL));
    dkvb_mask_free(mask);
    dkvb_codebooks_free(cb);
    return model;
}

/* Files of the newest version, which this program makes again: types of the values. */
static const struct golden {
    const char *name;
    uint32_t values_dtype;
} goldens[] = {
    {"model-1.1.dkvb", DKVB_DTYPE_F32},
    {"model-1.1-f16.dkvb", DKVB_DTYPE_F16},
    {"model-1.1-bf16.dkvb", DKVB_DTYPE_BF16},
};

/* Files of older versions, which are only read: what it takes to train a model again may have changed since. */
static const char *const older[] = {"model-1.0.dkvb", "model-1.0-f16.dkvb", "model-1.0-bf16.dkvb"};

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

/* What is in every file, whatever its version. */
static dkvb_model *load_golden(const char *path)
{
    dkvb_model *loaded;

    CHECK(dkvb_model_load(&loaded, path, NULL));
    CHECK(dkvb_model_verify(loaded));
    require(strcmp(dkvb_model_class_name(loaded, 2), "two") == 0, "class 2 is called two");
    require(dkvb_journal_count(loaded) == 3, "the journal has three entries");
    return loaded;
}

static void read_golden(const char *path, const dkvb_model *expected, const float *x)
{
    static const uint64_t forgotten[] = {3, 12, 21};
    float logits[2][N * CLASSES];
    dkvb_model *loaded = load_golden(path);

    CHECK(dkvb_model_predict(loaded, x, N, NULL, logits[0], NULL));
    CHECK(dkvb_model_predict(expected, x, N, NULL, logits[1], NULL));
    require(memcmp(logits[0], logits[1], sizeof logits[0]) == 0, "the golden model answers as the one made now");
    require(dkvb_journal_names_rows(loaded, 3, forgotten, 3) == 1, "entry 3 commits to its rows");
    require(dkvb_journal_names_rows(loaded, 1, forgotten, 3) == 0, "the salt of entry 1 has gone in the purge");
    CHECK(dkvb_model_undo(loaded, 3));
    dkvb_model_free(loaded);
}

/* Older files have no evidence; saved, they get as much as there is, and lose nothing. */
static void read_older(const char *path, const float *x, const int32_t *y)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;
    uint8_t head[2][32];
    int32_t answers[N], right = 0;
    dkvb_model *loaded = load_golden(path), *again;

    CHECK(dkvb_model_get_info(loaded, &info));
    require(info.format_major == 1 && info.format_minor == 0, "the file is of format 1.0");
    CHECK(dkvb_journal_get(loaded, 2, &entry));
    require(!entry.has_commitment && !entry.has_pairs_commitment && !entry.salted, "entry 3 has no evidence");
    CHECK(dkvb_model_predict(loaded, x, N, answers, NULL, NULL));
    for (int r = 0; r < N; r++)
        right += answers[r] == y[r];
    require(right > N / 2, "the older model answers");
    dkvb_journal_head(loaded, head[0]);
    CHECK(dkvb_model_save(loaded, "golden-now.dkvb"));
    CHECK(dkvb_model_load(&again, "golden-now.dkvb", NULL));
    dkvb_journal_head(again, head[1]);
    require(memcmp(head[0], head[1], sizeof head[0]) == 0, "the head is the same after saving");
    CHECK(dkvb_model_undo(again, 3));
    dkvb_model_free(loaded);
    dkvb_model_free(again);
}

int main(int argc, char **argv)
{
    int write = argc == 3 && strcmp(argv[1], "--write") == 0;
    char golden[1024];
    float x[N * DIM];
    int32_t y[N];

    if (argc != 2 && !write) {
        fprintf(stderr, "usage: golden [--write] FOLDER\n");
        return 2;
    }
    make_rows(x, y);
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        dkvb_model *model = make_model(x, y);

        snprintf(golden, sizeof golden, "%s/%s", argv[argc - 1], goldens[i].name);
        CHECK(dkvb_model_set_values_dtype(model, goldens[i].values_dtype));
        CHECK(dkvb_model_save(model, write ? golden : "golden-now.dkvb"));
        if (!write) {
            compare_files(golden, "golden-now.dkvb");
            read_golden(golden, model, x);
        }
        dkvb_model_free(model);
    }
    for (size_t i = 0; !write && i < sizeof older / sizeof *older; i++) {
        snprintf(golden, sizeof golden, "%s/%s", argv[1], older[i]);
        read_older(golden, x, y);
    }
    return 0;
}
