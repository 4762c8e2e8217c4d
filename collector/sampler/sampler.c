#include "collector/sampler/sampler.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector/sampler/sampler_state.h"
#include "common/base/clock.h"

enum { ROWS_CAP = 1 << 17, SAMPLER_VALUES = 3, SECOND = 1000000000 };

static const uint64_t check_every_ns = 10000000;
static const uint64_t burst_ns = 1000000; /* of work without a pause: see rest */
static const uint64_t rest_max_ns = 20000000;
static const uint64_t idle_nap_ns = 1000000; /* at full speed, while there is nothing to read */
static const uint64_t nap_max_ns = 50000000; /* so that close, pause and a new rate are noticed */
static const int64_t stop_budget_max_ns = 10000000;
static const double stop_share_default = 0.005;
static const double unhurried_hz = 2000;
static const int native_priority = -10;

/* ---- giving rows to the stream ---- */

static bool is_doubtful(const void *ctx, uint32_t node)
{
    return code_table_is_doubtful(ctx, node);
}

static void check_codes(struct sampler *s)
{
    for (size_t i = 0; i < s->processes_len; i++) {
        struct sampled_process *p = s->processes[i];
        if (!p->is_gone && !process_check_codes(p)) {
            size_t doubted =
                rows_doubt(&s->rows, p->rows_checked, p->serial, is_doubtful, &p->codes);
            s->stats.torn += doubted;
            s->stats.samples -= doubted;
            spans_doubt_rows(&s->spans, p->stream_process, s->checked_ns);
            for (size_t k = 0; k < p->threads_len; k++)
                spans_doubt_open(&p->threads[k]->spans, s->checked_ns);
        }
        p->rows_checked = s->rows.len;
    }
}

static void set_counters(struct sampler *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"samples", s->stats.samples}, {"torn", s->stats.torn},       {"retried", s->stats.retried},
        {"stopped", s->stats.stopped}, {"skipped", s->stats.skipped}, {"missed", s->stats.missed},
        {"errors", s->stats.errors},
    };
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        stream_counter_set(s->stream, counters[i].name, counters[i].value);
    static const char *const generations[] = {"gc_collections_0", "gc_collections_1",
                                              "gc_collections_2"};
    for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
        if (s->stats.collections[i] != 0)
            stream_counter_set(s->stream, generations[i], s->stats.collections[i]);
    }
    s->stats.spans_met = s->spans.met;
    s->stats.spans_dropped = s->spans.dropped;
    if (s->spans.dropped != 0)
        stream_counter_set(s->stream, "spans_dropped", s->spans.dropped);
    if (s->options.native)
        native_stacks_count(&s->native, s->stream);
}

static void flush(struct sampler *s, uint64_t now)
{
    check_codes(s);
    for (size_t i = 0; i < s->processes_len; i++) {
        process_settle(s->processes[i], &s->rows, now);
        s->processes[i]->rows_checked = 0;
        process_tell_open_spans(s->processes[i]);
    }
    static const uint32_t required[] = {[SAMPLER_WALL] = 0,
                                        [SAMPLER_CPU] = WIRE_ON_CPU,
                                        [SAMPLER_GIL] = WIRE_HAS_GIL,
                                        [SAMPLER_EXCEPTION] = WIRE_HAS_EXCEPTION};
    rows_compact(&s->rows, required[s->options.mode]);
    size_t len = s->rows.len;
    stream_lock(s->stream);
    stack_table_give(&s->stacks, s->stream);
    for (size_t i = 0; i < len; i++)
        s->rows.node[i] = s->stacks.nodes[s->rows.node[i]].stream;
    memcpy(s->values, s->rows.wall, len * sizeof(*s->values));
    memcpy(s->values + len, s->rows.cpu, len * sizeof(*s->values));
    /* Who is met with it is taken to have had it since the sample before. */
    for (size_t i = 0; i < len; i++)
        s->values[2 * len + i] = s->rows.state[i] & WIRE_HAS_GIL ? s->rows.wall[i] : 0;
    stream_samples(s->stream, s->set, len, s->rows.time_ns, s->rows.thread, s->rows.node,
                   s->rows.state, s->values);
    spans_give(&s->spans, s->stream);
    set_counters(s);
    if (s->sampling.is_too_deep && !s->is_depth_said) {
        s->is_depth_said = true;
        stream_notice(s->stream, 1, "too_deep",
                      "stacks of more than 65536 frames are not followed: their samples are "
                      "counted as torn");
    }
    if (s->tasks.is_folded && !s->is_folding_said) {
        s->is_folding_said = true;
        stream_notice(
            s->stream, 0, "tasks_folded",
            "there are more asyncio tasks than can be shown by name: the others are shown "
            "as Task-* and (other tasks)");
    }
    stream_unlock(s->stream);
    s->rows.len = 0;
    s->flushed_ns = now;

    s->stats.cpu_ns = clock_thread_cpu_ns();
    pthread_mutex_lock(&s->stats_lock);
    s->published = s->stats;
    pthread_mutex_unlock(&s->stats_lock);
}

/* ---- the clock ---- */

/* Returns how many threads there were to look at. */
static size_t tick(struct sampler *s, uint64_t now)
{
    size_t threads = 0;
    s->sampling.now_ns = now;
    double share = s->options.stop_share > 0 ? s->options.stop_share : stop_share_default;
    s->sampling.stop_budget_ns += (int64_t)((double)(now - s->budget_ns) * share);
    if (s->sampling.stop_budget_ns > stop_budget_max_ns)
        s->sampling.stop_budget_ns = stop_budget_max_ns;
    s->budget_ns = now;

    sampler_sync_processes(s);
    for (size_t i = 0; i < s->processes_len; i++) {
        struct sampled_process *p = s->processes[i];
        if (p->is_gone || !process_list(p, now))
            continue;
        sampler_name_threads(s, p);
        process_sample(p, &s->sampling);
        threads += p->threads_len + p->native.others_len;
    }
    s->stats.ticks++;
    if (now - s->checked_ns > check_every_ns) {
        check_codes(s);
        s->checked_ns = now;
    }
    if (now - s->flushed_ns >= s->options.flush_ns || s->rows.len + 2 * threads + 2 > s->rows.cap)
        flush(s, now);
    return threads;
}

/* From half of it to one and a half, one on average (xorshift): a program with a period of
 * its own is not always met at the same point of it. With 10 ms between all samples, one that works
 * 35 ms here and 15 ms there would show 60 or 80 % instead of 70. Steps add up, rather than moving
 * samples about a fixed grid: each sample stands for the time since the one before, and that must
 * not depend on where in the grid it fell. */
static uint64_t about(struct sampler *s, uint64_t interval_ns)
{
    s->jitter ^= s->jitter << 13;
    s->jitter ^= s->jitter >> 7;
    s->jitter ^= s->jitter << 17;
    return interval_ns / 2 + s->jitter % (interval_ns + 1);
}

/* What is read has to come back to the CPU that writes it: a program that is read without a pause
 * goes at half its speed (docs/sampling.md). So whoever works all the time rests twice as long as
 * it worked. */
static void rest(struct sampler *s)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t busy = now - s->busy_ns;
    if (busy < burst_ns)
        return;
    uint64_t pause = about(s, 2 * busy);
    (void)clock_sleep_until(now + (pause < rest_max_ns ? pause : rest_max_ns));
    s->busy_ns = clock_monotonic_ns();
}

/* False when it is time to look around instead of sampling. */
static bool wait_until(struct sampler *s, uint64_t deadline)
{
    uint64_t now = clock_monotonic_ns();
    while (now < deadline && !atomic_load(&s->must_end)) {
        uint64_t nap = now + nap_max_ns;
        (void)clock_sleep_until(nap < deadline ? nap : deadline);
        now = s->busy_ns = clock_monotonic_ns();
        if (now < deadline && now - s->flushed_ns >= s->options.flush_ns) {
            sampler_sync_processes(s);
            flush(s, now);
        }
        if (atomic_load(&s->is_paused))
            return false;
    }
    return !atomic_load(&s->must_end);
}

static void pause_sampling(struct sampler *s)
{
    (void)clock_sleep_until(clock_monotonic_ns() + nap_max_ns);
    sampler_sync_processes(s);
    flush(s, clock_monotonic_ns());
    for (size_t i = 0; i < s->processes_len; i++) {
        /* The pause is nobody's time. */
        for (size_t k = 0; k < s->processes[i]->threads_len; k++)
            s->processes[i]->threads[k]->row_ns = 0;
    }
}

static void *run(void *ctx)
{
    struct sampler *s = ctx;
    (void)prctl(PR_SET_NAME, "hg-sampler");
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    /* Who loses its CPU while it holds another thread holds it for long. Only root may ask so. */
    if (s->options.native)
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), native_priority);
    uint64_t due = clock_monotonic_ns();
    s->flushed_ns = s->budget_ns = s->busy_ns = due;
    while (!atomic_load(&s->must_end)) {
        double rate = atomic_load(&s->rate_hz);
        if (atomic_load(&s->is_paused)) {
            pause_sampling(s);
            due = clock_monotonic_ns();
            continue;
        }
        if (rate <= 0) {
            s->sampling.is_unhurried = false;
            if (tick(s, clock_monotonic_ns()) == 0)
                (void)clock_sleep_until(clock_monotonic_ns() + idle_nap_ns);
            rest(s);
            continue;
        }
        uint64_t interval = (uint64_t)(SECOND / rate);
        s->sampling.is_unhurried = rate <= unhurried_hz;
        if (!wait_until(s, due))
            continue;
        uint64_t now = clock_monotonic_ns();
        (void)tick(s, now);
        rest(s);
        due += about(s, interval);
        now = clock_monotonic_ns();
        if (now > due + interval) {
            uint64_t late = (now - due) / interval;
            s->stats.missed += late;
            due += late * interval;
        }
    }
    for (size_t i = 0; i < s->processes_len; i++)
        process_end_spans(s->processes[i]);
    flush(s, clock_monotonic_ns());
    return NULL;
}

/* ---- the outside ---- */

uint32_t sampler_declare(struct stream *stream, double rate_hz)
{
    static const char *const values[SAMPLER_VALUES][2] = {
        {"wall", "ns"}, {"cpu", "ns"}, {"gil", "ns"}};
    uint64_t period = rate_hz > 0 ? (uint64_t)(SECOND / rate_hz) : 0;
    stream_lock(stream);
    uint32_t set = stream_sample_set(stream, "cpu", values, SAMPLER_VALUES, period);
    stream_unlock(stream);
    return set;
}

static enum status start(struct sampler *s, struct error *err)
{
    s->set = sampler_declare(s->stream, s->options.rate_hz);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? error_set(err, STATUS_NO_MEMORY, "cannot start the sampler's thread")
                  : STATUS_OK;
}

static void free_sampler(struct sampler *s)
{
    for (size_t i = 0; i < s->processes_len; i++)
        process_close(s->processes[i]);
    free(s->processes);
    free(s->known);
    free(s->list);
    free(s->values);
    free(s->sampling.frames);
    rows_deinit(&s->rows);
    task_names_deinit(&s->tasks);
    spans_deinit(&s->spans);
    stack_table_deinit(&s->stacks);
    native_stacks_deinit(&s->native);
    pthread_mutex_destroy(&s->stats_lock);
    free(s);
}

enum status sampler_open(struct sampler **out, struct target *target, struct stream *stream,
                         const struct sampler_options *options, struct error *err)
{
    if (options->rate_hz < 0 || options->rate_hz > 1e6 || !isfinite(options->rate_hz))
        return error_set(err, STATUS_USAGE, "the rate must lie between 0 and 1,000,000 Hz");
    struct sampler *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the sampler");
    s->target = target;
    s->stream = stream;
    s->options = *options;
    if (s->options.flush_ns == 0)
        s->options.flush_ns = 200000000;
    s->jitter = clock_monotonic_ns() | 1;
    atomic_init(&s->rate_hz, options->rate_hz);
    pthread_mutex_init(&s->stats_lock, NULL);
    s->values = calloc(SAMPLER_VALUES * (size_t)ROWS_CAP, sizeof(*s->values));
    task_names_init(&s->tasks, &s->stacks);
    s->sampling = (struct sampling){
        .options = &s->options,
        .stacks = &s->stacks,
        .rows = &s->rows,
        .stats = &s->stats,
        .tasks = &s->tasks,
        .frames = calloc(PYTHON_MAX_DEPTH + 1, sizeof(*s->sampling.frames)),
        .cpu_every_ns = 1000000,
    };
    enum status st = STATUS_OK;
    if (!s->values || !s->sampling.frames || !rows_init(&s->rows, ROWS_CAP) ||
        !stack_table_init(&s->stacks) || !spans_init(&s->spans, options->spans, &s->stacks))
        st = error_set(err, STATUS_NO_MEMORY, "no memory for the sampler");
    if (s->options.native) {
        s->sampling.native = &s->native;
        if (!native_stacks_init(&s->native, s->options.native_interpreter))
            st = error_set(err, STATUS_NO_MEMORY, "no memory for native stacks");
    }
    if (st == STATUS_OK)
        st = start(s, err);
    if (st != STATUS_OK) {
        free_sampler(s);
        return st;
    }
    *out = s;
    return STATUS_OK;
}

void sampler_stop(struct sampler *s)
{
    if (atomic_exchange(&s->must_end, true))
        return;
    pthread_join(s->thread, NULL);
}

void sampler_close(struct sampler *s)
{
    if (!s)
        return;
    sampler_stop(s);
    free_sampler(s);
}

void sampler_set_paused(struct sampler *s, bool is_paused)
{
    atomic_store(&s->is_paused, is_paused);
}

void sampler_set_rate(struct sampler *s, double rate_hz)
{
    if (rate_hz >= 0 && rate_hz <= 1e6)
        atomic_store(&s->rate_hz, rate_hz);
}

void sampler_stats(struct sampler *s, struct sampler_stats *out)
{
    pthread_mutex_lock(&s->stats_lock);
    *out = s->published;
    pthread_mutex_unlock(&s->stats_lock);
}
