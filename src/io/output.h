/* What a command leaves behind: files, whole or not at all, and text on stdout. */
#ifndef DKVB_TOOL_OUTPUT_H
#define DKVB_TOOL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <dkvb/dkvb.h>

/* A file about to be written: since when, whether it is there already, and whose it is. */
struct output {
    double began;
    const char *path;
    bool is;
    struct stat before;
};

/* Look for a signal before writing. False if one came, since the work of an interrupted command is not saved: it has
 * been said, and is in `code`. */
bool output_begin(struct output *file, const char *path, int *code);

/* Outcome of writing. The library keeps owner and group where the system lets it; elsewhere whoever runs the service
 * that reads the file must hear of it. */
int output_end(const struct output *file, dkvb_status status);

/* Each is a write between the two. */
int output_model(const dkvb_model *model, const char *path);
int output_mask(const dkvb_mask *mask, const char *path);
int output_plan(const dkvb_plan *plan, const char *path);
int output_codeset(const dkvb_codeset *set, const char *path);
int output_npy(const char *path, uint32_t dtype, uint32_t ndim, const uint64_t *shape, const void *data);
int output_bytes(const char *path, const void *data, size_t size);

/* Prints the next part of a file of text; a part without text ends the file. Returns an exit code. */
typedef int output_print_fn(void *context, FILE *to);

/* Write a file of text part by part: memory holds one part, and a failure leaves the old file. */
int output_parts(const char *path, output_print_fn *print, void *context);

/* One more file is on disk: counted for the line that an interrupt prints, and leftovers beside it are told of. */
void output_wrote(const char *path);

/* Tell on stderr of each temporary file that a killed command left beside `path`. */
void output_leftovers(const char *path);

/* `text` in at least `width` columns, left-justified. Control characters become '?'. */
void output_padded(const char *text, int width);

/* Columns that `text` takes: its characters, not its bytes. */
int output_width(const char *text);

/* The larger of `width` and the columns that `text` takes. */
int output_wider(int width, const char *text);

/* Number and name of a class, "-" for none (-1). */
const char *output_class(const dkvb_model *model, int32_t label, char text[300]);

/* Columns that the longest of these takes, and `least` at least. */
int output_class_width(const dkvb_model *model, uint32_t classes, int least);

/* Seconds since 1970 as "2024-05-01T12:00:00Z"; "@<seconds>" for years the calendar has no room for. */
const char *output_time(int64_t seconds, char *text, size_t size);

/* For commands that write in the journal: 0, or a SOURCE_DATE_EPOCH that is no time, said on stderr. The library would
 * take the present instead, and the bytes would not be those that were asked for. */
int output_check_epoch(void);

/* 0, or the failure to write to stdout said on stderr. */
int output_finish(void);

/* Files of text: printed into memory, then written whole or not at all, as everything that commands write. */
struct textfile {
    const char *path;
    FILE *file; /* to print into */
    char *text; /* what was printed, once the file is closed */
    size_t size;
};

/* To be ended also after a failure. */
int textfile_begin(struct textfile *text, const char *path);

/* Write the file if `code` is EXIT_SUCCESS and no signal came. Returns `code`, or the failure to write. */
int textfile_end(struct textfile *text, int code);

/* `text` has 2 * size + 1 bytes, and is returned. */
const char *hex_text(const uint8_t *bytes, size_t size, char *text);

/* True if `text` is 2 * size digits, of either case, and nothing else. */
bool hex_parse(const char *text, uint8_t *bytes, size_t size);

/* Fields of JSON: the shape of a model, and what comes of rows before they are searched and of logits after. */
void output_shape(const dkvb_model_info *info, bool whitened);

#endif
