/*
 * Measures how far apart the codes of classes lie, from counts of the key-value pairs that the rows of each class
 * select. The measures of how codes overlap and separate come from Jaccard 1912 (The distribution of the flora in the
 * alpine zone, New Phytologist 11), Ruzicka 1958 (Anwendung mathematisch-statistischer Methoden in der Geobotanik,
 * Biologia Bratislava 13) and Rousseeuw 1987 (Silhouettes, Journal of Computational and Applied Mathematics 20).
 */
#include "unlearn/separation.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "bottleneck/codes.h"
#include "dkvb/search.h"

enum {
    CODEBOOKS = 16, /* number of codebooks whose selections are counted in one pass over the rows */
    /* number of key-value pairs handled at a time, for which the classes that select each pair are counted */
    BLOCK = 1024,
    CHUNK = 64, /* number of rows whose silhouettes one parallel task computes */
    /* largest number of codebooks, and of keys in a codebook: codes are 16 bits wide, and 65535 means no key */
    MAX_SIZE = 65535
};

static size_t code_size(const dkvb_separation_rows *in)
{
    return (size_t)in->codebooks * in->k;
}

static size_t pairs_of(const dkvb_separation_rows *in)
{
    return (size_t)in->codebooks * in->keys;
}

static size_t chunks_of(const dkvb_separation_rows *in)
{
    return in->n / CHUNK + (in->n % CHUNK != 0);
}

static dkvb_status check_shape(const dkvb_separation_rows *in)
{
    if (in->n > 0 && (!in->codes || !in->labels))
        return dkvb__fail(DKVB_EINVAL, "separation: %zu rows, but no %s", in->n, in->codes ? "labels" : "codes");
    if (in->codebooks < 1 || in->codebooks > MAX_SIZE)
        return dkvb__fail(DKVB_EINVAL, "separation: %u codebooks, there must be 1 to %d", in->codebooks, MAX_SIZE);
    if (in->keys < 1 || in->keys > MAX_SIZE)
        return dkvb__fail(DKVB_EINVAL, "separation: %u keys, there must be 1 to %d", in->keys, MAX_SIZE);
    if (in->k < 1 || in->k > in->keys)
        return dkvb__fail(DKVB_EINVAL, "separation: k is %u, it must be 1 to %u", in->k, in->keys);
    if (in->classes > INT32_MAX)
        return dkvb__fail(DKVB_EINVAL, "separation: %u classes, there must be 1 to %d", in->classes, INT32_MAX);
    return dkvb__check_allocator(in->allocator);
}

/* Checks the labels of the rows to measure, and finds the number of classes if the caller left it open. */
static dkvb_status settle_classes(dkvb_separation_rows *in)
{
    int32_t largest = -1;

    for (size_t r = 0; r < in->n; r++)
        if (in->labels[r] < -1 || (in->classes > 0 && in->labels[r] >= (int32_t)in->classes))
            return dkvb__fail(DKVB_EINVAL, "labels: row %zu is %d, it must be -1 to %d", r, in->labels[r],
                              in->classes > 0 ? (int32_t)in->classes - 1 : INT32_MAX - 1);
        else if (in->labels[r] > largest)
            largest = in->labels[r];
    if (largest < 0)
        return dkvb__fail(DKVB_EINVAL, "labels: %zu rows and no label of 0 or more: there must be rows of a class",
                          in->n);
    if (largest == INT32_MAX)
        return dkvb__fail(DKVB_EINVAL, "labels: the largest is %d, it must be %d at most", largest, INT32_MAX - 1);
    if (in->classes == 0)
        in->classes = (uint32_t)largest + 1;
    return DKVB_OK;
}

static dkvb_status take_rows(dkvb_separation_rows *in, const dkvb_separation_rows *given)
{
    dkvb_status rc = dkvb__take_options(in, sizeof *in, given, "separation rows");

    if (!rc)
        rc = check_shape(in);
    if (!rc)
        rc = dkvb__check_code_range(in->codes, in->k, in->n, in->codebooks, in->keys);
    return rc ? rc : settle_classes(in);
}

/* Refuses more rows than the integer types of selection counts, and of sums of products of these counts, can hold. The
 * selection counts of a class in a codebook add up to k times the class's rows, so products of two such sums stay below
 * 2^62. */
static dkvb_status check_rows(const dkvb_separation_rows *in, const uint64_t *rows)
{
    uint64_t most = INT32_MAX / in->k;

    for (uint32_t l = 0; l < in->classes; l++)
        if (rows[l] > most)
            return dkvb__fail(DKVB_EINVAL, "class %u has %llu rows, there must be %llu at most", l,
                              (unsigned long long)rows[l], (unsigned long long)most);
    return DKVB_OK;
}

struct counting {
    const dkvb_separation_rows *in;
    uint32_t *counts;
};

/* Counts, in some codebooks, how often the rows of each class select each key-value pair. Each parallel task counts the
 * selections in codebooks of its own, so that no two tasks write the same count. */
static void count_codebooks(void *context, size_t task, unsigned worker)
{
    const struct counting *s = context;
    const dkvb_separation_rows *in = s->in;
    size_t first = task * CODEBOOKS, k = in->k;
    size_t end = in->codebooks - first < CODEBOOKS ? in->codebooks : first + CODEBOOKS;

    (void)worker;
    for (size_t r = 0; r < in->n; r++) {
        const uint16_t *code = in->codes + r * code_size(in) + first * k;
        uint32_t *counts;

        if (in->labels[r] < 0)
            continue;
        counts = s->counts + (size_t)in->labels[r] * pairs_of(in);
        for (size_t c = first; c < end; c++)
            for (size_t j = 0; j < k; j++, code++)
                if (*code != DKVB_CODE_NONE)
                    counts[c * in->keys + *code]++;
    }
}

dkvb_status dkvb__separation_count(const dkvb_separation_rows *in, uint32_t *counts, uint64_t *rows,
                                   const struct dkvb__run *run)
{
    struct counting s = {in, counts};
    dkvb_status rc;

    for (size_t r = 0; r < in->n; r++)
        if (in->labels[r] >= 0)
            rows[in->labels[r]]++;
    rc = check_rows(in, rows);
    for (size_t r = 0; rc && r < in->n; r++)
        if (in->labels[r] >= 0)
            rows[in->labels[r]]--;
    if (!rc)
        dkvb__parallel(run, (in->codebooks + CODEBOOKS - 1) / CODEBOOKS, count_codebooks, &s);
    return rc;
}

/* Counts, for each class, which of the key-value pairs from `first` to below `first + size` its rows select, and which
 * of them no other class selects. The function count_owned() returns how many of the pairs from `first` to below `first
 * + size` at least one class selects. */
static size_t count_owned(const dkvb_separation_rows *in, const uint32_t *counts, size_t first, size_t size,
                          uint64_t *selected, uint64_t *exclusive)
{
    /* for each pair of a block of key-value pairs, the number of classes with rows that select the pair */
    uint32_t owners[BLOCK] = {0};
    size_t any = 0;

    for (size_t l = 0; l < in->classes; l++)
        for (size_t i = 0; i < size; i++)
            owners[i] += counts[l * pairs_of(in) + first + i] > 0;
    for (size_t l = 0; l < in->classes; l++)
        for (size_t i = 0; i < size; i++) {
            bool selects = counts[l * pairs_of(in) + first + i] > 0;

            selected[l] += selects;
            exclusive[l] += selects && owners[i] == 1;
        }
    for (size_t i = 0; i < size; i++)
        any += owners[i] > 0;
    return any;
}

uint64_t dkvb__separation_pairs(const dkvb_separation_rows *in, const uint32_t *counts, uint64_t *selected,
                                uint64_t *exclusive)
{
    uint64_t any = 0;

    memset(selected, 0, in->classes * sizeof *selected);
    memset(exclusive, 0, in->classes * sizeof *exclusive);
    for (size_t first = 0; first < pairs_of(in); first += BLOCK)
        any += count_owned(in, counts, first, pairs_of(in) - first < BLOCK ? pairs_of(in) - first : BLOCK, selected,
                           exclusive);
    return any;
}

struct comparing {
    const dkvb_separation_rows *in;
    const uint32_t *counts;
    const uint64_t *rows;
    double *jaccard, *weighted; /* overlaps of the codes of each two classes, [classes][classes] */
};

/* Computes how much the codes of two classes overlap. The frequencies with which the rows of classes a and b select a
 * pair, count_a / rows_a and count_b / rows_b, are compared as the products count_a rows_b and count_b rows_a. The
 * products count_a rows_b and count_b rows_a are integers, so their sums are exact in any order; the overlap of two
 * classes' codes is a quotient of such sums, in which the common factor rows_a rows_b cancels. */
static void compare(const struct comparing *s, size_t a, size_t b)
{
    size_t classes = s->in->classes, keys = s->in->keys;
    const uint32_t *in_a = s->counts + a * pairs_of(s->in), *in_b = s->counts + b * pairs_of(s->in);
    uint64_t both = 0, any = 0;
    double least = 0.0, most = 0.0;

    for (size_t c = 0; c < s->in->codebooks; c++, in_a += keys, in_b += keys) {
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
    s->jaccard[a * classes + b] = s->jaccard[b * classes + a] = any ? (double)both / (double)any : NAN;
    s->weighted[a * classes + b] = s->weighted[b * classes + a] = any ? least / most : NAN;
}

/* Computes how much the codes of one class overlap with the codes of the same class and of each class after it. */
static void compare_class(void *context, size_t task, unsigned worker)
{
    const struct comparing *s = context;

    (void)worker;
    for (size_t b = task; b < s->in->classes; b++)
        compare(s, task, b);
}

dkvb_status dkvb__separation_overlap(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                     double *jaccard, double *weighted, const struct dkvb__run *run)
{
    struct comparing s = {in, counts, rows, jaccard, weighted};

    return dkvb__parallel_long(run, in->classes, compare_class, &s, 0, in->classes + chunks_of(in));
}

struct measuring {
    const dkvb_separation_rows *in;
    const uint32_t *counts;
    const uint64_t *rows;
    double *each;
};

/* Counts how often the rows of a class select key-value pairs that a given code (the keys selected by one row) selects
 * too. The number of key-value pairs that the given code (the keys selected by one row) selects is stored in
 * *selections. */
static uint64_t common_with(const struct measuring *s, const uint16_t *code, size_t label, uint64_t *selections)
{
    const uint32_t *counts = s->counts + label * pairs_of(s->in);
    uint64_t common = 0, own = 0;

    for (size_t c = 0; c < s->in->codebooks; c++, counts += s->in->keys)
        for (size_t j = 0; j < s->in->k; j++, code++)
            if (*code != DKVB_CODE_NONE) {
                common += counts[*code];
                own++;
            }
    *selections = own;
    return common;
}

/*
 * Returns the mean distance of a row to `rows` other rows, a distance being the fraction of selected pairs not in
 * common. The distance of a row to row j is 1 - |pairs in common| / (C k), as each row selects k keys in each of C
 * codebooks. Summed over rows j, the pairs that a row has in common with them are the sum of counts[p] over the pairs p
 * that the row selects, where counts[p] is how many of the rows select p; so the mean distance is 1 - sum_p counts[p] /
 * (C k rows). A row must not count itself when its silhouette is computed, so in its own class one is subtracted from
 * the number of rows and from the count of each pair that the row selects.
 */
static double mean_distance(const struct measuring *s, uint64_t common, uint64_t rows)
{
    return 1.0 - (double)common / ((double)code_size(s->in) * (double)rows);
}

static double silhouette(const struct measuring *s, const uint16_t *code, size_t label)
{
    uint64_t selections, common = common_with(s, code, label, &selections), rows = s->rows[label], other;
    double within, between = INFINITY, larger;

    for (size_t l = 0; l < s->in->classes; l++)
        if (l != label && s->rows[l] > 0)
            between = fmin(between, mean_distance(s, common_with(s, code, l, &other), s->rows[l]));
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
    size_t end = s->in->n - task * CHUNK < CHUNK ? s->in->n : (task + 1) * CHUNK;

    (void)worker;
    for (size_t r = task * CHUNK; r < end; r++) {
        int32_t label = s->in->labels[r];

        s->each[r] = label < 0 ? NAN : silhouette(s, s->in->codes + r * code_size(s->in), (size_t)label);
    }
}

dkvb_status dkvb__separation_silhouettes(const dkvb_separation_rows *in, const uint32_t *counts, const uint64_t *rows,
                                         double *each, const struct dkvb__run *run)
{
    struct measuring s = {in, counts, rows, each};

    return dkvb__parallel_long(run, chunks_of(in), measure_chunk, &s, in->classes, in->classes + chunks_of(in));
}

/* The result of dkvb_separation_measure(), with the memory that the members of the public result point to. */
struct separation {
    /* The public result of dkvb_separation_measure() is the first member of the struct, so a pointer to it is a pointer
     * to the whole struct. */
    dkvb_separation found;
    dkvb_allocator mem;
    size_t pairs; /* number of key-value pairs of the codebooks: C codebooks times K keys */
    uint64_t *rows, *selected, *exclusive;
    int32_t *nearest;
    double *overlap, *silhouettes, *jaccard, *weighted, *row_silhouettes;
    uint32_t *counts;
};

static dkvb_status make_room(struct separation **out, const dkvb_separation_rows *in)
{
    dkvb_allocator mem = dkvb__allocator(in->allocator);
    struct separation *s = dkvb__alloc0(&mem, 1, sizeof *s);
    size_t classes = in->classes;

    *out = s;
    if (!s)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for the separation of %zu classes", classes);
    s->mem = mem;
    s->pairs = pairs_of(in);
    s->rows = dkvb__alloc0(&mem, classes, sizeof *s->rows);
    s->selected = dkvb__alloc(&mem, classes, sizeof *s->selected);
    s->exclusive = dkvb__alloc(&mem, classes, sizeof *s->exclusive);
    s->nearest = dkvb__alloc(&mem, classes, sizeof *s->nearest);
    s->overlap = dkvb__alloc(&mem, classes, sizeof *s->overlap);
    s->silhouettes = dkvb__alloc0(&mem, classes, sizeof *s->silhouettes);
    s->jaccard = dkvb__alloc(&mem, classes, classes * sizeof *s->jaccard);
    s->weighted = dkvb__alloc(&mem, classes, classes * sizeof *s->weighted);
    s->row_silhouettes = dkvb__alloc(&mem, in->n, sizeof *s->row_silhouettes);
    s->counts = dkvb__alloc0(&mem, classes, s->pairs * sizeof *s->counts);
    if (s->rows && s->selected && s->exclusive && s->nearest && s->overlap && s->silhouettes && s->jaccard &&
        s->weighted && s->row_silhouettes && s->counts)
        return DKVB_OK;
    return dkvb__fail(DKVB_ENOMEM, "out of memory for the separation of %zu classes, %zu pairs each", classes,
                      s->pairs);
}

/* Finds, for a class, the other class whose codes have the largest weighted overlap with its own; in a tie the lowest
 * class. */
static void find_nearest(struct separation *s, size_t classes, size_t label)
{
    const double *overlap = s->weighted + label * classes;

    s->nearest[label] = -1;
    s->overlap[label] = NAN;
    for (size_t l = 0; l < classes; l++)
        if (l != label && !isnan(overlap[l]) && (s->nearest[label] < 0 || overlap[l] > s->overlap[label])) {
            s->nearest[label] = (int32_t)l;
            s->overlap[label] = overlap[l];
        }
}

/* Computes means of the silhouettes of rows, which are added in the order of the rows. */
static void sum_up(struct separation *s, const dkvb_separation_rows *in)
{
    dkvb_separation *found = &s->found;

    for (size_t r = 0; r < in->n; r++)
        if (in->labels[r] >= 0)
            s->silhouettes[in->labels[r]] += s->row_silhouettes[r];
    for (size_t l = 0; l < in->classes; l++) {
        found->labelled += s->rows[l];
        found->all_exclusive += s->exclusive[l];
        found->silhouette += s->silhouettes[l];
        s->silhouettes[l] = s->rows[l] ? s->silhouettes[l] / (double)s->rows[l] : NAN;
        find_nearest(s, in->classes, l);
    }
    found->silhouette /= (double)found->labelled;
    found->classes = in->classes;
    found->codebooks = in->codebooks;
    found->keys = in->keys;
    found->n = in->n;
    found->rows = s->rows;
    found->selected = s->selected;
    found->exclusive = s->exclusive;
    found->nearest = s->nearest;
    found->overlap = s->overlap;
    found->silhouettes = s->silhouettes;
    found->jaccard = s->jaccard;
    found->weighted = s->weighted;
    found->row_silhouettes = s->row_silhouettes;
    found->counts = s->counts;
}

dkvb_status dkvb_separation_measure(dkvb_separation **out, const dkvb_separation_rows *rows,
                                    const dkvb_run_options *opts)
{
    dkvb_separation_rows in = DKVB_SEPARATION_ROWS_INIT;
    struct separation *s = NULL;
    struct dkvb__run run;
    dkvb_status rc = dkvb__run_take(&run, opts);

    *out = NULL;
    if (!rc)
        rc = take_rows(&in, rows);
    if (!rc)
        rc = make_room(&s, &in);
    if (!rc)
        rc = dkvb__separation_count(&in, s->counts, s->rows, &run);
    if (!rc) {
        s->found.all_selected = dkvb__separation_pairs(&in, s->counts, s->selected, s->exclusive);
        rc = dkvb__separation_overlap(&in, s->counts, s->rows, s->jaccard, s->weighted, &run);
    }
    if (!rc)
        rc = dkvb__separation_silhouettes(&in, s->counts, s->rows, s->row_silhouettes, &run);
    if (rc) {
        dkvb_separation_free(s ? &s->found : NULL);
        return rc;
    }
    sum_up(s, &in);
    *out = &s->found;
    return DKVB_OK;
}

void dkvb_separation_free(dkvb_separation *separation)
{
    struct separation *s = (struct separation *)separation;
    dkvb_allocator mem;

    if (!s)
        return;
    mem = s->mem;
    dkvb__free(&mem, s->rows);
    dkvb__free(&mem, s->selected);
    dkvb__free(&mem, s->exclusive);
    dkvb__free(&mem, s->nearest);
    dkvb__free(&mem, s->overlap);
    dkvb__free(&mem, s->silhouettes);
    dkvb__free(&mem, s->jaccard);
    dkvb__free(&mem, s->weighted);
    dkvb__free(&mem, s->row_silhouettes);
    /* The selection counts are erased before they are freed, as a count of 1 shows what a single row selected. */
    dkvb__free_erased(&mem, s->counts);
    dkvb__free(&mem, s);
}
