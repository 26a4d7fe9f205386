/* Checks of rows and labels before a training: classes without rows, rows without a class, values that dwarf all
 * others. Other programs number classes from 1, use labels -1 and +1, leave gaps, or write 255 for "none", all of which
 * would train classes without rows. One huge number moves the centre of the rows so far that all rows look alike. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rows.h"
#include "base/status.h"
#include "dkvb/data.h"

static bool is_there(const uint64_t *seen, uint32_t class)
{
    return seen[class / 64] >> class % 64 & 1;
}

/* Lists the classes without rows as ranges, "0, 5..9", cut short by "..." if there are many, and counts them. */
static void list_empty(dkvb_labels_info *info, const uint64_t *seen, uint32_t first)
{
    size_t used = 0;
    bool full = false;

    for (uint32_t c = first; c < info->classes; c++) {
        uint32_t begin = c;
        char range[32];
        int length;

        if (is_there(seen, c))
            continue;
        while (c + 1 < info->classes && !is_there(seen, c + 1))
            c++;
        if (info->empty == 0)
            info->first_empty = begin;
        info->empty += c - begin + 1;
        length = c == begin ? snprintf(range, sizeof range, "%s%u", used ? ", " : "", begin)
                            : snprintf(range, sizeof range, "%s%u..%u", used ? ", " : "", begin, c);
        if (full)
            continue;
        full = used + (size_t)length + sizeof ", ..." > sizeof info->empty_list;
        used += (size_t)snprintf(info->empty_list + used, sizeof info->empty_list - used, "%s", full ? ", ..." : range);
    }
}

/* True if the largest label is far above the other labels, which have no gap: the largest label then means "none", such
 * as 255. */
static bool marks_none(const dkvb_labels_info *info, const uint64_t *seen)
{
    uint32_t others = info->classes - info->empty - 1;

    if (others < 2 || (uint64_t)info->largest < 2 * (uint64_t)others)
        return false;
    for (uint32_t c = 0; c < others; c++)
        if (!is_there(seen, c))
            return false;
    return true;
}

static dkvb_status fail_empty(const dkvb_labels_info *info, const uint64_t *seen)
{
    uint32_t filled = info->classes - info->empty;

    if (filled == 1 && info->largest == 1 && info->unlabelled > 0)
        return dkvb__fail(
            DKVB_EMISMATCH,
            "labels are -1 and 1: -1 says that a row has no label (%llu of %llu), so class 0 has no rows; "
            "two classes must be numbered 0 and 1",
            (unsigned long long)info->unlabelled, (unsigned long long)info->rows);
    if (info->smallest > 0 && info->first_empty == 0 && info->empty == (uint32_t)info->smallest)
        return dkvb__fail(DKVB_EMISMATCH, "labels are %d to %d: class%s %s ha%s no rows; subtract %d from all labels",
                          info->smallest, info->largest, info->empty == 1 ? "" : "es", info->empty_list,
                          info->empty == 1 ? "s" : "ve", info->smallest);
    if (marks_none(info, seen))
        return dkvb__fail(DKVB_EMISMATCH,
                          "labels are 0 to %u and %d: classes %s have no rows; if %d marks rows without a label, write "
                          "-1 instead",
                          filled - 2, info->largest, info->empty_list, info->largest);
    return dkvb__fail(DKVB_EMISMATCH,
                      "%u of %u classes have no rows: %s; number the others from 0 on without gaps, as "
                      "numpy.unique(labels, return_inverse=True) does",
                      info->empty, info->classes, info->empty_list);
}

dkvb_status dkvb_labels_survey(dkvb_labels_info *out, const int32_t *labels, size_t n, uint32_t classes, uint32_t known,
                               const dkvb_allocator *allocator)
{
    dkvb_allocator mem = dkvb__allocator(allocator);
    dkvb_labels_info info = DKVB_LABELS_INFO_INIT;
    uint64_t *seen;
    dkvb_status rc = dkvb__check_allocator(allocator);

    if (!out || (n > 0 && !labels))
        return dkvb__fail(DKVB_EINVAL, "labels: %s is NULL", out ? "labels" : "info");
    if (rc)
        return rc;
    info.rows = n;
    for (size_t i = 0; i < n; i++) {
        info.unlabelled += labels[i] < 0;
        if (labels[i] >= 0 && (info.smallest < 0 || labels[i] < info.smallest))
            info.smallest = labels[i];
        if (labels[i] > info.largest) {
            info.largest = labels[i];
            info.largest_row = i;
        }
    }
    if (classes > 0 && info.largest >= 0 && (uint32_t)info.largest >= classes)
        return dkvb__fail(DKVB_EMISMATCH, "row %llu has label %d, classes are 0 to %u",
                          (unsigned long long)info.largest_row, info.largest, classes - 1);
    info.classes = classes > 0 ? classes : (uint32_t)info.largest + 1u;
    seen = dkvb__alloc0(&mem, info.classes / 64 + 1, sizeof *seen);
    if (!seen)
        return dkvb__fail(DKVB_ENOMEM, "labels: out of memory for %u classes", info.classes);
    for (size_t i = 0; i < n; i++)
        if (labels[i] >= 0)
            seen[labels[i] / 64] |= (uint64_t)1 << labels[i] % 64;
    list_empty(&info, seen, known == DKVB_LABELS_ANY ? 0 : known);
    rc = dkvb__give_info(out, &info, sizeof info, "labels info");
    if (!rc && info.empty > 0 && info.largest >= 0 && known != DKVB_LABELS_ANY)
        rc = fail_empty(&info, seen);
    dkvb__free(&mem, seen);
    return rc;
}

/* Bins for counting feature values by the exponent of float32: bin e has values from 2^(e - 127) to below twice that;
 * bin 0 has zeros and subnormal values. PART is the number of feature values that are read at a time. */
enum { BINS = 256, GAP = 10, PART = 1 << 18 };

static uint32_t exponent_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits >> 23 & 0xFF;
}

/* Returns the lowest bin of outlying feature values: values that are at least 2^GAP times as large as all values below,
 * and at most a tenth of all values other than 0. If no feature value is an outlier, the function returns BINS, the
 * number of bins. */
static uint32_t first_outlying(const uint64_t count[BINS])
{
    uint64_t all = 0, above = 0;
    uint32_t empty = 0, lowest = BINS, e;

    for (e = 1; e < BINS; e++)
        all += count[e];
    for (e = BINS - 1; e > 0 && above * 10 <= all; e--) {
        if (count[e] == 0) {
            empty++;
            continue;
        }
        if (lowest < BINS && empty >= GAP)
            return lowest;
        above += count[e];
        lowest = e;
        empty = 0;
    }
    return BINS;
}

/* State of a survey (counts and checks) of the features of rows, which are read part by part. */
struct survey {
    struct dkvb__rows rows;
    float *part; /* buffer for rows of features that do not lie in memory, [most][dim] */
    size_t most;
};

static dkvb_status next_part(struct survey *s, size_t first, size_t *n, const float **x)
{
    *n = s->rows.n - first < s->most ? s->rows.n - first : s->most;
    return dkvb__rows_block(&s->rows, first, *n, s->part, x);
}

static dkvb_status survey_rows(struct survey *s, dkvb_features_info *info)
{
    uint64_t count[BINS] = {0};
    size_t dim = s->rows.width;
    uint32_t lowest;
    const float *x;
    dkvb_status rc = DKVB_OK;

    for (size_t first = 0, n; !rc && first < s->rows.n; first += n) {
        rc = next_part(s, first, &n, &x);
        for (size_t i = 0; !rc && i < n * dim; i++)
            count[exponent_of(x[i])]++;
    }
    lowest = first_outlying(count);
    for (uint32_t e = lowest; e < BINS; e++)
        info->outlying += count[e];
    for (size_t first = 0, n; !rc && info->outlying > 0 && first < s->rows.n; first += n) {
        rc = next_part(s, first, &n, &x);
        for (size_t i = 0; !rc && i < n * dim; i++)
            if (exponent_of(x[i]) >= lowest) {
                info->first_row = first + i / dim;
                info->first_column = i % dim;
                info->first_value = x[i];
                return DKVB_OK;
            }
    }
    return rc;
}

dkvb_status dkvb_features_survey(dkvb_features_info *out, const float *x, size_t n, size_t dim)
{
    dkvb_features_info given = DKVB_FEATURES_INFO_INIT, info = DKVB_FEATURES_INFO_INIT;
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct survey s = {.most = n};
    dkvb_status rc;

    if (!out)
        return dkvb__fail(DKVB_EINVAL, "features: info is NULL");
    rc = dkvb__take_options(&given, sizeof given, out, "features info");
    if (rc)
        return rc;
    if (n > 0 && dim > 0 && !x && !given.source)
        return dkvb__fail(DKVB_EINVAL, "features: x is NULL");
    info.rows = n;
    info.columns = dim;
    info.source = given.source;
    rc = dkvb__rows_take(&s.rows, x, given.source, dim > 0 ? n : 0, dim, "features");
    if (rc)
        return rc;
    if (given.source && dim > 0) {
        s.most = PART / dim > 0 ? PART / dim : 1;
        s.part = dkvb__alloc(&mem, s.most, dim * sizeof *s.part);
        if (!s.part)
            return dkvb__fail(DKVB_ENOMEM, "out of memory to look at %zu rows at a time", s.most);
    }
    rc = survey_rows(&s, &info);
    dkvb__free_erased(&mem, s.part);
    return rc ? rc : dkvb__give_info(out, &info, sizeof info, "features info");
}
