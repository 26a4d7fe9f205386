/* The work of `dkvb forget`, in the order in which it is done: who is to go (forget_set.c), which pairs that takes
 * (forget_pairs.c), whom it would hurt (forget_guard.c), and, for the strength "exact", training again
 * (forget_exact.c). */
#ifndef DKVB_TOOL_FORGET_H
#define DKVB_TOOL_FORGET_H

#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "codes.h"
#include "ids.h"
#include "input.h"
#include "journal.h"
#include "pictures.h"

/* Methods are those of the library, DKVB_METHOD_…; 0: the best that what is known allows. */
struct forget_args {
    struct args args;
    struct pictures_args pictures;
    const char *set; /* --features or --images, if one was given */
    const char *output, *features, *codes, *labels, *classes, *rows, *mask, *mask_out, *reason, *salt;
    const char *codes_out, *key_features, *ids;
    uint64_t pairs, examples, seed;
    double target, max_retain_drop, max_class_loss;
    uint32_t strength, method, threads; /* strength: an index of the names that --strength takes */
    bool dry_run, force, keep_keys, json;
    bool exact; /* the strength is "exact", else "suppress" */
    bool kept;  /* --codes is a codes file */
};

/* Who is to be forgotten, and what is known of them and of the others. */
struct forget_set {
    const uint16_t
        *codes; /* [n][C][k], of rows to be forgotten and, if `marks`, of others; NULL: only classes are known */
    size_t n;
    uint8_t *marks;        /* [n], DKVB_FORGET …; NULL: all are to be forgotten */
    const int32_t *labels; /* [n], or NULL */
    uint8_t *classes;      /* [L], DKVB_FORGET …; NULL: not by class */
    uint64_t *ids;         /* [id_count], what the rows to be forgotten are called */
    size_t id_count;
    size_t rows; /* to be forgotten, among the n */
};

struct forget {
    const struct args_command *command; /* whose usage and operands are named: "forget", or who forgets by a mask */
    struct forget_args args;
    dkvb_model *model;
    dkvb_model_info info;
    struct features x;
    struct pictures pictures; /* that x is of */
    struct codes npy;
    struct labels y;
    struct ids rows;
    dkvb_codeset *codeset;  /* if --codes is a codes file */
    dkvb_codeset_rows held; /* n = 0 without one */
    int32_t *sampled;       /* [held.n], in the place of its labels where not all rows are looked at; or NULL */
    uint64_t held_all;      /* rows of held before others than those looked at were taken out; 0: none were */
    uint64_t looked_at;     /* rows of held */
    uint16_t *searched;
    struct forget_set set;
    uint8_t salt[32];
    dkvb_mask *mask;
    dkvb_budget budget;         /* budget.struct_size 0: none was looked for */
    dkvb_class_effect *effects; /* [L], NULL: not measured */
    uint64_t exhausted;         /* selections of rows held out that ran out of keys when effects were measured */
    uint64_t *again;            /* [again_count], entries of what was forgotten once more */
    size_t again_count;
    char refusal[1024];           /* what the guard found, "" for nothing */
    char head[JOURNAL_HEAD_SIZE]; /* of the journal as it was read */
    dkvb_journal_entry entry;
    uint64_t lifted; /* exact: earlier maskings of the same rows that were taken back */
    bool keys_placed;
    double began;
};

/* forget_set.c: read what the options name; then everything but `codeset` and `npy` belongs to `set`. */
int forget_read_set(struct forget *f);
void forget_free_set(struct forget *f);

/* Leave rows of classes to be kept out of f->held where all of them would take too long. */
int forget_sample_held(struct forget *f);

/* Mark the classes that an entry of the journal asked to be forgotten, DKVB_FORGET; marks: [L]. */
int forget_add_classes(const struct forget *f, uint64_t entry, uint8_t *marks);

/* Ids of all rows of the codes file that are of classes marked DKVB_FORGET; to be free()d. */
int forget_ids_of(const struct forget *f, const uint8_t *classes, uint64_t **ids, size_t *count);

/* forget_pairs.c: fill f->mask, of the budget given or found. */
int forget_choose(struct forget *f);

/* The smallest budget that brings classes (DKVB_FORGET) down to a target under the mask in force, and, if one was met,
 * its pairs, with room. */
int forget_find_budget(struct forget *f, const uint8_t *classes, double target, dkvb_budget *found, dkvb_mask *mask);

/* Classes that forgettings in force name, other than those marked, become DKVB_ASIDE. */
int forget_put_earlier_aside(const struct forget *f, uint8_t *classes);

/* forget_again.c: what earlier requests with a target forgot comes back where later ones weaken those it competes with:
 * forget it again, until all keep their targets or nothing helps. Each is an entry of its own in the journal. Then
 * f->effects are measured anew, of all together, against the model as it was; and the others must not lose more than
 * --max-retain-drop. */
int forget_again(struct forget *f);

/* Method in use, after forget_read_set(). */
uint32_t forget_method(const struct forget *f);

/* Write the forgetting of `mask` in the journal and put it in force. */
int forget_apply(struct forget *f, const dkvb_mask *mask, const dkvb_forget_options *options, uint64_t *entry);

/* What the journal is to say of classes (or NULL) and effects (or NULL), both [L], which must outlive it. */
dkvb_forget_options forget_options(const struct forget *f, const uint8_t *classes, const dkvb_class_effect *effects);

/* forget_guard.c: measure f->effects of f->mask on the rows held out, if there are any. */
int forget_measure(struct forget *f);

/* Whether the request would hurt others: by the effects measured, and by what rows of other classes among those to be
 * forgotten would cost their class (before anything is changed). Why is noted in f->refusal, the first reason only. */
int forget_guard_effects(struct forget *f);
int forget_guard_mixture(struct forget *f);

/* Fail with what was noted, unless --force or --dry-run. */
int forget_refuse(const struct forget *f);

/* The effects as a table or as JSON. */
void forget_print_effects(const struct forget *f);
void forget_json_effects(const struct forget *f);

/* forget_exact.c: train again without the rows, and take them out of f->codeset. */
int forget_exact(struct forget *f);

/* What `dkvb forget MODEL --mask MASK` does and says, its JSON too; wrong use is told as `asking`'s. `output` NULL: the
 * model is replaced; `reason` and `salt` may be NULL. */
int forget_by_mask(const struct args_command *asking, const char *model, const char *mask, const char *output,
                   const char *reason, const char *salt, bool json);

#endif
