/* Measures how many single rows one dkvb_live answers per processor second, called by one thread and by several at
 * once. As there are no locks between the threads, rows per processor second stay the same, so that two cores answer
 * twice as many rows as one. The program counts processor time instead of elapsed time, so that other work on the
 * machine does not matter.
 *
 *     serve_threads MODEL ROWS.npy BAR
 *
 * BAR is the smallest allowed speedup on 2 cores. Rounds with one thread and with several alternate, and the best round
 * of each counts. */
#include <dkvb/dkvb.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 8, ROUNDS = 8 };

static dkvb_live *live;
static dkvb_array rows = DKVB_ARRAY_INIT;
static atomic_bool stop, failed;
static uint32_t wanted; /* number of threads that each call asks for; 0 = the library decides */

static double processor_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *answer(void *context)
{
    uint64_t *count = context;
    dkvb_run_options run = DKVB_RUN_OPTIONS_INIT;

    run.threads = wanted;

    for (*count = 0; !atomic_load_explicit(&stop, memory_order_relaxed); ++*count) {
        const float *x = (const float *)rows.data + *count % rows.shape[0] * rows.shape[1];
        const dkvb_model *model;
        int32_t label;

        if (dkvb_live_acquire(live, &model) || dkvb_model_predict(model, x, 1, &label, NULL, &run))
            atomic_store(&failed, true);
        dkvb_live_release(live, model);
        if (atomic_load(&failed))
            break;
    }
    return NULL;
}

/* Returns the number of rows that `n` threads predict per processor second. */
static double measure(int n)
{
    const struct timespec round = {.tv_nsec = 200 * 1000 * 1000};
    pthread_t threads[MOST];
    uint64_t counts[MOST][16] = {{0}}; /* counts of the threads, in different cache lines */
    double begun = processor_seconds(), all = 0;

    atomic_store(&stop, false);
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, answer, counts[i]))
            exit(1);
    nanosleep(&round, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        all += (double)counts[i][0];
    }
    return all / (processor_seconds() - begun);
}

int main(int argc, char **argv)
{
    double best[4] = {0};
    static const int threads[4] = {1, 2, MOST, 1};

    if (argc != 4 || dkvb_live_open(&live, argv[1], NULL) || dkvb_features_read(&rows, argv[2], 0, NULL)) {
        fprintf(stderr, "usage: serve_threads MODEL ROWS.npy BAR; %s\n", dkvb_last_error());
        return 1;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 4; i++) {
            double found;

            wanted = i == 3;
            found = measure(threads[i]);

            best[i] = found > best[i] ? found : best[i];
        }
    printf("1 thread that asks for one: %.0f single rows per processor second\n", best[3]);
    for (int i = 0; i < 3; i++)
        printf("%d threads: %.0f single rows per processor second, %.2f times one thread on 2 cores\n", threads[i],
               best[i], 2 * best[i] / best[0]);
    dkvb_array_free(&rows);
    dkvb_live_free(live);
    if (best[0] < 0.8 * best[3])
        fputs("a row alone costs more where the library decides how many threads answer it\n", stderr);
    return atomic_load(&failed) || best[0] < 0.8 * best[3] || 2 * best[1] < atof(argv[3]) * best[0] ||
           2 * best[2] < atof(argv[3]) * best[0];
}
