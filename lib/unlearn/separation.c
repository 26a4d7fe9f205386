/*
 * How far apart the codes of classes lie, from counts of the pairs that their rows select.
 *
 * Sources: P. Jaccard, The distribution of the flora in the alpine zone, New Phytologist 11 (1912); M. Ruzicka,
 * Anwendung mathematisch-statistischer Methoden in der Geobotanik, Biologia Bratislava 13 (1958); P. J. Rousseeuw,
 * Silhouettes, J. Comput. Appl. Math. 20 (1987).
 */
#include "dkvb/separation.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "dkvb/search.h"

enum {
    CODEBOOKS = 16,   /* counted in one sweep over the rows, as activations are */
    BLOCK = 1024,     /* pairs whose owners are looked for at once */
    CHUNK = 64,       /* rows in one task */
    MAX_SIZE = 65535, /* of codebooks and keys: codes are 16 bits wide, and 65535 stands for none */
    NOT_COUNTED = -2  /* instead of a silhouette, which is -1 to 1 */
};

static dkvb_status take_shape(dkvb_separation_shape *shape, const dkvb_separation_shape *given)
{
    dkvb_status rc;

    dkvb_separation_shape_init(shape);
    rc = dkvb__take_options(shape, sizeof *shape, given, "separation shape");
    if (rc)
        return rc;
    if (shape->codebooks < 1 || shape->codebooks > MAX_SIZE)
        return dkvb__fail(DKVB_EINVAL, "separation shape: %u codebooks, 1 to %d are wanted", shape->codebooks,
                          MAX_SIZE);
    if (shape->keys < 1 || shape->keys > MAX_SIZE)
        return dkvb__fail(DKVB_EINVAL, "separation shape: %u keys, 1 to %d are wanted", shape->keys, MAX_SIZE);
    if (shape->top_k < 1 || shape->top_k > shape->keys)
        return dkvb__fail(DKVB_EINVAL, "separation shape: top_k is %u, 1 to %u is wanted", shape->top_k, shape->keys);
    if (shape->classes < 1 || shape->classes > INT32_MAX)
        return dkvb__fail(DKVB_EINVAL, "separation shape: %u classes, 1 to %d are wanted", shape->classes, INT32_MAX);
    return DKVB_OK;
}

static dkvb_status check_labels(const dkvb_separation_shape *shape, const int32_t *labels, size_t n)
{
    for (size_t r = 0; r < n; r++)
        if (labels[r] < -1 || (labels[r] >= 0 && (uint32_t)labels[r] >= shape->classes))
            return dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, -1 to %u is wanted", r, labels[r],
                              shape->classes - 1);
    return DKVB_OK;
}

/* Rows that counts, and sums of products of counts, have room for: counts of a class in a codebook add up to k times
 * its rows, so products of two such sums stay below 2^62. */
static uint64_t most_rows(const dkvb_separation_shape *shape)
{
    return INT32_MAX / shape->top_k;
}

static dkvb_status check_rows(const dkvb_separation_shape *shape, const uint64_t *rows)
{
    for (uint32_t l = 0; l < shape->classes; l++)
        if (rows[l] > most_rows(shape))
            return dkvb__fail(DKVB_EINVAL, "class %u has %llu rows, at most %llu are wanted", l,
                              (unsigned long long)rows[l], (unsigned long long)most_rows(shape));
    return DKVB_OK;
}

/* Rows of a class, once these rows are added, must be most_rows() at most. Adds; takes all back if they are more. */
static dkvb_status add_rows(const dkvb_separation_shape *shape, const int32_t *labels, size_t n, uint64_t *rows)
{
    dkvb_status rc;

    for (size_t r = 0; r < n; r++)
        if (labels[r] >= 0)
            rows[labels[r]]++;
    rc = check_rows(shape, rows);
    for (size_t r = 0; rc && r < n; r++)
        if (labels[r] >= 0)
            rows[labels[r]]--;
    return rc;
}

static size_t code_size(const dkvb_separation_shape *shape)
{
    return (size_t)shape->codebooks * shape->top_k;
}

static size_t pairs_of(const dkvb_separation_shape *shape)
{
    return (size_t)shape->codebooks * shape->keys;
}

/* Codes and labels of all rows of a call, checked. */
struct labelled {
    dkvb_separation_shape shape;
    const uint16_t *codes;
    const int32_t *labels;
    size_t n;
};

static dkvb_status take_labelled(struct labelled *in, const dkvb_separation_shape *shape, const uint16_t *codes,
                                 const int32_t *labels, size_t n)
{
    dkvb_status rc = take_shape(&in->shape, shape);

    if (!rc)
        rc = dkvb__check_code_range(codes, in->shape.top_k, n, in->shape.codebooks, in->shape.keys);
    if (!rc)
        rc = check_labels(&in->shape, labels, n);
    in->codes = codes;
    in->labels = labels;
    in->n = n;
    return rc;
}

struct counting {
    struct labelled in;
    uint32_t *counts;
};

/* Counts of some codebooks belong to one task, so that tasks do not meet. */
static void count_codebooks(void *context, size_t task, unsigned worker)
{
    const struct counting *s = context;
    const dkvb_separation_shape *shape = &s->in.shape;
    size_t first = task * CODEBOOKS, k = shape->top_k;
    size_t end = shape->codebooks - first < CODEBOOKS ? shape->codebooks : first + CODEBOOKS;

    (void)worker;
    for (size_t r = 0; r < s->in.n; r++) {
        const uint16_t *code = s->in.codes + r * code_size(shape) + first * k;
        uint32_t *counts;

        if (s->in.labels[r] < 0)
            continue;
        counts = s->counts + (size_t)s->in.labels[r] * pairs_of(shape);
        for (size_t c = first; c < end; c++)
            for (size_t j = 0; j < k; j++, code++)
                if (*code != DKVB_CODE_NONE)
                    counts[c * shape->keys + *code]++;
    }
}

dkvb_status dkvb_separation_count(const dkvb_separation_shape *shape, const uint16_t *codes, const int32_t *labels,
                                  size_t n, uint32_t *counts, uint64_t *rows, const dkvb_run_options *opts)
{
    struct counting s = {.counts = counts};
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = take_labelled(&s.in, shape, codes, labels, n);
    if (!rc)
        rc = add_rows(&s.in.shape, labels, n, rows);
    if (rc)
        return rc;
    dkvb__parallel(&run, (s.in.shape.codebooks + CODEBOOKS - 1) / CODEBOOKS, count_codebooks, &s);
    return DKVB_OK;
}

/* Pairs `first` to `first + size` of all classes. */
static void count_owned(const dkvb_separation_shape *shape, const uint32_t *counts, size_t first, size_t size,
                        uint64_t *selected, uint64_t *exclusive)
{
    uint32_t owners[BLOCK] = {0}; /* classes that select the pair */

    for (size_t l = 0; l < shape->classes; l++)
        for (size_t i = 0; i < size; i++)
            owners[i] += counts[l * pairs_of(shape) + first + i] > 0;
    for (size_t l = 0; l < shape->classes; l++)
        for (size_t i = 0; i < size; i++) {
            bool selects = counts[l * pairs_of(shape) + first + i] > 0;

            selected[l] += selects;
            exclusive[l] += selects && owners[i] == 1;
        }
}

dkvb_status dkvb_separation_pairs(const dkvb_separation_shape *given, const uint32_t *counts, uint64_t *selected,
                                  uint64_t *exclusive)
{
    dkvb_separation_shape shape;
    dkvb_status rc = take_shape(&shape, given);

    if (rc)
        return rc;
    memset(selected, 0, shape.classes * sizeof *selected);
    memset(exclusive, 0, shape.classes * sizeof *exclusive);
    for (size_t first = 0; first < pairs_of(&shape); first += BLOCK)
        count_owned(&shape, counts, first, pairs_of(&shape) - first < BLOCK ? pairs_of(&shape) - first : BLOCK,
                    selected, exclusive);
    return DKVB_OK;
}

struct comparing {
    dkvb_separation_shape shape;
    const uint32_t *counts;
    const uint64_t *rows;
    double *jaccard, *weighted; /* [L][L], or NULL */
};

static void set_both(double *matrix, size_t classes, size_t a, size_t b, double value)
{
    if (!matrix)
        return;
    matrix[a * classes + b] = value;
    matrix[b * classes + a] = value;
}

/* The shares count_a / rows_a and count_b / rows_b are compared as count_a rows_b and count_b rows_a: whole numbers,
 * exact whatever the order, whose common factor rows_a rows_b the quotient does not see. */
static void compare(const struct comparing *s, size_t a, size_t b)
{
    size_t classes = s->shape.classes, keys = s->shape.keys;
    const uint32_t *in_a = s->counts + a * pairs_of(&s->shape), *in_b = s->counts + b * pairs_of(&s->shape);
    uint64_t both = 0, any = 0;
    double least = 0.0, most = 0.0;

    for (size_t c = 0; c < s->shape.codebooks; c++, in_a += keys, in_b += keys) {
        uint64_t least_here = 0, most_here = 0;

        for (size_t j = 0; j < keys; j++) {
            uint64_t x = in_a[j] * s->rows[b], y = in_b[j] * s->rows[a];

            both += in_a[j] && in_b[j];
            any += in_a[j] || in_b[j];
            least_here += x < y ? x : y;
            most_here += x < y ? y : x;
        }
        least += (double)least_here;
        most += (double)most_here;
    }
    if (s->rows[a] == 0 || s->rows[b] == 0)
        any = 0;
    set_both(s->jaccard, classes, a, b, any ? (double)both / (double)any : NAN);
    set_both(s->weighted, classes, a, b, any ? least / most : NAN);
}

/* One class with itself and those behind it. */
static void compare_class(void *context, size_t task, unsigned worker)
{
    const struct comparing *s = context;

    (void)worker;
    for (size_t b = task; b < s->shape.classes; b++)
        compare(s, task, b);
}

dkvb_status dkvb_separation_overlap(const dkvb_separation_shape *shape, const uint32_t *counts, const uint64_t *rows,
                                    double *jaccard, double *weighted, const dkvb_run_options *opts)
{
    struct comparing s = {.counts = counts, .rows = rows, .jaccard = jaccard, .weighted = weighted};
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = take_shape(&s.shape, shape);
    if (!rc)
        rc = check_rows(&s.shape, rows);
    if (rc)
        return rc;
    return dkvb__parallel_long(&run, s.shape.classes, compare_class, &s, 0, s.shape.classes);
}

struct measuring {
    struct labelled in;
    const uint32_t *counts;
    const uint64_t *rows;
    double *each;
};

/* How many selections of all rows of a class are among those of this code. *selections: what the code itself selects.
 */
static uint64_t common_with(const struct measuring *s, const uint16_t *code, size_t label, uint64_t *selections)
{
    const uint32_t *counts = s->counts + label * pairs_of(&s->in.shape);
    uint64_t common = 0, own = 0;

    for (size_t c = 0; c < s->in.shape.codebooks; c++, counts += s->in.shape.keys)
        for (size_t j = 0; j < s->in.shape.top_k; j++, code++)
            if (*code != DKVB_CODE_NONE) {
                common += counts[*code];
                own++;
            }
    *selections = own;
    return common;
}

/*
 * Mean distance of a row to `rows` rows. With [j selects p] = 0 or 1, and p over the pairs that the row selects:
 *
 *     (1/rows) sum_j (1 - |common with j| / (C k)) = 1 - sum_j sum_p [j selects p] / (C k rows)
 *                                                  = 1 - sum_p counts[p] / (C k rows)
 *
 * because the sums may be exchanged. Of its own class the row takes itself out: one of the rows, and one of each
 * counts[p], as many as it selects pairs.
 */
static double mean_distance(const struct measuring *s, uint64_t common, uint64_t rows)
{
    return 1.0 - (double)common / ((double)code_size(&s->in.shape) * (double)rows);
}

static double nearest_other(const struct measuring *s, const uint16_t *code, size_t label)
{
    double nearest = INFINITY;
    uint64_t selections;

    for (size_t l = 0; l < s->in.shape.classes; l++) {
        double distance;

        if (l == label || s->rows[l] == 0)
            continue;
        distance = mean_distance(s, common_with(s, code, l, &selections), s->rows[l]);
        nearest = distance < nearest ? distance : nearest;
    }
    return nearest;
}

static double silhouette(const struct measuring *s, const uint16_t *code, size_t label)
{
    uint64_t selections, common = common_with(s, code, label, &selections), rows = s->rows[label];
    double within, between, larger;

    if (rows == 0 || common < selections)
        return NOT_COUNTED;
    between = nearest_other(s, code, label);
    if (isinf(between))
        return NAN;
    if (rows == 1)
        return 0.0;
    within = mean_distance(s, common - selections, rows - 1);
    larger = within > between ? within : between;
    return larger > 0.0 ? (between - within) / larger : 0.0;
}

static void measure_chunk(void *context, size_t task, unsigned worker)
{
    const struct measuring *s = context;
    size_t end = s->in.n - task * CHUNK < CHUNK ? s->in.n : (task + 1) * CHUNK;

    (void)worker;
    for (size_t r = task * CHUNK; r < end; r++) {
        int32_t label = s->in.labels[r];

        s->each[r] = label < 0 ? NAN : silhouette(s, s->in.codes + r * code_size(&s->in.shape), (size_t)label);
    }
}

static dkvb_status check_counted(const struct measuring *s)
{
    for (size_t r = 0; r < s->in.n; r++)
        if (s->each[r] == NOT_COUNTED)
            return dkvb__fail(DKVB_EINVAL, "codes: row %zu is not among the rows that were counted of class %d", r,
                              s->in.labels[r]);
    return DKVB_OK;
}

dkvb_status dkvb_separation_silhouette(const dkvb_separation_shape *shape, const uint32_t *counts, const uint64_t *rows,
                                       const uint16_t *codes, const int32_t *labels, size_t n, double *each,
                                       double *sums, const dkvb_run_options *opts)
{
    struct measuring s = {.counts = counts, .rows = rows, .each = each};
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    if (!rc)
        rc = take_labelled(&s.in, shape, codes, labels, n);
    if (!rc)
        rc = check_rows(&s.in.shape, rows);
    if (!rc)
        rc = dkvb__parallel_rows(&run, n, CHUNK, measure_chunk, &s);
    if (!rc)
        rc = check_counted(&s);
    for (size_t r = 0; sums && !rc && r < n; r++)
        if (labels[r] >= 0)
            sums[labels[r]] += each[r];
    return rc;
}
