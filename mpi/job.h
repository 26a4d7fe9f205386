/* A group of ranks on MPI: the state that the group's functions and the watch share. */
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

/* Stages of a rank of an MPI job, in order. */
enum dkvb__mpi_stage {
    DKVB__MPI_WORKING,
    DKVB__MPI_ENDED,   /* dkvb_mpi_end() was called; `code` and `text` are the result */
    DKVB__MPI_LEAVING, /* dkvb_mpi_free() was called; the rank sends nothing more */
};

/* State of a rank, as far as the watch knows. */
struct dkvb__mpi_rank {
    double heard; /* time of the rank's last message: dkvb__mpi_clock() */
    uint32_t stage;
    int32_t code;
    bool cut_off; /* true if MPI itself failed on the rank, so that another rank is the cause */
    char text[DKVB__MPI_TEXT];
};

/* A message of the watch. All messages of the watch have the same size. */
struct dkvb__mpi_note {
    uint32_t stage;
    int32_t code;
    uint32_t cut_off;
    uint32_t verdict; /* from rank 0: 1 when no rank works any more, and `code` is the exit code of the job */
    char text[DKVB__MPI_TEXT];
};

/* The thread that sends and receives signs of life. Rank 0 watches all other ranks, and they watch rank 0. */
struct dkvb__mpi_watch {
    bool running;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the following members, which both threads use */
    pthread_cond_t changed;
    MPI_Comm comm;
    double began;              /* time at which the watch started, in seconds */
    enum dkvb__mpi_stage mine; /* stage of this rank, set by the caller's thread */
    struct dkvb__mpi_note own; /* result of this rank, valid from DKVB__MPI_ENDED on */
    bool cancelled;            /* true if a rank could not start its watch thread: all other ranks end theirs at once */
    bool verdict;              /* true if the result of the job is known */
    int32_t job_code;          /* exit code of the job, once it is known */
    /* Members that only the watch thread uses: */
    struct dkvb__mpi_rank *ranks; /* states of the ranks, [count] */
    struct dkvb__mpi_note *sent;  /* messages to the ranks that are being sent, [count] */
    MPI_Request *requests;        /* MPI requests of these messages, [count] */
    bool *told_end;               /* marks of ranks to which the last message of all was sent, [count] */
    double beat;                  /* time of the next sign of life */
    /* names of the ranks that are silent now: one text is read while the other is written */
    char silent[2][DKVB__MPI_TEXT];
    atomic_uint reads; /* index of the text in `silent` to read */
};

struct dkvb_mpi {
    dkvb_allocator mem;
    dkvb_mpi_options options;
    MPI_Comm comm; /* communicator of the group's functions */
    dkvb_ranks ranks;
    dkvb_mpi_info info;
    char (*hosts)[DKVB__MPI_HOST]; /* host names of the ranks, [count] */
    int *counts;                   /* counts and offsets of a call, in MPI's form, [4 count] */
    atomic_bool cut_off;           /* set if a function of MPI failed */
    struct dkvb__mpi_watch watch;
};

/* Returns the seconds of a clock that never goes back. */
double dkvb__mpi_clock(void);

/* Sleeps for a number of microseconds. */
void dkvb__mpi_sleep(long microseconds);

/* Starts the watch, unless it is switched off or MPI forbids threads. All ranks must call this function. */
dkvb_status dkvb__mpi_watch_start(dkvb_mpi *job);

/* Reports how this rank ended, and waits until all ranks have ended. Returns the exit code of the job. */
int dkvb__mpi_watch_end(dkvb_mpi *job, int code, const char *text);

/* Waits until all ranks leave, and ends the watch thread. */
void dkvb__mpi_watch_stop(dkvb_mpi *job);

#endif
