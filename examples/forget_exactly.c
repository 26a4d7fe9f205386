/* Forgets rows exactly: the values are trained again without the forgotten rows, from stored codes. The new values are
 * byte for byte those of a model that was never trained on the forgotten rows.
 *
 * The example forgets the rows of forty customers. The codeset keeps the id of each customer's row beside the row's
 * codes, so forgetting reads no row again. The keys were placed on other, public rows, since training the values again
 * cannot take back an influence of rows on the keys. The rows are synthetic: four classes, each a cloud around its own
 * centre. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dkvb/dkvb.h>

enum { CLASSES = 4, DIM = 16, ROWS = 2000, GONE = 40, CODEBOOKS = 32, KEYS = 64 };
enum { VALUES = CODEBOOKS * KEYS * CLASSES };

static float public_x[ROWS * DIM], x[ROWS * DIM], before[VALUES], replayed[VALUES], never[VALUES];
static int32_t y[ROWS];
static uint16_t codes[ROWS * CODEBOOKS];
static uint64_t ids[ROWS], gone[GONE]; /* ids of all customers, and of those to forget, ascending */

static void must(dkvb_status rc)
{
    if (rc == DKVB_OK)
        return;
    fprintf(stderr, "%s: %s\n", dkvb_name(DKVB_NAME_STATUS, rc), dkvb_last_error());
    exit(1);
}

static void claim(int holds, const char *what)
{
    printf("%s: %s\n", holds ? "yes" : "NO ", what);
    if (!holds)
        exit(1);
}

static float uniform(uint64_t *state) /* a pseudo-random number in [-1, 1) */
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / 8388608.0f - 1.0f;
}

static void make_rows(float *rows, uint64_t seed)
{
    for (size_t r = 0; r < ROWS; r++) {
        uint64_t center = (uint64_t)(y[r] = (int32_t)(r % CLASSES)) + 1;

        ids[r] = 100000 + 7 * r;
        for (size_t i = 0; i < DIM; i++)
            rows[r * DIM + i] = uniform(&center) + 0.5f * (uniform(&seed) + uniform(&seed));
    }
    for (size_t i = 0; i < GONE; i++)
        gone[i] = ids[i * 49 + 3];
}

static dkvb_train_options training(const uint64_t *row_ids)
{
    dkvb_train_options opts = DKVB_TRAIN_OPTIONS_INIT;

    opts.epochs = 3;
    opts.seed = 11;
    opts.ids = row_ids; /* training orders rows by ids, so the remaining rows keep their order */
    return opts;
}

/* Makes a codeset, which stores ids, labels and codes of the training rows. */
static void keep_codes(dkvb_codeset **set, const dkvb_codebooks *codebooks)
{
    dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;

    rows.n = ROWS;
    rows.codebooks = CODEBOOKS;
    rows.k = 1;
    rows.ids = ids;
    rows.labels = y;
    rows.codes = codes;
    must(dkvb_codeset_new(set, codebooks, NULL));
    must(dkvb_codeset_add_rows(*set, DKVB_PART_TRAINING, &rows));
}

/* Trains a model on the rows that a codeset holds. */
static void train(dkvb_model **model, dkvb_codebooks *codebooks, const dkvb_codeset *set)
{
    dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;
    dkvb_train_options opts;

    must(dkvb_codeset_get_rows(set, DKVB_PART_TRAINING, &rows));
    opts = training(rows.ids);
    must(dkvb_model_new(model, codebooks, CLASSES, NULL));
    must(dkvb_model_train(*model, rows.codes, 1, rows.labels, rows.n, &opts, NULL));
}

static void replay(dkvb_model *model, const dkvb_codeset *set)
{
    dkvb_forget_options opts = DKVB_FORGET_OPTIONS_INIT;
    uint64_t entry;

    opts.reason = "forty customers left";
    opts.strength = DKVB_STRENGTH_EXACT;
    opts.rows = gone; /* of the ids of the forgotten rows, the journal stores only a salted hash */
    opts.row_count = GONE;
    must(dkvb_model_replay(model, set, gone, GONE, &opts, &entry, NULL));
    claim(dkvb_journal_names_rows(model, entry, gone, GONE),
          "the journal says that it was these rows, to who knows them");
}

int main(void)
{
    dkvb_keyinit_options keyinit = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *codebooks;
    dkvb_model *model, *other;
    dkvb_codeset *set;
    dkvb_train_options opts;
    uint64_t removed;

    keyinit.codebooks = CODEBOOKS;
    keyinit.keys = KEYS;
    keyinit.key_dim = 8;
    make_rows(public_x, 1);
    make_rows(x, 2);
    must(dkvb_codebooks_fit(&codebooks, public_x, ROWS, DIM, &keyinit, NULL));
    /* from here on the program uses the codes of the rows, never the rows themselves */
    must(dkvb_search(codebooks, NULL, x, ROWS, 1, codes, NULL, NULL));
    keep_codes(&set, codebooks);
    train(&model, codebooks, set);
    opts = training(NULL);
    must(dkvb_codeset_add_session(set, model, &opts, NULL, 0)); /* the codeset records how the values were trained */
    must(dkvb_model_get_values(model, before));

    replay(model, set);
    must(dkvb_model_get_values(model, replayed));
    claim(memcmp(before, replayed, sizeof before) != 0, "the forty rows had taught the values something");

    must(dkvb_codeset_remove(set, gone, GONE, &removed)); /* a real program saves the model before it removes rows */
    claim(removed == GONE, "and their codes are taken out as well");
    train(&other, codebooks, set); /* trains a second model without the rows of the forty customers */
    must(dkvb_model_get_values(other, never));
    claim(memcmp(replayed, never, sizeof never) == 0, "the values are, byte for byte, those of a model without them");

    dkvb_codeset_free(set);
    dkvb_model_free(other);
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks);
    return 0;
}
