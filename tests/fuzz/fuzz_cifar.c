/* Fuzz target for files of CIFAR-10 and CIFAR-100, with a file of class names beside them, as single files and in a
 * folder. The first byte of the input tells how much of the rest is class names, in units of 8 bytes, and which file
 * name the records get; labels and pixels follow. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "picture.h"

static const char *const names_of[] = {"batches.meta.txt", "fine_label_names.txt", "coarse_label_names.txt"};
static char folder[] = "/tmp/dkvb-fuzz-cifar-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][64];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const uint8_t *data, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");

    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static void use_set(const dkvb_imageset *set)
{
    dkvb_imageset_info info = {.struct_size = sizeof info};

    if (dkvb_imageset_get_info(set, &info) || info.pictures == 0)
        abort();
    /* skips input that begins like a picture file, which fuzz_png and fuzz_jpeg test */
    if (info.format == DKVB_IMAGES_FILE)
        return;
    for (uint32_t c = 0; c < info.classes; c++)
        if (dkvb_imageset_class_name(set, c) && strlen(dkvb_imageset_class_name(set, c)) == 0)
            abort();
    for (uint64_t i = 0; i < info.pictures; i++) {
        dkvb_image image = DKVB_IMAGE_INIT;
        dkvb_picture picture = DKVB_PICTURE_INIT;

        if (dkvb_imageset_read(set, i, &image, NULL) || dkvb_imageset_get(set, i, &picture))
            abort();
        if (picture.label >= (int32_t)info.classes || strlen(picture.name) < 3)
            abort();
        fit_picture(&image);
        dkvb_image_free(&image);
    }
}

static void open_as(const char *path, uint32_t format, uint32_t coarse)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    dkvb_imageset *set;

    o.format = format;
    o.coarse_labels = coarse;
    if (dkvb_imageset_open(&set, path, &o) == DKVB_OK)
        use_set(set);
    else if (set)
        abort();
    dkvb_imageset_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *file, *names;
    size_t length;

    if (size < 1)
        return 0;
    names = names_of[(data[0] & 3) % 3];
    file = data[0] & 3 ? "train.bin" : "data_batch_1.bin";
    length = (size_t)(data[0] >> 2) * 8;
    length = length < size - 1 ? length : size - 1;
    if (!mkdtemp(folder))
        abort();
    put_file(names, data + 1, length);
    put_file(file, data + 1 + length, size - 1 - length);
    for (int as_folder = 0; as_folder < 2; as_folder++) {
        const char *path = as_folder ? folder : in_folder(file);

        open_as(path, DKVB_IMAGES_AUTO, 0);
        open_as(path, DKVB_IMAGES_CIFAR10, 0);
        open_as(path, DKVB_IMAGES_CIFAR100, 0);
        open_as(path, DKVB_IMAGES_CIFAR100, 1);
    }
    unlink(in_folder(names));
    unlink(in_folder(file));
    rmdir(folder);
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    return 0;
}
