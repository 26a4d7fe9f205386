/* Reads CIFAR-10 and CIFAR-100 in their binary version. A record of a CIFAR file has a label (in CIFAR-100 two, the
 * coarse label first) and 32 x 32 pixels: first the red values of all pixels, then the green and the blue values.
 * https://www.cs.toronto.edu/~kriz/cifar.html */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "data/image.h"
#include "data/imageset.h"

enum {
    SIDE = 32,
    PLANE = SIDE * SIDE,
    PIXELS = 3 * PLANE,
    RECORD10 = 1 + PIXELS,
    RECORD100 = 2 + PIXELS,
    MAX_FILES = 64, /* largest number of CIFAR files in a set, all of which are kept open */
    MAX_NAME = 64,
    MAX_CLASSES = 100,
    MAX_NAMES_FILE = 65536
};

struct part {
    struct dkvb__file file;
    char *path;
    uint64_t first, end; /* range of the numbers of this CIFAR file's pictures in the set */
};

struct cifar {
    struct part parts[MAX_FILES];
    size_t files;
    size_t record;
    uint8_t *labels; /* labels of the set's pictures, uint8[pictures] */
    char *names;     /* text of CIFAR's file of class names */
    const char *name[MAX_CLASSES];
};

/* The CIFAR files that were found in a folder. */
struct listing {
    char training[MAX_FILES][MAX_NAME]; /* names of the training files data_batch_*.bin, in byte order */
    size_t batches;
    bool train;       /* true if the folder has CIFAR-100's training file train.bin */
    const char *test; /* name of the CIFAR file of test pictures; NULL if there is none */
};

static bool is_batch(const char *name)
{
    return strncmp(name, "data_batch_", 11) == 0 && dkvb__ends_in(name, ".bin") && strlen(name) < MAX_NAME;
}

/* Inserts the name of a CIFAR file into the list of training files, in byte order. */
static void add_batch(struct listing *l, const char *name)
{
    size_t at = l->batches++;

    for (; at > 0 && strcmp(l->training[at - 1], name) > 0; at--)
        memcpy(l->training[at], l->training[at - 1], MAX_NAME);
    /* the name of the CIFAR file fits into the list, as is_batch() has checked */
    memcpy(l->training[at], name, strlen(name) + 1);
}

static dkvb_status list(struct listing *l, const char *path)
{
    struct dirent *entry;
    DIR *d = opendir(path);
    dkvb_status rc = DKVB_OK;

    memset(l, 0, sizeof *l);
    if (!d)
        return dkvb__fail_errno(path, "open");
    while (!rc && (entry = readdir(d))) {
        if (is_batch(entry->d_name) && l->batches == MAX_FILES)
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: more than %d files data_batch_*.bin", path, MAX_FILES);
        else if (is_batch(entry->d_name))
            add_batch(l, entry->d_name);
        l->train = l->train || strcmp(entry->d_name, "train.bin") == 0;
        if (strcmp(entry->d_name, "test_batch.bin") == 0)
            l->test = "test_batch.bin";
        else if (strcmp(entry->d_name, "test.bin") == 0)
            l->test = "test.bin";
    }
    closedir(d);
    return rc;
}

/* Joins the path of a file in the folder `path`, or beside the file `path`. */
static dkvb_status beside(char full[PATH_MAX], const char *path, bool is_folder, const char *name)
{
    size_t length = is_folder ? strlen(path) : (size_t)(dkvb__base_name(path) - path);
    const char *slash = is_folder && length > 0 && path[length - 1] != '/' ? "/" : "";
    int size = length < PATH_MAX ? snprintf(full, PATH_MAX, "%.*s%s%s", (int)length, path, slash, name) : PATH_MAX;

    if (size < 0 || size >= PATH_MAX)
        return dkvb__fail(DKVB_EIO, "%.300s: the path has more than %d bytes", path, PATH_MAX - 1);
    return DKVB_OK;
}

/* True if a file exists. If the file is missing, exists() returns false and leaves no error message. */
static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static dkvb_status sniff_folder(uint32_t *format, const char *path)
{
    struct listing l;
    dkvb_status rc = list(&l, path);

    if (rc)
        return rc;
    if (l.batches > 0 && l.train)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: holds files both of CIFAR-10 and of CIFAR-100; say which", path);
    if (l.batches > 0 || l.train)
        *format = l.train ? DKVB_IMAGES_CIFAR100 : DKVB_IMAGES_CIFAR10;
    else if (l.test)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: holds no data_batch_*.bin and no train.bin; for the test pictures give %s itself",
                          path, l.test);
    return DKVB_OK;
}

/* Decides between CIFAR-10 and CIFAR-100 for a file size that both can have, by the file of class names beside the
 * CIFAR file: *ten becomes true for CIFAR-10. */
static dkvb_status ask_names(bool *ten, const char *path, uint64_t size)
{
    char full[PATH_MAX];
    dkvb_status rc = beside(full, path, false, "batches.meta.txt");

    *ten = !rc && exists(full);
    if (!rc)
        rc = beside(full, path, false, "fine_label_names.txt");
    if (!rc && *ten == exists(full))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: %llu bytes may be of CIFAR-10 or of CIFAR-100; say which", path,
                        (unsigned long long)size);
    return rc;
}

dkvb_status dkvb__cifar_sniff(uint32_t *format, const char *path, bool is_folder, uint64_t size)
{
    bool ten = size % RECORD10 == 0, hundred = size % RECORD100 == 0;
    dkvb_status rc = DKVB_OK;

    *format = 0;
    if (is_folder)
        return sniff_folder(format, path);
    if (size == 0 || !dkvb__ends_in(path, ".bin") || (!ten && !hundred))
        return DKVB_OK;
    if (ten && hundred)
        rc = ask_names(&ten, path, size);
    *format = ten ? DKVB_IMAGES_CIFAR10 : DKVB_IMAGES_CIFAR100;
    return rc;
}

static void cifar_close(void *state, const dkvb_allocator *mem)
{
    struct cifar *c = state;

    if (!c)
        return;
    for (size_t i = 0; i < c->files; i++) {
        dkvb__file_close(&c->parts[i].file);
        dkvb__free(mem, c->parts[i].path);
    }
    dkvb__free(mem, c->labels);
    dkvb__free(mem, c->names);
    dkvb__free(mem, c);
}

static const struct part *part_of(const struct cifar *c, uint64_t index)
{
    const struct part *p = c->parts;

    while (index >= p->end)
        p++;
    return p;
}

static dkvb_status cifar_read(const struct dkvb_imageset *set, uint64_t index, dkvb_image *out,
                              const dkvb_allocator *allocator)
{
    const struct cifar *c = set->state;
    const struct part *p = part_of(c, index);
    uint8_t planes[PIXELS];
    dkvb_status rc = dkvb__image_begin(out, allocator);

    if (!rc)
        rc = dkvb__file_read(&p->file, (index - p->first + 1) * c->record - PIXELS, planes, PIXELS);
    if (!rc)
        rc = dkvb__image_alloc(out, SIDE, SIDE, 3, p->path);
    if (!rc)
        for (size_t i = 0; i < PIXELS; i++)
            out->pixels[i % PLANE * 3 + i / PLANE] = planes[i];
    return rc;
}

static size_t cifar_name(const struct dkvb_imageset *set, uint64_t index, char *name, size_t size)
{
    const struct part *p = part_of(set->state, index);

    return dkvb__numbered_name(name, size, p->path, index - p->first);
}

static bool cifar_file(const struct dkvb_imageset *set, uint64_t index, char path[PATH_MAX])
{
    const struct part *p = part_of(set->state, index);

    snprintf(path, PATH_MAX, "%s", p->path);
    return index == p->first;
}

static int32_t cifar_label(const struct dkvb_imageset *set, uint64_t index)
{
    const struct cifar *c = set->state;

    return c->labels[index];
}

static const char *cifar_class_name(const struct dkvb_imageset *set, uint32_t index)
{
    const struct cifar *c = set->state;

    return c->name[index];
}

/* Adds one more CIFAR file with all its pictures to the set. */
static dkvb_status add_file(struct dkvb_imageset *set, struct cifar *c, const char *path)
{
    struct part *p = &c->parts[c->files];
    dkvb_status rc;

    p->file.fd = -1;
    p->path = dkvb__strdup(&set->mem, path);
    if (!p->path)
        return dkvb__fail(DKVB_ENOMEM, "out of memory");
    c->files++;
    rc = dkvb__file_open(&p->file, p->path);
    if (rc)
        return rc;
    if (p->file.size == 0 || p->file.size % c->record != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu bytes, records of %zu are wanted", path,
                          (unsigned long long)p->file.size, c->record);
    p->first = set->info.pictures;
    p->end = p->first + p->file.size / c->record;
    set->info.pictures = p->end;
    return DKVB_OK;
}

/* Adds a CIFAR file of pictures to the set, or all files of training pictures in a folder. */
static dkvb_status add_files(struct dkvb_imageset *set, struct cifar *c, bool *is_folder)
{
    bool hundred = set->info.format == DKVB_IMAGES_CIFAR100;
    struct listing l;
    char full[PATH_MAX];
    DIR *d = opendir(set->path);
    dkvb_status rc;

    *is_folder = d != NULL;
    if (!d)
        return add_file(set, c, set->path);
    closedir(d);
    rc = list(&l, set->path);
    if (!rc && (hundred ? !l.train : l.batches == 0))
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: holds no %s; other files can be given themselves", set->path,
                        hundred ? "train.bin" : "data_batch_*.bin");
    for (size_t i = 0; !rc && i < (hundred ? 1 : l.batches); i++) {
        rc = beside(full, set->path, true, hundred ? "train.bin" : l.training[i]);
        if (!rc)
            rc = add_file(set, c, full);
    }
    return rc;
}

/* Reads the labels of the pictures in one CIFAR file; `offset` is the place of the label in a record. */
static dkvb_status read_labels(struct cifar *c, const struct part *p, size_t offset, uint32_t classes)
{
    dkvb_status rc = DKVB_OK;

    for (uint64_t i = p->first; !rc && i < p->end; i++) {
        rc = dkvb__file_read(&p->file, (i - p->first) * c->record + offset, &c->labels[i], 1);
        if (!rc && c->labels[i] >= classes)
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: picture %llu has the label %u, 0 to %u are wanted", p->path,
                            (unsigned long long)(i - p->first), c->labels[i], classes - 1);
    }
    return rc;
}

/* Cuts the text of a CIFAR file of class names, c->names, into lines, one class name each. Empty lines in a file of
 * CIFAR class names, such as the last lines of batches.meta.txt, are left out. */
static dkvb_status cut_names(struct cifar *c, size_t size, uint32_t classes, const char *path)
{
    uint32_t n = 0;

    for (size_t begin = 0, i = 0; i <= size; i++) {
        size_t end = i;

        if (i < size && c->names[i] != '\n')
            continue;
        if (end > begin && c->names[end - 1] == '\r')
            end--;
        if (end > begin && n < classes) {
            if (!dkvb__utf8_valid(c->names + begin, end - begin))
                return dkvb__fail(DKVB_EFORMAT, "%.300s: the name of class %u is not printable UTF-8", path, n);
            c->name[n] = c->names + begin;
        }
        n += end > begin;
        c->names[end] = '\0';
        begin = i + 1;
    }
    if (n != classes)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %u names of classes, %u are wanted", path, n, classes);
    return DKVB_OK;
}

/* Reads the names of classes from the file beside the CIFAR pictures, if there is one. */
static dkvb_status read_names(struct dkvb_imageset *set, struct cifar *c, bool is_folder, const char *name)
{
    struct dkvb__file file;
    char full[PATH_MAX];
    dkvb_status rc = beside(full, set->path, is_folder, name);

    if (!rc && !exists(full))
        return DKVB_OK;
    if (!rc)
        rc = dkvb__file_open(&file, full);
    if (rc)
        return rc;
    if (file.size > MAX_NAMES_FILE)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: %llu bytes, at most %d are wanted", full, (unsigned long long)file.size,
                        MAX_NAMES_FILE);
    else if (!(c->names = dkvb__alloc(&set->mem, (size_t)file.size + 1, 1)))
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory");
    else
        rc = dkvb__file_read(&file, 0, c->names, (size_t)file.size);
    dkvb__file_close(&file);
    return rc ? rc : cut_names(c, (size_t)file.size, set->info.classes, full);
}

static dkvb_status fill(struct dkvb_imageset *set, struct cifar *c, bool coarse_labels)
{
    bool hundred = set->info.format == DKVB_IMAGES_CIFAR100, is_folder;
    dkvb_status rc;

    c->record = hundred ? RECORD100 : RECORD10;
    set->info.classes = !hundred ? 10 : coarse_labels ? 20 : 100;
    set->info.width = set->info.height = SIDE;
    set->info.channels = 3;
    rc = add_files(set, c, &is_folder);
    if (rc)
        return rc;
    c->labels = dkvb__alloc(&set->mem, (size_t)set->info.pictures, 1);
    if (!c->labels)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for labels", set->path);
    for (size_t i = 0; !rc && i < c->files; i++)
        rc = read_labels(c, &c->parts[i], hundred && !coarse_labels, set->info.classes);
    return rc ? rc
              : read_names(set, c, is_folder,
                           !hundred        ? "batches.meta.txt"
                           : coarse_labels ? "coarse_label_names.txt"
                                           : "fine_label_names.txt");
}

static dkvb_status cifar_open(struct dkvb_imageset *set, bool coarse_labels)
{
    struct cifar *c = dkvb__alloc0(&set->mem, 1, sizeof *c);

    set->state = c;
    return c ? fill(set, c, coarse_labels) : dkvb__fail(DKVB_ENOMEM, "out of memory");
}

const struct dkvb__images_kind dkvb__images_cifar = {.open = cifar_open,
                                                     .close = cifar_close,
                                                     .read = cifar_read,
                                                     .name = cifar_name,
                                                     .file = cifar_file,
                                                     .label = cifar_label,
                                                     .class_name = cifar_class_name};
