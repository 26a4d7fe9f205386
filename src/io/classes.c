#include "io/classes.h"

#include <inttypes.h>
#include <stdio.h>

#include "io/json.h"
#include "io/output.h"

void classes_write(const dkvb_model *model, uint32_t label, uint32_t nth, const char *begin, bool json)
{
    const char *name = dkvb_model_class_name(model, label);

    if (json) {
        json_open(NULL, '{');
        json_count("label", label);
        json_text("name", name);
        json_close('}');
        return;
    }
    printf("%s%" PRIu32, nth == 0 ? begin : ", ", label);
    if (name) {
        fputs(" '", stdout);
        output_padded(name, 0);
        putchar('\'');
    }
}

const char *classes_text(const dkvb_model *model, int32_t label, char text[300])
{
    const char *name = label < 0 ? NULL : dkvb_model_class_name(model, (uint32_t)label);

    if (label < 0)
        return "-";
    snprintf(text, 300, "%" PRId32 "%s%s", label, name ? " " : "", name ? name : "");
    return text;
}

int classes_width(const dkvb_model *model, uint32_t classes, int least)
{
    char text[300];

    for (uint32_t l = 0; l < classes; l++)
        least = output_wider(least, classes_text(model, (int32_t)l, text));
    return least;
}
