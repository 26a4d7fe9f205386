/* Reads PNG files through libpng, which only png.c uses. Colours equal those of PIL's convert("RGB"): tRNS is
 * dropped, gamma and profiles are ignored, and 16-bit samples keep their high byte. https://www.w3.org/TR/png/ */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/image.h"

enum {
    MAX_RATIO = 1032,    /* largest ratio at which deflate packs pixels: 258 bytes in 2 bits */
    MAX_CHUNK = 1 << 26, /* largest chunk of a PNG file in bytes; skipped previews and layers of editors can be large */
    PALETTE = 256
};

struct decoder {
    png_structp png;
    png_infop info;
    const struct dkvb__encoded *in;
    size_t at; /* offset in the PNG file's bytes, in->bytes, of the next byte to read */
    dkvb_image *out;
    bool no_memory; /* true if the allocator had no memory for libpng */
    char message[100];
};

static png_voidp get(png_structp png, png_alloc_size_t size)
{
    struct decoder *d = png_get_mem_ptr(png);
    void *ptr = dkvb__alloc(&d->out->allocator, size, 1);

    d->no_memory = d->no_memory || !ptr;
    return ptr;
}

static void release(png_structp png, png_voidp ptr)
{
    struct decoder *d = png_get_mem_ptr(png);

    dkvb__free(&d->out->allocator, ptr);
}

static void on_error(png_structp png, png_const_charp message)
{
    struct decoder *d = png_get_error_ptr(png);

    snprintf(d->message, sizeof d->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
    struct decoder *d = png_get_io_ptr(png);

    if (size > d->in->size - d->at)
        png_error(png, "is cut short");
    memcpy(to, d->in->bytes + d->at, size);
    d->at += size;
}

static dkvb_status no_memory(const struct decoder *d)
{
    return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for reading PNG", d->in->name);
}

/* Checks the size in the PNG header before memory is allocated for it. */
static dkvb_status check_header(const struct decoder *d)
{
    uint32_t width = png_get_image_width(d->png, d->info), height = png_get_image_height(d->png, d->info);
    uint64_t unpacked = (uint64_t)png_get_rowbytes(d->png, d->info) * height;
    dkvb_status rc = dkvb__image_check_size(d->in->name, width, height);

    if (!rc && unpacked / MAX_RATIO > d->in->size)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: %zu bytes cannot unpack to %u x %u pixels", d->in->name, d->in->size,
                        width, height);
    return rc;
}

/* Makes libpng skip the chunks of a PNG that have texts, profiles and similar data. */
static void set_limits(struct decoder *d)
{
    png_set_read_fn(d->png, d, on_read);
    /* libpng's limit on the size of a picture is wide, as check_header() has a stricter limit */
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(d->png, MAX_CHUNK);
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
}

/* Asks libpng for samples (colour values) of one byte, without alpha. Palette indices are replaced by colours after
 * libpng has read all pixels. The result is the number of passes that libpng makes over all rows of pixels. */
static int set_transforms(const struct decoder *d)
{
    png_byte type = png_get_color_type(d->png, d->info);

    png_set_strip_16(d->png);
    png_set_strip_alpha(d->png);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_packing(d->png);
    else if (type == PNG_COLOR_TYPE_GRAY)
        png_set_expand_gray_1_2_4_to_8(d->png);
    return png_set_interlace_handling(d->png);
}

/* Replaces palette indices by colours. libpng has put the palette indices of a row of pixels into the last third of the
 * row's memory, so that colours can be written from the first pixel on. */
static void look_up(dkvb_image *out, png_const_colorp colours, int count)
{
    png_color table[PALETTE];
    size_t width = out->width;

    /* palette indices past the end of a short palette become black, as in PIL from 10.1 on */
    for (int i = 0; i < PALETTE; i++)
        table[i] = i < count ? colours[i] : (png_color){0, 0, 0};
    for (size_t y = 0; y < out->height; y++) {
        uint8_t *row = out->pixels + y * width * 3;

        for (size_t x = 0; x < width; x++) {
            png_color colour = table[row[2 * width + x]];

            row[3 * x] = colour.red;
            row[3 * x + 1] = colour.green;
            row[3 * x + 2] = colour.blue;
        }
    }
}

/* Reads all rows of pixels `passes` times. libpng gives `samples` bytes for each pixel: 1 for palette indices, which
 * become 3. */
static void read_rows(const struct decoder *d, int passes, uint32_t samples)
{
    size_t width = d->out->width, row = width * d->out->channels;

    if (samples > d->out->channels || png_get_rowbytes(d->png, d->info) != width * samples)
        png_error(d->png, "has an unexpected layout");
    while (passes-- > 0)
        for (size_t y = 0; y < d->out->height; y++)
            png_read_row(d->png, d->out->pixels + y * row + width * (d->out->channels - samples), NULL);
    png_read_end(d->png, NULL);
}

static dkvb_status read_picture(struct decoder *d)
{
    png_colorp colours = NULL;
    int passes, count = 0;
    dkvb_status rc;

    set_limits(d);
    png_read_info(d->png, d->info);
    rc = check_header(d);
    if (rc)
        return rc;
    rc = dkvb__image_alloc(d->out, png_get_image_width(d->png, d->info), png_get_image_height(d->png, d->info),
                           png_get_color_type(d->png, d->info) & PNG_COLOR_MASK_COLOR ? 3 : 1, d->in->name);
    if (rc)
        return rc;
    png_get_PLTE(d->png, d->info, &colours, &count);
    passes = set_transforms(d);
    png_read_update_info(d->png, d->info);
    read_rows(d, passes, png_get_channels(d->png, d->info));
    if (png_get_channels(d->png, d->info) < d->out->channels)
        look_up(d->out, colours, count);
    return DKVB_OK;
}

/* Runs the PNG decoder. No variable of run() may change after setjmp(), to which libpng returns after an error. */
static dkvb_status run(struct decoder *d)
{
    if (setjmp(png_jmpbuf(d->png)) != 0)
        return d->no_memory ? no_memory(d) : dkvb__fail(DKVB_EFORMAT, "%.300s: PNG %s", d->in->name, d->message);
    return read_picture(d);
}

dkvb_status dkvb__png_decode(dkvb_image *out, const struct dkvb__encoded *in)
{
    struct decoder d = {.in = in, .out = out};
    dkvb_status rc;

    d.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning, &d, get, release);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    rc = d.info ? run(&d) : no_memory(&d);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    return rc;
}
