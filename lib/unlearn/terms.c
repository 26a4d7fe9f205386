/* Terms of journal entries (what a forget request asked for, within which limits): converts terms from options to
 * bytes, and from bytes to structs. */
#include "unlearn/terms.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"
#include "dkvb/choose.h"
#include "unlearn/effect.h"
#include "unlearn/journal.h"

enum {
    AT_FLAGS = 0,
    AT_KEYS = 4,
    AT_BUDGET = 8,
    AT_TARGET = 16,
    AT_RETAIN_DROP = 24,
    AT_CLASS_LOSS = 32,
    AT_AGAIN = 40,
    AT_AFTER = 48,
    AT_CLASS_COUNT = 80,
    AT_EFFECT_COUNT = 84,
    CLASS_SIZE = 4, /* number of bytes for a class in the terms (forget request) of a journal entry: the label as u32 */
    /* number of bytes for an effect in the terms (forget request) of a journal entry: u32 label, u64 rows, right
     * before, right after, lost, gained */
    EFFECT_SIZE = 44
};
enum { FORCED = 1, FOUND = 2, HAS_AFTER = 4, ALL_FLAGS = 7 };

static const unsigned char zeros[DKVB__TERMS_SIZE];

size_t dkvb__terms_size(const unsigned char *fixed)
{
    return DKVB__TERMS_SIZE + (size_t)dkvb__read32(fixed + AT_CLASS_COUNT) * CLASS_SIZE +
           (size_t)dkvb__read32(fixed + AT_EFFECT_COUNT) * EFFECT_SIZE;
}

static const unsigned char *class_at(const unsigned char *terms, uint32_t i)
{
    return terms + DKVB__TERMS_SIZE + (size_t)i * CLASS_SIZE;
}

static const unsigned char *effect_at(const unsigned char *terms, uint32_t i)
{
    return class_at(terms, dkvb__read32(terms + AT_CLASS_COUNT)) + (size_t)i * EFFECT_SIZE;
}

/* Checks the counts of right answers before and after a forgetting, of lost and of gained answers: true if the counts
 * can belong together, as a row that was right before is still right or lost, and a row that is right after was right
 * before or is gained. */
static bool effect_can_be(const dkvb_class_effect *e)
{
    return e->right_before <= e->rows && e->lost <= e->right_before && e->gained <= e->rows - e->right_before &&
           e->right_after == e->right_before - e->lost + e->gained;
}

static dkvb_class_effect read_effect(const unsigned char *at)
{
    return (dkvb_class_effect){.rows = dkvb__read64(at + 4),
                               .right_before = dkvb__read64(at + 12),
                               .right_after = dkvb__read64(at + 20),
                               .lost = dkvb__read64(at + 28),
                               .gained = dkvb__read64(at + 36)};
}

static unsigned char *write_effect(unsigned char *to, uint32_t label, const dkvb_class_effect *e)
{
    const uint64_t counts[5] = {e->rows, e->right_before, e->right_after, e->lost, e->gained};

    dkvb__write32(to, label);
    for (size_t i = 0; i < 5; i++)
        dkvb__write64(to + 4 + 8 * i, counts[i]);
    return to + EFFECT_SIZE;
}

static bool is_share(double x)
{
    /* A value that should be a fraction is refused if it is NaN, as any comparison with NaN is false. */
    return x >= 0.0 && x <= 1.0;
}

static dkvb_status check_numbers(const dkvb_forget_options *o)
{
    const struct {
        const char *name;
        double value;
    } shares[] = {{"target", o->found ? o->target : 0.0},
                  {"max_retain_drop", o->max_retain_drop},
                  {"max_class_loss", o->max_class_loss}};

    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (!is_share(shares[i].value))
            return dkvb__fail(DKVB_EINVAL, "%s: %g found, it must be 0 to 1", shares[i].name, shares[i].value);
    if (o->forced > 1 || o->found > 1)
        return dkvb__fail(DKVB_EINVAL, "%s: %u found, it must be 0 or 1", o->forced > 1 ? "forced" : "found",
                          o->forced > 1 ? o->forced : o->found);
    if (o->keys > DKVB_KEYS_PLACED)
        return dkvb__fail(DKVB_EINVAL, "keys: %u found, it must be 0 (not said), 1 (kept) or 2 (placed)", o->keys);
    return DKVB_OK;
}

/* Checks the journal entry number `again`, whose forgetting is to be repeated: a forgetting can be repeated only while
 * it is in force. */
static dkvb_status check_again(const dkvb_model *model, uint64_t again)
{
    const struct dkvb__journal *j = &model->journal;

    if (again > j->count)
        return dkvb__fail(DKVB_EINVAL, "again: there is no journal entry %llu, the journal has %zu",
                          (unsigned long long)again, j->count);
    if (again > 0 &&
        (j->records[again - 1].kind != DKVB_JOURNAL_FORGET || !dkvb__record_in_force(&j->records[again - 1])))
        return dkvb__fail(DKVB_EINVAL, "again: journal entry %llu %s", (unsigned long long)again,
                          j->records[again - 1].kind != DKVB_JOURNAL_FORGET    ? "is not a forgetting"
                          : j->records[again - 1].state == DKVB_JOURNAL_UNDONE ? "was undone"
                                                                               : "is over: it was taught again");
    return DKVB_OK;
}

/* Counts, among the model's `classes`, those that a forget request asks for and those whose loss of accuracy was
 * measured. */
static dkvb_status count_classes(const dkvb_model *model, const dkvb_forget_options *o, uint32_t *asked,
                                 uint32_t *measured)
{
    *asked = *measured = 0;
    for (uint32_t l = 0; l < model->classes; l++) {
        *asked += o->classes && o->classes[l] == DKVB_FORGET;
        *measured += o->effects && o->effects[l].rows > 0;
        if (o->effects && !effect_can_be(&o->effects[l]))
            return dkvb__fail(DKVB_EINVAL,
                              "effects: class %u: of %llu rows, %llu right before, %llu after, %llu lost, %llu gained "
                              "cannot be",
                              l, (unsigned long long)o->effects[l].rows, (unsigned long long)o->effects[l].right_before,
                              (unsigned long long)o->effects[l].right_after, (unsigned long long)o->effects[l].lost,
                              (unsigned long long)o->effects[l].gained);
    }
    if (o->classes && *asked == 0)
        return dkvb__fail(DKVB_EINVAL, "classes: none of %u is marked %d; NULL says that nobody was asked for by class",
                          model->classes, DKVB_FORGET);
    return DKVB_OK;
}

static void write_fixed(unsigned char *to, const dkvb_forget_options *o, uint32_t asked, uint32_t measured)
{
    memset(to, 0, DKVB__TERMS_SIZE);
    dkvb__write32(to + AT_FLAGS, (o->forced ? FORCED : 0u) | (o->found ? FOUND : 0u) | (o->after ? HAS_AFTER : 0u));
    dkvb__write32(to + AT_KEYS, o->keys);
    dkvb__write64(to + AT_BUDGET, o->budget);
    /* Adding 0 turns a negative 0 into a positive 0, so that equal target accuracies of requests are stored as equal
     * bytes. */
    dkvb__write_double(to + AT_TARGET, o->found ? o->target + 0.0 : 0.0);
    dkvb__write_double(to + AT_RETAIN_DROP, o->max_retain_drop + 0.0);
    dkvb__write_double(to + AT_CLASS_LOSS, o->max_class_loss + 0.0);
    dkvb__write64(to + AT_AGAIN, o->again);
    if (o->after)
        memcpy(to + AT_AFTER, o->after, 32);
    dkvb__write32(to + AT_CLASS_COUNT, asked);
    dkvb__write32(to + AT_EFFECT_COUNT, measured);
}

dkvb_status dkvb__terms_take(struct dkvb__record *record, const dkvb_model *model, const dkvb_forget_options *o)
{
    unsigned char fixed[DKVB__TERMS_SIZE], *to;
    uint32_t asked, measured;
    dkvb_status rc = check_numbers(o);

    if (!rc)
        rc = check_again(model, o->again);
    if (!rc)
        rc = count_classes(model, o, &asked, &measured);
    if (rc)
        return rc;
    write_fixed(fixed, o, asked, measured);
    if (memcmp(fixed, zeros, sizeof fixed) == 0)
        /* A journal entry without terms (what its forget request asked for) has no bytes for them, neither in memory
         * nor in files. */
        return DKVB_OK;
    record->terms_size = dkvb__terms_size(fixed);
    record->terms = dkvb__alloc(&model->mem, record->terms_size, 1);
    if (!record->terms)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the terms of a journal entry");
    memcpy(record->terms, fixed, sizeof fixed);
    to = record->terms + sizeof fixed;
    for (uint32_t l = 0; asked && l < model->classes; l++)
        if (o->classes[l] == DKVB_FORGET) {
            dkvb__write32(to, l);
            to += CLASS_SIZE;
        }
    for (uint32_t l = 0; measured && l < model->classes; l++)
        if (o->effects[l].rows > 0)
            to = write_effect(to, l, &o->effects[l]);
    return DKVB_OK;
}

/* True if eight stored bytes are a fraction as the library writes it: a number from 0 to 1, and 0 without a minus
 * sign. */
static bool reads_share(const unsigned char *at)
{
    double x = dkvb__read_double(at);

    return is_share(x) && !signbit(x);
}

/* True if the labels stored from `at` on, one every `step` bytes, ascend and are classes of the model. */
static bool labels_ascend(const unsigned char *at, uint32_t count, size_t step, uint32_t classes)
{
    for (uint32_t i = 0; i < count; i++, at += step)
        if (dkvb__read32(at) >= classes || (i > 0 && dkvb__read32(at) <= dkvb__read32(at - step)))
            return false;
    return true;
}

const char *dkvb__terms_fault(const dkvb_model *model, size_t index)
{
    const struct dkvb__record *r = &model->journal.records[index];
    const unsigned char *t = r->terms;
    uint32_t flags = dkvb__read32(t + AT_FLAGS), classes = dkvb__read32(t + AT_CLASS_COUNT),
             effects = dkvb__read32(t + AT_EFFECT_COUNT);
    uint64_t again = dkvb__read64(t + AT_AGAIN);

    if (r->kind == DKVB_JOURNAL_UNDO || r->kind == DKVB_JOURNAL_PURGE)
        return "has terms but is an undo or a purge";
    if (memcmp(t, zeros, sizeof zeros) == 0)
        return "has terms that say nothing";
    if (flags > ALL_FLAGS || dkvb__read32(t + AT_KEYS) > DKVB_KEYS_PLACED ||
        (!(flags & HAS_AFTER) && memcmp(t + AT_AFTER, zeros, 32) != 0))
        return "has terms with fields this library does not know";
    if (!reads_share(t + AT_TARGET) || !reads_share(t + AT_RETAIN_DROP) || !reads_share(t + AT_CLASS_LOSS) ||
        (!(flags & FOUND) && dkvb__read_double(t + AT_TARGET) > 0.0))
        return "has limits that cannot be";
    if (again > index || (again > 0 && model->journal.records[again - 1].kind != DKVB_JOURNAL_FORGET))
        return "repeats an entry that is not an earlier forgetting";
    if (!labels_ascend(class_at(t, 0), classes, CLASS_SIZE, model->classes) ||
        !labels_ascend(effect_at(t, 0), effects, EFFECT_SIZE, model->classes))
        return "names classes that do not exist or do not ascend";
    for (uint32_t i = 0; i < effects; i++) {
        dkvb_class_effect e = read_effect(effect_at(t, i));

        if (e.rows == 0 || !effect_can_be(&e))
            return "has an effect that cannot be";
    }
    return NULL;
}

bool dkvb__terms_find_class(const struct dkvb__record *record, const uint8_t *marks, uint32_t *label)
{
    for (uint32_t i = 0; record->terms && i < dkvb__read32(record->terms + AT_CLASS_COUNT); i++) {
        *label = dkvb__read32(class_at(record->terms, i));
        if (marks[*label])
            return true;
    }
    return false;
}

void dkvb__terms_tell(const struct dkvb__record *record, dkvb_journal_entry *entry)
{
    const unsigned char *t = record->terms ? record->terms : zeros;
    uint32_t flags = dkvb__read32(t + AT_FLAGS);

    entry->by_class = dkvb__read32(t + AT_CLASS_COUNT) > 0;
    entry->measured = dkvb__read32(t + AT_EFFECT_COUNT) > 0;
    entry->forced = (flags & FORCED) != 0;
    entry->found = (flags & FOUND) != 0;
    entry->keys = dkvb__read32(t + AT_KEYS);
    entry->budget = dkvb__read64(t + AT_BUDGET);
    entry->target = dkvb__read_double(t + AT_TARGET);
    entry->max_retain_drop = dkvb__read_double(t + AT_RETAIN_DROP);
    entry->max_class_loss = dkvb__read_double(t + AT_CLASS_LOSS);
    entry->again = dkvb__read64(t + AT_AGAIN);
    entry->has_after = (flags & HAS_AFTER) != 0;
    memcpy(entry->after, t + AT_AFTER, sizeof entry->after);
}

dkvb_status dkvb_journal_get_terms(const dkvb_model *model, uint64_t entry, uint8_t *marks, dkvb_class_effect *effects)
{
    const struct dkvb__journal *j = &model->journal;
    const unsigned char *t;

    if (entry < 1 || entry > j->count)
        return dkvb__fail(DKVB_ENOTFOUND, "there is no journal entry %llu, the journal has %zu",
                          (unsigned long long)entry, j->count);
    t = j->records[entry - 1].terms ? j->records[entry - 1].terms : zeros;
    if (marks)
        memset(marks, DKVB_KEEP, model->classes);
    for (uint32_t i = 0; marks && i < dkvb__read32(t + AT_CLASS_COUNT); i++)
        marks[dkvb__read32(class_at(t, i))] = DKVB_FORGET;
    if (effects)
        memset(effects, 0, model->classes * sizeof *effects);
    for (uint32_t i = 0; effects && i < dkvb__read32(t + AT_EFFECT_COUNT); i++) {
        const unsigned char *at = effect_at(t, i);
        dkvb_class_effect e = read_effect(at);

        /* When the counts of rows that a class lost and gained are added to a sum of such counts, the loss of accuracy
         * that the sum stands for, and the interval of this loss, are computed again. */
        dkvb__effect_add(&effects[dkvb__read32(at)], &e);
    }
    return DKVB_OK;
}
