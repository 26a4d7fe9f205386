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
