/* Output of a model's journal, for people and for programs. */
#ifndef DKVB_TOOL_JOURNAL_H
#define DKVB_TOOL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Writes all journal entries. Text output is a table, or one line if the journal is empty. JSON output consists of the
 * members "head" (a text) and "journal" (a list) of an object that the caller has opened. */
int journal_write(const dkvb_model *model, bool json);

/* Size of the journal's last hash in hexadecimal, with its terminating NUL. */
enum { JOURNAL_HEAD_SIZE = 65 };
const char *journal_head(const dkvb_model *model, char text[JOURNAL_HEAD_SIZE]);

/* Writes a JSON object with the losses of one class, inside an open array. */
void journal_json_effect(const dkvb_model *model, uint32_t label, const dkvb_class_effect *effect);

#endif
