#include "collector/heap/heap.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "collector/heap/state.h"
#include "common/base/clock.h"

enum {
    SLEEP_MIN_US = 500,
    SLEEP_MAX_US = 10000,
    /* Sampled mode: above this many samples a second the distance doubles, below the tenth it
     * halves again, down to what was asked for. A sample costs its thread about a microsecond. */
    SAMPLES_PER_SECOND = 10000,
};
static const char agent_name[] = "libheliograph-agent.so";

static enum status find_agent(const struct heap_options *o, char *out, size_t size,
                              struct error *err)
{
    static const char *const places[] = {"", "../lib/heliograph/"};
    char self[PATH_MAX];
    if (o->agent_path) {
        size_t len = strlen(o->agent_path);
        if (access(o->agent_path, R_OK) == 0 && len < size) {
            memcpy(out, o->agent_path, len + 1);
            return STATUS_OK;
        }
        return error_set(err, STATUS_NOT_FOUND, "cannot read %s: %s", o->agent_path,
                         strerror(errno));
    }
    ssize_t self_len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[self_len > 0 ? self_len : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        slash[1] = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int n = snprintf(out, size, "%s%s%s", self, places[i], agent_name);
        if (n > 0 && (size_t)n < size && access(out, R_OK) == 0)
            return STATUS_OK;
    }
    return error_set(err, STATUS_NOT_FOUND,
                     "%s is neither beside the program (%s) nor in ../lib/heliograph", agent_name,
                     self);
}

static enum status make_environment(struct heap *h, struct error *err)
{
    char agent[PATH_MAX];
    enum status st = find_agent(&h->options, agent, sizeof(agent), err);
    if (st != STATUS_OK)
        return st;
    /* The loader takes blanks and colons in LD_PRELOAD for the ends of names. */
    if (strpbrk(agent, " :"))
        return error_set(err, STATUS_USAGE,
                         "the agent cannot be preloaded from a path with a blank or colon: %s",
                         agent);
    const char *others = getenv("LD_PRELOAD");
    bool has_others = others && *others;
    h->agent = strdup(agent);
    if (!h->agent ||
        asprintf(&h->environment[0], "LD_PRELOAD=%s%s%s", agent, has_others ? ":" : "",
                 has_others ? others : "") < 0 ||
        asprintf(&h->environment[1], "%s=%s", RING_VARIABLE, ring_region_path(h->region)) < 0)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the heap");
    return STATUS_OK;
}

static void set_now(struct heap *h)
{
    h->now_ns = clock_monotonic_ns();
    h->now_ms = (uint32_t)((h->now_ns - h->start_ns) / 1000000);
}

static void note_tables(struct heap *h)
{
    uint64_t bytes = h->sites_cap * sizeof(*h->sites);
    uint64_t blocks = 0;
    for (size_t i = 0; i < h->active_len; i++) {
        const struct heap_process *p = h->processes[h->active[i]];
        bytes += p->live.bytes;
        blocks += p->live.len;
        for (size_t r = 0; r < p->rings_len; r++)
            bytes += p->rings[r]->nodes_cap * 3 * sizeof(uint32_t);
    }
    if (bytes > h->totals.table_bytes)
        h->totals.table_bytes = bytes;
    if (blocks > h->totals.peak_blocks)
        h->totals.peak_blocks = blocks;
}

/* Writes the rows of the ticks that are over before anything of the new one is read. */
static void turn_tick(struct heap *h)
{
    uint32_t tick = (uint32_t)((h->now_ns - h->start_ns) / h->interval_ns);
    if (tick == h->tick)
        return;
    note_tables(h);
    heap_write_rows(h, h->start_ns + ((uint64_t)h->tick + 1) * h->interval_ns);
    h->tick = tick;
}

static void adapt_rate(struct heap *h)
{
    uint64_t took_ns = h->now_ns - h->last_rate_ns;
    if (h->options.mode != HEAP_SAMPLED || took_ns < UINT64_C(1000000000))
        return;
    _Atomic uint64_t *every = &ring_region_control(h->region)->every_bytes;
    uint64_t now = atomic_load(every);
    uint64_t rate = (h->totals.events - h->last_rate_events) * UINT64_C(1000000000) / took_ns;
    if (rate > SAMPLES_PER_SECOND && now < UINT64_C(1) << 32)
        atomic_store(every, now * 2);
    else if (rate < SAMPLES_PER_SECOND / 10 && now > h->options.every_bytes)
        atomic_store(every, now / 2 > h->options.every_bytes ? now / 2 : h->options.every_bytes);
    if (atomic_load(every) > h->every_most)
        h->every_most = atomic_load(every);
    h->last_rate_ns = h->now_ns;
    h->last_rate_events = h->totals.events;
}

static size_t pass(struct heap *h)
{
    set_now(h);
    turn_tick(h);
    adapt_rate(h);
    return heap_drain(h);
}

/* So long that at the pace of the last pass a ring would be an eighth full. */
static uint64_t pause_us(const struct heap *h, size_t records, uint64_t took_ns)
{
    uint64_t room = ring_region_control(h->region)->records / 8;
    uint64_t us = records ? took_ns / 1000 * room / records : SLEEP_MAX_US;
    return us < SLEEP_MIN_US ? SLEEP_MIN_US : us > SLEEP_MAX_US ? SLEEP_MAX_US : us;
}

static void *run(void *arg)
{
    struct heap *h = arg;
    prctl(PR_SET_NAME, "heliograph-heap");
    uint64_t before_ns = clock_monotonic_ns();
    pthread_mutex_lock(&h->lock);
    while (!h->is_stopping) {
        size_t records = pass(h);
        uint64_t us = pause_us(h, records, h->now_ns - before_ns);
        before_ns = h->now_ns;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t ns = (uint64_t)until.tv_nsec + us * 1000;
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        pthread_cond_timedwait(&h->wake, &h->lock, &until);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static enum status start_thread(struct heap *h, struct error *err)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    h->has_lock = true;
    if (h->options.is_passive)
        return STATUS_OK;
    if (pthread_create(&h->thread, NULL, run, h) != 0)
        return error_set(err, STATUS_NO_MEMORY, "no thread for the heap");
    h->has_thread = true;
    return STATUS_OK;
}

enum status heap_open(struct heap **out, struct stream *stream, const struct heap_options *options,
                      struct error *err)
{
    if (options->mode == HEAP_OFF)
        return error_set(err, STATUS_USAGE, "the heap is not opened when memory is off");
    struct heap *h = calloc(1, sizeof(*h));
    if (!h)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the heap");
    h->stream = stream;
    h->options = *options;
    if (h->options.every_bytes == 0)
        h->options.every_bytes = UINT64_C(512) << 10;
    if (h->options.temporary_len == 0)
        h->options.temporary_len = 1;
    h->interval_ns = options->interval_ns / 1000000 * 1000000;
    if (h->interval_ns == 0)
        h->interval_ns = 100000000;
    h->start_ns = h->last_rate_ns = clock_monotonic_ns();
    set_now(h);
    map_init(&h->site_index);
    map_init(&h->aged_index);

    const struct ring_options rings = {
        .mode = options->mode == HEAP_EXACT ? RING_EXACT : RING_SAMPLED,
        .every_bytes = h->options.every_bytes,
    };
    enum status st = ring_region_open(&h->region, &rings, err);
    if (st == STATUS_OK)
        st = make_environment(h, err);
    if (st == STATUS_OK) {
        heap_declare(h);
        st = start_thread(h, err);
    }
    if (st != STATUS_OK) {
        heap_close(h);
        return st;
    }
    *out = h;
    return STATUS_OK;
}

const char *const *heap_environment(const struct heap *h)
{
    return (const char *const *)h->environment;
}

void heap_flush(struct heap *h)
{
    pthread_mutex_lock(&h->lock);
    pass(h);
    heap_write_rows(h, h->now_ns);
    pthread_mutex_unlock(&h->lock);
}

void heap_totals(struct heap *h, struct heap_totals *out)
{
    pthread_mutex_lock(&h->lock);
    *out = h->totals;
    out->allocations = h->allocations_fixed >> HEAP_COUNT_SHIFT;
    out->frees = h->frees_fixed >> HEAP_COUNT_SHIFT;
    pthread_mutex_unlock(&h->lock);
}

void heap_close(struct heap *h)
{
    if (!h)
        return;
    if (h->region)
        atomic_store(&ring_region_control(h->region)->is_closed, 1);
    if (h->has_thread) {
        pthread_mutex_lock(&h->lock);
        h->is_stopping = true;
        pthread_cond_signal(&h->wake);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
    }
    if (h->has_lock) {
        while (pass(h) > 0) {
        }
        heap_write_rows(h, h->now_ns);
        pthread_cond_destroy(&h->wake);
        pthread_mutex_destroy(&h->lock);
    }
    for (size_t i = 0; i < h->processes_len; i++) {
        heap_process_free(h, h->processes[i]);
        free(h->processes[i]);
    }
    free(h->processes);
    free(h->active);
    free(h->sites);
    free(h->touched);
    free(h->aged);
    free(h->rows);
    free(h->column_time);
    free(h->column_thread);
    free(h->column_stack);
    free(h->column_state);
    free(h->column_values);
    map_deinit(&h->site_index);
    map_deinit(&h->aged_index);
    heap_attachment_free(h);
    free(h->agent);
    free(h->environment[0]);
    free(h->environment[1]);
    ring_region_close(h->region);
    free(h);
}
