#include "io/maskfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/output.h"
#include "tool.h"

int maskfile_export(dkvb_mask **mask, const dkvb_model *model, const char *model_path, uint64_t entry, const char *path)
{
    dkvb_status status = entry ? dkvb_journal_get_mask(model, entry, mask) : dkvb_model_get_mask(model, mask);
    int code = tool_check_about(model_path, status);

    return code ? code : output_mask(*mask, path);
}

void maskfile_say_written(const dkvb_mask *mask, const char *path)
{
    printf("wrote %s: %" PRIu64 " pairs\n"
           "a mask is itself a trace: one of a few rows identifies them to whoever holds candidate rows\n",
           path, dkvb_mask_count(mask));
}
