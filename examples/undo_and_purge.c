/* Undoes one forgetting, bit for bit; makes another forgetting permanent by a purge, and shows that a purge cannot be
 * undone.
 *
 * Two people ask to be forgotten. The first forgetting was a mistake and is undone; the second is purged, and the model
 * saved. The program sets the model's values by hand, since undo and purge work without training too. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dkvb/dkvb.h>

enum { CLASSES = 3, DIM = 8, ROWS = 300, CODEBOOKS = 16, KEYS = 32 };

static float x[ROWS * DIM], values[CODEBOOKS * KEYS * CLASSES]; /* features and values are stored row after row */
static float before[ROWS * CLASSES], after[ROWS * CLASSES];
static uint16_t codes[ROWS * CODEBOOKS];

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

static void fill(float *out, size_t n, uint64_t state) /* pseudo-random numbers in [-1, 1) */
{
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (float)(state >> 40) / 8388608.0f - 1.0f;
    }
}

static void make_model(dkvb_codebooks **codebooks, dkvb_model **model)
{
    dkvb_keyinit_options opts = DKVB_KEYINIT_OPTIONS_INIT;

    opts.codebooks = CODEBOOKS;
    opts.keys = KEYS;
    opts.key_dim = 4;
    must(dkvb_codebooks_fit(codebooks, x, ROWS, DIM, &opts, NULL));
    must(dkvb_model_new(model, *codebooks, CLASSES, NULL));
    must(dkvb_model_set_values(*model, values, 0));
    must(dkvb_search(*codebooks, NULL, x, ROWS, 1, codes, NULL, NULL));
}

/* Masks every (codebook, key) pair that one of `n` rows selects, from row number `first` on. Returns the number of the
 * journal entry that records the masking. */
static uint64_t forget(dkvb_model *model, size_t first, size_t n, const char *reason)
{
    dkvb_forget_options opts = DKVB_FORGET_OPTIONS_INIT;
    dkvb_request request = DKVB_REQUEST_INIT;
    dkvb_mask *mask;
    uint64_t entry;

    request.method = DKVB_METHOD_EVERY;
    request.codes = codes + first * CODEBOOKS;
    request.n = n;
    opts.method = "every";
    opts.reason = reason;
    must(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    must(dkvb_unlearn_choose(mask, model, &request, 0, NULL)); /* the method `every` ignores the budget of 0 pairs */
    must(dkvb_model_forget(model, mask, &opts, &entry));
    dkvb_mask_free(mask);
    return entry;
}

static void print_journal(const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    must(dkvb_model_get_info(model, &info));
    for (uint64_t i = 0; i < info.journal_entries; i++) {
        dkvb_journal_entry e = DKVB_JOURNAL_ENTRY_INIT;

        must(dkvb_journal_get(model, i, &e));
        printf("  %llu %-6s %4llu pairs  %s\n", (unsigned long long)e.id, dkvb_name(DKVB_NAME_ENTRY_KIND, e.kind),
               (unsigned long long)e.pairs, e.reason);
    }
}

static int same_logits(const dkvb_model *model)
{
    must(dkvb_model_predict(model, x, ROWS, NULL, after, NULL));
    return memcmp(before, after, sizeof before) == 0;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "undo_and_purge.dkvb";
    dkvb_codebooks *codebooks;
    dkvb_model *model, *loaded;
    uint64_t mistake, request;

    fill(x, ROWS * DIM, 1);
    fill(values, CODEBOOKS * KEYS * CLASSES, 2);
    make_model(&codebooks, &model);

    must(dkvb_model_predict(model, x, ROWS, NULL, before, NULL));
    mistake = forget(model, 0, 5, "request 16");
    claim(!same_logits(model), "forgetting changes scores");
    must(dkvb_model_undo(model, mistake, NULL));
    claim(same_logits(model), "undo brings every score back, bit for bit");

    request = forget(model, 5, 5, "request 17");
    must(dkvb_model_predict(model, x, ROWS, NULL, before, NULL));
    must(dkvb_model_purge(model));
    claim(same_logits(model), "purging what is masked changes no score");
    claim(dkvb_model_undo(model, request, NULL) == DKVB_ESTATE, "undo past a purge is refused");
    printf("     (%s)\n", dkvb_last_error());

    must(dkvb_model_save(model, path));
    must(dkvb_model_load(&loaded, path, NULL));
    claim(same_logits(loaded), "the saved model answers alike");
    print_journal(loaded);

    dkvb_model_free(loaded);
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks);
    return remove(path);
}
