#include "collector/sampler/listing.h"

#include <stdlib.h>
#include <string.h>

#include "collector/python/names.h"
#include "collector/target/process.h"
#include "common/base/array.h"

enum { INTERPS_MAX = 256, THREADS_MAX = 4096 };

static const uint64_t name_every_ns = 1000000000;

static pid_t read_tid(struct sampled_process *p, const struct memory_reader *reader,
                      uint64_t tstate, uint64_t *id)
{
    const struct python_layout *layout = &p->python.layout;
    int32_t tid = 0;
    if (layout->tstate_native_thread_id != PYTHON_NO_FIELD) {
        if (!memory_read_u64(reader, tstate + layout->tstate_native_thread_id, id))
            return 0;
        return *id <= INT32_MAX ? (pid_t)*id : 0;
    }
    if (!memory_read_u64(reader, tstate + layout->tstate_thread_id, id))
        return 0;
    if (p->python.pthread_tid == 0 ||
        !memory_read(reader, *id + p->python.pthread_tid, &tid, sizeof(tid)) || tid < 0)
        return 0;
    return tid;
}

static struct sampled_thread *take_known(struct sampled_process *p, size_t from, uint64_t tstate,
                                         uint64_t id)
{
    for (size_t i = from; i < p->threads_len; i++) {
        struct sampled_thread *t = p->threads[i];
        if (t && t->reading.tstate == tstate && t->reading.thread_id == id) {
            p->threads[i] = NULL;
            return t;
        }
    }
    return NULL;
}

static struct sampled_thread *make_thread(struct sampled_process *p, uint64_t tstate, pid_t tid,
                                          uint64_t id)
{
    struct sampled_thread *t = malloc(sizeof(*t));
    if (!t)
        return NULL;
    if (!thread_init(t, &p->python.layout, &p->memory, tstate, p->pid, tid)) {
        thread_deinit(t);
        free(t);
        return NULL;
    }
    t->reading.thread_id = id;
    t->ident = 0;
    struct memory_reader reader = target_memory_reader(&p->memory);
    (void)memory_read_u64(&reader, tstate + p->python.layout.tstate_thread_id, &t->ident);
    thread_read_name(t, p->pid);
    p->must_name = true;
    p->has_news = true;
    return t;
}

struct found {
    struct sampled_thread **threads;
    size_t len, cap;
};

static bool list_threads(struct sampled_process *p, const struct memory_reader *reader,
                         uint64_t interp, struct found *out)
{
    const struct python_layout *layout = &p->python.layout;
    uint64_t tstate;
    if (!memory_read_u64(reader, interp + layout->interp_threads_head, &tstate))
        return false;
    for (size_t i = 0; tstate != 0 && i < THREADS_MAX; i++) {
        uint64_t next;
        uint64_t owner;
        uint64_t id = 0;
        if (!memory_read_u64(reader, tstate + layout->tstate_next, &next) ||
            !memory_read_u64(reader, tstate + layout->tstate_interp, &owner) || owner != interp)
            return false;
        pid_t tid = read_tid(p, reader, tstate, &id);
        struct sampled_thread *t = take_known(p, 0, tstate, id);
        if (!t)
            t = make_thread(p, tstate, tid > 0 ? process_outer_tid(p->pid, tid) : 0, id);
        if (!t || !array_reserve(&out->threads, &out->cap, out->len + 1)) {
            if (t) {
                thread_deinit(t);
                free(t);
            }
            return false;
        }
        t->reading.next = next;
        t->interp = interp;
        out->threads[out->len++] = t;
        tstate = next;
    }
    return true;
}

static bool list_interps(struct sampled_process *p, const struct memory_reader *reader)
{
    const struct python_layout *layout = &p->python.layout;
    uint64_t interp;
    p->interps_len = 0;
    if (!memory_read_u64(reader, p->python.runtime + layout->runtime_interpreters_head, &interp))
        return false;
    while (interp != 0 && p->interps_len < INTERPS_MAX) {
        if (!array_reserve(&p->interps, &p->interps_cap, p->interps_len + 1))
            return false;
        p->interps[p->interps_len++] = interp;
        if (!memory_read_u64(reader, interp + layout->interp_next, &interp))
            return false;
    }
    return p->interps_len > 0;
}

/* Where the GIL's holder stands: up to 3.11 the runtime's current thread state, from 3.12 the
 * interpreter's GIL, which may be another interpreter's. */
static void add_gil(struct sampled_process *p, uint64_t begin, uint64_t at)
{
    for (size_t i = 0; i < p->gils_len; i++) {
        if (p->gils[i].begin == begin)
            return;
    }
    if (p->gils_len < SAMPLED_GILS_MAX)
        p->gils[p->gils_len++] = (struct sampled_gil){.begin = begin, .at = at};
}

static void find_gils(struct sampled_process *p, const struct memory_reader *reader)
{
    const struct python_layout *layout = &p->python.layout;
    p->gils_len = 0;
    if (layout->is_free_threaded)
        return;
    if (layout->interp_gil == PYTHON_NO_FIELD) {
        add_gil(p, p->python.runtime + layout->runtime_gil,
                p->python.runtime + layout->runtime_tstate_current);
        return;
    }
    for (size_t i = p->interps_len; i-- > 0;) { /* the oldest, which is the main one, is the last */
        uint64_t gil;
        if (memory_read_u64(reader, p->interps[i] + layout->interp_gil, &gil) && gil != 0)
            add_gil(p, gil, gil + layout->gil_last_holder);
    }
}

static void drop_threads(struct sampled_process *p)
{
    for (size_t i = 0; i < p->threads_len; i++) {
        if (p->threads[i]) {
            struct span_place place = process_place(p, p->threads[i]);
            if (p->spans)
                spans_end(p->spans, &p->threads[i]->spans, &place);
            thread_deinit(p->threads[i]);
            free(p->threads[i]);
        }
    }
    free(p->threads);
}

static void count_os_threads(struct sampled_process *p)
{
    struct process_stat stat;
    bool has_clock = p->threads_len == 1 && process_stat(p->pid, &stat) && stat.threads == 1;
    if (has_clock != p->has_clock)
        p->clock_read_ns = 0;
    p->has_clock = has_clock;
}

/* A program's own names say more than the system's; a single thread needs none. */
static void name_threads(struct sampled_process *p, const struct memory_reader *reader)
{
    const struct python_layout *layout = &p->python.layout;
    struct buf name;
    buf_init(&name, 0);
    if (p->active_threads == 0 && p->threads_len > 1)
        (void)python_active_threads(layout, reader, p->interps[p->interps_len - 1],
                                    &p->active_threads);
    for (size_t i = 0; i < p->threads_len; i++) {
        struct sampled_thread *t = p->threads[i];
        buf_clear(&name);
        bool is_new = p->active_threads != 0 && p->threads_len > 1 &&
                      python_thread_name(layout, reader, p->active_threads, t->ident, &name) &&
                      thread_take_name(t, &name);
        if (!is_new && !thread_read_name(t, p->pid))
            continue;
        t->has_stream_thread = false;
        p->has_news = true;
    }
    buf_deinit(&name);
}

bool listing_update(struct sampled_process *p, uint64_t now)
{
    struct memory_reader reader = target_memory_reader(&p->memory);
    struct found found = {0};
    p->memory.error = 0;
    if (!list_interps(p, &reader))
        return false;
    bool is_whole = true;
    for (size_t i = 0; i < p->interps_len && is_whole; i++)
        is_whole = list_threads(p, &reader, p->interps[i], &found);
    /* A list that changed meanwhile is followed again in the next round. */
    drop_threads(p);
    p->threads = found.threads;
    p->threads_len = found.len;
    p->threads_cap = found.cap;
    find_gils(p, &reader);
    count_os_threads(p);
    if (p->must_name || now - p->named_ns > name_every_ns)
        name_threads(p, &reader);
    p->must_name = false;
    p->named_ns = now;
    p->must_list = !is_whole;
    p->listed_ns = now;
    return true;
}

bool listing_begins_with(const struct sampled_process *p, size_t index, uint64_t head,
                         size_t *first)
{
    uint64_t expected = head;
    size_t i = *first;
    for (; i < p->threads_len && p->threads[i]->interp == p->interps[index]; i++) {
        if (p->threads[i]->reading.tstate != expected)
            return false;
        expected = p->threads[i]->reading.next;
    }
    *first = i;
    return expected == 0;
}
