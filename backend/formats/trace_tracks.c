#include "backend/formats/trace_tracks.h"

#include <stdlib.h>

#include "common/base/array.h"

enum status trace_tracks_init(struct trace_tracks *t)
{
    *t = (struct trace_tracks){0};
    map_init(&t->by_ids);
    map_init(&t->process_name);
    return strtab_init(&t->strings) ? STATUS_OK : STATUS_NO_MEMORY;
}

void trace_tracks_deinit(struct trace_tracks *t)
{
    strtab_deinit(&t->strings);
    map_deinit(&t->by_ids);
    map_deinit(&t->process_name);
    free(t->items);
}

uint32_t trace_tracks_string(struct trace_tracks *t, struct json_in *j, struct text text)
{
    uint32_t id = 0;
    if (!json_in_status(j) && !strtab_add(&t->strings, text.data, text.len, &id))
        json_in_check(j, STATUS_NO_MEMORY);
    return id;
}

uint32_t trace_tracks_find(struct trace_tracks *t, struct json_in *j, uint32_t pid, uint32_t tid)
{
    uint64_t key = map_pair(pid, tid);
    const uint32_t *known = map_find(&t->by_ids, key);
    if (known)
        return *known;
    if (t->len >= TABLES_MAX_ROWS || !array_reserve(&t->items, &t->cap, t->len + 1) ||
        !map_put(&t->by_ids, key, (uint32_t)t->len)) {
        json_in_check(j, STATUS_NO_MEMORY);
        return 0;
    }
    t->items[t->len] = (struct trace_track){.pid = pid, .tid = tid};
    return (uint32_t)t->len++;
}

void trace_tracks_name_process(struct trace_tracks *t, struct json_in *j, uint32_t pid,
                               uint32_t name)
{
    if (!map_put(&t->process_name, pid, name))
        json_in_check(j, STATUS_NO_MEMORY);
}

void trace_tracks_name_thread(struct trace_tracks *t, struct json_in *j, uint32_t pid, uint32_t tid,
                              uint32_t name)
{
    uint32_t track = trace_tracks_find(t, j, pid, tid);
    if (!json_in_status(j))
        t->items[track].name = name;
}

size_t trace_tracks_len(const struct trace_tracks *t)
{
    return t->len;
}

static struct text text_of(const struct trace_tracks *t, uint32_t id)
{
    return (struct text){strtab_text(&t->strings, id), strtab_len(&t->strings, id)};
}

uint32_t trace_tracks_thread(const struct trace_tracks *t, struct builder *b, uint32_t track)
{
    const struct trace_track *item = &t->items[track];
    uint64_t pid = 0;
    uint64_t tid = 0;
    const uint32_t *command = map_find(&t->process_name, item->pid);
    struct text process_text = command ? builder_text(b, *command) : (struct text){"", 0};
    if (!text_u64(text_of(t, item->pid), &pid) && process_text.len == 0)
        process_text = text_of(t, item->pid);
    struct text thread_text = builder_text(b, item->name);
    if (!text_u64(text_of(t, item->tid), &tid) && thread_text.len == 0)
        thread_text = text_of(t, item->tid);
    uint32_t process = builder_process(b, pid, process_text);
    return builder_thread(b, process, tid, thread_text);
}
