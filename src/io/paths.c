#include "io/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "io/input.h"
#include "io/progress.h"
#include "io/ranks.h"
#include "tool.h"

enum { LOCK_TRIES = 250 }; /* number of attempts to lock an output file while other processes keep replacing the file */

static int fail_errno(const char *path, const char *what)
{
    return tool_fail("%s: %s: %s", path, what, strerror(errno));
}

int paths_tell(const struct path *files, const char *message)
{
    for (; files->name; files++)
        if (files->path && strncmp(message, files->name, strlen(files->name)) == 0)
            return tool_fail("%s: %s", files->path, strstr(message, ": ") + 2);
    return EXIT_SUCCESS;
}

/* Splits a path into the folder, which the caller frees, and the name in the folder. The resulting folder is NULL if
 * memory ran out. */
static char *split_path(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    char *folder = input_memory("a file name", length + 2, 1, 1, 1);

    *name = slash ? slash + 1 : path;
    if (!folder)
        return NULL;
    memcpy(folder, path, length);
    if (length == 0)
        folder[0] = slash ? '/' : '.';
    return folder;
}

/* Returns the file part of a path such as "rows.npz:x", which the caller frees with free(); NULL if memory runs out. */
static char *file_of(const char *path)
{
    size_t size = strlen(path) + 1;
    char *file = malloc(size);

    if (file && dkvb_table_file(path, file, size) == DKVB_OK)
        return file;
    free(file);
    return NULL;
}

/* Calls stat() for the file part of a path such as "rows.npz:x". */
static int stat_input(const char *path, struct stat *st)
{
    char *file = file_of(path);
    int result = file ? stat(file, st) : -1;

    free(file);
    return result;
}

static bool same_inode(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Compares files by device and inode, so that links and different spellings of a path do not hide that two files are
 * the same. Files that do not exist yet are the same if they will have the same name in the same folder. */
static int same_file(const char *a, const char *b, bool *same)
{
    const char *name_a, *name_b;
    char *folder_a, *folder_b;
    struct stat at_a, at_b;
    bool is_a = stat_input(a, &at_a) == 0, is_b = stat_input(b, &at_b) == 0;
    int code = EXIT_SUCCESS;

    *same = is_a && is_b && same_inode(&at_a, &at_b);
    if (is_a || is_b)
        return EXIT_SUCCESS;
    folder_a = split_path(a, &name_a);
    folder_b = split_path(b, &name_b);
    if (!folder_a || !folder_b)
        code = EXIT_FAILURE;
    else if (strcmp(name_a, name_b) == 0 && stat(folder_a, &at_a) == 0 && stat(folder_b, &at_b) == 0)
        *same = same_inode(&at_a, &at_b);
    free(folder_a);
    free(folder_b);
    return code;
}

static int refuse_same(const struct args_command *command, const struct path *output, const struct path *others)
{
    bool same = false;
    int code = EXIT_SUCCESS;

    for (; others->name && code == EXIT_SUCCESS; others++) {
        if (others->path)
            code = same_file(output->path, others->path, &same);
        if (code == EXIT_SUCCESS && same)
            code = args_misused(command, "%s and %s are the same file, '%.256s'", output->name, others->name,
                                output->path);
    }
    return code;
}

/* Checks that files can be made in the folder of an output. An output file is first written beside the file that it
 * replaces, so the folder must be writable. */
static int check_folder(const char *path)
{
    const char *name;
    char *folder = split_path(path, &name);
    struct stat st;
    int code = EXIT_SUCCESS;

    if (!folder)
        return EXIT_FAILURE;
    if (stat(folder, &st) != 0)
        code = tool_fail("%s: cannot be written: folder %s: %s", path, folder, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        code = tool_fail("%s: cannot be written: %s is not a folder", path, folder);
    else if (access(folder, W_OK | X_OK) != 0)
        code = tool_fail("%s: cannot be written: no new file can be made in %s: %s", path, folder, strerror(errno));
    free(folder);
    return code;
}

/* Checks before any work whether an output file can be written, as saving would find a failure only at the end of the
 * work. A symbolic link is followed: the file that the link names is replaced, the link stays. */
static int check_writable(const char *path)
{
    struct stat st;
    char *target;
    int code;

    if (stat(path, &st) != 0)
        return errno == ENOENT ? check_folder(path) : fail_errno(path, "cannot be written");
    if (!S_ISREG(st.st_mode))
        return tool_fail("%s: %s, cannot be replaced by a file", path,
                         S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
    target = realpath(path, NULL);
    if (!target)
        return fail_errno(path, "cannot be written");
    code = check_folder(target);
    free(target);
    return code;
}

static int check(const struct args_command *command, const struct path *inputs, const struct path *outputs)
{
    int code = EXIT_SUCCESS;

    for (const struct path *o = outputs; o->name && code == EXIT_SUCCESS; o++) {
        if (!o->path)
            continue;
        if (o->path[0] == '\0')
            return args_misused(command, "%s '': the name of a file is wanted", o->name);
        code = refuse_same(command, o, inputs);
        if (code == EXIT_SUCCESS)
            code = refuse_same(command, o, o + 1);
    }
    for (const struct path *o = outputs; o->name && code == EXIT_SUCCESS; o++)
        if (o->path)
            code = check_writable(o->path);
    return code;
}

/* Only rank 0 writes files, so only rank 0 checks whether they can be written. */
int paths_check(const struct args_command *command, const struct path *inputs, const struct path *outputs)
{
    return ranks_settle(ranks_lead() ? check(command, inputs, outputs) : EXIT_SUCCESS);
}

/* Tries to lock a file again and again until another process releases it. The process does not wait for a lock in
 * flock(), as a signal would not reliably end that wait. */
static int wait_for_lock(int fd, const char *path, bool *waiting)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (progress_interrupted())
            return tool_interrupted();
        /* on a file system that has no locks, the command goes on without a lock */
        if (errno != EWOULDBLOCK && errno != EINTR) {
            tool_note("%s: cannot be locked, so no other command may change it now: %s", path, strerror(errno));
            return EXIT_SUCCESS;
        }
        if (!*waiting)
            tool_note("%s: waiting for another command that is changing it", path);
        *waiting = true;
        nanosleep(&pause, NULL);
    }
    return EXIT_SUCCESS;
}

/* Locks an output file for this process. Saving replaces an output file, so a command that gets the lock of a replaced
 * file then locks the new file. The number of attempts to lock a file is limited, since some network file systems give
 * a file another inode number at each look. */
static int lock_file(const char *path)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    bool waiting = false;

    for (int tries = 0;; tries++) {
        /* the output file is opened for writing, as locks need a writable file on some network file systems */
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK), code;
        struct stat opened, now;
        bool gone;

        if (fd < 0)
            fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return EXIT_SUCCESS;
        code = wait_for_lock(fd, path, &waiting);
        if (code)
            return code;
        gone = stat(path, &now) != 0;
        if ((gone && errno != ENOENT) || fstat(fd, &opened) != 0)
            return fail_errno(path, "cannot be examined");
        if (!gone && same_inode(&opened, &now))
            return EXIT_SUCCESS; /* the file stays open, as the system releases its lock when the process ends */
        close(fd);
        if (progress_interrupted())
            return tool_interrupted();
        if (tries == LOCK_TRIES)
            return tool_fail("%s: was another file at each of %d looks, so it cannot be locked: copy it to another "
                             "file system, or write elsewhere by --output",
                             path, tries);
        nanosleep(&pause, NULL);
    }
}

int paths_claim(const struct args_command *command, const struct path *inputs, const struct path *outputs)
{
    int code = paths_check(command, inputs, outputs);

    /* Locks are taken in the order in which a command lists its outputs, models first, so that no two commands wait for
     * each other. */
    if (code)
        return code;
    for (; ranks_lead() && code == EXIT_SUCCESS && outputs->name; outputs++)
        if (outputs->path)
            code = lock_file(outputs->path);
    return ranks_settle(code);
}

void paths_keep_private(const char *path)
{
    char *file = file_of(path);
    struct stat st;
    mode_t group, others, closed = 0;

    if (!file || stat(file, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
        free(file);
        /* an input that is a pipe does not narrow the umask, as a pipe has permissions of its own; opening the file
         * reports a failure */
        return;
    }
    others = st.st_mode & 7;
    /* A file that this process makes belongs to the group of the process and has no access control list. If the input
     * has an access control list, the input's group bits describe the list, not the group. */
    group = st.st_gid == getegid() && getxattr(file, "system.posix_acl_access", NULL, 0) <= 0 ? st.st_mode >> 3 & 7
                                                                                              : others;
    if (!(group & 2))
        closed |= group & 4 ? 020 : 070;
    if (!(others & 2))
        closed |= others & 4 ? 02 : 07;
    free(file);
    umask(umask(077) | closed);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int paths_check_in_folder(const struct args_command *command, const char *folder, const struct path *inputs,
                          const struct path *outputs)
{
    return is_folder(folder) ? paths_check(command, inputs, outputs) : EXIT_SUCCESS;
}

int paths_make_folder(const char *folder)
{
    if (mkdir(folder, 0777) == 0)
        return EXIT_SUCCESS;
    if (errno != EEXIST)
        return tool_fail("%s: cannot make the folder: %s", folder, strerror(errno));
    return is_folder(folder) ? EXIT_SUCCESS : tool_fail("%s: is not a folder", folder);
}

static char *join(const char *a, const char *between, const char *b)
{
    size_t size = strlen(a) + strlen(between) + strlen(b) + 1;
    char *path = input_memory("a file name", size, 1, 1, 1);

    if (path)
        snprintf(path, size, "%s%s%s", a, between, b);
    return path;
}

char *paths_join(const char *folder, const char *name)
{
    return join(folder, "/", name);
}

char *paths_with(const char *path, const char *ending)
{
    return join(path, "", ending);
}
