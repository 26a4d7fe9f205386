#ifndef DKVB_UNLEARN_DRAFT_H
#define DKVB_UNLEARN_DRAFT_H

#include "bottleneck/model.h"

/* A draft of a model shares everything with it but the mask and the journal, of which it has copies. Forgettings are
 * written into the draft, one after the other, and the model takes all of them at once or none: that is how several
 * entries are atomic although each of them may run out of memory. The model must not change meanwhile. */

/* The draft needs dkvb__draft_free(), also after a failure. */
dkvb_status dkvb__draft_new(struct dkvb_model *draft, const dkvb_model *model);

/* The model gets mask and journal of the draft, which is released. Nothing fails. */
void dkvb__draft_adopt(struct dkvb_model *draft, dkvb_model *model);

/* A draft that was adopted, or is all zeros, is a no-op. */
void dkvb__draft_free(struct dkvb_model *draft);

#endif
