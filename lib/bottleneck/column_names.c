/* Names of the columns of a model's rows. Tables of features are matched to a model by the names of their columns; the
 * library itself uses only the position of a column. */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"
#include "bottleneck/model.h"

char **dkvb__column_names_alloc(size_t count, size_t text, const dkvb_allocator *mem)
{
    size_t pointers;

    if (dkvb__mul_overflow(&pointers, count, sizeof(char *)) || text > SIZE_MAX - pointers)
        return NULL;
    return dkvb__alloc0(mem, 1, pointers + text);
}

dkvb_status dkvb__column_names_check(const char *const *names, size_t count, dkvb_status code, const char *where,
                                     const dkvb_allocator *mem)
{
    size_t first, second;
    dkvb_status rc;

    for (size_t i = 0; i < count; i++) {
        size_t size = names[i] ? strlen(names[i]) : 0;

        if (size == 0)
            return dkvb__fail(code, "%.300s: column %zu has no name: name all columns or none", where, i);
        if (size > DKVB__MAX_NAME)
            return dkvb__fail(code, "%.300s: the name of column %zu has %zu bytes, at most %d are allowed", where, i,
                              size, DKVB__MAX_NAME);
        if (!dkvb__utf8_valid(names[i], size))
            return dkvb__fail(code, "%.300s: the name of column %zu must be UTF-8 without control characters", where,
                              i);
    }
    rc = dkvb__names_twice(names, count, &first, &second, mem);
    if (rc || second == count)
        return rc;
    return dkvb__fail(code, "%.300s: columns %zu and %zu are both called '%.255s': give each column a name of its own",
                      where, first, second, names[second]);
}

dkvb_status dkvb_model_set_column_names(dkvb_model *model, const char *const *names, size_t count)
{
    const dkvb_allocator mem = model ? model->mem : dkvb__allocator(NULL);
    size_t text = 0;
    char **columns = NULL, *at;
    dkvb_status rc = model ? dkvb__model_need_mutable(model) : DKVB_OK;

    if (!rc && count > 0 && !names)
        rc = dkvb__fail(DKVB_EINVAL, "column names: names is NULL");
    if (!rc && model && count > 0 && count != model->codebooks->shape.input_dim)
        rc =
            dkvb__fail(DKVB_EINVAL,
                       "column names: %zu names found, the rows of the model have %u columns: name all columns or none",
                       count, model->codebooks->shape.input_dim);
    if (!rc && count > 0)
        rc = dkvb__column_names_check(names, count, DKVB_EINVAL, "column names", &mem);
    if (!model)
        return rc;
    for (size_t i = 0; !rc && i < count; i++)
        text += strlen(names[i]) + 1;
    if (!rc && count > 0) {
        columns = dkvb__column_names_alloc(count, text, &mem);
        if (!columns)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the names of %zu columns", count);
    }
    rc = dkvb__model_agree(model, rc);
    if (rc) {
        dkvb__free(&mem, columns);
        return rc;
    }
    at = columns ? (char *)(columns + count) : NULL;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]) + 1;

        columns[i] = memcpy(at, names[i], size);
        at += size;
    }
    /* the old column names are freed last, since the caller's `names` may be the old column names */
    dkvb__free(&mem, model->columns);
    model->columns = columns;
    return DKVB_OK;
}

const char *dkvb_model_column_name(const dkvb_model *model, uint32_t column)
{
    return model && model->columns && column < model->codebooks->shape.input_dim ? model->columns[column] : NULL;
}
