#include "cli/session.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/source_file.h"
#include "collector/heap/heap.h"
#include "collector/procstat/procstat.h"
#include "collector/sampler/sampler.h"
#include "collector/stream/stream.h"
#include "collector/uplink/uplink.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum {
    MAX_WATCHED = 64,
    WELCOME_MS = 10000,
    LAST_ACK_MS = 15000,
    DETACH_MS = 3000,
};

static const uint64_t attach_slow_ns = 2000000000;

struct session {
    struct target *target;
    struct stream *stream;
    struct uplink *uplink;
    struct sampler *sampler;
    struct procstat *procstat;
    struct heap *heap;
    const struct session_plan *plan;
    atomic_bool is_stopped, is_paused;

    struct session_names names; /* the hello's words, as long as the uplink lives */

    /* Processes whose missing stacks have been told already. */
    uint64_t told[MAX_WATCHED];
    size_t told_len;
    bool has_stacks, is_native;
    char reason[TARGET_REASON_MAX];
    uint64_t cpu_at_start_ns;
    uint64_t attach_begin_ns;
    bool is_attach_told, is_wait_told;
};

static void note(struct session *s, const char *code, const char *text)
{
    stream_lock(s->stream);
    stream_notice(s->stream, 0, code, text);
    stream_unlock(s->stream);
    log_info("%s", text);
}

void session_control(struct session *s, const struct wire_control *control)
{
    char text[96];
    bool has_stacks = s->sampler != NULL;
    if (control->has_rate && has_stacks && control->rate_hz > 0) {
        sampler_set_rate(s->sampler, control->rate_hz);
        snprintf(text, sizeof(text), "sampled at %g Hz from here on", control->rate_hz);
        note(s, "rate", text);
    }
    if (control->has_paused && has_stacks &&
        atomic_exchange(&s->is_paused, control->paused) != control->paused) {
        sampler_set_paused(s->sampler, control->paused);
        note(s, control->paused ? "paused" : "resumed",
             control->paused ? "sampling was paused here" : "sampling went on here");
    }
    if (control->has_stop && control->stop)
        atomic_store(&s->is_stopped, true);
}

void session_toggle_pause(struct session *s)
{
    struct wire_control control = {.has_paused = true, .paused = !atomic_load(&s->is_paused)};
    session_control(s, &control);
}

/* The same name may be another file in another process: the root's counts, then the others'. */
static enum status read_from_processes(struct session *s, const char *file, struct buf *text,
                                       struct error *err)
{
    struct target_process list[MAX_WATCHED];
    size_t len = target_list(s->target, list, MAX_WATCHED);
    enum status st = error_set(err, STATUS_GONE, "the program has ended");
    for (size_t i = 0; i < len && i < MAX_WATCHED && st != STATUS_OK; i++) {
        buf_clear(text);
        st = source_file_read(list[i].pid, file, STREAM_MAX_SOURCE, text, err);
    }
    return st;
}

/* The server may be far away, and who looks there may ask for anything: only files that hold a
 * function of this very profile are sent. */
static void send_source(struct session *s, const struct wire_bytes *wanted)
{
    char file[4096];
    if (wanted->len >= sizeof(file) || memchr(wanted->data, 0, wanted->len))
        return;
    memcpy(file, wanted->data, wanted->len);
    file[wanted->len] = '\0';
    stream_lock(s->stream);
    bool is_known = stream_knows_file(s->stream, file, wanted->len);
    stream_unlock(s->stream);
    struct error err = {0};
    struct buf text;
    buf_init(&text, STREAM_MAX_SOURCE + 1);
    enum status st =
        !s->plan->may_send_sources
            ? error_set(&err, STATUS_DENIED, "source files are not sent (--no-sources)")
        : !is_known ? error_set(&err, STATUS_NOT_FOUND, "no function here is of %.200s", file)
                    : read_from_processes(s, file, &text, &err);
    stream_lock(s->stream);
    if (st == STATUS_OK &&
        stream_source(s->stream, file, wanted->len, (const char *)text.data, text.len) != STATUS_OK)
        st = error_set(&err, STATUS_NO_MEMORY, "no memory for the text of %.200s", file);
    if (st != STATUS_OK)
        stream_notice(s->stream, 1, "no_source", err.text);
    stream_unlock(s->stream);
    buf_deinit(&text);
}

static void on_control(void *ctx, const struct wire_control *control)
{
    struct session *s = ctx;
    session_control(s, control);
    if (control->source.len > 0)
        send_source(s, &control->source);
}

static enum status start_uplink(struct session *s, const struct session_plan *plan,
                                struct error *err)
{
    struct uplink_options options = {
        .server_url = plan->server_url,
        .save_path = plan->save_path,
        .on_control = on_control,
        .ctx = s,
    };
    enum status st = session_hello(&options.hello, &s->names, plan, err);
    if (st != STATUS_OK)
        return st;
    options.hello.pid = (uint64_t)target_root(s->target);
    options.hello.start_unix_ns =
        clock_unix_ns() - (clock_monotonic_ns() - stream_start_ns(s->stream));
    return uplink_open(&s->uplink, s->stream, &options, WELCOME_MS, err);
}

static enum status start_sampler(struct session *s, const struct session_plan *plan,
                                 struct error *err)
{
    if (plan->rate_hz <= 0)
        return STATUS_OK;
    struct sampler_options options = {
        .rate_hz = plan->rate_hz,
        .never_stop = plan->never_stop,
        .spans = plan->spans && plan->spans[0] ? plan->spans : NULL,
        .native = plan->is_native,
        .native_interpreter = plan->with_interpreter,
        .exceptions = plan->exceptions,
        .columns = plan->columns,
        .mode = plan->mode,
    };
    return sampler_open(&s->sampler, s->target, s->stream, &options, err);
}

void session_free(struct session *s)
{
    if (!s)
        return;
    sampler_close(s->sampler);
    procstat_close(s->procstat);
    heap_close(s->heap);
    stream_free(s->stream);
    free(s);
}

/* Without --memory the allocations are followed when that can be done; with it a person wants to
 * hear why not. */
static enum status start_heap(struct session *s, struct error *err)
{
    const char *memory = s->plan->memory;
    if (s->plan->rate_hz > 0)
        sampler_declare(s->stream, s->plan->rate_hz);
    if (memory && strcmp(memory, "off") == 0)
        return STATUS_OK;
    struct heap_options options = {
        .mode = memory && strcmp(memory, "exact") == 0 ? HEAP_EXACT : HEAP_SAMPLED,
        .every_bytes = s->plan->memory_every,
    };
    enum status st = heap_open(&s->heap, s->stream, &options, err);
    if (st == STATUS_OK || memory)
        return st;
    log_warn("allocations are not followed: %s", err->text);
    return STATUS_OK;
}

enum status session_new(struct session **out, const struct session_plan *plan, struct error *err)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the session");
    s->plan = plan;
    s->is_native = plan->is_native;
    s->cpu_at_start_ns = clock_process_cpu_ns();
    enum status st = stream_new(&s->stream, clock_monotonic_ns(), NULL);
    if (st != STATUS_OK)
        error_set(err, st, "no memory for the stream");
    else if (!plan->is_attached || (plan->memory && strcmp(plan->memory, "off") != 0))
        st = start_heap(s, err);
    if (st != STATUS_OK) {
        session_free(s);
        return st;
    }
    *out = s;
    return STATUS_OK;
}

const char *const *session_environment(const struct session *s)
{
    return s->heap ? heap_environment(s->heap) : NULL;
}

/* Allocations of a program that runs already; before the sampler may stop its threads. */
static enum status attach_heap(struct session *s, struct error *err)
{
    struct target_process root;
    struct error why;
    if (!s->plan->is_attached || !s->heap)
        return STATUS_OK;
    uint64_t until = clock_monotonic_ns() + attach_slow_ns;
    do { /* a Python that has just been started is not ready yet */
        if (!target_update(s->target, 20) || target_list(s->target, &root, 1) == 0)
            return error_set(err, STATUS_GONE, "the process has ended");
    } while (root.state == TARGET_PYTHON_LOOKING && clock_monotonic_ns() < until);
    enum status st = heap_attach(s->heap, &root, s->plan->may_inject, &why);
    if (st != STATUS_OK)
        return error_set(err, st, "the allocations of process %d cannot be followed: %s",
                         (int)root.pid, why.text);
    s->attach_begin_ns = clock_monotonic_ns();
    return STATUS_OK;
}

/* Says once how that went. */
static void tell_attach(struct session *s)
{
    char reason[256];
    char text[320];
    if (s->is_attach_told || !s->heap)
        return;
    enum heap_attach_state state = heap_attach_state(s->heap, reason, sizeof(reason));
    bool is_slow = clock_monotonic_ns() - s->attach_begin_ns > attach_slow_ns;
    if (state == HEAP_ATTACH_WAITING && is_slow && !s->is_wait_told) {
        s->is_wait_told = true;
        log_warn("allocations are followed as soon as the program's main thread runs Python again");
    }
    if (state != HEAP_ATTACH_DONE && state != HEAP_ATTACH_FAILED)
        return;
    s->is_attach_told = true;
    if (state == HEAP_ATTACH_DONE)
        snprintf(text, sizeof(text),
                 "allocations are followed from here on; what was allocated "
                 "before is not known");
    else
        snprintf(text, sizeof(text), "allocations are not followed: %s", reason);
    if (state == HEAP_ATTACH_DONE)
        log_info("%s", text);
    else
        log_warn("%s", text);
    stream_lock(s->stream);
    stream_notice(s->stream, state == HEAP_ATTACH_DONE ? 0 : 1, "heap_attach", text);
    stream_unlock(s->stream);
}

enum status session_open(struct session *s, struct target *target, struct error *err)
{
    s->target = target;
    enum status st = attach_heap(s, err);
    /* Sampling begins before the server answers: nothing of the program's start is lost. */
    if (st == STATUS_OK)
        st = start_sampler(s, s->plan, err);
    if (st == STATUS_OK) {
        struct procstat_options options = {.interval_ns = (uint64_t)(s->plan->interval_s * 1e9)};
        st = procstat_open(&s->procstat, target, s->stream, &options, err);
    }
    if (st == STATUS_OK)
        st = start_uplink(s, s->plan, err);
    return st;
}

/* Once for each process and program in it. */
static bool tell_once(struct session *s, const struct target_process *p)
{
    uint64_t key = (uint64_t)p->serial << 32 | p->epoch;
    for (size_t i = 0; i < s->told_len; i++) {
        if (s->told[i] == key)
            return false;
    }
    if (s->told_len == MAX_WATCHED)
        return false;
    s->told[s->told_len++] = key;
    return true;
}

static void tell_missing_stacks(struct session *s, const struct target_process *p)
{
    bool is_missing = p->state == TARGET_PYTHON_NONE || p->state == TARGET_PYTHON_REFUSED ||
                      p->state == TARGET_PYTHON_DENIED;
    /* That a child is a shell or a compiler is no news. */
    if (!is_missing || (p->state == TARGET_PYTHON_NONE && !p->is_root) || !tell_once(s, p))
        return;
    char text[TARGET_REASON_MAX + TARGET_COMMAND_MAX + 64];
    snprintf(text, sizeof(text), "no stacks of process %d (%s): %s", (int)p->pid, p->command,
             p->reason);
    /* The sampler puts the same into the profile. */
    log_warn("%s; its memory is followed", text);
    if (p->is_root)
        snprintf(s->reason, sizeof(s->reason), "%s", p->reason);
}

static void set_runtime(struct session *s, const struct target_process *p)
{
    if (!p->runtime[0])
        return;
    stream_lock(s->stream);
    uint32_t process = stream_process(s->stream, (uint64_t)p->pid, (uint64_t)p->parent, p->command,
                                      strlen(p->command));
    stream_process_runtime(s->stream, process, p->runtime);
    stream_unlock(s->stream);
}

static uint64_t count_dropped(struct session *s)
{
    struct uplink_state state;
    uplink_state(s->uplink, &state);
    return state.dropped_batches;
}

void session_update(struct session *s)
{
    struct target_process list[MAX_WATCHED];
    size_t len = target_list(s->target, list, MAX_WATCHED);
    for (size_t i = 0; i < len && i < MAX_WATCHED; i++) {
        bool is_native = s->is_native && list[i].state != TARGET_PYTHON_DENIED;
        if (list[i].state == TARGET_PYTHON_READY || is_native)
            s->has_stacks = true;
        set_runtime(s, &list[i]);
        if (s->sampler && !is_native)
            tell_missing_stacks(s, &list[i]);
    }
    tell_attach(s);
    uint64_t cpu_us = (clock_process_cpu_ns() - s->cpu_at_start_ns) / 1000;
    uint64_t dropped = count_dropped(s);
    uint64_t seen;
    uint64_t not_followed;
    target_counts(s->target, &seen, &not_followed);
    stream_lock(s->stream);
    stream_counter_set(s->stream, "collector_cpu_us", cpu_us);
    stream_counter_set(s->stream, "processes_seen", seen);
    if (dropped)
        stream_counter_set(s->stream, "dropped_batches", dropped);
    if (not_followed)
        stream_counter_set(s->stream, "processes_not_followed", not_followed);
    stream_unlock(s->stream);
}

const char *session_id(const struct session *s)
{
    return s->names.id;
}

const char *session_url(const struct session *s)
{
    return uplink_url(s->uplink);
}

bool session_is_connected(const struct session *s)
{
    struct uplink_state state;
    uplink_state(s->uplink, &state);
    return state.is_connected;
}

bool session_is_stopped(const struct session *s)
{
    return atomic_load(&s->is_stopped);
}

/* A pattern that named nothing is most often a slip of the pen. */
static void tell_spans(const struct session *s, const struct sampler_stats *stats)
{
    for (size_t i = 0; s->sampler && s->plan->spans && s->plan->spans[i]; i++) {
        if (!(stats->spans_met >> i & 1))
            log_warn("--span %s: no function of that name was seen in a sample", s->plan->spans[i]);
    }
    if (stats->spans_dropped && s->plan->spans && s->plan->spans[0])
        log_warn("%llu calls beyond the first %d of a function were not marked",
                 (unsigned long long)stats->spans_dropped, SAMPLER_SPANS_EACH);
}

enum status session_close(struct session *s, int exit_status, const char *reason,
                          struct session_summary *summary, struct error *err)
{
    struct sampler_stats stats = {0};
    /* First the last samples, then how many there were. The sampler stays until the uplink has
     * ended: a person may ask for another rate up to the last ack. */
    if (s->sampler) {
        sampler_stop(s->sampler);
        sampler_stats(s->sampler, &stats);
    }
    session_update(s);
    tell_spans(s, &stats);
    procstat_close(s->procstat);
    s->procstat = NULL;
    if (s->heap && !heap_detach(s->heap, DETACH_MS))
        log_warn("the program has not run Python since: the agent in it lets go by itself when it "
                 "does");
    heap_close(s->heap);
    s->heap = NULL;
    *summary = (struct session_summary){
        .samples = stats.samples,
        .torn = stats.torn,
        .missed = stats.missed,
        .has_stacks = s->has_stacks,
        .dropped = count_dropped(s),
        .collector_cpu_s = (double)(clock_process_cpu_ns() - s->cpu_at_start_ns) / 1e9,
    };
    memcpy(summary->reason, s->reason, sizeof(summary->reason));
    struct wire_bye bye = {.last_seq = 0, /* the uplink knows */
                           .exit_status = exit_status,
                           .reason = {reason, strlen(reason)}};
    enum status st = uplink_close(s->uplink, &bye, LAST_ACK_MS, err);
    s->uplink = NULL;
    session_free(s);
    return st;
}
