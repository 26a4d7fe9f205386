/*
 * The AUC measures how well scores separate members of the training set from non-members (`others`). The variance of an
 * AUC is that of DeLong, DeLong and Clarke-Pearson 1988, computed from midranks as in Sun and Xu 2014. With a member's
 * midrank among all rows, `all`, and its midrank among members, `own`, the member's placement is (all - own) / others:
 * the fraction of non-members with a smaller score, ties counted half. In an AUC, the placement of a non-member is the
 * fraction of members whose score is higher: 1 - (all - own) / members, with `all` and `own` its midranks among all
 * rows and among non-members. An AUC is the mean placement of the members, the placement of a member being the fraction
 * of non-members with smaller scores; its variance is S10 / members + S01 / others, where S10 and S01 are the variances
 * of the placements of members and of non-members.
 */
#include "audit/auc.h"

#include <math.h>

#include "audit/order.h"
#include "base/alloc.h"
#include "base/status.h"

static double unit(double x)
{
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

struct kinds {
    size_t members, others;
};

static dkvb_status check_scores(const double *scores, const uint8_t *member, size_t n, struct kinds *kinds)
{
    *kinds = (struct kinds){0};
    for (size_t i = 0; i < n; i++) {
        if (isnan(scores[i]))
            return dkvb__fail(DKVB_EINVAL, "scores: row %zu is not a number", i);
        kinds->members += member[i] != 0;
    }
    kinds->others = n - kinds->members;
    if (kinds->members < 2 || kinds->others < 2)
        return dkvb__fail(DKVB_EINVAL, "scores of %zu members and %zu others: there must be at least 2 of each",
                          kinds->members, kinds->others);
    return DKVB_OK;
}

/* Computes place[i], the placement of row i: for a member the fraction of non-members with smaller scores, for a
 * non-member the fraction of members with larger scores. The variance of an AUC is computed from the variance of the
 * members' placements and that of the non-members' placements. */
static void place_rows(const uint8_t *member, const struct dkvb__keyed *order, size_t n, const struct kinds *kinds,
                       double *place)
{
    /* numbers of members and of non-members whose score is below that of the row that is placed */
    size_t members = 0, others = 0;

    for (size_t first = 0, end; first < n; first = end) {
        size_t equal_members = 0, equal = 0;

        for (end = first; end < n && order[end].key == order[first].key; end++)
            equal_members += member[order[end].index] != 0;
        equal = end - first;
        for (size_t i = first; i < end; i++)
            if (member[order[i].index])
                place[order[i].index] =
                    ((double)others + 0.5 * (double)(equal - equal_members)) / (double)kinds->others;
            else
                place[order[i].index] = 1.0 - ((double)members + 0.5 * (double)equal_members) / (double)kinds->members;
        members += equal_members;
        others += equal - equal_members;
    }
}

static dkvb_status placements(const double *scores, const uint8_t *member, size_t n, const struct kinds *kinds,
                              double *place, const dkvb_allocator *mem)
{
    struct dkvb__keyed *order = dkvb__order_by(scores, n, mem);

    if (!order)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu scores", n);
    place_rows(member, order, n, kinds, place);
    dkvb__free(mem, order);
    return DKVB_OK;
}

/* Computes an AUC as the mean, over members, of the fraction of non-members with smaller scores, and the AUC's interval
 * from the variances over members and non-members. */
static void estimate(const double *place, const uint8_t *member, size_t n, const struct kinds *kinds,
                     dkvb_audit_estimate *out)
{
    double sum[2] = {0.0, 0.0}, square[2] = {0.0, 0.0}, mean[2], half;

    for (size_t i = 0; i < n; i++)
        sum[member[i] != 0] += place[i];
    mean[0] = sum[0] / (double)kinds->others;
    mean[1] = sum[1] / (double)kinds->members;
    for (size_t i = 0; i < n; i++) {
        double away = place[i] - mean[member[i] != 0];

        square[member[i] != 0] += away * away;
    }
    half = DKVB__Z95 * sqrt(square[1] / (double)(kinds->members - 1) / (double)kinds->members +
                            square[0] / (double)(kinds->others - 1) / (double)kinds->others);
    *out = (dkvb_audit_estimate){mean[1], mean[1] - half, mean[1] + half};
}

dkvb_status dkvb__audit_auc(const double *scores, const uint8_t *member, size_t n, dkvb_audit_estimate *auc,
                            const dkvb_allocator *mem)
{
    struct kinds kinds;
    double *place;
    dkvb_status rc = check_scores(scores, member, n, &kinds);

    if (rc)
        return rc;
    place = dkvb__alloc(mem, n, sizeof *place);
    rc = place ? placements(scores, member, n, &kinds, place, mem)
               : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu placements", n);
    if (!rc) {
        estimate(place, member, n, &kinds, auc);
        auc->low = unit(auc->low);
        auc->high = unit(auc->high);
    }
    dkvb__free(mem, place);
    return rc;
}

/* Computes each row's placement in an AUC by the scores of two models, [n] placements for model a, then [n] for model
 * b; the placement is the fraction of non-members that score lower than a member, or of members that score higher than
 * a non-member. If the function returns NULL in place of the array of the rows' placements in an AUC, *rc says why it
 * failed. */
static double *both_placements(const double *a, const double *b, const uint8_t *member, size_t n, struct kinds *kinds,
                               const dkvb_allocator *mem, dkvb_status *rc)
{
    double *place;

    *rc = check_scores(a, member, n, kinds);
    if (!*rc)
        *rc = check_scores(b, member, n, kinds);
    if (*rc)
        return NULL;
    place = dkvb__alloc(mem, n, 2 * sizeof *place);
    *rc = place ? placements(a, member, n, kinds, place, mem)
                : dkvb__fail(DKVB_ENOMEM, "out of memory for %zu placements", n);
    if (!*rc)
        *rc = placements(b, member, n, kinds, place + n, mem);
    if (*rc) {
        dkvb__free(mem, place);
        return NULL;
    }
    return place;
}

/* The difference of two AUCs is the mean, over the rows, of the differences between each row's placements in the two
 * AUCs; its variance is the variance of these differences (DeLong et al., eq. 5). */
dkvb_status dkvb__audit_auc_difference(const double *a, const double *b, const uint8_t *member, size_t n,
                                       dkvb_audit_estimate *difference, const dkvb_allocator *mem)
{
    struct kinds kinds;
    dkvb_status rc;
    double *place = both_placements(a, b, member, n, &kinds, mem, &rc);

    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++)
        place[i] -= place[n + i];
    estimate(place, member, n, &kinds, difference);
    dkvb__free(mem, place);
    return DKVB_OK;
}

dkvb_status dkvb__audit_privleak(const double *a, const double *b, const uint8_t *member, size_t n,
                                 dkvb_audit_estimate *leak, const dkvb_allocator *mem)
{
    struct kinds kinds;
    dkvb_audit_estimate found, reference;
    dkvb_status rc;
    double ratio, *place = both_placements(a, b, member, n, &kinds, mem, &rc);

    if (rc)
        return rc;
    estimate(place, member, n, &kinds, &found);
    estimate(place + n, member, n, &kinds, &reference);
    *leak = (dkvb_audit_estimate){(double)NAN, (double)NAN, (double)NAN};
    if (reference.value > 0.0) {
        ratio = found.value / reference.value;
        /* Each row's placements in two AUCs (for a member, the fraction of non-members with smaller scores) are
         * combined into one number that has mean 0 over the rows; only the spread of these numbers is used. */
        for (size_t i = 0; i < n; i++)
            place[i] = (place[i] - ratio * place[n + i]) / reference.value;
        estimate(place, member, n, &kinds, leak);
        leak->low += (found.value - reference.value) / reference.value - leak->value;
        leak->high += (found.value - reference.value) / reference.value - leak->value;
        leak->value = (found.value - reference.value) / reference.value;
    }
    dkvb__free(mem, place);
    return DKVB_OK;
}

/* Computes Wilson's interval for a proportion p of n rows. */
static void wilson(double p, double n, dkvb_audit_estimate *out)
{
    double z2 = DKVB__Z95 * DKVB__Z95 / n, centre = (p + z2 / 2.0) / (1.0 + z2);
    double half = DKVB__Z95 * sqrt(p * (1.0 - p) / n + z2 / (4.0 * n)) / (1.0 + z2);

    /* The interval of a proportion of 0 or 1 ends at 0 or 1; the clamps to [0, 1] remove rounding errors. */
    *out = (dkvb_audit_estimate){p, fmin(p, unit(centre - half)), fmax(p, unit(centre + half))};
}

dkvb_status dkvb__audit_tpr(const double *scores, const uint8_t *member, size_t n, double fpr, dkvb_audit_estimate *tpr,
                            const dkvb_allocator *mem)
{
    struct kinds kinds;
    struct dkvb__keyed *order;
    size_t above = 0, hits = 0;
    double limit = -INFINITY;
    dkvb_status rc = check_scores(scores, member, n, &kinds);

    if (rc)
        return rc;
    order = dkvb__order_by(scores, n, mem);
    if (!order)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the order of %zu scores", n);
    /* For a true positive rate, the limit that scores must exceed is the score of the first non-member that may not
     * pass; members with exactly this score do not pass either. */
    for (size_t i = n; i-- > 0;)
        if (!member[order[i].index] && above++ == (size_t)(fpr * (double)kinds.others)) {
            limit = scores[order[i].index];
            break;
        }
    for (size_t i = 0; i < n; i++)
        hits += member[i] && scores[i] > limit;
    wilson((double)hits / (double)kinds.members, (double)kinds.members, tpr);
    dkvb__free(mem, order);
    return DKVB_OK;
}

void dkvb__audit_share(const double *right, size_t n, dkvb_audit_estimate *share)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += right[i];
    if (n > 0)
        wilson(sum / (double)n, (double)n, share);
    else
        *share = (dkvb_audit_estimate){NAN, NAN, NAN};
}

void dkvb__audit_share_difference(const double *a, const double *b, size_t n, dkvb_audit_estimate *difference)
{
    double sum = 0.0, squares = 0.0, rows = (double)n + 2.0, half;

    for (size_t i = 0; i < n; i++) {
        sum += a[i] - b[i];
        squares += (a[i] - b[i]) * (a[i] - b[i]);
    }
    half = DKVB__Z95 * sqrt(squares + 1.0 - sum * sum / rows) / rows;
    if (n > 0)
        *difference =
            (dkvb_audit_estimate){sum / (double)n, fmax(sum / rows - half, -1.0), fmin(sum / rows + half, 1.0)};
    else
        *difference = (dkvb_audit_estimate){NAN, NAN, NAN};
}

/* Factor that widens a normal interval from 95 % to 98.75 % confidence. The average gap is a mean over four figures,
 * whose intervals are symmetric around their middle, except where they are cut at -1 or 1. */
static const double wider = 2.4977054744123737 / DKVB__Z95;

void dkvb__audit_gap(const dkvb_audit_estimate *differences, size_t count, dkvb_audit_estimate *gap)
{
    *gap = (dkvb_audit_estimate){0.0, 0.0, 0.0};
    for (size_t i = 0; i < count; i++) {
        const dkvb_audit_estimate *d = &differences[i];

        double middle = (d->low + d->high) / 2.0, half = wider * (d->high - d->low) / 2.0;
        double low = middle - half, high = middle + half;

        gap->value += fabs(d->value) / (double)count;
        gap->low += (low > 0.0 ? low : high < 0.0 ? -high : 0.0) / (double)count;
        gap->high += fmin(1.0, fmax(fabs(low), fabs(high))) / (double)count;
    }
    /* The interval of the average gap may exclude the gap's own estimate, as the interval of a proportion is not
     * centred on the proportion. */
    gap->low = fmin(gap->low, gap->value);
    gap->high = fmax(gap->high, gap->value);
}
