/* Fuzz target for receipts: whatever the bytes, checking a receipt must end in an error or in sentences of valid text,
 * and change no file. The first byte of the input says whether the rest is first put into the form of a receipt, so
 * that later code is reached, and whether a public key is given. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "dkvb/dkvb.h"

enum { IN_FORM = 1, WITH_KEY = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static char model_path[] = "/tmp/dkvb-fuzz-model-XXXXXX";

static void remove_model(void)
{
    unlink(model_path);
}

/* Makes a model file with one pair, only once, as checking a receipt only reads it. */
static void make_model(void)
{
    static int made;
    const float key = 1.0f;
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    int fd;

    if (made)
        return;
    made = 1;
    fd = mkstemp(model_path);
    require(fd >= 0);
    close(fd);
    atexit(remove_model);
    o.codebooks = o.keys = o.key_dim = 1;
    arrays.dim = 1;
    arrays.keys = &key;
    require(dkvb_codebooks_from_arrays(&codebooks, &arrays, &o) == DKVB_OK);
    require(dkvb_model_new(&model, codebooks, 1, NULL) == DKVB_OK);
    require(dkvb_model_save(model, model_path) == DKVB_OK);
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks);
}

/* A stand-in for checking signatures: every signature with the same first byte as the message is right. */
static int check(const uint8_t *message, size_t size, const uint8_t *signature, void *user)
{
    (void)user;
    require(size > 0);
    return signature[0] != message[0];
}

static int tell(uint32_t outcome, const char *about, const char *sentence, void *user)
{
    require(outcome <= DKVB_RECEIPT_UNCHECKED && about[0] && sentence[0]);
    for (const char *c = sentence; *c; c++)
        require((unsigned char)*c >= ' ');
    ++*(size_t *)user;
    return 0;
}

static int write_form(int fd, const uint8_t *data, size_t size)
{
    json_t *value = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    int written = value && json_dumpfd(value, fd, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15)) == 0 &&
                  write(fd, "\n", 1) == 1;

    json_decref(value);
    return written;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t public_key[32] = {1};
    char path[] = "/tmp/dkvb-fuzz-receipt-XXXXXX";
    dkvb_receipt_options o = DKVB_RECEIPT_OPTIONS_INIT;
    size_t sentences = 0;
    int fd;

    if (size == 0)
        return 0;
    make_model();
    fd = mkstemp(path);
    require(fd >= 0);
    o.model = model_path;
    o.tell = tell;
    o.user = &sentences;
    if (data[0] & WITH_KEY) {
        o.public_key = public_key;
        o.check = check;
    }
    if (data[0] & IN_FORM ? write_form(fd, data + 1, size - 1) : write(fd, data + 1, size - 1) == (ssize_t)(size - 1)) {
        dkvb_status rc = dkvb_receipt_verify(path, &o, NULL);

        require(rc != DKVB_OK || sentences > 0);
    }
    close(fd);
    unlink(path);
    return 0;
}
