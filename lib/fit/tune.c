/* Tuning tries a fixed list of settings on held-out rows. Tuning with a given number of trials chooses the same
 * settings on every machine. */
#include <time.h>

#include "base/alloc.h"
#include "base/ranks.h"
#include "base/status.h"
#include "fit/fit.h"

enum {
    LEAST_HELD = 20, /* Least number of held-out rows by which tuning can tell good settings from bad ones. */
    FEW_ROWS = 1000  /* number of rows below which tuning holds out a larger part of the rows */
};

/* A setting of training that tuning tries; a member that is 0 stands for the value that suits the data. The list of
 * settings that tuning tries holds settings each of which was the best one on some data set; cheap settings come
 * first. */
struct setting {
    uint32_t keys, top_k, whiten, epochs;
    double rate; /* factor by which a setting that tuning tries multiplies the learning rate that suits the data */
};

static const struct setting settings[] = {
    {0, 0, 0, 0, 1.0},     {0, 0, 1, 0, 1.0},     {0, 16, 0, 0, 1.0},    {0, 16, 1, 0, 1.0},    {2048, 16, 0, 0, 1.0},
    {2048, 16, 1, 0, 1.0}, {1024, 16, 0, 3, 1.0}, {1024, 16, 1, 4, 1.0}, {0, 16, 0, 0, 1.5},    {0, 16, 1, 0, 1.5},
    {512, 16, 0, 2, 1.0},  {2048, 16, 0, 3, 1.5}, {2048, 16, 1, 4, 1.0}, {4096, 16, 0, 2, 1.0},
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Finds out whether the time that the caller allowed for tuning is over. Rank 0 decides for all ranks (processes) when
 * tuning ends, as their clocks could differ by a trial. */
static dkvb_status time_is_up(const struct dkvb__fitting *f, double end, bool *up)
{
    dkvb_ranks ranks;
    dkvb_status rc = dkvb__ranks_take(&ranks, f->uncounted.ranks);
    uint8_t over = seconds_now() > end;

    if (!rc)
        rc = dkvb__ranks_broadcast(&ranks, &over, sizeof over);
    *up = over != 0;
    return rc;
}

/* Applies one of the settings that tuning tries to those settings that the caller left open. The function apply()
 * returns false if the setting that tuning tries would change what the caller has fixed, or asks for more keys than the
 * rows can fill. */
static bool apply(const struct setting *s, const struct dkvb__fitting *f, dkvb_settings *to)
{
    bool rate_open = to->train.learning_rate == 0.0;

    if ((s->keys && (to->keyinit.keys || s->keys > f->labelled / 3)) || (s->top_k && to->top_k) ||
        (s->epochs && to->train.epochs) || (s->rate != 1.0 && !rate_open))
        return false;
    if (to->whiten == DKVB_WHITEN_CHOOSE ? s->whiten && f->rows.dim > DKVB__MOST_COMPARED : s->whiten != to->whiten)
        return false;
    to->keyinit.keys = s->keys ? s->keys : to->keyinit.keys;
    to->keyinit.whiten = s->whiten;
    to->whiten = s->whiten ? DKVB_WHITEN_ALWAYS : DKVB_WHITEN_NEVER;
    to->top_k = s->top_k ? s->top_k : to->top_k;
    to->train.epochs = s->epochs ? s->epochs : to->train.epochs;
    dkvb__settings_suit(to, f->labelled, f->rows.dim, f->rows.classes);
    if (rate_open) {
        to->train.learning_rate *= s->rate;
        to->train.rate_last *= s->rate;
    }
    return to->top_k <= to->keyinit.keys;
}

static dkvb_status tell(const dkvb_tune_options *o, uint32_t number, const dkvb_settings *s,
                        const struct dkvb__measured *measured)
{
    dkvb_trial trial = {.struct_size = sizeof trial,
                        .number = number,
                        .keys = s->keyinit.keys,
                        .key_dim = s->keyinit.key_dim,
                        .top_k = s->top_k,
                        .whitened = s->keyinit.whiten,
                        .epochs = s->train.epochs,
                        .learning_rate = s->train.learning_rate,
                        .accuracy = measured->accuracy,
                        .loss = measured->loss,
                        .held_out = measured->rows};

    if (o->report && o->report(o->user, &trial) != 0)
        return dkvb__fail(DKVB_ECANCELLED, "cancelled by the report callback after trial %u", number);
    return DKVB_OK;
}

dkvb_status dkvb_tune(dkvb_settings *chosen, const dkvb_fit_rows *rows, const dkvb_tune_options *given,
                      const dkvb_run_options *run)
{
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_settings open, winner;
    uint32_t made = 0;
    double began = seconds_now(), best = -1.0;
    dkvb_allocator mem;
    struct dkvb__fitting f;
    dkvb_status rc = dkvb__take_options(&o, sizeof o, given, "tune options");

    if (!rc)
        rc = dkvb__check_allocator(o.allocator);
    if (!rc && !(o.seconds >= 0.0))
        rc = dkvb__fail(DKVB_EINVAL, "tune options: seconds is %g, it must be 0 or more", o.seconds);
    if (!rc)
        rc = dkvb__settings_take(&open, chosen);
    if (rc)
        return rc;
    winner = open;
    mem = dkvb__allocator(o.allocator);
    rc = dkvb__fitting_agree(&f, dkvb__fitting_new(&f, rows, run, NULL, &mem));
    if (rc) {
        dkvb__fitting_free(&f);
        return rc;
    }
    f.keeps_share = true;
    f.in_place = true; /* The models that tuning trains are thrown away, so they are trained in place. */
    dkvb__fitting_hold_out(&f, 0.0, f.labelled < FEW_ROWS ? 0.25 : 0.1);
    if (f.held_count < LEAST_HELD)
        rc = dkvb__fail(DKVB_EINVAL, "tune: only %zu rows can be held out, %d are needed to tell settings apart",
                        f.held_count, LEAST_HELD);
    for (size_t i = 0; !rc && i < sizeof settings / sizeof *settings && (o.trials == 0 || made < o.trials); i++) {
        dkvb_settings this = open;
        struct dkvb__measured measured;

        if (o.trials == 0 && made > 0 && o.seconds > 0.0) {
            bool up = false;

            rc = time_is_up(&f, began + o.seconds, &up);
            if (rc || up)
                break;
        }
        if (!apply(&settings[i], &f, &this))
            continue;
        this.keyinit.allocator = o.allocator;
        rc = dkvb__fitting_try(&f, &this, &measured);
        if (!rc)
            rc = dkvb__fitting_agree(&f, tell(&o, ++made, &this, &measured));
        if (!rc && measured.accuracy > best) {
            best = measured.accuracy;
            winner = this;
        }
    }
    dkvb__fitting_free(&f);
    if (!rc && made == 0)
        rc = dkvb__fail(DKVB_EINVAL, "tune: top_k is %u, which is more than the keys of a codebook", open.top_k);
    if (rc)
        return rc;
    winner.keyinit.allocator = open.keyinit.allocator;
    winner.train.trials = made;
    return dkvb__settings_give(&winner, chosen);
}
