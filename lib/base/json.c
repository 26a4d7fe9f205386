#include "base/json.h"

#include <string.h>

#include "base/status.h"

struct dkvb__shown dkvb__show(const char *text)
{
    struct dkvb__shown shown;
    size_t i = 0;

    for (; i < sizeof shown.text - 1 && text[i]; i++)
        shown.text[i] = text[i] >= ' ' && text[i] < 0x7F ? text[i] : '?';
    if (text[i])
        memcpy(shown.text + sizeof shown.text - 4, "...", 3);
    shown.text[i] = '\0';
    return shown;
}

const char *dkvb__json_kind(const json_t *value)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "a truth", [JSON_FALSE] = "a truth",   [JSON_NULL] = "null",
    };

    return value ? kinds[json_typeof(value)] : "nothing";
}

/* The JSON parser jansson stops at a depth of 2,048, and accepts only UTF-8 without the character 0. Error messages of
 * the JSON parser jansson may quote the JSON file. */
dkvb_status dkvb__json_parse(json_t **out, const char *text, size_t size, const char *path, const char *what)
{
    json_error_t error;

    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!*out && json_error_code(&error) == json_error_out_of_memory)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu bytes of JSON", path, size);
    if (!*out)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %s is not JSON: byte %d: %s", path, what, error.position,
                          dkvb__show(error.text).text);
    if (!json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %s is a list, an object is wanted", path, what);
    }
    return DKVB_OK;
}
