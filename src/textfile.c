#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "progress.h"
#include "tool.h"

static int fail_errno(const struct textfile *text, const char *what)
{
    return tool_fail("%s: cannot %s: %s", text->path, what, strerror(errno));
}

int textfile_begin(struct textfile *text, const char *path)
{
    struct stat st;
    size_t size;
    bool replaces;
    int fd;

    *text = (struct textfile){.path = path, .target = realpath(path, NULL)};
    if (!text->target)
        text->target = strdup(path); /* nothing is there yet */
    size = text->target ? strlen(text->target) + 32 : 32;
    text->temporary = input_memory("a file name", size, 1, 1, 1);
    if (!text->target || !text->temporary)
        return text->temporary ? tool_fail("out of memory for a file name") : EXIT_FAILURE;
    snprintf(text->temporary, size, "%s.tmp-%ld", text->target, (long)getpid());
    replaces = stat(text->target, &st) == 0; /* never open to more than the old file was */
    fd = open(text->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, replaces ? 0600 : 0666);
    if (fd >= 0 && replaces)
        (void)!fchmod(fd, st.st_mode & 0777); /* where it cannot be done, the file stays private */
    text->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    return text->file ? EXIT_SUCCESS : fail_errno(text, "create a file beside it");
}

/* Close the file, and rename it if all of it is on disk. */
static int put_in_place(struct textfile *text)
{
    bool written = fflush(text->file) == 0 && !ferror(text->file) && fsync(fileno(text->file)) == 0;
    int code = written ? EXIT_SUCCESS : fail_errno(text, "write");

    if (fclose(text->file) != 0 && code == EXIT_SUCCESS)
        code = fail_errno(text, "close");
    text->file = NULL;
    if (code == EXIT_SUCCESS && rename(text->temporary, text->target) != 0)
        code = fail_errno(text, "put in place");
    if (code)
        unlink(text->temporary);
    else
        tool_wrote_file();
    return code;
}

int textfile_end(struct textfile *text, int code)
{
    if (code == EXIT_SUCCESS && progress_interrupted())
        code = tool_interrupted();
    if (code == EXIT_SUCCESS) {
        code = put_in_place(text);
    } else if (text->file) {
        fclose(text->file);
        unlink(text->temporary);
    }
    free(text->temporary);
    free(text->target);
    *text = (struct textfile){0};
    return code;
}
