/* Test that a forked child process predicts as its parent does, although OpenMP's threads do not exist in it. All
 * processes of this test have the same process id, as if each were process 1 of its own PID namespace. */
#define _GNU_SOURCE /* syscall */
#include "fixture.h"

#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Replaces getpid(): returns the id of the first process also in its children. The id is that of a real process, since
 * OpenMP asks the system about it. */
pid_t getpid(void)
{
    static pid_t first;

    if (first == 0)
        first = (pid_t)syscall(SYS_getpid);
    return first;
}

static void a_forked_child_predicts_like_its_parent(void **state)
{
    static float parent[ROWS * CLASSES], child[ROWS * CLASSES];
    dkvb_model *model = trained_model(1, NULL);
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    int status;
    pid_t pid;

    (void)state;
    run.threads = 2;
    assert_ok(dkvb_model_predict(model, rows, ROWS, NULL, parent, &run));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60); /* if the test hangs, a signal ends it */
        if (dkvb_model_predict(model, rows, ROWS, NULL, child, &run) != DKVB_OK)
            _exit(1);
        if (memcmp(parent, child, sizeof parent) != 0)
            _exit(2);
        _exit(dkvb_runtime_threads(&run) == 1 ? 0 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    dkvb_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forked_child_predicts_like_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
