/*
 * Plans several requests as one plan, which is applied as a whole or not at all (include/dkvb/plan.h).
 *
 * With the forgetting strength `suppress`, a plan of several requests has a plan for each request, made on a draft of
 * the model in which the requests before are applied. The budget (number of masked pairs) of each request, and the
 * classes that come back, are found as if the requests came one by one, and the journal entry of each request can be
 * undone separately. With the forgetting strength `exact`, the plan of each request only tells which rows the request
 * names; the values are trained once, without the rows of all requests.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sort.h"
#include "base/status.h"
#include "unlearn/draft.h"
#include "unlearn/journal.h"
#include "unlearn/plan.h"

/* State of reading the text of several forget requests, one per line. */
struct reading {
    dkvb_plan *plan;
    const dkvb_model *model;
    const dkvb_codeset *set; /* The codeset in which the rows of requests are looked up, or NULL for none. */
    char *text;              /* a copy of the text of several forget requests, cut into lines and words */
    size_t room;             /* number of plans of single forget requests for which the array plan->parts has room */
    /* for each class, the number of the line in the text of requests that asked to forget the class, or 0 for none,
     * [classes] */
    uint64_t *named_by;
};

/* Fails with an error message about one line of the text of requests: first the line's number, then the message of the
 * library function that failed. */
static dkvb_status fail_at(uint64_t line, dkvb_status rc)
{
    if (rc == DKVB_ENOMEM || rc == DKVB_ECANCELLED)
        return rc;
    return dkvb__fail_about(rc, "requests: line %llu", (unsigned long long)line);
}

static char *skip_blanks(char *at)
{
    return at + strspn(at, " ");
}

/* Removes blanks from the end of a text in a list of classes or rows. */
static void trim(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\r'))
        text[--length] = '\0';
}

static dkvb_status mark_listed(const dkvb_model *model, char *list, uint8_t *marks)
{
    dkvb_status rc = DKVB_OK;

    for (char *at = list, *next; !rc && at; at = next) {
        uint32_t label;

        next = strchr(at, ',');
        if (next)
            *next++ = '\0';
        at = skip_blanks(at);
        trim(at);
        rc = dkvb_model_find_class(model, at, DKVB_FIND_NAME_OR_INDEX, &label);
        if (!rc)
            marks[label] = DKVB_FORGET;
    }
    return rc;
}

/* Reads a list of classes from a forget request. A class name may contain a comma, so a list of classes is looked up as
 * one name first. A list of classes in a forget request is refused if the list could be read both as one class name and
 * as several classes. */
static dkvb_status take_classes(struct reading *r, dkvb_plan *part, char *list)
{
    uint32_t whole;
    bool comma = strchr(list, ',') != NULL;
    dkvb_status rc = dkvb_model_find_class(r->model, list, DKVB_FIND_NAME_OR_INDEX, &whole);
    bool named = rc == DKVB_OK;

    part->marks = dkvb__alloc0(&part->mem, part->classes, 1);
    if (!part->marks)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", part->classes);
    if (comma)
        rc = mark_listed(r->model, list, part->marks);
    else if (named)
        part->marks[whole] = DKVB_FORGET;
    if (named && comma && !rc)
        return dkvb__fail(DKVB_EINVAL, "the name of class %u is also a list of classes: indices must be given", whole);
    if (named && comma) {
        memset(part->marks, DKVB_KEEP, part->classes);
        part->marks[whole] = DKVB_FORGET;
        rc = DKVB_OK;
    }
    for (uint32_t l = 0; !rc && l < part->classes; l++) {
        if (part->marks[l] != DKVB_FORGET)
            continue;
        if (r->named_by[l])
            return dkvb__fail(DKVB_EINVAL, "class %u is asked for by line %llu already", l,
                              (unsigned long long)r->named_by[l]);
        r->named_by[l] = part->line;
    }
    return rc;
}

/* Reads the digits of one row id, up to a comma or the end. The function take_id() returns NULL unless the digits of
 * the id are a number of at most 64 bits. */
static char *take_id(char *at, uint64_t *id)
{
    char *end = at;

    for (*id = 0; *end >= '0' && *end <= '9'; end++) {
        unsigned digit = (unsigned)(*end - '0');

        if (*id > (UINT64_MAX - digit) / 10)
            return NULL;
        *id = 10 * *id + digit;
    }
    if (end == at)
        return NULL;
    end = skip_blanks(end);
    return *end == ',' || *end == '\0' ? end : NULL;
}

static dkvb_status take_ids(dkvb_plan *part, char *list)
{
    size_t count = 1;

    for (const char *at = list; *at; at++)
        count += *at == ',';
    part->ids = dkvb__alloc(&part->mem, count, sizeof *part->ids);
    if (!part->ids)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu ids", count);
    for (char *at = list; part->id_count < count; part->id_count++) {
        char *end = take_id(at, &part->ids[part->id_count]);

        if (!end)
            return dkvb__fail(
                DKVB_EINVAL, "'%.40s' found, an id must be a number from 0 to 2^64 - 1, and a comma stands between two",
                at);
        /* In a list of row ids, a comma is followed by the next id; without a comma the list has ended. */
        at = *end == ',' ? skip_blanks(end + 1) : end;
    }
    return DKVB_OK;
}

static bool is_row(const dkvb_codeset *set, const char *name)
{
    uint64_t id = dkvb__row_name_id(set->names.salt, name);

    return dkvb__codeset_has(set, id) || dkvb__removed_has(&set->removed, id);
}

/* Reads a list of rows from a forget request. A row's name may contain a comma, so a list of rows is taken as one name
 * if a row has that name. Whether the codeset has the rows that a request names is checked later, when it is known
 * which requests were carried out before. */
static dkvb_status take_rows(const struct reading *r, dkvb_plan *part, const char *list)
{
    size_t count = 1;
    char *to;

    if (!r->set || !r->set->names.salted)
        return dkvb__fail(DKVB_EINVAL, "rows are asked for by names, and %s: ids must be given instead",
                          r->set ? "those of the codes are called by numbers" : "no codeset says how names are hashed");
    if (!is_row(r->set, list))
        for (const char *at = list; *at; at++)
            count += *at == ',';
    part->ids = dkvb__alloc(&part->mem, count, sizeof *part->ids);
    part->names = to = dkvb__strdup(&part->mem, list);
    if (!part->ids || !to)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu names", count);
    for (char *at = part->names, *next; part->id_count < count; at = next) {
        char *comma = count > 1 ? strchr(at, ',') : NULL;
        dkvb_status rc;

        next = comma ? comma + 1 : at + strlen(at);
        if (comma)
            *comma = '\0';
        at = skip_blanks(at);
        trim(at);
        rc = dkvb__row_name_check(at);
        if (rc)
            return rc;
        part->ids[part->id_count++] = dkvb__row_name_id(r->set->names.salt, at);
        /* The names of rows that a request lists are moved together in memory, so that one name follows the other
         * without gaps. */
        memmove(to, at, strlen(at) + 1);
        to += strlen(to) + 1;
    }
    return DKVB_OK;
}

/* Describes a row of a forget request as the text of requests names it: by the row's name in quotes, or by its id. */
enum { CALLED = DKVB__ROW_NAME + sizeof "''" };
static const char *called(char to[CALLED], const dkvb_plan *part, size_t row)
{
    const char *name = part->names;

    for (size_t i = 0; name && i < row; i++)
        name += strlen(name) + 1;
    if (name)
        snprintf(to, CALLED, "'%s'", name);
    else
        snprintf(to, CALLED, "id %llu", (unsigned long long)part->ids[row]);
    return to;
}

static dkvb_status add_part(struct reading *r, uint64_t line, dkvb_plan **part)
{
    dkvb_plan *plan = r->plan;
    const dkvb_forget_request *q = &plan->request;
    dkvb_status rc;

    if (plan->part_count == r->room) {
        size_t room = r->room ? 2 * r->room : 16;
        dkvb_plan **grown = dkvb__alloc(&plan->mem, room, sizeof *grown);

        if (!grown)
            return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu requests", room);
        if (plan->part_count > 0)
            memcpy(grown, plan->parts, plan->part_count * sizeof *grown);
        dkvb__free(&plan->mem, plan->parts);
        plan->parts = grown;
        r->room = room;
    }
    rc = dkvb__plan_new(part, r->model, q);
    if (rc)
        return rc;
    (*part)->line = line;
    (*part)->salted = q->salt != NULL;
    if (q->salt && plan->part_count == 0)
        /* In a text of requests, the first request uses the given salt, so that a single request gives the same bytes
         * whether it is planned alone or as a text. */
        memcpy((*part)->salt, q->salt, sizeof(*part)->salt);
    else if (q->salt)
        dkvb__plan_salt((*part)->salt, q->salt, "dkvb request", plan->part_count);
    plan->parts[plan->part_count++] = *part;
    return DKVB_OK;
}

/* Reads one line, which is one forget request, of the text of several requests; the line comes without its line end. */
static dkvb_status take_line(struct reading *r, char *line, uint64_t number)
{
    char *reason = strchr(line, '\t'), *list;
    dkvb_plan *part;
    bool by_class, by_name;
    dkvb_status rc;

    if (reason)
        *reason++ = '\0';
    trim(line);
    if (line[0] == '#' || (line[0] == '\0' && !reason))
        return DKVB_OK;
    by_class = strncmp(line, "class ", 6) == 0;
    by_name = strncmp(line, "rows ", 5) == 0;
    if (!by_class && !by_name && strncmp(line, "ids ", 4) != 0)
        return dkvb__fail(DKVB_EINVAL,
                          "'%.40s' found, a request must be 'class NAME_OR_INDEX[,...]', 'ids N[,N...]' or 'rows "
                          "NAME[,...]', and a tab stands before its reason",
                          line);
    list = skip_blanks(strchr(line, ' '));
    rc = add_part(r, number, &part);
    if (!rc && reason) {
        trim(reason);
        rc = dkvb__check_text("reason", reason, DKVB__MAX_REASON);
    }
    if (!rc && (reason || r->plan->request.reason)) {
        part->reason = dkvb__strdup(&part->mem, reason ? reason : r->plan->request.reason);
        rc = part->reason ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for a reason");
    }
    if (rc)
        return rc;
    return by_class ? take_classes(r, part, list) : by_name ? take_rows(r, part, list) : take_ids(part, list);
}

/* Checks that no row id is named twice, either in one forget request or in two of the requests that are planned
 * together. */
static dkvb_status check_ids(const dkvb_plan *plan)
{
    size_t count = 0, at = 0;
    struct dkvb__keyed *items, *scratch;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; i < plan->part_count; i++)
        count += plan->parts[i]->id_count;
    items = dkvb__alloc(&plan->mem, count, sizeof *items);
    scratch = dkvb__alloc(&plan->mem, count, sizeof *scratch);
    if (!items || !scratch)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu ids", count);
    for (size_t i = 0; !rc && i < plan->part_count; i++)
        for (size_t j = 0; j < plan->parts[i]->id_count; j++)
            items[at++] = (struct dkvb__keyed){plan->parts[i]->ids[j], i};
    if (!rc)
        dkvb__sort_keyed(items, scratch, count);
    for (size_t i = 1; !rc && i < count; i++)
        if (items[i].key == items[i - 1].key) {
            const dkvb_plan *part = plan->parts[items[i].index];
            char what[CALLED];
            size_t row = 0;

            while (part->ids[row] != items[i].key)
                row++;
            dkvb__fail(DKVB_EINVAL, "%s is named by line %llu already", called(what, part, row),
                       (unsigned long long)plan->parts[items[i - 1].index]->line);
            rc = fail_at(part->line, DKVB_EINVAL);
        }
    dkvb__free_erased(&plan->mem, items);
    dkvb__free_erased(&plan->mem, scratch);
    return rc;
}

/* Reads the text of requests, one request per line, into plan->parts, a plan for each request. */
static dkvb_status read_text(dkvb_plan *plan, const dkvb_model *model, const dkvb_codeset *set, const char *text)
{
    struct reading r = {.plan = plan, .model = model, .set = set};
    uint64_t number = 0;
    dkvb_status rc = DKVB_OK;

    /* A byte order mark, which some editors put before UTF-8 text, is skipped. */
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3;
    r.text = dkvb__strdup(&plan->mem, text);
    r.named_by = dkvb__alloc0(&plan->mem, plan->classes, sizeof *r.named_by);
    if (!r.text || !r.named_by)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for the text of requests");
    for (char *line = r.text, *next; !rc && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        rc = take_line(&r, line, ++number);
        if (rc)
            rc = fail_at(number, rc);
    }
    dkvb__free_erased(&plan->mem, r.text);
    dkvb__free(&plan->mem, r.named_by);
    if (!rc && plan->part_count == 0)
        rc = dkvb__fail(DKVB_EINVAL, "requests: no line names anybody");
    return rc ? rc : check_ids(plan);
}

/* True if a codeset still has any row that a forget request names. */
static bool has_rows(const dkvb_codeset *set, const dkvb_plan *part)
{
    for (size_t p = 0; p < DKVB__PARTS; p++) {
        const struct dkvb__coderows *rows = &set->part[p];

        for (size_t i = 0; part->marks && i < rows->n; i++)
            if (rows->labels[i] >= 0 && (uint32_t)rows->labels[i] < part->classes &&
                part->marks[rows->labels[i]] == DKVB_FORGET)
                return true;
    }
    for (size_t i = 0; i < part->id_count; i++)
        if (dkvb__codeset_has(set, part->ids[i]))
            return true;
    return false;
}

/* True if a journal entry in force asked for all classes of a forget request, or for exactly its rows. The argument
 * `scratch`, [classes], is scratch space for marks of classes. */
static bool entry_covers(const dkvb_model *model, uint64_t entry, const dkvb_plan *part, uint8_t *scratch)
{
    if (!part->marks)
        return dkvb_journal_names_rows(model, entry, part->ids, part->id_count);
    if (dkvb_journal_get_terms(model, entry, scratch, NULL) != DKVB_OK)
        return false;
    for (uint32_t l = 0; l < part->classes; l++)
        if (part->marks[l] == DKVB_FORGET && scratch[l] != DKVB_FORGET)
            return false;
    return true;
}

/* Result of comparing a model's training with a codeset: it tells whether the model was trained on exactly the
 * codeset's rows. */
enum fit { UNKNOWN, FITS, FITS_NOT };

/* Finds out whether the rows of a request were removed from the codeset, and the model was trained on the present
 * codeset. After a purge no hash of rows in the journal can be checked. That rows are missing from the codeset does not
 * prove that the model was trained without them, since the model may be older than the codeset. Whether the model was
 * trained on the present codeset, `fit`, is found out only when a request needs it, and only once, since the comparison
 * reads every code. */
static dkvb_status removed_before(struct dkvb__planning *p, const dkvb_plan *part, enum fit *fit, bool *removed)
{
    dkvb_status rc = DKVB_OK;

    *removed = false;
    for (size_t i = 0; i < part->id_count; i++)
        if (!dkvb_codeset_was_removed(p->set, part->ids[i]))
            return DKVB_OK;
    if (part->id_count > 0 && *fit == UNKNOWN) {
        *fit = FITS_NOT;
        if (dkvb__codeset_check(p->set, p->model->codebooks) == DKVB_OK) {
            rc = dkvb__plan_need_codes(p, DKVB_PART_TRAINING);
            if (!rc && dkvb__replay_check(p->model, p->set, NULL, 0, p->run) == DKVB_OK)
                *fit = FITS;
        }
    }
    *removed = part->id_count > 0 && *fit == FITS;
    return rc;
}

/* Finds those requests of a plan of forgetting that the journal shows to have been carried out before. If a request
 * deletes rows and the codeset still has these rows, the request is not finished: the model was saved, but saving the
 * codeset failed. */
static dkvb_status find_forgotten(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    const struct dkvb__journal *j = &p->model->journal;
    bool exact = plan->info.strength == DKVB_STRENGTH_EXACT;
    enum fit fit = UNKNOWN;
    uint8_t *scratch = dkvb__alloc(&plan->mem, plan->classes, 1);
    dkvb_status rc = scratch ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);

    for (size_t i = 0; !rc && i < plan->part_count; i++) {
        dkvb_plan *part = plan->parts[i];

        if (exact && has_rows(p->set, part))
            continue;
        for (size_t e = 0; e < j->count && !part->already; e++)
            if (dkvb__record_in_force(&j->records[e]) && (!exact || j->records[e].kind == DKVB_JOURNAL_REPLAY) &&
                entry_covers(p->model, e + 1, part, scratch)) {
                part->already = true;
                part->entry = e + 1;
            }
        if (!part->already && p->set)
            rc = removed_before(p, part, &fit, &part->already);
        plan->info.forgotten += part->already;
    }
    dkvb__free(&plan->mem, scratch);
    return rc;
}

/* If one of the requests that are planned together is refused, the whole plan is refused for the reason of that
 * request. */
static void refuse_with(dkvb_plan *plan, const dkvb_plan *part)
{
    plan->info.refused = part->info.refused;
    plan->info.refused_class = part->info.refused_class;
    plan->unknown = part->unknown;
    snprintf(plan->refusal, sizeof plan->refusal, "line %llu: %.660s", (unsigned long long)part->line, part->refusal);
}

/* Adds the numbers of one forget request's plan (its rows, pairs and so on) to the numbers of the whole plan of several
 * requests. */
static dkvb_status add_up(dkvb_plan *plan, const dkvb_plan *part)
{
    dkvb_plan_info *sum = &plan->info;

    sum->method = part->info.method;
    sum->pairs += part->info.pairs;
    sum->rows += part->info.rows;
    sum->ids += part->info.ids;
    sum->again += part->info.again;
    sum->not_again += part->info.not_again;
    sum->held_out = part->info.held_out;
    sum->exhausted = part->info.exhausted > sum->exhausted ? part->info.exhausted : sum->exhausted;
    if (part->info.refused && !sum->refused)
        refuse_with(plan, part);
    sum->forced = sum->forced || part->info.forced;
    if (!part->mask)
        return DKVB_OK;
    return plan->mask ? dkvb_mask_combine(plan->mask, part->mask, DKVB_MASK_UNION)
                      : dkvb_mask_copy(&plan->mask, part->mask);
}

/* Collects in plan->marks all classes that are named by any forget request of a plan of forgetting. */
static dkvb_status unite_marks(dkvb_plan *plan)
{
    for (size_t i = 0; i < plan->part_count; i++) {
        const dkvb_plan *part = plan->parts[i];

        if (part->already || !part->marks)
            continue;
        if (!plan->marks)
            plan->marks = dkvb__alloc0(&plan->mem, plan->classes, 1);
        if (!plan->marks)
            return dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
        for (uint32_t l = 0; l < plan->classes; l++)
            if (part->marks[l] == DKVB_FORGET)
                plan->marks[l] = DKVB_FORGET;
    }
    return DKVB_OK;
}

/* Finds the classes whose losses of accuracy are not limited: classes that a request names, and, for a request by rows,
 * the class to which most of its rows belong. */
static dkvb_status find_asked(const struct dkvb__planning *p, uint8_t **asked)
{
    const dkvb_plan *plan = p->plan;
    uint64_t *rows = dkvb__alloc(&plan->mem, plan->classes, sizeof *rows);

    *asked = dkvb__alloc0(&plan->mem, plan->classes, 1);
    if (!rows || !*asked) {
        dkvb__free(&plan->mem, rows);
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    }
    for (size_t i = 0; i < plan->part_count; i++) {
        const dkvb_plan *part = plan->parts[i];
        uint32_t most = 0;

        if (part->already)
            continue;
        memset(rows, 0, plan->classes * sizeof *rows);
        for (uint32_t l = 0; part->marks && l < plan->classes; l++)
            (*asked)[l] |= part->marks[l] == DKVB_FORGET;
        for (size_t j = 0; !part->marks && p->set && j < part->id_count; j++) {
            const struct dkvb__coderows *training = &p->set->part[DKVB_PART_TRAINING];
            size_t at = dkvb__coderows_find(training, part->ids[j]);

            if (at < training->n && training->labels[at] >= 0)
                rows[training->labels[at]]++;
        }
        for (uint32_t l = 1; l < plan->classes; l++)
            most = rows[l] > rows[most] ? l : most;
        (*asked)[most] |= rows[most] > 0;
    }
    dkvb__free(&plan->mem, rows);
    return DKVB_OK;
}

/* Applies the limits on each class's losses of accuracy to all requests of a plan together. */
static dkvb_status guard_together(struct dkvb__planning *p, bool found)
{
    dkvb_plan *plan = p->plan;
    dkvb_class_effect others = {0};
    dkvb_status rc = dkvb__guard_effects(p);

    for (uint32_t l = 0; !rc && l < plan->classes; l++)
        if (!p->asked[l] && (!plan->marks || plan->marks[l] == DKVB_KEEP))
            dkvb__effect_add(&others, &plan->effects[l]);
    if (!rc && found && others.loss > plan->request.max_retain_drop)
        dkvb__plan_refuse(
            plan, DKVB_REFUSED_TARGET, 0,
            "all requests together would cost the others %.4f, at most %g is allowed. Fewer requests or a "
            "larger limit may do, and the strength exact forgets by training again",
            others.loss, plan->request.max_retain_drop);
    return rc;
}

/* Measures the effects on accuracies of all requests of a plan together, on a draft (copy) of the model in which all of
 * them are applied. */
static dkvb_status measure_together(struct dkvb__planning *p, const struct dkvb_model *draft)
{
    dkvb_plan *plan = p->plan;
    uint8_t *asked = NULL;
    bool found = false;
    dkvb_status rc = dkvb__plan_take_held_out(p);

    plan->info.pairs_new = dkvb__mask_count(draft->mask) - dkvb__mask_count(p->model->mask);
    if (rc || p->held.n == 0)
        return rc;
    for (size_t i = 0; i < plan->part_count; i++)
        found = found || (plan->parts[i]->info.budget_found && !plan->parts[i]->already);
    rc = dkvb__effect_compare(p->model, draft, &p->held, plan->effects, p->run);
    plan->measured = !rc;
    if (!rc && plan->marks)
        rc = dkvb__plan_set_aside(p, plan->marks);
    if (!rc)
        rc = find_asked(p, &asked);
    p->asked = asked;
    if (!rc)
        rc = guard_together(p, found);
    p->asked = NULL;
    dkvb__free(&plan->mem, asked);
    return rc;
}

/* Checks that the codeset still has every row that a request asks for. */
static dkvb_status check_rows(const dkvb_codeset *set, const dkvb_plan *part)
{
    char what[CALLED];

    for (size_t j = 0; j < part->id_count; j++)
        if (!dkvb__codeset_has(set, part->ids[j]))
            return fail_at(part->line, dkvb__fail(DKVB_ENOTFOUND, "%s: the codes have no such row%s",
                                                  called(what, part, j), dkvb__plan_no_row(set, part->names != NULL)));
    return DKVB_OK;
}

/* Plans one of several requests on a draft (copy) of the model, and writes the journal entries of the request to the
 * draft. */
static dkvb_status plan_part(struct dkvb__planning *p, dkvb_plan **part, struct dkvb_model *draft)
{
    dkvb_forget_request q = p->plan->request;
    dkvb_plan *who = *part, *made;
    dkvb_status rc;

    q.requests = NULL;
    q.classes = who->marks;
    q.ids = who->ids;
    q.id_count = who->id_count;
    q.reason = who->reason;
    q.salt = who->salted ? who->salt : NULL;
    if (q.ids && !p->set)
        return fail_at(who->line, dkvb__fail(DKVB_EINVAL, "ids name rows of a codeset, and none is given"));
    /* Rows that a request names by name are looked up before the request is planned, so that an error message can say
     * the names. */
    rc = who->names ? check_rows(p->set, who) : DKVB_OK;
    if (rc)
        return rc;
    rc = dkvb__plan_one(&made, draft, p->set, &q, p->run);
    if (rc)
        return fail_at(who->line, rc);
    made->line = who->line;
    dkvb_plan_free(who);
    *part = made;
    if (made->info.refused && !made->info.forced)
        return DKVB_OK;
    return dkvb__plan_write(made, draft, &made->entry);
}

static dkvb_status suppress(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    struct dkvb_model draft = {0};
    bool refused = false;
    dkvb_status rc = dkvb__model_agree(p->model, dkvb__draft_new(&draft, p->model));

    for (size_t i = 0; !rc && !refused && i < plan->part_count; i++) {
        if (plan->parts[i]->already)
            continue;
        rc = plan_part(p, &plan->parts[i], &draft);
        if (!rc)
            rc = dkvb__model_agree(p->model, add_up(plan, plan->parts[i]));
        refused = plan->parts[i]->info.refused && !plan->parts[i]->info.forced;
    }
    if (!rc)
        rc = dkvb__model_agree(p->model, unite_marks(plan));
    if (!rc && !refused)
        rc = measure_together(p, &draft);
    dkvb__draft_free(&draft);
    return rc;
}

/* Collects the ids of the rows of each request, all of which must be in the codeset, and in plan->ids the ids of all
 * requests, each once. */
static dkvb_status unite_ids(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    struct dkvb__keyed *items, *scratch;
    size_t count = 0, at = 0;
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && i < plan->part_count; i++) {
        dkvb_plan *part = plan->parts[i];

        if (part->already)
            continue;
        if (part->marks)
            rc = dkvb__plan_ids_of(p, part->marks, &part->ids, &part->id_count);
        if (!rc && part->marks && part->id_count == 0)
            rc = fail_at(part->line, dkvb__fail(DKVB_ENOTFOUND, "no row of the codes is of the classes asked for"));
        if (!rc && !part->marks)
            rc = check_rows(p->set, part);
        count += part->id_count;
    }
    if (rc)
        return rc;
    items = dkvb__alloc(&plan->mem, count, sizeof *items);
    scratch = dkvb__alloc(&plan->mem, count, sizeof *scratch);
    plan->ids = dkvb__alloc(&plan->mem, count, sizeof *plan->ids);
    if (!items || !scratch || !plan->ids)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu ids", count);
    for (size_t i = 0; !rc && i < plan->part_count; i++)
        for (size_t j = 0; !plan->parts[i]->already && j < plan->parts[i]->id_count; j++)
            items[at++] = (struct dkvb__keyed){plan->parts[i]->ids[j], 0};
    if (!rc)
        dkvb__sort_keyed(items, scratch, at);
    for (size_t i = 0; !rc && i < at; i++)
        if (i == 0 || items[i].key != items[i - 1].key)
            plan->ids[plan->id_count++] = items[i].key;
    dkvb__free_erased(&plan->mem, items);
    dkvb__free_erased(&plan->mem, scratch);
    plan->info.ids = plan->id_count;
    return rc;
}

/* In each forget request that names rows by ids, looks separately for rows of other classes that were mixed into the
 * request. */
static dkvb_status guard_mixtures(struct dkvb__planning *p)
{
    const struct dkvb__coderows *training = &p->set->part[DKVB_PART_TRAINING];
    dkvb_status rc = DKVB_OK;

    for (size_t i = 0; !rc && i < p->plan->part_count; i++) {
        struct dkvb__planning of_part = *p;
        dkvb_plan *part = p->plan->parts[i];

        if (part->already || part->marks)
            continue;
        of_part.plan = part;
        of_part.rows = dkvb__alloc0(&part->mem, training->n, 1);
        if (!of_part.rows)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %zu rows", training->n);
        rc = dkvb__model_agree(p->model, rc);
        for (size_t j = 0; !rc && j < part->id_count; j++) {
            size_t at = dkvb__coderows_find(training, part->ids[j]);

            if (at < training->n)
                of_part.rows[at] = DKVB_FORGET;
            part->info.rows += at < training->n;
        }
        if (!rc)
            rc = dkvb__guard_mixture(&of_part);
        dkvb__free_erased(&part->mem, of_part.rows);
        if (!rc && part->info.refused && !p->plan->info.refused)
            refuse_with(p->plan, part);
    }
    return rc;
}

static dkvb_status exact(struct dkvb__planning *p)
{
    dkvb_plan *plan = p->plan;
    uint64_t entry;
    uint8_t *asked = NULL;
    bool of_model = dkvb__codeset_check(p->set, p->model->codebooks) == DKVB_OK;
    dkvb_status rc = unite_ids(p);

    if (!rc)
        rc = unite_marks(plan);
    if (!rc)
        rc = dkvb__plan_find_rows(p);
    rc = dkvb__model_agree(p->model, rc);
    if (!rc && of_model)
        rc = dkvb__plan_take_held_out(p);
    if (!rc && of_model)
        rc = guard_mixtures(p);
    if (!rc)
        rc = find_asked(p, &asked);
    p->asked = asked;
    rc = dkvb__model_agree(p->model, rc);
    if (!rc)
        rc = dkvb__plan_exact(p);
    p->asked = NULL;
    dkvb__free(&plan->mem, asked);
    entry = plan->placed ? 0 : plan->entries + plan->info.lifted;
    for (size_t i = 0; !rc && i < plan->part_count; i++)
        if (!plan->parts[i]->already && !plan->info.resumed && (!plan->info.refused || plan->request.force))
            plan->parts[i]->entry = ++entry;
    return rc;
}

bool dkvb__plan_is_idle(const dkvb_plan *plan)
{
    return plan->part_count > 0 && plan->info.forgotten == plan->part_count;
}

dkvb_status dkvb__plan_tell_requests(dkvb_plan *plan)
{
    plan->requests = dkvb__alloc0(&plan->mem, plan->part_count, sizeof *plan->requests);
    if (!plan->requests)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for %zu requests", plan->part_count);
    for (size_t i = 0; i < plan->part_count; i++) {
        const dkvb_plan *part = plan->parts[i];

        plan->requests[i] = (dkvb_plan_request){.line = part->line,
                                                .forgotten = part->already,
                                                .entry = part->entry,
                                                .ids = part->id_count,
                                                .pairs = part->info.pairs,
                                                .pairs_new = part->info.pairs_new,
                                                .classes = part->marks};
    }
    return DKVB_OK;
}

dkvb_status dkvb__plan_requests(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q,
                                const dkvb_run_options *run)
{
    struct dkvb__planning p = {.model = model, .view = *model, .set = set, .run = run, .held = DKVB_CODESET_ROWS_INIT};
    dkvb_plan *plan;
    dkvb_status rc = dkvb__model_agree(model, dkvb__plan_new(&p.plan, model, q));

    p.view.mask = NULL;
    if (rc) {
        dkvb_plan_free(p.plan);
        return rc;
    }
    plan = p.plan;
    plan->effects = dkvb__alloc0(&plan->mem, plan->classes, sizeof *plan->effects);
    if (!plan->effects)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %u classes", plan->classes);
    if (!rc)
        rc = dkvb_mask_copy(&p.view.mask, model->mask);
    if (!rc)
        rc = read_text(plan, model, set, q->requests);
    rc = dkvb__model_agree(model, rc);
    if (!rc)
        rc = dkvb__model_agree(model, find_forgotten(&p));
    if (!rc && !dkvb__plan_is_idle(plan))
        rc = q->strength == DKVB_STRENGTH_EXACT ? exact(&p) : suppress(&p);
    plan->info.can_be_forced = dkvb__plan_can_be_forced(plan);
    plan->info.forced = plan->info.forced || (q->force && plan->info.can_be_forced);
    dkvb__plan_finish(&p);
    /* The plan of a single request points to arrays of the request, as the whole plan of several requests does, so both
     * kinds of plans are released in the same way. */
    for (size_t i = 0; i < plan->part_count; i++) {
        struct dkvb__planning of_part = {.plan = plan->parts[i], .model = model};

        dkvb__plan_finish(&of_part);
    }
    if (!rc)
        rc = dkvb__plan_tell_requests(plan);
    rc = dkvb__model_agree(model, rc);
    if (rc) {
        dkvb_plan_free(plan);
        return rc;
    }
    *out = plan;
    return DKVB_OK;
}
