/* A group of ranks on MPI: the state that the functions of the group and the watch thread share. */
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
    DKVB__MPI_ENDED,   /* stage after dkvb_mpi_end() was called; `code` and `text` are the result of the rank */
    DKVB__MPI_LEAVING, /* stage after dkvb_mpi_free() was called; the rank sends no further message */
};

/* What the watch thread of this rank knows about another rank of the MPI job. */
struct dkvb__mpi_rank {
    double heard; /* time at which the rank's last message arrived, by dkvb__mpi_clock() */
    uint32_t stage;
    int32_t code;
    bool cut_off; /* true if MPI itself failed on the rank, so that another rank is the cause */
    char text[DKVB__MPI_TEXT];
};

/* A message between the watch threads of two ranks. All messages between watch threads have the same size. */
struct dkvb__mpi_note {
    uint32_t stage;
    int32_t code;
    uint32_t cut_off;
    /* 1 if rank 0 tells the other ranks that the MPI job has ended, with `code` as exit code of the job; else 0 */
    uint32_t verdict;
    char text[DKVB__MPI_TEXT];
};

/* The watch of a rank: a thread that sends and receives signs of life (heartbeats). Rank 0 watches all other ranks, and
 * the other ranks watch rank 0. */
struct dkvb__mpi_watch {
    bool running;
    pthread_t thread;
    pthread_mutex_t lock; /* mutex that guards the members that both the watch thread and the calling thread use */
    pthread_cond_t changed;
    MPI_Comm comm;
    double began;              /* time at which the watch thread started, in seconds */
    enum dkvb__mpi_stage mine; /* stage of this rank, set by the thread that called the library */
    struct dkvb__mpi_note own; /* the result of this rank, as a message; valid from the stage DKVB__MPI_ENDED on */
    /* true if a rank could not start its watch thread: all other ranks then end their watch threads at once */
    bool cancelled;
    bool verdict;     /* true if the result of the MPI job is known */
    int32_t job_code; /* exit code of the MPI job, once it is known */
    /* The members from `ranks` to `beat` are used by the watch thread only. */
    struct dkvb__mpi_rank *ranks; /* what this rank knows of each rank of the MPI job, [count] */
    struct dkvb__mpi_note *sent;  /* messages to the other ranks that are being sent, [count] */
    MPI_Request *requests;        /* MPI requests of the messages that are being sent, [count] */
    bool *told_end;               /* marks of ranks to which the last message of this rank was sent, [count] */
    double beat;                  /* time at which this rank must send its next sign of life */
    /* two texts of the names of silent ranks: one text is read while the other is written */
    char silent[2][DKVB__MPI_TEXT];
    atomic_uint reads; /* index in `silent` of the text with the names of silent ranks that may be read now */
};

struct dkvb_mpi {
    dkvb_allocator mem;
    dkvb_mpi_options options;
    MPI_Comm comm; /* MPI communicator over which the ranks of the group send and receive */
    dkvb_ranks ranks;
    dkvb_mpi_info info;
    char (*hosts)[DKVB__MPI_HOST]; /* host names of the ranks, [count] */
    int *counts;         /* counts and offsets of the data of each rank in one call, in MPI's form, [4 count] */
    atomic_bool cut_off; /* true once a function of MPI failed on this rank */
    struct dkvb__mpi_watch watch;
};

/* Returns the seconds of a clock that never goes back. */
double dkvb__mpi_clock(void);

/* Lets the calling thread sleep for a number of microseconds. */
void dkvb__mpi_sleep(long microseconds);

/* Starts the watch of this rank, unless the watch is switched off or MPI forbids threads. All ranks must call this
 * function. */
dkvb_status dkvb__mpi_watch_start(dkvb_mpi *job);

/* Reports how this rank ended, and waits until all ranks have ended. Returns the exit code of the job. */
int dkvb__mpi_watch_end(dkvb_mpi *job, int code, const char *text);

/* Waits until all ranks leave the job, and ends the watch thread. */
void dkvb__mpi_watch_stop(dkvb_mpi *job);

#endif
