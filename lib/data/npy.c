/* Reads and writes NumPy's .npy format: "\x93NUMPY", two version bytes, the length of the header (u16 in version 1.0,
 * u32 in 2.0 and 3.0), the header, and the elements up to the end of the file. The header of a .npy file is a Python
 * dict literal, such as {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), }.
 *
 * NumPy pads the header with spaces and a newline, and leaves the order of the keys to the writer. The parser accepts
 * headers of plain arrays and refuses all other Python.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "data/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/npy_header.h"
#include "base/status.h"

/* Largest number of bytes in the header of a .npy file. The .npy header of a plain array has less than 300 bytes. The
 * .npy header of version 1.0 cannot have more than 65,535 bytes, and headers of other versions need no more. */
enum { MAX_HEADER = 65535 };

/* NumPy's codes of number types without the byte order. A number type may have several NumPy codes, of which the first
 * is used when a .npy file is written. */
static const struct type {
    const char *code;
    uint32_t dtype;
} types[] = {
    {"u1", DKVB_DTYPE_U8},  {"i1", DKVB_DTYPE_I8},  {"u2", DKVB_DTYPE_U16}, {"i2", DKVB_DTYPE_I16},
    {"u4", DKVB_DTYPE_U32}, {"i4", DKVB_DTYPE_I32}, {"u8", DKVB_DTYPE_U64}, {"i8", DKVB_DTYPE_I64},
    {"f2", DKVB_DTYPE_F16}, {"f4", DKVB_DTYPE_F32}, {"f8", DKVB_DTYPE_F64}, {"b1", DKVB_DTYPE_U8},
    {"?", DKVB_DTYPE_U8},
};
enum { TYPES = sizeof types / sizeof *types };

/* State of parsing the header of a .npy file. */
struct parser {
    const char *path;
    const char *text;
    size_t size, at;
    uint64_t start; /* offset of the header's text in the .npy file, for messages */
};

/* What a .npy header tells besides the number type and the shape of the array. */
struct layout {
    bool big_endian, boolean, fortran;
    bool takes_texts; /* true if the caller accepts arrays whose elements are texts */
    char text;        /* kind of text elements: 'U' for UTF-32, 'S' for bytes; 0 for numbers */
    size_t width;     /* number of characters in a text element of the array */
};

struct slice {
    const char *text;
    size_t size;
};

static int peek(const struct parser *p)
{
    return p->at < p->size ? (unsigned char)p->text[p->at] : -1;
}

static dkvb_status unexpected(const struct parser *p, const char *wanted)
{
    unsigned long long at = p->start + p->at;
    int c = peek(p);

    if (c < 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: header ends at byte %llu, %s wanted", p->path, at, wanted);
    if (c > ' ' && c < 0x7F)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: byte %llu is %c, %s wanted", p->path, at, c, wanted);
    return dkvb__fail(DKVB_EFORMAT, "%.300s: byte %llu is 0x%02x, %s wanted", p->path, at, (unsigned)c, wanted);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->size && p->text[p->at] != '\0' && strchr(" \t\n\r", p->text[p->at]))
        p->at++;
}

/* True if `c` is the next character of the .npy header; the character is not taken. */
static bool next_is(struct parser *p, char c)
{
    skip_space(p);
    return peek(p) == c;
}

static dkvb_status expect(struct parser *p, char c)
{
    char wanted[2] = {c, '\0'};

    if (!next_is(p, c))
        return unexpected(p, wanted);
    p->at++;
    return DKVB_OK;
}

/* Takes a quoted string of printable characters without escapes from a .npy header, so that the string can be shown in
 * a message. */
static dkvb_status take_string(struct parser *p, struct slice *string, const char *what)
{
    int quote, c;
    size_t begin;

    skip_space(p);
    quote = peek(p);
    if (quote != '\'' && quote != '"')
        return unexpected(p, what);
    begin = ++p->at;
    for (c = peek(p); c != quote; c = peek(p)) {
        if (c < ' ' || c >= 0x7F || c == '\\')
            return unexpected(p, "the end of the string");
        p->at++;
    }
    *string = (struct slice){p->text + begin, p->at - begin};
    p->at++;
    return DKVB_OK;
}

static bool equals(struct slice s, const char *word)
{
    return s.size == strlen(word) && memcmp(s.text, word, s.size) == 0;
}

static dkvb_status take_bool(struct parser *p, bool *value)
{
    static const char *const words[] = {"False", "True"};

    skip_space(p);
    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(words[i]);

        if (p->size - p->at >= size && memcmp(p->text + p->at, words[i], size) == 0) {
            p->at += size;
            *value = i == 1;
            return DKVB_OK;
        }
    }
    return unexpected(p, "True or False");
}

/* Takes a dimension of the shape from a .npy header; Python 2 wrote some dimensions with an L at the end. */
static dkvb_status take_number(struct parser *p, uint64_t *value)
{
    uint64_t v = 0;
    size_t begin;

    skip_space(p);
    begin = p->at;
    for (int c = peek(p); c >= '0' && c <= '9'; c = peek(p)) {
        unsigned digit = (unsigned)(c - '0');

        if (v > (UINT64_MAX - digit) / 10)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: the dimension at byte %llu has more than 64 bits", p->path,
                              (unsigned long long)(p->start + begin));
        v = v * 10 + digit;
        p->at++;
    }
    if (p->at == begin)
        return unexpected(p, "a dimension");
    if (peek(p) == 'L')
        p->at++;
    *value = v;
    return DKVB_OK;
}

/* Takes a tuple from a .npy header as Python writes it: (), (3,), (3, 4), (3, 4,); but (3) is a number in Python. */
static dkvb_status take_shape(struct parser *p, dkvb_array *a)
{
    bool comma = true;
    dkvb_status rc = expect(p, '(');

    if (rc)
        return rc;
    while (!next_is(p, ')')) {
        if (!comma)
            return unexpected(p, ", or )");
        if (a->ndim == DKVB_ARRAY_MAX_NDIM)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: more than %d dimensions", p->path, DKVB_ARRAY_MAX_NDIM);
        rc = take_number(p, &a->shape[a->ndim]);
        if (rc)
            return rc;
        a->ndim++;
        comma = next_is(p, ',');
        p->at += comma;
    }
    if (a->ndim == 1 && !comma)
        return unexpected(p, ", behind a single dimension");
    p->at++;
    return DKVB_OK;
}

/* Fails if the elements of a .npy array have an unsupported type. The message about an unsupported type of a .npy array
 * always names the type and a remedy. */
static dkvb_status fail_type(const struct parser *p, struct slice descr, struct slice code)
{
    static const char texts[] = "of labels numpy.unique(a, return_inverse=True) gives the names and a number for each "
                                "row, of features astype('float32') the numbers";
    static const struct {
        char code;
        const char *name, *way;
    } others[] = {
        {'U', "texts", texts},
        {'S', "texts", texts},
        {'O', "Python objects", "make an array of numbers of them, for features numpy.stack(a).astype('float32')"},
        {'c', "complex numbers", "their parts side by side are numbers: numpy.concatenate((a.real, a.imag), axis=1)"},
        {'M', "dates", "astype('int64') makes numbers of them"},
        {'m', "spans of time", "astype('int64') makes numbers of them"},
        {'V', "raw bytes, perhaps bfloat16", "astype('float32') makes numbers of them, before numpy.save"},
        {'f', "floats of an unusual size", "astype('float32') makes usual ones of them"},
    };
    int shown = descr.size < 20 ? (int)descr.size : 20;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (code.size > 0 && code.text[0] == others[i].code)
            return dkvb__fail(DKVB_EFORMAT, "%.150s: elements are %s ('%.*s'), which are not read: %s", p->path,
                              others[i].name, shown, descr.text, others[i].way);
    return dkvb__fail(DKVB_EFORMAT, "%.300s: elements are '%.*s', which are not read: save numbers", p->path, shown,
                      descr.text);
}

static dkvb_status take_type(struct parser *p, dkvb_array *a, struct layout *layout)
{
    struct slice s, code;
    dkvb_status rc = take_string(p, &s, "a type in quotes (fields of records must be saved one by one)");

    if (rc)
        return rc;
    code = s;
    if (s.size > 0 && memchr("<>|=", s.text[0], 4))
        code = (struct slice){s.text + 1, s.size - 1};
    for (size_t i = 0; i < TYPES; i++)
        if (equals(code, types[i].code)) {
            a->dtype = types[i].dtype;
            layout->boolean = code.text[0] == 'b' || code.text[0] == '?';
            layout->big_endian = s.text[0] == '>';
            return DKVB_OK;
        }
    if (layout->takes_texts && code.size > 1 && (code.text[0] == 'U' || code.text[0] == 'S')) {
        layout->text = code.text[0];
        layout->big_endian = s.text[0] == '>';
        a->dtype = DKVB_DTYPE_U8;
        for (size_t i = 1; i < code.size; i++) {
            if (code.text[i] < '0' || code.text[i] > '9' || layout->width > MAX_HEADER)
                return fail_type(p, s, code);
            layout->width = layout->width * 10 + (size_t)(code.text[i] - '0');
        }
        return DKVB_OK;
    }
    return fail_type(p, s, code);
}

static const char *const keys[] = {"descr", "fortran_order", "shape"};
enum { KEY_TYPE, KEY_ORDER, KEY_SHAPE, KEYS };

/* Takes one "key: value" of the .npy header; each key may come once. */
static dkvb_status take_entry(struct parser *p, dkvb_array *a, struct layout *layout, bool seen[KEYS])
{
    struct slice key;
    size_t which = 0;
    dkvb_status rc = take_string(p, &key, "a key in quotes");

    if (rc)
        return rc;
    while (which < KEYS && !equals(key, keys[which]))
        which++;
    if (which == KEYS || seen[which])
        return dkvb__fail(DKVB_EFORMAT,
                          "%.300s: header has the key '%.*s'%s; descr, fortran_order and shape are wanted", p->path,
                          key.size < 20 ? (int)key.size : 20, key.text, which < KEYS ? " twice" : "");
    seen[which] = true;
    rc = expect(p, ':');
    if (rc)
        return rc;
    if (which == KEY_TYPE)
        return take_type(p, a, layout);
    if (which == KEY_ORDER)
        return take_bool(p, &layout->fortran);
    return take_shape(p, a);
}

static dkvb_status parse(struct parser *p, dkvb_array *a, struct layout *layout)
{
    bool seen[KEYS] = {false};
    dkvb_status rc = expect(p, '{');

    while (!rc && !next_is(p, '}')) {
        rc = take_entry(p, a, layout, seen);
        if (!rc && !next_is(p, '}'))
            rc = expect(p, ',');
    }
    if (rc)
        return rc;
    p->at++;
    skip_space(p);
    if (p->at < p->size)
        return unexpected(p, "nothing but white space behind the header's } is");
    for (size_t k = 0; k < KEYS; k++)
        if (!seen[k])
            return dkvb__fail(DKVB_EFORMAT, "%.300s: header has no '%s'", p->path, keys[k]);
    return DKVB_OK;
}

/* Finds the offset and the size of the header's text in a .npy file. */
static dkvb_status read_preamble(const struct dkvb__file *file, uint64_t *start, size_t *size)
{
    unsigned char b[12];
    dkvb_status rc = dkvb__file_read(file, 0, b, 10);

    if (rc)
        return rc;
    if (b[6] < 1 || b[6] > 3 || b[7] != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: NumPy format version %u.%u; 1.0, 2.0 or 3.0 is wanted", file->path,
                          b[6], b[7]);
    *start = b[6] == 1 ? 10 : 12;
    rc = dkvb__file_read(file, 0, b, (size_t)*start);
    if (rc)
        return rc;
    *size = b[6] == 1 ? dkvb__read16(b + 8) : dkvb__read32(b + 8);
    if (*size > MAX_HEADER)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: header of %zu bytes, at most %d are taken", file->path, *size,
                          MAX_HEADER);
    if (*start + *size > file->size)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: file of %llu bytes, the header alone ends at byte %llu", file->path,
                          (unsigned long long)file->size, (unsigned long long)(*start + *size));
    return DKVB_OK;
}

static dkvb_status read_header(struct dkvb__stored *s, const struct dkvb__file *file, struct layout *layout,
                               uint64_t *end)
{
    struct parser p = {.path = file->path};
    char *text;
    dkvb_status rc = read_preamble(file, &p.start, &p.size);

    if (rc)
        return rc;
    text = dkvb__alloc(&s->array.allocator, p.size, 1);
    if (!text)
        return dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for a header of %zu bytes", file->path, p.size);
    p.text = text;
    rc = dkvb__file_read(file, p.start, text, p.size);
    if (!rc)
        rc = parse(&p, &s->array, layout);
    dkvb__free(&s->array.allocator, text);
    *end = p.start + p.size;
    return rc;
}

static dkvb_status check_booleans(const struct dkvb__stored *s, uint64_t offset)
{
    const unsigned char *data = s->array.data;
    size_t bytes;
    dkvb_status rc = dkvb__stored_bytes(&bytes, s);

    for (size_t i = 0; !rc && i < bytes; i++)
        if (data[i] > 1)
            return dkvb__fail(DKVB_EFORMAT, "%.300s: byte %llu is %u, a bool is 0 or 1", s->path,
                              (unsigned long long)(offset + i), data[i]);
    return rc;
}

bool dkvb__npy_sniff(const unsigned char *start, size_t size)
{
    return size >= DKVB__NPY_MAGIC && memcmp(start, dkvb__npy_magic, DKVB__NPY_MAGIC) == 0;
}

dkvb_status dkvb__npy_look(struct dkvb__stored *s, const struct dkvb__file *file, struct dkvb__npy_place *place)
{
    struct layout layout = {.fortran = false};
    size_t bytes;
    dkvb_status rc = read_header(s, file, &layout, &place->offset);

    if (!rc)
        rc = dkvb__stored_bytes(&bytes, s);
    if (!rc)
        rc = dkvb__stored_check_size(s, file, place->offset, bytes);
    if (rc)
        return rc;
    s->fortran = layout.fortran;
    place->big_endian = layout.big_endian;
    place->boolean = layout.boolean;
    return DKVB_OK;
}

dkvb_status dkvb__npy_read(struct dkvb__stored *s, const struct dkvb__file *file)
{
    struct layout layout = {.fortran = false};
    uint64_t offset = 0;
    dkvb_status rc = read_header(s, file, &layout, &offset);

    if (!rc)
        rc = dkvb__stored_load(s, file, offset);
    if (rc)
        return rc;
    s->fortran = layout.fortran;
    if (layout.big_endian)
        dkvb__stored_swap(s);
    return layout.boolean ? check_booleans(s, offset) : DKVB_OK;
}

/* Converts a text element from UTF-32 to UTF-8 with a NUL at the end; the result is false if a number is no character.
 * Zeros at the end of a text element are padding. */
static bool to_utf8(char *to, const unsigned char *from, size_t width, bool big_endian)
{
    size_t n = width;

    while (n > 0 && dkvb__read32(from + 4 * (n - 1)) == 0)
        n--;
    for (size_t i = 0; i < n; i++) {
        uint32_t c = dkvb__read32(from + 4 * i);

        if (big_endian)
            c = __builtin_bswap32(c);
        if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
            return false;
        if (c < 0x80) {
            *to++ = (char)c;
        } else if (c < 0x800) {
            *to++ = (char)(0xC0 | c >> 6);
            *to++ = (char)(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            *to++ = (char)(0xE0 | c >> 12);
            *to++ = (char)(0x80 | (c >> 6 & 0x3F));
            *to++ = (char)(0x80 | (c & 0x3F));
        } else {
            *to++ = (char)(0xF0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3F));
            *to++ = (char)(0x80 | (c >> 6 & 0x3F));
            *to++ = (char)(0x80 | (c & 0x3F));
        }
    }
    *to = '\0';
    return true;
}

static dkvb_status give_texts(const struct dkvb__stored *s, const struct dkvb__file *file, uint64_t offset,
                              const struct layout *layout, dkvb__npy_text_fn take, void *context)
{
    const dkvb_allocator *mem = &s->array.allocator;
    size_t rows = dkvb__elements(&s->array), size = layout->width * (layout->text == 'U' ? 4 : 1);
    unsigned char *element = dkvb__alloc(mem, size + 1, 1);
    char *text = dkvb__alloc(mem, 4 * layout->width + 1, 1);
    dkvb_status rc = element && text ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for a text", s->path);

    for (size_t i = 0; !rc && i < rows; i++) {
        rc = dkvb__file_read(file, offset + i * size, element, size);
        if (!rc && layout->text == 'S') {
            memcpy(text, element, size);
            text[size] = '\0';
        } else if (!rc && !to_utf8(text, element, layout->width, layout->big_endian)) {
            rc = dkvb__fail(DKVB_EFORMAT, "%.300s: row %zu: the text holds a number that is no character", s->path, i);
        }
        if (!rc)
            rc = take(context, i, text);
    }
    dkvb__free_erased(mem, text);
    dkvb__free_erased(mem, element);
    return rc;
}

dkvb_status dkvb__npy_texts(size_t *rows, bool *texts, const struct dkvb__file *file, const dkvb_allocator *mem,
                            dkvb__npy_text_fn take, void *context)
{
    struct dkvb__stored s = {.path = file->path, .array = {.struct_size = sizeof s.array, .allocator = *mem}};
    struct layout layout = {.takes_texts = true};
    const dkvb_array *a = &s.array;
    uint64_t offset = 0;
    size_t size, bytes = 0;
    dkvb_status rc = read_header(&s, file, &layout, &offset);

    *texts = !rc && layout.text != 0;
    *rows = 0;
    if (rc || !*texts)
        return rc;
    if (a->ndim < 1 || a->ndim > 2 || (a->ndim == 2 && a->shape[1] != 1))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: texts of %u dimensions; they must be a vector, one for each row",
                          s.path, a->ndim);
    size = layout.width * (layout.text == 'U' ? 4 : 1);
    if (a->shape[0] > SIZE_MAX || dkvb__mul_overflow(&bytes, (size_t)a->shape[0], size ? size : 1))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu texts do not fit in memory", s.path,
                          (unsigned long long)a->shape[0]);
    if (size == 0 && a->shape[0] > MAX_HEADER)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %llu texts without a character", s.path,
                          (unsigned long long)a->shape[0]);
    rc = dkvb__stored_check_size(&s, file, offset, size ? bytes : 0);
    *rows = (size_t)a->shape[0];
    return rc || !take ? rc : give_texts(&s, file, offset, &layout, take, context);
}

dkvb_status dkvb__npy_start(struct dkvb__npy_start *start, const unsigned char *bytes, size_t size, const char *name,
                            const dkvb_allocator *mem)
{
    const struct dkvb__file file = dkvb__file_in_memory(bytes, size, name);
    struct dkvb__stored s = {.path = name, .array = {.struct_size = sizeof s.array, .allocator = *mem}};
    struct layout layout = {.fortran = false};
    uint64_t end = 0;
    size_t known = size < DKVB__NPY_MAGIC ? size : DKVB__NPY_MAGIC;
    dkvb_status rc;

    *start = (struct dkvb__npy_start){.needed = 12};
    if (memcmp(bytes, dkvb__npy_magic, known) != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: does not begin as a NumPy array, with the bytes 93 4e 55 4d 50 59",
                          name);
    if (size < start->needed)
        return DKVB_OK;
    start->needed = bytes[6] == 1 ? 10 + (size_t)dkvb__read16(bytes + 8) : 12 + (size_t)dkvb__read32(bytes + 8);
    if (bytes[6] >= 1 && bytes[6] <= 3 && start->needed <= 12 + MAX_HEADER && size < start->needed)
        return DKVB_OK;
    start->needed = size;
    rc = read_header(&s, &file, &layout, &end);
    start->needed = (size_t)end;
    start->array = s.array;
    start->big_endian = layout.big_endian;
    start->boolean = layout.boolean;
    start->fortran = layout.fortran;
    return rc;
}

/* Writes NumPy's word for a number type, such as "<f4". */
static void name_type(char descr[16], uint32_t dtype)
{
    size_t type = 0;

    while (types[type].dtype != dtype)
        type++;
    snprintf(descr, 16, "%c%s", dkvb__dtype_size(dtype) == 1 ? '|' : '<', types[type].code);
}

static bool can_write(uint32_t dtype)
{
    for (size_t i = 0; i < TYPES; i++)
        if (types[i].dtype == dtype)
            return true;
    return false;
}

static dkvb_status check_write(size_t *bytes, const char *path, uint32_t dtype, uint32_t ndim, const uint64_t *shape,
                               const void *data)
{
    if (!path)
        return dkvb__fail(DKVB_EINVAL, "path is NULL");
    if (!can_write(dtype))
        return dkvb__fail(DKVB_EINVAL, "%.300s: dtype is %u, one that NumPy has is wanted", path, dtype);
    if (ndim > DKVB_ARRAY_MAX_NDIM)
        return dkvb__fail(DKVB_EINVAL, "%.300s: ndim is %u, at most %d", path, ndim, DKVB_ARRAY_MAX_NDIM);
    if (!shape && ndim > 0)
        return dkvb__fail(DKVB_EINVAL, "%.300s: shape is NULL, ndim is %u", path, ndim);
    if (!dkvb__shape_bytes(bytes, dtype, ndim, shape))
        return dkvb__fail(DKVB_EINVAL, "%.300s: the product of the %u dimensions does not fit in memory", path, ndim);
    if (!data && *bytes > 0)
        return dkvb__fail(DKVB_EINVAL, "%.300s: data is NULL, %zu bytes are wanted", path, *bytes);
    return DKVB_OK;
}

/* Rounds n numbers from float32 to float16 and writes them, a block at a time. */
static dkvb_status put_halves(struct dkvb__writer *w, const float *from, size_t n)
{
    enum { BLOCK = 2048 };
    uint16_t halves[BLOCK];
    dkvb_status rc = DKVB_OK;

    for (size_t block; n > 0 && !rc; n -= block, from += block) {
        block = n < BLOCK ? n : BLOCK;
        dkvb__half_from_floats(halves, from, block);
        rc = dkvb__writer_put(w, halves, block * sizeof *halves);
    }
    return rc;
}

dkvb_status dkvb_npy_write(const char *path, uint32_t dtype, uint32_t from, uint32_t ndim, const uint64_t *shape,
                           const void *data)
{
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__writer w;
    char descr[16];
    size_t bytes;
    bool halves = dtype == DKVB_DTYPE_F16 && from == DKVB_DTYPE_F32;
    dkvb_status rc = check_write(&bytes, path, dtype, ndim, shape, data);

    if (!rc && from != 0 && from != dtype && !halves)
        rc = dkvb__fail(DKVB_EINVAL, "%.300s: %s is not made of %s; only float16 is, of float32", path,
                        dkvb_name(DKVB_NAME_DTYPE, dtype), dkvb_name(DKVB_NAME_DTYPE, from));

    if (rc)
        return rc;
    name_type(descr, dtype);
    rc = dkvb__npy_begin(&w, path, descr, ndim, shape, &mem);
    if (rc)
        return rc;
    rc = halves ? put_halves(&w, data, bytes / sizeof(uint16_t)) : dkvb__writer_put(&w, data, bytes);
    return dkvb__writer_end(&w, rc);
}
