#include "bottleneck/train_record.h"

#include <string.h>

#include "base/bytes.h"
#include "base/status.h"
#include "bottleneck/model.h"

/* Offsets of the fields in a record of training options. */
enum {
    AT_EPOCHS = 0,
    AT_BATCH = 4,
    AT_NO_SHUFFLE = 8,
    AT_CLASS_WEIGHT = 12,
    AT_LEARNING_RATE = 16,
    AT_RATE_LAST = 24,
    AT_LABEL_SMOOTHING = 32,
    AT_SEED = 40,
    AT_TRIALS = 48
};

void dkvb__train_options_pack(const dkvb_train_options *o, unsigned char to[DKVB__TRAINING_SIZE])
{
    memset(to, 0, DKVB__TRAINING_SIZE);
    dkvb__write32(to + AT_EPOCHS, o->epochs);
    dkvb__write32(to + AT_BATCH, o->batch);
    dkvb__write32(to + AT_NO_SHUFFLE, o->no_shuffle);
    dkvb__write32(to + AT_CLASS_WEIGHT, o->class_weight);
    dkvb__write_double(to + AT_LEARNING_RATE, o->learning_rate);
    dkvb__write_double(to + AT_RATE_LAST, o->rate_last);
    dkvb__write_double(to + AT_LABEL_SMOOTHING, o->label_smoothing);
    dkvb__write64(to + AT_SEED, o->seed);
    dkvb__write32(to + AT_TRIALS, o->trials);
}

dkvb_status dkvb__train_options_unpack(dkvb_train_options *o, const unsigned char from[DKVB__TRAINING_SIZE])
{
    dkvb_train_options given = DKVB_TRAIN_OPTIONS_INIT;
    unsigned char again[DKVB__TRAINING_SIZE];
    dkvb_status rc;

    given.epochs = dkvb__read32(from + AT_EPOCHS);
    given.batch = dkvb__read32(from + AT_BATCH);
    given.no_shuffle = dkvb__read32(from + AT_NO_SHUFFLE);
    given.class_weight = dkvb__read32(from + AT_CLASS_WEIGHT);
    given.learning_rate = dkvb__read_double(from + AT_LEARNING_RATE);
    given.rate_last = dkvb__read_double(from + AT_RATE_LAST);
    given.label_smoothing = dkvb__read_double(from + AT_LABEL_SMOOTHING);
    given.seed = dkvb__read64(from + AT_SEED);
    given.trials = dkvb__read32(from + AT_TRIALS);
    *o = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    rc = dkvb__train_options_take(o, &given);
    if (rc)
        return rc;
    /* Every byte of a training record that this library does not know must be zero: a newer library may give it a
     * meaning, which a replay by this library would lose. */
    dkvb__train_options_pack(o, again);
    if (memcmp(again, from, sizeof again) != 0)
        return dkvb__fail(DKVB_EINVAL, "training options use fields that this library does not know");
    return DKVB_OK;
}
