#ifndef DKVB_UNLEARN_DRAFT_H
#define DKVB_UNLEARN_DRAFT_H

#include "bottleneck/model.h"

/* A draft of a model shares everything with the model except the mask and the journal, which are copies. Several
 * forgettings are written one after the other into a draft of the model (a copy of its mask and journal); the model
 * then takes all of them or none. As several journal entries are first written into a draft of the model (a copy of its
 * mask and journal), the model gets all of them or none, although memory may run out for any of them. A model must not
 * change while a draft of it (a copy of its mask and journal) exists. */

/* Creates a draft of a model, which shares everything with the model except the mask and the journal. The caller must
 * release a draft of a model (a copy of its mask and journal) with dkvb__draft_free(), even if creating the draft
 * failed. */
dkvb_status dkvb__draft_new(struct dkvb_model *draft, const dkvb_model *model);

/* Moves the mask and the journal of a model's draft to the model, and releases the draft. Moving the mask and the
 * journal of a draft to its model cannot fail. */
void dkvb__draft_adopt(struct dkvb_model *draft, dkvb_model *model);

/* Releases a draft of a model, which shares everything with the model except the mask and the journal. A draft of a
 * model has nothing to release if its mask and journal were moved to the model, or if its struct is all zeros. */
void dkvb__draft_free(struct dkvb_model *draft);

#endif
