/* Reads and writes mask files, which have two sections: "shape" (codebooks, keys, birth id) and "mask". */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"
#include "bottleneck/mask.h"
#include "dkvb/data.h"
#include "format/container.h"

enum { SHAPE_SIZE = 24, AT_BIRTH = 8 };

dkvb_status dkvb_mask_save(const dkvb_mask *mask, const char *path)
{
    unsigned char shape[SHAPE_SIZE];
    const struct dkvb__part parts[] = {
        dkvb__part_of("shape", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, shape, sizeof shape),
        dkvb__part_of("mask", DKVB_DTYPE_U64, DKVB__SECTION_REQUIRED, mask->bits,
                      mask->codebooks * mask->words * sizeof *mask->bits),
    };

    dkvb__write32(shape, mask->codebooks);
    dkvb__write32(shape + 4, mask->keys);
    memcpy(shape + AT_BIRTH, mask->birth, sizeof mask->birth);
    return dkvb__container_write(&(struct dkvb__output){.path = path}, DKVB__KIND_MASK, parts,
                                 sizeof parts / sizeof *parts, &mask->mem);
}

static dkvb_status read_mask(const struct dkvb__container *c, dkvb_mask **out)
{
    unsigned char shape[SHAPE_SIZE];
    const struct dkvb__section *s;
    struct dkvb__shape size = {.key_dim = 1, .input_dim = 1};
    static const char *const names[] = {"shape", "mask"};
    dkvb_status rc = dkvb__container_need_only(c, names, sizeof names / sizeof *names);

    if (!rc)
        rc = dkvb__container_need(c, "shape", DKVB__DTYPE_BYTES, sizeof shape, &s);
    if (!rc)
        rc = dkvb__section_read(c, s, shape);
    if (rc)
        return rc;
    size.codebooks = dkvb__read32(shape);
    size.keys = dkvb__read32(shape + 4);
    if (dkvb__shape_check(&size, "mask file"))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: a mask of %u x %u pairs cannot be", c->file.path, size.codebooks,
                          size.keys);
    rc = dkvb__container_need(c, "mask", DKVB_DTYPE_U64, dkvb__word_count(&size) * sizeof(uint64_t), &s);
    if (!rc)
        rc = dkvb__mask_new(out, shape + AT_BIRTH, size.codebooks, size.keys, c->mem);
    if (rc)
        return rc;
    rc = dkvb__section_read(c, s, (*out)->bits);
    if (!rc && !dkvb__bits_in_range((*out)->bits, size.codebooks, size.keys))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: the mask names keys past the last one", c->file.path);
    return rc;
}

dkvb_status dkvb_mask_load(dkvb_mask **out, const char *path, const dkvb_allocator *given)
{
    dkvb_allocator mem = dkvb__allocator(given);
    struct dkvb__container c;
    dkvb_status rc;

    *out = NULL;
    rc = dkvb__check_allocator(given);
    if (rc)
        return rc;
    rc = dkvb__container_open(&c, path, DKVB__KIND_MASK, &mem);
    if (rc)
        return rc;
    rc = read_mask(&c, out);
    dkvb__container_close(&c);
    if (rc) {
        dkvb_mask_free(*out);
        *out = NULL;
    }
    return rc;
}
