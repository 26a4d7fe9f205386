/* Results of a C program on the rows that test_same.py has written, for comparison with Python and the tool:
 *   same train FOLDER ROWS COLUMNS     writes c.dkvb, c.codes, c.mask, c.search and c.logits
 *   same time FOLDER COLUMNS CALLS     prints the median time of one answer to one row, in nanoseconds */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dkvb/dkvb.h>

enum { FORGOTTEN = 1 }; /* label of the class to forget, as in test_same.py */

static const char *folder;

static void must(dkvb_status status)
{
    if (status) {
        fprintf(stderr, "%s\n", dkvb_last_error());
        exit(1);
    }
}

static const char *path(const char *name)
{
    static char text[4096];

    snprintf(text, sizeof text, "%s/%s", folder, name);
    return text;
}

static void *take(const char *name, size_t bytes)
{
    FILE *file = fopen(path(name), "rb");
    void *memory = malloc(bytes);

    if (!file || !memory || fread(memory, 1, bytes, file) != bytes) {
        fprintf(stderr, "%s: %zu bytes are wanted\n", name, bytes);
        exit(1);
    }
    fclose(file);
    return memory;
}

static void put(const char *name, const void *memory, size_t bytes)
{
    FILE *file = fopen(path(name), "wb");

    if (!file || fwrite(memory, 1, bytes, file) != bytes || fclose(file))
        exit(1);
}

static void *room(size_t bytes)
{
    void *memory = malloc(bytes);

    if (!memory)
        exit(1);
    return memory;
}

static void train(size_t n, size_t columns)
{
    float *x = take("x.raw", n * columns * sizeof *x), *logits;
    int32_t *labels = take("y.raw", n * sizeof *labels);
    uint8_t salt[32], *classes;
    uint16_t *codes;
    dkvb_model *model;
    dkvb_codeset *codeset;
    dkvb_plan *plan;
    dkvb_mask *mask;
    dkvb_model_info info = {.struct_size = sizeof info};
    dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
    dkvb_settings settings = DKVB_SETTINGS_INIT;
    dkvb_fit_options options = DKVB_FIT_OPTIONS_INIT;
    dkvb_forget_request request = DKVB_FORGET_REQUEST_INIT;

    rows.x = x;
    rows.labels = labels;
    rows.n = n;
    rows.dim = columns;
    settings.keyinit.seed = settings.train.seed = 7;
    options.settings = &settings;
    must(dkvb_fit(&model, &codeset, &rows, &options, NULL, NULL));
    must(dkvb_model_get_info(model, &info));

    classes = calloc(info.classes, 1);
    if (!classes)
        exit(1);
    classes[FORGOTTEN] = DKVB_FORGET;
    memset(salt, 0xab, sizeof salt);
    request.classes = classes;
    request.reason = "the same";
    request.salt = salt;
    must(dkvb_forget_plan(&plan, model, codeset, &request, NULL));
    must(dkvb_forget_apply(plan, model, codeset, NULL));
    must(dkvb_model_save(model, path("c.dkvb")));
    must(dkvb_codeset_save(codeset, path("c.codes")));
    must(dkvb_journal_get_mask(model, 0, &mask));
    must(dkvb_mask_save(mask, path("c.mask")));

    codes = room(n * info.codebooks * info.top_k * sizeof *codes);
    logits = room(n * info.classes * sizeof *logits);
    must(dkvb_search(dkvb_model_codebooks(model), mask, x, n, info.top_k, codes, NULL, NULL));
    must(dkvb_model_predict(model, x, n, NULL, logits, NULL));
    put("c.search", codes, n * info.codebooks * info.top_k * sizeof *codes);
    put("c.logits", logits, n * info.classes * sizeof *logits);
    dkvb_mask_free(mask);
    dkvb_plan_free(plan);
    dkvb_codeset_free(codeset);
    dkvb_model_free(model);
    free(x);
    free(labels);
    free(classes);
    free(codes);
    free(logits);
}

static int by_size(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

static void time_answers(size_t columns, size_t calls)
{
    float *x = take("x.raw", columns * sizeof *x);
    double *took = room(calls * sizeof *took);
    dkvb_model *model;

    must(dkvb_model_load(&model, path("c.dkvb"), NULL));
    for (size_t i = 0; i < calls; i++) {
        struct timespec from, to;
        int32_t label;

        timespec_get(&from, TIME_UTC);
        must(dkvb_model_predict(model, x, 1, &label, NULL, NULL));
        timespec_get(&to, TIME_UTC);
        took[i] = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    }
    qsort(took, calls, sizeof *took, by_size);
    printf("%.0f\n", took[calls / 2]);
    dkvb_model_free(model);
    free(took);
    free(x);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    folder = argv[2];
    if (strcmp(argv[1], "train") == 0)
        train(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    else
        time_answers(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    return 0;
}
