/* Tests of reading tables: text files in every layout, NumPy archives, labels, ids and groups. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/bytes.h"
#include "data/decimal.h"
#include "data_files.h"
#include "dkvb/table.h"

static dkvb_table *table, *no_table; /* table that was read, and result of calls that fail */
static dkvb_table_info info;

/* Reads the test file as a table, and stores its properties in `info`. */
static void read_table(const char *path, const dkvb_table_options *o)
{
    dkvb_table_free(table);
    if (dkvb_table_read(&table, path, o, NULL))
        fail_msg("%s", dkvb_last_error());
    info = (dkvb_table_info)DKVB_TABLE_INFO_INIT;
    assert_int_equal(dkvb_table_get_info(table, &info), DKVB_OK);
}

static void read_text(const char *text, const dkvb_table_options *o)
{
    put_file(text, strlen(text));
    read_table(data_path, o);
}

static int release(void **state)
{
    (void)state;
    dkvb_table_free(table);
    table = NULL;
    return 0;
}

/* Asserts that reading a table fails without a result, and that the error message names the file and contains
 * `part`. */
static void assert_no_table(const char *path, const dkvb_table_options *o, dkvb_status code, const char *part)
{
    dkvb_table *none = (dkvb_table *)data_path;

    assert_int_equal(dkvb_table_read(&none, path, o, NULL), code);
    assert_null(none);
    if (!strstr(dkvb_last_error(), part) || !strstr(dkvb_last_error(), path))
        fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), part);
}

static void assert_text_refused(const char *text, const dkvb_table_options *o, dkvb_status code, const char *part)
{
    put_file(text, strlen(text));
    assert_no_table(data_path, o, code, part);
}

/* Asserts that a text is read as `rows` rows of `columns` features, whose values are 1, 2, 3 and so on. */
static void assert_counts(const char *text, size_t rows, size_t columns)
{
    read_text(text, NULL);
    if (info.rows != rows || info.columns != columns)
        fail_msg("%zu rows of %zu columns in \"%s\"", (size_t)info.rows, (size_t)info.columns, text);
    for (size_t i = 0; i < rows * columns; i++)
        if (info.x[i] != (float)(i + 1))
            fail_msg("element %zu is %g in \"%s\"", i, (double)info.x[i], text);
}

static uint64_t next_random(void)
{
    static uint64_t seed = 1;
    uint64_t z = seed += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Asserts that a decimal number is read as the nearest float32, ties to even, as the C library's strtof() does. */
static void assert_rounds(const char *text, float expected)
{
    float value = 0;
    bool finite = dkvb__decimal(text, &value);

    if (finite != (bool)isfinite(expected) || (finite && memcmp(&value, &expected, sizeof value) != 0))
        fail_msg("%s is %.9g, %.9g is nearest", text, (double)value, (double)expected);
}

static void make_number(char text[1300], size_t i)
{
    uint64_t r = next_random();
    uint32_t bits = (uint32_t)next_random() & 0x7FFFFFFF;
    float low, high;

    switch (i % 6) {
    case 0: /* a number with a decimal point and an exponent */
        snprintf(text, 1300, "%s%llu.%llue%d", r & 1 ? "-" : "", (unsigned long long)(r % 1000000),
                 (unsigned long long)(next_random() >> r % 64), (int)(r >> 20) % 60 - 30);
        return;
    case 1: /* a number as tables usually have it */
        snprintf(text, 1300, "%.*f", (int)(r % 12), ((double)(r >> 11) / 9007199254740992.0 - 0.5) * 20);
        return;
    case 2: /* a number in the range of subnormal floats or below */
        snprintf(text, 1300, "%llu.%llue-%d", (unsigned long long)(r % 10), (unsigned long long)(r >> 40),
                 38 + (int)(r % 9));
        return;
    default: /* a number halfway between two floats, or a last digit off */
        memcpy(&low, &bits, sizeof low);
        if (!isfinite(low) || !isfinite(high = nextafterf(low, INFINITY))) {
            snprintf(text, 1300, "3.40282356779733661637539395458142568447e38");
            return;
        }
        snprintf(text, 1300, "%.*f", i % 6 == 3 ? 160 : 30, ((double)low + (double)high) / 2);
        if (i % 6 == 5)
            snprintf(text + strlen(text), 8, "%s1", strlen(text) < 1200 ? "00000" : "");
        if (i % 6 == 4)
            snprintf(text, 1300, "%.17g", (double)low);
    }
}

static void numbers_are_rounded_once(void **state)
{
    enum { COUNT = 150000 };
    char text[1300];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        make_number(text, i);
        assert_rounds(text, strtof(text, NULL));
    }
}

/* 2^24 + 1 lies between two floats. As a double, the first text is exactly that middle, which would be rounded to the
 * even float. */
static void a_number_just_above_the_middle_goes_up(void **state)
{
    float value;

    (void)state;
    assert_rounds("16777217.000000001", 16777218.0f);
    assert_rounds("16777217.0000000000000000000000000000000001", 16777218.0f);
    assert_rounds("16777217", 16777216.0f);
    /* as a double the middle of two floats; the text is 6e-16 above */
    assert_rounds("8.000001430511474", 8.00000095367431640625f);
    assert_rounds("8.000000476837159", 8.00000095367431640625f); /* here the text is below the middle */
    assert_rounds("16777219", 16777220.0f);
    assert_rounds("3.4028235677973366e38", strtof("3.4028235677973366e38", NULL));
    assert_rounds("1e-46", 0.0f);
    assert_rounds("-0", -0.0f);
    assert_rounds("0e999999999999", 0.0f);
    assert_rounds("1e-999999999999", 0.0f);
    assert_false(dkvb__decimal("1e999999999999", &value));
}

static void only_decimal_numbers_are_numbers(void **state)
{
    static const char *const none[] = {"",      "+",   "-",     ".",    "1e", "1e+", "e5",      "0x10", "1,5",
                                       "1.2.3", "nan", "inf",   "1e5 ", " 1", "1_0", "--1",     "1d5",  "1f",
                                       "١",     "NaN", "1e5.0", "+-1",  "1a", "1e-", "infinity"};
    static const char *const some[] = {"1", "+1", "-1", ".5", "5.", "1E5", "1e+05", "00012", "1e-5"};
    float value;

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (dkvb__is_decimal(none[i]) || dkvb__decimal(none[i], &value))
            fail_msg("'%s' is taken for a number", none[i]);
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        assert_true(dkvb__is_decimal(some[i]));
        assert_rounds(some[i], strtof(some[i], NULL));
    }
}

/* The texts are made in the locale "C", and read in a locale with decimal commas. */
static void numbers_are_the_same_in_a_locale_with_a_comma(void **state)
{
    static const char *const texts[] = {"1.5", "0.1", "16777217.000000001", "1e-40",
                                        "123456789012345678901234567890.5"};
    float expected[5];

    (void)state;
    for (size_t i = 0; i < 5; i++)
        expected[i] = strtof(texts[i], NULL);
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "de_DE.utf8") && !setlocale(LC_ALL, "de_DE"))
        skip();
    for (size_t i = 0; i < 5; i++)
        assert_rounds(texts[i], expected[i]);
    setlocale(LC_ALL, "C");
}

static void every_layout_of_a_text_holds_the_same_rows(void **state)
{
    static const char *const separators[] = {",", ";", "\t", " ", " , ", " ; ", "   ", "\t "};
    static const char *const ends[] = {"\n", "\r\n", "\r", "\n\n", "\r\n\r\n", " \n"};

    (void)state;
    for (size_t i = 0; i < 8 * 6 * 16; i++) {
        const char *s = separators[i % 8], *e = ends[i / 8 % 6], *q = i / 48 & 1 ? "\"" : "";
        char text[512];

        if (*e == ' ' && strchr(s, '\t'))
            continue;
        snprintf(text, sizeof text, "%s%s%s1.0%s%s%s2%s%s3%s%s4%s%s5%s%s6%s%s", i / 96 & 1 ? "\xEF\xBB\xBF" : "",
                 i / 192 & 1 ? "\n\n" : "", q, q, s, q, q, s, e, q, q, s, s, q, q, i / 384 & 1 ? "" : e);
        assert_counts(text, 2, 3);
        assert_null(info.column_names);
    }
}

static void the_strongest_separator_of_the_first_line_holds(void **state)
{
    (void)state;
    read_text("a b;c,d\n1;2\n", NULL);
    assert_int_equal(info.columns, 2);
    assert_string_equal(info.column_names[0], "a b");
    assert_string_equal(info.column_names[1], "c,d");
    read_text("\"a;b\",\"c, d\"\n1,2\n", NULL); /* semicolons and commas in quotes do not separate columns */
    assert_string_equal(info.column_names[0], "a;b");
    assert_string_equal(info.column_names[1], "c, d");
}

static void quoted_fields_hold_separators_quotes_and_lines(void **state)
{
    const char *x = "x";
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    o.label_column = "who";
    o.columns = &x;
    o.column_count = 1;
    read_text("x,who,note\r\n1,\"a,b\",\r\n2,\"say \"\"no\"\"\",\r\n3,c,\"two\r\nlines\"\r\n4,\" kept \",\"\"\r\n", &o);
    assert_int_equal(info.rows, 4);
    assert_int_equal(info.label_count, 4);
    assert_string_equal(info.label_names[info.labels[0]], "a,b");
    assert_string_equal(info.label_names[info.labels[1]], "say \"no\"");
    assert_string_equal(info.label_names[info.labels[2]], "c");
    assert_string_equal(info.label_names[info.labels[3]], " kept ");
    assert_text_refused("x,who\n1,\"a\nb\"\n", &o, DKVB_EFORMAT,
                        "the label of row 0 is no UTF-8 text without control characters");
    assert_text_refused("x,who\n1,\"a\nb\"\n2\n", &o, DKVB_EFORMAT, "line 4 has 1 fields, line 1 has 2");
    assert_text_refused("x,who\n1,\"a\n2,b\n", &o, DKVB_EFORMAT, "line 2: a quote is opened and never closed");
    assert_text_refused("x,who\n1,\"a\"b\n", &o, DKVB_EFORMAT, "line 2: text stands behind the quote");
}

static void names_stand_above_numbers(void **state)
{
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    assert_counts("1,2\n3,4\n", 2, 2);
    assert_null(info.column_names);
    assert_counts("a,b\n1,2\n", 1, 2);
    assert_string_equal(info.column_names[1], "b");
    assert_counts("a,b\n", 0, 2);
    assert_counts("0,1,2\n1,2,3\n", 1, 3); /* pandas calls columns without names 0, 1, 2 */
    assert_string_equal(info.column_names[0], "0");
    assert_counts(",0,1\n0,1,2\n1,3,4\n", 2, 2); /* pandas writes row numbers in the first column */
    assert_string_equal(info.column_names[0], "0");
    assert_counts(",a,b\n0,1,2\n1,3,4\n", 2, 2);
    read_text("0,1\n5,6\n", NULL); /* the first line may be a row of numbers */
    assert_int_equal(info.rows, 2);
    o.header = DKVB_HEADER_YES;
    read_text("7,8\n1,2\n", &o);
    assert_int_equal(info.rows, 1);
    assert_string_equal(info.column_names[0], "7");
    o.header = DKVB_HEADER_NO;
    read_text("0,1,2\n1,2,3\n", &o);
    assert_int_equal(info.rows, 2);
    assert_text_refused("a,b,a\n1,2,3\n", NULL, DKVB_EFORMAT, "line 1: two columns are called 'a'");
    assert_text_refused("a,\xFF\n1,2\n", NULL, DKVB_EFORMAT,
                        "the name of column 2 is no UTF-8 text without control characters");
}

static void a_cell_that_is_no_number_is_named_by_line_and_column(void **state)
{
    static const struct {
        const char *cell, *found;
    } cells[] = {{"", "is empty"},      {"nan", "is 'nan'"},   {"inf", "is 'inf'"},     {"-inf", "is '-inf'"},
                 {"1e39", "is '1e39'"}, {"word", "is 'word'"}, {"0x1p3", "is '0x1p3'"}, {"\"1,5\"", "is '1,5'"}};

    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        char text[128], part[64];

        snprintf(text, sizeof text, "a,b\n1,2\n\n3,%s\n5,6\n", cells[i].cell);
        snprintf(part, sizeof part, "line 4: column 2 ('b') %s", cells[i].found);
        assert_text_refused(text, NULL, DKVB_EFORMAT, part);
        snprintf(text, sizeof text, "1,2\r3,%s\r5,6", cells[i].cell);
        snprintf(part, sizeof part, "line 2: column 2 %s", cells[i].found);
        assert_text_refused(text, NULL, DKVB_EFORMAT, part);
    }
    assert_text_refused("a,b\n1,2\n3\n", NULL, DKVB_EFORMAT, "line 3 has 1 fields, line 1 has 2");
    assert_text_refused("a,b\n1,2\n3,4,5\n", NULL, DKVB_EFORMAT, "line 3 has 3 fields, line 1 has 2");
    assert_text_refused("a;b\n1,5;2\n", NULL, DKVB_EFORMAT, "with a decimal point");
}

static void labels_are_numbers_or_names_in_the_order_of_their_bytes(void **state)
{
    static const char *const given[] = {"dog", "2", ""};
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    o.label_column = "y";
    read_text("x,y\n1,7\n2,-1\n3,\n4,0\n5,3.0\n", &o);
    assert_null(info.label_names);
    assert_memory_equal(info.labels, ((int32_t[]){7, -1, -1, 0, 3}), 5 * sizeof(int32_t));
    read_text("x,y\n1,dog\n2,cat\n3,\n4,Zebra\n5,\xC3\xA4\n6,cat\n", &o);
    assert_int_equal(info.label_count, 4);
    assert_string_equal(info.label_names[0], "Zebra");
    assert_string_equal(info.label_names[3], "\xC3\xA4");
    assert_memory_equal(info.labels, ((int32_t[]){2, 1, -1, 0, 3, 1}), 6 * sizeof(int32_t));
    o.label_names = given;
    o.label_name_count = 3;
    read_text("x,y\n1,dog\n2,2\n3,1\n4,ant\n5,\n6,5\n", &o); /* the label name "2" takes precedence over label 2 */
    assert_int_equal(info.label_count, 5);
    assert_string_equal(info.label_names[2], "");
    assert_string_equal(info.label_names[3], "5");
    assert_string_equal(info.label_names[4], "ant");
    assert_memory_equal(info.labels, ((int32_t[]){0, 1, 1, 4, -1, 3}), 6 * sizeof(int32_t));
    o.label_names = NULL;
    o.label_name_count = 0;
    assert_text_refused("x,y\n1,0.5\n2,1.5\n", &o, DKVB_EFORMAT, "labels are numbers with a fraction, '0.5' of row 0");
    assert_text_refused("x,y\n1,0\n2,99999999999\n", &o, DKVB_EFORMAT,
                        "the label of row 1 is 99999999999; labels that are numbers must be 0 to 2147483647, or -1");
    assert_text_refused("x,y\n1,-2\n2,0\n", &o, DKVB_EFORMAT, "the label of row 0 is -2; labels that are numbers");
    assert_text_refused("x,y\n1,a\n2,\xFF\n", &o, DKVB_EFORMAT,
                        "the label of row 1 is no UTF-8 text without control characters");
    assert_text_refused("x,z\n1,a\n", &o, DKVB_EMISMATCH, "no column is called 'y', which must have the labels");
}

/* Any number of label names gets labels by sorted order, whatever the order of the rows. */
static void numbers_of_names_do_not_depend_on_the_order_of_rows(void **state)
{
    enum { ROWS = 3000 };
    char *text = malloc(ROWS * 16 + 16), *at = text;
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    at += sprintf(at, "x,y\n");
    for (size_t i = 0; i < ROWS; i++)
        at += sprintf(at, "1,n%llu\n", (unsigned long long)(next_random() % 1000));
    o.label_column = "y";
    read_text(text, &o);
    free(text);
    assert_true(info.label_count > 800);
    for (size_t i = 1; i < info.label_count; i++)
        assert_true(strcmp(info.label_names[i - 1], info.label_names[i]) < 0);
}

static void a_text_of_labels_or_ids_has_one_a_line(void **state)
{
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    o.what = DKVB_TABLE_LABELS;
    read_text("cat\n\ndog, small\ncat\n\n", &o);
    assert_int_equal(info.rows, 4);
    assert_memory_equal(info.labels, ((int32_t[]){0, -1, 1, 0}), 4 * sizeof(int32_t));
    assert_string_equal(info.label_names[1], "dog, small");
    read_text("label\r\n1\r\n0\r\n", &o);
    assert_int_equal(info.rows, 2);
    assert_text_refused("x,y\n1,2\n", &o, DKVB_EFORMAT, "has 2 columns (x, y); the one with the labels must be named");
    o.what = DKVB_TABLE_IDS;
    read_text("12\n18446744073709551615\n0\n", &o);
    assert_null(info.id_names);
    assert_true(info.ids[1] == UINT64_MAX && info.ids[0] == 12);
    read_text("12\n18446744073709551616\n", &o); /* a number beyond 64 bits is a name */
    assert_string_equal(info.id_names[1], "18446744073709551616");
    assert_text_refused("a\nb\na\n", &o, DKVB_EFORMAT, "line 3: the id 'a' is also that of row 0");
    assert_text_refused("a\n\nb\n", &o, DKVB_EFORMAT, "row 1 has no id");
}

static void a_group_has_one_number_in_all_files(void **state)
{
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
    uint64_t ann;

    (void)state;
    o.group_column = "who";
    read_text("x,who\n1,ann\n2,bob\n3,ann\n", &o);
    assert_int_equal(info.group_count, 2);
    assert_int_equal(info.columns, 1);
    ann = info.groups[0];
    assert_true(info.groups[2] == ann && info.groups[1] != ann);
    assert_true(ann == UINT64_C(0x2e404b7d0d5e9149));
    o.group = "ann";
    read_text("who,x\nzoe,1\nann,2\nbob,3\nann,4\n", &o);
    assert_int_equal(info.rows, 2);
    assert_true(info.x[0] == 2 && info.x[1] == 4);
    assert_true(info.groups[0] == ann && info.groups[1] == ann && info.group_count == 1);
    o.what = DKVB_TABLE_IDS; /* without a column of ids, row numbers are the ids */
    read_table(data_path, &o);
    assert_memory_equal(info.ids, ((uint64_t[]){1, 3}), 16);
    o.id_column = "x";
    read_table(data_path, &o);
    assert_memory_equal(info.ids, ((uint64_t[]){2, 4}), 16);
    o.group = NULL; /* rows without a group would all be one group */
    assert_text_refused("x,who\n1,ann\n2,\n", &o, DKVB_EFORMAT, "row 1 has no group in the column 'who'");
    o.group = "nobody";
    assert_no_table(data_path, &o, DKVB_ENOTFOUND, "no row is of the group 'nobody'");
    o.group_column = NULL;
    assert_int_equal(dkvb_table_read(&no_table, data_path, &o, NULL), DKVB_EINVAL);
}

static void columns_are_chosen_by_name_and_by_number(void **state)
{
    const char *names[] = {"c", "#1"}, *twice[] = {"a", "1"};
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    o.columns = names;
    o.column_count = 2;
    read_text("a,b,c\n1,word,3\n4,,6\n", &o); /* columns that are not chosen may hold any text */
    assert_int_equal(info.columns, 2);
    assert_memory_equal(info.x, ((float[]){3, 1, 6, 4}), 16);
    assert_string_equal(info.column_names[0], "c");
    assert_string_equal(info.column_names[1], "a");
    names[0] = "#4";
    assert_no_table(data_path, &o, DKVB_EMISMATCH, "no column is called '#4', which the model learned from");
    o.columns = twice;
    assert_int_equal(dkvb_table_read(&no_table, data_path, &o, NULL), DKVB_EINVAL);
    assert_non_null(strstr(dkvb_last_error(), "column 1 is named twice"));
    o.columns = NULL;
    o.column_count = 0;
    o.label_column = "#2";
    read_text("1,5,2\n3,6,4\n", &o);
    assert_memory_equal(info.x, ((float[]){1, 2, 3, 4}), 16);
    assert_memory_equal(info.labels, ((int32_t[]){5, 6}), 8);
    assert_string_equal(info.column_names[1], "#3");
}

/* Moves records over the end of the reader's buffer byte by byte, so that CRLF, doubled quotes and numbers are split
 * everywhere.
 */
static void fields_may_lie_on_the_edge_of_the_buffer(void **state)
{
    enum { BUFFER = 1 << 20, ROOM = BUFFER + 256 };
    static const char tail[] = "12.5,\"a\"\"b\"\r\n\"-3\",\"c\"\"d\"\r\n7,e\r\n";
    char *text = malloc(ROOM);
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    o.label_column = "y";
    for (size_t shift = 0; shift <= sizeof tail; shift++) {
        size_t size = (size_t)sprintf(text, "x,y\r\n"), last;

        while (size + 60000 < BUFFER - shift)
            size += (size_t)sprintf(text + size, "1,%059990d\n", 0);
        last = BUFFER - shift - size;
        if (last < 60000)
            size += (size_t)sprintf(text + size, "1,%0*d\n", (int)last - 3, 0);
        memcpy(text + size, tail, sizeof tail - 1);
        put_file(text, size + sizeof tail - 1);
        read_table(data_path, &o);
        assert_true(info.rows > 10 && info.label_count == 5 - (last < 60000 ? 0 : 1));
        assert_true(info.x[info.rows - 3] == 12.5f && info.x[info.rows - 2] == -3 && info.x[info.rows - 1] == 7);
        assert_string_equal(info.label_names[info.labels[info.rows - 3]], "a\"b");
        assert_string_equal(info.label_names[info.labels[info.rows - 2]], "c\"d");
    }
    free(text);
}

/* Every line is one label, so a line end that is read as two would give one label more. */
static void ends_of_lines_on_the_edge_of_the_buffer_are_one(void **state)
{
    enum { LINES = 400000 };
    char *text = malloc(LINES * 3 + 3);
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    o.what = DKVB_TABLE_LABELS;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'b', shift);
        for (size_t i = 0; i < LINES; i++)
            memcpy(text + shift + 3 * i, "a\r\n", 3);
        put_file(text, LINES * 3 + shift);
        read_table(data_path, &o);
        assert_int_equal(info.rows, LINES);
        assert_int_equal(info.label_count, shift ? 2 : 1);
    }
    free(text);
}

static void a_record_may_be_longer_than_the_buffer(void **state)
{
    enum { COLUMNS = 300000 };
    char *text = malloc(2 * COLUMNS * 8 + 1), *at = text;

    (void)state;
    for (size_t i = 0; i < 2 * COLUMNS; i++)
        at += sprintf(at, "%06zu%c", i + 1, i % COLUMNS == COLUMNS - 1 ? '\n' : ',');
    assert_counts(text, 2, COLUMNS);
    memset(text, '1', 65536);
    strcpy(text + 65536, ",2\n");
    assert_text_refused(text, NULL, DKVB_EFORMAT, "a field has more than 65535 bytes");
    free(text);
}

static void bytes_of_another_encoding_are_refused(void **state)
{
    static const char utf16[] = "a\0,\0b\0\n\0";

    (void)state;
    put_file("a,b\n1,\0002\n", 9);
    assert_no_table(data_path, NULL, DKVB_EFORMAT, "must be");
    put_file(utf16, 8);
    assert_no_table(data_path, NULL, DKVB_EFORMAT, "must be");
    put_file("", 0);
    assert_no_table(data_path, NULL, DKVB_EFORMAT, "");
    put_file("\n\n", 2);
    assert_no_table(data_path, NULL, DKVB_EFORMAT, "has no line with a field");
    assert_no_table("/nowhere/at.csv", NULL, DKVB_EIO, "");
}

/* Archives. */

struct archive {
    unsigned char bytes[4096];
    size_t size, entries, directory_size;
    unsigned char directory[1024];
};

static void put16(unsigned char *to, size_t value)
{
    to[0] = (unsigned char)value;
    to[1] = (unsigned char)(value >> 8);
}

/* Adds a member to a ZIP archive as numpy does; with `wide`, the member's sizes are in an extra field of the
 * directory. */
static void add_member(struct archive *a, const char *name, const unsigned char *data, size_t size, bool deflated,
                       bool wide)
{
    unsigned char packed[2048], *local = a->bytes + a->size, *entry = a->directory + a->directory_size;
    size_t length = strlen(name), packed_size = size, extra = wide ? 28 : 0;
    uint32_t crc = (uint32_t)crc32(0, data, (uInt)size);

    memcpy(packed, data, size);
    if (deflated) {
        z_stream z = {
            .next_in = (unsigned char *)data, .avail_in = (uInt)size, .next_out = packed, .avail_out = sizeof packed};

        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        packed_size = z.total_out;
        deflateEnd(&z);
    }
    memset(local, 0, 30);
    memcpy(local, "PK\3\4", 4);
    put16(local + 4, wide ? 45 : 20);
    put16(local + 8, deflated ? 8 : 0);
    dkvb__write32(local + 14, crc);
    dkvb__write32(local + 18, (uint32_t)packed_size);
    dkvb__write32(local + 22, (uint32_t)size);
    put16(local + 26, length);
    memcpy(local + 30, name, length);
    memcpy(local + 30 + length, packed, packed_size);

    memset(entry, 0, 46);
    memcpy(entry, "PK\1\2", 4);
    put16(entry + 10, deflated ? 8 : 0);
    dkvb__write32(entry + 16, crc);
    dkvb__write32(entry + 20, wide ? UINT32_MAX : (uint32_t)packed_size);
    dkvb__write32(entry + 24, wide ? UINT32_MAX : (uint32_t)size);
    put16(entry + 28, length);
    put16(entry + 30, extra);
    dkvb__write32(entry + 42, wide ? UINT32_MAX : (uint32_t)a->size);
    memcpy(entry + 46, name, length);
    if (wide) {
        put16(entry + 46 + length, 1);
        put16(entry + 48 + length, 24);
        dkvb__write64(entry + 50 + length, size);
        dkvb__write64(entry + 58 + length, packed_size);
        dkvb__write64(entry + 66 + length, a->size);
    }
    a->size += 30 + length + packed_size;
    a->directory_size += 46 + length + extra;
    a->entries++;
}

static void put_archive(struct archive *a, const char *path, bool wide)
{
    size_t offset = a->size;
    unsigned char *end;

    memcpy(a->bytes + a->size, a->directory, a->directory_size);
    a->size += a->directory_size;
    if (wide) {
        unsigned char *record = a->bytes + a->size;

        memset(record, 0, 76);
        memcpy(record, "PK\6\6", 4);
        dkvb__write64(record + 4, 44);
        dkvb__write64(record + 24, a->entries);
        dkvb__write64(record + 32, a->entries);
        dkvb__write64(record + 40, a->directory_size);
        dkvb__write64(record + 48, offset);
        memcpy(record + 56, "PK\6\7", 4);
        dkvb__write64(record + 64, a->size);
        dkvb__write32(record + 72, 1);
        a->size += 76;
    }
    end = a->bytes + a->size;
    memset(end, 0, 22);
    memcpy(end, "PK\5\6", 4);
    put16(end + 8, a->entries);
    put16(end + 10, a->entries);
    dkvb__write32(end + 12, wide ? UINT32_MAX : (uint32_t)a->directory_size);
    dkvb__write32(end + 16, wide ? UINT32_MAX : (uint32_t)offset);
    a->size += 22;
    write_file(path, a->bytes, a->size);
}

static const float numbers[6] = {1, 2, 3, 4, 5, 6};

static void add_numbers(struct archive *a, const char *name, bool deflated, bool wide)
{
    unsigned char bytes[512];

    add_member(a, name, bytes,
               npy(bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n", numbers, sizeof numbers),
               deflated, wide);
}

static void arrays_of_every_archive_are_read(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 4; kind++) {
        struct archive a = {0};

        add_numbers(&a, "x.npy", kind & 1, kind & 2);
        put_archive(&a, data_path, kind & 2);
        read_table(data_path, NULL);
        assert_int_equal(info.rows, 3);
        assert_memory_equal(info.x, numbers, sizeof numbers);
    }
}

static void an_array_is_named_behind_a_colon(void **state)
{
    struct archive a = {0}, one = {0}, twin = {0};
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
    unsigned char bytes[512];
    char path[128], named[160];
    static const int32_t y[3] = {2, 0, 1};

    (void)state;
    add_numbers(&a, "x.npy", true, false);
    add_member(&a, "y.npy", bytes,
               npy(bytes, 1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n", y, sizeof y), false, false);
    snprintf(path, sizeof path, "%s", temp_path("rows.npz"));
    put_archive(&a, path, false);
    snprintf(named, sizeof named, "%s:x", path);
    read_table(named, NULL);
    assert_memory_equal(info.x, numbers, sizeof numbers);
    snprintf(named, sizeof named, "%s:y", path);
    o.what = DKVB_TABLE_LABELS;
    read_table(named, &o);
    assert_memory_equal(info.labels, y, sizeof y);
    assert_no_table(path, NULL, DKVB_ENOTFOUND, "holds the arrays x, y; one must be chosen");
    snprintf(named, sizeof named, "%s:z", path);
    assert_int_equal(dkvb_table_read(&no_table, named, NULL, NULL), DKVB_ENOTFOUND);
    assert_non_null(strstr(dkvb_last_error(), "has no array 'z'; its arrays are x, y"));

    /* a path may hold ".npz:" itself, with and without the name of an array behind it */
    add_numbers(&one, "w.npy", false, false);
    snprintf(path, sizeof path, "%s", temp_path("odd.npz:x.npz"));
    put_archive(&one, path, false);
    read_table(path, NULL);
    assert_int_equal(info.rows, 3);
    snprintf(named, sizeof named, "%s:w", path);
    read_table(named, NULL);
    assert_int_equal(info.rows, 3);
    add_numbers(&twin, "x.npy", false, false);
    add_numbers(&twin, "x.npy", false, false);
    put_archive(&twin, path, false);
    snprintf(named, sizeof named, "%s:x", path);
    assert_int_equal(dkvb_table_read(&no_table, named, NULL, NULL), DKVB_EFORMAT);
    assert_non_null(strstr(dkvb_last_error(), "two members have the same name"));
}

/* Every byte of an archive is covered by a checksum or without effect, so a changed archive is refused or read
 * unchanged. */
static void a_cut_or_changed_archive_is_refused_or_reads_the_same(void **state)
{
    size_t refused = 0, tried = 0;

    (void)state;
    for (size_t kind = 0; kind < 4; kind++) {
        struct archive a = {0};

        add_numbers(&a, "x.npy", kind & 1, kind & 2);
        put_archive(&a, data_path, kind & 2);
        for (size_t size = 3; size < a.size; size++) { /* a file of only "PK" is a text file */
            dkvb_table *t;

            put_file(a.bytes, size);
            assert_int_not_equal(dkvb_table_read(&t, data_path, NULL, NULL), DKVB_OK);
            assert_null(t);
        }
        for (size_t i = 0; i < a.size * 3; i++) {
            static const unsigned char changes[] = {1, 0x80, 0xFF};
            dkvb_table *t;
            dkvb_status rc;

            a.bytes[i / 3] ^= changes[i % 3];
            put_file(a.bytes, a.size);
            rc = dkvb_table_read(&t, data_path, NULL, NULL);
            a.bytes[i / 3] ^= changes[i % 3];
            tried++;
            refused += rc != DKVB_OK;
            if (rc)
                assert_null(t);
            else
                read_table(data_path, NULL);
            dkvb_table_free(t);
            if (rc == DKVB_OK && (info.rows != 3 || info.columns != 2 || memcmp(info.x, numbers, sizeof numbers) != 0))
                fail_msg("byte %zu of archive %zu changes what is read", i / 3, kind);
        }
    }
    assert_true(refused * 2 > tried);
}

static void texts_of_numpy_are_labels_and_ids(void **state)
{
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;

    (void)state;
    for (size_t big = 0; big < 2; big++) {
        static const uint32_t points[3][4] = {{0xE4, 'b'}, {'z', 0x1F600, 'q'}, {0xE4, 'b'}};
        unsigned char bytes[48], bad[48] = {0};

        for (size_t i = 0; i < 12; i++)
            for (size_t b = 0; b < 4; b++)
                bytes[4 * i + b] = (unsigned char)(points[i / 4][i % 4] >> 8 * (big ? 3 - b : b));
        o.what = DKVB_TABLE_LABELS;
        put_vector(big ? ">U4" : "<U4", 3, bytes, sizeof bytes);
        read_table(data_path, &o);
        assert_memory_equal(info.labels, ((int32_t[]){1, 0, 1}), 12);
        assert_string_equal(info.label_names[1], "\xC3\xA4"
                                                 "b");
        assert_string_equal(info.label_names[0], "z\xF0\x9F\x98\x80q");
        o.what = DKVB_TABLE_IDS;
        assert_no_table(data_path, &o, DKVB_EFORMAT, "rows 0 and 2 both have the id");
        memset(bad, 0x7F, 4);
        put_vector(big ? ">U4" : "<U4", 3, bad, sizeof bad);
        assert_no_table(data_path, &o, DKVB_EFORMAT, "row 0: the text holds a number that is no character");
    }
    put_vector("|S3", 3, "b\0\0abca\0\0", 9);
    read_table(data_path, &o);
    assert_string_equal(info.id_names[1], "abc");
    put_vector("|S2", 2, "10\0\0", 4);
    assert_no_table(data_path, &o, DKVB_EFORMAT, "row 1 has no id");
    o.label_column = "y";
    assert_no_table(data_path, &o, DKVB_EMISMATCH, "whose columns have no names");
}

static void every_allocation_may_fail(void **state)
{
    static const char *const texts[] = {
        "x,who,id,y\n1,ann,a,cat\n2,bob,b,dog\n3,ann,c,\n",
        "x,who,id,y\n1,ann,1,0\n2,bob,2,1\n3,ann,3,-1\n",
    };

    (void)state;
    for (size_t kind = 0; kind < 4; kind++) {
        static const char *const given[] = {"bird", ""};
        dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
        struct archive a = {0};

        o.label_column = o.id_column = o.group_column = NULL;
        if (kind < 2) {
            o.label_column = "y";
            o.id_column = "id";
            o.group_column = "who";
            o.label_names = given;
            o.label_name_count = 2;
            put_file(texts[kind], strlen(texts[kind]));
        } else if (kind == 2) {
            add_numbers(&a, "x.npy", true, true);
            put_archive(&a, data_path, true);
        } else {
            o.what = DKVB_TABLE_LABELS;
            put_vector("|S3", 3, "b\0\0abca\0\0", 9);
        }
        for (size_t fail_at = 0;; fail_at++) {
            struct measured_alloc mem = {.fail_at = fail_at};
            dkvb_allocator allocator = {measured_get, measured_release, &mem};
            dkvb_table *t = (dkvb_table *)data_path;
            dkvb_status rc;

            o.allocator = &allocator;
            rc = dkvb_table_read(&t, data_path, &o, NULL);
            if (rc)
                assert_null(t);
            dkvb_table_free(t);
            assert_int_equal(mem.live, 0);
            if (rc == DKVB_OK) {
                assert_true(fail_at > 3);
                break;
            }
            assert_int_equal(rc, DKVB_ENOMEM);
        }
    }
}

struct watch {
    uint64_t calls, last, stop_at;
    long change_at; /* size of the file whose end changes after the first reading; 0 = no file changes */
};

static int look_on(void *user, uint64_t done, uint64_t total)
{
    struct watch *w = user;

    assert_true(done >= w->last && done <= total);
    w->last = done;
    if (w->change_at && 2 * done >= total) {
        FILE *f = fopen(data_path, "r+b");

        assert_non_null(f);
        assert_int_equal(fseek(f, w->change_at - 8, SEEK_SET), 0);
        fputs("\n\n\n\n", f);
        fclose(f);
        w->change_at = 0;
    }
    return ++w->calls == w->stop_at;
}

static void progress_is_told_and_may_end_the_reading(void **state)
{
    enum { ROWS = 600000 };
    char *text = malloc(ROWS * 4 + 1);
    struct watch w = {0};
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    uint64_t calls;
    dkvb_table *t;

    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        memcpy(text + 4 * i, "1,2\n", 4);
    put_file(text, ROWS * 4);
    free(text);
    run.progress = look_on;
    run.user = &w;
    assert_int_equal(dkvb_table_read(&t, data_path, NULL, &run), DKVB_OK);
    dkvb_table_free(t);
    calls = w.calls;
    assert_true(calls > 100);
    for (uint64_t at = 1; at <= calls; at += calls / 7) {
        w = (struct watch){.stop_at = at};
        assert_int_equal(dkvb_table_read(&t, data_path, NULL, &run), DKVB_ECANCELLED);
        assert_null(t);
        assert_int_equal(w.calls, at);
    }
}

/* Between the two readings of a file, the rows of its last block become empty lines. */
static void a_file_that_changes_while_it_is_read_is_refused(void **state)
{
    enum { BYTES = 3 << 20 };
    struct watch w = {.change_at = BYTES};
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;
    char *text = malloc(BYTES);
    dkvb_table *t;

    (void)state;
    for (size_t i = 0; i < BYTES; i++)
        text[i] = "1,2\n"[i % 4];
    put_file(text, BYTES);
    free(text);
    run.progress = look_on;
    run.user = &w;
    assert_int_equal(dkvb_table_read(&t, data_path, NULL, &run), DKVB_EIO);
    assert_null(t);
    assert_non_null(strstr(dkvb_last_error(), "was changed while it was read"));
}

static void wrong_options_are_refused(void **state)
{
    dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
    const char *none = NULL;
    dkvb_table *t;

    (void)state;
    assert_int_equal(dkvb_table_read(NULL, data_path, NULL, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_table_read(&t, NULL, NULL, NULL), DKVB_EINVAL);
    o.what = 3;
    assert_int_equal(dkvb_table_read(&t, data_path, &o, NULL), DKVB_EINVAL);
    o.what = 0;
    o.header = 3;
    assert_int_equal(dkvb_table_read(&t, data_path, &o, NULL), DKVB_EINVAL);
    o.header = 0;
    o.column_count = 1;
    assert_int_equal(dkvb_table_read(&t, data_path, &o, NULL), DKVB_EINVAL);
    o.columns = &none;
    assert_int_equal(dkvb_table_read(&t, data_path, &o, NULL), DKVB_EINVAL);
    assert_int_equal(dkvb_table_get_info(NULL, &info), DKVB_EINVAL);
    dkvb_table_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_rounded_once),
        cmocka_unit_test(a_number_just_above_the_middle_goes_up),
        cmocka_unit_test(only_decimal_numbers_are_numbers),
        cmocka_unit_test(numbers_are_the_same_in_a_locale_with_a_comma),
        cmocka_unit_test(every_layout_of_a_text_holds_the_same_rows),
        cmocka_unit_test(the_strongest_separator_of_the_first_line_holds),
        cmocka_unit_test(quoted_fields_hold_separators_quotes_and_lines),
        cmocka_unit_test(names_stand_above_numbers),
        cmocka_unit_test(a_cell_that_is_no_number_is_named_by_line_and_column),
        cmocka_unit_test(labels_are_numbers_or_names_in_the_order_of_their_bytes),
        cmocka_unit_test(numbers_of_names_do_not_depend_on_the_order_of_rows),
        cmocka_unit_test(a_text_of_labels_or_ids_has_one_a_line),
        cmocka_unit_test(a_group_has_one_number_in_all_files),
        cmocka_unit_test(columns_are_chosen_by_name_and_by_number),
        cmocka_unit_test(fields_may_lie_on_the_edge_of_the_buffer),
        cmocka_unit_test(ends_of_lines_on_the_edge_of_the_buffer_are_one),
        cmocka_unit_test(a_record_may_be_longer_than_the_buffer),
        cmocka_unit_test(bytes_of_another_encoding_are_refused),
        cmocka_unit_test(arrays_of_every_archive_are_read),
        cmocka_unit_test(an_array_is_named_behind_a_colon),
        cmocka_unit_test(a_cut_or_changed_archive_is_refused_or_reads_the_same),
        cmocka_unit_test(texts_of_numpy_are_labels_and_ids),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(progress_is_told_and_may_end_the_reading),
        cmocka_unit_test(a_file_that_changes_while_it_is_read_is_refused),
        cmocka_unit_test(wrong_options_are_refused),
    };

    return cmocka_run_group_tests(tests, name_file, release);
}
