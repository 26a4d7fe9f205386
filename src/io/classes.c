#include "io/classes.h"

#include <inttypes.h>
#include <stdio.h>

#include "io/json.h"
#include "io/output.h"

void classes_print(const dkvb_model *model, uint32_t label)
{
    const char *name = dkvb_model_class_name(model, label);

    printf("%" PRIu32, label);
    if (name) {
        fputs(" '", stdout);
        output_padded(name, 0);
        putchar('\'');
    }
}

uint32_t classes_list(const dkvb_model *model, const uint8_t *marks, uint32_t classes, const char *begin, uint32_t most,
                      bool json)
{
    uint32_t count = 0;

    if (json)
        json_open("classes", '[');
    for (uint32_t l = 0; marks && l < classes; l++) {
        if (marks[l] != DKVB_FORGET)
            continue;
        if (json) {
            json_open(NULL, '{');
            json_count("label", l);
            json_text("name", dkvb_model_class_name(model, l));
            json_close('}');
        } else if (count < most) {
            fputs(count == 0 ? begin : ", ", stdout);
            classes_print(model, l);
        }
        count++;
    }
    if (json)
        json_close(']');
    else if (count > most)
        printf(" and %" PRIu32 " more", count - most);
    return count;
}
