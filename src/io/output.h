/* Writes the output of a command: files, which are written whole or not at all, and text on stdout. */
#ifndef DKVB_TOOL_OUTPUT_H
#define DKVB_TOOL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <dkvb/dkvb.h>

/* A file that is being written: the time when writing began, whether the file exists already, and its owner. */
struct output {
    double began;
    const char *path;
    bool is;
    struct stat before;
};

/* Checks for a signal before a file is written. If a signal came, the result is false and *code is set, after a
 * message: the work of an interrupted command is not saved. */
bool output_begin(struct output *file, const char *path, int *code);

/* Ends the writing of a file that output_begin() began. If the system does not let a replaced file keep its owner and
 * group, output_end() prints a note on stderr, as the administrator of a service that reads the file must know. */
int output_end(const struct output *file, dkvb_status status);

/* Functions that write an output file of a command: a model, a mask or a plan. Each function that writes a file calls
 * output_begin() and output_end(). */
int output_model(const dkvb_model *model, const char *path);
int output_mask(const dkvb_mask *mask, const char *path);
int output_plan(const dkvb_plan *plan, const char *path);

/* Writes a model and its codes file, which belong together: a full disk leaves both old files. */
int output_model_with(const dkvb_model *model, const char *path, const dkvb_codeset *set, const char *codes_path);
int output_npy(const char *path, uint32_t dtype, uint32_t ndim, const uint64_t *shape, const void *data);
int output_bytes(const char *path, const void *data, size_t size);

/* A callback that prints the next part of a text file; a part without text ends the file. The callback's result is an
 * exit code of the tool. */
typedef int output_print_fn(void *context, FILE *to);

/* Writes a text file part by part: memory holds one part at a time, and a failure leaves the old file. */
int output_parts(const char *path, output_print_fn *print, void *context);

/* Counts one more written file, for the message after an interrupt, and reports leftover temporary files beside the
 * file. */
void output_wrote(const char *path);

/* Reports each temporary file on stderr that a killed command left beside `path`. */
void output_leftovers(const char *path);

/* Prints `text` left-justified in a column of at least `width` characters. In the printed text, control characters
 * become '?'. */
void output_padded(const char *text, int width);

/* Returns the width of `text` in columns: its characters, not its bytes. */
int output_width(const char *text);

/* Returns the larger of `width` and the width of `text` in columns. */
int output_wider(int width, const char *text);

/* Writes number and name of a class to `text`; "-" stands for no class (-1). */
const char *output_class(const dkvb_model *model, int32_t label, char text[300]);

/* Returns the width in columns of the longest class name of the model with its number, at least `least`. */
int output_class_width(const dkvb_model *model, uint32_t classes, int least);

/* Writes a time in seconds since 1970 as "2024-05-01T12:00:00Z"; "@<seconds>" for years beyond the calendar. */
const char *output_time(int64_t seconds, char *text, size_t size);

/* Checks the variable SOURCE_DATE_EPOCH before a command writes a time to the model's journal. The result is 0, or the
 * exit code after an error message if SOURCE_DATE_EPOCH is not a time. Without the check of SOURCE_DATE_EPOCH the
 * library would use the present time, and the written bytes would not be the expected ones. */
int output_check_epoch(void);

/* Flushes stdout. The result of flushing is 0, or the exit code after an error message was printed. */
int output_finish(void);

/* A text file that is printed to memory, and then written whole or not at all like every file of a command. */
struct textfile {
    const char *path;
    FILE *file; /* stream in memory to which the text of the output file is printed */
    char *text; /* text of the output file; set once the stream in memory, to which the text was printed, is closed */
    size_t size;
};

/* Begins a text file that is printed to memory. The caller must call textfile_end(), even after a failure. */
int textfile_begin(struct textfile *text, const char *path);

/* Ends a text file that is printed to memory: writes the file if `code` is EXIT_SUCCESS and no signal came. The result
 * is `code`, or another exit code if writing the file failed. */
int textfile_end(struct textfile *text, int code);

/* Writes bytes as hexadecimal digits. The hexadecimal text is written to the buffer `text` of 2 * size + 1 bytes, and
 * returned. */
const char *hex_text(const uint8_t *bytes, size_t size, char *text);

/* Reads bytes from hexadecimal. The result is true if `text` is exactly 2 * size hexadecimal digits, in upper or lower
 * case. */
bool hex_parse(const char *text, uint8_t *bytes, size_t size);

/* Writes JSON fields for the shape of a model, for the preparation of rows before the search of their keys, and for the
 * logits. */
void output_shape(const dkvb_model_info *info, bool whitened);

#endif
