#ifndef DKVB_RECEIPT_EFFECTS_H
#define DKVB_RECEIPT_EFFECTS_H

#include "dkvb/effect.h"
#include "receipt/statement.h"

/* Words for the member "outcome" that each journal entry has in the receipt's statement "effects". */
#define DKVB__EFFECT_SAME "same"
#define DKVB__EFFECT_OTHER "other"
#define DKVB__EFFECT_UNMEASURED "not measured"

/* Returns the effect of a forgetting on a class as JSON, or NULL if memory ran out. */
json_t *dkvb__effect_json(uint32_t label, const dkvb_class_effect *e);

/* Makes the statement "effects" of a receipt: what each forgetting that is still in force changed on the held-out rows,
 * measured again. */
dkvb_status dkvb__effects_again(json_t **out, struct dkvb__receipt *r);

/* Makes the statement "effects_from_before" of a receipt: for exact forgettings, the recorded effects, measured again
 * by comparing the model with the model file from before the forgetting. */
dkvb_status dkvb__effects_from_before(json_t **out, struct dkvb__receipt *r);

/* Makes the statement "trained_again" of a receipt: whether training the values again from the codes gives the same
 * bytes in every section of the model file. The receipt's statement "trained_again" is null unless an exact forgetting
 * is still in force. */
dkvb_status dkvb__trained_again(json_t **out, struct dkvb__receipt *r);

#endif
