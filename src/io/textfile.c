#include "io/textfile.h"

#include <stdbool.h>
#include <stdlib.h>

#include "io/output.h"
#include "tool.h"

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
