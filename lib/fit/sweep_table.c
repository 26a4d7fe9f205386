/* Writes the table of a sweep: during the work, finished cells are kept in a part file; at the end, the whole table is
 * written as CSV. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/partfile.h"
#include "base/sort.h"
#include "base/status.h"
#include "dkvb/unlearn.h"
#include "fit/sweep.h"

/* Text with which the part file of a sweep begins; the text is followed by the version of the file's lines and the
 * fingerprint of the sweep. */
static const char magic[] = "dkvb sweep ";

enum {
    VERSION = 1,
    MEASURED = 15, /* number of integers in a line of a sweep's part file: the index of a cell and its measurements */
    /* room in bytes for a line of a sweep's part file: MEASURED integers of 20 digits, and a checksum of 16 digits */
    LINE = 512,
    HEAD = sizeof magic + 16 + 2 * DKVB__SWEEP_FINGERPRINT
};

/* Writes the first line of the part file of a sweep, "dkvb sweep 1 <fingerprint>", and returns its length. */
static size_t make_head(char head[HEAD], const uint8_t *fingerprint)
{
    int length = snprintf(head, HEAD, "%s%d ", magic, VERSION);

    for (int i = 0; i < DKVB__SWEEP_FINGERPRINT; i++)
        length += snprintf(head + length, HEAD - (size_t)length, "%02x", fingerprint[i]);
    head[length++] = '\n';
    return (size_t)length;
}

/* Appends bytes to the part file of a sweep (its finished cells), after the last valid line. */
static dkvb_status put(struct dkvb__sweep_part *p, const char *from, size_t size)
{
    dkvb_status rc = dkvb__partfile_put(p->fd, p->path, p->end, from, size);

    p->end += rc ? 0 : size;
    return rc;
}

static size_t make_line(char line[LINE], const dkvb_sweep_cell *c)
{
    const uint64_t numbers[MEASURED] = {c->index,         c->pairs,        c->rows,        c->forget_rows,
                                        c->forget_before, c->forget_after, c->retain_rows, c->retain_before,
                                        c->retain_after,  c->worst,        c->has_worst,   c->worst_rows,
                                        c->worst_before,  c->worst_after,  c->exhausted};
    uint64_t sum = DKVB__FNV_BEGIN;
    int length = 0;

    for (int i = 0; i < MEASURED; i++)
        length += snprintf(line + length, LINE - (size_t)length, "%llu ", (unsigned long long)numbers[i]);
    dkvb__fnv_add(&sum, line, (size_t)length);
    length += snprintf(line + length, LINE - (size_t)length, "%016llx\n", (unsigned long long)sum);
    return (size_t)length;
}

/* Reads a number in digits, and the blank after the number, from a line. The function take_number() returns NULL if
 * there is no number at the given place of the line, or if the number is too large. */
static const char *take_number(const char *at, const char *end, uint64_t *number)
{
    const char *first = at;

    for (*number = 0; at < end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (*number > (UINT64_MAX - digit) / 10)
            return NULL;
        *number = 10 * *number + digit;
    }
    return at > first && at < end && *at == ' ' ? at + 1 : NULL;
}

/* Reads the results of a sweep's cell from the cell's line in the part file. If a line of a sweep's part file is not
 * exactly what would be written for its cell, it is not read, and false is returned. */
static bool take_line(const char *line, size_t length, dkvb_sweep_cell *cell)
{
    uint64_t numbers[MEASURED];
    const char *at = line;
    dkvb_sweep_cell c = *cell;
    char again[LINE];

    for (int i = 0; i < MEASURED; i++)
        if (!(at = take_number(at, line + length, &numbers[i])))
            return false;
    c.pairs = numbers[1], c.rows = numbers[2];
    c.forget_rows = numbers[3], c.forget_before = numbers[4], c.forget_after = numbers[5];
    c.retain_rows = numbers[6], c.retain_before = numbers[7], c.retain_after = numbers[8];
    c.worst = (uint32_t)numbers[9], c.has_worst = (uint32_t)numbers[10];
    c.worst_rows = numbers[11], c.worst_before = numbers[12], c.worst_after = numbers[13];
    c.exhausted = numbers[14];
    /* A line of a sweep's part file must equal the line that would be written for its cell, index and checksum
     * included. */
    if (make_line(again, &c) != length || memcmp(again, line, length) != 0)
        return false;
    *cell = c;
    return true;
}

/* Goes on with the part file of an unfinished sweep: reads its first line and then the complete lines of finished
 * cells, and cuts off everything after them. */
static dkvb_status go_on(struct dkvb__sweep_part *p, size_t head, dkvb_sweep_cell *cells, uint64_t *done)
{
    size_t most = head + (size_t)cells->cells * LINE, got, at = head;
    struct stat st;
    char *text;
    dkvb_status rc = fstat(p->fd, &st) == 0 ? DKVB_OK : dkvb__fail_errno(p->path, "examine");

    if (rc)
        return rc;
    most = (uint64_t)st.st_size < most ? (size_t)st.st_size : most;
    text = dkvb__alloc(p->mem, most, 1);
    if (!text)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for its %zu bytes", p->path, most);
    rc = dkvb__partfile_get(p->fd, p->path, 0, text, most, &got);
    while (!rc && *done < cells->cells && at < got) {
        const char *end = memchr(text + at, '\n', got - at);
        size_t length = end ? (size_t)(end - (text + at)) + 1 : 0;

        if (!end || !take_line(text + at, length, &cells[*done]))
            break;
        at += length;
        ++*done;
    }
    dkvb__free(p->mem, text);
    p->end = at;
    if (!rc && ftruncate(p->fd, (off_t)at) != 0)
        rc = dkvb__fail_errno(p->path, "shorten");
    return rc;
}

static dkvb_status begin(struct dkvb__sweep_part *p, const char *head, size_t length)
{
    p->end = 0;
    return ftruncate(p->fd, 0) == 0 ? put(p, head, length) : dkvb__fail_errno(p->path, "empty");
}

static dkvb_status begin_or_go_on(struct dkvb__sweep_part *p, const uint8_t *fingerprint, bool restart,
                                  dkvb_sweep_cell *cells, uint64_t *done)
{
    char head[HEAD], found[HEAD];
    /* Every part file in this version of the format of part files begins with `version` bytes: a text, the digit of the
     * version and a blank. */
    size_t length = make_head(head, fingerprint), got, version = sizeof magic + 1;
    dkvb_status rc = dkvb__partfile_get(p->fd, p->path, 0, found, length, &got);

    if (rc)
        return rc;
    /* A sweep's part file that is empty, or was cut within the first line of the same sweep, is begun anew. */
    if (got < length && memcmp(found, head, got) == 0)
        return begin(p, head, length);
    if (got < sizeof magic - 1 || memcmp(found, magic, sizeof magic - 1) != 0)
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: not a file of finished cells, but another file with that name: move or delete it",
                          p->path);
    if (restart)
        return begin(p, head, length);
    if (memcmp(found, head, length) != 0)
        return dkvb__fail(DKVB_EMISMATCH,
                          "%.300s holds cells of another %s. It must be deleted, or the sweep restarted from the first "
                          "cell",
                          p->path,
                          memcmp(found, head, version) != 0 ? "version of dkvb, which this one cannot go on with"
                                                            : "sweep: the model, the codes or the options were others");
    return go_on(p, length, cells, done);
}

dkvb_status dkvb__sweep_part_open(struct dkvb__sweep_part *p, const char *output, const uint8_t *fingerprint,
                                  bool restart, dkvb_sweep_cell *cells, uint64_t *done)
{
    size_t size = strlen(output) + sizeof ".part";
    bool created;
    dkvb_status rc;

    *done = 0;
    p->path = dkvb__alloc(p->mem, size, 1);
    if (!p->path)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for its name", output);
    snprintf(p->path, size, "%s.part", output);
    rc = dkvb__partfile_open(p->path, "cells", &p->fd, &created);
    if (!rc)
        rc = begin_or_go_on(p, fingerprint, restart, cells, done);
    if (rc && p->fd >= 0 && created) /* If a new part file of a sweep could not be begun, the file is removed again. */
        (void)unlink(p->path);
    return rc;
}

dkvb_status dkvb__sweep_part_add(struct dkvb__sweep_part *p, const dkvb_sweep_cell *cells, size_t n)
{
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && i < n; i++) {
        char line[LINE];

        rc = put(p, line, make_line(line, &cells[i]));
    }
    if (!rc && dkvb__partfile_now() >= p->sync_due) {
        rc = dkvb__partfile_sync(p->fd, p->path);
        p->sync_due = dkvb__partfile_next_sync();
    }
    return rc;
}

dkvb_status dkvb__sweep_part_end(struct dkvb__sweep_part *p, dkvb_status rc, bool keep)
{
    if (p->fd >= 0 && !keep && unlink(p->path) != 0 && !rc)
        rc = dkvb__fail_errno(p->path, "remove");
    if (p->fd >= 0)
        close(p->fd);
    dkvb__free(p->mem, p->path);
    p->path = NULL;
    p->fd = -1;
    return rc;
}

/* A line of the table of a sweep, while the line is being built. Each of the two text fields in a line of the sweep's
 * table takes up to 2 * 255 + 2 bytes. */
struct line {
    char text[2048];
    size_t size;
};

static void put_char(struct line *line, char c)
{
    if (line->size < sizeof line->text)
        line->text[line->size++] = c;
}

/* Adds a text field to a line of the sweep's table, quoted if necessary (RFC 4180, but lines end in LF). A text that is
 * NULL becomes an empty field of the sweep's table. */
static void put_text(struct line *line, const char *text)
{
    bool quoted = text && text[strcspn(text, ",\"\r\n")];

    if (line->size > 0)
        put_char(line, ',');
    if (quoted)
        put_char(line, '"');
    for (; text && *text; text++) {
        if (*text == '"')
            put_char(line, '"');
        put_char(line, *text);
    }
    if (quoted)
        put_char(line, '"');
}

static void put_count(struct line *line, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    put_text(line, text);
}

/* Adds a number with six digits after a '.', in every locale, to a line of the sweep's table; NaN becomes an empty
 * field. */
static void put_real(struct line *line, double x)
{
    char text[40];
    uint64_t whole;

    if (!isfinite(x) || fabs(x) > 1e12) {
        put_text(line, NULL);
        return;
    }
    whole = (uint64_t)(fabs(x) * 1e6 + 0.5);
    snprintf(text, sizeof text, "%s%llu.%06llu", x < 0.0 && whole > 0 ? "-" : "", (unsigned long long)(whole / 1000000),
             (unsigned long long)(whole % 1000000));
    put_text(line, text);
}

/* Those results of a sweep's cells for which the table has means and intervals. */
enum { PAIRS, FORGET_BEFORE, FORGET_AFTER, RETAIN_BEFORE, RETAIN_AFTER, RETAIN_CHANGE, WORST_LOSS, EXHAUSTED, FIGURES };

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

static void figures_of(const dkvb_sweep_cell *c, double out[FIGURES])
{
    out[PAIRS] = c->strength == DKVB_STRENGTH_EXACT ? NAN : (double)c->pairs;
    out[FORGET_BEFORE] = share(c->forget_before, c->forget_rows);
    out[FORGET_AFTER] = share(c->forget_after, c->forget_rows);
    out[RETAIN_BEFORE] = share(c->retain_before, c->retain_rows);
    out[RETAIN_AFTER] = share(c->retain_after, c->retain_rows);
    out[RETAIN_CHANGE] = out[RETAIN_AFTER] - out[RETAIN_BEFORE];
    out[WORST_LOSS] = c->has_worst ? ((double)c->worst_before - (double)c->worst_after) / (double)c->worst_rows : NAN;
    out[EXHAUSTED] = c->strength == DKVB_STRENGTH_EXACT ? NAN : (double)c->exhausted;
}

static const char head[] =
    "line,cells,codebooks,keys,key_dim,top_k,train_seed,class,name,strength,method,seed,budget,pairs,rows,forget_rows,"
    "forget_before,forget_after,retain_rows,retain_before,retain_after,retain_change,worst_class,worst_name,worst_loss,"
    "exhausted,measured_on\n";

struct table {
    struct dkvb__writer writer;
    const dkvb_model *model;
    const dkvb_sweep_cell *cells;
    size_t count;
    const char *measured_on;
};

/* Writes a line of the sweep's table: for one cell if `kind` is "cell", otherwise for a group of cells. A line of the
 * sweep's table for a group of cells leaves out the class and the seed. */
static dkvb_status put_line(struct table *t, const char *kind, uint64_t cells, const dkvb_sweep_cell *c,
                            const double figures[FIGURES])
{
    bool one = kind[0] == 'c', exact = c->strength == DKVB_STRENGTH_EXACT;
    struct line line;

    line.size = 0;
    put_text(&line, kind);
    put_count(&line, cells);
    put_count(&line, c->codebooks);
    put_count(&line, c->keys);
    put_count(&line, c->key_dim);
    put_count(&line, c->top_k);
    one ? put_count(&line, c->train_seed) : put_text(&line, NULL);
    one ? put_count(&line, c->label) : put_text(&line, NULL);
    put_text(&line, one ? dkvb_model_class_name(t->model, c->label) : NULL);
    put_text(&line, dkvb_name(DKVB_NAME_STRENGTH, c->strength));
    put_text(&line, exact ? NULL : dkvb_name(DKVB_NAME_METHOD, c->method));
    one && c->method == DKVB_METHOD_EXAMPLES ? put_count(&line, c->seed) : put_text(&line, NULL);
    c->budget ? put_count(&line, c->budget) : put_text(&line, NULL);
    one && !exact ? put_count(&line, c->pairs) : put_real(&line, figures[PAIRS]);
    one ? put_count(&line, c->rows) : put_text(&line, NULL);
    one ? put_count(&line, c->forget_rows) : put_text(&line, NULL);
    put_real(&line, figures[FORGET_BEFORE]);
    put_real(&line, figures[FORGET_AFTER]);
    one ? put_count(&line, c->retain_rows) : put_text(&line, NULL);
    put_real(&line, figures[RETAIN_BEFORE]);
    put_real(&line, figures[RETAIN_AFTER]);
    put_real(&line, figures[RETAIN_CHANGE]);
    one && c->has_worst ? put_count(&line, c->worst) : put_text(&line, NULL);
    put_text(&line, one && c->has_worst ? dkvb_model_class_name(t->model, c->worst) : NULL);
    put_real(&line, figures[WORST_LOSS]);
    one && !exact ? put_count(&line, c->exhausted) : put_real(&line, figures[EXHAUSTED]);
    put_text(&line, t->measured_on);
    put_char(&line, '\n');
    return dkvb__writer_put(&t->writer, line.text, line.size);
}

/* Returns the 0.975 quantile of Student's t distribution with df degrees of freedom. Beyond 30 degrees of freedom the
 * quantile of Student's t is computed by the expansion of Fisher and Cornish in 1 / df to the fourth power (Abramowitz
 * and Stegun 1964, 26.7.5), whose error is then below 2e-7. */
static double student(uint64_t df)
{
    static const double table[] = {12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004,
                                   2.262157,  2.228139, 2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905,
                                   2.109816,  2.100922, 2.093024, 2.085963, 2.079614, 2.073873, 2.068658, 2.063899,
                                   2.059539,  2.055529, 2.051831, 2.048407, 2.045230, 2.042272};
    const double z = 1.959963984540054, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z, z9 = z7 * z * z;
    double n = (double)df;

    if (df <= sizeof table / sizeof *table)
        return table[df - 1];
    return z + (z3 + z) / (4.0 * n) + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * n * n) +
           (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * n * n * n) +
           (79.0 * z9 + 776.0 * z7 + 1482.0 * z5 - 1920.0 * z3 - 945.0 * z) / (92160.0 * n * n * n * n);
}

/* Computes the mean of n values, and half the width of the mean's 95 % interval, which is NaN for one value. */
static void estimate(const double *values, size_t n, double *mean, double *half)
{
    double sum = 0.0, squares = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += values[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *half = n > 1 ? student(n - 1) * sqrt(squares / (double)(n - 1) / (double)n) : NAN;
}

/* Sort keys, each of 64 bits, by which the cells of a sweep are sorted: the last key is the class, and the other keys
 * are equal for all cells of one group. */
enum { SIZES, BUDGET, HOW, LABEL, KEYS };

static uint64_t key_of(const dkvb_sweep_cell *c, int key)
{
    switch (key) {
    case SIZES: /* The four sizes of a model's shape fit in one number of 64 bits, as each size fits in 16 bits. */
        return (uint64_t)c->codebooks << 48 | (uint64_t)c->keys << 32 | (uint64_t)c->key_dim << 16 | c->top_k;
    case BUDGET:
        return c->budget;
    case HOW:
        return (uint64_t)c->strength << 32 | (uint64_t)c->method << 1 | c->trained_anew;
    default:
        return c->label;
    }
}

/* Sorts the cells of a sweep by group, and within a group by class; cells of equal group and class keep their order.
 * The order of the sweep's cells comes from stable sorts by one key after the other, so the most important key is
 * sorted last. Sorting the cells of the sweep takes O(cells) time for any number of groups. The sorted order of a
 * sweep's cells goes to `order`, which has room for 2 * cells elements, the second half as scratch space. */
static void order_cells(const struct table *t, struct dkvb__keyed *order)
{
    for (size_t i = 0; i < t->count; i++)
        order[i].index = i;
    for (int key = KEYS; key-- > 0;) {
        for (size_t i = 0; i < t->count; i++)
            order[i].key = key_of(&t->cells[order[i].index], key);
        dkvb__sort_keyed(order, order + t->count, t->count);
    }
}

static bool same_group(const dkvb_sweep_cell *a, const dkvb_sweep_cell *b)
{
    return key_of(a, SIZES) == key_of(b, SIZES) && key_of(a, BUDGET) == key_of(b, BUDGET) &&
           key_of(a, HOW) == key_of(b, HOW);
}

static double figure_of(const dkvb_sweep_cell *c, int f)
{
    double figures[FIGURES];

    figures_of(c, figures);
    return figures[f];
}

/* Collects the values of result number f that are averaged over a group of cells of the sweep, and returns the number
 * of values. Each value that is averaged over a group of cells is the result of one class, averaged over its seeds; if
 * a group has a single class, the result of each cell is a value. */
static size_t unit_values(const struct table *t, const struct dkvb__keyed *group, size_t n, int f, double *values)
{
    const dkvb_sweep_cell *cells = t->cells;
    bool one_class = cells[group[0].index].label == cells[group[n - 1].index].label;
    size_t units = 0;

    for (size_t i = 0, next; i < n; i = next) {
        double sum = figure_of(&cells[group[i].index], f);

        for (next = i + 1; !one_class && next < n && cells[group[next].index].label == cells[group[i].index].label;
             next++)
            sum += figure_of(&cells[group[next].index], f);
        values[units++] = sum / (double)(next - i);
    }
    return units;
}

static dkvb_status put_group(struct table *t, const struct dkvb__keyed *group, size_t n, double *values)
{
    const dkvb_sweep_cell *first = &t->cells[group->index];
    double mean[FIGURES], low[FIGURES], high[FIGURES];
    dkvb_status rc;

    for (int f = 0; f < FIGURES; f++) {
        size_t units = unit_values(t, group, n, f, values);
        double half;

        estimate(values, units, &mean[f], &half);
        low[f] = mean[f] - half;
        high[f] = mean[f] + half;
    }
    rc = put_line(t, "mean", n, first, mean);
    if (!rc)
        rc = put_line(t, "low", n, first, low);
    if (!rc)
        rc = put_line(t, "high", n, first, high);
    return rc;
}

/* Writes the lines of a sweep's table that have means over a group of cells, one line per group, in the order of the
 * groups' first cells. */
static dkvb_status put_groups(struct table *t)
{
    const dkvb_allocator *mem = &t->model->mem;
    double *values = dkvb__alloc(mem, t->count, sizeof *values);
    /* for each cell of the sweep, the number of cells in the group if the cell is the first one of a group, otherwise
     * 0 */
    size_t *sizes = dkvb__alloc0(mem, t->count, sizeof *sizes);
    size_t *begins = dkvb__alloc(mem, t->count, sizeof *begins);
    struct dkvb__keyed *order = dkvb__alloc(mem, t->count, 2 * sizeof *order);
    dkvb_status rc = DKVB_OK;

    if (!values || !sizes || !begins || !order)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the means of %zu cells", t->count);
    else
        order_cells(t, order);
    for (size_t begin = 0, end; !rc && begin < t->count; begin = end) {
        const dkvb_sweep_cell *first = &t->cells[order[begin].index];

        for (end = begin + 1; end < t->count && same_group(first, &t->cells[order[end].index]); end++)
            ;
        sizes[order[begin].index] = end - begin;
        begins[order[begin].index] = begin;
    }
    for (size_t i = 0; !rc && i < t->count; i++)
        if (sizes[i])
            rc = put_group(t, order + begins[i], sizes[i], values);
    dkvb__free(mem, values);
    dkvb__free(mem, sizes);
    dkvb__free(mem, begins);
    dkvb__free(mem, order);
    return rc;
}

dkvb_status dkvb__sweep_write_table(const char *path, const dkvb_model *model, const dkvb_sweep_cell *cells,
                                    size_t count, const char *measured_on)
{
    struct table t = {.model = model, .cells = cells, .count = count, .measured_on = measured_on};
    dkvb_status rc = dkvb__writer_begin(&t.writer, path, &model->mem);

    if (rc)
        return rc;
    rc = dkvb__writer_put(&t.writer, head, sizeof head - 1);
    for (size_t i = 0; !rc && i < count; i++) {
        double figures[FIGURES];

        figures_of(&cells[i], figures);
        rc = put_line(&t, "cell", 1, &cells[i], figures);
    }
    if (!rc)
        rc = put_groups(&t);
    return dkvb__writer_end(&t.writer, rc);
}
