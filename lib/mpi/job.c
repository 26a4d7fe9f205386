/* The functions of a group of ranks (processes that run together), implemented on MPI. */
#include "mpi/job.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dkvb/version.h"

enum {
    SPIN = 2000, /* number of tests of an MPI request before the waiting thread sleeps: a fraction of a millisecond */
    SHORT_SLEEP = 20 /* microseconds that the waiting thread sleeps between later tests of an MPI request */
};

double dkvb__mpi_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void dkvb__mpi_sleep(long microseconds)
{
    const struct timespec pause = {.tv_nsec = microseconds * 1000};

    nanosleep(&pause, NULL);
}

/* Waits for an MPI request to finish. MPI_Wait() would keep a whole core busy, which the threads of other ranks on this
 * host may need. */
static int wait_for(dkvb_mpi *job, int started, MPI_Request *request)
{
    int done = 0, code = started;

    for (unsigned looks = 0; code == MPI_SUCCESS && !done; looks++) {
        code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (!done && looks > SPIN)
            dkvb__mpi_sleep(SHORT_SLEEP);
    }
    if (code != MPI_SUCCESS)
        atomic_store(&job->cut_off, true);
    return code == MPI_SUCCESS ? 0 : code;
}

/* Turns sizes into the counts and offsets that MPI takes. Returns the sum of `sizes`, which are sizes in bytes, or
 * SIZE_MAX if the sum is more than MPI can count. */
static size_t lay_out(const size_t *sizes, uint32_t ranks, int *counts, int *places)
{
    size_t at = 0;

    for (uint32_t r = 0; r < ranks; r++) {
        if (sizes[r] > INT_MAX || at > INT_MAX - sizes[r])
            return SIZE_MAX;
        counts[r] = (int)sizes[r];
        places[r] = (int)at;
        at += sizes[r];
    }
    return at;
}

static int exchange(void *user, const void *send, const size_t *send_sizes, void *receive, const size_t *receive_sizes)
{
    dkvb_mpi *job = user;
    uint32_t count = job->ranks.count, me = job->ranks.rank;
    int *out = job->counts, *from = out + count, *in = from + count, *to = in + count;
    size_t sent = lay_out(send_sizes, count, out, from), received = lay_out(receive_sizes, count, in, to);
    MPI_Request request;

    if (sent == SIZE_MAX || received == SIZE_MAX)
        return MPI_ERR_COUNT;
    job->info.exchange.calls++;
    job->info.exchange.sent += sent - send_sizes[me];
    job->info.exchange.received += received - receive_sizes[me];
    return wait_for(job, MPI_Ialltoallv(send, out, from, MPI_BYTE, receive, in, to, MPI_BYTE, job->comm, &request),
                    &request);
}

static int gather(void *user, const void *send, void *receive, const size_t *sizes)
{
    dkvb_mpi *job = user;
    uint32_t count = job->ranks.count, me = job->ranks.rank;
    int *in = job->counts, *to = in + count;
    size_t received = lay_out(sizes, count, in, to);
    bool in_place;
    MPI_Request request;

    if (received == SIZE_MAX)
        return MPI_ERR_COUNT;
    job->info.gather.calls++;
    job->info.gather.sent += sizes[me] * (count - 1);
    job->info.gather.received += received - sizes[me];
    in_place = sizes[me] > 0 && send == (char *)receive + to[me];
    return wait_for(job,
                    MPI_Iallgatherv(in_place ? MPI_IN_PLACE : send, in[me], MPI_BYTE, receive, in, to, MPI_BYTE,
                                    job->comm, &request),
                    &request);
}

static int broadcast(void *user, void *data, size_t size)
{
    dkvb_mpi *job = user;
    MPI_Request request;

    if (size > INT_MAX)
        return MPI_ERR_COUNT;
    job->info.broadcast.calls++;
    if (job->ranks.rank == 0)
        job->info.broadcast.sent += size * (job->ranks.count - 1);
    else
        job->info.broadcast.received += size;
    return wait_for(job, MPI_Ibcast(data, (int)size, MPI_BYTE, 0, job->comm, &request), &request);
}

static dkvb_status failed(const char *function, int code)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;

    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS)
        snprintf(text, sizeof text, "code %d", code);
    return dkvb__fail(DKVB_EIO, "%s: %s", function, text);
}

/* Makes all ranks fail if one rank has failed, since a rank that went on alone would wait for the other ranks for
 * ever. */
static dkvb_status agree(dkvb_mpi *job, dkvb_status mine, const char *what)
{
    int bad = mine != DKVB_OK, any = 0, code;

    /* `any` gets the largest `bad` of all ranks: every rank learns whether a rank has failed */
    code = MPI_Allreduce(&bad, &any, 1, MPI_INT, MPI_MAX, job->comm);
    if (mine)
        return mine;
    if (code != MPI_SUCCESS)
        return failed(what, code);
    return any ? dkvb__fail(DKVB_ENOMEM, "%s: another rank is out of memory", what) : DKVB_OK;
}

dkvb_status dkvb_mpi_compare(dkvb_mpi *job, const char *name, const char *text)
{
    enum { MOST = 512 };
    uint32_t count = job->ranks.count, r = 1;
    char mine[MOST] = "", (*all)[MOST] = dkvb__alloc0(&job->mem, count, MOST);
    dkvb_status rc = agree(job, all ? DKVB_OK : dkvb__fail(DKVB_ENOMEM, "out of memory"), "compare");
    int code;

    snprintf(mine, sizeof mine, "%s", text);
    if (!rc) {
        code = MPI_Allgather(mine, MOST, MPI_BYTE, all, MOST, MPI_BYTE, job->comm);
        rc = code == MPI_SUCCESS ? DKVB_OK : failed("MPI_Allgather", code);
    }
    while (!rc && r < count && memcmp(all[r], all[0], MOST) == 0)
        r++;
    if (!rc && r < count)
        rc = dkvb__fail(DKVB_EMISMATCH, "rank %u on %s: %s: found '%.200s', but rank 0 on %s has '%.200s'", r,
                        job->hosts[r], name, all[r], job->hosts[0], all[0]);
    dkvb__free(&job->mem, all);
    return rc;
}

/* Exchanges the host names of all ranks, and checks that all processes are of the same kind. */
static dkvb_status meet(dkvb_mpi *job)
{
    char host[MPI_MAX_PROCESSOR_NAME + 1] = "", mine[DKVB__MPI_HOST] = "", build[128];
    const uint32_t one = 1;
    unsigned char first;
    int length, code;

    MPI_Get_processor_name(host, &length);
    snprintf(mine, sizeof mine, "%.*s", (int)sizeof mine - 1, host);
    code = MPI_Allgather(mine, DKVB__MPI_HOST, MPI_BYTE, job->hosts, DKVB__MPI_HOST, MPI_BYTE, job->comm);
    if (code != MPI_SUCCESS)
        return failed("MPI_Allgather", code);
    memcpy(&first, &one, 1);
    snprintf(build, sizeof build, "%s, %s-endian, %zu-bit", DKVB_VERSION_STRING, first ? "little" : "big",
             8 * sizeof(void *));
    return dkvb_mpi_compare(job, "libdkvb-mpi", build);
}

static void release(dkvb_mpi *job)
{
    dkvb_allocator mem = job->mem;

    dkvb__free(&mem, job->hosts);
    dkvb__free(&mem, job->counts);
    if (job->comm != MPI_COMM_NULL)
        MPI_Comm_free(&job->comm);
    dkvb__free(&mem, job);
}

dkvb_status dkvb_mpi_new(dkvb_mpi **out, int32_t communicator, const dkvb_mpi_options *options)
{
    dkvb_mpi_options o = DKVB_MPI_OPTIONS_INIT;
    dkvb_allocator mem;
    MPI_Comm comm = MPI_COMM_NULL;
    dkvb_mpi *job;
    int began = 0, over = 0, rank, count;
    dkvb_status rc = dkvb__take_options(&o, sizeof o, options, "MPI options");

    *out = NULL;
    if (!rc)
        rc = dkvb__check_allocator(o.allocator);
    if (rc)
        return rc;
    MPI_Initialized(&began);
    MPI_Finalized(&over);
    if (!began || over)
        return dkvb__fail(DKVB_ESTATE, "MPI is not initialised: call MPI_Init_thread() first, and this function before "
                                       "MPI_Finalize()");
    if (MPI_Comm_dup(MPI_Comm_f2c(communicator), &comm) != MPI_SUCCESS)
        return dkvb__fail(DKVB_EIO, "MPI_Comm_dup: the communicator cannot be duplicated");
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &count);
    mem = dkvb__allocator(o.allocator);
    job = count <= DKVB_RANKS_COUNT ? dkvb__alloc0(&mem, 1, sizeof *job) : NULL;
    if (job) {
        *job = (dkvb_mpi){.mem = mem, .options = o, .comm = comm, .info = DKVB_MPI_INFO_INIT};
        job->ranks = (dkvb_ranks){sizeof job->ranks, (uint32_t)rank, (uint32_t)count, job, exchange, gather, broadcast};
        job->info.rank = (uint32_t)rank;
        job->info.count = (uint32_t)count;
        job->info.silence = o.silence;
        job->hosts = dkvb__alloc0(&mem, (size_t)count, sizeof *job->hosts);
        job->counts = dkvb__alloc0(&mem, (size_t)count, 4 * sizeof *job->counts);
    }
    /* all ranks fail here alike, as `count`, the number of ranks, is the same on all of them */
    if (count > DKVB_RANKS_COUNT)
        rc =
            dkvb__fail(DKVB_EINVAL, "the communicator has %d ranks, at most %d are supported", count, DKVB_RANKS_COUNT);
    else if (!job || !job->hosts || !job->counts)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for %d ranks", count);
    if (count <= DKVB_RANKS_COUNT) {
        struct dkvb_mpi alone = {.comm = comm};

        rc = agree(job ? job : &alone, rc, "ranks");
    }
    if (!rc)
        rc = meet(job);
    if (!rc)
        rc = dkvb__mpi_watch_start(job);
    if (rc) {
        if (job)
            release(job);
        else
            MPI_Comm_free(&comm);
        return rc;
    }
    *out = job;
    return DKVB_OK;
}

const dkvb_ranks *dkvb_mpi_ranks(const dkvb_mpi *job)
{
    return &job->ranks;
}

const char *dkvb_mpi_host(const dkvb_mpi *job, uint32_t rank)
{
    return rank < job->ranks.count ? job->hosts[rank] : "";
}

const char *dkvb_mpi_silent(const dkvb_mpi *job)
{
    return job->watch.silent[atomic_load(&job->watch.reads)];
}

dkvb_status dkvb_mpi_get_info(const dkvb_mpi *job, dkvb_mpi_info *info)
{
    return dkvb__give_info(info, &job->info, sizeof job->info, "MPI info");
}

int dkvb_mpi_end(dkvb_mpi *job, int code, const char *message)
{
    const char *text = message ? message : "";

    if (job->watch.running)
        return dkvb__mpi_watch_end(job, code, text);
    if (code != 0 && *text)
        fprintf(stderr, "dkvb-mpi: rank %u on %s: %s\n", job->ranks.rank, job->hosts[job->ranks.rank], text);
    return code;
}

void dkvb_mpi_free(dkvb_mpi *job)
{
    if (!job)
        return;
    dkvb__mpi_watch_stop(job);
    release(job);
}

const char *dkvb_mpi_error(void)
{
    return dkvb_last_error();
}
