#ifndef DKVB_UNLEARN_PLAN_H
#define DKVB_UNLEARN_PLAN_H

#include "bottleneck/codeset.h"
#include "bottleneck/model.h"
#include "dkvb/plan.h"
#include "unlearn/choose.h"
#include "unlearn/effect.h"
#include "unlearn/replay.h"

/* A forget request of an earlier journal entry whose classes have to be forgotten once more. */
struct dkvb__again {
    /* the number that the journal gives the forget request's entry; 0 for the request that is being planned */
    uint64_t entry;
    uint8_t *classes; /* marks of the classes that the planned forget request names, [classes], such as DKVB_FORGET */
    dkvb_mask *mask;
    uint64_t *ids; /* ids of the rows of those classes that the forget request names, [id_count] */
    size_t id_count;
    double target;
    uint64_t budget;
};

/* largest number of bytes of the text that tells why a plan of forgetting was refused, with the terminating NUL */
enum { DKVB__MAX_REFUSAL = 700 };

/* A plan of forgetting, for one or several forget requests. The plan of several forget requests has as its parts a plan
 * for each request, in order. */
struct dkvb_plan {
    dkvb_allocator mem;
    dkvb_plan_info info;
    char refusal[DKVB__MAX_REFUSAL];
    bool applied;

    /* The following members tell for which model the forgetting was planned, and which ranks (processes) share that
     * model: */
    dkvb_ranks ranks;
    uint32_t classes;
    uint8_t head[32];
    uint64_t entries; /* number of entries in the journal of the model */
    uint64_t values;  /* checksum of the values of the model for which the forgetting was planned */
    uint32_t values_dtype;
    bool counted;

    /* The forget request that the plan carries out; the arrays to which the request points are copies: */
    dkvb_forget_request request;
    uint8_t *marks; /* marks of the classes that the forget request names, [classes], or NULL */
    uint64_t *ids;  /* ids of the rows that the forget request names, [id_count] */
    size_t id_count;
    char *reason;
    bool salted;
    uint8_t salt[32];

    dkvb_class_effect *effects; /* effects of the planned forgetting on the accuracy of each class, [classes] */
    /* true if the effects of the planned forgetting on the accuracy of each class (`effects`) were measured */
    bool measured;
    dkvb_mask *mask; /* key-value pairs that the plan masks, if its forgetting strength is `suppress` */
    bool unknown;    /* true if no row was held out by which a budget (number of pairs to mask) could be found */
    /* the budget (number of masked pairs) of the planned forgetting, which is stated in the journal entry */
    uint64_t budget;
    /* earlier requests whose classes the planned forgetting forgets once more, [info.again] */
    struct dkvb__again *again;

    /* The following members of the struct of a plan are used with the forgetting strength `exact` only: */
    uint8_t set_sum[32]; /* fingerprint of the codeset with which the forgetting was planned */
    /* numbers of the journal entries whose masks are removed when a plan with the forgetting strength `exact` is
     * applied, [info.lifted] */
    uint64_t *lifted;
    /* model with newly trained values, if the forgetting strength is `exact`, on the old keys or on new ones; NULL once
     * the plan was applied */
    dkvb_model *after;
    double temperature, power;
    /* model on newly placed keys, which replaces the old model when the planned forgetting is applied; NULL if the keys
     * stay */
    dkvb_model *placed;
    /* The codeset for the model on new keys, which is in `placed`. If `placed` is NULL, the model on new keys is
     * already in force, and only the codeset is still to be written. */
    dkvb_codeset *placed_set;

    struct dkvb_plan **parts;
    size_t part_count;
    dkvb_plan_request *requests; /* descriptions of the plans of the single requests for dkvb_plan_info, [part_count] */

    /* The following members of the struct of a plan are used only if the plan is one of several that make up a plan of
     * several forget requests: */
    /* line number of the forget request in the text of requests, and number of the request's journal entry */
    uint64_t line, entry;
    bool already; /* true if the journal entry number `entry` already carries out this forget request */
    /* names of the rows that the forget request names, [id_count] strings one after another; NULL if the request does
     * not name rows by name */
    char *names;
};

/* State of making a plan of forgetting, from the request to the finished plan. */
struct dkvb__planning {
    dkvb_plan *plan;
    dkvb_model *model; /* the caller's model, for which a plan of forgetting is made */
    /* A copy of the model that shares everything with the model except the mask; the copy's mask hides all pairs
     * planned so far. */
    struct dkvb_model view;
    dkvb_codeset *set; /* the codeset of the model for which a forgetting is planned, or NULL for none */
    const dkvb_run_options *run;
    /* The held-out rows on which the effects of a planned forgetting are measured; a row that is not measured has label
     * -1; n = 0 without held-out rows. */
    dkvb_codeset_rows held;
    /* labels of the held-out rows on which the effects of a planned forgetting are measured, [held.n] */
    int32_t *sampled;
    /* The ids of the held-out rows, [held.n], and their codes, if the codeset keeps features of more held-out rows than
     * effects are measured on. */
    uint64_t *sampled_ids;
    uint16_t *searched;
    /* codes of the rows by which the pairs to mask are chosen, [n][codebooks][k]; NULL if not available */
    const uint16_t *codes;
    const int32_t *labels; /* labels of the rows by which the pairs to mask are chosen, [n], or NULL */
    size_t n;
    /* marks of the rows by which the pairs to mask are chosen, [n], such as DKVB_FORGET; NULL if all rows are to be
     * forgotten */
    uint8_t *rows;
    /* In a plan of several requests, the marks of the classes that a single request may harm without limit, [classes];
     * otherwise NULL. */
    const uint8_t *asked;
};

/* The functions of plan_guard.c refuse plans of forgetting. The function dkvb__plan_refuse() refuses a plan and stores
 * a sentence with the reason. A plan that was refused keeps the first reason for its refusal, unless the option `force`
 * overrides this reason and the request then turns out to be impossible. The argument `label` is the class that would
 * lose accuracy if the plan of a forgetting were applied. */
void dkvb__plan_refuse(dkvb_plan *plan, uint32_t why, uint32_t label, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Refuses a plan of forgetting if its measured effects (plan->effects) show that a class that no request asked for
 * loses too much accuracy. */
dkvb_status dkvb__guard_effects(struct dkvb__planning *p);

/* Refuses a forget request by rows if a class loses accuracy by it, and would lose too much together with all requests
 * in force that name no class. */
dkvb_status dkvb__guard_sum(struct dkvb__planning *p);

/* Refuses a plan of forgetting if the rows to be forgotten include rows of other classes, and forgetting them would
 * harm those classes. */
dkvb_status dkvb__guard_mixture(struct dkvb__planning *p);

/* Refuses a plan of forgetting if there are too few held-out rows to decide whether the requested classes are
 * forgotten. */
dkvb_status dkvb__guard_evidence(struct dkvb__planning *p);

/* The functions of plan_budget.c choose the key-value pairs that a plan of forgetting masks. The function
 * dkvb__plan_pairs() computes the pairs to mask in plan->mask, by a budget (number of pairs) that is given or searched,
 * and the loss of accuracy of each class. */
dkvb_status dkvb__plan_pairs(struct dkvb__planning *p);

/* Finds the smallest budget (number of pairs to mask) that brings the accuracy of the classes marked DKVB_FORGET down
 * to a target, on top of the mask of all pairs planned so far. If a budget (number of masked pairs) was found, the
 * pairs that it masks go to `mask`, which the caller allocated. The losses of accuracy of each class at the budget that
 * the search found go to `effects`, [classes], unless it is NULL. */
dkvb_status dkvb__plan_find_budget(struct dkvb__planning *p, const uint8_t *classes, double target, dkvb_budget *found,
                                   dkvb_mask *mask, dkvb_class_effect *effects);

/* The functions of plan_again.c let a new plan respect earlier forget requests: dkvb__plan_set_aside() and
 * dkvb__set_aside() give the mark DKVB_ASIDE to unmarked classes that earlier forgettings, still in force, asked
 * for. */
dkvb_status dkvb__plan_set_aside(const struct dkvb__planning *p, uint8_t *marks);
/* Sets classes aside (they count neither as kept nor as forgotten) as dkvb__plan_set_aside() does, by the journal of a
 * model; the array `marks` has one mark for each class. */
dkvb_status dkvb__set_aside(const dkvb_model *model, uint8_t *marks);

/* Forgets the classes of earlier requests that have a target accuracy once more, if their accuracy rose above the
 * target. A class that was forgotten can be predicted again when later requests weaken competing classes. The function
 * dkvb__plan_again() chooses pairs to mask again and again, until all forget requests keep their target accuracies or
 * nothing helps. After dkvb__plan_again(), the array plan->effects has the effects on accuracies of the masks of all
 * requests together. */
dkvb_status dkvb__plan_again(struct dkvb__planning *p);

/* Returns the words that an error message adds after "the codes have no such row": they depend on whether the row was
 * asked for by a name or by an id. */
const char *dkvb__plan_no_row(const dkvb_codeset *set, bool by_name);

/* The functions of plan_exact.c plan forget requests with the forgetting strength `exact`, which trains values
 * again. */
dkvb_status dkvb__plan_exact(struct dkvb__planning *p);

/* True if the model is already the result of the planned forgetting with the strength `exact`, so that only the codeset
 * may have to be changed. */
bool dkvb__exact_was_applied(const dkvb_plan *plan, const dkvb_model *model);

/* Applies a plan of forgetting with the strength `exact`. If `done` is true, an earlier call has already written the
 * forgetting to the model, and only the codeset has to be changed. */
dkvb_status dkvb__apply_exact(dkvb_plan *plan, dkvb_model *model, dkvb_codeset *set, bool done, uint64_t *entry);

/* The functions of plan_requests.c plan several forget requests together. The function dkvb__plan_requests() makes the
 * plan of several forget requests for dkvb_forget_plan(). */
dkvb_status dkvb__plan_requests(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q,
                                const dkvb_run_options *run);

/* Fills in the descriptions of the plans of single requests for dkvb_plan_info. */
dkvb_status dkvb__plan_tell_requests(dkvb_plan *plan);

/* True if the model has already carried out every request of a plan of several requests. */
bool dkvb__plan_is_idle(const dkvb_plan *plan);

/* The functions that plan.c defines make plans: dkvb__plan_new() creates a plan with its model and its request only,
 * dkvb__plan_one() plans a single request, dkvb__plan_finish() releases the memory of planning. */
dkvb_status dkvb__plan_new(dkvb_plan **out, const dkvb_model *model, const dkvb_forget_request *q);
dkvb_status dkvb__plan_one(dkvb_plan **out, dkvb_model *model, dkvb_codeset *set, const dkvb_forget_request *q,
                           const dkvb_run_options *run);
void dkvb__plan_finish(struct dkvb__planning *p);

/* Finds the rows of a codeset that a forget request names, p->rows, and also their ids if the request names classes. */
dkvb_status dkvb__plan_find_rows(struct dkvb__planning *p);

/* Chooses the held-out rows on which the effects of a planned forgetting are measured, p->held. */
dkvb_status dkvb__plan_take_held_out(struct dkvb__planning *p);

/* True if the option `force` allows a refused plan of forgetting to be carried out. The option `force` accepts that
 * other classes lose accuracy and that effects were not measured, but it does not make an impossible request
 * possible. */
bool dkvb__plan_can_be_forced(const dkvb_plan *plan);

/* Returns the details of a forget request that the journal entry of the forgetting states. The argument `part` is the
 * plan of one of the several forget requests of `plan`, or is `plan` itself. */
dkvb_forget_options dkvb__plan_terms(const dkvb_plan *plan, const dkvb_plan *part);

/* Derives a separate salt for each further journal entry of a plan, so that no two of the entries' hashes can be
 * compared with each other. */
void dkvb__plan_salt(uint8_t salt[32], const uint8_t first[32], const char *what, uint64_t index);

/* Writes the journal entries of a plan of one request with the forgetting strength `suppress`. The number of the
 * journal entry of the planned request itself, not of an earlier request that was repeated, is stored in *entry. */
dkvb_status dkvb__plan_write(const dkvb_plan *plan, struct dkvb_model *draft, uint64_t *entry);

/* Makes sure that the training rows or the held-out rows of the codeset have their codes: they are searched now if
 * these rows were loaded as features. */
dkvb_status dkvb__plan_need_codes(struct dkvb__planning *p, uint32_t part);

/* Lists the ids of all rows of a codeset whose classes are marked DKVB_FORGET, in new memory. */
dkvb_status dkvb__plan_ids_of(const struct dkvb__planning *p, const uint8_t *classes, uint64_t **ids, size_t *count);

#endif
