#include "collector/sampler/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "collector/python/objects.h"
#include "collector/sampler/listing.h"
#include "collector/sampler/stop.h"
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/wire/wire.h"

enum {
    RETRIES = 5,
    MENDS = 12, /* predictions mended before a sample is given up */
    STOPPED_TRIES = 8,
    IOV_AT_ONCE = 1024,
    INTERP_WORDS = 2 + SAMPLED_GILS_MAX, /* pieces that are read of all interpreters */
    GIL_BYTES = 24,
    GIL_STRUCT_BYTES = 208, /* struct _gil_runtime_state with its two locks, 3.8 to 3.15 */
    EXCEPTIONS_MAX = 64,
    READ_NS = 300, /* about what a read lasts: research on process_vm_readv, any x86-64 */
    READ_NS_PER_IOV = 200,
    READ_BYTES_PER_NS = 30,
};

static const uint64_t list_every_ns = 100000000;
static const uint64_t look_every_ns = 200000; /* at the interpreter of a single thread */

bool process_open(struct sampled_process **out, const struct target_process *info,
                  const struct sampling *s)
{
    struct sampled_process *p = calloc(1, sizeof(*p));
    if (!p)
        return false;
    p->serial = info->serial;
    p->epoch = info->epoch;
    p->pid = info->pid;
    p->python = info->python;
    p->must_list = true;
    p->is_plain = info->state != TARGET_PYTHON_READY;
    if (s->native)
        native_process_init(&p->native, s->native, info->pid);
    target_memory_init(&p->memory, info->pid);
    code_table_init(&p->codes, &p->python.layout, s->stacks, s->options->columns);
    *out = p;
    return true;
}

void process_close(struct sampled_process *p)
{
    if (!p)
        return;
    stop_forget(p->pid);
    for (size_t i = 0; i < p->threads_len; i++) {
        thread_deinit(p->threads[i]);
        free(p->threads[i]);
    }
    free(p->threads);
    free(p->interps);
    free(p->iov);
    free(p->slice);
    native_process_deinit(&p->native);
    code_table_deinit(&p->codes);
    target_memory_deinit(&p->memory);
    free(p);
}

/* ---- reading ---- */

/* Two equal copies prove little when the target had the time to go round a loop between them. So
 * only reads about as fast as the fastest count; the measure is this machine's own. */
static void judge_pace(struct sampled_process *p, size_t iov_len, size_t bytes, uint64_t ns)
{
    const double tolerance = 1.4;
    const double forget = 1.0005; /* the fastest read fades, as clocks and caches change */
    double usual =
        (double)(READ_NS + iov_len * READ_NS_PER_IOV) + (double)bytes / READ_BYTES_PER_NS;
    double pace = (double)ns / usual;
    p->was_slow = p->pace > 0 && pace > p->pace * tolerance;
    if (p->pace == 0 || pace < p->pace)
        p->pace = pace;
    else
        p->pace *= forget;
}

static ssize_t read_memory(struct sampled_process *p, struct sampling *s, const struct iovec *iov,
                           size_t iov_len, size_t bytes)
{
    ssize_t total = 0;
    uint64_t begin = clock_monotonic_ns();
    for (size_t done = 0; done < iov_len;) {
        size_t take = iov_len - done < IOV_AT_ONCE ? iov_len - done : IOV_AT_ONCE;
        struct iovec local = {.iov_base = p->slice + total, .iov_len = bytes - (size_t)total};
        ssize_t want = 0;
        for (size_t i = done; i < done + take; i++)
            want += (ssize_t)iov[i].iov_len;
        s->stats->reads++;
        ssize_t got = process_vm_readv(p->pid, &local, 1, iov + done, take, 0);
        if (got < 0) {
            if (errno == ESRCH || errno == EPERM)
                p->is_gone = true;
            return total > 0 ? total : -1;
        }
        total += got;
        if (got < want)
            break;
        done += take;
    }
    judge_pace(p, iov_len, bytes, clock_monotonic_ns() - begin);
    return total;
}

/* Above what the deepest stacks of many threads take: addresses that were read torn must not make
 * us ask for the whole of a process. */
enum { SLICE_MAX = 256 << 20 };

static bool make_room(struct sampled_process *p, size_t iov_len, size_t bytes)
{
    return bytes <= SLICE_MAX && array_reserve(&p->iov, &p->iov_cap, iov_len) &&
           array_reserve(&p->slice, &p->slice_cap, bytes);
}

/* Where the flag of a running collection is. The main interpreter stands for all; it is the last
 * of the list. */
static uint64_t gc_flag(const struct sampled_process *p)
{
    const struct python_layout *layout = &p->python.layout;
    return layout->interp_gc_collecting != PYTHON_NO_FIELD
               ? p->interps[p->interps_len - 1] + layout->interp_gc_collecting
               : p->python.runtime + layout->runtime_gc_collecting;
}

/* Where to look whether threads came or went, who holds the GIL, and whether garbage is collected.
 */
static size_t interp_iov(const struct sampled_process *p, struct iovec *iov, size_t *bytes)
{
    const struct python_layout *layout = &p->python.layout;
    size_t len = 0;
    *bytes = 0;
    for (size_t i = 0; i < p->interps_len; i++) {
        iov[len++] = (struct iovec){
            (void *)(uintptr_t)(p->interps[i] + layout->interp_threads_head), sizeof(uint64_t)};
        *bytes += sizeof(uint64_t);
    }
    if (p->interps_len == 0)
        return 0;
    /* The statistics of the generations, where they are right before the flag, and the flag. */
    size_t gc_bytes = layout->gc_stats_before + sizeof(int32_t);
    iov[len++] =
        (struct iovec){(void *)(uintptr_t)(gc_flag(p) - layout->gc_stats_before), gc_bytes};
    *bytes += gc_bytes;
    for (size_t i = 0; i < p->gils_len; i++) {
        iov[len++] = (struct iovec){(void *)(uintptr_t)p->gils[i].at, GIL_BYTES};
        *bytes += GIL_BYTES;
    }
    return len;
}

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static void take_interps(struct sampled_process *p, struct sampling *s, const uint8_t *bytes)
{
    const struct python_layout *layout = &p->python.layout;
    size_t first = 0; /* of the interpreter's threads */
    for (size_t i = 0; i < p->interps_len; i++, bytes += sizeof(uint64_t)) {
        if (!listing_begins_with(p, i, load_u64(bytes), &first))
            p->must_list = true;
    }
    bytes += process_take_gc(p, s, bytes);
    for (size_t i = 0; i < p->gils_len; i++, bytes += GIL_BYTES) {
        /* Up to 3.11 the running thread state itself. */
        int32_t is_locked = 1;
        if (layout->interp_gil != PYTHON_NO_FIELD)
            memcpy(&is_locked, bytes + layout->gil_locked - layout->gil_last_holder,
                   sizeof(is_locked));
        p->gils[i].holder = is_locked == 1 ? load_u64(bytes) : 0;
    }
}

/* ---- one thread ---- */

static enum reading_result attempt(struct sampled_process *p, struct sampling *s,
                                   struct sampled_thread *t, size_t *len)
{
    struct reading *r = &t->reading;
    if (!make_room(p, r->iov_len, r->bytes))
        return READING_BROKEN;
    ssize_t got = read_memory(p, s, r->iov, r->iov_len, r->bytes);
    if (got == (ssize_t)r->bytes) {
        enum reading_result result = reading_frames(r, p->slice, s->frames, PYTHON_MAX_DEPTH, len);
        return p->was_slow && !p->is_held && result == READING_OK ? READING_TORN : result;
    }
    if (p->is_gone)
        return READING_GONE;
    /* A predicted page is no longer there. */
    reading_forget(r);
    return reading_compile(r) ? READING_MISSED : READING_BROKEN;
}

/* Reads again until it holds, a few times. */
static enum reading_result insist(struct sampled_process *p, struct sampling *s,
                                  struct sampled_thread *t, enum reading_result result, int retries,
                                  size_t *len)
{
    int torn = 0;
    int missed = 0;
    while (result == READING_TORN || result == READING_BROKEN || result == READING_MISSED ||
           result == READING_TOO_DEEP) {
        if (result == READING_MISSED ? ++missed > MENDS : ++torn > retries)
            break;
        if (result == READING_BROKEN)
            reading_forget(&t->reading);
        if (result == READING_BROKEN && !reading_compile(&t->reading))
            break;
        result = attempt(p, s, t, len);
    }
    return result;
}

enum reading_result process_read_thread(struct sampled_process *p, struct sampling *s,
                                        struct sampled_thread *t, int tries, size_t *len)
{
    return insist(p, s, t, attempt(p, s, t, len), tries, len);
}

static bool is_settled(enum reading_result result)
{
    return result == READING_OK || result == READING_EMPTY || result == READING_GONE;
}

static enum reading_result read_stopped(struct sampled_process *p, struct sampling *s,
                                        struct sampled_thread *t, bool *is_stopped,
                                        enum reading_result result, size_t *len)
{
    uint64_t begin = 0;
    uint64_t runs = 0;
    uint64_t runs_after = 0;
    bool knows_runs = thread_runs(t, &runs);
    switch (stop_thread(p->pid, t->tid, &begin)) {
    case STOP_DONE:
        break;
    case STOP_ASLEEP:
        /* However long it takes, unless it was put on a CPU meanwhile. */
        p->is_held = knows_runs;
        result = insist(p, s, t, attempt(p, s, t, len), STOPPED_TRIES, len);
        p->is_held = false;
        if (knows_runs && (!thread_runs(t, &runs_after) || runs_after != runs) &&
            result == READING_OK)
            return READING_TORN;
        return result;
    case STOP_GONE:
        return result;
    case STOP_REFUSED:
        t->cannot_stop = true;
        s->stats->errors++;
        return result;
    }
    p->is_held = true;
    result = insist(p, s, t, attempt(p, s, t, len), STOPPED_TRIES, len);
    p->is_held = false;
    uint64_t spent = clock_monotonic_ns() - begin;
    stop_release(p->pid, t->tid);
    s->stop_budget_ns = spent < s->stop_budget_ns ? s->stop_budget_ns - spent : 0;
    *is_stopped = is_settled(result);
    if (result == READING_OK)
        s->stats->stopped++;
    return result;
}

static bool may_stop(const struct sampling *s, const struct sampled_thread *t)
{
    return !s->options->never_stop && !t->cannot_stop && t->tid != 0 && s->stop_budget_ns > 0;
}

/* An exception counts while it is raised and while it is handled, as sys.exc_info() has it: the
 * first in the list that is not None (_PyErr_GetTopmostException, Python/errors.c). */
static bool has_exception(struct sampled_process *p, const struct sampled_thread *t)
{
    const struct python_layout *layout = &p->python.layout;
    struct memory_reader reader = target_memory_reader(&p->memory);
    uint64_t item = t->reading.exc_info;
    if (t->reading.exception != 0)
        return true;
    for (int i = 0; item != 0 && i < EXCEPTIONS_MAX; i++) {
        uint64_t value;
        char type[sizeof("NoneType")];
        if (!memory_read_u64(&reader, item + layout->exc_value, &value))
            return false;
        if (value != 0 && value != p->none) {
            if (p->none != 0 || !python_type_name(layout, &reader, value, type, sizeof(type)) ||
                strcmp(type, "NoneType") != 0)
                return true;
            p->none = value;
        }
        if (!memory_read_u64(&reader, item + layout->exc_previous, &item))
            return false;
    }
    return false;
}

/* Who wants the GIL waits inside its struct, 5 ms at a time (take_gil, Python/ceval_gil.c). So a
 * thread that has slept for longer does not, and is not asked. */
static bool wants_gil(const struct sampled_process *p, const struct sampling *s,
                      struct sampled_thread *t)
{
    if (p->gils_len == 0 || p->threads_len < 2 || t->tid == 0 || t->is_asleep)
        return false;
    uint64_t futex = thread_futex(t, p->pid, s->now_ns, s->cpu_every_ns);
    for (size_t i = 0; i < p->gils_len; i++) {
        if (futex >= p->gils[i].begin && futex - p->gils[i].begin < GIL_STRUCT_BYTES)
            return true;
    }
    return false;
}

static bool holds_gil(const struct sampled_process *p, const struct sampled_thread *t)
{
    bool holds = t->reading.holds_gil;
    for (size_t i = 0; i < p->gils_len && !holds; i++)
        holds = p->gils[i].holder == t->reading.tstate;
    return holds;
}

uint32_t process_state_of(struct sampled_process *p, const struct sampling *s,
                          struct sampled_thread *t)
{
    uint32_t state = 0;
    bool has_gil = holds_gil(p, t);
    if (has_gil)
        state |= WIRE_HAS_GIL;
    else if (wants_gil(p, s, t))
        state |= WIRE_WANTS_GIL;
    if (has_gil && p->is_collecting)
        state |= WIRE_IN_GC;
    if ((s->options->exceptions || s->options->mode == SAMPLER_EXCEPTION) && has_exception(p, t))
        state |= WIRE_HAS_EXCEPTION;
    return state;
}

void process_add_row(struct sampling *s, const struct sampled_process *p, struct sampled_thread *t,
                     uint32_t node, uint32_t state)
{
    struct rows *rows = s->rows;
    uint64_t before = t->row_ns;
    t->row_ns = s->now_ns;
    t->node = node;
    if (rows->len >= rows->cap)
        return; /* the sampler flushes before this can happen */
    size_t i = rows->len++;
    rows->time_ns[i] = s->now_ns;
    rows->thread[i] = t->stream_thread;
    rows->node[i] = node;
    rows->state[i] = state;
    rows->wall[i] = before ? (int64_t)(s->now_ns - before) : 0;
    rows->cpu[i] = 0;
    rows->before[i] = t->last_row;
    rows->owner[i] = p->serial;
    t->last_row = (uint32_t)i;
    s->stats->samples++;
}

void process_take_result(struct sampled_process *p, struct sampling *s, struct sampled_thread *t,
                         enum reading_result result, size_t len, bool is_stopped)
{
    uint32_t node = 0;
    struct memory_reader reader = target_memory_reader(&p->memory);
    switch (result) {
    case READING_OK:
        tasks_mark(&p->tasks, s->tasks, &t->task,
                   &(struct task_place){.pid = p->pid,
                                        .layout = &p->python.layout,
                                        .memory = &p->memory,
                                        .interp = t->interp,
                                        .tstate = t->reading.tstate},
                   s->now_ns, s->frames, &len);
        if (thread_intern(t, &p->codes, &reader, s->frames, len, &node)) {
            if (s->native)
                node = native_stacks_merge(s->native, p, t, s->stacks, s->frames, len, node,
                                           s->now_ns);
            process_add_row(s, p, t, node,
                            process_state_of(p, s, t) | (is_stopped ? WIRE_STOPPED_TO_READ : 0U));
            process_see_span(p, s, t, node);
        } else {
            t->node = 0;
            s->stats->torn++;
        }
        break;
    case READING_EMPTY:
        if (s->native)
            node = native_stacks_merge(s->native, p, t, s->stacks, NULL, 0, 0, s->now_ns);
        if (node != 0)
            process_add_row(s, p, t, node, is_stopped ? WIRE_STOPPED_TO_READ : 0U);
        t->node = node;
        process_see_span(p, s, t, 0);
        t->row_ns = s->now_ns;
        break;
    case READING_GONE:
        p->must_list = true;
        break;
    default:
        s->is_too_deep = s->is_too_deep || result == READING_TOO_DEEP;
        t->node = 0; /* where it was before is not where it is, also when it sleeps from now on */
        s->stats->torn++;
        break;
    }
}

static void finish_thread(struct sampled_process *p, struct sampling *s, struct sampled_thread *t,
                          enum reading_result result, size_t len)
{
    bool is_stopped = false;
    if (t->is_direct && may_stop(s, t)) {
        result = read_stopped(p, s, t, &is_stopped, result, &len);
    }
    if (!is_settled(result)) {
        s->stats->retried++;
        result = insist(p, s, t, result, RETRIES, &len);
        if (!is_settled(result) && !p->is_gone && may_stop(s, t)) {
            result = read_stopped(p, s, t, &is_stopped, result, &len);
        }
    }
    process_take_result(p, s, t, result, len, is_stopped);
}

/* ---- CPU time ---- */

void process_settle_thread(struct rows *rows, struct sampled_thread *t)
{
    rows_settle(rows, t->last_row, t->unsettled_ns, t->unsettled_ready_ns);
    t->last_row = ROWS_NONE;
    t->unsettled_ns = 0;
    t->unsettled_ready_ns = 0;
}

static void read_cpu(struct sampled_process *p, struct sampling *s, struct sampled_thread *t)
{
    if (p->has_clock) {
        struct timespec ts;
        clockid_t clock =
            (clockid_t)(~(unsigned)p->pid << 3 | 2); /* its CPU clock, see clock_getcpuclockid */
        if (s->now_ns - p->clock_read_ns < s->cpu_every_ns)
            return;
        if (clock_gettime(clock, &ts) == 0) {
            uint64_t used = (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
            if (p->clock_read_ns != 0 && used > p->clock_ns)
                t->unsettled_ns += used - p->clock_ns;
            p->clock_ns = used;
            p->clock_read_ns = s->now_ns;
            process_settle_thread(s->rows, t);
            return;
        }
        p->has_clock = false;
    }
    if (s->now_ns - t->read_ns < s->cpu_every_ns)
        return;
    thread_read_cpu(t, s->now_ns);
    /* The count lags behind by up to a timer tick: wait for it to move, or for the thread to sleep.
     */
    if (t->unsettled_ns > 0 || t->is_asleep)
        process_settle_thread(s->rows, t);
}

void process_settle(struct sampled_process *p, struct rows *rows, uint64_t now)
{
    for (size_t i = 0; i < p->threads_len; i++) {
        struct sampled_thread *t = p->threads[i];
        if (!p->has_clock)
            thread_read_cpu(t, now);
        if (t->last_row != ROWS_NONE)
            process_settle_thread(rows, t);
    }
    native_settle_others(p, rows, now);
}

/* ---- a round ---- */

/* A thread that sleeps stands where it stood; its stack need not be read. */
static bool repeats(const struct sampled_process *p, const struct sampled_thread *t)
{
    return t->is_asleep && !p->has_clock && t->node != 0;
}

static bool prepare_readings(struct sampled_process *p, const struct sampling *s)
{
    size_t need = p->interps_len + INTERP_WORDS;
    size_t need_bytes = p->interps_len * 8 + 64 + (size_t)SAMPLED_GILS_MAX * GIL_BYTES +
                        p->python.layout.gc_stats_before;
    for (size_t i = 0; i < p->threads_len; i++) {
        struct reading *r = &p->threads[i]->reading;
        if (r->is_careful != s->is_unhurried) {
            r->is_careful = s->is_unhurried;
            (void)reading_compile(r);
        }
        need += r->iov_len;
        need_bytes += r->bytes;
    }
    return make_room(p, need, need_bytes);
}

/* What is to be read of every thread, behind the first `iov_len` pieces. */
static size_t gather_readings(struct sampled_process *p, struct sampling *s, size_t iov_len,
                              size_t *bytes)
{
    for (size_t i = 0; i < p->threads_len; i++) {
        struct sampled_thread *t = p->threads[i];
        read_cpu(p, s, t);
        t->is_direct = s->native || (s->is_unhurried && may_stop(s, t) && thread_is_unsteady(t));
        if (repeats(p, t) || t->is_direct)
            continue;
        memcpy(p->iov + iov_len, t->reading.iov, t->reading.iov_len * sizeof(*p->iov));
        iov_len += t->reading.iov_len;
        *bytes += t->reading.bytes;
    }
    return iov_len;
}

/* What the common call brought for this thread, from byte `at` of `got` on. */
static enum reading_result first_result(struct sampled_process *p, struct sampling *s,
                                        struct sampled_thread *t, size_t at, size_t got,
                                        size_t *len)
{
    enum reading_result result = READING_MISSED;
    if (t->is_direct)
        return READING_TORN;
    if (got >= at + t->reading.bytes) {
        result = reading_frames(&t->reading, p->slice + at, s->frames, PYTHON_MAX_DEPTH, len);
        if (p->was_slow && result == READING_OK)
            result = READING_TORN;
    } else if (got >= at) { /* the call ended here: a page of this one is gone */
        reading_forget(&t->reading);
        reading_compile(&t->reading);
    }
    return result;
}

static void sample_all(struct sampled_process *p, struct sampling *s, bool with_interps)
{
    /* First all in one call, then those that did not come out well, one by one. */
    size_t bytes = 0;
    if (!prepare_readings(p, s))
        return;
    size_t iov_len = with_interps ? interp_iov(p, p->iov, &bytes) : 0;
    size_t interp_bytes = bytes;
    iov_len = gather_readings(p, s, iov_len, &bytes);
    ssize_t got = iov_len > 0 ? read_memory(p, s, p->iov, iov_len, bytes) : 0;
    if (p->is_gone)
        return;
    if (got < 0)
        got = 0;
    if (with_interps && got >= (ssize_t)interp_bytes)
        take_interps(p, s, p->slice);

    struct unfinished {
        struct sampled_thread *thread;
        enum reading_result result;
    } again[64];
    size_t again_len = 0;
    size_t at = interp_bytes;
    for (size_t i = 0; i < p->threads_len; i++) {
        struct sampled_thread *t = p->threads[i];
        if (repeats(p, t)) {
            process_add_row(s, p, t, t->node, process_state_of(p, s, t));
            continue;
        }
        if (s->native) {
            native_read_thread(p, s, t);
            process_see_span(p, s, t, t->node);
            continue;
        }
        size_t size = t->is_direct ? 0 : t->reading.bytes;
        size_t len = 0;
        enum reading_result result = first_result(p, s, t, at, (size_t)got, &len);
        at += size;
        if (!t->is_direct && !p->was_slow) /* slowness is ours, not the thread's */
            thread_note_first(t, result != READING_TORN && result != READING_BROKEN);
        if (is_settled(result) || again_len == sizeof(again) / sizeof(again[0]))
            process_take_result(p, s, t, result, len, false);
        else
            again[again_len++] = (struct unfinished){t, result};
    }
    for (size_t i = 0; i < again_len && !p->is_gone; i++)
        finish_thread(p, s, again[i].thread, again[i].result, 0);
}

bool process_list(struct sampled_process *p, uint64_t now)
{
    if (p->is_plain) {
        native_list_others(p, now);
        p->must_list = false;
        return !p->is_gone;
    }
    if (p->must_list || now - p->listed_ns > list_every_ns) {
        if (!listing_update(p, now)) {
            p->is_gone = p->memory.error == ESRCH;
            return false;
        }
    }
    if (p->native.space.store)
        native_list_others(p, now);
    return true;
}

void process_sample(struct sampled_process *p, struct sampling *s)
{
    bool with_interps = p->threads_len != 1 || s->now_ns - p->checked_ns > look_every_ns;
    if (with_interps)
        p->checked_ns = s->now_ns;
    if (!p->is_plain)
        sample_all(p, s, with_interps);
    if (s->native)
        native_read_others(p, s);
}

bool process_check_codes(struct sampled_process *p)
{
    for (size_t i = 0; i < p->threads_len; i++) {
        const struct sampled_thread *t = p->threads[i];
        for (size_t k = 0; k < t->path_len; k++)
            code_table_mark_used(&p->codes, t->path[k].code);
    }
    if (code_table_check(&p->codes, p->pid) == 0)
        return true;
    for (size_t i = 0; i < p->threads_len; i++)
        thread_forget_path(p->threads[i]);
    return false;
}
