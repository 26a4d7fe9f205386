#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "progress.h"
#include "tool.h"

/* A file that took from `began`, a time of progress_clock(), to write. */
static int written(double began, dkvb_status status)
{
    progress_add_file(began);
    if (status == DKVB_OK)
        tool_wrote_file();
    return tool_check(status);
}

int output_model(const dkvb_model *model, const char *path)
{
    double began = progress_clock();
    dkvb_status rc;

    if (progress_interrupted())
        return tool_interrupted();
    rc = dkvb_model_save(model, path);
    return written(began, rc);
}

int output_mask(const dkvb_mask *mask, const char *path)
{
    double began = progress_clock();
    dkvb_status rc;

    if (progress_interrupted())
        return tool_interrupted();
    rc = dkvb_mask_save(mask, path);
    return written(began, rc);
}

int output_codeset(const dkvb_codeset *set, const char *path)
{
    double began = progress_clock();
    dkvb_status rc;

    if (progress_interrupted())
        return tool_interrupted();
    rc = dkvb_codeset_save(set, path);
    return written(began, rc);
}

int output_npy(const char *path, uint32_t dtype, uint32_t ndim, const uint64_t *shape, const void *data)
{
    double began = progress_clock();
    dkvb_status rc;

    if (progress_interrupted())
        return tool_interrupted();
    rc = dkvb_npy_write(path, dtype, ndim, shape, data);
    return written(began, rc);
}

int output_width(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80; /* continuation bytes of UTF-8 */
    return width;
}

void output_padded(const char *text, int width)
{
    int left = width - output_width(text);

    for (; *text; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text);
    for (; left > 0; left--)
        putchar(' ');
}

const char *output_time(int64_t seconds, char *text, size_t size)
{
    time_t at = (time_t)seconds;
    struct tm calendar;

    if ((int64_t)at != seconds || !gmtime_r(&at, &calendar) ||
        strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &calendar) == 0)
        snprintf(text, size, "@%" PRId64, seconds);
    return text;
}

int output_check_epoch(void)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    uint64_t seconds;

    if (!epoch || !*epoch || (args_number(epoch, &seconds) && seconds <= INT64_MAX))
        return EXIT_SUCCESS;
    return tool_fail("SOURCE_DATE_EPOCH '%.64s': seconds since 1970 are wanted, in digits only", epoch);
}

int output_finish(void)
{
    if (fflush(stdout) != 0)
        return tool_fail("standard output: %s", strerror(errno));
    if (ferror(stdout)) /* an earlier flush failed, and its errno is gone */
        return tool_fail("standard output: not everything could be written");
    return EXIT_SUCCESS;
}
