/* Prints classes in messages and JSON, always by index and name. */
#ifndef DKVB_TOOL_CLASSES_H
#define DKVB_TOOL_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Prints one class as text, by number and name: 4 'cat'. */
void classes_print(const dkvb_model *model, uint32_t label);

/* Prints the classes that have the mark DKVB_FORGET in `marks`, uint8_t[classes] or NULL. JSON output is the list
 * "classes" of the marked classes; text output is `begin` and the first `most` marked classes, as in: 4 'cat', 7 'dog'
 * and 3 more. If no class is marked, no text is printed. Returns the number of marked classes. */
uint32_t classes_list(const dkvb_model *model, const uint8_t *marks, uint32_t classes, const char *begin, uint32_t most,
                      bool json);

#endif
