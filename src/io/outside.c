#include "io/outside.h"

#include <inttypes.h>
#include <stdio.h>

#include "tool.h"

static struct {
    const char *path;
    dkvb_outside found;
} noted[4]; /* no command searches rows of more files */

static size_t count;

dkvb_outside *outside_count(struct features *rows)
{
    if (rows->outside.searched > 0)
        return NULL;
    rows->outside = (dkvb_outside)DKVB_OUTSIDE_INIT;
    return &rows->outside;
}

static void tell(const char *path, const dkvb_outside *found)
{
    char why[128];

    if (found->length < found->least || found->length > found->greatest)
        snprintf(why, sizeof why, "has length %.4g, usual are %.4g to %.4g", found->length, found->least,
                 found->greatest);
    else
        snprintf(why, sizeof why, "has %.0f %% of its numbers at an end of the scale, usual are 20 %% at most",
                 100 * found->cut);
    tool_note(
        "%s: %" PRIu64 " of %" PRIu64 " rows %s outside the scale of the keys; the first, row %" PRIu64
        ", %s. Codes of such rows mean little: give rows of the type, range and encoder that the keys were placed "
        "with",
        path, found->rows, found->searched, found->rows == 1 ? "is" : "are", found->first, why);
}

void outside_note(const char *path, const dkvb_outside *found)
{
    if (found->rows == 0 || count == sizeof noted / sizeof *noted)
        return;
    noted[count].path = path;
    noted[count++].found = *found;
}

void outside_tell(void)
{
    for (size_t i = 0; i < count; i++)
        tell(noted[i].path, &noted[i].found);
}
