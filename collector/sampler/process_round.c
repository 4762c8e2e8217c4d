/* A round over all threads of a process: first all in one call, then those that did not come out
 * well, one by one. */
#include <string.h>
#include <time.h>

#include "collector/sampler/listing.h"
#include "collector/sampler/process_parts.h"

enum {
    RETRIES = 5,
    INTERP_WORDS = 2 + SAMPLED_GILS_MAX, /* pieces that are read of all interpreters */
    GIL_BYTES = 24,
    WARM_MAX = 256 << 10, /* more does not stay near */
};

static const uint64_t look_every_ns = 200000; /* at the interpreter of a single thread */
static const uint64_t cold_after_ns = 100000; /* caches are others' then, see warm_up */

/* ---- the interpreters ---- */

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

/* ---- the threads ---- */

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

static void finish_thread(struct sampled_process *p, struct sampling *s, struct sampled_thread *t,
                          enum reading_result result, size_t len)
{
    bool is_stopped = false;
    if (t->is_direct) {
        if (!process_may_stop(s, t)) {
            s->stats->skipped++; /* the next one stands for its time */
            return;
        }
        result = process_read_stopped(p, s, t, &is_stopped, READING_TORN, &len);
    }
    if (!process_is_settled(result)) {
        s->stats->retried += result != READING_MISSED;
        result = process_insist(p, s, t, result, RETRIES, &len);
        if (!process_is_settled(result) && !p->is_gone && process_may_stop(s, t)) {
            result = process_read_stopped(p, s, t, &is_stopped, result, &len);
        }
    }
    process_take_result(p, s, t, result, len, is_stopped);
}

/* A thread that sleeps stands where it stood; its stack need not be read. */
static bool repeats(const struct sampled_process *p, const struct sampled_thread *t)
{
    return t->is_asleep && !p->has_clock && t->node != 0;
}

/* Before memory is read: what CPU time each thread used, and whether it is to be stopped anyway,
 * which must not hang on where it is now. */
static void look_at_threads(struct sampled_process *p, struct sampling *s)
{
    for (size_t i = 0; i < p->threads_len; i++) {
        struct sampled_thread *t = p->threads[i];
        read_cpu(p, s, t);
        t->is_direct = s->is_unhurried && t->is_unsteady && process_can_stop(s, t);
    }
}

static bool prepare_room(struct sampled_process *p)
{
    size_t need = p->interps_len + INTERP_WORDS;
    size_t need_bytes = p->interps_len * 8 + 64 + (size_t)SAMPLED_GILS_MAX * GIL_BYTES +
                        p->python.layout.gc_stats_before;
    for (size_t i = 0; i < p->threads_len; i++) {
        need += p->threads[i]->reading.iov_len;
        need_bytes += p->threads[i]->reading.bytes;
    }
    return process_make_room(p, need, need_bytes);
}

/* The call that reads all: how many bytes came, and how many of them are of the interpreters. */
struct common_read {
    size_t got, interp_bytes;
};

static bool read_common(struct sampled_process *p, struct sampling *s, bool with_interps,
                        struct common_read *out)
{
    size_t bytes = 0;
    if (!prepare_room(p))
        return false;
    size_t iov_len = with_interps ? interp_iov(p, p->iov, &bytes) : 0;
    out->interp_bytes = bytes;
    for (size_t i = 0; i < p->threads_len && !s->native; i++) {
        const struct reading *r = &p->threads[i]->reading;
        if (repeats(p, p->threads[i]))
            continue;
        memcpy(p->iov + iov_len, r->iov, r->iov_len * sizeof(*p->iov));
        iov_len += r->iov_len;
        bytes += r->bytes;
    }
    ssize_t got = iov_len > 0 ? process_read_memory(p, s, p->iov, iov_len, bytes) : 0;
    out->got = got > 0 ? (size_t)got : 0;
    return !p->is_gone;
}

/* What the common call brought for this thread, from byte `at` of it on. */
static enum reading_result first_result(struct sampled_process *p, struct sampling *s,
                                        struct sampled_thread *t, size_t at, size_t got,
                                        size_t *len)
{
    enum reading_result result = READING_MISSED;
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

/* After a pause others have had the caches: a first read is slow then, wherever the program
 * stands, and a slow one proves nothing (process_read.c). So it only brings things near and mends
 * predictions. Were it tried and read again where it fails, stacks that stand still would be taken
 * earlier than those that change, and more often. */
static bool warm_up(struct sampled_process *p, struct sampling *s, bool with_interps)
{
    struct common_read all;
    size_t bytes = 0;
    for (size_t i = 0; i < p->threads_len; i++)
        bytes += repeats(p, p->threads[i]) ? 0 : p->threads[i]->reading.bytes;
    if (bytes > WARM_MAX)
        return true;
    if (!read_common(p, s, with_interps, &all))
        return false;
    size_t at = all.interp_bytes;
    for (size_t i = 0; i < p->threads_len; i++) {
        struct sampled_thread *t = p->threads[i];
        size_t size = t->reading.bytes;
        size_t len;
        if (repeats(p, t))
            continue;
        (void)first_result(p, s, t, at, all.got, &len);
        at += size;
    }
    return true;
}

static void sample_all(struct sampled_process *p, struct sampling *s, bool with_interps)
{
    struct common_read all;
    bool is_cold = !s->native && s->now_ns - p->round_ns > cold_after_ns;
    p->round_ns = s->now_ns;
    look_at_threads(p, s);
    if ((is_cold && !warm_up(p, s, with_interps)) || !read_common(p, s, with_interps, &all))
        return;
    if (with_interps && all.got >= all.interp_bytes)
        take_interps(p, s, p->slice);

    struct unfinished {
        struct sampled_thread *thread;
        enum reading_result result;
    } again[64];
    size_t again_len = 0;
    size_t at = all.interp_bytes;
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
        size_t size = t->reading.bytes;
        size_t len = 0;
        enum reading_result result = first_result(p, s, t, at, all.got, &len);
        at += size;
        if (!p->was_slow && !t->reading.is_missed) /* else it is our doing, not the thread's */
            thread_note_first(t, process_is_settled(result) || result == READING_MISSED);
        bool is_done = process_is_settled(result) && (!t->is_direct || result == READING_GONE);
        if (is_done || again_len == sizeof(again) / sizeof(again[0]))
            process_take_result(p, s, t, result, len, false);
        else
            again[again_len++] = (struct unfinished){t, result};
    }
    for (size_t i = 0; i < again_len && !p->is_gone; i++)
        finish_thread(p, s, again[i].thread, again[i].result, 0);
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
