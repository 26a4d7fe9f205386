/* Tests of the steps by which ranks work together, which the library builds on the three functions of a group. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/ranks.h"
#include "base/status.h"
#include "ranks_threads.h"

static const unsigned counts[] = {1, 2, 3, 4, 8};
enum { COUNTS = sizeof counts / sizeof *counts, ITEMS = 37 };

/* Each rank fills in its own items of an array, passes them to all ranks, and asserts the items of other ranks. */
static void pass_items_on(const dkvb_ranks *ranks, void *context)
{
    uint32_t array[ITEMS], word = ranks->rank == 0 ? 77 : 0;
    uint64_t sums[2] = {ranks->rank, 1};

    (void)context;
    for (size_t i = 0; i < ITEMS; i++)
        array[i] =
            i >= dkvb__ranks_first(ranks, ITEMS, ranks->rank) && i < dkvb__ranks_first(ranks, ITEMS, ranks->rank + 1)
                ? (uint32_t)i * 3
                : 12345;
    assert_ok(dkvb__ranks_share_evenly(ranks, array, ITEMS, sizeof *array));
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(array[i], i * 3);
    assert_ok(dkvb__ranks_broadcast(ranks, &word, sizeof word));
    assert_int_equal(word, ranks->rank == 0 || ranks->count > 1 ? 77 : 0);
    assert_ok(dkvb__ranks_sum(ranks, sums, 2));
    assert_int_equal(sums[0], ranks->count * (ranks->count - 1) / 2);
    assert_int_equal(sums[1], ranks->count);
}

static void items_of_all_ranks_reach_all_ranks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTS; i++)
        ranks_run(counts[i], pass_items_on, NULL);
}

/* Exchanges data in which rank r sends to rank t the number r * 10 + t in r + t + 1 bytes. */
static void exchange_parts(const dkvb_ranks *ranks, void *context)
{
    enum { MOST = 8 * 16 };
    size_t send_sizes[8], receive_sizes[8], at = 0;
    uint8_t send[MOST], receive[MOST];

    (void)context;
    for (uint32_t r = 0; r < ranks->count; r++) {
        send_sizes[r] = receive_sizes[r] = ranks->rank + r + 1;
        memset(send + at, (int)(ranks->rank * 10 + r), send_sizes[r]);
        at += send_sizes[r];
    }
    assert_ok(dkvb__ranks_exchange(ranks, send, send_sizes, receive, receive_sizes));
    at = 0;
    for (uint32_t r = 0; r < ranks->count; r++)
        for (size_t i = 0; i < receive_sizes[r]; i++)
            assert_int_equal(receive[at++], r * 10 + ranks->rank);
}

static void each_rank_gets_the_part_that_is_for_it(void **state)
{
    (void)state;
    for (size_t i = 1; i < COUNTS; i++)
        ranks_run(counts[i], exchange_parts, NULL);
}

/* The status of each rank before a step, and the status that each rank gets from the step. */
struct step {
    dkvb_status given[8], got[8];
    const char *message[8];
    char told[8][256];
};

static void agree(const dkvb_ranks *ranks, void *context)
{
    struct step *s = context;
    dkvb_status rc = s->given[ranks->rank];

    if (rc)
        rc = dkvb__fail(rc, "%s", s->message[ranks->rank]);
    s->got[ranks->rank] = dkvb__ranks_agree(ranks, rc);
    snprintf(s->told[ranks->rank], sizeof s->told[0], "%s", dkvb_last_error());
}

static void a_step_that_fails_on_one_rank_fails_on_all_and_names_it(void **state)
{
    struct step s = {.given = {DKVB_OK, DKVB_OK, DKVB_ENOMEM, DKVB_EIO}, .message = {0, 0, "no room", "no disk"}};

    (void)state;
    ranks_run(4, agree, &s);
    for (int r = 0; r < 4; r++) {
        assert_int_equal(s.got[r], DKVB_ENOMEM);
        assert_string_equal(s.told[r], "rank 2: no room");
    }
}

static void a_step_that_fails_alike_on_all_ranks_names_none(void **state)
{
    struct step s = {.given = {DKVB_EINVAL, DKVB_EINVAL, DKVB_EINVAL}, .message = {"k is 0", "k is 0", "k is 0"}};

    (void)state;
    ranks_run(3, agree, &s);
    for (int r = 0; r < 3; r++) {
        assert_int_equal(s.got[r], DKVB_EINVAL);
        assert_string_equal(s.told[r], "k is 0");
    }
}

static void a_step_that_fails_on_no_rank_succeeds(void **state)
{
    struct step s = {.given = {DKVB_OK}};

    (void)state;
    ranks_run(4, agree, &s);
    for (int r = 0; r < 4; r++)
        assert_int_equal(s.got[r], DKVB_OK);
}

/* Calls several steps, and records on each rank the status they ended with. */
static void talk(const dkvb_ranks *ranks, void *context)
{
    uint32_t array[ITEMS] = {0};
    uint64_t sum = 1;
    dkvb_status rc = dkvb__ranks_share_evenly(ranks, array, ITEMS, sizeof *array);

    if (!rc)
        rc = dkvb__ranks_agree(ranks, DKVB_OK);
    if (!rc)
        rc = dkvb__ranks_sum(ranks, &sum, 1);
    ((dkvb_status *)context)[ranks->rank] = rc;
}

static void a_group_that_breaks_ends_every_rank_with_an_io_error(void **state)
{
    struct ranks_trial trial = {0};
    dkvb_status ended[3];

    (void)state;
    ranks_try(3, talk, ended, &trial);
    assert_int_equal(trial.calls, 3);
    for (unsigned rank = 0; rank < 3; rank++) {
        for (unsigned call = 1; call <= 3; call++) {
            trial.fail_rank = rank;
            trial.fail_call = call;
            ranks_try(3, talk, ended, &trial);
            for (int r = 0; r < 3; r++)
                assert_int_equal(ended[r], DKVB_EIO);
        }
    }
}

static void leave_early(const dkvb_ranks *ranks, void *context)
{
    uint64_t sum = 1;

    if (ranks->rank != 1)
        ((dkvb_status *)context)[ranks->rank] = dkvb__ranks_sum(ranks, &sum, 1);
}

static void a_rank_that_is_gone_does_not_keep_the_others_waiting(void **state)
{
    dkvb_status ended[3] = {DKVB_OK, DKVB_OK, DKVB_OK};

    (void)state;
    ranks_run(3, leave_early, ended);
    assert_int_equal(ended[0], DKVB_EIO);
    assert_int_equal(ended[2], DKVB_EIO);
}

static void share_once(const dkvb_ranks *ranks, void *context)
{
    uint32_t array[12] = {0};

    (void)context;
    assert_ok(dkvb__ranks_share_evenly(ranks, array, 12, sizeof *array));
}

static void bytes_on_the_way_are_counted(void **state)
{
    struct ranks_trial trial = {0};

    (void)state;
    ranks_try(4, share_once, NULL, &trial);
    /* each rank sends three items of four bytes to three other ranks, and receives as many */
    for (int r = 0; r < 4; r++) {
        assert_int_equal(trial.sent[r], 36);
        assert_int_equal(trial.received[r], 36);
    }
}

static void groups_that_cannot_be_are_refused(void **state)
{
    dkvb_ranks given = DKVB_RANKS_INIT, taken;

    (void)state;
    assert_ok(dkvb__ranks_take(&taken, NULL));
    assert_int_equal(taken.count, 1);
    assert_ok(dkvb__ranks_take(&taken, &given));
    given.count = 2;
    assert_int_equal(dkvb__ranks_take(&taken, &given), DKVB_EINVAL);
    assert_message("exchange, gather and broadcast");
    given.rank = 2;
    assert_int_equal(dkvb__ranks_take(&taken, &given), DKVB_EINVAL);
    assert_message("rank 2 of 2");
    given.rank = 0;
    given.count = DKVB_RANKS_COUNT + 1;
    assert_int_equal(dkvb__ranks_take(&taken, &given), DKVB_EINVAL);
    given.count = 1;
    given.struct_size = 0;
    assert_int_equal(dkvb__ranks_take(&taken, &given), DKVB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_of_all_ranks_reach_all_ranks),
        cmocka_unit_test(each_rank_gets_the_part_that_is_for_it),
        cmocka_unit_test(a_step_that_fails_on_one_rank_fails_on_all_and_names_it),
        cmocka_unit_test(a_step_that_fails_alike_on_all_ranks_names_none),
        cmocka_unit_test(a_step_that_fails_on_no_rank_succeeds),
        cmocka_unit_test(a_group_that_breaks_ends_every_rank_with_an_io_error),
        cmocka_unit_test(a_rank_that_is_gone_does_not_keep_the_others_waiting),
        cmocka_unit_test(bytes_on_the_way_are_counted),
        cmocka_unit_test(groups_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
