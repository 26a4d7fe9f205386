/* Forgetting by a mask file, for every command that does it. */
#ifndef DKVB_TOOL_FORGET_H
#define DKVB_TOOL_FORGET_H

#include "args.h"

/* What `dkvb forget MODEL --mask MASK` does and says, its JSON too; wrong use is told as `asking`'s. `output` NULL: the
 * model is replaced; `reason` and `salt` may be NULL. */
int forget_by_mask(const struct args_command *asking, const char *model, const char *mask, const char *output,
                   const char *reason, const char *salt, bool json);

#endif
