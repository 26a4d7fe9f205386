/* What a command leaves behind: files, whole or not at all, and text on stdout. */
#ifndef DKVB_TOOL_OUTPUT_H
#define DKVB_TOOL_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

/* Each looks for a signal first: the work of an interrupted command is not saved. */
int output_model(const dkvb_model *model, const char *path);
int output_mask(const dkvb_mask *mask, const char *path);
int output_plan(const dkvb_plan *plan, const char *path);
int output_codeset(const dkvb_codeset *set, const char *path);
int output_npy(const char *path, uint32_t dtype, uint32_t ndim, const uint64_t *shape, const void *data);
int output_bytes(const char *path, const void *data, size_t size);

/* One more file is on disk: counted for the line that an interrupt prints, and leftovers beside it are told of. */
void output_wrote(const char *path);

/* Tell on stderr of each temporary file that a killed command left beside `path`. */
void output_leftovers(const char *path);

/* `text` in at least `width` columns, left-justified. Control characters become '?'. */
void output_padded(const char *text, int width);

/* Columns that `text` takes: its characters, not its bytes. */
int output_width(const char *text);

/* Seconds since 1970 as "2024-05-01T12:00:00Z"; "@<seconds>" for years the calendar has no room for. */
const char *output_time(int64_t seconds, char *text, size_t size);

/* For commands that write in the journal: 0, or a SOURCE_DATE_EPOCH that is no time, said on stderr. The library would
 * take the present instead, and the bytes would not be those that were asked for. */
int output_check_epoch(void);

/* 0, or the failure to write to stdout said on stderr. */
int output_finish(void);

#endif
