/* Gives the library an allocator of the program, which counts the library's memory and sets a limit.
 *
 * If the allocator's limit is too small, a call fails with DKVB_ENOMEM, and leaves all objects as they were. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <dkvb/dkvb.h>

enum { CLASSES = 10, DIM = 32, ROWS = 1000 };

static float x[ROWS * DIM]; /* matrix of the rows' features, row after row */

/* Count of the memory that the library holds. The library allocates only on threads that call it, so a program of one
 * thread needs no lock. */
struct budget {
    size_t live, peak, limit; /* bytes */
};

/* Size of a memory block, stored in front of the block; the union keeps the alignment of malloc(). */
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

/* Builds codebooks and a model within a memory budget. All memory of the codebooks and the model comes from the
 * allocator in their options. */
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
    keys.allocator = opts.allocator = &allocator; /* the library copies the allocator struct, so it may be local */
    rc = dkvb_codebooks_fit(&codebooks, x, ROWS, DIM, &keys, NULL);
    if (rc == DKVB_OK)
        rc = dkvb_model_new(&model, codebooks, CLASSES, &opts);
    printf("limit %8zu: %-11s holds %zu, at most %zu bytes\n", budget->limit, dkvb_name(DKVB_NAME_STATUS, rc),
           budget->live, budget->peak);
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks); /* frees nothing if dkvb_codebooks_fit() failed and gave NULL */
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
    /* sets the allocator's limit one byte below the memory that the program needs */
    scant = (struct budget){.limit = ample.peak - 1};
    if (build(&scant) != DKVB_ENOMEM)
        return 1;
    printf("%s\n", dkvb_last_error());
    printf("left over: %zu and %zu bytes\n", ample.live, scant.live);
    return ample.live == 0 && scant.live == 0 ? 0 : 1;
}
