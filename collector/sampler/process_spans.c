/* What the rounds over a process tell of when its functions ran and its garbage was collected. */
#include <string.h>

#include "collector/sampler/process.h"

enum {
    GC_GENERATIONS = 3,
    GC_STATS_BYTES = 24, /* of a generation: collections, collected, uncollectable */
};

struct span_place process_place(const struct sampled_process *p, const struct sampled_thread *t)
{
    return (struct span_place){
        .process = p->stream_process,
        .thread = t ? t->stream_thread : 0,
        .pid = p->pid,
        .has_qualname = p->python.layout.code_qualname != PYTHON_NO_FIELD,
    };
}

void process_end_spans(struct sampled_process *p)
{
    for (size_t i = 0; p->spans && i < p->threads_len; i++) {
        struct span_place place = process_place(p, p->threads[i]);
        spans_end(p->spans, &p->threads[i]->spans, &place);
    }
}

void process_see_span(struct sampled_process *p, const struct sampling *s, struct sampled_thread *t,
                      uint32_t node)
{
    if (!p->spans)
        return;
    struct span_place place = process_place(p, t);
    spans_see(p->spans, &t->spans, &place, node, s->now_ns);
}

void process_tell_open_spans(struct sampled_process *p)
{
    for (size_t i = 0; i < p->threads_len; i++) {
        struct span_place place = process_place(p, p->threads[i]);
        spans_tell_open(p->spans, &p->threads[i]->spans, &place);
    }
}

size_t process_take_gc(struct sampled_process *p, struct sampling *s, const uint8_t *bytes)
{
    size_t before = p->python.layout.gc_stats_before;
    uint64_t collections[GC_GENERATIONS] = {0};
    int32_t collecting;
    for (size_t i = 0; before != 0 && i < GC_GENERATIONS; i++)
        memcpy(&collections[i], bytes + i * GC_STATS_BYTES, sizeof(collections[i]));
    memcpy(&collecting, bytes + before, sizeof(collecting));
    p->is_collecting = collecting != 0;
    if (p->spans) {
        struct span_place place = process_place(p, NULL);
        spans_see_gc(p->spans, &p->gc, &place, p->is_collecting, before ? collections : NULL,
                     s->now_ns, s->stats->collections);
    }
    return before + sizeof(collecting);
}
