#include <stdlib.h>

#include "collector/sampler/native_stacks.h"
#include "collector/sampler/process.h"
#include "collector/sampler/stop.h"
#include "collector/target/process.h"
#include "common/base/array.h"
#include "common/base/clock.h"

enum { TRIES = 8, OTHERS_MAX = 4096 };

static const uint64_t list_every_ns = 100000000;
static const uint64_t budget_max_ns = 10000000;
static const double stop_share_default =
    0.01; /* of each thread's time; docs/sampling.md has the cost */

/* ---- one thread ---- */

static bool ensure_capture(struct sampled_thread *t)
{
    if (t->capture)
        return true;
    t->capture = malloc(sizeof(*t->capture));
    if (t->capture)
        capture_init(t->capture);
    return t->capture != NULL;
}

static void take_result(struct sampled_process *p, struct sampling *s, struct sampled_thread *t,
                        enum reading_result result, size_t len, bool is_stopped)
{
    if (!t->has_python) {
        t->node = 0;
        uint32_t node = native_stacks_merge(s->native, p, t, s->stacks, NULL, 0, 0, s->now_ns);
        if (node != 0)
            process_add_row(s, p, t, node, is_stopped ? WIRE_STOPPED_TO_READ : 0U);
        return;
    }
    process_take_result(p, s, t, result, len, is_stopped);
}

static enum reading_result read_python(struct sampled_process *p, struct sampling *s,
                                       struct sampled_thread *t, size_t *len)
{
    return t->has_python ? process_read_thread(p, s, t, TRIES, len) : READING_EMPTY;
}

/* The time that may go into stopping this thread grows with time; false when none is left. */
static bool has_budget(const struct sampling *s, struct sampled_thread *t)
{
    double share = s->options->stop_share > 0 ? s->options->stop_share : stop_share_default;
    if (t->budget_at_ns == 0)
        t->stop_budget_ns = (int64_t)budget_max_ns;
    else
        t->stop_budget_ns += (int64_t)((double)(s->now_ns - t->budget_at_ns) * share);
    if (t->stop_budget_ns > (int64_t)budget_max_ns)
        t->stop_budget_ns = (int64_t)budget_max_ns;
    t->budget_at_ns = s->now_ns;
    return t->stop_budget_ns > 0;
}

static void read_stopped(struct sampled_process *p, struct sampling *s, struct sampled_thread *t)
{
    size_t len = 0;
    enum reading_result result = READING_TORN;
    uint64_t begin = 0;
    switch (stop_thread(p->pid, t->tid, &begin)) {
    case STOP_DONE:
        break;
    case STOP_ASLEEP: /* it fell asleep just now: the next round finds it so */
        s->native->stats.skipped++;
        return;
    case STOP_GONE:
        p->must_list = true;
        return;
    case STOP_REFUSED:
        t->cannot_stop = true;
        s->stats->errors++;
        return;
    }
    t->capture->asleep[0] = '\0';
    bool is_captured = capture_stopped(t->capture, p->pid, t->tid);
    result = read_python(p, s, t, &len);
    uint64_t spent = clock_monotonic_ns() - begin;
    stop_release(p->pid, t->tid); /* who is let go may take our CPU: that is not held */
    t->stop_budget_ns -= (int64_t)spent;
    s->native->stats.stops++;
    s->native->stats.stop_ns += spent;
    if (is_captured)
        s->stats->stopped++;
    take_result(p, s, t, result, len, is_captured);
}

void native_read_thread(struct sampled_process *p, struct sampling *s, struct sampled_thread *t)
{
    size_t len = 0;
    if (!ensure_capture(t))
        return;
    if (native_still_sleeps(p, t)) {
        process_add_row(s, p, t, t->node, process_state_of(p, s, t));
        if (t->has_python)
            process_see_span(p, s, t, t->node);
        return;
    }
    if (capture_asleep(t->capture, p->pid, t->tid)) {
        enum reading_result result = read_python(p, s, t, &len);
        if (capture_is_still_asleep(t->capture, p->pid, t->tid)) {
            uint64_t rows = s->stats->samples;
            take_result(p, s, t, result, len, false);
            t->capture->is_valid = s->stats->samples != rows; /* what is kept is of this capture */
            return;
        }
        s->stats->retried++;
    }
    t->capture->is_valid = false;
    if (s->options->never_stop || t->cannot_stop || t->tid == 0) {
        if (t->has_python)
            take_result(p, s, t, read_python(p, s, t, &len), len, false);
        else
            s->native->stats.unread++;
        return;
    }
    if (has_budget(s, t))
        read_stopped(p, s, t);
    else
        s->native->stats.skipped++;
}

/* ---- threads without Python ---- */

struct listing {
    struct sampled_process *p;
    struct sampled_thread **threads;
    size_t len, cap;
};

static bool is_python_thread(const struct sampled_process *p, pid_t tid)
{
    for (size_t i = 0; i < p->threads_len; i++) {
        if (p->threads[i]->tid == tid)
            return true;
    }
    return false;
}

static struct sampled_thread *take_known(struct native_process *np, pid_t tid)
{
    for (size_t i = 0; i < np->others_len; i++) {
        struct sampled_thread *t = np->others[i];
        if (t && t->tid == tid) {
            np->others[i] = NULL;
            return t;
        }
    }
    return NULL;
}

static void add_other(void *ctx, pid_t tid)
{
    struct listing *l = ctx;
    if (is_python_thread(l->p, tid) || l->len == OTHERS_MAX ||
        !array_reserve(&l->threads, &l->cap, l->len + 1))
        return;
    struct sampled_thread *t = take_known(&l->p->native, tid);
    if (!t) {
        t = malloc(sizeof(*t));
        if (!t)
            return;
        thread_init_plain(t, l->p->pid, tid);
        (void)thread_read_name(t, l->p->pid);
        l->p->has_news = true;
    }
    l->threads[l->len++] = t;
}

void native_list_others(struct sampled_process *p, uint64_t now)
{
    struct native_process *np = &p->native;
    struct listing l = {.p = p};
    /* Whenever the list of Python's own threads was made anew too: one is in one of both. */
    bool is_fresh = now - np->listed_ns < list_every_ns && np->python_listed_ns == p->listed_ns;
    if (np->listed_ns != 0 && is_fresh)
        return;
    np->listed_ns = now;
    np->python_listed_ns = p->listed_ns;
    if (!process_threads(p->pid, add_other, &l) && p->is_plain)
        p->is_gone = true;
    for (size_t i = 0; i < np->others_len; i++) {
        if (np->others[i]) {
            thread_deinit(np->others[i]);
            free(np->others[i]);
        }
    }
    free(np->others);
    np->others = l.threads;
    np->others_len = l.len;
    np->others_cap = l.cap;
}

static void settle(struct rows *rows, struct sampled_thread *t, uint64_t now)
{
    thread_read_cpu(t, now);
    if (t->unsettled_ns > 0 || t->is_asleep)
        process_settle_thread(rows, t);
}

void native_read_others(struct sampled_process *p, struct sampling *s)
{
    for (size_t i = 0; i < p->native.others_len && !p->is_gone; i++) {
        struct sampled_thread *t = p->native.others[i];
        if (!t->has_stream_thread)
            continue;
        if (s->now_ns - t->read_ns >= s->cpu_every_ns)
            settle(s->rows, t, s->now_ns);
        if (t->is_asleep && !p->is_plain)
            t->row_ns = s->now_ns; /* a worker that waits for work is nobody's time */
        else if (t->is_asleep && t->node != 0)
            process_add_row(s, p, t, t->node, 0);
        else
            native_read_thread(p, s, t);
    }
}

void native_settle_others(struct sampled_process *p, struct rows *rows, uint64_t now)
{
    for (size_t i = 0; i < p->native.others_len; i++) {
        struct sampled_thread *t = p->native.others[i];
        thread_read_cpu(t, now);
        if (t->last_row != ROWS_NONE)
            process_settle_thread(rows, t);
    }
}
