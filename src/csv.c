#include "csv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "progress.h"
#include "tool.h"

static int fail_errno(const struct csv *csv, const char *what)
{
    return tool_fail("%s: cannot %s: %s", csv->path, what, strerror(errno));
}

int csv_begin(struct csv *csv, const char *path)
{
    struct stat st;
    size_t size;
    bool replaces;
    int fd;

    *csv = (struct csv){.path = path, .target = realpath(path, NULL)};
    if (!csv->target)
        csv->target = strdup(path); /* nothing is there yet */
    size = csv->target ? strlen(csv->target) + 32 : 32;
    csv->temporary = input_memory("a file name", size, 1, 1, 1);
    if (!csv->target || !csv->temporary)
        return csv->temporary ? tool_fail("out of memory for a file name") : EXIT_FAILURE;
    snprintf(csv->temporary, size, "%s.tmp-%ld", csv->target, (long)getpid());
    replaces = stat(csv->target, &st) == 0; /* never open to more than the old file was */
    fd = open(csv->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, replaces ? 0600 : 0666);
    if (fd >= 0 && replaces)
        (void)!fchmod(fd, st.st_mode & 0777); /* where it cannot be done, the file stays private */
    csv->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    return csv->file ? EXIT_SUCCESS : fail_errno(csv, "create a file beside it");
}

static void begin_cell(struct csv *csv)
{
    if (csv->follows)
        putc(',', csv->file);
    csv->follows = true;
}

void csv_text(struct csv *csv, const char *text)
{
    bool quoted = text && text[strcspn(text, ",\"\r\n")] != '\0';

    begin_cell(csv);
    if (!text)
        return;
    if (quoted)
        putc('"', csv->file);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', csv->file);
        putc(*text, csv->file);
    }
    if (quoted)
        putc('"', csv->file);
}

void csv_count(struct csv *csv, uint64_t value)
{
    begin_cell(csv);
    fprintf(csv->file, "%" PRIu64, value);
}

void csv_real(struct csv *csv, double value)
{
    begin_cell(csv);
    if (isfinite(value))
        fprintf(csv->file, "%.10g", value);
}

void csv_end_row(struct csv *csv)
{
    putc('\n', csv->file);
    csv->follows = false;
}

/* Close the file, and rename it if all of it is on disk. */
static int put_in_place(struct csv *csv)
{
    bool written = fflush(csv->file) == 0 && !ferror(csv->file) && fsync(fileno(csv->file)) == 0;
    int code = written ? EXIT_SUCCESS : fail_errno(csv, "write");

    if (fclose(csv->file) != 0 && code == EXIT_SUCCESS)
        code = fail_errno(csv, "close");
    csv->file = NULL;
    if (code == EXIT_SUCCESS && rename(csv->temporary, csv->target) != 0)
        code = fail_errno(csv, "put in place");
    if (code)
        unlink(csv->temporary);
    else
        tool_wrote_file();
    return code;
}

int csv_end(struct csv *csv, int code)
{
    if (code == EXIT_SUCCESS && progress_interrupted())
        code = tool_interrupted();
    if (code == EXIT_SUCCESS) {
        code = put_in_place(csv);
    } else if (csv->file) {
        fclose(csv->file);
        unlink(csv->temporary);
    }
    free(csv->temporary);
    free(csv->target);
    *csv = (struct csv){0};
    return code;
}
