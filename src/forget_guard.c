/* Whom a forgetting would hurt, measured on rows held out; and the guard against requests that would hurt others. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forget.h"
#include "json.h"
#include "output.h"
#include "progress.h"
#include "tool.h"

/* Rows of another class among those to be forgotten matter if they are so many, of so large a share of the request, and
 * would cost their class anything for certain. Chosen on requests with rows slipped in and on honest ones
 * (docs/unlearning.md). */
static const double share_that_matters = 0.02;
static const uint64_t rows_that_matter = 25;

int forget_measure(struct forget *f)
{
    dkvb_run_options run;
    int code;

    if (f->held.n == 0 || f->effects)
        return EXIT_SUCCESS;
    f->effects = input_memory("effects", sizeof *f->effects, f->info.classes, 1, 1);
    if (!f->effects)
        return EXIT_FAILURE;
    run = progress_start("effects", f->args.threads);
    code = tool_check_about(f->args.codes,
                            dkvb_effect_measure(f->model, NULL, f->mask, &f->held, f->effects, &f->exhausted, &run));
    progress_stop();
    return code;
}

static const char *class_text(const struct forget *f, uint32_t label, char *text, size_t size)
{
    const char *name = dkvb_model_class_name(f->model, label);

    snprintf(text, size, "%" PRIu32 "%s%s", label, name ? " " : "", name ? name : "");
    return text;
}

/* Rows to be forgotten of each class, [L]; to be free()d. Those held out taught nothing and are not counted. */
static uint64_t *count_requested(const struct forget *f)
{
    uint64_t *rows = input_memory("the classes", sizeof *rows, f->info.classes, 1, 1);

    for (size_t i = 0; rows && i < f->set.n; i++)
        if (f->set.marks[i] == DKVB_FORGET && f->set.labels[i] >= 0 && (uint32_t)f->set.labels[i] < f->info.classes)
            rows[f->set.labels[i]]++;
    return rows;
}

static uint32_t largest(const uint64_t *rows, uint32_t classes)
{
    uint32_t best = 0;

    for (uint32_t l = 1; l < classes; l++)
        best = rows[l] > rows[best] ? l : best;
    return best;
}

/* Whether others than this class are asked to be forgotten: then its own loss is no harm but the aim. */
static bool is_asked_for(const struct forget *f, const uint64_t *requested, uint32_t label)
{
    if (f->set.classes)
        return f->set.classes[label] != DKVB_KEEP;
    return label == largest(requested, f->info.classes) && requested[label] > 0;
}

static void note_refusal(struct forget *f, uint32_t label, const dkvb_class_effect *e, double limit, const char *why)
{
    char text[300];

    if (f->refusal[0])
        return;
    snprintf(f->refusal, sizeof f->refusal,
             "class %s would lose %.4f of its accuracy (95 %%: %.4f to %.4f, on %" PRIu64
             " held-out rows)%s; more than %g for "
             "certain is refused",
             class_text(f, label, text, sizeof text), e->loss, e->low, e->high, e->rows, why, limit);
}

int forget_refuse(const struct forget *f)
{
    if (!f->refusal[0] || f->args.force || f->args.dry_run)
        return EXIT_SUCCESS;
    return tool_fail("%s: %s. --dry-run tells more, %s--force does it all the same", f->args.args.operand[0],
                     f->refusal,
                     f->codeset && !f->args.exact ? "--strength exact trains again without the rows instead, " : "");
}

/* Every pair that the rows of one class among those to be forgotten select (label), or all of them (-1). */
static int every_pair(const struct forget *f, int32_t label, dkvb_mask **mask)
{
    dkvb_request request = DKVB_REQUEST_INIT;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    uint8_t *marks = input_memory("marks of rows", 1, f->set.n, 1, 1);
    int code = marks ? tool_check(dkvb_mask_new(mask, dkvb_model_codebooks(f->model))) : EXIT_FAILURE;

    for (size_t i = 0; marks && i < f->set.n; i++)
        marks[i] = f->set.marks[i] == DKVB_FORGET && (label < 0 || f->set.labels[i] == label) ? DKVB_FORGET : DKVB_KEEP;
    run.threads = f->args.threads;
    request.method = DKVB_METHOD_EVERY;
    request.k = f->info.top_k;
    request.codes = f->set.codes;
    request.n = f->set.n;
    request.rows = marks;
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_unlearn_choose(*mask, f->model, &request, 1, &run));
    free(marks);
    return code;
}

/* What the rows of other classes in the request would cost their classes, beyond what the rows of the main class cost,
 * if every pair went that a row selects: rows slipped in to hurt a class show here, whatever the method. */
static int measure_mixture(const struct forget *f, uint32_t main_class, dkvb_class_effect *effects)
{
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    dkvb_mask *own = NULL, *all = NULL;
    int code = every_pair(f, (int32_t)main_class, &own);

    run.threads = f->args.threads;
    if (code == EXIT_SUCCESS)
        code = every_pair(f, -1, &all);
    if (code == EXIT_SUCCESS)
        code = tool_check(dkvb_effect_measure(f->model, own, all, &f->held, effects, NULL, &run));
    dkvb_mask_free(own);
    dkvb_mask_free(all);
    return code;
}

static void judge_mixture(struct forget *f, const uint64_t *requested, uint32_t main_class,
                          const dkvb_class_effect *effects)
{
    char why[128];

    for (uint32_t l = 0; l < f->info.classes; l++) {
        if (l == main_class || requested[l] < rows_that_matter ||
            (double)requested[l] < share_that_matters * (double)f->set.rows || !(effects[l].low > 0.0))
            continue;
        snprintf(why, sizeof why, " by %" PRIu64 " of the %zu rows, which are its own while most are of class %" PRIu32,
                 requested[l], f->set.rows, main_class);
        note_refusal(f, l, &effects[l], 0.0, why);
    }
}

int forget_guard_mixture(struct forget *f)
{
    dkvb_class_effect *effects;
    uint64_t *requested;
    int code;

    if (f->held.n == 0 || f->set.classes || f->set.rows == 0)
        return EXIT_SUCCESS;
    requested = count_requested(f);
    effects = input_memory("effects", sizeof *effects, f->info.classes, 1, 1);
    code = requested && effects ? measure_mixture(f, largest(requested, f->info.classes), effects) : EXIT_FAILURE;
    if (code == EXIT_SUCCESS)
        judge_mixture(f, requested, largest(requested, f->info.classes), effects);
    free(requested);
    free(effects);
    return code;
}

int forget_guard_effects(struct forget *f)
{
    uint64_t *requested;

    if (!f->effects)
        return EXIT_SUCCESS;
    requested = count_requested(f);
    if (!requested)
        return EXIT_FAILURE;
    for (uint32_t l = 0; l < f->info.classes; l++)
        if (!is_asked_for(f, requested, l) && f->effects[l].low > f->args.max_class_loss)
            note_refusal(f, l, &f->effects[l], f->args.max_class_loss, "");
    free(requested);
    return EXIT_SUCCESS;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

void forget_print_effects(const struct forget *f)
{
    char text[300];

    printf("%-24s  %8s  %8s  %8s  %8s  %s\n", "class", "held out", "before", "after", "loss", "95 % interval");
    for (uint32_t l = 0; l < f->info.classes; l++) {
        const dkvb_class_effect *e = &f->effects[l];

        output_padded(class_text(f, l, text, sizeof text), 24);
        if (e->rows)
            printf("  %8" PRIu64 "  %8.4f  %8.4f  %8.4f  %.4f to %.4f%s\n", e->rows, share(e->right_before, e->rows),
                   share(e->right_after, e->rows), e->loss, e->low, e->high,
                   f->set.classes && f->set.classes[l] == DKVB_FORGET  ? "  to be forgotten"
                   : f->set.classes && f->set.classes[l] == DKVB_ASIDE ? "  forgotten before"
                                                                       : "");
        else
            printf("  %8d  %8s  %8s  %8s\n", 0, "-", "-", "-");
    }
}

void forget_json_effects(const struct forget *f)
{
    if (!f->effects) {
        json_null("effects");
        return;
    }
    json_open("effects", '[');
    for (uint32_t l = 0; l < f->info.classes; l++)
        journal_json_effect(f->model, l, &f->effects[l]);
    json_close(']');
}
