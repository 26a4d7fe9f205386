/* Tests of a fault on one rank: a failing call, or memory that runs out. All ranks must end with an error, and nothing
 * may be half changed. */
#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dkvb/plan.h"
#include "ranks_threads.h"

enum { RANKS = 3, USED = 160, BOOKS = 36, PLACES = 6, TOP_K = 2, DEPTH = 4, STEPS = 24 };
enum { MOST_TRIALS = 50 }; /* largest number of faults tried in one story (a sequence of calls of the library) */

static char model_path[128], masked_path[128], codes_path[128];
static char name_texts[ROWS][8];
static const char *row_names[ROWS];
static unsigned char *model_bytes;
static size_t model_size;

/* A story (a sequence of calls of the library) on one rank, which ends at the first call that fails. */
struct teller {
    const dkvb_ranks *ranks;
    struct failing_alloc memory;
    dkvb_allocator allocator;
    dkvb_run_options run;
    unsigned steps; /* number of calls made by the story */
    dkvb_status rc; /* status of the last call */
    char message[512];
    uint8_t state[32]; /* hash of the model's state at the end, as this rank sees it */
};

/* A story (a sequence of calls of the library) that all ranks run, and the fault in it. */
struct telling {
    void (*story)(struct teller *t);
    unsigned fail_rank;
    size_t fail_at; /* number of the allocation from which on all allocations of this rank fail; SIZE_MAX = none */
    struct teller tellers[RANKS];
    const char *name;
};

#define STEP(t, call)                                                                                                  \
    do {                                                                                                               \
        if ((t)->rc == DKVB_OK) {                                                                                      \
            (t)->steps++;                                                                                              \
            (t)->rc = (call);                                                                                          \
            if ((t)->rc != DKVB_OK)                                                                                    \
                snprintf((t)->message, sizeof(t)->message, "%s", dkvb_last_error());                                   \
        }                                                                                                              \
    } while (0)

static void tell(const dkvb_ranks *ranks, void *context)
{
    struct telling *all = context;
    struct teller *t = &all->tellers[ranks->rank];
    bool fails = ranks->rank == all->fail_rank && all->fail_at != SIZE_MAX;

    memset(t, 0, sizeof *t);
    t->ranks = ranks;
    t->allocator = failing_allocator(&t->memory, fails ? all->fail_at : SIZE_MAX);
    t->run = (dkvb_run_options)DKVB_RUN_OPTIONS_INIT;
    t->run.ranks = ranks;
    t->run.threads = 1;
    all->story(t);
}

/* Adds a model's state to the story's hash: the head of its journal, its training, its mask and its classes. */
static void note(struct teller *t, const dkvb_model *model)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    uint8_t head[32];

    if (!model || dkvb_model_get_info(model, &info) != DKVB_OK)
        return;
    dkvb_journal_head(model, head);
    for (size_t i = 0; i < sizeof head; i++)
        t->state[i] = (uint8_t)(head[i] ^ info.trained[i % 16] ^ info.birth[i % 16]);
    t->state[0] ^= (uint8_t)(info.masked_pairs + 3 * info.purged_pairs + 5 * info.classes + 7 * info.class_counts);
}

/* Counts allocations from here on, and lets them fail from the given number on; earlier calls are not part of the
 * trial. */
static void begin_here(struct teller *t)
{
    size_t left = t->memory.fail_at;

    t->memory.fail_at = left == SIZE_MAX ? SIZE_MAX : t->memory.calls + left;
}

static dkvb_fit_rows some_rows(size_t first, size_t n)
{
    dkvb_fit_rows r = DKVB_FIT_ROWS_INIT;

    r.x = rows + first * DIM;
    r.labels = labels + first;
    r.n = n;
    r.dim = DIM;
    return r;
}

static dkvb_settings small_settings(void)
{
    dkvb_settings s = DKVB_SETTINGS_INIT;

    s.train = (dkvb_train_options)DKVB_TRAIN_OPTIONS_INIT;
    s.train.epochs = 1;
    s.train.batch = 64;
    s.keyinit.codebooks = BOOKS;
    s.keyinit.keys = PLACES;
    s.keyinit.key_dim = 4;
    s.top_k = TOP_K;
    return s;
}

static dkvb_fit_options small_fit(const dkvb_settings *s, const struct teller *t)
{
    dkvb_fit_options o = DKVB_FIT_OPTIONS_INIT;

    o.settings = s;
    o.hold_out = 0.3;
    o.depth = DEPTH;
    o.count_classes = 1;
    o.allocator = t ? &t->allocator : NULL;
    return o;
}

static void story_of_fit(struct teller *t)
{
    dkvb_settings s = small_settings();
    dkvb_fit_options o = small_fit(&s, t);
    dkvb_fit_rows r = some_rows(0, USED);
    dkvb_model *model = NULL;
    dkvb_codeset *set = NULL;

    STEP(t, dkvb_fit(&model, &set, &r, &o, NULL, &t->run));
    STEP(t, dkvb_model_save(model, model_path));
    note(t, model);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* A story that fits a model as dkvb_fit() does without a codeset, choosing whether to whiten, with named rows. */
static void story_of_plain_fit(struct teller *t)
{
    dkvb_settings s = small_settings();
    dkvb_fit_options o = small_fit(&s, t);
    dkvb_fit_rows r = some_rows(0, ROWS);
    dkvb_model *model = NULL;

    r.names = row_names;
    s.whiten = DKVB_WHITEN_CHOOSE;
    o.count_classes = 0;
    o.values_dtype = DKVB_DTYPE_F32;
    STEP(t, dkvb_fit(&model, NULL, &r, &o, NULL, &t->run));
    dkvb_model_free(model);
}

static dkvb_model *load(struct teller *t, const char *path, uint32_t in_place)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_model *model = NULL;

    o.allocator = &t->allocator;
    o.ranks = t->ranks;
    o.in_place = in_place;
    STEP(t, dkvb_model_load(&model, path, &o));
    return model;
}

static void answer(struct teller *t, const dkvb_model *model)
{
    static float logits[RANKS][USED * CLASSES], values[RANKS][BOOKS * PLACES * CLASSES];
    static int32_t answers[RANKS][USED];
    static uint16_t codes[RANKS][USED * BOOKS * TOP_K];
    uint32_t r = t->ranks->rank;
    dkvb_evaluation e = DKVB_EVALUATION_INIT;
    uint64_t counts[BOOKS * PLACES];

    STEP(t, dkvb_model_predict(model, rows, USED, answers[r], logits[r], &t->run));
    STEP(t, dkvb_search(dkvb_model_codebooks(model), NULL, rows, USED, TOP_K, codes[r], NULL, &t->run));
    STEP(t, dkvb_search_refresh(model, rows, USED, TOP_K, codes[r], NULL, &t->run));
    STEP(t, dkvb_model_decode(model, codes[r], TOP_K, USED, answers[r], logits[r], &t->run));
    STEP(t, dkvb_model_evaluate(model, rows, NULL, labels, USED, &e, &t->run));
    STEP(t, dkvb_model_evaluate(model, rows, codes[r], labels, USED, &e, &t->run));
    STEP(t, dkvb_model_get_values(model, values[r]));
    STEP(t, dkvb_model_class_counts(model, 1, counts));
    STEP(t, dkvb_model_verify(model));
}

static void story_of_answers(struct teller *t)
{
    dkvb_model *model = load(t, masked_path, 0);

    answer(t, model);
    STEP(t, dkvb_model_save(model, model_path));
    dkvb_model_free(model);
    model = t->rc ? NULL : load(t, masked_path, 1);
    answer(t, model);
    STEP(t, dkvb_model_save(model, model_path));
    dkvb_model_free(model);
}

/* Loads a model and its codes file before the fault is armed. */
static dkvb_model *load_both(struct teller *t, dkvb_codeset **set)
{
    size_t fail_at = t->memory.fail_at;
    dkvb_model *model;

    t->memory.fail_at = SIZE_MAX;
    model = load(t, model_path, 0);
    *set = NULL;
    STEP(t, dkvb_codeset_load(set, codes_path, NULL, &t->allocator));
    t->memory.fail_at = fail_at;
    begin_here(t);
    return model;
}

static void forget(struct teller *t, const dkvb_forget_request *q, dkvb_model *model, dkvb_codeset *set,
                   uint64_t *entry)
{
    dkvb_plan *plan = NULL;

    STEP(t, dkvb_forget_plan(&plan, model, set, q, &t->run));
    STEP(t, dkvb_forget_apply(plan, model, set, entry));
    dkvb_plan_free(plan);
}

static void story_of_suppress(struct teller *t)
{
    static const uint8_t classes[CLASSES] = {0, 1};
    static const uint32_t methods[] = {DKVB_METHOD_VALUES, DKVB_METHOD_ACTIVATIONS, DKVB_METHOD_CONTRAST};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_codeset *set;
    dkvb_model *model = load_both(t, &set);
    uint64_t entry = 0;

    q.classes = classes;
    q.strength = DKVB_STRENGTH_SUPPRESS;
    q.force = 1;
    q.reason = "asked for";
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        q.method = methods[i];
        q.budget = i == 1 ? 30 : 0;
        forget(t, &q, model, set, &entry);
        STEP(t, dkvb_model_save(model, model_path));
        STEP(t, dkvb_model_undo(model, entry, NULL));
    }
    forget(t, &q, model, set, &entry);
    STEP(t, dkvb_model_purge(model));
    STEP(t, dkvb_model_save(model, model_path));
    note(t, model);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void story_of_exact(struct teller *t)
{
    static const uint64_t ids[] = {3, 17, 40, 41};
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_codeset *set;
    dkvb_model *model = load_both(t, &set);
    uint64_t entry;

    q.strength = DKVB_STRENGTH_EXACT;
    q.keys = DKVB_KEYS_KEPT;
    q.force = 1;
    q.ids = ids;
    q.id_count = 2;
    forget(t, &q, model, set, &entry);
    q.ids = ids + 2;
    q.keys = DKVB_KEYS_PLACED;
    q.features = rows;
    q.feature_rows = USED;
    q.feature_columns = DIM;
    forget(t, &q, model, set, &entry);
    STEP(t, dkvb_model_save(model, model_path));
    note(t, model);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* A story of plans made from several requests, with a given number of pairs and by training again. */
static void story_of_requests(struct teller *t)
{
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_codeset *set;
    dkvb_model *model = load_both(t, &set);
    uint64_t entry;

    q.force = 1;
    q.budget = 12;
    q.strength = DKVB_STRENGTH_SUPPRESS;
    q.requests = "ids 17, 40\nclass 2\n";
    forget(t, &q, model, set, &entry);
    q.budget = 0;
    q.keys = DKVB_KEYS_KEPT;
    q.strength = DKVB_STRENGTH_EXACT;
    q.requests = "ids 18, 41\nids 42\n";
    forget(t, &q, model, set, &entry);
    STEP(t, dkvb_model_relearn(model, entry, NULL, &entry));
    STEP(t, dkvb_model_save(model, model_path));
    note(t, model);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void story_of_more(struct teller *t)
{
    dkvb_settings s = small_settings();
    dkvb_fit_options o = small_fit(&s, t);
    dkvb_fit_rows r = some_rows(USED, 60);
    dkvb_train_options steps = DKVB_TRAIN_OPTIONS_INIT;
    dkvb_codeset *set;
    dkvb_model *model = load_both(t, &set);
    static const char *const names[] = {"a", "b", "c", "d"};
    static uint16_t codes[RANKS][USED * BOOKS * TOP_K];

    STEP(t, dkvb_codeset_search(set, dkvb_model_codebooks(model), DKVB_PART_HELD_OUT, &t->run));
    STEP(t, dkvb_fit_more(model, set, &r, &o, NULL, &t->run));
    STEP(t, dkvb_fit_more(model, NULL, &r, &o, NULL, &t->run));
    STEP(t, dkvb_search(dkvb_model_codebooks(model), NULL, rows, USED, TOP_K, codes[t->ranks->rank], NULL, &t->run));
    STEP(t, dkvb_model_train_begin(model, &steps));
    STEP(t, dkvb_model_train_step(model, codes[t->ranks->rank], TOP_K, labels, 50, &t->run));
    STEP(t, dkvb_model_train_end(model, 1));
    STEP(t, dkvb_model_set_values(model, NULL, DKVB_DTYPE_F32));
    STEP(t, dkvb_model_add_classes(model, 2));
    STEP(t, dkvb_model_set_class_name(model, 5, "e"));
    STEP(t, dkvb_model_set_class_names(model, names, 4, NULL));
    STEP(t, dkvb_model_set_encoder(model, "pixels"));
    STEP(t, dkvb_model_save(model, model_path));
    note(t, model);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

/* number of callback calls on this thread; number of the call that cancels, from 1 */
static _Thread_local size_t asked, cancel_at;

static int cancel_there(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return ++asked == cancel_at;
}

static int cancel_stage(void *user, const char *stage)
{
    (void)user;
    (void)stage;
    return ++asked == cancel_at;
}

static int cancel_epoch(void *user, const dkvb_train_report *report)
{
    (void)user;
    (void)report;
    return ++asked == cancel_at;
}

/* A story in which only one rank has callbacks, one call of which cancels. */
static void story_of_cancelling(struct teller *t)
{
    dkvb_settings s = small_settings();
    dkvb_fit_options o = small_fit(&s, t);
    dkvb_fit_rows r = some_rows(0, USED);
    dkvb_model *model = NULL;
    dkvb_codeset *set = NULL;
    int32_t answers[USED];
    bool fails = t->memory.fail_at != SIZE_MAX;

    asked = 0;
    cancel_at = fails ? t->memory.fail_at + 1 : 0;
    t->memory.fail_at = SIZE_MAX;
    if (fails) {
        t->run.progress = cancel_there;
        o.stage = cancel_stage;
        s.train.report = cancel_epoch;
    }
    STEP(t, dkvb_fit(&model, &set, &r, &o, NULL, &t->run));
    STEP(t, dkvb_model_predict(model, rows, USED, answers, NULL, &t->run));
    note(t, model);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
}

static void story_of_tuning(struct teller *t)
{
    dkvb_settings s = DKVB_SETTINGS_INIT;
    dkvb_tune_options o = DKVB_TUNE_OPTIONS_INIT;
    dkvb_fit_rows r = some_rows(0, 400);

    s.keyinit.codebooks = BOOKS;
    o.trials = 2;
    o.allocator = &t->allocator;
    STEP(t, dkvb_tune(&s, &r, &o, &t->run));
}

static size_t files_in_folder(void)
{
    DIR *folder = opendir(temp_folder());
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void run_story(struct telling *all, struct ranks_trial *trial)
{
    write_file(model_path, model_bytes, model_size);
    ranks_try(RANKS, tell, all, trial);
    for (unsigned r = 0; r < RANKS; r++)
        if (all->tellers[r].memory.live != 0)
            fail_msg("%s: rank %u leaks %ld blocks", all->name, r, all->tellers[r].memory.live);
}

/* Fails the test unless all ranks have ended with the same status and state. */
static void check_ends(const struct telling *all, const struct ranks_trial *trial)
{
    const struct teller *first = &all->tellers[0];
    bool talk = trial->fail_call == 0; /* true if the ranks can still exchange data */
    char named[32];

    for (unsigned r = 0; r < RANKS; r++) {
        const struct teller *t = &all->tellers[r];

        if (t->steps != first->steps || !t->rc != !first->rc || (talk && t->rc != first->rc))
            fail_msg("%s, fault on rank %u, allocation %zu, call %u: rank 0 ends call %u with %d (%s), rank %u ends "
                     "call %u with %d (%s)",
                     all->name, all->fail_rank, all->fail_at, trial->fail_call, first->steps, first->rc, first->message,
                     r, t->steps, t->rc, t->message);
        if (talk && memcmp(t->state, first->state, sizeof t->state) != 0)
            fail_msg("%s, fault on rank %u, allocation %zu: the models of rank 0 and rank %u differ after call %u",
                     all->name, all->fail_rank, all->fail_at, r, t->steps);
        snprintf(named, sizeof named, "rank %u: ", all->fail_rank);
        if (talk && t->rc != DKVB_OK && !strstr(t->message, named))
            fail_msg("%s, fault on rank %u, allocation %zu: the message does not name the rank: %s", all->name,
                     all->fail_rank, all->fail_at, t->message);
        if (talk && t->rc == DKVB_EIO)
            fail_msg("%s, fault on rank %u, allocation %zu: ranks that could talk did not: %s", all->name,
                     all->fail_rank, all->fail_at, t->message);
    }
}

/* Asserts that a file is the one from before the story, or the one of a story without a fault, and never a partial
 * file. */
static void check_file(const struct telling *all, size_t files)
{
    dkvb_model_options o = DKVB_MODEL_OPTIONS_INIT;
    dkvb_model *model;

    assert_int_equal(files_in_folder(), files);
    assert_ok(dkvb_model_load(&model, model_path, &o));
    if (dkvb_model_verify(model) != DKVB_OK)
        fail_msg("%s, fault on rank %u: %s", all->name, all->fail_rank, dkvb_last_error());
    dkvb_model_free(model);
}

static void check_story(const char *name, void (*story)(struct teller *t))
{
    static struct telling all;
    struct ranks_trial trial = {0};
    size_t allocations = 0, calls, files;

    all = (struct telling){.story = story, .fail_at = SIZE_MAX, .name = name};
    run_story(&all, &trial);
    if (all.tellers[0].rc != DKVB_OK)
        fail_msg("%s: without a fault, call %u fails: %s", name, all.tellers[0].steps, all.tellers[0].message);
    check_ends(&all, &trial);
    calls = trial.calls;
    for (unsigned r = 0; r < RANKS; r++)
        allocations = all.tellers[r].memory.calls > allocations ? all.tellers[r].memory.calls : allocations;
    files = files_in_folder();
    print_message("%s: %zu calls of the group, %zu allocations, %u steps\n", name, calls, allocations,
                  all.tellers[0].steps);
    for (size_t i = 0; i < allocations; i += 1 + allocations / MOST_TRIALS) {
        trial = (struct ranks_trial){0};
        all.fail_rank = (unsigned)(i / (1 + allocations / MOST_TRIALS)) % RANKS;
        all.fail_at = i;
        run_story(&all, &trial);
        check_ends(&all, &trial);
        check_file(&all, files);
    }
    all.fail_at = SIZE_MAX;
    for (size_t i = 1; i <= calls; i += 1 + calls / MOST_TRIALS) {
        all.fail_rank = (unsigned)(i / (1 + calls / MOST_TRIALS)) % RANKS;
        trial = (struct ranks_trial){.fail_rank = all.fail_rank, .fail_call = (unsigned)i};
        run_story(&all, &trial);
        check_ends(&all, &trial);
        if (all.tellers[0].rc == DKVB_OK)
            fail_msg("%s: call %zu of the group fails on rank %u, and no rank says so", name, i, all.fail_rank);
        check_file(&all, files);
    }
}

static int setup(void **state)
{
    static const uint8_t classes[CLASSES] = {0, 1};
    dkvb_settings s = small_settings();
    dkvb_fit_options o = small_fit(&s, NULL);
    dkvb_fit_rows r;
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_model *model;
    dkvb_codeset *set;
    dkvb_plan *plan;
    uint64_t entry;

    (void)state;
    make_rows();
    for (size_t i = 0; i < ROWS; i++) {
        snprintf(name_texts[i], sizeof name_texts[i], "row%zu", i);
        row_names[i] = name_texts[i];
    }
    snprintf(model_path, sizeof model_path, "%s", temp_path("model.dkvb"));
    snprintf(masked_path, sizeof masked_path, "%s", temp_path("masked.dkvb"));
    snprintf(codes_path, sizeof codes_path, "%s", temp_path("rows.codes"));
    r = some_rows(0, USED);
    assert_ok(dkvb_fit(&model, &set, &r, &o, NULL, NULL));
    assert_ok(dkvb_model_save(model, model_path));
    assert_ok(dkvb_codeset_save(set, codes_path));
    q.classes = classes;
    q.strength = DKVB_STRENGTH_SUPPRESS;
    q.force = 1;
    assert_ok(dkvb_forget_plan(&plan, model, set, &q, NULL));
    assert_ok(dkvb_forget_apply(plan, model, set, &entry));
    assert_ok(dkvb_model_save(model, masked_path));
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    model_bytes = read_file(model_path, &model_size);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(model_bytes);
    return 0;
}

#define TEST_OF(story)                                                                                                 \
    static void a_fault_in_##story##_ends_it_on_all_ranks(void **state)                                                \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        check_story(#story, story_of_##story);                                                                         \
    }

TEST_OF(fit)
TEST_OF(plain_fit)
TEST_OF(answers)
TEST_OF(suppress)
TEST_OF(exact)
TEST_OF(requests)
TEST_OF(more)
TEST_OF(cancelling)
TEST_OF(tuning)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_in_fit_ends_it_on_all_ranks),
        cmocka_unit_test(a_fault_in_plain_fit_ends_it_on_all_ranks),
        cmocka_unit_test(a_fault_in_answers_ends_it_on_all_ranks),
        cmocka_unit_test(a_fault_in_suppress_ends_it_on_all_ranks),
        cmocka_unit_test(a_fault_in_exact_ends_it_on_all_ranks),
        cmocka_unit_test(a_fault_in_requests_ends_it_on_all_ranks),
        cmocka_unit_test(a_fault_in_more_ends_it_on_all_ranks),
        cmocka_unit_test(a_fault_in_cancelling_ends_it_on_all_ranks),
        cmocka_unit_test(a_fault_in_tuning_ends_it_on_all_ranks),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
