/* Tests of dkvb_live and services, which follow a model file through its replacements and answer rows as they arrive:
 * which model answers, with many threads at once, and what happens if memory runs out. */
#include "fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A model file that alternates between two models: one with all classes, one with class 0 forgotten. */
static struct {
    dkvb_model *model;
    unsigned char *bytes[2];
    size_t size[2];
    float known[2][ROWS * CLASSES]; /* logits of both models, which differ in every row of class 0 */
    char path[300], next[300];
} file;

static void write_file_of(const dkvb_model *model, const char *to)
{
    assert_ok(dkvb_model_save(model, file.next));
    assert_int_equal(rename(file.next, to), 0);
}

/* Replaces the model file: by the first model if `turn` is even, by the second if it is odd. */
static void replace(unsigned turn)
{
    write_file(file.next, file.bytes[turn % 2], file.size[turn % 2]);
    assert_int_equal(rename(file.next, file.path), 0);
}

static int begin(void **state)
{
    static uint16_t codes[ROWS * CODEBOOKS];
    dkvb_mask *mask;
    uint64_t entry;

    (void)state;
    snprintf(file.path, sizeof file.path, "%s", temp_path("live.dkvb"));
    snprintf(file.next, sizeof file.next, "%s", temp_path("next.dkvb"));
    file.model = trained_model(1, codes);
    mask = mask_for_class(file.model, codes, 0, 150);
    for (int which = 0; which < 2; which++) {
        if (which)
            assert_ok(dkvb_model_forget(file.model, mask, NULL, &entry));
        assert_ok(dkvb_model_predict(file.model, rows, ROWS, NULL, file.known[which], NULL));
        write_file_of(file.model, file.path);
        file.bytes[which] = read_file(file.path, &file.size[which]);
    }
    assert_ok(dkvb_model_undo(file.model, entry, NULL));
    dkvb_mask_free(mask);
    replace(0);
    assert_memory_not_equal(file.known[0], file.known[1], sizeof file.known[0]);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(file.bytes[0]);
    free(file.bytes[1]);
    dkvb_model_free(file.model);
    return 0;
}

/* Returns true if the model gives the logits of model `which` for all rows. */
static bool answers_as(const dkvb_model *model, unsigned which)
{
    static float found[ROWS * CLASSES];

    assert_ok(dkvb_model_predict(model, rows, ROWS, NULL, found, NULL));
    return memcmp(found, file.known[which], sizeof found) == 0;
}

static void a_replaced_file_answers_from_the_next_use_on(void **state)
{
    dkvb_live *live;
    const dkvb_model *model, *held;

    (void)state;
    assert_ok(dkvb_live_open(&live, file.path, NULL));
    for (unsigned turn = 1; turn <= 6; turn++) {
        assert_ok(dkvb_live_acquire(live, &held));
        replace(turn);
        assert_ok(dkvb_live_acquire(live, &model));
        assert_true(answers_as(model, turn % 2));
        assert_true(answers_as(held, 1 - turn % 2)); /* a use that began before the replacement keeps its model */
        dkvb_live_release(live, held);
        dkvb_live_release(live, model);
        assert_int_equal(dkvb_live_taken(live), turn);
    }
    dkvb_live_free(live);
    dkvb_live_free(NULL);
}

static void refuse(dkvb_live *live, dkvb_status code, const char *message)
{
    const dkvb_model *model = file.model;

    for (int i = 0; i < 2; i++) { /* the second call fails too: the old model is not handed out again */
        assert_int_equal(dkvb_live_acquire(live, &model), code);
        assert_null(model);
        assert_message(message);
    }
}

static void a_replaced_model_is_not_handed_out_for_a_file_that_cannot_be_used(void **state)
{
    static const char *const names[DIM] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    dkvb_live *live;
    dkvb_model *copy;
    const dkvb_model *model;
    unsigned char *bytes;
    size_t size;

    (void)state;
    assert_ok(dkvb_live_open(&live, file.path, NULL));
    assert_int_equal(unlink(file.path), 0);
    refuse(live, DKVB_EIO, "live.dkvb");
    write_file(file.next, "not a model", 11);
    assert_int_equal(rename(file.next, file.path), 0);
    refuse(live, DKVB_EFORMAT, "live.dkvb");
    write_file_of(file.model, file.path);
    bytes = read_file(file.path, &size);
    write_file(file.next, bytes, size / 2);
    free(bytes);
    assert_int_equal(rename(file.next, file.path), 0);
    refuse(live, DKVB_EFORMAT, "live.dkvb");

    write_file_of(file.model, file.path);
    assert_ok(dkvb_live_acquire(live, &model));
    assert_true(answers_as(model, 0));
    dkvb_live_release(live, model);
    assert_ok(dkvb_model_load(&copy, file.path, NULL));
    assert_ok(dkvb_model_set_column_names(copy, names, DIM));
    write_file_of(copy, file.path);
    refuse(live, DKVB_EMISMATCH, "column 0 of the file that replaced the model is called 'a', not ''");
    assert_ok(dkvb_model_set_column_names(copy, NULL, 0));
    assert_ok(dkvb_model_set_encoder(copy, "descriptor:1"));
    write_file_of(copy, file.path);
    refuse(live, DKVB_EMISMATCH, "expects rows of the encoder descriptor:1");
    assert_ok(dkvb_model_set_encoder(copy, NULL));
    assert_ok(dkvb_model_add_classes(copy, 2));
    write_file_of(copy, file.path);
    assert_ok(dkvb_live_acquire(live, &model)); /* the new file may have more classes */
    dkvb_live_release(live, model);
    dkvb_model_free(copy);
    dkvb_live_free(live);
    replace(0);
}

static void another_model_is_refused(void **state)
{
    dkvb_live *live;
    dkvb_codebooks *codebooks;
    dkvb_keyinit_options o = small_keyinit();
    dkvb_model *other;

    (void)state;
    assert_ok(dkvb_live_open(&live, file.path, NULL));
    o.seed = 99;
    assert_ok(dkvb_codebooks_fit(&codebooks, rows, ROWS, DIM, &o, NULL));
    assert_ok(dkvb_model_new(&other, codebooks, CLASSES, NULL));
    write_file_of(other, file.path);
    refuse(live, DKVB_EMISMATCH, "has other codebooks");
    dkvb_model_free(other);
    dkvb_codebooks_free(codebooks);
    dkvb_live_free(live);
    replace(0);
}

static void damaged_values_are_found_where_verify_is_asked_for(void **state)
{
    dkvb_live_options o = DKVB_LIVE_OPTIONS_INIT;
    dkvb_live *careful, *quick;
    const dkvb_model *model;
    unsigned char *bytes, *values;
    size_t size, count;

    (void)state;
    o.verify = 1;
    assert_ok(dkvb_live_open(&careful, file.path, &o));
    assert_ok(dkvb_live_open(&quick, file.path, NULL));
    bytes = read_file(file.path, &size);
    values = file_section(bytes, "values", &count);
    values[count / 2] ^= 1;
    write_file(file.next, bytes, size);
    free(bytes);
    assert_int_equal(rename(file.next, file.path), 0);
    refuse(careful, DKVB_ECHECKSUM, "values");
    assert_ok(dkvb_live_acquire(quick, &model));
    dkvb_live_release(quick, model);
    dkvb_live_free(careful);
    dkvb_live_free(quick);
    replace(0);
    o.verify = 2;
    assert_int_equal(dkvb_live_open(&quick, file.path, &o), DKVB_EINVAL);
    assert_int_equal(dkvb_live_open(&quick, temp_path("none.dkvb"), NULL), DKVB_EIO);
    assert_null(quick);
}

static void replaced_models_are_freed_by_their_last_user(void **state)
{
    struct failing_alloc mem;
    dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
    dkvb_live_options o = DKVB_LIVE_OPTIONS_INIT;
    dkvb_live *live;
    const dkvb_model *model, *held;
    long most, two;

    (void)state;
    o.allocator = &a;
    assert_ok(dkvb_live_open(&live, file.path, &o));
    assert_ok(dkvb_live_acquire(live, &held));
    replace(1);
    assert_ok(dkvb_live_acquire(live, &model));
    two = mem.live;
    dkvb_live_release(live, held);
    assert_true(mem.live + 5 < two); /* only the memory of the first model's slot is still in use */
    dkvb_live_release(live, model);
    most = mem.live;
    for (unsigned turn = 0; turn < 20; turn++) {
        replace(turn);
        assert_ok(dkvb_live_acquire(live, &model));
        dkvb_live_release(live, model);
        assert_true(mem.live <= most);
    }
    replace(0);
    dkvb_live_free(live);
    assert_int_equal(mem.live, 0);
}

/* Replaces the model file TURNS times while THREADS threads answer rows from it. */
enum { TURNS = 100, THREADS = 8 };

static struct {
    dkvb_live *live;
    atomic_uint begun, done; /* number of replacements that have begun, and that are done */
    atomic_bool stop;
    atomic_uint wrong, uses;
} race;

static void *answer_rows(void *context)
{
    size_t row = (size_t)(uintptr_t)context * 37;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = 1;
    while (!atomic_load(&race.stop)) {
        unsigned first = atomic_load(&race.done), last;
        const dkvb_model *model = NULL;
        float logits[CLASSES];
        bool right[2];

        row = (row + 1) % ROWS;
        if (dkvb_live_acquire(race.live, &model) != DKVB_OK ||
            dkvb_model_predict(model, rows + row * DIM, 1, NULL, logits, &run) != DKVB_OK) {
            atomic_fetch_add(&race.wrong, 1);
            continue;
        }
        dkvb_live_release(race.live, model);
        last = atomic_load(&race.begun);
        for (unsigned which = 0; which < 2; which++)
            right[which] = memcmp(logits, file.known[which] + row * CLASSES, sizeof logits) == 0;
        /* If no replacement happened during the use, one model's answer is right; otherwise either model's is. */
        if (first == last ? !right[first % 2] : !right[0] && !right[1])
            atomic_fetch_add(&race.wrong, 1);
        atomic_fetch_add(&race.uses, 1);
    }
    return NULL;
}

static void threads_get_the_old_or_the_new_model_and_never_another(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    assert_ok(dkvb_live_open(&race.live, file.path, NULL));
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, answer_rows, (void *)(uintptr_t)i), 0);
    for (unsigned turn = 1; turn <= TURNS; turn++) {
        unsigned before = atomic_load(&race.uses);

        atomic_store(&race.begun, turn);
        replace(turn);
        atomic_store(&race.done, turn);
        while (atomic_load(&race.uses) < before + THREADS) /* waits until every thread has used the new file */
            sched_yield();
    }
    atomic_store(&race.stop, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&race.wrong), 0);
    assert_true(dkvb_live_taken(race.live) >= TURNS / 2);
    dkvb_live_free(race.live);
}

/* Writes rows `first` to `first + n - 1` as lines of CSV. */
static size_t write_lines(char *to, size_t first, size_t n)
{
    size_t size = 0;

    for (size_t r = first; r < first + n; r++)
        for (size_t i = 0; i < DIM; i++)
            size += (size_t)sprintf(to + size, "%.9g%c", (double)rows[r * DIM + i], i + 1 < DIM ? ',' : '\n');
    return size;
}

static void a_service_answers_in_batches_of_the_size_that_was_asked_for(void **state)
{
    static char lines[ROWS * DIM * 20];
    dkvb_service_options o = DKVB_SERVICE_OPTIONS_INIT;
    dkvb_answers answers = DKVB_ANSWERS_INIT;
    dkvb_live *live;
    dkvb_service *service;
    uint64_t answered = 0;

    (void)state;
    assert_ok(dkvb_live_open(&live, file.path, NULL));
    o.most_rows = 7;
    assert_ok(dkvb_service_new(&service, live, &o));
    assert_ok(dkvb_service_answer(service, &answers, NULL));
    assert_int_equal(answers.size, 0);
    assert_int_equal(answers.kind, DKVB_SERVICE_UNKNOWN);
    assert_ok(dkvb_service_put(service, lines, write_lines(lines, 0, 100)));
    do {
        assert_ok(dkvb_service_answer(service, &answers, NULL));
        assert_true(answers.rows <= 7);
        answered += answers.rows;
    } while (answers.more);
    assert_int_equal(answered, 100);
    assert_int_equal(answers.kind, DKVB_SERVICE_LINES);
    assert_ok(dkvb_service_put(service, NULL, 0));
    assert_int_equal(dkvb_service_put(service, "1", 1), DKVB_ESTATE);
    dkvb_service_free(service);

    o.top = CLASSES + 1;
    assert_int_equal(dkvb_service_new(&service, live, &o), DKVB_EINVAL);
    o.top = 1;
    o.scores = 1;
    assert_int_equal(dkvb_service_new(&service, live, &o), DKVB_EINVAL);
    assert_null(service);
    dkvb_service_free(NULL);
    dkvb_live_free(live);
}

static void a_line_that_is_too_long_is_refused_once_and_the_next_is_answered(void **state)
{
    static char lines[1000], noise[100];
    dkvb_service_options o = DKVB_SERVICE_OPTIONS_INIT;
    dkvb_answers answers = DKVB_ANSWERS_INIT;
    dkvb_live *live;
    dkvb_service *service;

    (void)state;
    memset(noise, '1', sizeof noise);
    assert_ok(dkvb_live_open(&live, file.path, NULL));
    o.most_bytes = 300;
    assert_ok(dkvb_service_new(&service, live, &o));
    assert_ok(dkvb_service_put(service, lines, write_lines(lines, 0, 1)));
    assert_ok(dkvb_service_answer(service, &answers, NULL));
    assert_int_equal(answers.rows, 1);
    for (int i = 0; i < 20; i++) {
        assert_ok(dkvb_service_put(service, noise, sizeof noise));
        assert_ok(dkvb_service_answer(service, &answers, NULL));
        /* a line of 400 bytes is refused once, not again for each part of it */
        assert_int_equal(answers.refused, i == 3);
    }
    assert_ok(dkvb_service_put(service, "\n", 1));
    assert_ok(dkvb_service_put(service, lines, write_lines(lines, 1, 1)));
    assert_ok(dkvb_service_answer(service, &answers, NULL));
    assert_int_equal(answers.rows, 1);
    assert_int_equal(answers.refused, 0);
    assert_memory_equal(answers.bytes, "2,", 2);
    dkvb_service_free(service);
    dkvb_live_free(live);
}

/* Runs the conversation of the next test with a service: a header, rows, a bad line, a replacement of the model file,
 * more rows. The answers are written to `to`. If `repeat`, calls that run out of memory are repeated. */
static dkvb_status talk(const dkvb_allocator *a, struct failing_alloc *mem, bool repeat, char *to, size_t *size)
{
    static char lines[4000];
    dkvb_live_options lo = DKVB_LIVE_OPTIONS_INIT;
    dkvb_service_options so = DKVB_SERVICE_OPTIONS_INIT;
    dkvb_live *live = NULL;
    dkvb_service *service = NULL;
    dkvb_status rc, failed = DKVB_OK;

    *size = 0;
    lo.allocator = so.allocator = a;
    so.id_column = "id";
    rc = dkvb_live_open(&live, file.path, &lo);
    if (rc && repeat) {
        failed = rc;
        mem->fail_at = SIZE_MAX;
        rc = dkvb_live_open(&live, file.path, &lo);
    }
    if (!rc)
        rc = dkvb_service_new(&service, live, &so);
    if (rc && repeat) {
        failed = rc;
        mem->fail_at = SIZE_MAX;
        rc = dkvb_service_new(&service, live, &so);
    }
    for (unsigned step = 0; !rc && step < 2; step++) {
        dkvb_answers answers = DKVB_ANSWERS_INIT;
        size_t length = 0;

        if (step == 0)
            length = (size_t)sprintf(lines, "id,a,b,c,d,e,f,g,h,i,j\n");
        for (size_t r = 0; r < 5; r++) {
            length += (size_t)sprintf(lines + length, "\"row, %zu\",", r);
            length += write_lines(lines + length, step * 5 + r, 1);
        }
        length += (size_t)sprintf(lines + length, "1,2\n");
        for (int i = 0; i < 2 && (i == 0 || rc == DKVB_ENOMEM); i++) {
            rc = dkvb_service_put(service, lines, length);
            failed = rc ? rc : failed;
            mem->fail_at = rc && repeat ? SIZE_MAX : mem->fail_at;
        }
        for (int i = 0; i < 2 && (i == 0 || rc == DKVB_ENOMEM); i++) {
            rc = rc ? DKVB_OK : rc;
            rc = dkvb_service_answer(service, &answers, NULL);
            failed = rc ? rc : failed;
            mem->fail_at = rc && repeat ? SIZE_MAX : mem->fail_at;
        }
        if (!rc) {
            memcpy(to + *size, answers.bytes, answers.size);
            *size += answers.size;
        }
        if (step == 0)
            replace(1);
    }
    replace(0);
    dkvb_service_free(service);
    dkvb_live_free(live);
    return rc ? rc : failed;
}

static void running_out_of_memory_loses_no_row_and_no_block(void **state)
{
    static char expected[4000], found[4000];
    struct failing_alloc mem;
    dkvb_allocator a = failing_allocator(&mem, SIZE_MAX);
    size_t size, found_size, fail_at = 1;
    dkvb_status rc = DKVB_ENOMEM;

    (void)state;
    assert_ok(talk(&a, &mem, true, expected, &size));
    assert_int_equal(mem.live, 0);
    for (; rc == DKVB_ENOMEM; fail_at++) {
        a = failing_allocator(&mem, fail_at);
        rc = talk(&a, &mem, true, found, &found_size);
        assert_int_equal(mem.live, 0);
        assert_true(rc == DKVB_OK || rc == DKVB_ENOMEM);
        assert_int_equal(found_size, size);
        assert_memory_equal(found, expected, size);
    }
    assert_true(fail_at > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replaced_file_answers_from_the_next_use_on),
        cmocka_unit_test(a_replaced_model_is_not_handed_out_for_a_file_that_cannot_be_used),
        cmocka_unit_test(another_model_is_refused),
        cmocka_unit_test(damaged_values_are_found_where_verify_is_asked_for),
        cmocka_unit_test(replaced_models_are_freed_by_their_last_user),
        cmocka_unit_test(threads_get_the_old_or_the_new_model_and_never_another),
        cmocka_unit_test(a_service_answers_in_batches_of_the_size_that_was_asked_for),
        cmocka_unit_test(a_line_that_is_too_long_is_refused_once_and_the_next_is_answered),
        cmocka_unit_test(running_out_of_memory_loses_no_row_and_no_block),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
