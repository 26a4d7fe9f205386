#include "io/reference.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/paths.h"
#include "io/progress.h"
#include "tool.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define SONAME "libdkvb-reference.so." TEXT(DKVB_VERSION_MAJOR)

static struct {
    dkvb_status (*compare)(dkvb_reference_report **, const dkvb_reference_rows *, const dkvb_reference_rows *,
                           const dkvb_audit_request *, const int32_t *, const dkvb_reference_options *,
                           const dkvb_run_options *);
    void (*report_free)(dkvb_reference_report *);
    const char *(*error)(void);
} library;

/* Stores the address of a function of the reference library at `at`, the address of a function pointer. C has no
 * conversion from an object pointer to a function pointer, so the bytes of the pointer are copied. */
static bool find(void *handle, const char *name, void *at)
{
    void *found = dlsym(handle, name);

    memcpy(at, &found, sizeof found);
    return found != NULL;
}

int reference_load(void)
{
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        return tool_fail("--reference needs " SONAME ", which is not here (%.300s); it is built and installed with "
                         "libdkvb where OpenBLAS is found (Debian: libopenblas-dev)",
                         dlerror());
    if (!find(handle, "dkvb_reference_compare", &library.compare) ||
        !find(handle, "dkvb_reference_report_free", &library.report_free) ||
        !find(handle, "dkvb_reference_error", &library.error))
        return tool_fail("--reference: " SONAME
                         " is not of this version: install libdkvb and libdkvb-reference together");
    return EXIT_SUCCESS; /* the reference library is not closed, as it stays loaded until the process ends */
}

static dkvb_reference_rows rows_of(const struct features *x, const struct labels *y, uint32_t classes)
{
    dkvb_reference_rows rows = DKVB_REFERENCE_ROWS_INIT;

    rows.x = x->x;
    rows.labels = y->y;
    rows.n = x->rows;
    rows.dim = (uint32_t)x->columns;
    rows.classes = classes;
    return rows;
}

static int tell_failure(const struct reference_rows *r, dkvb_status status)
{
    const struct path files[] = {{"rows: ", r->x->path},
                                 {"labels: ", r->y->path},
                                 {"test rows: ", r->test_x->path},
                                 {"test labels: ", r->test_y->path},
                                 {NULL, NULL}};
    const char *message = library.error();
    int code;

    if (status == DKVB_ECANCELLED)
        return tool_interrupted();
    code = paths_tell(files, message);
    return code ? code : tool_fail("--reference: %s", message);
}

int reference_compare(dkvb_reference_report **report, const struct reference_rows *r, uint32_t threads)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    int32_t *answers = input_memory("the answers", sizeof *answers, r->test_x->rows, 1, 1);
    dkvb_reference_rows rows, test;
    dkvb_run_options run;
    dkvb_status status;
    int code = answers ? tool_check(dkvb_model_get_info(r->model, &info)) : EXIT_FAILURE;

    if (code)
        goto end;
    run = progress_start("predict", threads);
    code = tool_check(dkvb_model_predict(r->model, r->test_x->x, r->test_x->rows, answers, NULL, &run));
    progress_stop();
    if (code)
        goto end;
    rows = rows_of(r->x, r->y, info.classes);
    test = rows_of(r->test_x, r->test_y, info.classes);
    run = progress_start("reference", threads);
    status = library.compare(report, &rows, &test, r->request, answers, NULL, &run);
    progress_stop();
    if (status)
        code = tell_failure(r, status);
end:
    free(answers);
    return code;
}

void reference_free(dkvb_reference_report *report)
{
    if (report)
        library.report_free(report);
}

static void json_line(const dkvb_reference_line *line)
{
    bool fitted = line->fitted > 0;

    json_open(NULL, '{');
    json_text("head", line->head);
    json_text("rows", fitted ? line->rows : NULL);
    json_number("accuracy", line->accuracy);
    json_number("forgotten", line->forgotten);
    json_number("others", line->others);
    json_number("auc", line->auc);
    json_count_if("fitted", fitted, line->fitted);
    json_number("penalty", fitted ? line->penalty : NAN);
    json_number("choosing", fitted ? line->choosing : NAN);
    json_number("seconds", fitted ? line->seconds : NAN);
    json_count_if("iterations", fitted, line->iterations);
    json_bool("converged", line->converged);
    json_close('}');
}

void reference_json(const dkvb_reference_report *report)
{
    if (!report) {
        json_unknown("reference");
        return;
    }
    json_open("reference", '{');
    json_count("forgotten_rows", report->forgotten_rows);
    json_count("test_forgotten", report->test_forgotten);
    json_count("test_others", report->test_others);
    json_open("lines", '[');
    for (uint32_t i = 0; i < report->lines; i++)
        json_line(&report->line[i]);
    json_close(']');
    json_close('}');
}

static void print_share(double share)
{
    if (isfinite(share))
        printf("  %9.4f", share);
    else
        printf("  %9s", "-");
}

static void print_line(const dkvb_reference_line *line)
{
    printf("  %-9s %-5s", line->head, line->rows);
    print_share(line->accuracy);
    print_share(line->forgotten);
    print_share(line->others);
    print_share(line->auc);
    if (line->fitted > 0)
        printf("  %9" PRIu64 "  %8g  %8.2f  %8.2f%s\n", line->fitted, line->penalty, line->choosing, line->seconds,
               line->converged ? "" : "  not converged");
    else
        printf("  %9s  %8s  %8s  %8s\n", "-", "-", "-", "-");
}

void reference_print(const dkvb_reference_report *report)
{
    printf("\nreference: linear heads on the same features\n  %-9s %-5s  %9s  %9s  %9s  %9s  %9s  %8s  %8s  %8s\n",
           "head", "rows", "accuracy", "forgotten", "others", "auc", "fitted on", "penalty", "choosing", "seconds");
    for (uint32_t i = 0; i < report->lines; i++)
        print_line(&report->line[i]);
    if (report->forgotten_rows > 0)
        printf("Heads of all rows are the encoder probe: what features alone still tell of the forgotten classes, "
               "whatever "
               "a model\nmasks or learns again (auc: their test rows against all others). Heads of kept rows never had "
               "the "
               "%" PRIu64 " forgotten ones.\n",
               report->forgotten_rows);
}
