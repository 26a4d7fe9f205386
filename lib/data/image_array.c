/* A set of pictures in one array: IDX or .npy of uint8. */
#include "dkvb/data.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/image.h"
#include "data/imageset.h"

static void array_close(void *state, const dkvb_allocator *mem)
{
    dkvb_array_free(state);
    dkvb__free(mem, state);
}

static dkvb_status array_read(const struct dkvb_imageset *set, uint64_t index, dkvb_image *out,
                              const dkvb_allocator *allocator)
{
    const dkvb_array *a = set->state;
    const dkvb_imageset_info *info = &set->info;
    size_t size = (size_t)info->width * info->height * info->channels;
    dkvb_status rc = dkvb__image_begin(out, allocator);

    if (!rc)
        rc = dkvb__image_alloc(out, info->width, info->height, info->channels, set->path);
    if (!rc)
        memcpy(out->pixels, (const uint8_t *)a->data + (size_t)index * size, size);
    return rc;
}

static size_t array_name(const struct dkvb_imageset *set, uint64_t index, char *name, size_t size)
{
    return dkvb__numbered_name(name, size, set->path, index);
}

/* True if an array looks like one colour picture, whose rows would be taken for grey pictures of width 3 or 4. Hardly
 * anybody has grey pictures that are only 3 or 4 pixels wide. Small arrays, such as one of 3 x 3 x 3 numbers, may be
 * sets of grey pictures. */
static bool is_one_picture(const dkvb_array *a)
{
    uint64_t last = a->ndim == 3 ? a->shape[2] : 0, least = last == 3 ? 4 : 8;

    return (last == 3 || last == 4) && a->shape[0] >= least && a->shape[1] >= least;
}

/* Takes the sizes of pictures from the shape of an array of pictures: [n][h][w], [n][h][w][1 or 3], or [n][w] for
 * pictures one row high. */
static dkvb_status take_shape(struct dkvb_imageset *set, const dkvb_array *a)
{
    uint64_t channels = a->ndim == 4 ? a->shape[3] : 1;
    uint64_t height = a->ndim > 2 ? a->shape[1] : 1, width = a->ndim > 2 ? a->shape[2] : a->shape[1];
    dkvb_status rc;

    if (a->dtype != DKVB_DTYPE_U8)
        return dkvb__fail(
            DKVB_EFORMAT,
            "%.200s: elements are %s; pictures must be uint8, 0 to 255: (a * 255).round().astype('uint8') "
            "makes such of levels from 0 to 1",
            set->path, dkvb_name(DKVB_NAME_DTYPE, a->dtype));
    if (is_one_picture(a))
        return dkvb__fail(
            DKVB_EFORMAT,
            "%.200s: shape (%llu, %llu, %llu) is one colour picture or %llu grey ones %llu wide: reshape it "
            "to (1, height, width, 3) for the one, to (n, height, width, 1) for the others",
            set->path, (unsigned long long)a->shape[0], (unsigned long long)a->shape[1],
            (unsigned long long)a->shape[2], (unsigned long long)a->shape[0], (unsigned long long)a->shape[2]);
    if (a->ndim == 4 && channels != 1 && channels != 3 && (a->shape[1] == 1 || a->shape[1] == 3))
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: shape (%llu, %llu, %llu, %llu) has its channels first; they must come last: "
                          "numpy.moveaxis(a, 1, -1)",
                          set->path, (unsigned long long)a->shape[0], (unsigned long long)a->shape[1],
                          (unsigned long long)a->shape[2], (unsigned long long)a->shape[3]);
    if (a->ndim < 2 || a->ndim > 4 || (channels != 1 && channels != 3))
        return dkvb__fail(
            DKVB_EFORMAT,
            "%.300s: %u dimensions, the last of %llu; pictures are [n][h][w], [n][h][w][1 or 3] or [n][w]", set->path,
            a->ndim, (unsigned long long)(a->ndim > 0 ? a->shape[a->ndim - 1] : 1));
    rc = dkvb__image_check_size(set->path, width, height);
    if (rc)
        return rc;
    if (a->shape[0] == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: holds no picture", set->path);
    set->info.pictures = a->shape[0];
    set->info.width = (uint32_t)width;
    set->info.height = (uint32_t)height;
    set->info.channels = (uint32_t)channels;
    return DKVB_OK;
}

static dkvb_status array_open(struct dkvb_imageset *set, bool coarse_labels)
{
    dkvb_array *a = dkvb__alloc0(&set->mem, 1, sizeof *a);
    dkvb_status rc;

    (void)coarse_labels;
    if (!a)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    a->struct_size = sizeof *a;
    set->state = a;
    rc = dkvb_array_read(a, set->path, DKVB_READ_COPY, &set->mem);
    return rc ? rc : take_shape(set, a);
}

const struct dkvb__images_kind dkvb__images_array = {
    .open = array_open, .close = array_close, .read = array_read, .name = array_name};
