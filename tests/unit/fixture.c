#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

float rows[ROWS * DIM];
int32_t labels[ROWS];

void make_rows(void)
{
    struct dkvb__rng rng;
    float centers[CLASSES * DIM];

    dkvb__rng_seed(&rng, 7, 0);
    for (size_t i = 0; i < CLASSES * DIM; i++)
        centers[i] = (float)dkvb__rng_gauss(&rng);
    for (size_t r = 0; r < ROWS; r++) {
        labels[r] = (int32_t)(r % CLASSES);
        for (size_t i = 0; i < DIM; i++)
            rows[r * DIM + i] = centers[r % CLASSES * DIM + i] + 0.4f * (float)dkvb__rng_gauss(&rng);
    }
}

dkvb_keyinit_options small_keyinit(void)
{
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;

    o.codebooks = CODEBOOKS;
    o.keys = KEYS;
    o.key_dim = KEY_DIM;
    o.batch = 200;
    return o;
}

dkvb_model *trained_model(uint32_t k, uint16_t *codes)
{
    dkvb_keyinit_options keyinit = small_keyinit();
    dkvb_model_options options = DKVB_MODEL_OPTIONS_INIT;
    dkvb_train_options train = DKVB_TRAIN_OPTIONS_INIT;
    uint16_t *own = codes ? NULL : malloc(ROWS * CODEBOOKS * k * sizeof *own);
    dkvb_codebooks *cb;
    dkvb_model *model;

    make_rows();
    options.top_k = k;
    train.epochs = 3;
    train.batch = 20;
    codes = codes ? codes : own;
    assert_ok(dkvb_codebooks_fit(&cb, rows, ROWS, DIM, &keyinit, NULL));
    assert_ok(dkvb_model_new(&model, cb, CLASSES, &options));
    assert_ok(dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32)); /* float32 values, as tests read them as floats */
    assert_ok(dkvb_search(cb, NULL, rows, ROWS, k, codes, NULL, NULL));
    assert_ok(dkvb_model_train(model, codes, k, labels, ROWS, &train, NULL));
    dkvb_codebooks_free(cb);
    free(own);
    return model;
}

dkvb_status map_model(dkvb_model **out, const char *path, const dkvb_model_options *opts)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;

    if (opts)
        o = *opts;
    o.in_place = 1;
    return dkvb_model_load(out, path, &o);
}

const char *encoder_of(const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    assert_ok(dkvb_model_get_info(model, &info));
    return info.encoder;
}

dkvb_status codeset_add(dkvb_codeset *set, uint32_t part, const uint64_t *ids, const int32_t *row_labels,
                        const uint16_t *codes, size_t n)
{
    dkvb_codeset_info info = DKVB_CODESET_INFO_INIT;
    dkvb_codeset_rows added = DKVB_CODESET_ROWS_INIT;

    assert_ok(dkvb_codeset_get_info(set, &info));
    added.n = n;
    added.codebooks = info.codebooks;
    added.k = part < 2 ? info.k[part] : 0;
    added.ids = ids;
    added.labels = row_labels;
    added.codes = codes;
    return dkvb_codeset_add_rows(set, part, &added);
}

dkvb_mask *mask_for_class(const dkvb_model *model, const uint16_t *codes, int32_t label, uint64_t pairs)
{
    dkvb_request q = DKVB_REQUEST_INIT;
    uint8_t marks[ROWS];
    dkvb_mask *mask;

    for (size_t r = 0; r < ROWS; r++)
        marks[r] = labels[r] == label ? DKVB_FORGET : DKVB_KEEP;
    q.codes = codes;
    q.n = ROWS;
    q.rows = marks;
    assert_ok(dkvb_mask_new(&mask, dkvb_model_codebooks(model)));
    assert_ok(dkvb_unlearn_choose(mask, model, &q, pairs, NULL));
    return mask;
}

bool mask_has(const dkvb_mask *mask, uint32_t codebook, uint32_t key)
{
    dkvb_mask_info info = DKVB_MASK_INFO_INIT;
    uint64_t pair, found;

    assert_ok(dkvb_mask_get_info(mask, &info));
    pair = (uint64_t)codebook * info.keys + key;
    return dkvb_mask_next(mask, pair, &found) && found == pair;
}

uint64_t journal_count(const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;

    assert_ok(dkvb_model_get_info(model, &info));
    return info.journal_entries;
}

static void check_thread(const struct failing_alloc *state)
{
    if (pthread_equal(state->home, pthread_self()))
        return;
    fputs("the allocator is called on a worker thread\n", stderr);
    abort();
}

static void *counting_alloc(void *user, size_t size)
{
    struct failing_alloc *state = user;
    void *ptr;

    check_thread(state);
    if (state->calls++ >= state->fail_at)
        return NULL;
    ptr = malloc(size);
    if (ptr) {
        memset(ptr, 0xA5, size); /* fills memory with junk, so that no code can rely on zeros */
        state->live++;
    }
    return ptr;
}

static void counting_release(void *user, void *ptr)
{
    struct failing_alloc *state = user;

    check_thread(state);
    state->live--;
    free(ptr);
}

dkvb_allocator failing_allocator(struct failing_alloc *state, size_t fail_at)
{
    *state = (struct failing_alloc){.fail_at = fail_at, .home = pthread_self()};
    return (dkvb_allocator){counting_alloc, counting_release, state};
}
