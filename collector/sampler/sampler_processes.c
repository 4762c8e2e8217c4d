/* Which processes and threads there are to sample, and what the stream calls them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sampler/sampler_state.h"
#include "common/base/array.h"
#include "common/base/clock.h"

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

void sampler_sync_processes(struct sampler *s)
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

void sampler_name_threads(struct sampler *s, struct sampled_process *p)
{
    if (!p->has_news)
        return;
    stream_lock(s->stream);
    name_some(s, p, p->threads, p->threads_len);
    name_some(s, p, p->native.others, p->native.others_len);
    stream_unlock(s->stream);
    p->has_news = false;
}
