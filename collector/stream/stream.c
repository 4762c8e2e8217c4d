#include "collector/stream/stream.h"

#include <stdlib.h>
#include <string.h>

#include "collector/stream/state.h"
#include "common/base/array.h"

enum { DEFAULT_PENDING = 1 << 22 };
static const size_t default_table_bytes = (size_t)512 << 20;

/* Row 0 of the tables means unknown and exists on both sides from the start: it is never sent. */
static bool add_first_rows(struct stream *s)
{
    if (!strtab_init(&s->strings) || !strtab_init(&s->texts) ||
        !array_reserve(&s->function, &s->functions.cap, 1) ||
        !array_reserve(&s->frame, &s->frames.cap, 1) ||
        !array_reserve(&s->stack, &s->stacks.cap, 1))
        return false;
    s->function[0] = (struct wire_function){0};
    s->frame[0] = (struct wire_frame){0};
    s->stack[0] = (struct wire_stack){0};
    s->strings_sent = 1;
    s->functions.len = s->functions.sent = 1;
    s->frames.len = s->frames.sent = 1;
    s->stacks.len = s->stacks.sent = 1;
    return true;
}

enum status stream_new(struct stream **out, uint64_t start_ns, const struct stream_limits *limits)
{
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return STATUS_NO_MEMORY;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return STATUS_NO_MEMORY;
    }
    s->start_ns = start_ns;
    if (limits)
        s->limits = *limits;
    if (s->limits.pending_samples == 0)
        s->limits.pending_samples = DEFAULT_PENDING;
    if (s->limits.table_bytes == 0)
        s->limits.table_bytes = default_table_bytes;
    if (!add_first_rows(s)) {
        stream_free(s);
        return STATUS_NO_MEMORY;
    }
    *out = s;
    return STATUS_OK;
}

void stream_rows_free(struct stream_rows *rows)
{
    free(rows->time_ns);
    free(rows->thread);
    free(rows->stack);
    free(rows->state);
    for (size_t i = 0; i < WIRE_MAX_VALUES; i++)
        free(rows->value[i]);
    *rows = (struct stream_rows){0};
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    stream_delivery_free(&s->delivery);
    buf_deinit(&s->message);
    for (size_t i = 0; i < s->sets.len; i++)
        stream_rows_free(&s->set[i].rows);
    for (size_t i = 0; i < s->metrics.len; i++) {
        free(s->series[i].rows.time_ns);
        free(s->series[i].rows.value);
    }
    free(s->set);
    free(s->series);
    free(s->function);
    free(s->frame);
    free(s->stack);
    free(s->process);
    free(s->thread);
    free(s->span);
    for (size_t i = 0; i < s->sources_len; i++)
        free(s->source[i].text);
    free(s->source);
    free(s->notice);
    free(s->counter);
    map_deinit(&s->by_function);
    map_deinit(&s->by_frame);
    map_deinit(&s->by_stack);
    map_deinit(&s->by_pid);
    map_deinit(&s->by_tid);
    map_deinit(&s->by_metric);
    strtab_deinit(&s->strings);
    strtab_deinit(&s->texts);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

uint64_t stream_start_ns(const struct stream *s)
{
    return s->start_ns;
}

void stream_lock(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
}

void stream_unlock(struct stream *s)
{
    pthread_mutex_unlock(&s->lock);
}

uint64_t stream_last_seq(const struct stream *s)
{
    /* The lock is no part of what the stream says, so locking does not change it. */
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&s->lock;
    pthread_mutex_lock(lock);
    uint64_t seq = s->last_seq;
    pthread_mutex_unlock(lock);
    return seq;
}

bool stream_charge(struct stream *s, size_t bytes)
{
    if (bytes > s->limits.table_bytes - s->table_bytes) {
        s->drops.table_full++;
        return false;
    }
    s->table_bytes += bytes;
    return true;
}

/* As long as `max`, but never in the middle of a UTF-8 character. */
static size_t cut_length(const char *data, size_t len, size_t max)
{
    if (len <= max)
        return len;
    size_t cut = max;
    while (cut > max - 4 && ((unsigned char)data[cut] & 0xc0) == 0x80)
        cut--;
    return cut;
}

static bool intern(struct stream *s, struct strtab *t, const char *data, size_t len, uint32_t *id)
{
    len = cut_length(data, len, STREAM_MAX_STRING);
    if (strtab_find(t, data, len, id))
        return true;
    if (!stream_charge(s, len + 2 * sizeof(struct strtab_item)))
        return false;
    if (t->len < STREAM_MAX_ROWS && strtab_add(t, data, len, id))
        return true;
    s->drops.table_full++;
    return false;
}

uint32_t stream_string(struct stream *s, const char *data, size_t len)
{
    uint32_t id = 0;
    return len > 0 && intern(s, &s->strings, data, len, &id) ? id : 0;
}

struct wire_bytes stream_keep_text(struct stream *s, const char *data, size_t len)
{
    uint32_t id = 0;
    if (len == 0 || !intern(s, &s->texts, data, len, &id))
        return (struct wire_bytes){.data = "", .len = 0};
    return (struct wire_bytes){.data = strtab_text(&s->texts, id),
                               .len = strtab_len(&s->texts, id)};
}
