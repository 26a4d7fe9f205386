#ifndef DKVB_FORMAT_MODELFILE_H
#define DKVB_FORMAT_MODELFILE_H

/* What reader and writer of model files share: docs/format.md says it in words. */

enum {
    DKVB__SHAPE_SIZE = 56, /* section "shape" */
    DKVB__AT_FLAGS = 24,   /* after six u32: C, K, d, m, L, k */
    DKVB__AT_ROWS = 32,
    DKVB__AT_BIRTH = 40,
    DKVB__FLAG_NORMALIZE = 1
};

enum {
    DKVB__RECORD_SIZE = 48, /* the fixed part of a journal record */
    DKVB__AT_TARGET = 8,
    DKVB__AT_TIME = 16,
    DKVB__AT_PAIRS = 24,
    DKVB__AT_PAIRS_NEW = 32,
    DKVB__AT_METHOD_SIZE = 40,
    DKVB__AT_REASON_SIZE = 42,
    DKVB__RECORD_HAS_LIST = 1
};

#endif
