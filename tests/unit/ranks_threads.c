#include "ranks_threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dkvb/dkvb.h"

enum kind { EXCHANGE, GATHER, BROADCAST };
static const char *const kind_names[] = {"exchange", "gather", "broadcast"};

/* A call of a group's function, as one rank has made it. All other ranks read the call between the two times that all
 * ranks meet. */
struct call {
    enum kind kind;
    const void *send;
    void *receive;
    /* sizes for each rank, [count]; equal for GATHER, one element for BROADCAST */
    const size_t *send_sizes, *receive_sizes;
};

struct group {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    unsigned count, here;
    unsigned long meeting; /* number of times that all ranks have met so far */
    bool broken;           /* true if a rank has failed or returned, so that the ranks cannot meet any more */
    struct call *calls;    /* [count] */
    struct ranks_trial *trial;
};

struct member {
    struct group *group;
    dkvb_ranks ranks;
    unsigned calls;
    void (*body)(const dkvb_ranks *ranks, void *context);
    void *context;
    pthread_t thread;
};

static void breach(const struct member *m, unsigned other, const char *what)
{
    fprintf(stderr, "ranks_threads: rank %u and rank %u, call %u (%s): %s\n", m->ranks.rank, other, m->calls,
            kind_names[m->group->calls[m->ranks.rank].kind], what);
    abort();
}

/* Waits until all ranks have called meet(). Returns false if a rank will not come. A complete meeting counts even if
 * the group breaks before the last rank has woken. */
static bool meet(struct group *g)
{
    unsigned long meeting;
    bool met;

    pthread_mutex_lock(&g->lock);
    meeting = g->meeting;
    if (!g->broken && ++g->here == g->count) {
        g->here = 0;
        g->meeting++;
        pthread_cond_broadcast(&g->all_here);
    }
    while (!g->broken && g->meeting == meeting)
        pthread_cond_wait(&g->all_here, &g->lock);
    met = g->meeting != meeting;
    pthread_mutex_unlock(&g->lock);
    return met;
}

static void break_up(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    g->broken = true;
    pthread_cond_broadcast(&g->all_here);
    pthread_mutex_unlock(&g->lock);
}

static size_t size_from(const struct call *c, unsigned from, unsigned to)
{
    return c->kind == EXCHANGE ? c->send_sizes[to] : c->kind == GATHER ? c->send_sizes[from] : c->send_sizes[0];
}

static size_t size_at(const struct call *c, unsigned from)
{
    return c->kind == BROADCAST ? c->receive_sizes[0] : c->receive_sizes[from];
}

/* Returns the first byte of the data that a call sends to rank `to`. */
static const char *part_for(const struct call *c, unsigned to)
{
    const char *part = c->send;

    for (unsigned r = 0; c->kind == EXCHANGE && r < to; r++)
        part += c->send_sizes[r];
    return part;
}

/* Copies to a rank the data that all ranks send to it, while no rank can return or change its buffers. */
static void take(struct member *m)
{
    const struct group *g = m->group;
    const struct call *own = &g->calls[m->ranks.rank];
    unsigned me = m->ranks.rank;
    char *at = own->receive;
    size_t in = 0, out = 0;

    for (unsigned r = 0; r < g->count; r++) {
        const struct call *theirs = &g->calls[r];
        size_t size;

        if (theirs->kind != own->kind)
            breach(m, r, "the other makes another call");
        size = size_at(own, r);
        if (size != size_from(theirs, r, me))
            breach(m, r, "the other sends another number of bytes");
        if (own->kind == GATHER && own->send_sizes[r] != theirs->send_sizes[r])
            breach(m, r, "the other has another size of its part");
        if (own->kind == BROADCAST && r > 0) {
            if (theirs->send_sizes[0] != own->send_sizes[0])
                breach(m, r, "the other has another size");
            out += me == 0 ? size : 0; /* broadcast data count once, on the sending rank */
            continue;
        }
        if (size > 0 && at != part_for(theirs, me))
            memcpy(at, part_for(theirs, me), size);
        at += size;
        in += r == me ? 0 : size;
        out += r == me || own->kind == BROADCAST ? 0 : size_from(own, me, r);
    }
    if (in > DKVB_RANKS_MOST || out > DKVB_RANKS_MOST * (own->kind == EXCHANGE ? UINT64_C(1) : g->count))
        breach(m, me, "the call moves more than DKVB_RANKS_MOST bytes");
    g->trial->received[me] += in;
    g->trial->sent[me] += out;
}

static int make_call(struct member *m, struct call call)
{
    struct group *g = m->group;

    m->calls++;
    if (m->calls == g->trial->fail_call && m->ranks.rank == g->trial->fail_rank) {
        break_up(g);
        return 7;
    }
    g->calls[m->ranks.rank] = call; /* no rank reads the call before all ranks meet */
    if (!meet(g))
        return 8;
    take(m);
    (void)meet(g); /* all ranks meet again, as none returns from a call before */
    return 0;
}

static int exchange(void *user, const void *send, const size_t *send_sizes, void *receive, const size_t *receive_sizes)
{
    return make_call(user, (struct call){EXCHANGE, send, receive, send_sizes, receive_sizes});
}

static int gather(void *user, const void *send, void *receive, const size_t *sizes)
{
    return make_call(user, (struct call){GATHER, send, receive, sizes, sizes});
}

static int broadcast(void *user, void *data, size_t size)
{
    return make_call(user, (struct call){BROADCAST, data, data, &size, &size});
}

static void *run_member(void *arg)
{
    struct member *m = arg;

    m->body(&m->ranks, m->context);
    break_up(m->group);
    return NULL;
}

void ranks_try(unsigned count, void (*body)(const dkvb_ranks *ranks, void *context), void *context,
               struct ranks_trial *trial)
{
    struct group g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count, 0, 0, false, NULL, trial};
    struct member *members = calloc(count, sizeof *members);

    g.calls = calloc(count, sizeof *g.calls);
    if (!members || !g.calls)
        abort();
    memset(trial->sent, 0, sizeof trial->sent);
    memset(trial->received, 0, sizeof trial->received);
    for (unsigned r = 0; r < count; r++) {
        members[r] = (struct member){.group = &g, .ranks = DKVB_RANKS_INIT, .body = body, .context = context};
        members[r].ranks.rank = r;
        members[r].ranks.count = count;
        members[r].ranks.user = &members[r];
        members[r].ranks.exchange = exchange;
        members[r].ranks.gather = gather;
        members[r].ranks.broadcast = broadcast;
    }
    /* otherwise cmocka would end the program without the message of another thread */
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    for (unsigned r = 0; r < count; r++)
        if (pthread_create(&members[r].thread, NULL, run_member, &members[r]) != 0)
            abort();
    for (unsigned r = 0; r < count; r++)
        pthread_join(members[r].thread, NULL);
    unsetenv("CMOCKA_TEST_ABORT");
    trial->calls = members[0].calls;
    free(members);
    free(g.calls);
}

void ranks_run(unsigned count, void (*body)(const dkvb_ranks *ranks, void *context), void *context)
{
    struct ranks_trial trial = {0};

    ranks_try(count, body, context, &trial);
}
