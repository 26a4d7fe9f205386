/* A group of ranks on MPI: what its functions and its watch share. */
#ifndef DKVB_MPI_JOB_H
#define DKVB_MPI_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <mpi.h>

#include "dkvb/mpi.h"

enum { DKVB__MPI_TEXT = 1024, DKVB__MPI_HOST = 256 };

/* Stages of a rank, in the order in which it passes them. */
enum dkvb__mpi_stage {
    DKVB__MPI_WORKING,
    DKVB__MPI_ENDED,   /* dkvb_mpi_end() was called; `code` and `text` say how */
    DKVB__MPI_LEAVING, /* dkvb_mpi_free() was called; nothing more is sent */
};

/* How a rank stands, as far as the watch knows. */
struct dkvb__mpi_rank {
    double heard; /* time of the last message: dkvb__mpi_clock() */
    uint32_t stage;
    int32_t code;
    bool cut_off; /* the failure is one of MPI itself, so another rank is the cause */
    char text[DKVB__MPI_TEXT];
};

/* A message of the watch. All messages have this size. */
struct dkvb__mpi_note {
    uint32_t stage;
    int32_t code;
    uint32_t cut_off;
    uint32_t verdict; /* from rank 0: 1 when no rank works on, and `code` is the code of the job */
    char text[DKVB__MPI_TEXT];
};

/* The thread that sends and receives signs of life. Rank 0 watches all others, and they watch rank 0. */
struct dkvb__mpi_watch {
    bool running;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the members below that both threads use */
    pthread_cond_t changed;
    MPI_Comm comm;
    double began;              /* seconds: start of the watch */
    enum dkvb__mpi_stage mine; /* set by the caller's thread */
    struct dkvb__mpi_note own; /* result of this rank, valid from DKVB__MPI_ENDED on */
    bool cancelled;            /* a rank could not start its thread: the others end theirs at once */
    bool verdict;              /* the result of the job is known, */
    int32_t job_code;          /* and is this */
    /* Used by the watching thread alone. */
    struct dkvb__mpi_rank *ranks;   /* [count] */
    struct dkvb__mpi_note *sent;    /* [count] messages on their way */
    MPI_Request *requests;          /* [count] */
    bool *told_end;                 /* [count] the last message of all was sent to this rank */
    double beat;                    /* time of the next sign of life */
    char silent[2][DKVB__MPI_TEXT]; /* names of the ranks that are silent now: one text is read, the other is written */
    atomic_uint reads;              /* number of the text to read */
};

struct dkvb_mpi {
    dkvb_allocator mem;
    dkvb_mpi_options options;
    MPI_Comm comm; /* for the group's functions */
    dkvb_ranks ranks;
    dkvb_mpi_info info;
    char (*hosts)[DKVB__MPI_HOST]; /* [count] */
    int *counts;                   /* [4 count] counts and places of a call, for MPI */
    atomic_bool cut_off;           /* a function of MPI failed */
    struct dkvb__mpi_watch watch;
};

/* Seconds of a clock that only goes forward. */
double dkvb__mpi_clock(void);

/* Sleeps for a number of microseconds. */
void dkvb__mpi_sleep(long microseconds);

/* Starts the watch, if it is wanted and MPI allows threads. All ranks call it. */
dkvb_status dkvb__mpi_watch_start(dkvb_mpi *job);

/* Reports how this rank ended, and waits until all have. Returns the code of the job. */
int dkvb__mpi_watch_end(dkvb_mpi *job, int code, const char *text);

/* Waits until all ranks leave, and ends the thread. */
void dkvb__mpi_watch_stop(dkvb_mpi *job);

#endif
