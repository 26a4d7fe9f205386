/* The journal of a model, for people and for programs. */
#ifndef DKVB_TOOL_JOURNAL_H
#define DKVB_TOOL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* All entries. Text: a table, or one line if the journal is empty. JSON: "head": "...", "journal": [...], inside an
 * open object. */
int journal_write(const dkvb_model *model, bool json);

/* The classes of `marks`, uint8_t[classes] or NULL, that are DKVB_FORGET: in JSON the list "classes"; in text `begin`
 * and the first `most`, 4 'cat', 7 'dog' and 3 more. Returns how many they are; of none there is no text. */
uint32_t journal_classes(const dkvb_model *model, const uint8_t *marks, uint32_t classes, const char *begin,
                         uint32_t most, bool json);

/* An object of what one class lost, inside an open array. */
void journal_json_effect(const dkvb_model *model, uint32_t label, const dkvb_class_effect *effect);

#endif
