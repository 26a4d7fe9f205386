/* What dkvb audit says. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "commands/audit.h"
#include "io/json.h"
#include "io/output.h"

const char *const audit_subjects[AUDIT_SUBJECTS] = {[AUDIT_MODEL] = "model",
                                                    [AUDIT_BEFORE] = "before",
                                                    [AUDIT_DROPPED] = "column dropped",
                                                    [AUDIT_REPLAY] = "replay",
                                                    [AUDIT_RETRAINED] = "retrained"};

const struct audit_text audit_texts[AUDIT_FIGURES] = {
    [AUDIT_LOSS] = {"membership_loss", "loss threshold", AUDIT_MEMBERSHIP},
    [AUDIT_FITTED] = {"membership_fitted", "fitted to all logits", AUDIT_MEMBERSHIP},
    [AUDIT_LIRA] = {"membership_lira", "likelihood ratio", AUDIT_MEMBERSHIP},
    [AUDIT_ACCURACY] = {"accuracy_class", "accuracy, class", AUDIT_OF_CLASS},
    [AUDIT_ACCURACY + 1] = {"accuracy_rest", "accuracy, rest", AUDIT_OF_REST},
    [AUDIT_AGREEMENT] = {"agreement_class", "same label as retrained, class", AUDIT_OF_CLASS},
    [AUDIT_AGREEMENT + 1] = {"agreement_rest", "same label as retrained, rest", AUDIT_OF_REST},
    [AUDIT_CONSTANT] = {"constant_class", "best constant, class", AUDIT_OF_CLASS},
    [AUDIT_CONSTANT + 1] = {"constant_rest", "best constant, rest", AUDIT_OF_REST},
    [AUDIT_PROBE] = {"probe_class", "probe on codes, class", AUDIT_OF_CLASS},
    [AUDIT_PROBE + 1] = {"probe_rest", "probe on codes, rest", AUDIT_OF_REST},
    [AUDIT_RELEARN] = {"relearn_10_class", "relearn from 10 rows, class", AUDIT_OF_CLASS},
    [AUDIT_RELEARN + 1] = {"relearn_10_rest", "relearn from 10 rows, rest", AUDIT_OF_REST},
    [AUDIT_RELEARN + 2] = {"relearn_20_class", "relearn from 20 rows, class", AUDIT_OF_CLASS},
    [AUDIT_RELEARN + 3] = {"relearn_20_rest", "relearn from 20 rows, rest", AUDIT_OF_REST},
    [AUDIT_RELEARN + 4] = {"relearn_50_class", "relearn from 50 rows, class", AUDIT_OF_CLASS},
    [AUDIT_RELEARN + 5] = {"relearn_50_rest", "relearn from 50 rows, rest", AUDIT_OF_REST},
    [AUDIT_MASK] = {"mask_members", "mask, forgotten rows", AUDIT_MEMBERSHIP},
    [AUDIT_MASK + 1] = {"mask_class", "mask, rows of the class", AUDIT_CLASS_AUC},
};

static bool is_known(const struct audit *a, enum audit_subject who, size_t figure)
{
    return a->of[who].rows[figure] && isfinite(a->of[who].figure[figure].value.value);
}

/* What a figure is worth beside that of the retrained model. */
static const char *verdict(const struct audit_estimates *e)
{
    if (e->difference.low > 0.0)
        return "more than retrained";
    return e->difference.high < 0.0 ? "less than retrained" : "as retrained";
}

static void json_estimate(const char *key, const dkvb_audit_estimate *e)
{
    json_open(key, '{');
    json_real("value", e->value);
    json_real("low", e->low);
    json_real("high", e->high);
    json_close('}');
}

static void json_figure(const struct audit *a, enum audit_subject who, size_t figure)
{
    const struct audit_estimates *e = &a->of[who].figure[figure];

    if (!is_known(a, who, figure)) {
        json_null(audit_texts[figure].key);
        return;
    }
    json_open(audit_texts[figure].key, '{');
    json_real("value", e->value.value);
    json_real("low", e->value.low);
    json_real("high", e->value.high);
    if (audit_texts[figure].kind == AUDIT_MEMBERSHIP) {
        json_estimate("tpr_1", &e->tpr_1);
        json_estimate("tpr_01", &e->tpr_01);
    }
    json_estimate("difference", &e->difference);
    json_text("verdict", verdict(e));
    json_close('}');
}

void audit_print_json(const struct audit *a, double seconds)
{
    json_open(NULL, '{');
    json_open("classes", '[');
    for (uint32_t l = 0; l < a->info.classes; l++)
        if (a->classes[l])
            json_count(NULL, l);
    json_close(']');
    json_count("members", a->members);
    json_count("others", a->class_tests);
    json_count("class_rows", a->class_tests);
    json_count("rest_rows", a->tests - a->class_tests);
    json_count("rows_outside_scale", a->x.outside.rows + a->test_outside.rows);
    json_count("masked_pairs", a->info.masked_pairs);
    json_count("purged_pairs", a->info.purged_pairs);
    json_count("shadows", a->args.shadows);
    json_open("subjects", '[');
    for (size_t s = 0; s < AUDIT_SUBJECTS; s++) {
        if (!a->of[s].there)
            continue;
        json_open(NULL, '{');
        json_text("subject", audit_subjects[s]);
        for (size_t f = 0; f < AUDIT_FIGURES; f++)
            json_figure(a, (enum audit_subject)s, f);
        json_close('}');
    }
    json_close(']');
    json_real("seconds", seconds);
    json_close('}');
}

/* ".870", "-.012": three places, without the zero that says nothing. With a sign always if `sign`. */
static const char *short_number(double x, bool sign, char text[16])
{
    char *zero;

    snprintf(text, 16, sign ? "%+.3f" : "%.3f", x);
    zero = strchr(text, '0');
    if (zero && zero[1] == '.' && (zero == text || zero == text + 1) && fabs(x) < 1.0)
        memmove(zero, zero + 1, strlen(zero));
    return text;
}

static void print_interval(const dkvb_audit_estimate *e, bool sign)
{
    char value[16], low[16], high[16], text[64];

    snprintf(text, sizeof text, "%s [%s, %s]", short_number(e->value, sign, value), short_number(e->low, sign, low),
             short_number(e->high, sign, high));
    printf("  %-21s", text);
}

static void print_controls(const struct audit *a, size_t figure)
{
    char text[16];

    for (size_t s = AUDIT_BEFORE; s < AUDIT_RETRAINED; s++)
        printf("  %7s", is_known(a, (enum audit_subject)s, figure)
                            ? short_number(a->of[s].figure[figure].value.value, false, text)
                            : "-");
}

static void print_figure(const struct audit *a, size_t figure)
{
    const struct audit_estimates *e = &a->of[AUDIT_MODEL].figure[figure];
    char text[16];

    if (!is_known(a, AUDIT_MODEL, figure))
        return;
    printf("  %-30s", audit_texts[figure].label);
    print_interval(&e->value, false);
    printf("  %9s", short_number(a->of[AUDIT_RETRAINED].figure[figure].value.value, false, text));
    print_interval(&e->difference, true);
    printf("  %-19s", verdict(e));
    print_controls(a, figure);
    putchar('\n');
}

/* One rate of true positives, of all subjects. */
static void print_rates(const struct audit *a, size_t figure, const char *rate, bool strict)
{
    const struct audit_estimates *e = &a->of[AUDIT_MODEL].figure[figure];
    char text[16];

    if (!is_known(a, AUDIT_MODEL, figure))
        return;
    printf("    %-28s", rate);
    print_interval(strict ? &e->tpr_01 : &e->tpr_1, false);
    e = &a->of[AUDIT_RETRAINED].figure[figure];
    printf("  %9s  %-21s  %-19s", short_number((strict ? &e->tpr_01 : &e->tpr_1)->value, false, text), "", "");
    for (size_t s = AUDIT_BEFORE; s < AUDIT_RETRAINED; s++) {
        e = &a->of[s].figure[figure];
        printf("  %7s", is_known(a, (enum audit_subject)s, figure)
                            ? short_number((strict ? &e->tpr_01 : &e->tpr_1)->value, false, text)
                            : "-");
    }
    putchar('\n');
}

static void print_head(const char *title)
{
    printf("\n%s\n", title);
}

void audit_print_text(const struct audit *a, double seconds)
{
    printf("%zu forgotten rows of %zu %s, %zu test rows of %s, %zu of the rest; %" PRIu64 " pairs masked, %" PRIu64
           " purged\n",
           a->members, a->class_count, a->class_count == 1 ? "class" : "classes", a->class_tests,
           a->class_count == 1 ? "it" : "them", a->tests - a->class_tests, a->info.masked_pairs, a->info.purged_pairs);
    printf("\n%-32s  %-21s  %9s  %-21s  %-19s  %7s  %7s  %7s\n", "", "model", "retrained", "difference", "verdict",
           "before", "dropped", "replay");
    puts("membership: AUC, forgotten rows against test rows of the same classes");
    for (size_t f = AUDIT_LOSS; f <= AUDIT_LIRA; f++) {
        print_figure(a, f);
        print_rates(a, f, "found at 1 % false alarms", false);
        print_rates(a, f, "found at 0.1 %", true);
    }
    print_head("answers: share of test rows");
    for (size_t f = AUDIT_ACCURACY; f < AUDIT_CONSTANT; f++)
        print_figure(a, f);
    print_head("recovery: accuracy on test rows after an attack; AUC of the mask");
    for (size_t f = AUDIT_CONSTANT; f < AUDIT_FIGURES; f++)
        print_figure(a, f);
    printf("\nIntervals are of 95 %%, over rows. More than retrained: something is remembered (of the rest: kept "
           "better).\n"
           "Less than retrained: more was lost than the rows. Of agreement, retrained is one seed against another.\n"
           "In %.1f s, with %" PRIu32 " shadow models; 'dkvb audit --json' tells all of it.\n",
           seconds, a->args.shadows);
}
