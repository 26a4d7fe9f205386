/* Classes as people and programs are told of them: always by index and name. */
#ifndef DKVB_TOOL_CLASSES_H
#define DKVB_TOOL_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* One class in text: 4 'cat'. */
void classes_print(const dkvb_model *model, uint32_t label);

/* The classes of `marks`, uint8_t[classes] or NULL, that are DKVB_FORGET: in JSON the list "classes"; in text `begin`
 * and the first `most`, 4 'cat', 7 'dog' and 3 more. Returns how many they are; of none there is no text. */
uint32_t classes_list(const dkvb_model *model, const uint8_t *marks, uint32_t classes, const char *begin, uint32_t most,
                      bool json);

#endif
