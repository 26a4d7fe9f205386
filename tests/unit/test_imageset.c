/* Tests of sets of pictures: which pictures a set has, in which order, of which class and with which names, and which
 * sets are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/imageset.h"
#include "data_files.h"
#include "fixture.h"
#include "picture_files.h"

enum { RECORD10 = 3073, RECORD100 = 3074 };

static uint8_t picture[PNG_ROOM];
static size_t picture_size;
static char root[128]; /* a new folder for each test */

static const char *below(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static int new_root(void **state)
{
    static int number;
    char name[16];

    (void)state;
    snprintf(name, sizeof name, "set%d", number++);
    snprintf(root, sizeof root, "%s", temp_path(name));
    return mkdir(root, 0777);
}

static int make_picture(void **state)
{
    (void)state;
    picture_size = make_plain_png(picture, 3, 2, 50, true);
    return 0;
}

static void put_folder(const char *name)
{
    assert_int_equal(mkdir(below(name), 0777), 0);
}

static void put_picture(const char *name)
{
    write_file(below(name), picture, picture_size);
}

static void put_text(const char *name, const char *text)
{
    write_file(below(name), text, strlen(text));
}

static dkvb_imageset *open_as(const char *path, uint32_t format)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    dkvb_imageset *set;

    o.format = format;
    if (dkvb_imageset_open(&set, path, &o) != DKVB_OK)
        fail_msg("%s", dkvb_last_error());
    return set;
}

static dkvb_imageset *open_root(void)
{
    return open_as(root, DKVB_IMAGES_AUTO);
}

static dkvb_imageset_info info_of(const dkvb_imageset *set)
{
    dkvb_imageset_info info = {.struct_size = sizeof info};

    assert_ok(dkvb_imageset_get_info(set, &info));
    return info;
}

static void assert_refused_set(const char *path, uint32_t format, dkvb_status code, const char *part)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    dkvb_imageset *set;

    o.format = format;
    assert_int_equal(dkvb_imageset_open(&set, path, &o), code);
    assert_null(set);
    if (!strstr(dkvb_last_error(), part))
        fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), part);
}

static void assert_name(const dkvb_imageset *set, uint64_t index, const char *want)
{
    dkvb_picture known = DKVB_PICTURE_INIT;

    assert_ok(dkvb_imageset_get(set, index, &known));
    assert_string_equal(known.name, want);
}

static int32_t label_of(const dkvb_imageset *set, uint64_t index)
{
    dkvb_picture known = DKVB_PICTURE_INIT;

    assert_ok(dkvb_imageset_get(set, index, &known));
    return known.label;
}

static void assert_readable(const dkvb_imageset *set, uint64_t index)
{
    dkvb_image image = DKVB_IMAGE_INIT;

    if (!(dkvb_image_codecs() & DKVB_CODEC_PNG))
        return;
    assert_ok(dkvb_imageset_read(set, index, &image, NULL));
    assert_int_equal(image.width, 3);
    assert_int_equal(image.height, 2);
    dkvb_image_free(&image);
}

static void pictures_are_in_order_of_class_and_path(void **state)
{
    static const char *const want[] = {"Z.png",    "a.JPG",     "a/b.png",           "a/b/c.jpeg",
                                       "a/b0.png", "a-b/a.png", "a-b/\xC3\xA9.WebP", "b/B.PNG"};
    static const int32_t labels_wanted[] = {-1, -1, 0, 0, 0, 1, 1, 2};
    dkvb_imageset *set;
    dkvb_imageset_info info;

    (void)state;
    put_folder("b");
    put_folder("a-b"); /* folders are sorted by name: "a" before "a-b", though '-' is before '/' */
    put_folder("a");
    put_folder("a/b");
    put_folder("empty");
    for (size_t i = 0; i < 8; i++)
        put_picture(want[(i * 5 + 3) % 8]);
    put_text("b/notes.txt", "");
    put_text("png", "");
    put_text("a/.hidden.png", "");
    put_folder(".hidden");
    put_picture(".hidden/a.png");
    set = open_root();
    info = info_of(set);
    assert_int_equal(info.format, DKVB_IMAGES_FOLDER);
    assert_int_equal(info.pictures, 8);
    assert_int_equal(info.ignored, 2);
    assert_int_equal(info.classes, 4);
    assert_int_equal(info.width, 0);
    for (size_t i = 0; i < 8; i++) {
        assert_name(set, i, want[i]);
        assert_int_equal(label_of(set, i), labels_wanted[i]);
        assert_readable(set, i);
    }
    assert_string_equal(dkvb_imageset_class_name(set, 0), "a");
    assert_string_equal(dkvb_imageset_class_name(set, 1), "a-b");
    assert_string_equal(dkvb_imageset_class_name(set, 3), "empty");
    assert_null(dkvb_imageset_class_name(set, 4));
    dkvb_imageset_free(set);
}

static void what_is_not_there_is_not_found(void **state)
{
    dkvb_imageset *set;
    dkvb_image image = DKVB_IMAGE_INIT;
    dkvb_picture known = DKVB_PICTURE_INIT;

    (void)state;
    put_picture("long-name.png");
    set = open_root();
    assert_int_equal(info_of(set).classes, 0);
    assert_int_equal(dkvb_imageset_read(set, 1, &image, NULL), DKVB_ENOTFOUND);
    assert_int_equal(label_of(set, 0), -1);
    assert_name(set, 0, "long-name.png");
    assert_int_equal(dkvb_imageset_get(set, 1, &known), DKVB_ENOTFOUND);
    assert_int_equal(dkvb_imageset_get(NULL, 0, &known), DKVB_EINVAL);
    assert_int_equal(dkvb_imageset_get(set, 0, NULL), DKVB_EINVAL);
    memset(known.name, 0, sizeof known.name);
    /* a caller with an older, shorter struct gets its first members */
    known.struct_size = offsetof(dkvb_picture, name) + 4;
    assert_ok(dkvb_imageset_get(set, 0, &known));
    assert_memory_equal(known.name, "long", 4);
    assert_int_equal(known.name[4], 0);
    dkvb_imageset_free(set);
}

static void an_unreadable_picture_is_found_when_it_is_read(void **state)
{
    dkvb_imageset *set;
    dkvb_image image = DKVB_IMAGE_INIT;

    (void)state;
    put_folder("a");
    put_text("a/broken.png", "no picture");
    assert_int_equal(symlink("nowhere", below("a/dangling.png")), 0);
    put_picture("a/fine.png");
    set = open_root();
    assert_int_equal(info_of(set).pictures, 3);
    assert_int_equal(dkvb_imageset_read(set, 0, &image, NULL), DKVB_EFORMAT);
    assert_message("a/broken.png");
    assert_null(image.pixels);
    assert_int_equal(dkvb_imageset_read(set, 1, &image, NULL), DKVB_EIO);
    assert_readable(set, 2);
    dkvb_imageset_free(set);
}

static void links_are_followed_but_not_in_circles(void **state)
{
    dkvb_imageset *set;

    (void)state;
    put_folder("a");
    put_folder("a/deep");
    put_picture("a/deep/x.png");
    assert_int_equal(symlink("a", below("twin")), 0);       /* a link: another class with the same pictures */
    assert_int_equal(symlink("..", below("a/deep/up")), 0); /* a link to the folder a, which contains it */
    assert_int_equal(symlink("../..", below("a/deep/root")), 0);
    assert_int_equal(symlink(".", below("self")), 0); /* no class */
    set = open_root();
    assert_int_equal(info_of(set).pictures, 2);
    assert_int_equal(info_of(set).classes, 2);
    assert_name(set, 0, "a/deep/x.png");
    assert_name(set, 1, "twin/deep/x.png");
    assert_int_equal(label_of(set, 1), 1);
    dkvb_imageset_free(set);
}

static void folders_nest_deeply(void **state)
{
    char name[256] = "a";
    dkvb_imageset *set;

    (void)state;
    for (int depth = 0; depth < 60; depth++) {
        put_folder(name);
        strcat(name, "/a");
    }
    strcat(name, ".png");
    put_picture(name);
    set = open_root();
    assert_name(set, 0, name);
    assert_readable(set, 0);
    dkvb_imageset_free(set);
}

static void many_pictures_are_sorted(void **state)
{
    enum { MANY = 1500 };
    dkvb_picture known = DKVB_PICTURE_INIT;
    char name[32], before[32] = "";
    dkvb_imageset *set;

    (void)state;
    put_folder("a");
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "a/%d.png", i * 7919 % MANY);
        put_text(name, "");
    }
    set = open_root();
    assert_int_equal(info_of(set).pictures, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_ok(dkvb_imageset_get(set, (uint64_t)i, &known));
        assert_true(strcmp(before, known.name) < 0);
        memcpy(before, known.name, sizeof before);
    }
    dkvb_imageset_free(set);
}

static void a_folder_without_pictures_is_refused(void **state)
{
    (void)state;
    put_folder("a");
    put_text("a/x.txt", "");
    assert_refused_set(root, DKVB_IMAGES_AUTO, DKVB_EFORMAT, "holds no picture: none of 1 files");
    assert_refused_set(below("nowhere"), DKVB_IMAGES_AUTO, DKVB_EIO, "nowhere");
    assert_refused_set(below("a/x.txt"), DKVB_IMAGES_FOLDER, DKVB_EIO, "x.txt");
    assert_refused_set("", DKVB_IMAGES_FOLDER, DKVB_EIO, "open"); /* an empty path does not mean the root folder */
}

static void files_left_out_are_counted_by_their_endings(void **state)
{
    static const struct {
        const char *ending;
        uint64_t count;
    } want[] = {{".gif", 3}, {"", 2}, {".txt", 2}, {".7z", 1}};
    dkvb_imageset *set;
    uint64_t count = 0;

    (void)state;
    put_folder("a");
    put_folder("__MACOSX");
    put_folder("a/@eaDir");
    put_picture("a/x.png");
    put_text("__MACOSX/x.png", "");
    put_text("a/@eaDir/x.png", "");
    put_text("a/.hidden.gif", "");
    put_text("1.gif", "");
    put_text("a/2.Gif", "");
    put_text("a/3.GIF", "");
    put_text("a/4.txt", "");
    put_text("5.Txt", "");
    put_text("README", "");
    put_text("6.much_too_long_for_an_ending", "");
    put_text("7.7z", "");
    set = open_root();
    assert_int_equal(info_of(set).pictures, 1);
    assert_int_equal(info_of(set).classes, 1);
    assert_int_equal(info_of(set).ignored, 8);
    for (uint32_t i = 0; i < 4; i++) {
        const char *ending = dkvb_imageset_ignored(set, i, &count);

        assert_non_null(ending);
        assert_string_equal(ending, want[i].ending);
        assert_int_equal(count, want[i].count);
    }
    assert_null(dkvb_imageset_ignored(set, 4, &count));
    assert_null(dkvb_imageset_ignored(NULL, 0, NULL));
    dkvb_imageset_free(set);
}

static uint32_t nested_of(const char *name)
{
    dkvb_imageset *set = open_as(below(name), DKVB_IMAGES_AUTO);
    uint32_t nested = info_of(set).nested;

    dkvb_imageset_free(set);
    return nested;
}

static void folders_that_are_hardly_classes_are_told(void **state)
{
    (void)state;
    put_folder("flat");
    put_folder("flat/a");
    put_picture("flat/a/x.png");
    assert_int_equal(nested_of("flat"), DKVB_NESTED_NONE);
    put_folder("flat/a/deep");
    put_picture("flat/a/deep/x.png");
    assert_int_equal(nested_of("flat"), DKVB_NESTED_DEEPER);
    put_folder("parts");
    put_folder("parts/Train");
    put_folder("parts/Train/cat");
    put_picture("parts/Train/cat/x.png");
    put_folder("parts/val");
    put_folder("parts/val/cat");
    put_picture("parts/val/cat/x.png");
    assert_int_equal(nested_of("parts"), DKVB_NESTED_PARTS);
    put_picture("parts/val/x.png"); /* the folder "parts" has pictures of its own, so it may be a class */
    assert_int_equal(nested_of("parts"), DKVB_NESTED_DEEPER);
    put_folder("wrapped");
    put_folder("wrapped/export");
    put_folder("wrapped/export/cat");
    put_picture("wrapped/export/cat/x.png");
    assert_int_equal(nested_of("wrapped"), DKVB_NESTED_WRAPPED);
}

static void one_file_is_a_set(void **state)
{
    dkvb_imageset *set;

    (void)state;
    put_picture("some.thing");
    put_text("x.png", "no picture");
    set = open_as(below("some.thing"), DKVB_IMAGES_AUTO);
    assert_int_equal(info_of(set).format, DKVB_IMAGES_FILE);
    assert_int_equal(info_of(set).pictures, 1);
    assert_name(set, 0, below("some.thing"));
    assert_readable(set, 0);
    dkvb_imageset_free(set);
    assert_refused_set(below("x.png"), DKVB_IMAGES_FILE, DKVB_EFORMAT,
                       "is text, perhaps CSV; a PNG, JPEG or WebP file must be given");
    assert_refused_set(root, DKVB_IMAGES_FILE, DKVB_EIO, "is a directory");
}

/* Writes a file of CIFAR records, each with its labels and a picture whose pixel i in plane p is i + 64 p + label,
 * modulo 256. */
static void put_cifar(const char *name, size_t records, size_t record, const uint8_t *record_labels)
{
    uint8_t *bytes = malloc(records * record);
    size_t own = record - 3072;

    for (size_t r = 0; r < records; r++) {
        memcpy(bytes + r * record, record_labels + r * own, own);
        for (size_t i = 0; i < 3072; i++)
            bytes[r * record + own + i] = (uint8_t)(i % 1024 + i / 1024 * 64 + record_labels[r * own]);
    }
    write_file(below(name), bytes, records * record);
    free(bytes);
}

static void assert_cifar(const dkvb_imageset *set, uint64_t index, uint8_t label)
{
    dkvb_image image = DKVB_IMAGE_INIT;

    assert_ok(dkvb_imageset_read(set, index, &image, NULL));
    assert_int_equal(image.width, 32);
    assert_int_equal(image.height, 32);
    assert_int_equal(image.channels, 3);
    for (size_t i = 0; i < 3072; i++)
        assert_int_equal(image.pixels[i], (uint8_t)(i / 3 + i % 3 * 64 + label));
    dkvb_image_free(&image);
}

static const char ten_names[] = "airplane\nautomobile\nbird\ncat\r\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

static void cifar_10_is_its_training_pictures(void **state)
{
    dkvb_imageset *set;

    (void)state;
    put_cifar("data_batch_2.bin", 3, RECORD10, (const uint8_t[]){3, 4, 5});
    put_cifar("data_batch_1.bin", 2, RECORD10, (const uint8_t[]){0, 9});
    put_cifar("test_batch.bin", 1, RECORD10, (const uint8_t[]){7});
    put_text("batches.meta.txt", ten_names);
    set = open_root();
    assert_int_equal(info_of(set).format, DKVB_IMAGES_CIFAR10);
    assert_int_equal(info_of(set).pictures, 5);
    assert_int_equal(info_of(set).classes, 10);
    assert_int_equal(info_of(set).width, 32);
    assert_name(set, 1, "data_batch_1.bin:1");
    assert_name(set, 4, "data_batch_2.bin:2");
    assert_int_equal(label_of(set, 1), 9);
    assert_int_equal(label_of(set, 4), 5);
    assert_cifar(set, 1, 9);
    assert_cifar(set, 4, 5);
    assert_string_equal(dkvb_imageset_class_name(set, 3), "cat");
    assert_string_equal(dkvb_imageset_class_name(set, 9), "truck");
    dkvb_imageset_free(set);
    set = open_as(below("test_batch.bin"), DKVB_IMAGES_AUTO);
    assert_int_equal(info_of(set).format, DKVB_IMAGES_CIFAR10);
    assert_int_equal(label_of(set, 0), 7);
    assert_string_equal(dkvb_imageset_class_name(set, 7), "horse");
    dkvb_imageset_free(set);
}

static void cifar_100_has_two_kinds_of_labels(void **state)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    dkvb_imageset *set;

    (void)state;
    put_cifar("train.bin", 2, RECORD100, (const uint8_t[]){4, 30, 19, 99});
    set = open_root();
    assert_int_equal(info_of(set).format, DKVB_IMAGES_CIFAR100);
    assert_int_equal(info_of(set).classes, 100);
    assert_int_equal(label_of(set, 0), 30);
    assert_int_equal(label_of(set, 1), 99);
    assert_null(dkvb_imageset_class_name(set, 3)); /* there is no file with the class names */
    assert_cifar(set, 1, 19);
    dkvb_imageset_free(set);
    o.coarse_labels = 1;
    assert_ok(dkvb_imageset_open(&set, root, &o));
    assert_int_equal(info_of(set).classes, 20);
    assert_int_equal(label_of(set, 1), 19);
    dkvb_imageset_free(set);
    o.format = DKVB_IMAGES_CIFAR10;
    assert_int_equal(dkvb_imageset_open(&set, root, &o), DKVB_EINVAL);
    assert_message("coarse labels");
}

static void a_cifar_folder_without_training_pictures_names_what_it_has(void **state)
{
    (void)state;
    put_cifar("test_batch.bin", 1, RECORD10, (const uint8_t[]){7});
    assert_refused_set(root, DKVB_IMAGES_AUTO, DKVB_EFORMAT, "give test_batch.bin itself");
    assert_refused_set(root, DKVB_IMAGES_CIFAR10, DKVB_EFORMAT, "holds no data_batch_*.bin");
    put_cifar("data_batch_1.bin", 1, RECORD10, (const uint8_t[]){7});
    put_cifar("train.bin", 1, RECORD100, (const uint8_t[]){7, 7});
    assert_refused_set(root, DKVB_IMAGES_AUTO, DKVB_EFORMAT, "both of CIFAR-10 and of CIFAR-100");
    dkvb_imageset_free(open_as(root, DKVB_IMAGES_CIFAR10));
    dkvb_imageset_free(open_as(root, DKVB_IMAGES_CIFAR100));
}

static void wrong_cifar_files_are_refused(void **state)
{
    (void)state;
    put_cifar("a.bin", 2, RECORD10, (const uint8_t[]){9, 10});
    assert_refused_set(below("a.bin"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "picture 1 has the label 10, 0 to 9");
    assert_refused_set(below("a.bin"), DKVB_IMAGES_CIFAR100, DKVB_EFORMAT, "6146 bytes, records of 3074");
    put_cifar("b.bin", 1, RECORD100, (const uint8_t[]){1, 100});
    assert_refused_set(below("b.bin"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "picture 0 has the label 100, 0 to 99");
    put_text("c.bin", "");
    assert_refused_set(below("c.bin"), DKVB_IMAGES_CIFAR10, DKVB_EFORMAT, "0 bytes");
    put_cifar("d.bin", 1, RECORD10, (const uint8_t[]){9});
    put_text("batches.meta.txt", "a\nb\n");
    assert_refused_set(below("d.bin"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "2 names of classes, 10 are wanted");
    put_text("batches.meta.txt", "a\nb\nc\033[1m\nd\ne\nf\ng\nh\ni\nj\n");
    assert_refused_set(below("d.bin"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "the name of class 2 is not printable");
}

/* 3074 records of CIFAR-10 have the same size as 3073 records of CIFAR-100, so the file's name decides. */
static void a_size_of_both_kinds_is_told_by_names(void **state)
{
    uint8_t *zeros = calloc(RECORD10, RECORD100);

    (void)state;
    write_file(below("x.bin"), zeros, (size_t)RECORD10 * RECORD100);
    free(zeros);
    assert_refused_set(below("x.bin"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "may be of CIFAR-10 or of CIFAR-100");
    put_text("batches.meta.txt", ten_names);
    dkvb_imageset *set = open_as(below("x.bin"), DKVB_IMAGES_AUTO);
    assert_int_equal(info_of(set).format, DKVB_IMAGES_CIFAR10);
    assert_int_equal(info_of(set).pictures, 3074);
    dkvb_imageset_free(set);
}

static void put_array(const char *name, const char *type, const char *shape, size_t size)
{
    uint8_t bytes[512], data[256];
    char header[128];

    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)i;
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", type, shape);
    write_file(below(name), bytes, npy(bytes, 1, header, data, size));
}

static void arrays_are_pictures_of_one_size(void **state)
{
    static const struct {
        const char *shape;
        uint32_t pictures, height, width, channels;
    } shapes[] = {
        {"2, 3, 4", 2, 3, 4, 1}, {"2, 2, 3, 1", 2, 2, 3, 1}, {"3, 2, 2, 3", 3, 2, 2, 3}, {"4, 6", 4, 1, 6, 1}};

    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t size = (size_t)shapes[s].height * shapes[s].width * shapes[s].channels;
        dkvb_image image = DKVB_IMAGE_INIT;
        dkvb_imageset_info info;
        dkvb_imageset *set;

        put_array("x.npy", "|u1", shapes[s].shape, size * shapes[s].pictures);
        set = open_as(below("x.npy"), DKVB_IMAGES_AUTO);
        info = info_of(set);
        assert_int_equal(info.format, DKVB_IMAGES_ARRAY);
        assert_int_equal(info.pictures, shapes[s].pictures);
        assert_int_equal(info.height, shapes[s].height);
        assert_int_equal(info.width, shapes[s].width);
        assert_int_equal(info.channels, shapes[s].channels);
        assert_ok(dkvb_imageset_read(set, 1, &image, NULL));
        for (size_t i = 0; i < size; i++)
            assert_int_equal(image.pixels[i], size + i);
        assert_name(set, 1, "x.npy:1");
        assert_int_equal(label_of(set, 1), -1);
        dkvb_image_free(&image);
        dkvb_imageset_free(set);
    }
}

static void other_arrays_are_refused(void **state)
{
    (void)state;
    put_array("x.npy", "<f4", "2, 3, 4", 96);
    assert_refused_set(below("x.npy"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "elements are float32; pictures must be uint8");
    put_array("x.npy", "|u1", "2, 5, 4, 2", 80);
    assert_refused_set(below("x.npy"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "4 dimensions, the last of 2");
    put_array("x.npy", "|u1", "8, 8, 3", 192);
    assert_refused_set(below("x.npy"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "is one colour picture or 8 grey ones 3 wide");
    put_array("x.npy", "|u1", "2, 3, 4, 5", 120);
    assert_refused_set(below("x.npy"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "has its channels first");
    put_array("x.npy", "|u1", "8,", 8);
    assert_refused_set(below("x.npy"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "1 dimensions");
    put_array("x.npy", "|u1", "0, 3, 4", 0);
    assert_refused_set(below("x.npy"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "holds no picture");
    put_array("x.npy", "|u1", "3, 0, 4", 0);
    assert_refused_set(below("x.npy"), DKVB_IMAGES_AUTO, DKVB_EFORMAT, "4 x 0 pixels");
    put_text("x.npy", "something else");
    assert_refused_set(below("x.npy"), DKVB_IMAGES_AUTO, DKVB_EFORMAT,
                       "PNG, JPEG, WebP, CIFAR (binary version), NumPy (.npy) or IDX file");
    assert_refused_set(below("x.npy"), DKVB_IMAGES_ARRAY, DKVB_EFORMAT, "a NumPy (.npy) or IDX file must be given");
}

static dkvb_imageset *open_list(const char *const *names, size_t count, uint32_t format)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    dkvb_image_source sources[8] = {{NULL, NULL, 0}};
    char paths[8][PATH_MAX];
    dkvb_imageset *set;

    o.format = format;
    for (size_t i = 0; i < count; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", below(names[i]));
        sources[i].path = paths[i];
    }
    if (dkvb_imageset_open_list(&set, sources, count, &o) != DKVB_OK)
        fail_msg("%s", dkvb_last_error());
    for (size_t i = 0; i < count; i++) /* the set has its own copies of the paths */
        memset(paths[i], 'x', sizeof paths[i]);
    return set;
}

static void assert_path(const dkvb_imageset *set, uint64_t index, const char *want)
{
    assert_name(set, index, below(want));
}

static void a_list_has_the_pictures_of_its_sources_in_their_order(void **state)
{
    static const char *const names[] = {"z.png", "set", "x.npy", "a.png"};
    dkvb_imageset *set;
    uint64_t count;

    (void)state;
    put_picture("z.png");
    put_picture("a.png");
    put_folder("set");
    put_folder("set/b");
    put_picture("set/b/1.png");
    put_picture("set/0.png");
    put_text("set/b/note.txt", "");
    put_text("set/b/note.gif", "");
    put_array("x.npy", "|u1", "2, 3, 4", 24);
    set = open_list(names, 4, DKVB_IMAGES_AUTO);
    assert_int_equal(info_of(set).format, DKVB_IMAGES_LIST);
    assert_int_equal(info_of(set).pictures, 6);
    assert_int_equal(info_of(set).ignored, 2);
    assert_string_equal(dkvb_imageset_ignored(set, 0, &count), ".gif");
    assert_string_equal(dkvb_imageset_ignored(set, 1, &count), ".txt");
    assert_null(dkvb_imageset_ignored(set, 2, &count));
    assert_int_equal(info_of(set).classes, 1);
    assert_int_equal(info_of(set).width, 0);
    assert_path(set, 0, "z.png");
    assert_path(set, 1, "set/0.png");
    assert_path(set, 2, "set/b/1.png");
    assert_path(set, 3, "x.npy:0");
    assert_path(set, 4, "x.npy:1");
    assert_path(set, 5, "a.png");
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(label_of(set, i), i == 2 ? 0 : -1);
        if (i < 3 || i > 4) /* pictures from the array have another size */
            assert_readable(set, i);
    }
    assert_string_equal(dkvb_imageset_class_name(set, 0), "b");
    assert_int_equal(dkvb_imageset_read(set, 6, &(dkvb_image)DKVB_IMAGE_INIT, NULL), DKVB_ENOTFOUND);
    assert_message("and 3 more: there is no picture 6");
    dkvb_imageset_free(set);
    set = open_list(names + 2, 1, DKVB_IMAGES_AUTO);
    assert_int_equal(info_of(set).width, 4);
    assert_int_equal(info_of(set).height, 3);
    dkvb_imageset_free(set);
}

static void classes_of_one_name_in_a_list_are_one_class(void **state)
{
    static const char *const names[] = {"first", "second"}, *const twice[] = {"second", "second"};
    static const char *const without[] = {"first", "cifar.bin"};
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    dkvb_image_source sources[2];
    char paths[2][PATH_MAX];
    dkvb_imageset *set;

    (void)state;
    put_folder("first");
    put_folder("first/m");
    put_picture("first/m/1.png");
    put_folder("second");
    put_folder("second/z");
    put_folder("second/b");
    put_folder("second/m");
    put_picture("second/z/1.png");
    put_picture("second/b/1.png");
    put_picture("second/m/1.png");
    set = open_list(names, 2, DKVB_IMAGES_FOLDER);
    assert_int_equal(info_of(set).classes, 3);
    assert_string_equal(dkvb_imageset_class_name(set, 0), "b");
    assert_string_equal(dkvb_imageset_class_name(set, 1), "m");
    assert_string_equal(dkvb_imageset_class_name(set, 2), "z");
    assert_null(dkvb_imageset_class_name(set, 3));
    assert_int_equal(label_of(set, 0), 1);
    assert_path(set, 1, "second/b/1.png");
    assert_int_equal(label_of(set, 1), 0);
    assert_int_equal(label_of(set, 2), 1);
    assert_int_equal(label_of(set, 3), 2);
    dkvb_imageset_free(set);
    set = open_list(twice, 2, DKVB_IMAGES_AUTO);
    assert_int_equal(info_of(set).classes, 3);
    assert_int_equal(label_of(set, 3), 0);
    dkvb_imageset_free(set);

    put_cifar("cifar.bin", 1, RECORD10, (const uint8_t[]){7});
    for (size_t i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", below(without[i]));
        sources[i] = (dkvb_image_source){paths[i], NULL, 0};
    }
    assert_int_equal(dkvb_imageset_open_list(&set, sources, 2, &o), DKVB_EFORMAT);
    assert_message("cifar.bin: class 0 has no name, so it cannot be told which class of ");
    assert_null(set);
    sources[0] = sources[1]; /* two CIFAR files without class names have the same classes */
    assert_ok(dkvb_imageset_open_list(&set, sources, 2, &o));
    assert_int_equal(label_of(set, 1), 7);
    assert_int_equal(info_of(set).width, 32);
    dkvb_imageset_free(set);
}

static void a_bad_file_of_a_list_is_found_when_it_is_read(void **state)
{
    static const char *const names[] = {"nowhere.png", "text", "good.png"};
    dkvb_imageset *set;
    dkvb_image image = DKVB_IMAGE_INIT;

    (void)state;
    put_text("text", "no picture");
    put_picture("good.png");
    for (uint32_t format = DKVB_IMAGES_AUTO; format <= DKVB_IMAGES_FILE; format += DKVB_IMAGES_FILE) {
        set = open_list(names, 3, format);
        assert_int_equal(info_of(set).pictures, 3);
        assert_int_equal(dkvb_imageset_read(set, 0, &image, NULL), DKVB_EIO);
        assert_message("nowhere.png");
        assert_int_equal(dkvb_imageset_read(set, 1, &image, NULL), DKVB_EFORMAT);
        assert_message("is text, perhaps CSV; a PNG, JPEG or WebP file must be given");
        assert_readable(set, 2);
        dkvb_imageset_free(set);
    }
}

static void bytes_in_memory_are_a_picture_of_a_list(void **state)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    uint8_t other[PNG_ROOM];
    size_t size = make_plain_png(other, 4, 2, 9, true);
    const dkvb_image_source source = {"a name", picture, picture_size}, changed = {"a name", other, size};
    dkvb_imageset *set, *second;

    (void)state;
    assert_ok(dkvb_imageset_open_list(&set, &source, 1, NULL));
    assert_int_equal(info_of(set).pictures, 1);
    assert_name(set, 0, "a name");
    assert_readable(set, 0);
    assert_ok(dkvb_imageset_spare(set, below("x.png")));
    assert_ok(dkvb_imageset_open_list(&second, &changed, 1, NULL));
    assert_true(dkvb__imageset_checksum(set) != dkvb__imageset_checksum(second));
    dkvb_imageset_free(second);
    dkvb_imageset_free(set);
    assert_int_equal(dkvb_imageset_open_list(&set, &(dkvb_image_source){NULL, picture, picture_size}, 1, &o),
                     DKVB_EINVAL);
    assert_message("source 0: path is NULL");
    assert_int_equal(dkvb_imageset_open_list(&set, &source, 0, &o), DKVB_EINVAL);
    assert_int_equal(dkvb_imageset_open_list(&set, NULL, 1, &o), DKVB_EINVAL);
    assert_int_equal(dkvb_imageset_open_list(NULL, &source, 1, &o), DKVB_EINVAL);
    o.coarse_labels = 1;
    assert_int_equal(dkvb_imageset_open_list(&set, &source, 1, &o), DKVB_EINVAL);
    o = (dkvb_imageset_options)DKVB_IMAGESET_OPTIONS_INIT;
    o.format = DKVB_IMAGES_LIST;
    assert_int_equal(dkvb_imageset_open_list(&set, &source, 1, &o), DKVB_EINVAL);
}

static void no_output_may_replace_a_file_of_a_list(void **state)
{
    static const char *const names[] = {"a.png", "set"};
    dkvb_imageset *set;
    uint64_t sum;

    (void)state;
    put_picture("a.png");
    put_folder("set");
    put_picture("set/b.png");
    put_text("c.png", "");
    set = open_list(names, 2, DKVB_IMAGES_AUTO);
    assert_int_equal(dkvb_imageset_spare(set, below("a.png")), DKVB_EINVAL);
    assert_int_equal(dkvb_imageset_spare(set, below("set/b.png")), DKVB_EINVAL);
    assert_ok(dkvb_imageset_spare(set, below("c.png")));
    assert_ok(dkvb_imageset_spare(set, below("set/c.png")));
    sum = dkvb__imageset_checksum(set);
    assert_true(sum == dkvb__imageset_checksum(set));
    put_text("a.png", "longer or shorter");
    assert_true(sum != dkvb__imageset_checksum(set));
    dkvb_imageset_free(set);
}

/* Opens sets of every kind, and reads their pictures. */
static dkvb_status live(const char *path, const dkvb_allocator *a)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    dkvb_image image = DKVB_IMAGE_INIT;
    dkvb_imageset *set;
    dkvb_status rc;

    o.allocator = a;
    rc = dkvb_imageset_open(&set, path, &o);
    if (!rc)
        rc = dkvb_imageset_read(set, 0, &image, a);
    dkvb_image_free(&image);
    dkvb_imageset_free(set);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    static const char *const paths[] = {"pictures", "pictures/a/a/x.png", "cifar", "x.npy"};

    (void)state;
    if (!(dkvb_image_codecs() & DKVB_CODEC_PNG))
        skip();
    put_folder("pictures");
    put_folder("pictures/a");
    put_folder("pictures/a/a");
    put_folder("pictures/b");
    put_picture("pictures/a/a/x.png");
    put_picture("pictures/b/y.png");
    put_folder("cifar");
    put_cifar("cifar/data_batch_1.bin", 1, RECORD10, (const uint8_t[]){0});
    put_text("cifar/batches.meta.txt", ten_names);
    put_array("x.npy", "|u1", "2, 3, 4", 24);
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        dkvb_status rc = DKVB_ENOMEM;

        for (size_t fail_at = 0; rc == DKVB_ENOMEM; fail_at++) {
            struct measured_alloc mem = {.fail_at = fail_at};
            dkvb_allocator a = {measured_get, measured_release, &mem};

            rc = live(below(paths[p]), &a);
            assert_int_equal(mem.live, 0);
        }
        assert_ok(rc);
    }
}

/* A list of folders with different classes, so that opening joins their classes, while each allocation fails once. */
static void every_allocation_of_a_list_may_fail(void **state)
{
    static const char *const names[] = {"one.png", "first", "second"};
    dkvb_image_source sources[3] = {{NULL, NULL, 0}};
    char paths[3][PATH_MAX];
    dkvb_status rc = DKVB_ENOMEM;

    (void)state;
    if (!(dkvb_image_codecs() & DKVB_CODEC_PNG))
        skip();
    put_picture("one.png");
    put_folder("first");
    put_folder("first/a");
    put_picture("first/a/x.png");
    put_folder("second");
    put_folder("second/b");
    put_picture("second/b/x.png");
    for (size_t i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", below(names[i]));
        sources[i].path = paths[i];
    }
    for (size_t fail_at = 0; rc == DKVB_ENOMEM; fail_at++) {
        struct measured_alloc mem = {.fail_at = fail_at};
        dkvb_allocator a = {measured_get, measured_release, &mem};
        dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
        dkvb_image image = DKVB_IMAGE_INIT;
        dkvb_imageset *set;

        o.allocator = &a;
        rc = dkvb_imageset_open_list(&set, sources, 3, &o);
        if (!rc)
            rc = dkvb_imageset_read(set, 2, &image, &a);
        dkvb_image_free(&image);
        dkvb_imageset_free(set);
        assert_int_equal(mem.live, 0);
    }
    assert_ok(rc);
}

static void options_are_checked(void **state)
{
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT, initial;
    struct measured_alloc mem = {.fail_at = SIZE_MAX};
    dkvb_allocator half = {measured_get, NULL, &mem};
    dkvb_imageset *set;

    (void)state;
    dkvb_imageset_options_init(&initial);
    assert_int_equal(initial.struct_size, o.struct_size);
    assert_int_equal(initial.format + initial.coarse_labels + initial.upright, 0);
    assert_null(initial.allocator);
    put_picture("x.png");
    o.format = 6;
    assert_int_equal(dkvb_imageset_open(&set, root, &o), DKVB_EINVAL);
    o.format = 0;
    o.coarse_labels = 2;
    assert_int_equal(dkvb_imageset_open(&set, root, &o), DKVB_EINVAL);
    o.coarse_labels = 1;
    assert_int_equal(dkvb_imageset_open(&set, root, &o), DKVB_EINVAL);
    o.coarse_labels = 0;
    o.allocator = &half;
    assert_int_equal(dkvb_imageset_open(&set, root, &o), DKVB_EINVAL);
    assert_message("release is NULL");
    assert_int_equal(dkvb_imageset_open(&set, NULL, NULL), DKVB_EINVAL);
    assert_null(set);
    dkvb_imageset_free(NULL);
    assert_ok(dkvb_imageset_open(&set, root, NULL));
    dkvb_imageset_free(set);
}

#define in_a_folder(test) cmocka_unit_test_setup(test, new_root)

static void a_set_turns_pictures_as_the_camera_noted_where_that_is_asked_for(void **state)
{
    static const uint8_t note[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0};
    dkvb_imageset_options o = DKVB_IMAGESET_OPTIONS_INIT;
    uint8_t png[PNG_ROOM], plain[PNG_ROOM];
    size_t size = make_plain_png(plain, 4, 2, 9, true), chunk;
    const size_t header = 33; /* bytes of the PNG signature and of IHDR, the first chunk */

    (void)state;
    memcpy(png, plain, header);
    chunk = make_chunk(png + header, "eXIf", note, sizeof note);
    memcpy(png + header + chunk, plain + header, size - header);
    write_file(below("turned.png"), png, size + chunk);
    for (o.upright = 0; o.upright <= 1 && dkvb_image_codecs() & DKVB_CODEC_PNG; o.upright++) {
        dkvb_image image = DKVB_IMAGE_INIT;
        dkvb_imageset *set;

        assert_ok(dkvb_imageset_open(&set, root, &o));
        assert_ok(dkvb_imageset_read(set, 0, &image, NULL));
        assert_int_equal(image.width, o.upright ? 2 : 4);
        assert_int_equal(image.orientation, o.upright ? 1 : 6);
        assert_int_equal(info_of(set).turned, 1);
        dkvb_image_free(&image);
        dkvb_imageset_free(set);
    }
    o.upright = 2;
    assert_int_equal(dkvb_imageset_open(&(dkvb_imageset *){NULL}, root, &o), DKVB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_a_folder(pictures_are_in_order_of_class_and_path),
        in_a_folder(what_is_not_there_is_not_found),
        in_a_folder(a_set_turns_pictures_as_the_camera_noted_where_that_is_asked_for),
        in_a_folder(an_unreadable_picture_is_found_when_it_is_read),
        in_a_folder(links_are_followed_but_not_in_circles),
        in_a_folder(folders_nest_deeply),
        in_a_folder(many_pictures_are_sorted),
        in_a_folder(a_folder_without_pictures_is_refused),
        in_a_folder(files_left_out_are_counted_by_their_endings),
        in_a_folder(folders_that_are_hardly_classes_are_told),
        in_a_folder(one_file_is_a_set),
        in_a_folder(cifar_10_is_its_training_pictures),
        in_a_folder(cifar_100_has_two_kinds_of_labels),
        in_a_folder(a_cifar_folder_without_training_pictures_names_what_it_has),
        in_a_folder(wrong_cifar_files_are_refused),
        in_a_folder(a_size_of_both_kinds_is_told_by_names),
        in_a_folder(arrays_are_pictures_of_one_size),
        in_a_folder(other_arrays_are_refused),
        in_a_folder(a_list_has_the_pictures_of_its_sources_in_their_order),
        in_a_folder(classes_of_one_name_in_a_list_are_one_class),
        in_a_folder(a_bad_file_of_a_list_is_found_when_it_is_read),
        in_a_folder(bytes_in_memory_are_a_picture_of_a_list),
        in_a_folder(no_output_may_replace_a_file_of_a_list),
        in_a_folder(every_allocation_may_fail),
        in_a_folder(every_allocation_of_a_list_may_fail),
        in_a_folder(options_are_checked),
    };

    return cmocka_run_group_tests(tests, make_picture, NULL);
}
