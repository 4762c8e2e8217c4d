/* heliograph.mark() and heliograph.span(): from records to the stream's spans. */
#include "collector/heap/state.h"
#include "common/base/array.h"
#include "common/base/clock.h"

enum { MAX_OPEN = 256 };

static void put_span(struct heap *h, const struct heap_process *p, const struct heap_ring *r,
                     const struct heap_span *s, uint64_t end_ns)
{
    const struct wire_span span = {
        .name = s->name,
        .begin_ns = s->begin_ns,
        .end_ns = end_ns,
        .process = p->row,
        .thread = r->thread,
        .begin_value = (double)s->begin_bytes,
        .end_value = (double)p->in_use,
        .level = (uint32_t)r->spans_len,
    };
    stream_span(h->stream, &span);
}

void heap_mark(struct heap *h, struct heap_process *p, struct heap_ring *r,
               const struct ring_record *record)
{
    uint64_t time_ns = ring_address_of(record->word);
    uint32_t len;
    const char *name =
        p->definitions ? ring_mark_name(h->region, p->definitions, record->stack, &len) : NULL;
    /* Both sides read the same clock: a time to come is no time. */
    if (!name || time_ns < h->start_ns || time_ns > clock_monotonic_ns())
        return;
    stream_lock(h->stream);
    struct heap_span now = {stream_string(h->stream, name, len), time_ns, p->in_use};
    switch (record->size) {
    case RING_MARK_POINT:
        put_span(h, p, r, &now, time_ns);
        break;
    case RING_MARK_BEGIN:
        if (r->spans_len < MAX_OPEN && array_reserve(&r->spans, &r->spans_cap, r->spans_len + 1))
            r->spans[r->spans_len++] = now;
        break;
    default:
        /* The innermost of that name; those inside it ended without a word. */
        for (size_t i = r->spans_len; i-- > 0;) {
            if (r->spans[i].name != now.name)
                continue;
            r->spans_len = i;
            put_span(h, p, r, &r->spans[i], time_ns);
            break;
        }
        break;
    }
    stream_unlock(h->stream);
}
