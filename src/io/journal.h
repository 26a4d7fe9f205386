/* Output of a model's journal, for people and for programs. */
#ifndef DKVB_TOOL_JOURNAL_H
#define DKVB_TOOL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Writes all entries. Text is a table, or one line if the journal is empty. JSON is "head": "...", "journal": [...],
 * inside an open object. */
int journal_write(const dkvb_model *model, bool json);

/* Size of the head of the journal in hexadecimal, with its terminating NUL. */
enum { JOURNAL_HEAD_SIZE = 65 };
const char *journal_head(const dkvb_model *model, char text[JOURNAL_HEAD_SIZE]);

/* Writes an object with the losses of one class, inside an open array. */
void journal_json_effect(const dkvb_model *model, uint32_t label, const dkvb_class_effect *effect);

#endif
