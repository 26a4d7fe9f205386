/* Reads a folder of pictures with one subfolder for each class. The names of all picture files lie in one block of
 * memory, so that a million names need little memory. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/imageset.h"

/* Largest number of folders in which a picture set looks for pictures. Without a limit on the number of folders, links
 * between many folders would be followed in every possible order. */
enum { MAX_FOLDERS = 1 << 20 };

/* An array that gets more memory as elements are added. */
struct pile {
    char *data;
    size_t size, capacity;
};

struct entry {
    size_t path; /* offset of a name in `names`: path of a picture below the root folder, or name of a class */
    int32_t label;
    /* number of a class, from 0, in the order in which the walk through the picture folders finds the classes */
    uint32_t number;
};

struct folder {
    /* counts of left-out files by name ending, sorted by count once the walk through the folders has ended */
    struct dkvb__endings endings;
    bool cifar_python; /* true if the root folder has files of CIFAR's Python version */
    /* nested: the folder of a class has subfolders with pictures; flat: pictures lie directly in the folder of a
     * class */
    bool nested, flat;
    struct pile names;
    struct pile pictures; /* the pictures of the folder, a sorted array of struct entry */
    struct pile classes;  /* the classes of the folder, a sorted array of struct entry */
};

/* A folder on the path from the root folder to the folder that is being read. */
struct level {
    dev_t device;
    ino_t inode;
};

/* A folder that the walk through the folders still has to read. */
struct task {
    size_t path; /* offset of the folder's path in the array `paths` of the walk through the folders */
    uint32_t depth;
    int32_t label;
};

struct walk {
    struct dkvb_imageset *set;
    struct folder *folder;
    /* stacks of the paths, and of the struct task, of folders that the walk still has to read; the folder found last is
     * read first */
    struct pile paths, tasks;
    struct pile levels; /* the folders on the path to the folder that is being read, struct level[depth] */
    size_t folders;
    char path[PATH_MAX]; /* path of the folder that is being read */
    size_t root;         /* number of bytes of the root folder's path, with its slash */
};

/* Makes room for `size` more bytes in a growing array; the bytes count as used. The result is NULL if memory for the
 * growing array ran out. */
static void *pile_add(struct pile *p, size_t size, const dkvb_allocator *mem)
{
    size_t capacity = p->capacity > 0 ? p->capacity : 4096;
    char *data;

    while (capacity - p->size < size) {
        if (capacity > PTRDIFF_MAX / 2)
            return NULL;
        capacity *= 2;
    }
    if (capacity > p->capacity) {
        data = dkvb__alloc(mem, capacity, 1);
        if (!data)
            return NULL;
        if (p->size > 0)
            memcpy(data, p->data, p->size);
        dkvb__free(mem, p->data);
        p->data = data;
        p->capacity = capacity;
    }
    p->size += size;
    return p->data + p->size - size;
}

static dkvb_status no_memory(const struct walk *w)
{
    return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for the names of pictures", w->set->path);
}

static size_t count_of(const struct pile *entries)
{
    return entries->size / sizeof(struct entry);
}

static void folder_close(void *state, const dkvb_allocator *mem)
{
    struct folder *f = state;

    if (!f)
        return;
    dkvb__free(mem, f->names.data);
    dkvb__free(mem, f->pictures.data);
    dkvb__free(mem, f->classes.data);
    dkvb__free(mem, f);
}

static const struct entry *entry_at(const struct pile *entries, size_t index)
{
    return (const struct entry *)(const void *)entries->data + index;
}

/* Joins the path of the root folder and a path below the root folder; fails if the joined path is longer than
 * PATH_MAX. */
static dkvb_status join(char full[PATH_MAX], const char *root, const char *path)
{
    /* an empty path of the root folder is followed by no slash, as "" must not become "/", the root of the file
     * system */
    const char *slash = root[0] == '\0' || root[strlen(root) - 1] == '/' ? "" : "/";
    int length = snprintf(full, PATH_MAX, "%s%s%s", root, slash, path);

    if (length < 0 || length >= PATH_MAX)
        return dkvb__fail(DKVB_EIO, "%.300s: the path has more than %d bytes", path, PATH_MAX - 1);
    return DKVB_OK;
}

static dkvb_status folder_read(const struct dkvb_imageset *set, uint64_t index, dkvb_image *out,
                               const dkvb_allocator *allocator)
{
    const struct folder *f = set->state;
    char full[PATH_MAX];
    dkvb_status rc = join(full, set->path, f->names.data + entry_at(&f->pictures, (size_t)index)->path);

    return rc ? rc : dkvb_image_read(out, full, NULL, 0, allocator);
}

static size_t folder_name(const struct dkvb_imageset *set, uint64_t index, char *name, size_t size)
{
    const struct folder *f = set->state;

    return (size_t)snprintf(name, size, "%s", f->names.data + entry_at(&f->pictures, (size_t)index)->path);
}

static bool folder_file(const struct dkvb_imageset *set, uint64_t index, char path[PATH_MAX])
{
    const struct folder *f = set->state;

    return join(path, set->path, f->names.data + entry_at(&f->pictures, (size_t)index)->path) == DKVB_OK;
}

static int32_t folder_label(const struct dkvb_imageset *set, uint64_t index)
{
    const struct folder *f = set->state;

    return entry_at(&f->pictures, (size_t)index)->label;
}

static const char *folder_class_name(const struct dkvb_imageset *set, uint32_t index)
{
    const struct folder *f = set->state;

    return f->names.data + entry_at(&f->classes, index)->path;
}

static const char *folder_ignored(const struct dkvb_imageset *set, uint32_t index, uint64_t *count)
{
    return dkvb__endings_get(&((const struct folder *)set->state)->endings, index, count);
}

/* Appends "<folder>/<name>" for a name in the folder that is being read to a growing array. The result is the offset of
 * the appended path in the array, or SIZE_MAX if memory ran out. */
static size_t put_name(const struct walk *w, struct pile *names, const char *name)
{
    const char *folder = w->path + w->root;
    size_t begin = names->size, length = strlen(folder), size = strlen(name) + 1;
    char *to = pile_add(names, length + (length > 0) + size, &w->set->mem);

    if (!to)
        return SIZE_MAX;
    memcpy(to, folder, length);
    if (length > 0)
        to[length++] = '/';
    memcpy(to + length, name, size);
    return begin;
}

static dkvb_status add_entry(struct walk *w, struct pile *entries, size_t path, int32_t label)
{
    struct entry *e = path == SIZE_MAX ? NULL : pile_add(entries, sizeof *e, &w->set->mem);

    if (!e)
        return no_memory(w);
    *e = (struct entry){path, label, (uint32_t)(count_of(entries) - 1)};
    return DKVB_OK;
}

static dkvb_status add_task(struct walk *w, const char *name, uint32_t depth, int32_t label)
{
    size_t path = put_name(w, &w->paths, name);
    struct task *task = path == SIZE_MAX ? NULL : pile_add(&w->tasks, sizeof *task, &w->set->mem);

    if (!task)
        return no_memory(w);
    *task = (struct task){path, depth, label};
    return DKVB_OK;
}

static bool is_picture(const char *name)
{
    return dkvb__ends_in(name, ".png") || dkvb__ends_in(name, ".jpg") || dkvb__ends_in(name, ".jpeg") ||
           dkvb__ends_in(name, ".webp");
}

void dkvb__endings_add(struct dkvb__endings *e, const char *text, uint64_t files)
{
    uint32_t i = 0;

    while (i < e->count && strcmp(e->of[i].text, text) != 0)
        i++;
    if (i == DKVB__ENDINGS) {
        i = DKVB__ENDINGS - 1;
        e->of[i].text[0] = '\0';
    } else if (i == e->count) {
        snprintf(e->of[e->count++].text, DKVB__ENDING_SIZE, "%s", text);
    }
    e->of[i].count += files;
}

const char *dkvb__endings_get(const struct dkvb__endings *e, uint32_t index, uint64_t *count)
{
    if (index >= e->count)
        return NULL;
    *count = e->of[index].count;
    return e->of[index].text;
}

/* Counts a left-out file of the folder by the ending of its name. */
static void leave_out(struct walk *w, const char *name)
{
    const char *dot = strrchr(name, '.');
    char text[DKVB__ENDING_SIZE] = "";

    if (dot && strlen(dot) < sizeof text)
        for (size_t c = 0; dot[c]; c++) {
            bool letter = (dot[c] >= 'A' && dot[c] <= 'Z') || (dot[c] >= 'a' && dot[c] <= 'z');

            text[c] = (char)(letter ? dot[c] | 0x20 : dot[c]);
            if (c > 0 && !letter && !(dot[c] >= '0' && dot[c] <= '9')) {
                memset(text, 0, sizeof text);
                break;
            }
        }
    w->set->info.ignored++;
    dkvb__endings_add(&w->folder->endings, text, 1);
}

/* Finds out whether a name in a folder of a picture set is a folder, a picture or another file. Entries other than
 * folders are classified by their names, even if they cannot be examined; reading such a picture later reports the
 * error. */
static dkvb_status look_at(struct walk *w, DIR *d, const char *name, uint32_t depth, int32_t label)
{
    struct stat st;

    if (fstatat(dirfd(d), name, &st, 0) == 0 && S_ISDIR(st.st_mode))
        return add_task(w, name, depth + 1, label);
    if (is_picture(name)) {
        w->folder->nested = w->folder->nested || depth > 1;
        w->folder->flat = w->folder->flat || depth == 1;
        return add_entry(w, &w->folder->pictures, put_name(w, &w->folder->names, name), label);
    }
    if (depth == 0 && (strcmp(name, "data_batch_1") == 0 || strcmp(name, "train") == 0))
        w->folder->cifar_python = true;
    leave_out(w, name);
    return DKVB_OK;
}

/* True for hidden files, and for folders that macOS' archiver and Synology's indexer leave beside the original
 * files. */
static bool is_left_behind(const char *name)
{
    return name[0] == '.' || strcmp(name, "__MACOSX") == 0 || strcmp(name, "@eaDir") == 0;
}

static dkvb_status look_at_all(struct walk *w, DIR *d, uint32_t depth, int32_t label)
{
    struct dirent *entry;
    dkvb_status rc = DKVB_OK;

    errno = 0;
    while (!rc && (entry = readdir(d))) {
        if (!is_left_behind(entry->d_name))
            rc = look_at(w, d, entry->d_name, depth, label);
        errno = 0;
    }
    return !rc && errno != 0 ? dkvb__fail_errno(w->path, "read") : rc;
}

/* Begins to read a folder of a picture set. *leads_back becomes true if the folder is reached through itself, by a
 * symbolic link to one of its parents. A folder whose path does not lead back to itself is noted at its depth; folders
 * are walked depth-first, so the folders noted at smaller depths lead to this folder. */
static dkvb_status enter(struct walk *w, DIR *d, uint32_t depth, bool *leads_back)
{
    struct level *levels;
    struct stat st;

    *leads_back = false;
    if (fstat(dirfd(d), &st) != 0)
        return dkvb__fail_errno(w->path, "examine");
    if (w->levels.size <= depth * sizeof *levels && !pile_add(&w->levels, sizeof *levels, &w->set->mem))
        return no_memory(w);
    levels = (void *)w->levels.data;
    for (uint32_t i = 0; i < depth; i++)
        *leads_back = *leads_back || (levels[i].device == st.st_dev && levels[i].inode == st.st_ino);
    levels[depth] = (struct level){st.st_dev, st.st_ino};
    return DKVB_OK;
}

/* Reads the folder of a picture set whose path is in w->path. Subfolders of the root folder are classes. */
static dkvb_status visit(struct walk *w, uint32_t depth, int32_t label)
{
    struct folder *f = w->folder;
    bool leads_back;
    DIR *d = opendir(w->path);
    dkvb_status rc;

    if (!d)
        return dkvb__fail_errno(w->path, "open");
    rc = enter(w, d, depth, &leads_back);
    if (!rc && !leads_back && depth == 1) {
        struct pile *names = &f->names;
        size_t name = names->size, size = strlen(w->path + w->root) + 1;
        char *to = pile_add(names, size, &w->set->mem);

        label = (int32_t)count_of(&f->classes);
        if (to)
            memcpy(to, w->path + w->root, size);
        rc = add_entry(w, &f->classes, to ? name : SIZE_MAX, 0);
    }
    if (!rc && !leads_back)
        rc = look_at_all(w, d, depth, label);
    closedir(d);
    return rc;
}

static dkvb_status walk_all(struct walk *w)
{
    dkvb_status rc = join(w->path, w->set->path, "");

    w->root = strlen(w->path);
    if (!rc)
        rc = visit(w, 0, -1);
    while (!rc && w->tasks.size > 0) {
        struct task task;

        w->tasks.size -= sizeof task;
        memcpy(&task, w->tasks.data + w->tasks.size, sizeof task);
        if (++w->folders > MAX_FOLDERS)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: more than %d folders", w->set->path, MAX_FOLDERS);
        rc = join(w->path, w->set->path, w->paths.data + task.path);
        w->paths.size = task.path;
        if (!rc)
            rc = visit(w, task.depth, task.label);
    }
    return rc;
}

/* Compares entries for pictures or classes by label, then by path. */
static bool comes_before(const struct entry *a, const struct entry *b, const char *names)
{
    return a->label != b->label ? a->label < b->label : strcmp(names + a->path, names + b->path) < 0;
}

static void merge(struct entry *to, const struct entry *a, size_t n, const struct entry *b, size_t m, const char *names)
{
    while (n > 0 || m > 0)
        if (m == 0 || (n > 0 && !comes_before(b, a, names)))
            *to++ = *a++, n--;
        else
            *to++ = *b++, m--;
}

/* qsort() is not used to sort file names, as qsort() may allocate memory, and passes no context to its comparison
 * function. */
static dkvb_status sort(struct pile *entries, const struct walk *w)
{
    size_t n = count_of(entries);
    struct entry *from = (void *)entries->data;
    struct entry *to = dkvb__alloc(&w->set->mem, entries->capacity, 1);

    if (!to)
        return no_memory(w);
    for (size_t run = 1; run < n; run *= 2) {
        struct entry *sorted = to;

        for (size_t i = 0; i < n; i += 2 * run) {
            size_t middle = n - i < run ? n : i + run, end = n - i < 2 * run ? n : i + 2 * run;

            merge(to + i, from + i, middle - i, from + middle, end - middle, w->folder->names.data);
        }
        to = from;
        from = sorted;
    }
    dkvb__free(&w->set->mem, to);
    entries->data = (void *)from;
    return DKVB_OK;
}

/* Sorts the classes of a folder of pictures by name, and its pictures by class and path. */
static dkvb_status put_in_order(struct walk *w)
{
    struct folder *f = w->folder;
    size_t classes = count_of(&f->classes), pictures = count_of(&f->pictures);
    struct entry *picture = (void *)f->pictures.data;
    int32_t *rank = dkvb__alloc(&w->set->mem, classes, sizeof *rank);
    dkvb_status rc = rank ? sort(&f->classes, w) : no_memory(w);

    if (!rc)
        for (size_t i = 0; i < classes; i++)
            rank[entry_at(&f->classes, i)->number] = (int32_t)i;
    for (size_t i = 0; !rc && i < pictures; i++)
        picture[i].label = picture[i].label < 0 ? -1 : rank[picture[i].label];
    dkvb__free(&w->set->mem, rank);
    return rc ? rc : sort(&f->pictures, w);
}

void dkvb__endings_sort(struct dkvb__endings *e)
{
    for (uint32_t i = 1; i < e->count; i++)
        for (uint32_t j = i; j > 0; j--) {
            struct dkvb__ending *a = &e->of[j - 1], *b = &e->of[j], other = *a;

            if (a->count > b->count || (a->count == b->count && strcmp(a->text, b->text) <= 0))
                break;
            *a = *b;
            *b = other;
        }
}

/* True for folder names such as "train", which are parts of a data set and hardly classes. */
static bool is_part(const char *name)
{
    static const char *const parts[] = {"train", "training", "val", "valid", "validation", "test", "testing", "dev"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasecmp(name, parts[i]) == 0)
            return true;
    return false;
}

/* Finds out whether the folders of classes look wrongly nested; the result is DKVB_NESTED_…. */
static uint32_t find_nesting(const struct folder *f)
{
    size_t classes = count_of(&f->classes), parts = 0;

    for (size_t i = 0; i < classes; i++)
        parts += is_part(f->names.data + entry_at(&f->classes, i)->path);
    if (parts > 0 && parts * 2 >= classes && f->nested && !f->flat)
        return DKVB_NESTED_PARTS;
    if (classes == 1 && f->nested && !f->flat)
        return DKVB_NESTED_WRAPPED;
    return f->nested ? DKVB_NESTED_DEEPER : DKVB_NESTED_NONE;
}

static dkvb_status fail_without_pictures(const struct walk *w)
{
    const struct folder *f = w->folder;
    unsigned long long ignored = w->set->info.ignored;

    if (f->cifar_python)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.200s: holds no picture; files of CIFAR's Python version (pickle) are not read: its binary "
                          "version (cifar-10-binary.tar.gz, cifar-100-binary.tar.gz) must be given",
                          w->set->path);
    if (ignored == 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: holds no picture, nor any other file", w->set->path);
    if (f->endings.of[0].text[0] == '\0')
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: holds no picture: none of %llu files ends in .png, .jpg, .jpeg or .webp",
                          w->set->path, ignored);
    return dkvb__fail(
        DKVB_EFORMAT,
        "%.200s: holds no picture: none of %llu files ends in .png, .jpg, .jpeg or .webp; %llu end in %s, and "
        "pictures of other kinds must be turned into PNG first",
        w->set->path, ignored, (unsigned long long)f->endings.of[0].count, f->endings.of[0].text);
}

static dkvb_status fill(struct walk *w)
{
    dkvb_imageset_info *info = &w->set->info;
    dkvb_status rc = walk_all(w);

    if (rc)
        return rc;
    info->classes = (uint32_t)count_of(&w->folder->classes);
    info->pictures = count_of(&w->folder->pictures);
    dkvb__endings_sort(&w->folder->endings);
    if (info->pictures == 0)
        return fail_without_pictures(w);
    info->nested = find_nesting(w->folder);
    return put_in_order(w);
}

static dkvb_status folder_open(struct dkvb_imageset *set, bool coarse_labels)
{
    const dkvb_allocator *mem = &set->mem;
    struct walk *w = dkvb__alloc0(mem, 1, sizeof *w);
    struct folder *f = dkvb__alloc0(mem, 1, sizeof *f);
    dkvb_status rc = DKVB_ENOMEM;

    (void)coarse_labels;
    set->state = f;
    if (w && f) {
        w->set = set;
        w->folder = f;
        rc = fill(w);
        dkvb__free(mem, w->paths.data);
        dkvb__free(mem, w->tasks.data);
        dkvb__free(mem, w->levels.data);
    }
    if (!w || !f)
        dkvb__fail(rc, "out of memory");
    dkvb__free(mem, w);
    return rc;
}

const struct dkvb__images_kind dkvb__images_folder = {.open = folder_open,
                                                      .close = folder_close,
                                                      .read = folder_read,
                                                      .name = folder_name,
                                                      .file = folder_file,
                                                      .label = folder_label,
                                                      .class_name = folder_class_name,
                                                      .ignored = folder_ignored};
