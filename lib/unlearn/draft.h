#ifndef DKVB_UNLEARN_DRAFT_H
#define DKVB_UNLEARN_DRAFT_H

#include "bottleneck/model.h"

/* A draft of a model shares everything with the model except the mask and the journal, of which it has copies.
 * Forgettings are written into the draft one after the other; the model then takes all of them or none. Several entries
 * are thus written as one, although each of them may run out of memory. The model must not change meanwhile. */

/* Creates a draft. The caller must release it with dkvb__draft_free(), also after a failure. */
dkvb_status dkvb__draft_new(struct dkvb_model *draft, const dkvb_model *model);

/* Moves the mask and the journal of the draft to the model, and releases the draft. It cannot fail. */
void dkvb__draft_adopt(struct dkvb_model *draft, dkvb_model *model);

/* Releases a draft. For a draft that was adopted, or is all zeros, it does nothing. */
void dkvb__draft_free(struct dkvb_model *draft);

#endif
