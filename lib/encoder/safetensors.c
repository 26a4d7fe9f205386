/* The safetensors format: the length of the header (u64, little-endian), the header, and the elements up to the end of
 * the file. The header of a safetensors file is a JSON object, padded with spaces, such as
 * {"__metadata__": {"format": "pt"}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}.
 *
 * Offsets in the header of a safetensors file count from the first element. The tensors of a safetensors file may come
 * in any order, but must fill the file without overlap or gap. Elements of a safetensors tensor are little-endian, in C
 * order, and need not be aligned.
 * https://github.com/huggingface/safetensors#format */
#include "encoder/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/half.h"
#include "base/signature.h"
#include "base/sort.h"
#include "base/status.h"
#include "data/stored.h"
#include "base/json.h"

/* Largest size in bytes of a .safetensors header, which is also the limit of the reference implementation. */
enum { MAX_HEADER = 100000000 };

static const struct type {
    const char *code;
    uint32_t dtype;
} types[] = {
    {"BOOL", DKVB_DTYPE_U8}, {"U8", DKVB_DTYPE_U8},     {"I8", DKVB_DTYPE_I8},   {"U16", DKVB_DTYPE_U16},
    {"I16", DKVB_DTYPE_I16}, {"F16", DKVB_DTYPE_F16},   {"U32", DKVB_DTYPE_U32}, {"I32", DKVB_DTYPE_I32},
    {"F32", DKVB_DTYPE_F32}, {"BF16", DKVB_DTYPE_BF16}, {"F64", DKVB_DTYPE_F64}, {"I64", DKVB_DTYPE_I64},
    {"U64", DKVB_DTYPE_U64},
};
enum { TYPES = sizeof types / sizeof *types };

struct dkvb__safetensors {
    dkvb_allocator mem;
    char *path;
    struct dkvb__mapping *mapping;
    const unsigned char *elements; /* first byte of the tensors' elements in the mapping of the file */
    size_t size;                   /* number of bytes of the elements of all tensors in the file */
    char *names;                   /* names of all tensors in the file, one after another */
    const char *prefix;            /* prefix of the tensor names that callers ask for; prefix_size bytes in `names` */
    size_t prefix_size;
    struct dkvb__tensor *tensors;
    struct dkvb__keyed *index; /* the file's tensors, sorted by the checksums of their names */
    size_t count;
};

static dkvb_status no_memory(const struct dkvb__safetensors *f)
{
    return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for the names of %zu tensors", f->path, f->count);
}

static dkvb_status take_type(const struct dkvb__safetensors *f, struct dkvb__tensor *t, const json_t *value)
{
    const char *code = json_string_value(value);

    if (!code)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s: dtype is %s, a string is wanted", f->path,
                          dkvb__show(t->name).text, dkvb__json_kind(value));
    snprintf(t->code, sizeof t->code, "%.11s", dkvb__show(code).text);
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(code, types[i].code) == 0)
            t->dtype = types[i].dtype;
    return DKVB_OK;
}

/* Reads a list of at most `max` nonnegative integers from a .safetensors header. */
static dkvb_status take_numbers(const struct dkvb__safetensors *f, const struct dkvb__tensor *t, const char *key,
                                const json_t *list, size_t max, uint64_t *to)
{
    size_t n = json_array_size(list);

    if (!json_is_array(list))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s: %s is %s, a list is wanted", f->path,
                          dkvb__show(t->name).text, key, dkvb__json_kind(list));
    if (n > max)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s: %s has %zu numbers, at most %zu are taken", f->path,
                          dkvb__show(t->name).text, key, n, max);
    for (size_t i = 0; i < n; i++) {
        const json_t *number = json_array_get(list, i);

        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s: number %zu of %s is %s, an integer from 0 on is wanted",
                              f->path, dkvb__show(t->name).text, i, key,
                              json_is_integer(number) ? "negative" : dkvb__json_kind(number));
        to[i] = (uint64_t)json_integer_value(number);
    }
    return DKVB_OK;
}

/* Reads the place of a tensor's elements. The tensor's place must lie inside the file and have as many bytes as type
 * and shape of the tensor require. */
static dkvb_status take_place(const struct dkvb__safetensors *f, struct dkvb__tensor *t, const json_t *list)
{
    uint64_t at[2];
    size_t bytes;
    dkvb_status rc = take_numbers(f, t, "data_offsets", list, 2, at);

    if (rc)
        return rc;
    if (json_array_size(list) != 2)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s: data_offsets has %zu numbers, 2 are wanted", f->path,
                          dkvb__show(t->name).text, json_array_size(list));
    if (at[0] > at[1] || at[1] > f->size)
        return dkvb__fail(DKVB_EFORMAT, "%.200s: tensor %s: bytes %llu to %llu cannot be, there are %zu", f->path,
                          dkvb__show(t->name).text, (unsigned long long)at[0], (unsigned long long)at[1], f->size);
    t->data = f->elements + at[0];
    t->bytes = at[1] - at[0];
    if (t->dtype == 0) /* a tensor of a type whose size the library does not know stays unread */
        return DKVB_OK;
    if (!dkvb__shape_bytes(&bytes, t->dtype, t->ndim, t->shape))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s: the product of the %u dimensions does not fit in memory",
                          f->path, dkvb__show(t->name).text, t->ndim);
    if (bytes != at[1] - at[0])
        return dkvb__fail(DKVB_EFORMAT, "%.200s: tensor %s: %llu bytes, type and shape promise %zu", f->path,
                          dkvb__show(t->name).text, (unsigned long long)(at[1] - at[0]), bytes);
    return DKVB_OK;
}

static dkvb_status take_tensor(const struct dkvb__safetensors *f, struct dkvb__tensor *t, const json_t *entry)
{
    const json_t *shape = json_object_get(entry, "shape");
    dkvb_status rc;

    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: tensor %s: %s of %zu keys, an object of dtype, shape and data_offsets is wanted",
                          f->path, dkvb__show(t->name).text, dkvb__json_kind(entry), json_object_size(entry));
    rc = take_type(f, t, json_object_get(entry, "dtype"));
    if (!rc && json_array_size(shape) > DKVB_ARRAY_MAX_NDIM)
        t->dtype = 0;
    else if (!rc)
        rc = take_numbers(f, t, "shape", shape, DKVB_ARRAY_MAX_NDIM, t->shape);
    if (rc)
        return rc;
    t->ndim = t->dtype ? (uint32_t)json_array_size(shape) : 0;
    return take_place(f, t, json_object_get(entry, "data_offsets"));
}

/* Checks the object "__metadata__" of a .safetensors header, which is not a tensor but has texts about the file. The
 * library does not use the texts of "__metadata__". */
static dkvb_status check_metadata(const struct dkvb__safetensors *f, json_t *header)
{
    json_t *metadata = json_object_get(header, "__metadata__"), *value;
    const char *key;

    if (metadata && !json_is_object(metadata))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: __metadata__ is %s, an object is wanted", f->path,
                          dkvb__json_kind(metadata));
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return dkvb__fail(DKVB_EFORMAT, "%.300s: __metadata__ has %s for %s, a string is wanted", f->path,
                              dkvb__json_kind(value), dkvb__show(key).text);
    }
    if (metadata)
        json_object_del(header, "__metadata__");
    return DKVB_OK;
}

/* Allocates memory for the tensors that the header of the file lists. */
static dkvb_status allocate(struct dkvb__safetensors *f, json_t *header)
{
    size_t bytes = 0;
    const char *name;
    json_t *entry;

    f->count = json_object_size(header);
    json_object_foreach(header, name, entry) bytes += strlen(name) + 1;
    f->names = dkvb__alloc(&f->mem, bytes, 1);
    f->tensors = dkvb__alloc0(&f->mem, f->count, sizeof *f->tensors);
    f->index = dkvb__alloc(&f->mem, f->count, sizeof *f->index);
    return f->names && f->tensors && f->index ? DKVB_OK : no_memory(f);
}

static dkvb_status take_tensors(struct dkvb__safetensors *f, json_t *header)
{
    struct dkvb__tensor *t;
    const char *name;
    char *to;
    json_t *entry;
    dkvb_status rc = check_metadata(f, header);

    if (!rc)
        rc = allocate(f, header);
    if (rc)
        return rc;
    t = f->tensors;
    to = f->names;
    json_object_foreach(header, name, entry)
    {
        t->name = memcpy(to, name, strlen(name) + 1);
        to += strlen(name) + 1;
        rc = take_tensor(f, t++, entry);
        if (rc)
            return rc;
    }
    return DKVB_OK;
}

/* Checks the places of all tensors in the file: in ascending order, each tensor begins where the previous one ends.
 * Tensors are sorted by their places in the file; of tensors that begin at the same place, empty tensors come first. */
static dkvb_status check_places(const struct dkvb__safetensors *f, struct dkvb__keyed *scratch)
{
    size_t end = 0;

    for (size_t i = 0; i < f->count; i++)
        f->index[i] = (struct dkvb__keyed){f->tensors[i].bytes, i};
    dkvb__sort_keyed(f->index, scratch, f->count);
    for (size_t i = 0; i < f->count; i++)
        f->index[i].key = (uint64_t)(f->tensors[f->index[i].index].data - f->elements);
    dkvb__sort_keyed(f->index, scratch, f->count);
    for (size_t i = 0; i < f->count; i++) {
        const struct dkvb__tensor *t = &f->tensors[f->index[i].index];

        if (f->index[i].key != end)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s begins at byte %llu, the one before ends at %zu",
                              f->path, dkvb__show(t->name).text, (unsigned long long)f->index[i].key, end);
        end += (size_t)t->bytes;
    }
    if (end != f->size)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: tensors end at byte %zu of %zu", f->path, end, f->size);
    return DKVB_OK;
}

static dkvb_status index_tensors(struct dkvb__safetensors *f)
{
    struct dkvb__keyed *scratch = dkvb__alloc(&f->mem, f->count, sizeof *scratch);
    dkvb_status rc = scratch ? check_places(f, scratch) : no_memory(f);

    if (!rc) {
        for (size_t i = 0; i < f->count; i++)
            f->index[i] = (struct dkvb__keyed){dkvb__checksum(f->tensors[i].name, strlen(f->tensors[i].name)), i};
        dkvb__sort_keyed(f->index, scratch, f->count);
    }
    dkvb__free(&f->mem, scratch);
    return rc;
}

static dkvb_status read_header(struct dkvb__safetensors *f)
{
    const unsigned char *start = f->mapping->data;
    size_t whole = f->mapping->size;
    uint64_t size;
    json_t *header;
    dkvb_status rc;

    size = whole < 8 ? 0 : dkvb__read64(start);
    if (whole >= 10 && size > whole - 8 && size <= MAX_HEADER && start[8] == '{')
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: is cut short: %zu bytes, the header alone has %llu; download or copy it again",
                          f->path, whole, (unsigned long long)size);
    if (whole >= 10 && size > 0 && size <= whole - 8 && start[8] != '{' &&
        !dkvb__signature_kind(start, whole < DKVB__SIGNATURE_SIZE ? whole : DKVB__SIGNATURE_SIZE))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: the header does not begin with {, so it is not safetensors", f->path);
    if (size == 0 || size > MAX_HEADER || size > whole - 8 || start[8] != '{')
        return dkvb__fail_foreign(f->path, start, whole < DKVB__SIGNATURE_SIZE ? whole : DKVB__SIGNATURE_SIZE, whole,
                                  DKVB__USE_WEIGHTS);
    f->elements = start + 8 + size;
    f->size = whole - 8 - (size_t)size;
    rc = dkvb__json_parse(&header, (const char *)start + 8, (size_t)size, f->path, "the header");
    if (rc)
        return rc;
    rc = take_tensors(f, header);
    json_decref(header);
    return rc ? rc : index_tensors(f);
}

static dkvb_status map(struct dkvb__safetensors *f)
{
    struct dkvb__file file;
    struct stat st;
    dkvb_status rc;

    if (stat(f->path, &st) == 0 && S_ISDIR(st.st_mode))
        return dkvb__fail(DKVB_EIO, "%.300s: is a directory; the .safetensors file in it must be given", f->path);
    rc = dkvb__file_open(&file, f->path);
    if (rc)
        return rc;
    rc = file.size > 0 ? dkvb__mapping_open(&f->mapping, &file, &f->mem)
                       : dkvb__fail_foreign_file(&file, DKVB__USE_WEIGHTS);
    dkvb__file_close(&file);
    return rc;
}

dkvb_status dkvb__safetensors_open(struct dkvb__safetensors **out, const char *path, const dkvb_allocator *mem)
{
    struct dkvb__safetensors *f = dkvb__alloc0(mem, 1, sizeof *f);
    dkvb_status rc = DKVB_OK;

    *out = NULL;
    if (f) {
        f->mem = *mem;
        f->path = dkvb__strdup(mem, path);
    }
    if (!f || !f->path)
        rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory", path);
    if (!rc)
        rc = map(f);
    if (!rc)
        rc = read_header(f);
    if (rc) {
        dkvb__safetensors_close(f);
        return rc;
    }
    *out = f;
    return DKVB_OK;
}

void dkvb__safetensors_close(struct dkvb__safetensors *file)
{
    dkvb_allocator mem;

    if (!file)
        return;
    mem = file->mem;
    dkvb__mapping_free(file->mapping);
    dkvb__free(&mem, file->index);
    dkvb__free(&mem, file->tensors);
    dkvb__free(&mem, file->names);
    dkvb__free(&mem, file->path);
    dkvb__free(&mem, file);
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), size = strlen(end);

    return length >= size && strcmp(text + length - size, end) == 0;
}

bool dkvb__safetensors_find_prefix(struct dkvb__safetensors *file, const char *name, dkvb_status *rc)
{
    const struct dkvb__tensor *found = NULL;

    *rc = DKVB_OK;
    for (size_t i = 0; i < file->count; i++) {
        const struct dkvb__tensor *t = &file->tensors[i];
        size_t before = strlen(t->name) - strlen(name);

        if (!ends_in(t->name, name) || (before > 0 && t->name[before - 1] != '.'))
            continue;
        if (found && before > 0 && file->prefix_size > 0)
            *rc = dkvb__fail(DKVB_EFORMAT,
                             "%.150s: holds the network twice, behind %.40s... and %.40s...: save the one to be used "
                             "in a file of its own",
                             file->path, dkvb__show(found->name).text, dkvb__show(t->name).text);
        if (!found || before == 0) {
            found = t;
            file->prefix = t->name;
            file->prefix_size = before;
        }
        /* the search for the prefix of the tensor names ends here, as tensor names without a prefix take precedence */
        if (before == 0) {
            *rc = DKVB_OK;
            break;
        }
    }
    return found != NULL;
}

/* True if a weights file has other tensors of the same network as the missing tensor `name`, which then may be in
 * another file. */
static bool has_others(const struct dkvb__safetensors *file, const char *name)
{
    size_t start = strcspn(name, ".");

    for (size_t i = 0; i < file->count; i++) {
        const char *other = file->tensors[i].name;

        if (strlen(other) > file->prefix_size && strncmp(other + file->prefix_size, name, start) == 0)
            return true;
    }
    return false;
}

dkvb_status dkvb__safetensors_missing(const struct dkvb__safetensors *file, const char *name)
{
    if (strcmp(name, "visual_projection.weight") == 0 || strcmp(name, "visual.proj") == 0)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: has no tensor %s: saved without the projection, or a shard of a checkpoint that is "
                          "split; save CLIPVisionModelWithProjection or CLIPModel whole",
                          file->path, name);
    if (has_others(file, name))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: has no tensor %s, though others of the network: a shard of a checkpoint that is "
                          "split? safetensors.torch.save_file of all shards' tensors joins them",
                          file->path, name);
    return dkvb__fail(DKVB_EFORMAT, "%.200s: has no tensor %s", file->path, name);
}

const char *dkvb__safetensors_path(const struct dkvb__safetensors *file)
{
    return file->path;
}

const struct dkvb__tensor *dkvb__safetensors_find(const struct dkvb__safetensors *file, const char *asked)
{
    size_t low = 0, high = file->count;
    char name[256];
    uint64_t key;

    if (file->prefix_size + strlen(asked) >= sizeof name)
        return NULL;
    snprintf(name, sizeof name, "%.*s%s", (int)file->prefix_size, file->prefix ? file->prefix : "", asked);
    key = dkvb__checksum(name, strlen(name));
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (file->index[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < file->count && file->index[low].key == key; low++)
        if (strcmp(file->tensors[file->index[low].index].name, name) == 0)
            return &file->tensors[file->index[low].index];
    return NULL;
}

/* The text of a tensor's shape: "2 x 3", or "no dimensions". */
struct shape_text {
    char text[8 * 24];
};

static struct shape_text show_shape(uint32_t ndim, const uint64_t *shape)
{
    struct shape_text shown = {"no dimensions"};
    size_t size = 0;

    for (uint32_t d = 0; d < ndim; d++)
        size += (size_t)snprintf(shown.text + size, sizeof shown.text - size, "%s%llu", d ? " x " : "",
                                 (unsigned long long)shape[d]);
    return shown;
}

/* Converts n elements of a tensor to float32 numbers, which are written to the array x. The tensor's elements in the
 * file may have any alignment. */
static void convert(float *x, const struct dkvb__tensor *t, size_t n)
{
    if (t->dtype == DKVB_DTYPE_F32)
        memcpy(x, t->data, n * sizeof *x);
    else if (t->dtype == DKVB_DTYPE_F64)
        for (size_t i = 0; i < n; i++)
            x[i] = (float)dkvb__read_double(t->data + 8 * i);
    else if (t->dtype == DKVB_DTYPE_F16)
        for (size_t i = 0; i < n; i++)
            x[i] = dkvb__half_to_float(dkvb__read16(t->data + 2 * i));
    else
        for (size_t i = 0; i < n; i++)
            x[i] = dkvb__bfloat_to_float(dkvb__read16(t->data + 2 * i));
}

static dkvb_status check_tensor(const struct dkvb__safetensors *file, const struct dkvb__tensor *t, const char *name,
                                uint32_t ndim, const uint64_t *shape)
{
    if (!t)
        return dkvb__safetensors_missing(file, name);
    if (t->dtype != DKVB_DTYPE_F32 && t->dtype != DKVB_DTYPE_F16 && t->dtype != DKVB_DTYPE_BF16 &&
        t->dtype != DKVB_DTYPE_F64)
        return dkvb__fail(DKVB_EFORMAT, "%.200s: tensor %s is of %s; F32, F16, BF16 or F64 must be given", file->path,
                          name, t->code);
    if (t->ndim != ndim || (ndim > 0 && memcmp(t->shape, shape, ndim * sizeof *shape) != 0))
        return dkvb__fail(DKVB_EFORMAT, "%.200s: tensor %s is of %.96s, %.96s is wanted", file->path, name,
                          show_shape(t->ndim, t->shape).text, show_shape(ndim, shape).text);
    return DKVB_OK;
}

dkvb_status dkvb__safetensors_read(const struct dkvb__safetensors *file, const char *name, uint32_t ndim,
                                   const uint64_t *shape, float *to)
{
    const struct dkvb__tensor *t = dkvb__safetensors_find(file, name);
    size_t n;
    dkvb_status rc = check_tensor(file, t, name, ndim, shape);

    if (rc)
        return rc;
    n = (size_t)t->bytes / dkvb__dtype_size(t->dtype);
    convert(to, t, n);
    file->tensors[t - file->tensors].used = true;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(to[i]))
            return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s: element %zu is %s, all must be finite", file->path,
                              name, i, isnan(to[i]) ? "NaN" : "infinite");
    return DKVB_OK;
}

dkvb_status dkvb__safetensors_need_used(const struct dkvb__safetensors *file, const char *start, const char *but)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct dkvb__tensor *t = &file->tensors[i];

        if (!t->used && strncmp(t->name, file->prefix ? file->prefix : "", file->prefix_size) == 0 &&
            strncmp(t->name + file->prefix_size, start, strlen(start)) == 0 && !ends_in(t->name, but))
            return dkvb__fail(DKVB_EFORMAT, "%.300s: tensor %s has no place here: the weights of another network",
                              file->path, dkvb__show(t->name).text);
    }
    return DKVB_OK;
}
