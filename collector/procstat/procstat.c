#include "collector/procstat/procstat.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "collector/procstat/readings.h"
#include "common/base/array.h"
#include "common/base/clock.h"

static const uint64_t interval_default_ns = 100000000;
static const uint64_t interval_min_ns = 1000000;
static const uint64_t nap_max_ns = 50000000;
/* Reading all pages lasts milliseconds for a big process, and may hold up what maps memory in it:
 * it is done so seldom that it takes at most this part of the time. */
enum { DETAIL_SHARE = 50 };

/* The series of one process or, for the sum, of all. */
struct series {
    uint32_t rss, pss, uss, swap, cpu, threads;
};

struct watched {
    struct target_process info;
    struct readings readings;
    struct series series;
    struct readings_detail detail; /* as of the last time */
    bool has_detail;
    bool is_seen;
};

struct procstat {
    struct target *target;
    struct stream *stream;
    struct procstat_options options;
    pthread_t thread;
    atomic_bool must_end;

    struct watched *watched;
    size_t len, cap;
    struct target_process *list;
    size_t list_cap;
    uint64_t generation;
    bool has_list;
    struct series sum;
};

static struct series make_series(struct stream *s, bool has_process, uint32_t process)
{
    return (struct series){
        .rss = stream_metric(s, "rss", "bytes", has_process, process),
        .pss = stream_metric(s, "pss", "bytes", has_process, process),
        .uss = stream_metric(s, "uss", "bytes", has_process, process),
        .swap = stream_metric(s, "swap", "bytes", has_process, process),
        .cpu = stream_metric(s, "cpu", "percent", has_process, process),
        .threads = stream_metric(s, "threads", "count", has_process, process),
    };
}

/* With the stream's lock held. */
static void watch(struct procstat *p, const struct target_process *info)
{
    for (size_t i = 0; i < p->len; i++) {
        if (p->watched[i].info.serial == info->serial) {
            p->watched[i].is_seen = true;
            return;
        }
    }
    struct watched w = {.info = *info, .is_seen = true};
    if (!array_reserve(&p->watched, &p->cap, p->len + 1) || !readings_open(&w.readings, info->pid))
        return;
    uint32_t process = stream_process(p->stream, (uint64_t)info->pid, (uint64_t)info->parent,
                                      info->command, strlen(info->command));
    w.series = make_series(p->stream, true, process);
    p->watched[p->len++] = w;
}

static void sync_list(struct procstat *p)
{
    uint64_t generation = target_generation(p->target);
    if (p->has_list && generation == p->generation)
        return;
    size_t len = target_list(p->target, p->list, p->list_cap);
    while (len > p->list_cap) {
        if (!array_reserve(&p->list, &p->list_cap, len))
            return;
        len = target_list(p->target, p->list, p->list_cap);
    }
    p->generation = generation;
    p->has_list = true;
    stream_lock(p->stream);
    for (size_t i = 0; i < p->len; i++)
        p->watched[i].is_seen = false;
    for (size_t i = 0; i < len; i++)
        watch(p, &p->list[i]);
    stream_unlock(p->stream);
    size_t kept = 0;
    for (size_t i = 0; i < p->len; i++) {
        if (p->watched[i].is_seen)
            p->watched[kept++] = p->watched[i];
        else
            readings_close(&p->watched[i].readings);
    }
    p->len = kept;
}

static void add_detail(struct readings_detail *sum, const struct readings_detail *one)
{
    sum->pss_bytes += one->pss_bytes;
    sum->uss_bytes += one->uss_bytes;
    sum->swap_bytes += one->swap_bytes;
}

static void put_detail(struct stream *s, const struct series *series, uint64_t now,
                       const struct readings_detail *d)
{
    stream_point(s, series->pss, now, (double)d->pss_bytes);
    stream_point(s, series->uss, now, (double)d->uss_bytes);
    stream_point(s, series->swap, now, (double)d->swap_bytes);
}

static void put_basic(struct stream *s, const struct series *series, uint64_t now,
                      const struct readings_basic *b)
{
    stream_point(s, series->rss, now, (double)b->rss_bytes);
    stream_point(s, series->cpu, now, b->cpu_percent);
    stream_point(s, series->threads, now, (double)b->threads);
}

/* Not the wall's time: on a busy machine most of that is waiting. */
static uint64_t own_cpu_ns(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* How long this thread worked to read the details. */
static uint64_t round_of_readings(struct procstat *p, bool with_detail)
{
    struct readings_basic sum = {0};
    struct readings_detail detail = {0};
    bool has_any = false;
    bool has_detail = false;
    sync_list(p);
    uint64_t now = clock_monotonic_ns();

    /* The kernel is asked before the lock is taken: smaps_rollup may last milliseconds. */
    for (size_t i = 0; i < p->len; i++)
        p->watched[i].is_seen = readings_basic(&p->watched[i].readings, now);
    uint64_t begin = own_cpu_ns();
    for (size_t i = 0; i < p->len; i++) {
        struct watched *w = &p->watched[i];
        w->has_detail = with_detail && w->is_seen && readings_detail(&w->readings, &w->detail);
    }
    uint64_t lasted = own_cpu_ns() - begin;
    stream_lock(p->stream);
    for (size_t i = 0; i < p->len; i++) {
        struct watched *w = &p->watched[i];
        if (w->has_detail) {
            put_detail(p->stream, &w->series, now, &w->detail);
            add_detail(&detail, &w->detail);
            has_detail = true;
        }
        if (!w->is_seen)
            continue;
        put_basic(p->stream, &w->series, now, &w->readings.basic);
        sum.rss_bytes += w->readings.basic.rss_bytes;
        sum.threads += w->readings.basic.threads;
        sum.cpu_percent += w->readings.basic.cpu_percent;
        has_any = true;
    }
    if (has_any)
        put_basic(p->stream, &p->sum, now, &sum);
    if (has_detail)
        put_detail(p->stream, &p->sum, now, &detail);
    stream_unlock(p->stream);
    return lasted;
}

static void *run(void *ctx)
{
    struct procstat *p = ctx;
    (void)prctl(PR_SET_NAME, "hg-procstat");
    uint64_t due = clock_monotonic_ns();
    uint64_t detail_due = due;
    for (bool is_last = false; !is_last;) {
        is_last = atomic_load(&p->must_end);
        uint64_t now = clock_monotonic_ns();
        bool with_detail = now >= detail_due || is_last;
        uint64_t lasted = round_of_readings(p, with_detail);
        if (with_detail) {
            uint64_t rest = lasted * DETAIL_SHARE;
            uint64_t least = p->options.detail_interval_ns;
            /* A little before the round it shall come with. */
            detail_due = now + (rest > least ? rest : least) - p->options.interval_ns / 4;
        }
        due += p->options.interval_ns;
        now = clock_monotonic_ns();
        if (due < now) /* late: leave the missed ones out, keep the beat */
            due += (now - due) / p->options.interval_ns * p->options.interval_ns;
        while (now < due && !atomic_load(&p->must_end)) {
            uint64_t nap = now + nap_max_ns;
            (void)clock_sleep_until(nap < due ? nap : due);
            now = clock_monotonic_ns();
        }
    }
    return NULL;
}

static void free_procstat(struct procstat *p)
{
    for (size_t i = 0; i < p->len; i++)
        readings_close(&p->watched[i].readings);
    free(p->watched);
    free(p->list);
    free(p);
}

enum status procstat_open(struct procstat **out, struct target *target, struct stream *stream,
                          const struct procstat_options *options, struct error *err)
{
    struct procstat *p = calloc(1, sizeof(*p));
    if (!p)
        return error_set(err, STATUS_NO_MEMORY, "no memory to follow the processes");
    p->target = target;
    p->stream = stream;
    p->options = *options;
    if (p->options.interval_ns == 0)
        p->options.interval_ns = interval_default_ns;
    if (p->options.interval_ns < interval_min_ns)
        p->options.interval_ns = interval_min_ns;
    if (p->options.detail_interval_ns < p->options.interval_ns)
        p->options.detail_interval_ns = p->options.interval_ns;
    stream_lock(stream);
    p->sum = make_series(stream, false, 0);
    stream_unlock(stream);

    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&p->thread, NULL, run, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free_procstat(p);
        return error_set(err, STATUS_NO_MEMORY, "cannot start a thread to follow the processes");
    }
    *out = p;
    return STATUS_OK;
}

void procstat_close(struct procstat *p)
{
    if (!p)
        return;
    atomic_store(&p->must_end, true);
    pthread_join(p->thread, NULL);
    free_procstat(p);
}
