/*
 * Reads and writes plan files: a plan of forgetting that was made, to be applied later (docs/format.md).
 *
 * The section "plan" of a plan file holds a plan of forgetting as one stream of numbers and arrays. The same functions
 * measure, write and read the bytes of a plan of forgetting, so that measuring, writing and reading cannot differ. The
 * plan file of a forgetting with the strength `exact` (training again without the forgotten rows) holds whole files
 * within sections: the section "values" is a model file with the new values. If a plan of forgetting has new keys, the
 * section "keys" of the plan file is the model that replaces the old one, and the section "codes" is the codeset of the
 * new model.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/status.h"
#include "format/codesfile.h"
#include "format/container.h"
#include "format/modelfile.h"
#include "unlearn/journal.h"
#include "unlearn/plan.h"

enum way { MEASURE, WRITE, READ };

/* A plan of forgetting as one stream of bytes, the numbers and arrays of the section "plan" of a plan file. After the
 * first failure of reading a plan of forgetting, whose status stays in `rc`, no more bytes of the plan are read. */
struct stream {
    enum way way;
    const dkvb_allocator *mem;
    const char *path;
    size_t size;       /* number of bytes of the plan of forgetting that were measured or written so far */
    unsigned char *to; /* memory that the bytes of a plan of forgetting are written to, if a plan is being written */
    struct dkvb__reader from; /* the bytes of a plan of forgetting, if a plan is being read from a file */
    dkvb_status rc;
};

static void fail(struct stream *s, const char *what)
{
    if (!s->rc)
        s->rc = dkvb__fail(DKVB_EFORMAT, "%.300s: section plan: %s", s->path, what);
}

static void pass(struct stream *s, void *data, size_t size)
{
    const unsigned char *at;

    if (s->rc || size == 0)
        return;
    if (s->way == WRITE)
        memcpy(s->to + s->size, data, size);
    s->size += size;
    if (s->way != READ)
        return;
    at = dkvb__take(&s->from, size);
    if (at)
        memcpy(data, at, size);
    else
        fail(s, "it is cut off");
}

static void pass_u32(struct stream *s, uint32_t *value)
{
    pass(s, value, sizeof *value);
}

static void pass_u64(struct stream *s, uint64_t *value)
{
    pass(s, value, sizeof *value);
}

static void pass_bool(struct stream *s, bool *value)
{
    uint32_t number = *value;

    pass_u32(s, &number);
    if (number > 1)
        fail(s, "a number that must be 0 or 1 is not");
    *value = number == 1;
}

static void pass_count(struct stream *s, size_t *value)
{
    uint64_t number = *value;

    pass_u64(s, &number);
    *value = (size_t)number;
}

/* Measures, writes or reads a fraction from 0 to 1 in the bytes of a plan of forgetting. */
static void pass_share(struct stream *s, double *value)
{
    pass(s, value, sizeof *value);
    if (!(*value >= 0.0 && *value <= 1.0))
        fail(s, "a share is not 0 to 1");
}

/* Measures, writes or reads an array of a plan of forgetting, whose elements have `size` bytes. When an array of a plan
 * of forgetting is read from a plan file, memory for the array is allocated, never more than the file has bytes. */
static void *pass_array(struct stream *s, void *array, size_t count, size_t size)
{
    if (s->way == READ && !s->rc && (size == 0 || count > s->from.left / size))
        fail(s, "it is cut off");
    if (s->way == READ && !s->rc) {
        array = dkvb__alloc(s->mem, count, size);
        if (!array)
            s->rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu elements", s->path, count);
    }
    if (!s->rc)
        pass(s, array, count * size);
    return array;
}

/* Measures, writes or reads an array of a plan of forgetting; the pointer to the array may be NULL. */
static void *pass_optional(struct stream *s, void *array, size_t count, size_t size)
{
    bool there = array != NULL;

    pass_bool(s, &there);
    return there && !s->rc ? pass_array(s, array, count, size) : NULL;
}

static void *pass_marks(struct stream *s, uint8_t *marks, uint32_t classes)
{
    bool any = false;

    marks = pass_optional(s, marks, classes, 1);
    for (uint32_t l = 0; marks && !s->rc && l < classes; l++) {
        any = any || marks[l] == DKVB_FORGET;
        if (marks[l] > DKVB_ASIDE)
            fail(s, "the mark of a class is none");
    }
    if (marks && !any)
        fail(s, "no class is asked for");
    return marks;
}

/* Measures, writes or reads the effects of a plan of forgetting on each class as counts of rows; fractions and
 * intervals follow from the counts. */
static void pass_effects(struct stream *s, dkvb_plan *plan)
{
    if (s->way == READ && !s->rc && plan->classes > s->from.left / (5 * sizeof(uint64_t)))
        fail(s, "it is cut off");
    if (s->way == READ && !s->rc) {
        plan->effects = dkvb__alloc0(s->mem, plan->classes, sizeof *plan->effects);
        if (!plan->effects)
            s->rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %u classes", s->path, plan->classes);
    }
    for (uint32_t l = 0; !s->rc && l < plan->classes; l++) {
        dkvb_class_effect *e = &plan->effects[l];

        pass_u64(s, &e->rows);
        pass_u64(s, &e->right_before);
        pass_u64(s, &e->right_after);
        pass_u64(s, &e->lost);
        pass_u64(s, &e->gained);
        if (e->right_before > e->rows || e->lost > e->right_before || e->gained > e->rows - e->right_before ||
            e->right_after != e->right_before - e->lost + e->gained)
            fail(s, "the effect on a class cannot be");
        if (s->way == READ && !s->rc)
            dkvb__effect_add(e, &(dkvb_class_effect){0});
    }
}

static dkvb_mask *pass_mask(struct stream *s, dkvb_mask *mask)
{
    struct dkvb__shape shape = {.key_dim = 1, .input_dim = 1};
    uint8_t birth[16] = {0};
    bool there = mask != NULL;

    pass_bool(s, &there);
    if (!there || s->rc)
        return NULL;
    if (mask) {
        shape.codebooks = mask->codebooks;
        shape.keys = mask->keys;
        memcpy(birth, mask->birth, sizeof birth);
    }
    pass(s, birth, sizeof birth);
    pass_u32(s, &shape.codebooks);
    pass_u32(s, &shape.keys);
    if (!s->rc && dkvb__shape_check(&shape, "plan"))
        fail(s, "a mask of this shape cannot be");
    if (!s->rc && s->way == READ && dkvb__word_count(&shape) > s->from.left / sizeof(uint64_t))
        fail(s, "it is cut off");
    if (!s->rc && s->way == READ)
        s->rc = dkvb__mask_new(&mask, birth, shape.codebooks, shape.keys, s->mem);
    if (s->rc)
        return NULL;
    pass(s, mask->bits, dkvb__word_count(&shape) * sizeof *mask->bits);
    if (!dkvb__bits_in_range(mask->bits, shape.codebooks, shape.keys))
        fail(s, "a mask names keys past the last one");
    return mask;
}

/* Measures, writes or reads a text of a plan of forgetting, at most `most` bytes; NULL stays NULL. */
static char *pass_text(struct stream *s, char *text, size_t most)
{
    size_t size = text ? strlen(text) + 1 : 0;

    pass_count(s, &size);
    if (size > most + 1)
        fail(s, "a text is too long");
    if (size == 0 || s->rc)
        return NULL;
    text = pass_array(s, text, size, 1);
    if (!s->rc && (text[size - 1] != '\0' || strlen(text) + 1 != size || !dkvb__utf8_valid(text, size - 1))) {
        /* a text of a plan of forgetting, read from a file, gets a NUL at its last byte, as the plan frees each text by
         * its length */
        text[size - 1] = '\0';
        fail(s, "a text is not UTF-8 without control characters");
    }
    return text;
}

static void pass_refusal(struct stream *s, dkvb_plan *plan)
{
    size_t size = strlen(plan->refusal);

    pass_count(s, &size);
    if (size >= sizeof plan->refusal)
        fail(s, "a text is too long");
    pass(s, plan->refusal, s->rc ? 0 : size);
    if (!s->rc && (strlen(plan->refusal) != size || !dkvb__utf8_valid(plan->refusal, size) ||
                   (size > 0) != (plan->info.refused != DKVB_REFUSED_NOT)))
        fail(s, "the sentence of the refusal is not one");
}

static void pass_budget(struct stream *s, dkvb_budget *b)
{
    pass_u32(s, &b->met);
    pass_u64(s, &b->budget);
    pass_u64(s, &b->roomy);
    pass_u64(s, &b->forget_rows);
    pass_u64(s, &b->retain_rows);
    pass_share(s, &b->forget_before);
    pass_share(s, &b->forget_after);
    pass_share(s, &b->retain_before);
    pass_share(s, &b->retain_after);
}

static void pass_info(struct stream *s, dkvb_plan_info *info)
{
    uint32_t *const numbers[] = {&info->strength,      &info->method, &info->refused,
                                 &info->can_be_forced, &info->forced, &info->refused_class,
                                 &info->budget_found,  &info->keys,   &info->resumed};
    uint64_t *const counts[] = {&info->pairs, &info->pairs_new, &info->pairs_total, &info->rows,
                                &info->ids,   &info->looked_at, &info->held_out,    &info->exhausted,
                                &info->again, &info->not_again, &info->lifted,      &info->forgotten};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        pass_u32(s, numbers[i]);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        pass_u64(s, counts[i]);
    pass_budget(s, &info->budget);
    if ((info->strength != DKVB_STRENGTH_SUPPRESS && info->strength != DKVB_STRENGTH_EXACT) ||
        info->method > DKVB_METHOD_EVERY || info->refused > DKVB_REFUSED_KEYS || info->can_be_forced > 1 ||
        info->forced > info->can_be_forced || info->budget_found > 1 || info->keys > DKVB_KEYS_PLACED ||
        info->resumed > 1)
        fail(s, "the kind of the plan is none");
}

static void pass_again(struct stream *s, dkvb_plan *plan)
{
    bool there = plan->again != NULL;

    pass_bool(s, &there);
    if (!there || s->rc)
        return;
    if (s->way == READ && plan->info.again > s->from.left / (4 * sizeof(uint64_t)))
        fail(s, "it is cut off");
    if (s->way == READ && !s->rc) {
        plan->again = dkvb__alloc0(s->mem, (size_t)plan->info.again, sizeof *plan->again);
        if (!plan->again)
            s->rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %llu entries", s->path,
                               (unsigned long long)plan->info.again);
    }
    for (size_t i = 0; !s->rc && i < plan->info.again; i++) {
        struct dkvb__again *again = &plan->again[i];

        pass_u64(s, &again->entry);
        pass_share(s, &again->target);
        pass_u64(s, &again->budget);
        again->classes = pass_marks(s, again->classes, plan->classes);
        pass_count(s, &again->id_count);
        again->ids = pass_array(s, again->ids, again->id_count, sizeof *again->ids);
        again->mask = pass_mask(s, again->mask);
        if (!s->rc && (!again->classes || !again->mask))
            fail(s, "a further entry has no classes or no pairs");
    }
}

/* Measures, writes or reads the numbers and arrays of a plan of forgetting, except the plans of its single requests and
 * the results of training again without the forgotten rows. */
static void pass_plan(struct stream *s, dkvb_plan *plan)
{
    dkvb_forget_request *q = &plan->request;

    pass_u32(s, &plan->classes);
    if (plan->classes < 1 || plan->classes > DKVB__MAX_CLASSES)
        fail(s, "the number of classes cannot be");
    pass(s, plan->head, sizeof plan->head);
    pass_u64(s, &plan->entries);
    pass_u64(s, &plan->values);
    pass_u32(s, &plan->values_dtype);
    pass_bool(s, &plan->counted);
    pass_info(s, &plan->info);
    pass_refusal(s, plan);
    pass_share(s, &q->target);
    pass_share(s, &q->max_retain_drop);
    pass_share(s, &q->max_class_loss);
    pass_u64(s, &plan->budget);
    pass_bool(s, &plan->salted);
    pass(s, plan->salt, sizeof plan->salt);
    plan->reason = pass_text(s, plan->reason, DKVB__MAX_REASON);
    plan->marks = pass_marks(s, plan->marks, plan->classes);
    pass_count(s, &plan->id_count);
    plan->ids = pass_optional(s, plan->ids, plan->id_count, sizeof *plan->ids);
    pass_bool(s, &plan->measured);
    if (plan->measured)
        pass_effects(s, plan);
    plan->mask = pass_mask(s, plan->mask);
    pass_again(s, plan);
    pass(s, plan->set_sum, sizeof plan->set_sum);
    plan->lifted = pass_optional(s, plan->lifted, (size_t)plan->info.lifted, sizeof *plan->lifted);
    pass(s, &plan->temperature, sizeof plan->temperature);
    pass(s, &plan->power, sizeof plan->power);
    pass_u64(s, &plan->line);
    pass_u64(s, &plan->entry);
    pass_bool(s, &plan->already);
    if (!s->rc && !plan->ids && plan->id_count > 0)
        fail(s, "ids are missing");
}

/* Checks everything in a plan of forgetting read from a file that dkvb_forget_apply() relies on. If `plan` is the plan
 * of one forget request within a larger plan, the argument `of` is the larger plan, otherwise NULL. */
static void check_plan(struct stream *s, const dkvb_plan *plan, const dkvb_plan *of)
{
    bool exact = plan->info.strength == DKVB_STRENGTH_EXACT;
    bool refused = (of ? of : plan)->info.refused && !(of ? of : plan)->info.forced;

    if (of && (of->info.strength != plan->info.strength || of->classes != plan->classes || plan->part_count > 0))
        fail(s, "a request does not fit the others");
    if (plan->already && !of)
        fail(s, "a plan of one request cannot be forgotten already");
    if (refused || plan->already || plan->part_count > 0 || (of && exact))
        return;
    if (!exact && !plan->mask)
        fail(s, "pairs are missing");
    if (!exact && plan->info.again > 0 && !plan->again)
        fail(s, "further entries are missing");
}

static void pass_parts(struct stream *s, dkvb_plan *plan)
{
    size_t count = plan->part_count, forgotten = 0;

    pass_count(s, &count);
    /* the plan of one forget request within a larger plan takes more than 32 numbers of 64 bits in the plan file */
    if (s->way == READ && !s->rc && count > s->from.left / (32 * sizeof(uint64_t)))
        fail(s, "it is cut off");
    if (s->way == READ && !s->rc && count > 0) {
        plan->parts = dkvb__alloc0(s->mem, count, sizeof *plan->parts);
        if (!plan->parts)
            s->rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for %zu requests", s->path, count);
    }
    for (size_t i = 0; !s->rc && i < count; i++) {
        if (s->way == READ) {
            plan->parts[i] = dkvb__alloc0(s->mem, 1, sizeof **plan->parts);
            if (!plan->parts[i]) {
                s->rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for a request", s->path);
                return;
            }
            plan->parts[i]->mem = *s->mem;
            plan->parts[i]->info = (dkvb_plan_info)DKVB_PLAN_INFO_INIT;
            plan->part_count = i + 1;
        }
        pass_plan(s, plan->parts[i]);
        check_plan(s, plan->parts[i], plan);
        forgotten += plan->parts[i]->already;
    }
    if (!s->rc && forgotten != plan->info.forgotten)
        fail(s, "the number of requests forgotten already is wrong");
}

/* Memory of the model files and the codes file that are stored within sections of a plan file, if the plan has them. */
struct images {
    struct dkvb__output values, keys, codes;
};

static void free_image(struct dkvb__output *image, const dkvb_allocator *mem)
{
    dkvb__free_erased(mem, image->memory);
}

/* Writes the new values of a plan of forgetting as a model without names and journal, as the model that the plan is
 * applied to has names and journal. */
static dkvb_status write_values(const dkvb_plan *plan, struct dkvb__output *to)
{
    struct dkvb_model bare = *plan->after;
    dkvb_status rc = dkvb_mask_new(&bare.mask, bare.codebooks);

    if (!rc)
        rc = dkvb__model_write(&bare, to);
    dkvb_mask_free(bare.mask);
    return rc;
}

dkvb_status dkvb_plan_save(const dkvb_plan *plan, const char *path)
{
    /* the functions that write a plan of forgetting to a file also serve to read one, so they take a plan that is not
     * const */
    dkvb_plan copy = *plan;
    struct stream s = {.way = MEASURE, .mem = &plan->mem, .path = path};
    struct images images = {0};
    struct dkvb__part parts[4];
    size_t count = 1;
    dkvb_status rc = DKVB_OK;

    if (plan->applied)
        return dkvb__fail(DKVB_ESTATE, "the plan was applied: there is nothing to save for later");
    pass_plan(&s, &copy);
    pass_parts(&s, &copy);
    if (s.rc)
        return s.rc;
    s.to = dkvb__alloc(s.mem, s.size, 1);
    if (!s.to)
        return dkvb__fail(DKVB_ENOMEM, "out of memory to save %.300s", path);
    s.way = WRITE;
    s.size = 0;
    pass_plan(&s, &copy);
    pass_parts(&s, &copy);
    parts[0] = dkvb__part_of("plan", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, s.to, s.size);
    if (plan->after)
        rc = write_values(plan, &images.values);
    if (!rc && plan->placed)
        rc = dkvb__model_write(plan->placed, &images.keys);
    if (!rc && plan->placed_set)
        rc = dkvb__codeset_write(plan->placed_set, &images.codes);
    if (images.values.memory)
        parts[count++] = dkvb__part_of("values", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, images.values.memory,
                                       images.values.size);
    if (images.keys.memory)
        parts[count++] =
            dkvb__part_of("keys", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, images.keys.memory, images.keys.size);
    if (images.codes.memory)
        parts[count++] =
            dkvb__part_of("codes", DKVB__DTYPE_BYTES, DKVB__SECTION_REQUIRED, images.codes.memory, images.codes.size);
    rc = dkvb__ranks_agree(&plan->ranks, rc);
    if (!rc && plan->ranks.rank == 0)
        rc = dkvb__container_write(&(struct dkvb__output){.path = path}, DKVB__KIND_PLAN, parts, count, s.mem);
    rc = dkvb__ranks_agree(&plan->ranks, rc);
    dkvb__free_erased(s.mem, s.to);
    free_image(&images.values, images.values.memory ? &plan->after->mem : s.mem);
    free_image(&images.keys, images.keys.memory ? &plan->placed->mem : s.mem);
    free_image(&images.codes, images.codes.memory ? &plan->placed_set->mem : s.mem);
    /* the copy of the plan of forgetting is erased, as it holds the salt with which the forgotten rows were hashed */
    dkvb__erase(&copy, sizeof copy);
    return rc;
}

static dkvb_status read_stream(const struct dkvb__container *c, dkvb_plan *plan)
{
    struct stream s = {.way = READ, .mem = c->mem, .path = c->file.path};
    const struct dkvb__section *section;
    void *data;
    dkvb_status rc = dkvb__container_need(c, "plan", DKVB__DTYPE_BYTES, UINT64_MAX, &section);

    if (!rc)
        rc = dkvb__section_read_new(c, section, &data);
    if (rc)
        return rc;
    s.from = (struct dkvb__reader){data, (size_t)section->size};
    pass_plan(&s, plan);
    pass_parts(&s, plan);
    check_plan(&s, plan, NULL);
    if (!s.rc && s.from.left > 0)
        fail(&s, "bytes are left after its end");
    dkvb__free_erased(c->mem, data);
    return s.rc;
}

/* Reads the bytes of a file that is stored within a section, which the caller frees; NULL if the section does not
 * exist. */
static dkvb_status read_image(const struct dkvb__container *c, const char *name, void **data, struct dkvb__file *file)
{
    const struct dkvb__section *section = dkvb__container_find(c, name);
    dkvb_status rc;

    *data = NULL;
    if (!section)
        return DKVB_OK;
    rc = dkvb__section_read_new(c, section, data);
    if (!rc)
        *file = dkvb__file_in_memory(*data, section->size, c->file.path);
    return rc;
}

static dkvb_status read_model(const struct dkvb__container *c, const char *name, dkvb_model **out)
{
    struct dkvb__file file;
    void *data;
    dkvb_status rc = read_image(c, name, &data, &file);

    if (!rc && data)
        rc = dkvb__model_take(out, &file, c->mem);
    dkvb__free_erased(c->mem, data);
    return rc;
}

static dkvb_status read_codes(const struct dkvb__container *c, dkvb_codeset **out)
{
    struct dkvb__file file;
    void *data;
    dkvb_status rc = read_image(c, "codes", &data, &file);

    if (!rc && data)
        rc = dkvb__codeset_take(out, &file, c->mem);
    dkvb__free_erased(c->mem, data);
    return rc;
}

/* Checks that the plan file of a forgetting with the strength `exact` (training again without the forgotten rows) has
 * every stored file (values, keys, codes) that its plan needs. */
static dkvb_status check_exact(const char *path, const dkvb_plan *plan)
{
    bool exact = plan->info.strength == DKVB_STRENGTH_EXACT, placed = exact && plan->info.keys == DKVB_KEYS_PLACED;
    bool to_do =
        exact && !plan->info.resumed && !(plan->info.refused && !plan->info.forced) && !dkvb__plan_is_idle(plan);

    if ((plan->after && !exact) || (plan->placed && !placed) || (plan->placed_set && !placed) ||
        (to_do && (!plan->after || !plan->lifted ||
                   dkvb__temperature_check(plan->temperature, plan->power, DKVB_EFORMAT, "plan"))) ||
        (to_do && placed && (!plan->placed || !plan->placed_set)) ||
        (placed && plan->info.resumed && !plan->placed_set))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: what the strength exact needs is missing, or is there without it",
                          path);
    if (plan->placed && (plan->placed->classes != plan->classes || plan->placed->mapping))
        return dkvb__fail(DKVB_EFORMAT, "%.300s: the new keys are of %u classes, the plan is of %u", path,
                          plan->placed->classes, plan->classes);
    return DKVB_OK;
}

static dkvb_status read_plan(const struct dkvb__container *c, dkvb_plan *plan)
{
    static const char *const names[] = {"plan", "values", "keys", "codes"};
    dkvb_status rc = dkvb__container_need_only(c, names, sizeof names / sizeof *names);

    if (!rc)
        rc = read_stream(c, plan);
    if (!rc)
        rc = read_model(c, "values", &plan->after);
    if (!rc)
        rc = read_model(c, "keys", &plan->placed);
    if (!rc)
        rc = read_codes(c, &plan->placed_set);
    if (!rc)
        rc = check_exact(c->file.path, plan);
    if (!rc && plan->part_count > 0)
        rc = dkvb__plan_tell_requests(plan);
    return rc;
}

dkvb_status dkvb_plan_load(dkvb_plan **out, const char *path, const dkvb_allocator *given)
{
    dkvb_allocator mem = dkvb__allocator(given);
    struct dkvb__container c;
    dkvb_plan *plan;
    dkvb_status rc = dkvb__check_allocator(given);

    *out = NULL;
    if (!rc)
        rc = dkvb__container_open(&c, path, DKVB__KIND_PLAN, &mem);
    if (rc)
        return rc;
    plan = dkvb__alloc0(&mem, 1, sizeof *plan);
    if (plan) {
        plan->mem = mem;
        plan->ranks = (dkvb_ranks)DKVB_RANKS_INIT;
        plan->info = (dkvb_plan_info)DKVB_PLAN_INFO_INIT;
        plan->request = (dkvb_forget_request)DKVB_FORGET_REQUEST_INIT;
        rc = read_plan(&c, plan);
    } else {
        rc = dkvb__fail(DKVB_ENOMEM, "%.300s: out of memory for a plan", path);
    }
    dkvb__container_close(&c);
    if (rc)
        dkvb_plan_free(plan);
    else
        *out = plan;
    return rc;
}
