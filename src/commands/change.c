#include "commands/change.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

int change_model(const struct args_command *command, struct change *c, int (*make)(struct change *c),
                 void (*tell)(const struct change *c))
{
    const char *path = c->args.operand[0], *output = c->output ? c->output : path;
    const struct path inputs[] = {{0}}, outputs[] = {{c->output ? "--output" : "MODEL", output}, {0}};
    double began = progress_clock();
    int code = paths_claim(command, inputs, outputs);

    c->after = (dkvb_model_info)DKVB_MODEL_INFO_INIT;
    if (code == EXIT_SUCCESS)
        code = input_model_load(&c->model, path, &c->before);
    if (code == EXIT_SUCCESS)
        code = make(c);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_model_get_info(c->model, &c->after));
    if (code == EXIT_SUCCESS)
        code = output_model(c->model, output);
    if (code == EXIT_SUCCESS && c->json) {
        json_open(NULL, '{');
        tell(c);
        json_real("seconds", progress_clock() - began);
        json_close('}');
    } else if (code == EXIT_SUCCESS) {
        tell(c);
        printf("wrote %s\n", output);
    }
    dkvb_model_free(c->model);
    return code;
}
