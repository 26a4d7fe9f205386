/* Names of the numbers that the public enums define. All names of public constants are in this file, so that messages,
 * JSON files and bindings use the same words. */
#include <dkvb/dkvb.h>

static const char *const statuses[] = {
    [-DKVB_OK] = "DKVB_OK",
    [-DKVB_ENOMEM] = "DKVB_ENOMEM",
    [-DKVB_EINVAL] = "DKVB_EINVAL",
    [-DKVB_EIO] = "DKVB_EIO",
    [-DKVB_EFORMAT] = "DKVB_EFORMAT",
    [-DKVB_ECHECKSUM] = "DKVB_ECHECKSUM",
    [-DKVB_EMISMATCH] = "DKVB_EMISMATCH",
    [-DKVB_ECANCELLED] = "DKVB_ECANCELLED",
    [-DKVB_ESTATE] = "DKVB_ESTATE",
    [-DKVB_ENOTFOUND] = "DKVB_ENOTFOUND",
    [-DKVB_EREFUSED] = "DKVB_EREFUSED",
};

static const char *const dtypes[] = {
    [DKVB_DTYPE_U8] = "uint8",    [DKVB_DTYPE_I8] = "int8",     [DKVB_DTYPE_U16] = "uint16",
    [DKVB_DTYPE_I16] = "int16",   [DKVB_DTYPE_U32] = "uint32",  [DKVB_DTYPE_I32] = "int32",
    [DKVB_DTYPE_U64] = "uint64",  [DKVB_DTYPE_I64] = "int64",   [DKVB_DTYPE_F16] = "float16",
    [DKVB_DTYPE_F32] = "float32", [DKVB_DTYPE_F64] = "float64", [DKVB_DTYPE_BF16] = "bfloat16",
};

static const char *const encoders[] = {
    [DKVB_ENCODER_PIXELS] = "pixels",
    [DKVB_ENCODER_DESCRIPTOR] = "descriptor",
    [DKVB_ENCODER_CLIP] = "clip",
    [DKVB_ENCODER_RESNET50] = "resnet50",
};

static const char *const methods[] = {
    [0] = "",
    [DKVB_METHOD_ACTIVATIONS] = "activations",
    [DKVB_METHOD_CONTRAST] = "contrast",
    [DKVB_METHOD_EXAMPLES] = "examples",
    [DKVB_METHOD_VALUES] = "values",
    [DKVB_METHOD_EVERY] = "every",
};

static const char *const strengths[] = {
    [DKVB_STRENGTH_NONE] = "",
    [DKVB_STRENGTH_SUPPRESS] = "suppress",
    [DKVB_STRENGTH_EXACT] = "exact",
};

static const char *const keys[] = {
    [DKVB_KEYS_UNSAID] = "",
    [DKVB_KEYS_KEPT] = "kept",
    [DKVB_KEYS_PLACED] = "placed",
};

static const char *const kinds[] = {
    [DKVB_JOURNAL_FORGET] = "forget", [DKVB_JOURNAL_UNDO] = "undo",       [DKVB_JOURNAL_PURGE] = "purge",
    [DKVB_JOURNAL_REPLAY] = "replay", [DKVB_JOURNAL_RELEARN] = "relearn",
};

static const char *const states[] = {
    [DKVB_JOURNAL_ACTIVE] = "active", [DKVB_JOURNAL_UNDONE] = "undone",       [DKVB_JOURNAL_PURGED] = "purged",
    [DKVB_JOURNAL_DONE] = "done",     [DKVB_JOURNAL_RELEARNED] = "relearned",
};

static const char *const refusals[] = {
    [DKVB_REFUSED_NOT] = "",          [DKVB_REFUSED_NOTHING] = "nothing", [DKVB_REFUSED_ROWS] = "rows",
    [DKVB_REFUSED_TARGET] = "target", [DKVB_REFUSED_CLASS] = "class",     [DKVB_REFUSED_MIXED] = "mixed",
    [DKVB_REFUSED_AGAIN] = "again",   [DKVB_REFUSED_KEYS] = "keys",
};

#define NAMES(table)                                                                                                   \
    {                                                                                                                  \
        table, sizeof(table) / sizeof *(table)                                                                         \
    }

static const struct {
    const char *const *name; /* names of an enum's constants by number; NULL for a number that is not used */
    size_t count;
} tables[] = {
    [DKVB_NAME_STATUS] = NAMES(statuses),    [DKVB_NAME_DTYPE] = NAMES(dtypes),
    [DKVB_NAME_ENCODER] = NAMES(encoders),   [DKVB_NAME_METHOD] = NAMES(methods),
    [DKVB_NAME_STRENGTH] = NAMES(strengths), [DKVB_NAME_KEYS] = NAMES(keys),
    [DKVB_NAME_ENTRY_KIND] = NAMES(kinds),   [DKVB_NAME_ENTRY_STATE] = NAMES(states),
    [DKVB_NAME_REFUSAL] = NAMES(refusals),
};

const char *dkvb_name(uint32_t of, int64_t number)
{
    const char *name = NULL;

    /* a table of constants' names is indexed by nonnegative numbers, so negative status codes change their sign */
    if (of == DKVB_NAME_STATUS)
        number = number <= 0 && number > INT64_MIN ? -number : -1;
    if (of < sizeof tables / sizeof *tables && number >= 0 && (uint64_t)number < tables[of].count)
        name = tables[of].name[number];
    return name ? name : "unknown";
}
