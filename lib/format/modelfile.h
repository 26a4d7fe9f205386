#ifndef DKVB_FORMAT_MODELFILE_H
#define DKVB_FORMAT_MODELFILE_H

#include "base/bytes.h"
#include "bottleneck/model.h"
#include "format/container.h"

/* Constants and structs that the reader and the writer of model files share; docs/format.md describes the format. */

enum {
    DKVB__SHAPE_SIZE = 96, /* size of the section "shape" of a model file in bytes */
    /* offset of the flags in the section "shape" of a model file, after six sizes of 4 bytes (codebooks, keys,
     * dimensions of keys and of rows, classes, k) */
    DKVB__AT_FLAGS = 24,
    DKVB__AT_TRIALS = 28,
    DKVB__AT_ROWS = 32,
    DKVB__AT_BIRTH = 40,
    DKVB__AT_SEED = 56,
    DKVB__AT_TEMPERATURE = 64,
    DKVB__AT_TRAINED = 72,
    DKVB__AT_POWER = 88,
    DKVB__FLAG_NORMALIZE = 1,
    DKVB__FLAG_WHITENED = 2
};

enum {
    DKVB__RECORD_SIZE = 48, /* size of the fixed part of a journal record of a model file in bytes */
    DKVB__AT_ENDS = 8,
    DKVB__AT_TIME = 16,
    DKVB__AT_PAIRS = 24,
    DKVB__AT_PAIRS_NEW = 32,
    DKVB__AT_METHOD_SIZE = 40,
    DKVB__AT_REASON_SIZE = 42,
    DKVB__RECORD_HAS_LIST = 1
};

/* Functions that write and read models within another file, such as a plan file. A model within another file is written
 * as a whole, and read as a whole with all of its bytes checked. */
dkvb_status dkvb__model_write(const dkvb_model *model, struct dkvb__output *to);
dkvb_status dkvb__model_take(dkvb_model **out, const struct dkvb__file *file, const dkvb_allocator *mem);

/* The section "evidence" (hashes of facts about what journal entries forgot) is read after the journal of the model was
 * read, and written for all journal entries. */
dkvb_status dkvb__evidence_read(dkvb_model *m, struct dkvb__reader bytes);
size_t dkvb__evidence_size(const struct dkvb__journal *j);
void dkvb__evidence_write(const struct dkvb__journal *j, unsigned char *to);

/* The section "terms" (what each forget request asked for) is read after the journal of the model and before the
 * section "evidence", whose hashes cover the terms. The size of the section "terms" (what forget requests asked for) is
 * 0 if no journal entry has terms; a section of size 0 is not written. */
dkvb_status dkvb__terms_read(dkvb_model *m, struct dkvb__reader bytes);
size_t dkvb__terms_section_size(const struct dkvb__journal *j);
void dkvb__terms_write(const struct dkvb__journal *j, unsigned char *to);

#endif
