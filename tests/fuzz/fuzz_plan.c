/* Fuzz target for plan files. Loading arbitrary bytes must end in an error, or in a plan that can be shown and is the
 * same after saving and loading. Applying the plan to a model it was not made for must be refused, and applying it to
 * its own model must do no damage. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dkvb/dkvb.h"
#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static dkvb_plan_info info_of(const dkvb_plan *plan)
{
    dkvb_plan_info info = DKVB_PLAN_INFO_INIT;

    require(dkvb_plan_get_info(plan, &info) == DKVB_OK);
    return info;
}

/* Reads everything that the properties of a plan point to. */
static void look_at(const dkvb_plan_info *info)
{
    require(strlen(info->refusal) < 1000 && (info->refused != 0) == (info->refusal[0] != '\0'));
    for (uint32_t l = 0; l < info->class_count; l++) {
        require(!info->classes || info->classes[l] <= DKVB_ASIDE);
        require(!info->effects || info->effects[l].right_after <= info->effects[l].rows);
    }
    for (uint64_t i = 0; i < info->request_count; i++)
        for (uint32_t l = 0; info->requests[i].classes && l < info->class_count; l++)
            require(info->requests[i].classes[l] <= DKVB_ASIDE);
}

static void save_and_load_again(const dkvb_plan *plan, const char *path)
{
    dkvb_plan_info before = info_of(plan), after;
    dkvb_plan *again;

    require(dkvb_plan_save(plan, path) == DKVB_OK);
    require(dkvb_plan_load(&again, path, NULL) == DKVB_OK);
    after = info_of(again);
    require(before.pairs == after.pairs && before.ids == after.ids && before.refused == after.refused &&
            before.request_count == after.request_count && strcmp(before.refusal, after.refusal) == 0);
    dkvb_plan_free(again);
}

/* Applies the plan to another model, whose journal has another head, and asserts that the plan is refused. */
static void refuse(dkvb_plan *plan)
{
    const float key = 1.0f;
    dkvb_codebooks_arrays arrays = DKVB_CODEBOOKS_ARRAYS_INIT;
    dkvb_keyinit_options o = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *codebooks;
    dkvb_model *model;

    o.codebooks = o.keys = o.key_dim = 1;
    arrays.dim = 1;
    arrays.keys = &key;
    require(dkvb_codebooks_from_arrays(&codebooks, &arrays, &o) == DKVB_OK);
    require(dkvb_model_new(&model, codebooks, 1, NULL) == DKVB_OK);
    require(dkvb_forget_apply(plan, model, NULL, NULL) != DKVB_OK);
    dkvb_model_free(model);
    dkvb_codebooks_free(codebooks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/dkvb-fuzz-plan-XXXXXX";
    uint8_t *file;
    dkvb_plan *plan;
    int fd;

    if (size < 65)
        return 0;
    file = malloc(size - 1);
    require(file != NULL);
    memcpy(file, data + 1, size - 1);
    if (data[0] & 0x80)
        seal(file, size - 1);
    fd = mkstemp(path);
    if (fd >= 0 && write(fd, file, size - 1) == (ssize_t)(size - 1)) {
        dkvb_status rc = dkvb_plan_load(&plan, path, NULL);

        require((rc == DKVB_OK) == (plan != NULL));
        if (!rc) {
            dkvb_plan_info info = info_of(plan);

            look_at(&info);
            save_and_load_again(plan, path);
            refuse(plan);
            dkvb_plan_free(plan);
        }
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
    free(file);
    return 0;
}
