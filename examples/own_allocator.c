/* Gives the library an allocator of the program, which counts the library's memory and sets a limit.
 *
 * A limit that is too small makes a call fail with DKVB_ENOMEM; nothing is lost and nothing is half done. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <dkvb/dkvb.h>

enum { CLASSES = 10, DIM = 32, ROWS = 1000 };

static float x[ROWS * DIM]; /* row after row */

/* Memory that the library holds. Only threads that call the library allocate, so one thread needs no lock. */
struct budget {
    size_t live, peak, limit; /* bytes */
};

/* The size of a block, stored in front of it, in a unit that keeps malloc's alignment. */
union head {
    size_t size;
    max_align_t unit;
};

static void *take(void *user, size_t size)
{
    struct budget *b = user;
    union head *head;

    if (size > b->limit - b->live)
        return NULL;
    head = malloc(sizeof *head + size);
    if (!head)
        return NULL;
    head->size = size;
    b->live += size;
    if (b->live > b->peak)
        b->peak = b->live;
    return head + 1;
}

static void give_back(void *user, void *ptr)
{
    struct budget *b = user;
    union head *head = (union head *)ptr - 1;

    b->live -= head->size;
    free(head);
}

/* Builds codebooks and a model within a budget. Memory of both comes from the allocator of their options. */
static dkvb_status build(struct budget *budget)
{
    dkvb_allocator allocator = {take, give_back, budget};
    dkvb_keyinit_options keys = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_model_options opts = DKVB_MODEL_OPTIONS_INIT;
    dkvb_codebooks *codebooks;
    dkvb_model *model = NULL;
    dkvb_status rc;

    keys.codebooks = 16;
    keys.keys = 128;
    keys.key_dim = 8;
    keys.allocator = opts.allocator = &allocator; /* the struct is copied, and may leave scope */
    rc = dkvb_codebooks_fit(&codebooks, x, ROWS, DIM, &keys, NULL);
    if (rc == DKVB_OK)
        rc = dkvb_model_new(&model, codebooks, CLASSES, &opts);
    printf("limit %8zu: %-11s holds %zu, at most %zu bytes\n", budget->limit, dkvb_name(DKVB_NAME_STATUS, rc),
           budget->live, budget->peak);
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks); /* NULL if the call failed */
    return rc;
}

int main(void)
{
    struct budget ample = {.limit = 64 << 20}, scant;
    uint64_t state = 1;

    for (size_t i = 0; i < ROWS * DIM; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(state >> 40) / 8388608.0f - 1.0f;
    }
    if (build(&ample) != DKVB_OK) {
        fprintf(stderr, "%s\n", dkvb_last_error());
        return 1;
    }
    scant = (struct budget){.limit = ample.peak - 1}; /* one byte less than needed */
    if (build(&scant) != DKVB_ENOMEM)
        return 1;
    printf("%s\n", dkvb_last_error());
    printf("left over: %zu and %zu bytes\n", ample.live, scant.live);
    return ample.live == 0 && scant.live == 0 ? 0 : 1;
}
