/* dkvb receipt writes a receipt of the rows that a model has forgotten, in a form that other tools read. dkvb verify
 * --receipt checks a receipt. */
#include <stdio.h>
#include <stdlib.h>

#include "commands/receipt.h"
#include "io/args.h"
#include "io/input.h"
#include "io/json.h"
#include "io/output.h"
#include "io/paths.h"
#include "io/progress.h"
#include "io/signing.h"
#include "tool.h"

struct receipt_args {
    struct args args;
    const char *codes, *before, *audit, *key, *bom, *command, *out;
};

#define AT(member) offsetof(struct receipt_args, member)

static const struct args_option options[] = {
    {"codes", ARGS_TEXT, AT(codes), "FILE",
     .help = "codes file of the model: accuracies and effects are measured on its held-out rows"},
    {"before", ARGS_TEXT, AT(before), "FILE", .help = "the model before the forgetting"},
    {"audit", ARGS_TEXT, AT(audit), "FILE", .help = "what 'dkvb audit --json' printed for this model"},
    {"key", ARGS_TEXT, AT(key), "FILE", .help = "sign by this Ed25519 private key, in PEM"},
    {"bom", ARGS_TEXT, AT(bom), "FILE", .help = "also write a CycloneDX 1.6 bill of materials"},
    {"command", ARGS_TEXT, AT(command), "TEXT", .help = "the command that forgot, to stand in the receipt",
     .word = true},
    {"output", ARGS_TEXT, AT(out), "FILE", .help = "the receipt", .letter = 'o', .required = true},
    {0},
};

static const struct args_command command = {
    .name = "receipt",
    .synopsis = "MODEL -o RECEIPT.json [--codes CODES] [--before MODEL0] [--audit AUDIT.json] [--key KEY.pem]",
    .about = "Write a receipt of what a model has forgotten: an in-toto statement in JSON, signed if a key is given.\n"
             "'dkvb verify --receipt' checks it against the files.",
    .example = "dkvb receipt m.dkvb -o receipt.json",
    .options = options,
    .size = sizeof(struct receipt_args),
    .least_operands = 1,
    .most_operands = 1,
};

int cmd_receipt(int argc, char **argv)
{
    dkvb_receipt_options o = DKVB_RECEIPT_OPTIONS_INIT;
    struct signing_key key = {0};
    struct receipt_args args;
    struct output file;
    int code;

    if (!args_parse(&command, argc, argv, &args, &code))
        return code;
    o.model = args.args.operand[0];
    o.codes = args.codes;
    o.before = args.before;
    o.audit = args.audit;
    o.bom = args.bom;
    o.command = args.command;
    {
        const struct path inputs[] = {{"MODEL", o.model},   {"--codes", o.codes}, {"--before", o.before},
                                      {"--audit", o.audit}, {"--key", args.key},  {NULL, NULL}};
        const struct path outputs[] = {{"--output", args.out}, {"--bom", o.bom}, {NULL, NULL}};

        code = paths_check(&command, inputs, outputs);
        if (code)
            return code;
    }
    code = args.key ? signing_read(&key, args.key, true, &o) : EXIT_SUCCESS;
    if (code == EXIT_SUCCESS && output_begin(&file, args.out, &code)) {
        /* the progress bar is needed, as a receipt of an exact forgetting trains the model again */
        const dkvb_run_options run = progress_start("receipt", 0);
        const dkvb_status status = dkvb_receipt_write(args.out, &o, &run);

        progress_stop();
        code = output_end(&file, status);
        if (code == EXIT_SUCCESS)
            printf("wrote %s, %s\n", args.out, args.key ? "signed" : "not signed");
    }
    signing_free(&key);
    return code;
}

/* Prints a sentence of a checked receipt as a line of text, or as an object of the list in JSON. */
static int tell(uint32_t outcome, const char *about, const char *sentence, void *json)
{
    static const char *const words[] = {"checked", "differs", "not checked"};

    progress_hide();
    if (!*(const bool *)json) {
        printf("%-11s  %-19s  %s\n", words[outcome], about, sentence);
        return 0;
    }
    json_open(NULL, '{');
    json_text("outcome", words[outcome]);
    json_text("about", about);
    json_text("sentence", sentence);
    json_close('}');
    return 0;
}

int receipt_check(const struct receipt_check *check)
{
    dkvb_receipt_options o = DKVB_RECEIPT_OPTIONS_INIT;
    struct signing_key key = {0};
    struct ids ids = {0};
    dkvb_run_options run;
    bool json = check->json;
    dkvb_status status;
    int code = EXIT_SUCCESS;

    o.model = check->model;
    o.codes = check->codes;
    o.before = check->before;
    o.audit = check->audit;
    o.tell = tell;
    o.user = &json;
    if (check->key)
        code = signing_read(&key, check->key, false, &o);
    if (code == EXIT_SUCCESS && check->ids)
        code = ids_read(&ids, check->ids, false, NULL);
    o.ids = ids.id;
    o.id_count = ids.n;
    if (code == EXIT_SUCCESS) {
        if (json) {
            json_open(NULL, '{');
            json_open("sentences", '[');
        }
        run = progress_start("receipt", 0);
        status = dkvb_receipt_verify(check->receipt, &o, &run);
        progress_stop();
        if (json) {
            json_close(']');
            json_bool("ok", status == DKVB_OK);
            json_close('}');
        }
        code = tool_check(status);
    }
    ids_free(&ids);
    signing_free(&key);
    return code;
}
