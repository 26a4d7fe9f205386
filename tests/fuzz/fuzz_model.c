/* Model files: whatever the bytes, loading and mapping end in an error or in a model that can be used. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "dkvb/dkvb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Right sizes and checksums, so that the parsers behind them are reached. */
static void seal(uint8_t *file, size_t size)
{
    size_t count = dkvb__read32(file + 24);

    dkvb__write64(file + 16, size);
    if (count > (size - 64) / 64)
        return;
    for (size_t i = 0; i < count; i++) {
        uint8_t *e = file + 64 + 64 * i;
        uint64_t offset = dkvb__read64(e + 24), length = dkvb__read64(e + 32);

        if (offset <= size && length <= size - offset)
            dkvb__write64(e + 40, dkvb__checksum(file + offset, (size_t)length));
    }
    dkvb__write64(file + 32, 0);
    dkvb__write64(file + 32, dkvb__checksum(file, 64 + 64 * count));
}

/* Without the section "evidence" no chain of hashes stands in the way of a changed journal. Unknown ones are carried.
 */
static void hide_evidence(uint8_t *file, size_t size)
{
    for (size_t i = 64; i + 64 <= size; i += 64)
        if (memcmp(file + i, "evidence", 9) == 0)
            file[i] = 'E';
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
    free(x);
    free(logits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/dkvb-fuzz-model-XXXXXX";
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
    fd = mkstemp(path);
    if (fd >= 0 && write(fd, file, size - 1) == (ssize_t)(size - 1)) {
        if (dkvb_model_load(&m, path, NULL) == DKVB_OK) {
            use(m);
            dkvb_model_free(m);
        }
        if (dkvb_model_map(&m, path, NULL) == DKVB_OK) {
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
