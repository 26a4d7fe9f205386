#ifndef DKVB_UNLEARN_PLAN_H
#define DKVB_UNLEARN_PLAN_H

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "dkvb/plan.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"
#include "unlearn/replay.h"

/* A request of an earlier entry that has to be forgotten once more. */
struct dkvb__again {
    uint64_t entry;   /* number of the entry; 0: the request that is being planned */
    uint8_t *classes; /* [L], DKVB_FORGET … */
    dkvb_mask *mask;
    uint64_t *ids; /* [id_count], ids of the rows of these classes */
    size_t id_count;
    double target;
    uint64_t budget;
};

enum { DKVB__MAX_REFUSAL = 700 }; /* size with the terminating NUL */

/* A plan. A plan of several requests has one plan for each of them as its parts, in their order. */
struct dkvb_plan {
    dkvb_allocator mem;
    dkvb_plan_info info;
    char refusal[DKVB__MAX_REFUSAL];
    bool applied;

    /* Identity of the model that the plan was made for, and the ranks that share it. */
    dkvb_ranks ranks;
    uint32_t classes;
    uint8_t head[32];
    uint64_t entries; /* number of journal entries */
    uint64_t values;  /* checksum of the values */
    uint32_t values_dtype;
    bool counted;

    /* The request: its numbers, and copies of the arrays that it points to. */
    dkvb_forget_request request;
    uint8_t *marks; /* [L], or NULL */
    uint64_t *ids;  /* [id_count] */
    size_t id_count;
    char *reason;
    bool salted;
    uint8_t salt[32];

    dkvb_class_effect *effects; /* [L] */
    bool measured;              /* `effects` are filled in */
    dkvb_mask *mask;            /* for the strength suppress */
    bool unknown;               /* no held-out row was there to find a budget on */
    uint64_t budget;            /* the budget that chose the mask, for the journal */
    struct dkvb__again *again;  /* [info.again] */

    /* Members for the strength exact. */
    uint8_t set_sum[32]; /* fingerprint of the codeset that the plan was made with */
    uint64_t *lifted;    /* [info.lifted], numbers of entries */
    dkvb_model *after;   /* the model with the new values, on the old keys or on those of `placed`; NULL once applied */
    double temperature, power;
    dkvb_model *placed;       /* the model on new keys, which replaces the old one; NULL if keys stay */
    dkvb_codeset *placed_set; /* its codeset; alone if only the codeset is left to be written */

    struct dkvb_plan **parts;
    size_t part_count;
    dkvb_plan_request *requests; /* [part_count], descriptions of the parts for dkvb_plan_info */

    /* Members of a part only. */
    uint64_t line, entry; /* line of the text; number of the journal entry */
    bool already;         /* that earlier entry has forgotten the request already */
    char *names;          /* [id_count] strings one behind the other, if the request names rows by name; else NULL */
};

/* State while a plan is made. */
struct dkvb__planning {
    dkvb_plan *plan;
    dkvb_model *model; /* the caller's model */
    struct dkvb_model
        view; /* that model with everything shared but the mask, in which all that was planned so far is in force */
    dkvb_codeset *set; /* the codeset; or NULL */
    const dkvb_run_options *run;
    dkvb_codeset_rows held; /* labels: -1 for rows that are not measured; n = 0 without held-out rows */
    int32_t *sampled;       /* [held.n], the labels of `held` */
    uint64_t *sampled_ids;  /* [held.n], and codes: used if the codeset keeps features of more rows than are measured */
    uint16_t *searched;
    const uint16_t *codes; /* [n][C][k], codes of the rows that pairs are chosen by; NULL: not available */
    const int32_t *labels; /* [n], or NULL */
    size_t n;
    uint8_t *rows; /* [n], DKVB_FORGET …; NULL: all rows are to be forgotten */
    const uint8_t
        *asked; /* [L], for several requests: 1 for classes that one of them may cost without limit; else NULL */
};

/* Functions of plan_guard.c. dkvb__plan_refuse() refuses a plan, with a sentence. The first reason stays, unless force
 * would pass over it and then cannot do the rest. `label`: the class that the plan would hurt. */
void dkvb__plan_refuse(dkvb_plan *plan, uint32_t why, uint32_t label, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Refuses the plan if a class that nobody asked for loses too much by plan->effects. */
dkvb_status dkvb__guard_effects(struct dkvb__planning *p);

/* Refuses a request by rows if a class loses by it, and would lose too much by it together with all requests in force
 * that name no class. */
dkvb_status dkvb__guard_sum(struct dkvb__planning *p);

/* Refuses the plan if rows of other classes, among the ids to be forgotten, would cost their class. */
dkvb_status dkvb__guard_mixture(struct dkvb__planning *p);

/* Refuses the plan if there are too few held-out rows to tell when the classes asked for are forgotten. */
dkvb_status dkvb__guard_evidence(struct dkvb__planning *p);

/* Functions of plan_budget.c. dkvb__plan_pairs() computes the pairs of the request, by the budget given or found, in
 * plan->mask, and what each class loses. */
dkvb_status dkvb__plan_pairs(struct dkvb__planning *p);

/* Finds the smallest budget that brings classes (DKVB_FORGET) down to a target under the mask of the view. If one was
 * found, `pairs` are its pairs, with room. effects: [L], what each class would lose, or NULL. */
dkvb_status dkvb__plan_find_budget(struct dkvb__planning *p, const uint8_t *classes, double target, dkvb_budget *found,
                                   dkvb_mask *mask, dkvb_class_effect *effects);

/* Functions of plan_again.c. These set classes aside: classes that forgettings in force asked for, other than those
 * marked, become DKVB_ASIDE. */
dkvb_status dkvb__plan_set_aside(const struct dkvb__planning *p, uint8_t *marks);
dkvb_status dkvb__set_aside(const dkvb_model *model, uint8_t *marks); /* marks: [L] */

/* Forgets again what earlier requests with a target forgot. A forgotten class can come back when later requests weaken
 * its competitors. The function repeats this until all requests keep their targets or nothing helps. plan->effects
 * become those of all masks together. */
dkvb_status dkvb__plan_again(struct dkvb__planning *p);

/* What a message adds to "the codes have no such row", asked for by a name or an id. */
const char *dkvb__plan_no_row(const dkvb_codeset *set, bool by_name);

/* Functions of plan_exact.c. */
dkvb_status dkvb__plan_exact(struct dkvb__planning *p);

/* True if a model has become the one that the plan makes of it, so that only the codeset may be left to be done. */
bool dkvb__exact_was_applied(const dkvb_plan *plan, const dkvb_model *model);

/* Applies a plan of the strength exact. `done`: the model was changed before, and only the codeset has to be changed.
 */
dkvb_status dkvb__apply_exact(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *set, bool done, uint64_t *entry);

/* Functions of plan_requests.c. dkvb__plan_requests() plans several requests: dkvb_forget_plan() with `requests`. */
dkvb_status dkvb__plan_requests(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q,
                                const dkvb_run_options *run);

/* Fills in the parts of a plan as dkvb_plan_info shows them. */
dkvb_status dkvb__plan_tell_requests(dkvb_plan *plan);

/* True if every request of a plan of several was forgotten before. */
bool dkvb__plan_is_idle(const dkvb_plan *plan);

/* Functions of plan.c. dkvb__plan_new() creates a plan that knows only its model and its request. dkvb__plan_one()
 * plans a single request. dkvb__plan_finish() releases the memory of planning. */
dkvb_status dkvb__plan_new(dkvb_plan **out, const dkvb_model *model, const dkvb_forget_request *q);
dkvb_status dkvb__plan_one(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q,
                           const dkvb_run_options *run);
void dkvb__plan_finish(struct dkvb__planning *p);

/* Finds the rows of a codeset that a request names: p->rows, and their ids if classes are asked for. */
dkvb_status dkvb__plan_find_rows(struct dkvb__planning *p);

/* Chooses the held-out rows to measure on: p->held. */
dkvb_status dkvb__plan_take_held_out(struct dkvb__planning *p);

/* True if force can carry out a refused plan. Force accepts harm to other classes and too little knowledge; it cannot
 * do what is impossible. */
bool dkvb__plan_can_be_forced(const dkvb_plan *plan);

/* Returns the facts about a request for the journal. The request is one of the parts of `plan`, or the plan itself. */
dkvb_forget_options dkvb__plan_terms(const dkvb_plan *plan, const dkvb_plan *part);

/* Derives a salt of its own for each further entry, so that no two commitments can be compared. */
void dkvb__plan_salt(uint8_t salt[32], const uint8_t first[32], const char *what, uint64_t index);

/* Writes the entries of a plan of one request with the strength suppress. *entry becomes the number of the request's
 * own entry. */
dkvb_status dkvb__plan_write(const dkvb_plan *plan, struct dkvb_model *draft, uint64_t *entry);

/* Makes sure that the codes of a part are there: they are searched now if the part was loaded as features. */
dkvb_status dkvb__plan_need_codes(struct dkvb__planning *p, uint32_t part);

/* Lists the ids of all rows of a codeset whose classes are marked DKVB_FORGET, in new memory. */
dkvb_status dkvb__plan_ids_of(const struct dkvb__planning *p, const uint8_t *classes, uint64_t **ids, size_t *count);

#endif
