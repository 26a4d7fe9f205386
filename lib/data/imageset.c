#include "data/imageset.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/signature.h"
#include "base/status.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/npy.h"

static const dkvb_imageset_options defaults = DKVB_IMAGESET_OPTIONS_INIT;

static dkvb_status file_read(const struct dkvb_imageset *set, uint64_t index, dkvb_image *out,
                             const dkvb_allocator *allocator)
{
    (void)index;
    return dkvb_image_read(out, set->path, NULL, 0, allocator);
}

static size_t file_name(const struct dkvb_imageset *set, uint64_t index, char *name, size_t size)
{
    (void)index;
    return (size_t)snprintf(name, size, "%s", set->path);
}

/* Reads the first bytes of a file, as many as the buffer holds or the file has, and the size of the whole file. */
static dkvb_status read_start(const char *path, uint8_t start[DKVB__SIGNATURE_SIZE], size_t *got, uint64_t *size)
{
    struct dkvb__file file;
    dkvb_status rc = dkvb__file_open(&file, path);

    if (rc)
        return rc;
    *size = file.size;
    *got = file.size < DKVB__SIGNATURE_SIZE ? (size_t)file.size : DKVB__SIGNATURE_SIZE;
    rc = dkvb__file_read(&file, 0, start, *got);
    dkvb__file_close(&file);
    return rc;
}

static dkvb_status file_open(struct dkvb_imageset *set, bool coarse_labels)
{
    uint8_t start[DKVB__SIGNATURE_SIZE];
    uint64_t size;
    size_t got;
    dkvb_status rc = read_start(set->path, start, &got, &size);

    (void)coarse_labels;
    if (rc)
        return rc;
    if (!dkvb__image_sniff(start, got))
        return dkvb__fail_foreign(set->path, start, got, size, DKVB__USE_PICTURE);
    set->info.pictures = 1;
    return DKVB_OK;
}

static const struct dkvb__images_kind one_file = {.open = file_open, .read = file_read, .name = file_name};

static const struct dkvb__images_kind *const kinds[] = {
    [DKVB_IMAGES_FOLDER] = &dkvb__images_folder, [DKVB_IMAGES_FILE] = &one_file,
    [DKVB_IMAGES_CIFAR10] = &dkvb__images_cifar, [DKVB_IMAGES_CIFAR100] = &dkvb__images_cifar,
    [DKVB_IMAGES_ARRAY] = &dkvb__images_array,
};

dkvb_status dkvb__imageset_detect(uint32_t *format, const char *path)
{
    uint8_t start[DKVB__SIGNATURE_SIZE];
    struct stat st;
    uint64_t size = 0;
    size_t got = 0;
    dkvb_status rc;

    if (stat(path, &st) != 0)
        return dkvb__fail_errno(path, "find");
    if (!S_ISDIR(st.st_mode)) {
        rc = read_start(path, start, &got, &size);
        *format = DKVB_IMAGES_FILE;
        if (rc || dkvb__image_sniff(start, got))
            return rc;
    }
    rc = dkvb__cifar_sniff(format, path, S_ISDIR(st.st_mode), size);
    if (rc || *format != 0)
        return rc;
    *format = S_ISDIR(st.st_mode) ? DKVB_IMAGES_FOLDER : DKVB_IMAGES_ARRAY;
    if (S_ISDIR(st.st_mode) || dkvb__npy_sniff(start, got) || dkvb__idx_sniff(start, got))
        return DKVB_OK;
    return dkvb__fail_foreign(path, start, got, size, DKVB__USE_PICTURES);
}

static dkvb_status open_kind(struct dkvb_imageset *set, const dkvb_imageset_options *o)
{
    dkvb_status rc = DKVB_OK;

    set->info.format = o->format;
    if (o->format == DKVB_IMAGES_AUTO)
        rc = dkvb__imageset_detect(&set->info.format, set->path);
    if (!rc && o->coarse_labels && set->info.format != DKVB_IMAGES_CIFAR100)
        rc = dkvb__fail(DKVB_EINVAL, "%.300s: coarse labels are those of CIFAR-100, which this is not", set->path);
    if (rc)
        return rc;
    set->kind = kinds[set->info.format];
    return set->kind->open(set, o->coarse_labels != 0);
}

static dkvb_status check_options(dkvb_imageset_options *o, const dkvb_imageset_options *opts)
{
    dkvb_status rc;

    *o = defaults;
    rc = dkvb__take_options(o, sizeof *o, opts, "image set options");
    if (rc)
        return rc;
    if (o->format > DKVB_IMAGES_ARRAY)
        return dkvb__fail(DKVB_EINVAL, "there is no format of pictures %u", o->format);
    if (o->coarse_labels > 1)
        return dkvb__fail(DKVB_EINVAL, "coarse_labels is %u, it must be 0 or 1", o->coarse_labels);
    if (o->upright > 1)
        return dkvb__fail(DKVB_EINVAL, "upright is %u, it must be 0 or 1", o->upright);
    return dkvb__check_allocator(o->allocator);
}

/* Creates a picture set without pictures. The argument `path` is the path of the picture set; for a list of sources,
 * the path is used in messages only. */
static dkvb_imageset *new_set(const char *path, const dkvb_imageset_options *o)
{
    dkvb_allocator mem = dkvb__allocator(o->allocator);
    dkvb_imageset *set = dkvb__alloc0(&mem, 1, sizeof *set);

    if (set) {
        set->mem = mem;
        set->upright = o->upright != 0;
        set->info.struct_size = sizeof set->info;
        set->path = dkvb__strdup(&mem, path);
    }
    if (set && set->path)
        return set;
    dkvb_imageset_free(set);
    return NULL;
}

dkvb_status dkvb_imageset_open(dkvb_imageset **out, const char *path, const dkvb_imageset_options *opts)
{
    dkvb_imageset_options o;
    dkvb_imageset *set;
    dkvb_status rc;

    if (out)
        *out = NULL;
    if (!out || !path)
        return dkvb__fail(DKVB_EINVAL, "%s is NULL", out ? "path" : "out");
    rc = check_options(&o, opts);
    if (rc)
        return rc;
    set = new_set(path, &o);
    rc = set ? open_kind(set, &o) : dkvb__fail(DKVB_ENOMEM, "out of memory");
    if (rc)
        dkvb_imageset_free(set);
    else
        *out = set;
    return rc;
}

dkvb_status dkvb_imageset_open_list(dkvb_imageset **out, const dkvb_image_source *sources, size_t count,
                                    const dkvb_imageset_options *opts)
{
    char called[PATH_MAX];
    dkvb_imageset_options o;
    dkvb_imageset *set;
    dkvb_status rc;

    if (out)
        *out = NULL;
    if (!out || !sources || count == 0)
        return dkvb__fail(DKVB_EINVAL, "%s",
                          !out       ? "out is NULL"
                          : !sources ? "sources is NULL"
                                     : "there is no source");
    for (size_t i = 0; i < count; i++)
        if (!sources[i].path)
            return dkvb__fail(DKVB_EINVAL, "source %zu: path is NULL", i);
    rc = check_options(&o, opts);
    if (rc)
        return rc;
    if (count == 1)
        snprintf(called, sizeof called, "%s", sources[0].path);
    else
        snprintf(called, sizeof called, "%.300s and %zu more", sources[0].path, count - 1);
    set = new_set(called, &o);
    rc = set ? dkvb__image_list_open(set, sources, count, &o) : dkvb__fail(DKVB_ENOMEM, "out of memory");
    if (rc)
        dkvb_imageset_free(set);
    else
        *out = set;
    return rc;
}

void dkvb_imageset_free(dkvb_imageset *set)
{
    dkvb_allocator mem;

    if (!set)
        return;
    mem = set->mem;
    if (set->kind && set->kind->close)
        set->kind->close(set->state, &mem);
    dkvb__free(&mem, set->path);
    dkvb__free(&mem, set);
}

dkvb_status dkvb_imageset_get_info(const dkvb_imageset *set, dkvb_imageset_info *info)
{
    dkvb_imageset_info now;

    if (!set || !info)
        return dkvb__fail(DKVB_EINVAL, "%s is NULL", set ? "info" : "set");
    now = set->info;
    now.turned = dkvb__imageset_turned(set);
    return dkvb__give_info(info, &now, sizeof now, "image set info");
}

const char *dkvb_imageset_class_name(const dkvb_imageset *set, uint32_t index)
{
    return set && index < set->info.classes && set->kind->class_name ? set->kind->class_name(set, index) : NULL;
}

const char *dkvb_imageset_ignored(const dkvb_imageset *set, uint32_t index, uint64_t *count)
{
    uint64_t unused;

    return set && set->kind->ignored ? set->kind->ignored(set, index, count ? count : &unused) : NULL;
}

static dkvb_status check_index(const dkvb_imageset *set, uint64_t index)
{
    if (!set)
        return dkvb__fail(DKVB_EINVAL, "set is NULL");
    if (index >= set->info.pictures)
        return dkvb__fail(DKVB_ENOTFOUND, "%.300s: there is no picture %llu, they are %llu", set->path,
                          (unsigned long long)index, (unsigned long long)set->info.pictures);
    return DKVB_OK;
}

dkvb_status dkvb_imageset_get(const dkvb_imageset *set, uint64_t index, dkvb_picture *picture)
{
    dkvb_picture full = DKVB_PICTURE_INIT;
    dkvb_status rc = picture ? check_index(set, index) : dkvb__fail(DKVB_EINVAL, "picture is NULL");

    if (rc)
        return rc;
    if (set->kind->label)
        full.label = set->kind->label(set, index);
    (void)set->kind->name(set, index, full.name, sizeof full.name);
    return dkvb__give_info(picture, &full, sizeof full, "picture");
}

/* Returns the path of the file or folder that is the picture set; NULL for a list, whose path is used in messages
 * only. */
static const char *own_path(const dkvb_imageset *set)
{
    return set->kind == &dkvb__images_list ? NULL : set->path;
}

/* True if a picture is the first one in its file, and the file is not the whole set itself; `path` becomes the file's
 * path. */
static bool begins_file(const dkvb_imageset *set, uint64_t index, char path[PATH_MAX])
{
    return set->kind->file && set->kind->file(set, index, path) && (!own_path(set) || strcmp(path, own_path(set)) != 0);
}

/* Adds name, size and time of a file to a checksum of pictures. Missing files add nothing to the checksum of a picture
 * set, since reading a missing file will fail anyway. Folders add nothing to the checksum of pictures, since writing an
 * output into a folder changes the folder's time. */
static void add_file(uint64_t *sum, const char *path)
{
    struct stat st;
    int64_t when[2];
    uint64_t size;

    if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
        return;
    size = (uint64_t)st.st_size;
    when[0] = st.st_mtim.tv_sec;
    when[1] = st.st_mtim.tv_nsec;
    dkvb__fnv_add(sum, &size, sizeof size);
    dkvb__fnv_add(sum, when, sizeof when);
}

uint64_t dkvb__imageset_checksum(const struct dkvb_imageset *set)
{
    uint64_t sum = DKVB__FNV_BEGIN;
    char text[DKVB_PICTURE_NAME_SIZE > PATH_MAX ? DKVB_PICTURE_NAME_SIZE : PATH_MAX];

    if (own_path(set))
        add_file(&sum, own_path(set));
    if (set->kind->add)
        set->kind->add(set, &sum);
    for (uint64_t i = 0; i < set->info.pictures; i++) {
        int32_t label = set->kind->label ? set->kind->label(set, i) : -1;

        (void)set->kind->name(set, i, text, sizeof text);
        dkvb__fnv_add(&sum, text, strlen(text) + 1);
        dkvb__fnv_add(&sum, &label, sizeof label);
        if (begins_file(set, i, text))
            add_file(&sum, text);
    }
    return sum;
}

dkvb_status dkvb_imageset_spare(const dkvb_imageset *set, const char *path)
{
    struct stat output, st;
    char file[PATH_MAX];

    if (!set || !path)
        return dkvb__fail(DKVB_EINVAL, "%s is NULL", set ? "path" : "set");
    if (stat(path, &output) != 0)
        return DKVB_OK;
    /* the last round of this loop compares the output with the file that is the whole picture set, if there is one */
    for (uint64_t i = 0; i <= set->info.pictures; i++) {
        const char *taken = i == set->info.pictures ? own_path(set) : begins_file(set, i, file) ? file : NULL;

        if (taken && stat(taken, &st) == 0 && st.st_dev == output.st_dev && st.st_ino == output.st_ino)
            return dkvb__fail(DKVB_EINVAL, "%.200s: is one of the pictures of %.200s, which no output may replace",
                              path, set->path);
    }
    return DKVB_OK;
}

uint64_t dkvb__imageset_turned(const dkvb_imageset *set)
{
    return atomic_load_explicit(&set->turned, memory_order_relaxed);
}

void dkvb__imageset_add_turned(const dkvb_imageset *set, uint64_t pictures)
{
    /* reading a picture changes nothing in the picture set but this counter of pictures that are not stored upright */
    atomic_fetch_add_explicit(&((dkvb_imageset *)(uintptr_t)set)->turned, pictures, memory_order_relaxed);
}

dkvb_status dkvb_imageset_read(const dkvb_imageset *set, uint64_t index, dkvb_image *out,
                               const dkvb_allocator *allocator)
{
    dkvb_status rc = dkvb__image_begin(out, allocator);

    if (rc)
        return rc;
    rc = check_index(set, index);
    if (!rc)
        rc = set->kind->read(set, index, out, allocator);
    if (!rc && out->orientation > 1)
        dkvb__imageset_add_turned(set, 1);
    if (!rc && set->upright)
        rc = dkvb__image_turn_upright(out);
    return dkvb__image_end(out, rc);
}
