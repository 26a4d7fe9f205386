/* Runs a fuzz target on the given files, and on the files in the given folders, so that a corpus is an ordinary test.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    /* a block of exactly the file's size, so that a sanitizer sees every overrun */
    uint8_t *data = malloc(size ? size : 1);
    bool whole = file && data && fread(data, 1, size, file) == size;

    if (whole)
        LLVMFuzzerTestOneInput(data, size);
    else
        fprintf(stderr, "%s: cannot read\n", path);
    free(data);
    if (file)
        fclose(file);
    return whole;
}

static bool run_path(const char *path, size_t *count);

static bool run_folder(const char *path, size_t *count)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    bool ok = folder != NULL;

    if (!ok)
        fprintf(stderr, "%s: cannot read\n", path);
    while (ok && (entry = readdir(folder))) {
        char name[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        ok = run_path(name, count);
    }
    if (folder)
        closedir(folder);
    return ok;
}

static bool run_path(const char *path, size_t *count)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        fprintf(stderr, "%s: not found\n", path);
        return false;
    }
    if (S_ISDIR(st.st_mode))
        return run_folder(path, count);
    ++*count;
    return run_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++)
        if (!run_path(argv[i], &count))
            return 1;
    printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1;
}
