/* Tests of writing files: a file appears whole or not at all, keeps the rights of the file that it replaces, and what a
 * failure leaves is reported.
 */
#define _DEFAULT_SOURCE /* setgroups() */
#include "fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

static struct stat status_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st;
}

static void assert_contents(const char *path, const char *text)
{
    size_t size;
    unsigned char *data = read_file(path, &size);

    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
    free(data);
}

static void a_new_file_has_what_the_umask_leaves(void **state)
{
    const char *path = temp_path("new");
    mode_t old = umask(027);

    (void)state;
    assert_ok(dkvb_file_write(path, "text", 4));
    umask(old);
    assert_contents(path, "text");
    assert_int_equal(status_of(path).st_mode & 07777, 0640);
    assert_ok(dkvb_file_write(path, NULL, 0));
    assert_contents(path, "");
    assert_int_equal(dkvb_file_write(NULL, "text", 4), DKVB_EINVAL);
    assert_int_equal(dkvb_file_write(path, NULL, 4), DKVB_EINVAL);
    assert_int_equal(dkvb_file_write(temp_folder(), "text", 4), DKVB_EIO);
    assert_message("is a directory");
}

/* The parts of a file that a callback writes, and how the callback ends: `fails` cancels, `null` passes NULL as
 * data. */
struct parts {
    const char *const *part; /* parts as strings, ended by NULL */
    bool fails, null;
};

static int next_part(void *user, const void **data, size_t *size)
{
    struct parts *p = user;

    assert_null(*data);
    assert_int_equal(*size, 0);
    if (!*p->part) {
        *size = p->null;
        return p->fails;
    }
    *data = *p->part;
    *size = strlen(*p->part++);
    return 0;
}

static void a_file_written_in_parts_is_whole_or_as_it_was(void **state)
{
    static const char *const parts[] = {"one, ", "two, ", "three", NULL};
    const char *path = temp_path("parts");
    char name[PATH_MAX];

    (void)state;
    assert_ok(dkvb_file_write_parts(path, next_part, &(struct parts){.part = parts + 3}));
    assert_contents(path, "");
    assert_ok(dkvb_file_write_parts(path, next_part, &(struct parts){.part = parts}));
    assert_contents(path, "one, two, three");
    assert_int_equal(dkvb_file_write_parts(path, next_part, &(struct parts){.part = parts + 1, .fails = true}),
                     DKVB_ECANCELLED);
    assert_message("the part callback cancelled");
    assert_int_equal(dkvb_file_write_parts(path, next_part, &(struct parts){.part = parts + 1, .null = true}),
                     DKVB_EINVAL);
    assert_message("1 bytes at NULL");
    assert_int_equal(dkvb_file_write_parts(path, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_file_write_parts(NULL, next_part, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_file_write_parts(temp_folder(), next_part, NULL), DKVB_EIO);
    assert_contents(path, "one, two, three");
    assert_int_equal(dkvb_file_leftover(path, 0, name, sizeof name), DKVB_ENOTFOUND);
}

static void a_replaced_file_keeps_mode_owner_and_group(void **state)
{
    const char *path = temp_path("kept");
    struct stat st;

    (void)state;
    write_file(path, "old", 3);
    assert_int_equal(chmod(path, 0604), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(path, 1234, 4321), 0);
    assert_ok(dkvb_file_write(path, "new", 3));
    st = status_of(path);
    assert_contents(path, "new");
    assert_int_equal(st.st_mode & 07777, 0604);
    if (geteuid() == 0)
        assert_true(st.st_uid == 1234 && st.st_gid == 4321);
}

/* This test runs as a user who may write in the folder, but neither owns the file nor is in its group. */
static void a_group_that_cannot_be_kept_leaves_no_rights_to_another(void **state)
{
    const char *path = temp_path("foreign");
    struct stat st;
    int ended;
    pid_t pid;

    (void)state;
    if (geteuid() != 0)
        skip(); /* the test is skipped, as only root can become another user */
    write_file(path, "old", 3);
    assert_int_equal(chown(path, 1234, 4321), 0);
    assert_int_equal(chmod(path, 06764), 0);
    assert_int_equal(chmod(temp_folder(), 0777), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(setgroups(0, NULL) || setgid(99) || setuid(99) || dkvb_file_write(path, "new", 3));
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_int_equal(ended, 0);
    st = status_of(path);
    assert_true(st.st_uid == 99 && st.st_gid == 99);
    assert_int_equal(st.st_mode & 07777, 0744);
}

static void a_handler_removes_temporaries_but_not_those_of_its_parent(void **state)
{
    dkvb_allocator mem = dkvb__allocator(NULL);
    const char *path = temp_path("removed");
    struct dkvb__writer w, other;
    int ended;
    pid_t pid;

    (void)state;
    assert_ok(dkvb__writer_begin(&w, path, &mem));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dkvb_file_remove_temporaries();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_int_equal(access(w.temporary, F_OK), 0);
    dkvb_file_remove_temporaries();
    assert_int_equal(access(w.temporary, F_OK), -1);
    assert_int_equal(dkvb__writer_commit(&w), DKVB_EIO);
    assert_int_equal(access(path, F_OK), -1);
    for (int i = 0; i < 100; i++) { /* places in the list of temporary files are freed again */
        assert_ok(dkvb__writer_begin(&w, path, &mem));
        assert_ok(dkvb__writer_begin(&other, path, &mem));
        assert_true(w.live >= 0 && other.live >= 0);
        assert_ok(dkvb__writer_commit(&w));
        dkvb__writer_abort(&other);
    }
    dkvb_file_remove_temporaries();
    assert_int_equal(access(path, F_OK), 0);
}

static void a_leftover_is_told_unless_it_is_still_written(void **state)
{
    dkvb_allocator mem = dkvb__allocator(NULL);
    const char *path = temp_path("model");
    struct dkvb__writer w;
    char name[4096], left[4096];

    (void)state;
    assert_int_equal(dkvb_file_leftover(path, 0, name, sizeof name), DKVB_ENOTFOUND);
    snprintf(left, sizeof left, "%s.tmp-7-x", path);
    write_file(left, "", 0);
    snprintf(left, sizeof left, "%s.tmp-7", path);
    write_file(left, "", 0);
    snprintf(left, sizeof left, "%s.tmp-7-0", temp_path("model2"));
    write_file(left, "", 0);
    assert_ok(dkvb__writer_begin(&w, path, &mem));
    assert_int_equal(dkvb_file_leftover(path, 0, name, sizeof name), DKVB_ENOTFOUND);
    snprintf(left, sizeof left, "%s.tmp-7-0", path);
    write_file(left, "half", 4);
    assert_ok(dkvb_file_leftover(path, 0, name, sizeof name));
    assert_string_equal(name, left);
    assert_int_equal(dkvb_file_leftover(path, 1, name, sizeof name), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_file_leftover(path, 0, name, strlen(left)), DKVB_EINVAL);
    assert_ok(dkvb__writer_commit(&w));
    assert_ok(dkvb_file_leftover(path, 0, name, sizeof name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_has_what_the_umask_leaves),
        cmocka_unit_test(a_file_written_in_parts_is_whole_or_as_it_was),
        cmocka_unit_test(a_replaced_file_keeps_mode_owner_and_group),
        cmocka_unit_test(a_group_that_cannot_be_kept_leaves_no_rights_to_another),
        cmocka_unit_test(a_handler_removes_temporaries_but_not_those_of_its_parent),
        cmocka_unit_test(a_leftover_is_told_unless_it_is_still_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
