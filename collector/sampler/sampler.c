#include "collector/sampler/sampler.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector/sampler/process.h"
#include "collector/sampler/stop.h"
#include "common/base/array.h"
#include "common/base/clock.h"

enum { ROWS_CAP = 1 << 17, SAMPLER_VALUES = 3, SECOND = 1000000000 };

static const uint64_t check_every_ns = 10000000;
static const uint64_t idle_nap_ns = 1000000; /* at full speed, while there is nothing to read */
static const uint64_t nap_max_ns = 50000000; /* so that close, pause and a new rate are noticed */
static const int64_t stop_budget_max_ns = 10000000;
static const double stop_share_default = 0.005;
static const double unhurried_hz = 2000;
static const int native_priority = -10;

struct sampler {
    struct target *target;
    struct stream *stream;
    struct sampler_options options;
    pthread_t thread;
    atomic_bool must_end, is_paused;
    _Atomic double rate_hz;

    pthread_mutex_t stats_lock;
    struct sampler_stats published;

    /* The rest belongs to the thread. */
    struct sampler_stats stats;
    struct sampling sampling;
    struct stack_table stacks;
    struct task_names tasks;
    bool is_folding_said, is_depth_said, is_no_columns_said;
    struct native_stacks native;
    struct rows rows;
    struct span_watch spans;
    int64_t *values; /* the columns that the stream wants side by side */
    struct sampled_process **processes;
    size_t processes_len, processes_cap;
    struct known_process {
        uint32_t serial, epoch, stream;
        enum target_python_state state;
        bool is_seen;
    } * known; /* all that live, also those without a Python */
    size_t known_len, known_cap;
    struct target_process *list;
    size_t list_cap;
    uint64_t generation;
    uint32_t set;
    uint64_t flushed_ns, checked_ns, budget_ns;
    uint64_t jitter;
};

/* ---- which processes there are ---- */

static struct known_process *find_known(struct sampler *s, uint32_t serial)
{
    for (size_t i = 0; i < s->known_len; i++) {
        if (s->known[i].serial == serial)
            return &s->known[i];
    }
    return NULL;
}

static void say_why_no_stacks(struct sampler *s, const struct target_process *info)
{
    static const char *const codes[] = {
        [TARGET_PYTHON_NONE] = "no_python",
        [TARGET_PYTHON_REFUSED] = "python_unsupported",
        [TARGET_PYTHON_DENIED] = "not_permitted",
    };
    char text[TARGET_REASON_MAX + 64];
    if (info->state == TARGET_PYTHON_LOOKING || info->state == TARGET_PYTHON_READY ||
        (info->state == TARGET_PYTHON_NONE && !info->is_root))
        return;
    snprintf(text, sizeof(text), "process %d has no stacks: %s", (int)info->pid, info->reason);
    stream_notice(s->stream, info->is_root ? 1 : 0, codes[info->state], text);
}

static bool is_plain(const struct sampler *s, enum target_python_state state)
{
    return s->options.native && state != TARGET_PYTHON_READY && state != TARGET_PYTHON_DENIED;
}

static void close_process(struct sampler *s, uint32_t serial)
{
    for (size_t i = 0; i < s->processes_len; i++) {
        if (s->processes[i]->serial != serial)
            continue;
        process_settle(s->processes[i], &s->rows, clock_monotonic_ns());
        process_end_spans(s->processes[i]);
        process_close(s->processes[i]);
        s->processes[i] = s->processes[--s->processes_len];
        return;
    }
}

/* With the stream's lock held. */
static void say_no_columns(struct sampler *s, const struct target_process *info)
{
    if (!s->options.columns || info->state != TARGET_PYTHON_READY || s->is_no_columns_said ||
        info->python.layout.lines == PYTHON_LINES_LOCATIONS)
        return;
    char text[TARGET_REASON_MAX + 96];
    s->is_no_columns_said = true;
    snprintf(text, sizeof(text), "%s knows lines only: Python has columns from 3.11 on",
             info->runtime);
    stream_notice(s->stream, 1, "no_columns", text);
}

static void open_process(struct sampler *s, const struct target_process *info, uint32_t stream)
{
    struct sampled_process *p;
    if (!array_reserve(&s->processes, &s->processes_cap, s->processes_len + 1) ||
        !process_open(&p, info, &s->sampling)) {
        s->stats.errors++;
        return;
    }
    say_no_columns(s, info);
    p->stream_process = stream;
    p->spans = &s->spans;
    p->rows_checked = s->rows.len;
    s->processes[s->processes_len++] = p;
}

/* With the stream's lock held. */
static void take_process(struct sampler *s, const struct target_process *info)
{
    struct known_process *k = find_known(s, info->serial);
    if (!k) {
        if (!array_reserve(&s->known, &s->known_cap, s->known_len + 1))
            return;
        k = &s->known[s->known_len++];
        *k = (struct known_process){
            .serial = info->serial, .epoch = info->epoch, .state = TARGET_PYTHON_DENIED};
    }
    k->is_seen = true;
    k->stream = stream_process(s->stream, (uint64_t)info->pid, (uint64_t)info->parent,
                               info->command, strlen(info->command));
    if (info->runtime[0])
        stream_process_runtime(s->stream, k->stream, info->runtime);
    if (k->epoch == info->epoch && k->state == info->state)
        return;
    enum target_python_state before = k->state;
    bool is_same_program = k->epoch == info->epoch;
    k->epoch = info->epoch;
    k->state = info->state;
    if (is_same_program && is_plain(s, before) && is_plain(s, info->state))
        return;
    if (before == TARGET_PYTHON_READY || is_plain(s, before))
        close_process(s, info->serial);
    if (info->state == TARGET_PYTHON_READY || is_plain(s, info->state))
        open_process(s, info, k->stream);
    else
        say_why_no_stacks(s, info);
}

static void sync_processes(struct sampler *s)
{
    uint64_t generation = target_generation(s->target);
    if (generation == s->generation && s->generation != 0)
        return;
    size_t len = target_list(s->target, s->list, s->list_cap);
    while (len > s->list_cap) {
        if (!array_reserve(&s->list, &s->list_cap, len))
            return;
        len = target_list(s->target, s->list, s->list_cap);
    }
    s->generation = generation;

    stream_lock(s->stream);
    for (size_t i = 0; i < s->known_len; i++)
        s->known[i].is_seen = false;
    for (size_t i = 0; i < len; i++)
        take_process(s, &s->list[i]);
    size_t kept = 0;
    for (size_t i = 0; i < s->known_len; i++) {
        struct known_process k = s->known[i];
        if (!k.is_seen) {
            close_process(s, k.serial);
            stream_process_end(s->stream, k.stream, clock_monotonic_ns());
            continue;
        }
        s->known[kept++] = k;
    }
    s->known_len = kept;
    stream_unlock(s->stream);
}

static void name_some(struct sampler *s, const struct sampled_process *p,
                      struct sampled_thread *const *threads, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        struct sampled_thread *t = threads[i];
        if (t->has_stream_thread || (t->has_python && t->reading.thread_id == 0))
            continue;
        t->stream_thread = stream_thread(s->stream, p->stream_process, (uint64_t)t->tid, t->name);
        t->has_stream_thread = true;
    }
}

static void name_threads(struct sampler *s, struct sampled_process *p)
{
    if (!p->has_news)
        return;
    stream_lock(s->stream);
    name_some(s, p, p->threads, p->threads_len);
    name_some(s, p, p->native.others, p->native.others_len);
    stream_unlock(s->stream);
    p->has_news = false;
}

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

    sync_processes(s);
    for (size_t i = 0; i < s->processes_len; i++) {
        struct sampled_process *p = s->processes[i];
        if (p->is_gone || !process_list(p, now))
            continue;
        name_threads(s, p);
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

/* From half an interval to one and a half, one on average (xorshift): a program with a period of
 * its own is not always met at the same point of it. With 10 ms between all samples, one that works
 * 35 ms here and 15 ms there would show 60 or 80 % instead of 70. Steps add up, rather than moving
 * samples about a fixed grid: each sample stands for the time since the one before, and that must
 * not depend on where in the grid it fell. */
static uint64_t next_step(struct sampler *s, uint64_t interval_ns)
{
    s->jitter ^= s->jitter << 13;
    s->jitter ^= s->jitter >> 7;
    s->jitter ^= s->jitter << 17;
    return interval_ns / 2 + s->jitter % (interval_ns + 1);
}

/* False when it is time to look around instead of sampling. */
static bool wait_until(struct sampler *s, uint64_t deadline)
{
    uint64_t now = clock_monotonic_ns();
    while (now < deadline && !atomic_load(&s->must_end)) {
        uint64_t nap = now + nap_max_ns;
        (void)clock_sleep_until(nap < deadline ? nap : deadline);
        now = clock_monotonic_ns();
        if (now < deadline && now - s->flushed_ns >= s->options.flush_ns) {
            sync_processes(s);
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
    sync_processes(s);
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
    s->flushed_ns = s->budget_ns = due;
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
            continue;
        }
        uint64_t interval = (uint64_t)(SECOND / rate);
        s->sampling.is_unhurried = rate <= unhurried_hz;
        if (!wait_until(s, due))
            continue;
        uint64_t now = clock_monotonic_ns();
        (void)tick(s, now);
        due += next_step(s, interval);
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
