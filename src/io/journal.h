/* The journal of a model, for people and for programs. */
#ifndef DKVB_TOOL_JOURNAL_H
#define DKVB_TOOL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* All entries. Text: a table, or one line if the journal is empty. JSON: "head": "...", "journal": [...], inside an
 * open object. */
int journal_write(const dkvb_model *model, bool json);

/* The head of the journal in hexadecimal. */
enum { JOURNAL_HEAD_SIZE = 65 };
const char *journal_head(const dkvb_model *model, char text[JOURNAL_HEAD_SIZE]);

/* An object of what one class lost, inside an open array. */
void journal_json_effect(const dkvb_model *model, uint32_t label, const dkvb_class_effect *effect);

#endif
