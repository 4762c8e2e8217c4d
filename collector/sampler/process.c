#include "collector/sampler/process.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/sampler/listing.h"
#include "collector/sampler/stop.h"
#include "common/base/clock.h"

static const uint64_t list_every_ns = 100000000;

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

void process_settle_thread(struct rows *rows, struct sampled_thread *t)
{
    rows_settle(rows, t->last_row, t->unsettled_ns, t->unsettled_ready_ns);
    t->last_row = ROWS_NONE;
    t->unsettled_ns = 0;
    t->unsettled_ready_ns = 0;
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
