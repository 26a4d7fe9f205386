/* Fuzz target for codes files. Loading arbitrary bytes must end in an error, or in a valid codeset that is the same
 * after saving and loading. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bottleneck/codeset.h"
#include "data/stored.h"
#include "dkvb/dkvb.h"
#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

/* Fills in codes for a part that was loaded from features; arbitrary codes will do, since a made-up file has no
 * codebooks. */
static int bring_codes(dkvb_codeset *set)
{
    for (uint32_t p = 0; p < DKVB__PARTS; p++) {
        struct dkvb__coderows *rows = &set->part[p];

        if (rows->codes || rows->n == 0)
            continue;
        /* A small file may declare more codes than memory can hold; only a search would need that memory. */
        if ((double)rows->capacity * set->codebooks * rows->k > 1e7)
            return 0;
        rows->codes = dkvb__alloc0(&set->mem, rows->capacity, (size_t)set->codebooks * rows->k * sizeof *rows->codes);
        require(rows->codes != NULL);
    }
    return 1;
}

static dkvb_codeset_rows rows_of(const dkvb_codeset *set, uint32_t part)
{
    dkvb_codeset_rows rows = DKVB_CODESET_ROWS_INIT;

    require(dkvb_codeset_get_rows(set, part, &rows) == DKVB_OK);
    return rows;
}

/* Checks for all rows what codeset.h promises. */
static void check_rows(const dkvb_codeset *set, const dkvb_codeset_rows *rows)
{
    for (size_t r = 0; r < rows->n; r++) {
        require(r == 0 || rows->ids[r] > rows->ids[r - 1]);
        require(rows->labels[r] >= -1);
    }
    for (size_t i = 0; i < rows->n * rows->codebooks * rows->k; i++)
        require(rows->codes[i] < set->keys || rows->codes[i] == DKVB_CODE_NONE);
}

static void same_rows(const dkvb_codeset *a, const dkvb_codeset *b, uint32_t part)
{
    dkvb_codeset_rows p = rows_of(a, part), q = rows_of(b, part);

    require(p.n == q.n && p.k == q.k && p.codebooks == q.codebooks);
    if (p.n == 0)
        return;
    require(memcmp(p.ids, q.ids, p.n * sizeof *p.ids) == 0);
    require(memcmp(p.labels, q.labels, p.n * sizeof *p.labels) == 0);
    require(memcmp(p.codes, q.codes, p.n * p.codebooks * p.k * sizeof *p.codes) == 0);
    require(p.dtype == q.dtype && p.columns == q.columns && !p.features == !q.features);
    if (p.features)
        require(memcmp(p.features, q.features, p.n * p.columns * dkvb__dtype_size(p.dtype)) == 0);
    require(memcmp(a->part[part].sessions, b->part[part].sessions, p.n * sizeof(uint64_t)) == 0);
    require(!p.names == !q.names);
    for (size_t r = 0; p.names && r < p.n; r++)
        require(strcmp(p.names[r], q.names[r]) == 0 && dkvb__row_name_id(a->names.salt, p.names[r]) == p.ids[r]);
}

static void same_options(const dkvb_codeset *a, const dkvb_codeset *b)
{
    dkvb_codeset_info info[2] = {DKVB_CODESET_INFO_INIT, DKVB_CODESET_INFO_INIT};

    require(a->sessions == b->sessions);
    for (uint32_t s = 0; s < a->sessions; s++) {
        dkvb_codeset_session p = DKVB_CODESET_SESSION_INIT, q = DKVB_CODESET_SESSION_INIT;

        require(dkvb_codeset_get_session(a, s, &p, NULL) == DKVB_OK);
        require(dkvb_codeset_get_session(b, s, &q, NULL) == DKVB_OK);
        require(p.rows == q.rows && p.classes == q.classes && p.values_dtype == q.values_dtype);
        require(p.training.epochs == q.training.epochs && p.training.seed == q.training.seed &&
                p.training.learning_rate == q.training.learning_rate);
    }
    require(dkvb_codeset_get_info(a, &info[0]) == DKVB_OK && dkvb_codeset_get_info(b, &info[1]) == DKVB_OK);
    require(info[0].own_keys == info[1].own_keys && info[0].keyinit.passes == info[1].keyinit.passes &&
            info[0].keyinit.decay == info[1].keyinit.decay);
    require(info[0].named == info[1].named && info[0].names_kept == info[1].names_kept);
}

static void save_and_load_again(const dkvb_codeset *set, const char *path)
{
    dkvb_codeset *again;

    require(dkvb_codeset_save(set, path) == DKVB_OK);
    require(dkvb_codeset_load(&again, path, NULL, NULL) == DKVB_OK);
    require(bring_codes(again));
    for (uint32_t part = 0; part < DKVB__PARTS; part++)
        same_rows(set, again, part);
    same_options(set, again);
    dkvb_codeset_free(again);
}

static void remove_first_row(dkvb_codeset *set)
{
    size_t before[DKVB__PARTS] = {rows_of(set, 0).n, rows_of(set, 1).n};
    uint64_t id = before[0] ? rows_of(set, 0).ids[0] : 0, removed = 0;

    if (before[0] == 0)
        return;
    require(dkvb_codeset_remove(set, &id, 1, &removed) == DKVB_OK);
    require(removed == before[0] - rows_of(set, 0).n + before[1] - rows_of(set, 1).n);
    require(rows_of(set, 0).n == before[0] - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/dkvb-fuzz-codes-XXXXXX";
    uint8_t *file;
    dkvb_codeset *set;
    int fd;

    if (size < 65)
        return 0;
    file = malloc(size - 1);
    memcpy(file, data + 1, size - 1);
    if (data[0] & 0x80)
        seal(file, size - 1);
    fd = mkstemp(path);
    if (fd >= 0 && write(fd, file, size - 1) == (ssize_t)(size - 1)) {
        dkvb_status rc = dkvb_codeset_load(&set, path, NULL, NULL);

        require((rc == DKVB_OK) == (set != NULL));
        if (!rc && !bring_codes(set)) {
            require(dkvb_codeset_save(set, path) == DKVB_OK);
            rc = DKVB_ENOMEM;
        }
        for (uint32_t part = 0; !rc && part < DKVB__PARTS; part++) {
            dkvb_codeset_rows rows = rows_of(set, part);

            check_rows(set, &rows);
        }
        if (!rc) {
            save_and_load_again(set, path);
            remove_first_row(set);
        }
        dkvb_codeset_free(set);
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
    free(file);
    return 0;
}
