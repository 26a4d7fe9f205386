/* Classes as messages and JSON name them: always by index and name. */
#ifndef DKVB_TOOL_CLASSES_H
#define DKVB_TOOL_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Prints one class in text: 4 'cat'. */
void classes_print(const dkvb_model *model, uint32_t label);

/* Prints the classes of `marks`, uint8_t[classes] or NULL, that are DKVB_FORGET. In JSON this is the list "classes"; in
 * text it is `begin` and the first `most` classes, as in: 4 'cat', 7 'dog' and 3 more. Without classes there is no
 * text. Returns the number of the classes. */
uint32_t classes_list(const dkvb_model *model, const uint8_t *marks, uint32_t classes, const char *begin, uint32_t most,
                      bool json);

#endif
