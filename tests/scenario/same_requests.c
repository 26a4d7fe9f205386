/* Carries out one request to forget by the C API, for same_requests.py:
 *
 *     same_requests MODEL CODES|- STRENGTH KIND WHO PAIRS FORCE LIMIT SALT
 *
 * KIND is `classes` or `ids` (then WHO is a list with commas) or `requests` (then WHO is a text). The model file, and
 * with strength exact the codes file, are changed in place. The program prints the name and the sentence of the plan's
 * refusal, or "error" and the error message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dkvb/dkvb.h>

enum { MOST = 4096 };

static int fail(void)
{
    printf("error %s\n", dkvb_last_error());
    return EXIT_SUCCESS;
}

static size_t read_list(const char *text, uint64_t *numbers)
{
    size_t n = 0;

    for (char *end; *text && n < MOST; text = *end ? end + 1 : end)
        numbers[n++] = strtoull(text, &end, 10);
    return n;
}

int main(int argc, char **argv)
{
    static uint64_t numbers[MOST];
    static uint8_t marks[MOST];
    uint8_t salt[32];
    dkvb_forget_request q = DKVB_FORGET_REQUEST_INIT;
    dkvb_plan_info info = DKVB_PLAN_INFO_INIT;
    dkvb_model *model = NULL;
    dkvb_codeset *set = NULL;
    dkvb_plan *plan = NULL;
    size_t n;

    if (argc != 10 || strlen(argv[9]) != 64)
        return EXIT_FAILURE;
    for (size_t i = 0; i < sizeof salt; i++) {
        char digits[3] = {argv[9][2 * i], argv[9][2 * i + 1], '\0'};

        salt[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    if (dkvb_model_load(&model, argv[1], NULL))
        return fail();
    if (strcmp(argv[2], "-") != 0 && dkvb_codeset_load(&set, argv[2], NULL, NULL))
        return fail();
    q.strength = strcmp(argv[3], "exact") == 0 ? DKVB_STRENGTH_EXACT : DKVB_STRENGTH_SUPPRESS;
    n = strcmp(argv[4], "requests") == 0 ? 0 : read_list(argv[5], numbers);
    if (strcmp(argv[4], "classes") == 0) {
        for (size_t i = 0; i < n && numbers[i] < MOST; i++)
            marks[numbers[i]] = DKVB_FORGET;
        q.classes = marks;
    } else if (n > 0) {
        q.ids = numbers;
        q.id_count = n;
    } else {
        q.requests = argv[5];
    }
    q.budget = strtoull(argv[6], NULL, 10);
    q.force = argv[7][0] == '1';
    q.max_class_loss = strtod(argv[8], NULL);
    if (q.budget == 0 && q.strength == DKVB_STRENGTH_SUPPRESS) /* the tool takes this option only without a budget */
        q.max_retain_drop = q.max_class_loss;
    q.keys = DKVB_KEYS_KEPT;
    q.salt = salt;
    q.reason = "the same";
    if (dkvb_forget_plan(&plan, model, set, &q, NULL) || dkvb_plan_get_info(plan, &info))
        return fail();
    printf("%u %s\n", info.refused, info.refusal);
    if (info.refused && !info.forced)
        return EXIT_SUCCESS;
    if (dkvb_forget_apply(plan, model, set, NULL))
        return fail();
    if (dkvb_model_save(model, argv[1]) || (set && dkvb_codeset_save(set, argv[2])))
        return fail();
    dkvb_plan_free(plan);
    dkvb_codeset_free(set);
    dkvb_model_free(model);
    return EXIT_SUCCESS;
}
