/* What the parts of `dkvb bench` share. Each part says how to make ready and what to time; cmd_bench.c repeats it. */
#ifndef DKVB_TOOL_BENCH_H
#define DKVB_TOOL_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dkvb/dkvb.h>

#include "io/args.h"

struct bench_args {
    struct args args;
    const char *keys_file, *rows_file, *codes_out;
    uint64_t rows, batch, pairs, seed;
    uint32_t codebooks, keys, key_dim, input_dim, classes, top_k, repeats, threads;
    bool json;
};

enum { BENCH_MOST_SERIES = 3 };

struct bench {
    struct bench_args args;
    uint64_t random; /* state of the generator */
    dkvb_array keys_file, rows_file;
    float *random_keys, *random_rows;
    const float *keys, *rows; /* [C][K][d]; [n][input_dim], or [n][C][d] from --rows-file */
    int8_t *projected;        /* search: [n][C][d] */
    dkvb_codebooks *codebooks;
    dkvb_model *model;
    uint16_t *codes;       /* [n][C][k] */
    uint16_t *other_codes; /* [n][C][k], forget: those after the mask */
    int32_t *labels;       /* [n] */
    uint64_t entry;        /* forget: the one of the journal that will be undone */
    uint64_t masked, hit;  /* forget: pairs in the mask; (row, codebook) pairs searched again */
    double *call_seconds;  /* search: [repeats][calls] */

    uint32_t series;                     /* that are measured in every repeat */
    double *measured[BENCH_MOST_SERIES]; /* [repeats], seconds */
    double first[BENCH_MOST_SERIES];     /* of a first time that does not count */
    double *sorted;                      /* [repeats] */
    uint32_t repeat;                     /* under way; of the first time: args.repeats */
    double step_from, step_to;           /* what is measured now, as a part of all */
};

struct bench_work {
    const char *name;
    uint32_t told; /* the series that rows a second are told of */
    int (*prepare)(struct bench *b);
    int (*measure)(struct bench *b, uint32_t series, const dkvb_run_options *run, double *seconds);
    void (*say)(struct bench *b);  /* lines after the first two */
    void (*json)(struct bench *b); /* keys after those that all have */
};

extern const struct bench_work bench_search, bench_train, bench_forget;

/* The next call is this part, from 0 to 1, of what is measured now. */
void bench_part(const struct bench *b, double from, double to);

/* Medians of `count` numbers; of a series over the repeats; of how many times longer one took than the other. */
double bench_median(double *numbers, size_t count);
double bench_seconds(struct bench *b, uint32_t series);
double bench_ratio(struct bench *b, uint32_t over, uint32_t under);

/* 2 C K d for each row: a product of bytes and its addition count as two operations. In 10^9. */
double bench_search_work(const struct bench_args *a);

uint64_t bench_key_bytes(const struct bench_args *a);
uint64_t bench_code_bytes(const struct bench_args *a);

void bench_free(struct bench *b);

#endif
