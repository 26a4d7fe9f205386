/*
 * A live model follows a model file whenever the file is replaced.
 *
 * A live model keeps each loaded version of the model in a slot of its own. A slot (one loaded version of the model)
 * counts the users of its model in one atomic word, which also has two flags, RETIRED and FREEING. A thread that wants
 * to use a live model adds 1 to the atomic word of the current slot (the newest loaded version) and checks that the
 * slot is still current; otherwise the thread subtracts 1 again and starts over. A thread that has loaded a newer
 * version of a live model first makes the new slot current, and then sets the flag RETIRED in the old model's slot.
 * Every thread that wants the model of a slot (one loaded version) either was counted before the flag RETIRED was set,
 * so that the model stays until the use ends, or sees that another slot is current. A slot with the flag RETIRED and no
 * users is emptied by the thread that retired the slot or ended its last use: that thread frees the slot's model. A
 * slot holds one model after another, and the slot's memory is freed only together with the live model's handle, so no
 * thread ever counts itself as a user in freed memory.
 */
#include "dkvb/live.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/status.h"

enum { MOST_TRIES = 1000 }; /* largest number of times in a row that a file may be replaced while it is being opened */

/* flag of a slot (one loaded version of a live model) whose model was replaced by a newer one */
static const uint64_t RETIRED = UINT64_C(1) << 63;
/* flag of a slot (one loaded version of a live model) whose model is being freed by one thread */
static const uint64_t FREEING = UINT64_C(1) << 62;

/* Identity of a model file, to see that the file was replaced. As the model in use maps its file, the file that
 * replaces the mapped file cannot get the same inode number. If a program overwrites the model file in place, the
 * file's size or times change. */
struct identity {
    dev_t device;
    ino_t inode;
    off_t size;
    /* times of the last change of the file's contents and of its inode: st_mtim, st_ctim */
    struct timespec changed, noted;
};

struct slot {
    struct slot *next;
    _Atomic(dkvb_model *) model; /* the loaded model in this slot of a live model; NULL: the slot is free */
    /* number of threads that use the model in this slot of a live model, with the flags RETIRED and FREEING */
    _Atomic uint64_t word;
    /* identity of the model file that was loaded into a slot, constant while the slot is current */
    struct identity file;
};

struct dkvb_live {
    dkvb_allocator mem;
    char *path;
    bool verify;
    _Atomic(struct slot *) current;
    _Atomic(struct slot *) slots; /* list of all slots (loaded versions) of the live model; new slots come first */
    _Atomic uint64_t taken;
    pthread_mutex_t replacing; /* mutex that is held only while a replaced file is being opened */
};

static dkvb_status look(const char *path, struct identity *file)
{
    struct stat st;

    memset(file, 0, sizeof *file);
    if (stat(path, &st) != 0)
        return dkvb__fail_errno(path, "look at the model file");
    *file = (struct identity){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
    return DKVB_OK;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_file(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && same_time(a->changed, b->changed) &&
           same_time(a->noted, b->noted);
}

/* Frees the model of a slot (one loaded version of a live model) if the slot is retired, has no user, and no other
 * thread is freeing its model. */
static void empty(struct slot *slot)
{
    uint64_t word = RETIRED;

    if (!atomic_compare_exchange_strong(&slot->word, &word, RETIRED | FREEING))
        return;
    dkvb_model_free(atomic_load(&slot->model));
    atomic_store(&slot->model, NULL);
    /* after this line another thread may use the slot for another version of the live model */
    atomic_fetch_and(&slot->word, ~(RETIRED | FREEING));
}

static void leave(struct slot *slot)
{
    if (atomic_fetch_sub(&slot->word, 1) == (RETIRED | 1))
        empty(slot);
}

static struct slot *hold(dkvb_live *live)
{
    for (;;) {
        struct slot *slot = atomic_load(&live->current);

        atomic_fetch_add(&slot->word, 1);
        if (slot == atomic_load(&live->current))
            return slot;
        leave(slot);
    }
}

/* Returns a free slot for a loaded version of the live model, which no other thread will take, or NULL if memory ran
 * out. */
static struct slot *free_slot(dkvb_live *live)
{
    struct slot *slot = atomic_load(&live->slots);

    for (; slot; slot = slot->next)
        if (!(atomic_load(&slot->word) & (RETIRED | FREEING)) && !atomic_load(&slot->model))
            return slot;
    slot = dkvb__alloc(&live->mem, 1, sizeof *slot);
    if (!slot)
        return NULL;
    atomic_init(&slot->model, NULL);
    atomic_init(&slot->word, 0);
    slot->next = atomic_load(&live->slots);
    atomic_store(&live->slots, slot);
    return slot;
}

/* Opens the model file of a live model. The result `file` is the identity of exactly the bytes that were opened: if the
 * model file is replaced in the meantime, opening starts again. */
static dkvb_status open_file(const dkvb_live *live, dkvb_model **model, struct identity *file)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    struct identity after;
    dkvb_status rc = DKVB_OK;

    o.in_place = 1;
    o.allocator = &live->mem;
    for (int i = 0; i < MOST_TRIES; i++) {
        *model = NULL;
        rc = look(live->path, file);
        if (rc)
            return rc;
        rc = dkvb_model_load(model, live->path, &o);
        if (!rc && live->verify)
            rc = dkvb_model_verify(*model);
        if (rc == DKVB_ENOMEM)
            break;
        if (look(live->path, &after) == DKVB_OK && same_file(file, &after))
            break;
        dkvb_model_free(*model);
        *model = NULL;
        rc = dkvb__fail(DKVB_EIO, "%.300s: was replaced %d times in a row while it was opened", live->path, i + 1);
    }
    if (rc) {
        dkvb_model_free(*model);
        *model = NULL;
    }
    return rc;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Returns DKVB_EMISMATCH unless the new model accepts the same rows as the old model. */
static dkvb_status check_fits(const char *path, const dkvb_model *old, const dkvb_model *new)
{
    dkvb_model_info a = DKVB_MODEL_INFO_INIT, b = DKVB_MODEL_INFO_INIT;
    dkvb_status rc = dkvb_model_get_info(old, &a);

    if (!rc)
        rc = dkvb_model_get_info(new, &b);
    if (rc)
        return rc;
    if (a.input_dim != b.input_dim)
        return dkvb__fail(DKVB_EMISMATCH,
                          "%.300s: the file that replaced the model takes rows of %u columns, the model takes %u", path,
                          b.input_dim, a.input_dim);
    if (memcmp(a.birth, b.birth, sizeof a.birth) != 0)
        return dkvb__fail(DKVB_EMISMATCH,
                          "%.300s: the file that replaced the model has other codebooks, so it is another model; it "
                          "must be opened anew",
                          path);
    if (!same_text(a.encoder, b.encoder))
        return dkvb__fail(DKVB_EMISMATCH,
                          "%.150s: the file that replaced the model expects rows of the encoder %.100s, the model "
                          "expects those of %.100s",
                          path, b.encoder ? b.encoder : "(unknown)", a.encoder ? a.encoder : "(unknown)");
    for (uint32_t i = 0; i < a.input_dim; i++) {
        const char *name = dkvb_model_column_name(old, i), *other = dkvb_model_column_name(new, i);

        if (!same_text(name, other))
            return dkvb__fail(DKVB_EMISMATCH,
                              "%.200s: column %u of the file that replaced the model is called '%.64s', not '%.64s'",
                              path, i, other ? other : "", name ? name : "");
        if (!name)
            break; /* comparing the first name is enough, as either all columns of a model have names, or none has */
    }
    return DKVB_OK;
}

/* Opens the model file if it was replaced, and makes the new model current. The caller must hold the live model's
 * mutex. */
static dkvb_status take_up(dkvb_live *live)
{
    struct slot *old = atomic_load(&live->current), *slot;
    struct identity file;
    dkvb_model *model;
    dkvb_status rc = look(live->path, &file);

    /* the new model file is not opened here if another thread has opened the file already */
    if (rc || same_file(&file, &old->file))
        return rc;
    rc = open_file(live, &model, &file);
    if (!rc)
        rc = check_fits(live->path, atomic_load(&old->model), model);
    slot = rc ? NULL : free_slot(live);
    if (!slot) {
        dkvb_model_free(model);
        return rc ? rc : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", live->path);
    }
    slot->file = file;
    atomic_store(&slot->model, model);
    atomic_store(&live->current, slot);
    atomic_fetch_add(&live->taken, 1);
    if (atomic_fetch_or(&old->word, RETIRED) == 0)
        empty(old);
    return DKVB_OK;
}

dkvb_status dkvb_live_open(dkvb_live **out, const char *path, const dkvb_live_options *given)
{
    dkvb_live_options o = DKVB_LIVE_OPTIONS_INIT;
    dkvb_live *live;
    struct slot *slot;
    dkvb_model *model = NULL;
    dkvb_allocator mem;
    dkvb_status rc;

    *out = NULL;
    rc = dkvb__take_options(&o, sizeof o, given, "live options");
    if (!rc)
        rc = dkvb__check_allocator(o.allocator);
    if (!rc && o.verify > 1)
        rc = dkvb__fail(DKVB_EINVAL, "live options: verify is %u, it must be 0 or 1", o.verify);
    if (!rc && !path)
        rc = dkvb__fail(DKVB_EINVAL, "live model: path is NULL");
    if (rc)
        return rc;
    mem = dkvb__allocator(o.allocator);
    live = dkvb__alloc0(&mem, 1, sizeof *live);
    if (!live)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", path);
    live->mem = mem;
    live->verify = o.verify;
    atomic_init(&live->slots, NULL);
    atomic_init(&live->current, NULL);
    atomic_init(&live->taken, 0);
    pthread_mutex_init(&live->replacing, NULL);
    live->path = dkvb__strdup(&mem, path);
    slot = free_slot(live);
    rc = live->path && slot ? open_file(live, &model, &slot->file)
                            : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", path);
    if (rc) {
        dkvb_live_free(live);
        return rc;
    }
    atomic_store(&slot->model, model);
    atomic_store(&live->current, slot);
    *out = live;
    return DKVB_OK;
}

void dkvb_live_free(dkvb_live *live)
{
    dkvb_allocator mem;

    if (!live)
        return;
    mem = live->mem;
    for (struct slot *slot = atomic_load(&live->slots), *next; slot; slot = next) {
        next = slot->next;
        dkvb_model_free(atomic_load(&slot->model));
        dkvb__free(&live->mem, slot);
    }
    pthread_mutex_destroy(&live->replacing);
    dkvb__free(&live->mem, live->path);
    dkvb__free(&mem, live);
}

dkvb_status dkvb_live_acquire(dkvb_live *live, const dkvb_model **model)
{
    struct slot *slot = hold(live);
    struct identity file;
    /* first hold() counts a user of the old model, then the model file is examined, so that a file replaced before this
     * call is noticed */
    dkvb_status rc = look(live->path, &file);

    *model = NULL;
    if (!rc && !same_file(&file, &slot->file)) {
        leave(slot);
        pthread_mutex_lock(&live->replacing);
        rc = take_up(live);
        pthread_mutex_unlock(&live->replacing);
        if (rc)
            return rc;
        slot = hold(live);
    }
    if (rc)
        leave(slot);
    else
        *model = atomic_load(&slot->model);
    return rc;
}

void dkvb_live_release(dkvb_live *live, const dkvb_model *model)
{
    struct slot *slot = atomic_load(&live->slots);

    if (!model)
        return;
    while (slot && atomic_load(&slot->model) != model)
        slot = slot->next;
    if (slot)
        leave(slot);
}

uint64_t dkvb_live_taken(const dkvb_live *live)
{
    return atomic_load(&((dkvb_live *)(uintptr_t)live)->taken);
}
