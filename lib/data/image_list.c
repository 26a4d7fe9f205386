/* A picture set made of several sources: picture files, picture files in memory, folders and other sets, in the order
 * given. A single picture file in a list is kept as its path alone, not as a picture set, so that a list of a million
 * files needs little memory. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fnv.h"
#include "base/status.h"
#include "data/imageset.h"

/* One source of a list of pictures: a set of pictures or, if `set` is NULL, a plain picture file. */
struct part {
    uint64_t first; /* number that the first picture of this source has in the whole list of pictures */
    char *path;
    /* contents of a picture file in memory, owned by the caller; NULL: the file is read from `path` */
    const uint8_t *bytes;
    size_t size; /* number of bytes of a picture file in memory */
    struct dkvb_imageset *set;
    bool is_folder; /* true if `path` is a folder; the names of its pictures then begin with the folder's path */
    /* for each class of this source, the number of the class in the whole list of pictures, [classes of the source];
     * NULL: source and list number the classes equally */
    int32_t *as;
};

struct list {
    struct part *parts; /* the sources of the list of pictures, [count] */
    size_t count;
    /* names of the classes of a list of pictures, [classes], owned by the list's sources; NULL: the list has the class
     * names of the set `same_as` */
    const char **names;
    const struct dkvb_imageset *same_as;
    struct dkvb__endings endings;
};

static void list_close(void *state, const dkvb_allocator *mem)
{
    struct list *l = state;

    if (!l)
        return;
    for (size_t i = 0; l->parts && i < l->count; i++) {
        dkvb_imageset_free(l->parts[i].set);
        dkvb__free(mem, l->parts[i].path);
        dkvb__free(mem, l->parts[i].as);
    }
    dkvb__free(mem, l->parts);
    dkvb__free(mem, l->names);
    dkvb__free(mem, l);
}

/* Returns the source of a picture in a list: the last source that begins at the picture's number or before. Each source
 * of a list of pictures has at least one picture. */
static const struct part *part_of(const struct dkvb_imageset *set, uint64_t index)
{
    const struct list *l = set->state;
    size_t low = 0, high = l->count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (l->parts[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    return &l->parts[low];
}

static dkvb_status list_read(const struct dkvb_imageset *set, uint64_t index, dkvb_image *out,
                             const dkvb_allocator *allocator)
{
    const struct part *p = part_of(set, index);

    return p->set ? p->set->kind->read(p->set, index - p->first, out, allocator)
                  : dkvb_image_read(out, p->path, p->bytes, p->size, allocator);
}

/* Returns the name of a picture of the list. The name of a plain picture file is its path; the name of a picture in a
 * folder follows the path of the folder. */
static size_t list_name(const struct dkvb_imageset *set, uint64_t index, char *name, size_t size)
{
    const struct part *p = part_of(set, index);
    size_t length = strlen(p->path), folder = length;

    if (!p->set)
        return (size_t)snprintf(name, size, "%s", p->path);
    if (!p->is_folder)
        folder = length - strlen(dkvb__base_name(p->path));
    length = (size_t)snprintf(name, size, "%.*s%s", (int)folder, p->path,
                              p->is_folder && p->path[folder - 1] != '/' ? "/" : "");
    if (length >= size)
        return length;
    return length + p->set->kind->name(p->set, index - p->first, name + length, size - length);
}

static bool list_file(const struct dkvb_imageset *set, uint64_t index, char path[PATH_MAX])
{
    const struct part *p = part_of(set, index);

    if (p->set && p->set->kind->file)
        return p->set->kind->file(p->set, index - p->first, path);
    return !p->bytes && index == p->first && snprintf(path, PATH_MAX, "%s", p->path) < PATH_MAX;
}

static int32_t list_label(const struct dkvb_imageset *set, uint64_t index)
{
    const struct part *p = part_of(set, index);
    int32_t label = p->set && p->set->kind->label ? p->set->kind->label(p->set, index - p->first) : -1;

    return label >= 0 && p->as ? p->as[label] : label;
}

static const char *list_class_name(const struct dkvb_imageset *set, uint32_t index)
{
    const struct list *l = set->state;

    return l->names ? l->names[index] : dkvb_imageset_class_name(l->same_as, index);
}

static const char *list_ignored(const struct dkvb_imageset *set, uint32_t index, uint64_t *count)
{
    return dkvb__endings_get(&((const struct list *)set->state)->endings, index, count);
}

/* Adds the contents of pictures in memory to the checksum of a list: unlike picture files, pictures in memory have no
 * time of the last change. */
static void list_add(const struct dkvb_imageset *set, uint64_t *sum)
{
    const struct list *l = set->state;

    for (size_t i = 0; i < l->count; i++)
        if (l->parts[i].bytes)
            dkvb__fnv_add(sum, l->parts[i].bytes, l->parts[i].size);
}

static dkvb_status no_memory(const struct dkvb_imageset *set)
{
    return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for a list of pictures", set->path);
}

/* Adds the properties of a source to those of the whole list of pictures. The width, height and channels of a list of
 * pictures stay 0 unless these are equal in all sources. */
static void add_info(struct dkvb_imageset *set, struct part *p)
{
    dkvb_imageset_info *whole = &set->info, one = {.pictures = 1};
    const dkvb_imageset_info *of = p->set ? &p->set->info : &one;
    struct list *l = set->state;
    uint64_t count = 0;
    const char *text;

    if (p == l->parts) {
        whole->width = of->width;
        whole->height = of->height;
        whole->channels = of->channels;
    } else if (whole->width != of->width || whole->height != of->height || whole->channels != of->channels) {
        whole->width = whole->height = whole->channels = 0;
    }
    p->first = whole->pictures;
    whole->pictures += of->pictures;
    whole->ignored += of->ignored;
    if (whole->nested == DKVB_NESTED_NONE)
        whole->nested = of->nested;
    for (uint32_t i = 0; p->set && (text = dkvb_imageset_ignored(p->set, i, &count)); i++)
        dkvb__endings_add(&l->endings, text, count);
}

/* Opens one source of a list of pictures. A path that leads to no set counts as a picture file, and reading the picture
 * reports the error, so that one bad file of many can be left out. */
static dkvb_status open_part(struct dkvb_imageset *set, struct part *p, const dkvb_imageset_options *opts)
{
    dkvb_imageset_options o = *opts;
    struct stat st;
    dkvb_status rc = DKVB_OK;

    /* a list of pictures turns its pictures upright, so the sources of the list must not turn them too */
    o.upright = 0;
    if (p->bytes)
        o.format = DKVB_IMAGES_FILE;
    if (o.format == DKVB_IMAGES_AUTO)
        rc = dkvb__imageset_detect(&o.format, p->path);
    if (rc == DKVB_EIO || rc == DKVB_EFORMAT) {
        o.format = DKVB_IMAGES_FILE;
        rc = DKVB_OK;
    }
    if (!rc && o.format == DKVB_IMAGES_FILE && o.coarse_labels)
        rc = dkvb__fail(DKVB_EINVAL, "%.300s: coarse labels are those of CIFAR-100, which this is not", p->path);
    if (!rc && o.format != DKVB_IMAGES_FILE) {
        p->is_folder = stat(p->path, &st) == 0 && S_ISDIR(st.st_mode);
        rc = dkvb_imageset_open(&p->set, p->path, &o);
    }
    if (!rc)
        add_info(set, p);
    return rc;
}

static const char *class_name(const struct part *p, uint32_t index)
{
    return dkvb_imageset_class_name(p->set, index);
}

/* True if two sets of pictures have the same classes in the same order. Two picture sets without class names have the
 * same classes if the numbers of classes are equal. */
static bool same_classes(const struct part *a, const struct part *b)
{
    if (a->set->info.classes != b->set->info.classes)
        return false;
    for (uint32_t i = 0; i < a->set->info.classes; i++) {
        const char *x = class_name(a, i), *y = class_name(b, i);

        if (!x != !y || (x && strcmp(x, y) != 0))
            return false;
    }
    return true;
}

/* Sorts the class names names[n] bottom up by runs of 1, 2, 4, …; qsort() may allocate memory. After the call, the
 * array `names` is sorted, and the contents of `scratch` have no meaning. */
static void sort_names(const char **names, const char **scratch, size_t n)
{
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t i = 0; i < n; i += 2 * run) {
            size_t middle = n - i < run ? n : i + run, end = n - i < 2 * run ? n : i + 2 * run, a = i, b = middle;

            for (size_t to = i; to < end; to++)
                scratch[to] = b == end || (a < middle && strcmp(names[a], names[b]) <= 0) ? names[a++] : names[b++];
        }
        memcpy(names, scratch, n * sizeof *names);
    }
}

static int32_t find_name(const char *const *names, uint32_t count, const char *name)
{
    uint32_t low = 0, high = count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (strcmp(names[middle], name) <= 0)
            low = middle;
        else
            high = middle;
    }
    return (int32_t)low;
}

/* Joins the classes of all sources of a list: classes with the same name become one class. The joined classes of a list
 * of pictures are in byte order of their names. */
static dkvb_status join_classes(struct dkvb_imageset *set)
{
    struct list *l = set->state;
    const dkvb_allocator *mem = &set->mem;
    const char **scratch;
    size_t n = 0, unique = 0;

    for (size_t i = 0; i < l->count; i++)
        n += l->parts[i].set ? l->parts[i].set->info.classes : 0;
    if (n > INT32_MAX)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %zu classes, at most %d are possible", set->path, n, INT32_MAX);
    l->names = dkvb__alloc(mem, n, sizeof *l->names);
    scratch = dkvb__alloc(mem, n, sizeof *scratch);
    if (!l->names || !scratch) {
        dkvb__free(mem, scratch);
        return no_memory(set);
    }
    n = 0;
    for (size_t i = 0; i < l->count; i++)
        for (uint32_t c = 0; l->parts[i].set && c < l->parts[i].set->info.classes; c++) {
            l->names[n] = class_name(&l->parts[i], c);
            if (!l->names[n++]) {
                dkvb__free(mem, scratch);
                return dkvb__fail(DKVB_EFORMAT,
                                  "%.200s: class %u has no name, so it cannot be told which class of %.200s it is",
                                  l->parts[i].path, c, l->same_as->path);
            }
        }
    sort_names(l->names, scratch, n);
    dkvb__free(mem, scratch);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(l->names[unique - 1], l->names[i]) != 0)
            l->names[unique++] = l->names[i];
    set->info.classes = (uint32_t)unique;
    for (size_t i = 0; i < l->count; i++) {
        struct part *p = &l->parts[i];

        if (!p->set || p->set->info.classes == 0)
            continue;
        p->as = dkvb__alloc(mem, p->set->info.classes, sizeof *p->as);
        if (!p->as)
            return no_memory(set);
        for (uint32_t c = 0; c < p->set->info.classes; c++)
            p->as[c] = find_name(l->names, set->info.classes, class_name(p, c));
    }
    return DKVB_OK;
}

/* Numbers the classes of a list of pictures. If all picture sets with classes in a list have the same classes in the
 * same order, the list numbers the classes as these sets do. */
static dkvb_status number_classes(struct dkvb_imageset *set)
{
    struct list *l = set->state;
    const struct part *one = NULL;
    bool same = true;

    for (size_t i = 0; i < l->count; i++) {
        const struct part *p = &l->parts[i];

        if (!p->set || p->set->info.classes == 0)
            continue;
        same = same && (!one || same_classes(one, p));
        one = one ? one : p;
    }
    if (!one)
        return DKVB_OK;
    l->same_as = one->set;
    set->info.classes = one->set->info.classes;
    return same ? DKVB_OK : join_classes(set);
}

dkvb_status dkvb__image_list_open(struct dkvb_imageset *set, const dkvb_image_source *sources, size_t count,
                                  const dkvb_imageset_options *opts)
{
    struct list *l = dkvb__alloc0(&set->mem, 1, sizeof *l);
    dkvb_status rc;

    set->kind = &dkvb__images_list;
    set->info.format = DKVB_IMAGES_LIST;
    set->state = l;
    if (l)
        l->parts = dkvb__alloc0(&set->mem, count, sizeof *l->parts);
    if (!l || !l->parts)
        return no_memory(set);
    for (; l->count < count; l->count++) {
        struct part *p = &l->parts[l->count];

        p->bytes = sources[l->count].bytes;
        p->size = sources[l->count].size;
        p->path = dkvb__strdup(&set->mem, sources[l->count].path);
        rc = p->path ? open_part(set, p, opts) : no_memory(set);
        if (rc) {
            /* a source of pictures counts before it is completely opened, so that closing the list after a failure
             * frees this source too */
            l->count++;
            return rc;
        }
    }
    dkvb__endings_sort(&l->endings);
    rc = number_classes(set);
    if (!rc && set->info.nested == DKVB_NESTED_WRAPPED && set->info.classes != 1)
        set->info.nested = DKVB_NESTED_DEEPER;
    return rc;
}

const struct dkvb__images_kind dkvb__images_list = {.close = list_close,
                                                    .read = list_read,
                                                    .name = list_name,
                                                    .file = list_file,
                                                    .label = list_label,
                                                    .class_name = list_class_name,
                                                    .ignored = list_ignored,
                                                    .add = list_add};
