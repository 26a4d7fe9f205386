/* Resizes 8-bit pictures as Pillow does, with equal pixel values. The weights of input pixels are computed in double
 * precision and rounded to 22 bits after the point. A picture is resized along its rows first, then along its columns;
 * the numbers between these two steps are rounded to 8 bits. All sums of resizing are of integers, so the result is the
 * same on every machine. The cubic filter is that of Keys (Cubic convolution interpolation, 1981) with a = -1/2. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/image.h"

/* The integer weights of the input pixels of an output pixel sum to 2^BITS. The absolute values of the weights of
 * one output pixel sum to less than 2^(BITS + 1), and 255 times that sum fits an int32. */
enum { BITS = 32 - 8 - 2, STRIP = 512 };

/* One axis of the resized picture: `size` pixels, of which `count` pixels, beginning with `first`, are computed. Pixels
 * of the resized picture that are outside of the computed range are not stored, as the whole resized picture may be
 * larger than memory. */
struct axis {
    uint64_t size;
    uint64_t first;
    uint32_t count;
};

/* Weights of the input pixels for each output pixel: weight[i][t] * in[start[i] + t] is summed for t < taps[i]. */
struct weights {
    uint32_t *start;
    uint32_t *taps;
    int32_t *weight; /* weights of the input pixels for each output pixel, int32[count][most] */
    size_t most;
};

static double bilinear(double x)
{
    x = x < 0.0 ? -x : x;
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
    const double a = -0.5;

    x = x < 0.0 ? -x : x;
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

/* Returns half the width of a resizing filter, in pixels of the coarser picture. */
static double support_of(uint32_t filter)
{
    return filter == DKVB_FILTER_BICUBIC ? 2.0 : 1.0;
}

static void weights_free(struct weights *w, const dkvb_allocator *mem)
{
    dkvb__free(mem, w->start);
    dkvb__free(mem, w->taps);
    dkvb__free(mem, w->weight);
}

/* Rounds exact[t], the weights of the input pixels of one output pixel, which sum to 1, to integers, half away from
 * zero. */
static void round_weights(int32_t *to, const double *exact, size_t n)
{
    for (size_t t = 0; t < n; t++)
        to[t] = (int32_t)(exact[t] * (1 << BITS) + (exact[t] < 0.0 ? -0.5 : 0.5));
}

/* Computes the weights of the input pixels for output pixel i of an axis. The array `exact` is scratch space for the
 * exact weights of one output pixel, w->most numbers. */
static void weigh_pixel(struct weights *w, uint32_t i, const struct axis *axis, uint32_t in, uint32_t filter,
                        double *exact)
{
    double scale = (double)in / (double)axis->size, wider = scale > 1.0 ? scale : 1.0;
    double support = support_of(filter) * wider, center = ((double)(axis->first + i) + 0.5) * scale, sum = 0.0;
    double low = center - support + 0.5, high = center + support + 0.5;
    uint32_t start = low > 0.0 ? (uint32_t)low : 0, end = high < in ? (uint32_t)high : in;

    for (uint32_t t = 0; t < end - start; t++) {
        double x = ((double)(start + t) - center + 0.5) * (1.0 / wider);

        exact[t] = filter == DKVB_FILTER_BICUBIC ? bicubic(x) : bilinear(x);
        sum += exact[t];
    }
    for (uint32_t t = 0; t < end - start; t++)
        exact[t] /= sum;
    w->start[i] = start;
    w->taps[i] = end - start;
    round_weights(w->weight + i * w->most, exact, end - start);
}

static dkvb_status weigh(struct weights *w, const struct axis *axis, uint32_t in, uint32_t filter,
                         const dkvb_allocator *mem)
{
    double scale = (double)in / (double)axis->size;
    double *exact;

    *w = (struct weights){.most = (size_t)(support_of(filter) * (scale > 1.0 ? scale : 1.0)) * 2 + 3};
    w->start = dkvb__alloc(mem, axis->count, sizeof *w->start);
    w->taps = dkvb__alloc(mem, axis->count, sizeof *w->taps);
    w->weight = dkvb__alloc(mem, axis->count, w->most * sizeof *w->weight);
    exact = dkvb__alloc(mem, w->most, sizeof *exact);
    if (w->start && w->taps && w->weight && exact)
        for (uint32_t i = 0; i < axis->count; i++)
            weigh_pixel(w, i, axis, in, filter, exact);
    dkvb__free(mem, exact);
    if (w->start && w->taps && w->weight && exact)
        return DKVB_OK;
    weights_free(w, mem);
    return dkvb__fail(DKVB_ENOMEM, "out of memory for the weights of %u pixels", axis->count);
}

static uint8_t to_level(int32_t sum)
{
    sum >>= BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Resizes one row of pixels. row_of() is inlined with a constant number of channels. */
static inline void row_of(uint8_t *to, const uint8_t *from, const struct weights *w, uint32_t count, uint32_t channels)
{
    for (uint32_t i = 0; i < count; i++, to += channels) {
        const uint8_t *in = from + (size_t)w->start[i] * channels;
        const int32_t *weight = w->weight + i * w->most;
        int32_t sum[3] = {1 << (BITS - 1), 1 << (BITS - 1), 1 << (BITS - 1)};

        for (uint32_t t = 0; t < w->taps[i]; t++, in += channels)
            for (uint32_t c = 0; c < channels; c++)
                sum[c] += in[c] * weight[t];
        for (uint32_t c = 0; c < channels; c++)
            to[c] = to_level(sum[c]);
    }
}

/* Resizes rows of `width` pixels to rows of `count` pixels, uint8[rows][count][channels]. */
static void along_rows(uint8_t *to, const uint8_t *from, size_t rows, size_t width, const struct weights *w,
                       uint32_t count, uint32_t channels)
{
    for (size_t y = 0; y < rows; y++, to += (size_t)count * channels, from += width * channels)
        if (channels == 1)
            row_of(to, from, w, count, 1);
        else
            row_of(to, from, w, count, 3);
}

/* Computes one row of pixels of a resized picture: to[x] = sum over t of weight[t] * from[t][x], where t counts rows of
 * the original picture. */
static void column_sums(uint8_t *to, const uint8_t *from, size_t stride, const int32_t *weight, uint32_t taps, size_t n)
{
    int32_t sum[STRIP];

    for (size_t x = 0; x < n; x++)
        sum[x] = 1 << (BITS - 1);
    for (uint32_t t = 0; t < taps; t++, from += stride)
        for (size_t x = 0; x < n; x++)
            sum[x] += from[x] * weight[t];
    for (size_t x = 0; x < n; x++)
        to[x] = to_level(sum[x]);
}

/* Resizes the columns of a picture to `count` rows. A row of the picture has `stride` bytes; the first `above` rows of
 * the picture are missing in `from`. */
static void along_columns(uint8_t *to, const uint8_t *from, size_t stride, uint32_t above, const struct weights *w,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, to += stride)
        for (size_t x = 0; x < stride; x += STRIP)
            column_sums(to + x, from + (size_t)(w->start[i] - above) * stride + x, stride, w->weight + i * w->most,
                        w->taps[i], stride - x < STRIP ? stride - x : STRIP);
}

/* Copies the rows from `above` to below `below` of a picture, cut to the needed columns. */
static void cut(uint8_t *to, const dkvb_image *in, const struct axis *across, uint32_t above, uint32_t below)
{
    size_t width = (size_t)across->count * in->channels;

    for (uint32_t y = above; y < below; y++, to += width)
        memcpy(to, in->pixels + ((size_t)y * in->width + across->first) * in->channels, width);
}

/* Resizes the rows from `above` to below `below` of a picture to the width of the result. */
static dkvb_status pass_rows(uint8_t *to, const dkvb_image *in, const struct axis *across, uint32_t above,
                             uint32_t below, uint32_t filter, const dkvb_allocator *mem)
{
    struct weights w;
    dkvb_status rc;

    if (across->size == in->width) {
        cut(to, in, across, above, below);
        return DKVB_OK;
    }
    rc = weigh(&w, across, in->width, filter, mem);
    if (rc)
        return rc;
    along_rows(to, in->pixels + (size_t)above * in->width * in->channels, below - above, in->width, &w, across->count,
               in->channels);
    weights_free(&w, mem);
    return DKVB_OK;
}

/* Resizes a picture: first those of its rows that the resized columns need, then its columns. */
static dkvb_status both_passes(dkvb_image *out, const dkvb_image *in, const struct axis *across,
                               const struct axis *down, const struct weights *w, uint32_t filter)
{
    uint32_t above = w->start[0], below = w->start[down->count - 1] + w->taps[down->count - 1];
    size_t stride = (size_t)across->count * in->channels;
    uint8_t *between = dkvb__alloc(&out->allocator, below - above, stride);
    dkvb_status rc;

    if (!between)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for resizing %u x %u pixels", in->width, in->height);
    rc = pass_rows(between, in, across, above, below, filter, &out->allocator);
    if (!rc)
        along_columns(out->pixels, between, stride, above, w, down->count);
    dkvb__free(&out->allocator, between);
    return rc;
}

/* Computes a part of a resized picture into `out`, which is at first an empty picture whose allocator is set. */
static dkvb_status resample(dkvb_image *out, const dkvb_image *in, const struct axis *across, const struct axis *down,
                            uint32_t filter)
{
    struct weights w;
    dkvb_status rc = dkvb__image_alloc(out, across->count, down->count, in->channels, "resizing");

    if (rc)
        return rc;
    if (down->size == in->height)
        return pass_rows(out->pixels, in, across, (uint32_t)down->first, (uint32_t)down->first + down->count, filter,
                         &out->allocator);
    rc = weigh(&w, down, in->height, filter, &out->allocator);
    if (rc)
        return rc;
    rc = both_passes(out, in, across, down, &w, filter);
    weights_free(&w, &out->allocator);
    return rc;
}

static dkvb_status check_picture(const dkvb_image *in)
{
    if (!in || in->struct_size < sizeof *in || !in->pixels)
        return dkvb__fail(DKVB_EINVAL, "the picture %s",
                          !in           ? "is NULL"
                          : !in->pixels ? "has no pixels"
                                        : "has a wrong struct_size");
    if (in->channels != 1 && in->channels != 3)
        return dkvb__fail(DKVB_EINVAL, "the picture has %u channels, 1 or 3 are wanted", in->channels);
    return dkvb__image_check_size("the picture", in->width, in->height) ? DKVB_EINVAL : DKVB_OK;
}

static dkvb_status check_filter(uint32_t filter)
{
    if (filter != DKVB_FILTER_BILINEAR && filter != DKVB_FILTER_BICUBIC)
        return dkvb__fail(DKVB_EINVAL, "there is no filter %u", filter);
    return DKVB_OK;
}

dkvb_status dkvb__image_resize(dkvb_image *out, const dkvb_image *in, uint32_t width, uint32_t height, uint32_t filter,
                               const dkvb_allocator *allocator)
{
    dkvb_status rc = dkvb__image_begin(out, allocator);

    if (rc)
        return rc;
    rc = check_picture(in);
    if (!rc)
        rc = check_filter(filter);
    if (!rc && dkvb__image_check_size("resizing", width, height))
        rc = DKVB_EINVAL;
    if (!rc)
        rc = resample(out, in, &(struct axis){width, 0, width}, &(struct axis){height, 0, height}, filter);
    return dkvb__image_end(out, rc);
}

/* Computes the new length of one side of a picture whose shorter side becomes `shorter`, and the middle part of that
 * side. torchvision's Resize takes int(shorter * long / short) in double precision. The new length of the longer side
 * equals the exact quotient shorter * long / short rounded down, as the quotient is less than 2^32, and is at least
 * 2^-16 below the next integer. CenterCrop takes round((side - crop) / 2.0), ties to even. */
static struct axis fit_axis(uint32_t side, uint32_t shortest, uint32_t shorter, uint32_t crop)
{
    struct axis axis = {.size = (uint64_t)shorter * side / shortest, .count = crop};
    uint64_t around = axis.size - crop;

    axis.first = around / 2 + (around & around / 2 & 1);
    return axis;
}

/* Converts a grey picture to red, green and blue. */
static dkvb_status to_rgb(dkvb_image *image)
{
    dkvb_image grey = *image;
    size_t n = (size_t)grey.width * grey.height;
    dkvb_status rc;

    if (grey.channels == 3)
        return DKVB_OK;
    rc = dkvb__image_alloc(image, grey.width, grey.height, 3, "fitting");
    for (size_t i = 0; !rc && i < n; i++)
        memset(image->pixels + 3 * i, grey.pixels[i], 3);
    dkvb__free(&grey.allocator, grey.pixels);
    return rc;
}

dkvb_status dkvb__image_fit(dkvb_image *out, const dkvb_image *in, uint32_t shorter, uint32_t crop, uint32_t filter,
                            const dkvb_allocator *allocator)
{
    struct axis across, down;
    uint32_t shortest;
    dkvb_status rc = dkvb__image_begin(out, allocator);

    if (rc)
        return rc;
    rc = check_picture(in);
    if (!rc)
        rc = check_filter(filter);
    if (!rc && (crop < 1 || crop > shorter || dkvb__image_check_size("fitting", shorter, 1) ||
                dkvb__image_check_size("fitting", crop, crop)))
        rc = dkvb__fail(DKVB_EINVAL, "a square of %u of a side of %u; 1 to %d are wanted, and no larger square", crop,
                        shorter, DKVB_IMAGE_MAX_SIDE);
    if (rc)
        return dkvb__image_end(out, rc);
    shortest = in->width < in->height ? in->width : in->height;
    across = fit_axis(in->width, shortest, shorter, crop);
    down = fit_axis(in->height, shortest, shorter, crop);
    rc = resample(out, in, &across, &down, filter);
    if (!rc)
        rc = to_rgb(out);
    return dkvb__image_end(out, rc);
}
