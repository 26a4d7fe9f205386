/* Chooses training settings that suit the data; docs/method.md has the measurements behind every number in
 * settings.c. */
#include <math.h>
#include <stdbool.h>

#include "base/status.h"
#include "bottleneck/codebooks.h"
#include "bottleneck/keyinit.h"
#include "fit/fit.h"

enum {
    TOP_K = 8, /* default number of keys that a row selects in a codebook */
    /* least number of keys in a codebook per key that a row selects from the codebook: with fewer keys, codes no longer
     * tell rows apart */
    KEYS_A_TOP = 8,
    VALUE_BYTES = 80 << 20, /* size of all values of a model in bytes above which fewer keys are chosen */
    LEAST_KEYS = 256        /* smallest number of keys in a codebook that is chosen to make a model smaller */
};

/* Returns the learning rate of the first epoch that suits the number of classes. A row's gradient step is divided among
 * the classes, so more classes need a larger learning rate: 3 for 10 classes, 6 for 40, 8 from 71 on. */
static double first_rate(uint32_t classes)
{
    double rate = 0.95 * sqrt((double)classes);

    return rate < 2.0 ? 2.0 : rate > 8.0 ? 8.0 : rate;
}

dkvb_status dkvb__settings_take(dkvb_settings *s, const dkvb_settings *given)
{
    dkvb_status rc;

    *s = (dkvb_settings)DKVB_SETTINGS_INIT;
    rc = dkvb__take_options(s, sizeof *s, given, "settings");
    if (!rc && (s->keyinit.struct_size != sizeof s->keyinit || s->train.struct_size != sizeof s->train))
        rc =
            dkvb__fail(DKVB_EINVAL,
                       "settings: struct_size of keyinit is %zu and of train %zu, they must be %zu and %zu: begin with "
                       "DKVB_SETTINGS_INIT",
                       s->keyinit.struct_size, s->train.struct_size, sizeof s->keyinit, sizeof s->train);
    if (!rc && s->whiten > DKVB_WHITEN_CHOOSE)
        rc = dkvb__fail(DKVB_EINVAL, "settings: whiten is %u, it must be 0 to %d", s->whiten, DKVB_WHITEN_CHOOSE);
    return rc;
}

dkvb_status dkvb__settings_give(const dkvb_settings *s, dkvb_settings *to)
{
    return dkvb__give_info(to, s, sizeof *s, "settings");
}

void dkvb__settings_suit(dkvb_settings *s, size_t rows, size_t columns, uint32_t classes)
{
    dkvb_keyinit_options *keyinit = &s->keyinit;
    dkvb_train_options *train = &s->train;
    bool keys_open = keyinit->keys == 0;

    classes = classes > 0 ? classes : 1;
    /* Rows with a single feature are not scaled to length 1, as only the sign of the feature would remain. */
    if (columns == 1)
        keyinit->normalize = 0;
    dkvb__keyinit_suit(keyinit, rows, columns);
    /* If there are many classes, values make up most of a model's size; of all ways to make the model smaller, fewer
     * keys cost the least accuracy. The chosen number of keys in a codebook is a multiple of 64. */
    if (keys_open && keyinit->keys > LEAST_KEYS) {
        uint64_t most = (uint64_t)VALUE_BYTES / (2 * (uint64_t)keyinit->codebooks * classes) / 64 * 64;

        most = most > LEAST_KEYS ? most : LEAST_KEYS;
        keyinit->keys = keyinit->keys < most ? keyinit->keys : (uint32_t)most;
    }
    if (s->top_k == 0)
        s->top_k = keyinit->keys / KEYS_A_TOP > TOP_K ? TOP_K
                   : keyinit->keys < KEYS_A_TOP       ? 1
                                                      : keyinit->keys / KEYS_A_TOP;
    /* Few rows make few training steps, so the settings chosen for few rows have more epochs and smaller batches. */
    if (train->epochs == 0)
        train->epochs = rows > 10000 ? 2 : rows < 2500 ? 8 : (uint32_t)((20000 + rows / 2) / rows);
    if (train->batch == 0)
        for (train->batch = 256; train->batch > 32 && train->batch > rows / 64;)
            train->batch /= 2;
    if (train->learning_rate == 0.0) {
        train->learning_rate = first_rate(classes);
        if (train->rate_last == 0.0)
            train->rate_last = 0.3 * train->learning_rate;
    }
}

/* Applies all settings that the bottleneck paper (arXiv 2311.15268) states, and leaves the other settings as they
 * are. */
static void apply_paper(dkvb_settings *s)
{
    s->keyinit.method = DKVB_KEYINIT_EMA;
    s->keyinit.codebooks = 256;
    s->keyinit.keys = 4096;
    s->keyinit.key_dim = 32;
    s->keyinit.passes = 2;
    s->keyinit.batch = 2048;
    s->keyinit.decay = 0.95;
    s->keyinit.rows_per_key = 64;
    s->keyinit.normalize = 0;
    s->top_k = 1;
    s->whiten = DKVB_WHITEN_NEVER;
    s->train.epochs = 1;
    s->train.learning_rate = 6.0;
    /* The bottleneck paper's learning rate stays constant over all epochs, whatever rate and number of epochs a caller
     * sets. */
    s->train.rate_last = 0.0;
    s->train.label_smoothing = 0.0;
    s->train.batch = 256;
}

/* Returns the number of bytes of a model file without its sections for names, journal and selection counts, which are
 * small at first. */
static uint64_t file_bytes(const struct dkvb__shape *s, uint32_t classes, bool whitened)
{
    uint64_t pairs = (uint64_t)s->codebooks * s->keys;

    return (uint64_t)s->codebooks * dkvb__key_bytes(s) + pairs * classes * 2 + 2 * dkvb__word_count(s) * 8 +
           s->codebooks * 4 + s->input_dim * 4 + (whitened ? dkvb__whitening_count(s) * 4 : 0) + 20 * 64;
}

/* Reduces the numbers of keys and codebooks that the caller left open, so that a model file takes at most `bytes`. */
static dkvb_status shrink(dkvb_settings *s, const dkvb_settings *open, size_t columns, uint32_t classes, uint64_t bytes)
{
    uint64_t whitening = (uint64_t)columns * columns * sizeof(float);
    bool chooses = s->whiten == DKVB_WHITEN_CHOOSE && whitening <= bytes / 4 && columns <= DKVB__MOST_COMPARED;
    bool whitened = s->whiten == DKVB_WHITEN_ALWAYS || chooses;
    bool keys_open = open->keyinit.keys == 0, codebooks_open = open->keyinit.codebooks == 0;
    struct dkvb__shape shape = {s->keyinit.codebooks, s->keyinit.keys, s->keyinit.key_dim, (uint32_t)columns};
    const uint32_t keys = shape.keys, codebooks = shape.codebooks;

    /* Halving the number of keys in a codebook, down to 256, costs less accuracy than halving the number of
     * codebooks. */
    while (file_bytes(&shape, classes, whitened) > bytes) {
        if (keys_open && shape.keys > 256)
            shape.keys /= 2;
        else if (codebooks_open && shape.codebooks > 64)
            shape.codebooks /= 2;
        else if (keys_open && shape.keys > 64)
            shape.keys /= 2;
        else if (codebooks_open && shape.codebooks > 16)
            shape.codebooks /= 2;
        else
            return dkvb__fail(DKVB_EINVAL,
                              "a model of %u codebooks of %u keys for %u classes takes %llu bytes, %llu are too few",
                              shape.codebooks, shape.keys, classes,
                              (unsigned long long)file_bytes(&shape, classes, whitened), (unsigned long long)bytes);
    }
    /* Halving the number of keys may leave the model file far smaller than the limit of bytes allows. If halving the
     * number of keys leaves bytes unused, more keys are added, 64 at a time, then more groups of codebooks. */
    for (bool fits = keys_open; fits;) {
        struct dkvb__shape more = shape;

        more.keys = shape.keys / 64 * 64 + 64;
        fits = more.keys <= keys && file_bytes(&more, classes, whitened) <= bytes;
        shape = fits ? more : shape;
    }
    for (bool fits = codebooks_open; fits;) {
        struct dkvb__shape more = shape;

        more.codebooks += 16;
        fits = more.codebooks <= codebooks && file_bytes(&more, classes, whitened) <= bytes;
        shape = fits ? more : shape;
    }
    s->keyinit.codebooks = shape.codebooks;
    s->keyinit.keys = shape.keys;
    s->top_k = s->top_k < shape.keys ? s->top_k : shape.keys;
    s->whiten = chooses ? DKVB_WHITEN_CHOOSE : whitened ? DKVB_WHITEN_ALWAYS : DKVB_WHITEN_NEVER;
    return DKVB_OK;
}

dkvb_status dkvb_fit_suit(dkvb_settings *settings, size_t rows, size_t columns, uint32_t classes, uint32_t preset,
                          uint64_t bytes)
{
    dkvb_settings s, open;
    dkvb_status rc = dkvb__settings_take(&s, settings);

    if (!rc && preset > DKVB_PRESET_PAPER)
        rc = dkvb__fail(DKVB_EINVAL, "preset is %u, it must be %d (none) or %d (the paper's)", preset, DKVB_PRESET_NONE,
                        DKVB_PRESET_PAPER);
    if (rc)
        return rc;
    if (preset == DKVB_PRESET_PAPER)
        apply_paper(&s);
    open = s;
    dkvb__settings_suit(&s, rows, columns, classes);
    if (bytes > 0)
        rc = shrink(&s, &open, columns, classes, bytes);
    return rc ? rc : dkvb__settings_give(&s, settings);
}
