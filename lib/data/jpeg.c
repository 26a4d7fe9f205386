/* Reads JPEG files through libjpeg's classic interface, with the settings that PIL leaves at their defaults (the slow
 * integer DCT, fancy upsampling), so that pixels are equal to PIL's pixels. */
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs stdio.h to be included before it */

#include <jpeglib.h>
#include <jerror.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/image.h"

enum {
    /* largest number of scans in a JPEG file; progressive files have about ten, and each takes the time of a whole
     * picture */
    MAX_SCANS = 100,
    /* largest number of bytes of coefficients, which a progressive JPEG needs in memory all at once */
    MAX_MEMORY = 1 << 30,
    BLOCK = 8
};

struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    const struct dkvb__encoded *in;
    dkvb_image *out;
    const char *fault; /* an error in the JPEG file that libjpeg has no message for */
};

static void on_error(j_common_ptr jpeg)
{
    struct decoder *d = jpeg->client_data;

    longjmp(d->failed, 1);
}

static void give_up(struct decoder *d, const char *fault)
{
    d->fault = fault;
    longjmp(d->failed, 1);
}

/* Continues after warnings of libjpeg, as PIL does: some bytes of the file make no sense, but the picture can still be
 * decoded. */
static void on_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

static void say_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void nothing_to_do(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

/* Fails at the end of the JPEG data, as the whole file was in memory from the beginning. */
static boolean on_end(j_decompress_ptr jpeg)
{
    give_up(jpeg->client_data, "is cut short");
    return FALSE;
}

static void on_skip(j_decompress_ptr jpeg, long bytes)
{
    if (bytes <= 0)
        return;
    if ((unsigned long)bytes > jpeg->src->bytes_in_buffer)
        give_up(jpeg->client_data, "is cut short");
    jpeg->src->next_input_byte += bytes;
    jpeg->src->bytes_in_buffer -= (unsigned long)bytes;
}

static void on_progress(j_common_ptr jpeg)
{
    struct decoder *d = jpeg->client_data;

    if (d->jpeg.input_scan_number > MAX_SCANS)
        give_up(d, "has more than 100 scans");
}

/* Checks the size in the JPEG header before memory is allocated for it. With Huffman codes, a block of a JPEG has at
 * least one bit. With arithmetic coding, which hardly any program uses, an empty JPEG block could need less than one
 * bit. */
static dkvb_status check_header(const struct decoder *d)
{
    uint32_t width = d->jpeg.image_width, height = d->jpeg.image_height;
    int colours = d->jpeg.num_components;
    uint64_t blocks = (uint64_t)(width / BLOCK) * (height / BLOCK);
    dkvb_status rc = dkvb__image_check_size(d->in->name, width, height);

    if (!rc && colours != 1 && colours != 3 && colours != 4)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: JPEG of %d colours; 1, 3 or 4 are wanted", d->in->name, colours);
    if (!rc && blocks / 8 > d->in->size)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: %zu bytes cannot hold %u x %u pixels", d->in->name, d->in->size, width,
                        height);
    return rc;
}

/* Converts CMYK to RGB as PIL does. JPEG's CMYK values are complements, as Adobe writes them; a colour is the product
 * of two of them, divided by 255 and rounded to the nearest. */
static void cmyk_to_rgb(uint8_t *to, const JSAMPLE *from, size_t width)
{
    for (size_t x = 0; x < width; x++, to += 3, from += 4)
        for (int c = 0; c < 3; c++) {
            uint32_t product = (255u - from[c]) * from[3] + 128;

            to[c] = (uint8_t)(from[3] - ((product >> 8) + product) / 256);
        }
}

static void read_rows(struct decoder *d)
{
    size_t width = d->out->width, row = width * d->out->channels;
    JSAMPARRAY line = NULL;

    if (d->jpeg.out_color_space == JCS_CMYK)
        line = d->jpeg.mem->alloc_sarray((j_common_ptr)&d->jpeg, JPOOL_IMAGE, (JDIMENSION)width * 4, 1);
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        uint8_t *to = d->out->pixels + d->jpeg.output_scanline * row;

        jpeg_read_scanlines(&d->jpeg, line ? line : &(JSAMPROW){to}, 1);
        if (line)
            cmyk_to_rgb(to, line[0], width);
    }
}

static dkvb_status read_picture(struct decoder *d)
{
    dkvb_status rc;

    jpeg_create_decompress(&d->jpeg);
    d->jpeg.src = &d->source;
    d->jpeg.progress = &d->progress;
    d->jpeg.mem->max_memory_to_use = MAX_MEMORY;
    jpeg_read_header(&d->jpeg, TRUE);
    rc = check_header(d);
    if (rc)
        return rc;
    d->jpeg.out_color_space = d->jpeg.num_components == 1   ? JCS_GRAYSCALE
                              : d->jpeg.num_components == 3 ? JCS_RGB
                                                            : JCS_CMYK;
    jpeg_start_decompress(&d->jpeg);
    rc = dkvb__image_alloc(d->out, d->jpeg.output_width, d->jpeg.output_height, d->jpeg.num_components == 1 ? 1 : 3,
                           d->in->name);
    if (rc)
        return rc;
    read_rows(d);
    jpeg_finish_decompress(&d->jpeg);
    return DKVB_OK;
}

/* Fails with the message of libjpeg's error. */
static dkvb_status failure(struct decoder *d)
{
    char message[JMSG_LENGTH_MAX];

    if (d->fault)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: JPEG %s", d->in->name, d->fault);
    if (d->errors.msg_code == JERR_OUT_OF_MEMORY)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for reading JPEG", d->in->name);
    if (d->errors.msg_code == JERR_NO_BACKING_STORE)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: JPEG of several scans that need more than %d bytes together",
                          d->in->name, MAX_MEMORY);
    d->errors.format_message((j_common_ptr)&d->jpeg, message);
    return dkvb__fail(DKVB_EFORMAT, "%.300s: JPEG is damaged: %.150s", d->in->name, message);
}

/* Runs the JPEG decoder. No variable of run() may change after setjmp(), to which libjpeg returns after an error. */
static dkvb_status run(struct decoder *d)
{
    if (setjmp(d->failed) != 0)
        return failure(d);
    return read_picture(d);
}

/* libjpeg allocates its own memory, a few rows or the coefficients of a progressive picture, by malloc(): it accepts no
 * other allocator. */
dkvb_status dkvb__jpeg_decode(dkvb_image *out, const struct dkvb__encoded *in)
{
    struct decoder d = {.in = in, .out = out};
    dkvb_status rc;

    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d;
    d.errors.error_exit = on_error;
    d.errors.emit_message = on_message;
    d.errors.output_message = say_nothing;
    d.source = (struct jpeg_source_mgr){.next_input_byte = in->bytes,
                                        .bytes_in_buffer = in->size,
                                        .init_source = nothing_to_do,
                                        .fill_input_buffer = on_end,
                                        .skip_input_data = on_skip,
                                        .resync_to_restart = jpeg_resync_to_restart,
                                        .term_source = nothing_to_do};
    d.progress.progress_monitor = on_progress;
    rc = run(&d);
    jpeg_destroy_decompress(&d.jpeg);
    return rc;
}
