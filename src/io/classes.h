/* Classes as people and programs are told of them: always by index and name. */
#ifndef DKVB_TOOL_CLASSES_H
#define DKVB_TOOL_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* One class of a list, the nth from 0 on: 4 'cat' in text, {"label": 4, "name": "cat"} in JSON. In text `begin` stands
 * before the first. */
void classes_write(const dkvb_model *model, uint32_t label, uint32_t nth, const char *begin, bool json);

#endif
