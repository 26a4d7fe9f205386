/* The journal of a model, for people and for programs. */
#ifndef DKVB_TOOL_JOURNAL_H
#define DKVB_TOOL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Whether an entry is a forgetting or a replay that holds: neither undone nor over. */
bool journal_in_force(const dkvb_journal_entry *entry);

/* A table, or one line if the journal is empty. */
int journal_print(const dkvb_model *model);

/* The head of the journal in hexadecimal: `text` has JOURNAL_HEAD_SIZE bytes, and is returned. */
enum { JOURNAL_HEAD_SIZE = 65 };
const char *journal_head(const dkvb_model *model, char *text);

/* "head": "...", "journal": [...], inside an open JSON object. */
int journal_json(const dkvb_model *model);

/* An object of what one class lost, inside an open array. */
void journal_json_effect(const dkvb_model *model, uint32_t label, const dkvb_class_effect *effect);

/* The newest entry. */
int journal_newest(const dkvb_model *model, dkvb_journal_entry *entry);

#endif
