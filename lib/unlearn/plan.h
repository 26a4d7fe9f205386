#ifndef DKVB_UNLEARN_PLAN_H
#define DKVB_UNLEARN_PLAN_H

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "dkvb/plan.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"
#include "unlearn/replay.h"

/* A request that an earlier entry made, to be forgotten once more. */
struct dkvb__again {
    uint64_t entry;   /* 0: of the request that is being planned */
    uint8_t *classes; /* [L], DKVB_FORGET … */
    dkvb_mask *mask;
    uint64_t *ids; /* [id_count], rows of the classes */
    size_t id_count;
    double target;
    uint64_t budget;
};

enum { DKVB__MAX_REFUSAL = 700 }; /* with its end */

/* A plan of several requests has a plan of each as its parts, in their order. */
struct dkvb_plan {
    dkvb_allocator mem;
    dkvb_plan_info info;
    char refusal[DKVB__MAX_REFUSAL];
    bool applied;

    /* The model that it was made for. */
    uint32_t classes;
    uint8_t head[32];
    uint64_t entries; /* number of journal entries */
    uint64_t values;  /* checksum */
    uint32_t values_dtype;
    bool counted;

    /* The request: its numbers, and copies of what it points to. */
    dkvb_forget_request request;
    uint8_t *marks; /* [L], or NULL */
    uint64_t *ids;  /* [id_count] */
    size_t id_count;
    char *reason;
    bool salted;
    uint8_t salt[32];

    dkvb_class_effect *effects; /* [L] */
    bool measured;              /* effects are */
    dkvb_mask *mask;            /* suppress */
    bool unknown;               /* no row is held out that a budget could be found on */
    uint64_t budget;            /* budget that chose the mask, for the journal */
    struct dkvb__again *again;  /* [info.again] */

    /* exact */
    uint8_t set_sum[32]; /* fingerprint of the codeset that the plan was made with */
    uint64_t *lifted;    /* [info.lifted], entries */
    dkvb_model *after;   /* the new values, on the keys of the model or of `placed`; NULL once applied */
    double temperature, power;
    dkvb_model *placed;       /* on new keys, else NULL; takes the place of the model */
    dkvb_codeset *placed_set; /* its codeset; there is one without `placed` where only the codeset is left to be done */

    struct dkvb_plan **parts;
    size_t part_count;
    dkvb_plan_request *requests; /* [part_count], what dkvb_plan_info tells of the parts */

    /* Of a part. */
    uint64_t line, entry; /* line of the text; number of the journal entry */
    bool already;         /* forgotten by that entry, before */
    char *names;          /* [id_count] strings, one behind the other, where rows are asked for by name; else NULL */
};

/* State while a plan is made. */
struct dkvb__planning {
    dkvb_plan *plan;
    dkvb_model *model;      /* the caller's model */
    struct dkvb_model view; /* the same, all of it shared but the mask: what has been planned so far is in force here */
    dkvb_codeset *set;      /* or NULL */
    const dkvb_run_options *run;
    dkvb_codeset_rows held; /* labels: -1 where a row is not looked at; n = 0 without rows held out */
    int32_t *sampled;       /* [held.n], those labels */
    uint64_t *sampled_ids;  /* [held.n], and codes, where the codeset keeps features of more rows than are looked at */
    uint16_t *searched;
    const uint16_t *codes; /* [n][C][k], rows that pairs are chosen by; NULL: not at hand */
    const int32_t *labels; /* [n], or NULL */
    size_t n;
    uint8_t *rows; /* [n], DKVB_FORGET …; NULL: all are to be forgotten */
    const uint8_t
        *asked; /* [L], of several requests: 1 for classes that one of them may cost what it likes; else NULL */
};

/* plan_guard.c. Refuse a plan, with a sentence; the first reason stays, unless force was to pass over it and cannot do
 * the rest. `label`: whom it would hurt. */
void dkvb__plan_refuse(dkvb_plan *plan, uint32_t why, uint32_t label, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Refuse if a class that nobody asked for loses too much by plan->effects. */
dkvb_status dkvb__guard_effects(struct dkvb__planning *p);

/* Refuse a request by rows if a class loses by it, and would lose too much by it and all requests in force together
 * that name no class. */
dkvb_status dkvb__guard_sum(struct dkvb__planning *p);

/* Refuse if rows of other classes among those to be forgotten by id would cost their class. */
dkvb_status dkvb__guard_mixture(struct dkvb__planning *p);

/* Refuse if too few rows held out can tell when the classes asked for are forgotten. */
dkvb_status dkvb__guard_evidence(struct dkvb__planning *p);

/* plan_budget.c. The pairs of the request, by the budget given or found, in plan->mask; what each class loses. */
dkvb_status dkvb__plan_pairs(struct dkvb__planning *p);

/* The smallest budget that brings classes (DKVB_FORGET) down to a target under the mask of the view, and, if one was
 * met, its pairs, with room; effects: [L], what each class would lose, or NULL. */
dkvb_status dkvb__plan_find_budget(struct dkvb__planning *p, const uint8_t *classes, double target, dkvb_budget *found,
                                   dkvb_mask *mask, dkvb_class_effect *effects);

/* plan_again.c. Classes that forgettings in force asked for, other than those marked, become DKVB_ASIDE. */
dkvb_status dkvb__plan_set_aside(const struct dkvb__planning *p, uint8_t *marks);
dkvb_status dkvb__set_aside(const dkvb_model *model, uint8_t *marks); /* marks: [L] */

/* Forgets again what earlier requests with a target forgot: it comes back where later requests weaken its competitors,
 * until all keep their targets or nothing helps. plan->effects become those of all together. */
dkvb_status dkvb__plan_again(struct dkvb__planning *p);

/* plan_exact.c. */
dkvb_status dkvb__plan_exact(struct dkvb__planning *p);

/* Whether a model has become what the plan makes of it, so that only the codeset may be left to be done. */
bool dkvb__exact_was_applied(const dkvb_plan *plan, const dkvb_model *model);

/* `done`: the model was changed before, the codeset is still to be. */
dkvb_status dkvb__apply_exact(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *set, bool done, uint64_t *entry);

/* plan_requests.c. A plan of several requests: dkvb_forget_plan() with `requests`. */
dkvb_status dkvb__plan_requests(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q,
                                const dkvb_run_options *run);

/* The parts of a plan, as dkvb_plan_info shows them. */
dkvb_status dkvb__plan_tell_requests(dkvb_plan *plan);

/* Every request of a plan of several was forgotten before. */
bool dkvb__plan_is_idle(const dkvb_plan *plan);

/* plan.c. A plan that knows its model and request and nothing else; a plan of one request; what is left of planning. */
dkvb_status dkvb__plan_new(dkvb_plan **out, const dkvb_model *model, const dkvb_forget_request *q);
dkvb_status dkvb__plan_one(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q,
                           const dkvb_run_options *run);
void dkvb__plan_finish(struct dkvb__planning *p);

/* Finds the rows of a codeset that a request names: p->rows, and the ids where classes are asked for. */
dkvb_status dkvb__plan_find_rows(struct dkvb__planning *p);

/* Rows to measure on: p->held. */
dkvb_status dkvb__plan_take_held_out(struct dkvb__planning *p);

/* Force does what would hurt others, or what too little is known of; it cannot do what is not there. */
bool dkvb__plan_can_be_forced(const dkvb_plan *plan);

/* Facts about a request for the journal: one of the parts of `plan`, or the plan itself. */
dkvb_forget_options dkvb__plan_terms(const dkvb_plan *plan, const dkvb_plan *part);

/* A salt of its own for each further entry, so that no two commitments can be compared. */
void dkvb__plan_salt(uint8_t salt[32], const uint8_t first[32], const char *what, uint64_t index);

/* Write the entries of a plan of one request, which suppresses; entry: number of its own. */
dkvb_status dkvb__plan_write(const dkvb_plan *plan, struct dkvb_model *draft, uint64_t *entry);

/* The codes of a part are there, searched now if they were loaded as features. */
dkvb_status dkvb__plan_need_codes(struct dkvb__planning *p, uint32_t part);

/* Ids of all rows of a codeset that are of classes marked DKVB_FORGET, in new memory. */
dkvb_status dkvb__plan_ids_of(const struct dkvb__planning *p, const uint8_t *classes, uint64_t **ids, size_t *count);

#endif
