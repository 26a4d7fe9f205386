/* Rows of a codeset may be named by strings. The id of a row that is named by a string is a hash of its name and of a
 * salt that its codeset keeps. The rest of the library uses only the id of a row, never the name. */
#include "bottleneck/row_names.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/sort.h"
#include "base/status.h"
#include "bottleneck/model.h"

uint64_t dkvb__row_name_id(const uint8_t salt[DKVB__NAME_SALT], const char *name)
{
    const struct dkvb__piece pieces[] = {{salt, DKVB__NAME_SALT}, {name, strlen(name)}};
    uint8_t hash[DKVB__SHA256_SIZE];

    dkvb__sha256(hash, pieces, sizeof pieces / sizeof *pieces);
    return dkvb__read64(hash);
}

void dkvb__row_names_salt(uint8_t salt[DKVB__NAME_SALT], const char *const *names, const int32_t *labels, size_t n)
{
    uint8_t hash[DKVB__SHA256_SIZE];
    const struct dkvb__piece first[] = {{"dkvb row names", 14}, {labels, n * sizeof *labels}};

    dkvb__sha256(hash, first, sizeof first / sizeof *first);
    for (size_t r = 0; r < n; r++) {
        const struct dkvb__piece next[] = {{hash, sizeof hash}, {names[r], strlen(names[r])}};

        dkvb__sha256(hash, next, sizeof next / sizeof *next);
    }
    memcpy(salt, hash, DKVB__NAME_SALT);
}

dkvb_status dkvb__row_name_check(const char *name)
{
    if (!name || !*name)
        return dkvb__fail(DKVB_EINVAL, "the name is %s, it must have 1 to %d bytes", name ? "empty" : "NULL",
                          DKVB__ROW_NAME);
    return dkvb__check_text("name", name, DKVB__ROW_NAME);
}

dkvb_status dkvb__row_names_check(const char *const *names, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        dkvb_status rc = dkvb__row_name_check(names[r]);

        if (rc)
            return dkvb__fail_about(rc, "row %zu", r);
    }
    return DKVB_OK;
}

dkvb_status dkvb__row_names_hash(uint64_t *ids, const uint8_t salt[DKVB__NAME_SALT], const char *const *names, size_t n,
                                 const dkvb_allocator *mem)
{
    struct dkvb__keyed *items = dkvb__alloc(mem, n, sizeof *items), *scratch = dkvb__alloc(mem, n, sizeof *scratch);
    dkvb_status rc = DKVB_OK;

    if (!items || !scratch)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the names of %zu rows", n);
    for (size_t r = 0; !rc && r < n; r++) {
        ids[r] = dkvb__row_name_id(salt, names[r]);
        items[r] = (struct dkvb__keyed){ids[r], r};
    }
    if (!rc)
        dkvb__sort_keyed(items, scratch, n);
    for (size_t i = 1; !rc && i < n; i++) {
        const char *a = names[items[i - 1].index], *b = names[items[i].index];

        if (items[i].key != items[i - 1].key)
            continue;
        rc = strcmp(a, b) == 0 ? dkvb__fail(DKVB_EINVAL, "rows %zu and %zu have the same name, '%s'",
                                            items[i - 1].index, items[i].index, a)
                               : dkvb__fail(DKVB_EINVAL,
                                            "the names of rows %zu and %zu, '%s' and '%s', have the same hash: one of "
                                            "the rows must be called otherwise",
                                            items[i - 1].index, items[i].index, a, b);
    }
    dkvb__free_erased(mem, items);
    dkvb__free_erased(mem, scratch);
    return rc;
}
