#ifndef DKVB_FORMAT_CODESFILE_H
#define DKVB_FORMAT_CODESFILE_H

#include "bottleneck/codeset.h"
#include "format/container.h"

/* Functions that write and read codesets within another file, such as a plan file. A codeset within another file is
 * written as a whole, and read as a whole with all of its bytes checked. */
dkvb_status dkvb__codeset_write(const dkvb_codeset *set, struct dkvb__output *to);
dkvb_status dkvb__codeset_take(dkvb_codeset **out, const struct dkvb__file *file, const dkvb_allocator *mem);

#endif
