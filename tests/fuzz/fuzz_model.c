/* Fuzz target for model files. Loading or mapping arbitrary bytes must end in an error or in a usable model. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dkvb/dkvb.h"
#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Renames the section "evidence" of a model file, so that its chain of hashes does not reject a changed journal;
 * unknown sections are kept. */
static void hide_evidence(uint8_t *file, size_t size)
{
    for (size_t i = 64; i + 64 <= size; i += 64)
        if (memcmp(file + i, "evidence", 9) == 0)
            file[i] = 'E';
}

/* Chooses pairs of class 0 by the counts that the model keeps, or else by its values; numbers from a hostile file may
 * only be added. */
static void choose(const dkvb_model *m, const dkvb_model_info *info)
{
    dkvb_request request = DKVB_REQUEST_INIT;
    uint8_t *classes = calloc(info->classes, 1);
    uint64_t *counts = calloc((size_t)info->codebooks * info->keys, sizeof *counts);
    dkvb_mask_info chosen = DKVB_MASK_INFO_INIT;
    dkvb_mask *mask;

    if (classes && counts && dkvb_mask_new(&mask, dkvb_model_codebooks(m)) == DKVB_OK) {
        classes[0] = DKVB_FORGET;
        request.classes = classes;
        request.method = info->class_counts ? DKVB_METHOD_CONTRAST : DKVB_METHOD_VALUES;
        if ((dkvb_model_class_counts(m, 0, counts) == DKVB_OK) != (info->class_counts == 1) ||
            dkvb_unlearn_choose(mask, m, &request, 5, NULL) != DKVB_OK ||
            dkvb_mask_get_info(mask, &chosen) != DKVB_OK || chosen.pairs > 5)
            abort();
        dkvb_mask_free(mask);
    }
    free(classes);
    free(counts);
}

/* Reads the terms of all journal entries; whatever the file says, their classes must be classes of the model. */
static void read_terms(const dkvb_model *m, const dkvb_model_info *info)
{
    uint8_t *classes = calloc(info->classes, 1);
    dkvb_class_effect *effects = calloc(info->classes, sizeof *effects);
    dkvb_journal_entry entry = DKVB_JOURNAL_ENTRY_INIT;

    for (uint64_t i = 1; classes && effects && i <= info->journal_entries; i++) {
        uint32_t asked = 0, measured = 0;

        if (dkvb_journal_get(m, i - 1, &entry) != DKVB_OK || dkvb_journal_get_terms(m, i, classes, effects) != DKVB_OK)
            abort();
        for (uint32_t l = 0; l < info->classes; l++) {
            asked |= classes[l] == DKVB_FORGET;
            measured |= effects[l].rows > 0;
        }
        if (asked != entry.by_class || measured != entry.measured || entry.again >= i)
            abort();
    }
    free(classes);
    free(effects);
}

static void use(dkvb_model *m)
{
    static const uint64_t row_ids[] = {2, 1, 0};
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    float *x, *logits;
    int32_t label;

    if (dkvb_model_get_info(m, &info) != DKVB_OK)
        abort();
    x = calloc(info.input_dim, sizeof *x);
    logits = calloc(info.classes, sizeof *logits);
    if (x && logits)
        (void)!dkvb_model_predict(m, x, 1, &label, logits, NULL);
    (void)!dkvb_model_verify(m);
    for (uint64_t i = 1; i <= info.journal_entries; i++)
        (void)!dkvb_journal_names_rows(m, i, row_ids, 3);
    read_terms(m, &info);
    if (info.encoder && (strlen(info.encoder) < 1 || strlen(info.encoder) > 255))
        abort();
    for (uint32_t i = 0; i < info.input_dim && dkvb_model_column_name(m, 0); i++)
        if (strlen(dkvb_model_column_name(m, i)) < 1 || strlen(dkvb_model_column_name(m, i)) > 255)
            abort();
    choose(m, &info);
    free(x);
    free(logits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/dkvb-fuzz-model-XXXXXX";
    dkvb_model_options in_place = DKVB_MODEL_OPTIONS_INIT;
    uint8_t *file;
    dkvb_model *m;
    int fd;

    if (size < 65)
        return 0;
    file = malloc(size - 1);
    memcpy(file, data + 1, size - 1);
    if (data[0] & 0x40)
        hide_evidence(file, size - 1);
    if (data[0] & 0x80)
        seal(file, size - 1);
    in_place.in_place = 1;
    fd = mkstemp(path);
    if (fd >= 0 && write(fd, file, size - 1) == (ssize_t)(size - 1)) {
        if (dkvb_model_load(&m, path, NULL) == DKVB_OK) {
            use(m);
            dkvb_model_free(m);
        }
        if (dkvb_model_load(&m, path, &in_place) == DKVB_OK) {
            use(m);
            dkvb_model_free(m);
        }
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
    free(file);
    return 0;
}
