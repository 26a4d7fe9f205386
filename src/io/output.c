#include "io/output.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "io/args.h"
#include "io/json.h"
#include "io/progress.h"
#include "io/ranks.h"
#include "tool.h"

bool output_begin(struct output *file, const char *path, int *code)
{
    *file = (struct output){.path = path, .began = progress_clock()};
    file->is = stat(path, &file->before) == 0;
    *code = progress_interrupted() ? tool_interrupted() : EXIT_SUCCESS;
    return *code == EXIT_SUCCESS;
}

void output_leftovers(const char *path)
{
    char name[PATH_MAX];

    for (size_t i = 0; dkvb_file_leftover(path, i, name, sizeof name) == DKVB_OK; i++)
        tool_note(
            "%s: was left by a command that was killed while it wrote; it may hold what is deleted elsewhere, and "
            "no command reads it: delete it",
            name);
}

void output_wrote(const char *path)
{
    tool_wrote_file();
    output_leftovers(path);
}

int output_end(const struct output *file, dkvb_status status)
{
    const struct stat *old = &file->before;
    struct stat now;

    progress_add_file(file->began);
    status = ranks_settle(status);
    if (!ranks_lead())
        return status == DKVB_OK ? EXIT_SUCCESS : EXIT_FAILURE; /* only rank 0 prints the reason of a failure */
    if (status != DKVB_OK)
        return tool_check(status);
    output_wrote(file->path);
    if (file->is && old->st_nlink > 1)
        tool_note("%s: had %lu names; the others still lead to the old file, which stays as it was", file->path,
                  (unsigned long)old->st_nlink);
    if (file->is && stat(file->path, &now) == 0 && (now.st_uid != old->st_uid || now.st_gid != old->st_gid))
        tool_note(
            "%s: belonged to user %lu and group %lu, and now belongs to %lu and %lu, since this user may not give "
            "files away",
            file->path, (unsigned long)old->st_uid, (unsigned long)old->st_gid, (unsigned long)now.st_uid,
            (unsigned long)now.st_gid);
    return EXIT_SUCCESS;
}

/* Wraps any call `write` that writes a file in output_begin() and output_end(). All ranks (processes) use the macro
 * OUTPUT together if the call `write` exchanges values between ranks; otherwise only rank 0 uses OUTPUT. */
#define OUTPUT(path, write)                                                                                            \
    struct output file;                                                                                                \
    int code;                                                                                                          \
                                                                                                                       \
    return output_begin(&file, path, &code) ? output_end(&file, write) : code

int output_model(const dkvb_model *model, const char *path)
{
    OUTPUT(path, dkvb_model_save(model, path));
}

int output_mask(const dkvb_mask *mask, const char *path)
{
    OUTPUT(path, ranks_lead() ? dkvb_mask_save(mask, path) : DKVB_OK);
}

int output_plan(const dkvb_plan *plan, const char *path)
{
    OUTPUT(path, dkvb_plan_save(plan, path));
}

int output_model_with(const dkvb_model *model, const char *path, const dkvb_codeset *set, const char *codes_path)
{
    struct output file, codes;
    int code;

    if (!output_begin(&file, path, &code) || !output_begin(&codes, codes_path, &code) ||
        (code = output_end(&file, dkvb_model_save_with(model, path, set, codes_path))))
        return code;
    /* the file time of the model includes the writing of both the model and its codes file, so the file time of the
     * codes file counts only from here */
    codes.began = progress_clock();
    return output_end(&codes, DKVB_OK);
}

int output_npy(const char *path, uint32_t dtype, uint32_t ndim, const uint64_t *shape, const void *data)
{
    OUTPUT(path, ranks_lead() ? dkvb_npy_write(path, dtype, 0, ndim, shape, data) : DKVB_OK);
}

int output_bytes(const char *path, const void *data, size_t size)
{
    OUTPUT(path, ranks_lead() ? dkvb_file_write(path, data, size) : DKVB_OK);
}

/* The part of a text file that is in memory while the text file is written part by part. */
struct part {
    output_print_fn *print;
    void *context;
    const char *path;
    char *text; /* text of that part of the output file which is being written */
    /* exit code of the function that prints a part of the text file; the function has reported its failure already */
    int code;
};

static int next_part(void *user, const void **data, size_t *size)
{
    struct part *p = user;
    FILE *to;
    bool whole;

    free(p->text);
    p->text = NULL;
    to = open_memstream(&p->text, size);
    p->code = to ? p->print(p->context, to) : EXIT_SUCCESS;
    whole = to && !ferror(to);
    if (to && fclose(to) != 0)
        whole = false;
    if (p->code == EXIT_SUCCESS && !whole)
        p->code = tool_fail("%s: out of memory for its text", p->path);
    *data = p->text;
    return p->code;
}

int output_parts(const char *path, output_print_fn *print, void *context)
{
    struct part part = {.print = print, .context = context, .path = path};
    struct output file;
    dkvb_status status;
    int code;

    if (!output_begin(&file, path, &code))
        return code;
    if (ranks_lead()) {
        status = dkvb_file_write_parts(path, next_part, &part);
        /* ranks other than rank 0 compute the parts of the text file too, since all ranks may have to take part in the
         * computation, but do not write them */
    } else {
        const void *data;
        size_t size;

        while (next_part(&part, &data, &size) == EXIT_SUCCESS && size > 0)
            ;
        status = DKVB_OK;
    }
    free(part.text);
    if (part.code)
        return part.code;
    return output_end(&file, status);
}

int output_width(const char *text)
{
    int width = 0;

    for (; *text; text++)
        /* bytes that continue a UTF-8 character add nothing to the width of a text */
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

int output_wider(int width, const char *text)
{
    int wide = output_width(text);

    return wide > width ? wide : width;
}

const char *output_class(const dkvb_model *model, int32_t label, char text[300])
{
    const char *name = label < 0 ? NULL : dkvb_model_class_name(model, (uint32_t)label);

    if (label < 0)
        return "-";
    snprintf(text, 300, "%" PRId32 "%s%s", label, name ? " " : "", name ? name : "");
    return text;
}

int output_class_width(const dkvb_model *model, uint32_t classes, int least)
{
    char text[300];

    for (uint32_t l = 0; l < classes; l++)
        least = output_wider(least, output_class(model, (int32_t)l, text));
    return least;
}

void output_padded(const char *text, int width)
{
    int left = width - output_width(text);

    for (; *text; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text);
    for (; left > 0; left--)
        putchar(' ');
}

const char *output_time(int64_t seconds, char *text, size_t size)
{
    time_t at = (time_t)seconds;
    struct tm calendar;

    if ((int64_t)at != seconds || !gmtime_r(&at, &calendar) ||
        strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &calendar) == 0)
        snprintf(text, size, "@%" PRId64, seconds);
    return text;
}

int output_check_epoch(void)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    uint64_t seconds;

    if (!epoch || !*epoch || (args_number(epoch, &seconds) && seconds <= INT64_MAX))
        return EXIT_SUCCESS;
    return tool_fail("SOURCE_DATE_EPOCH '%.64s': seconds since 1970 are wanted, in digits only", epoch);
}

int output_finish(void)
{
    if (fflush(stdout) != 0)
        return tool_fail("standard output: %s", strerror(errno));
    if (ferror(stdout)) /* an earlier write to standard output failed, and its errno is lost */
        return tool_fail("standard output: not everything could be written");
    return EXIT_SUCCESS;
}

int textfile_begin(struct textfile *text, const char *path)
{
    *text = (struct textfile){.path = path};
    text->file = open_memstream(&text->text, &text->size);
    return text->file ? EXIT_SUCCESS : tool_fail("%s: out of memory for its text", path);
}

int textfile_end(struct textfile *text, int code)
{
    bool whole = text->file && !ferror(text->file);

    if (text->file && fclose(text->file) != 0)
        whole = false;
    if (code == EXIT_SUCCESS && !whole)
        code = tool_fail("%s: out of memory for its text", text->path);
    if (code == EXIT_SUCCESS)
        code = output_bytes(text->path, text->text, text->size);
    free(text->text);
    *text = (struct textfile){0};
    return code;
}

const char *hex_text(const uint8_t *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
    return text;
}

bool hex_parse(const char *text, uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";

    if (strlen(text) != 2 * size)
        return false;
    memset(bytes, 0, size);
    for (size_t i = 0; i < 2 * size; i++) {
        const char *digit = strchr(digits, text[i]);

        if (!digit)
            return false;
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | (digit - digits) % 16);
    }
    return true;
}

void output_shape(const dkvb_model_info *info, bool whitened)
{
    json_count("codebooks", info->codebooks);
    json_count("keys", info->keys);
    json_count("key_dim", info->key_dim);
    json_count("input_dim", info->input_dim);
    json_count("classes", info->classes);
    json_count("top_k", info->top_k);
    json_bool("normalize", info->normalize != 0);
    json_bool("whitened", whitened);
    json_number("temperature", info->temperature);
}
