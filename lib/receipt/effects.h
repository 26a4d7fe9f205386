#ifndef DKVB_RECEIPT_EFFECTS_H
#define DKVB_RECEIPT_EFFECTS_H

#include "dkvb/effect.h"
#include "receipt/statement.h"

/* Words of member "outcome" of each entry in statement "effects". */
#define DKVB__EFFECT_SAME "same"
#define DKVB__EFFECT_OTHER "other"
#define DKVB__EFFECT_UNMEASURED "not measured"

/* Counts of an effect as JSON, or NULL without memory. */
json_t *dkvb__effect_json(uint32_t label, const dkvb_class_effect *e);

/* Statement "effects": the effects that entries in force recorded, measured again on the held-out rows. */
dkvb_status dkvb__effects_again(json_t **out, struct dkvb__receipt *r);

/* Statement "effects_from_before": the effects that exact entries recorded, measured with the model before. */
dkvb_status dkvb__effects_from_before(json_t **out, struct dkvb__receipt *r);

/* Statement "trained_again": every section of the model file, after the values were trained again from the codes. Null
 * unless `exact` is in force. */
dkvb_status dkvb__trained_again(json_t **out, struct dkvb__receipt *r);

#endif
