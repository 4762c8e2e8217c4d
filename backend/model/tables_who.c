#include "backend/model/rows.h"
#include "backend/model/tables.h"

/* Processes, threads and label sets: whose samples they are. */

static uint64_t process_key(const struct model_process *p)
{
    uint64_t key = map_mix(p->pid) + p->parent_pid;
    key = map_mix(key ^ map_pair(p->command, p->runtime));
    key = map_mix(key ^ p->start_ns);
    return key + p->end_ns;
}

static bool same_process(const struct model_process *a, const struct model_process *b)
{
    return a->pid == b->pid && a->parent_pid == b->parent_pid && a->command == b->command &&
           a->runtime == b->runtime && a->start_ns == b->start_ns && a->end_ns == b->end_ns;
}

static bool index_processes(struct tables *t)
{
    struct tables_index *index = &t->by_process;
    for (; index->indexed < t->processes_len; index->indexed++) {
        if (!rows_index(&index->map, process_key(&t->processes[index->indexed]), index->indexed))
            return false;
    }
    return true;
}

enum status tables_process(struct tables *t, const struct model_process *p, uint32_t *id)
{
    if (p->command >= t->strings.len || p->runtime >= t->strings.len)
        return STATUS_INVALID;
    if (!index_processes(t))
        return STATUS_NO_MEMORY;
    uint64_t key = process_key(p);
    const uint32_t *row = map_find(&t->by_process.map, key);
    for (; row; row = map_find(&t->by_process.map, key = rows_next_key(key))) {
        if (same_process(&t->processes[*row], p)) {
            *id = *row;
            return STATUS_OK;
        }
    }
    enum status st = rows_reserve(&t->processes, &t->processes_cap, t->processes_len);
    if (st == STATUS_OK && !map_put(&t->by_process.map, key, (uint32_t)t->processes_len))
        st = STATUS_NO_MEMORY;
    if (st != STATUS_OK)
        return st;
    t->processes[t->processes_len] = *p;
    *id = (uint32_t)t->processes_len++;
    t->by_process.indexed = t->processes_len;
    return STATUS_OK;
}

static uint64_t thread_key(const struct model_thread *th)
{
    return map_mix(map_mix(th->tid) ^ map_pair(th->process, th->name));
}

static bool same_thread(const struct model_thread *a, const struct model_thread *b)
{
    return a->process == b->process && a->tid == b->tid && a->name == b->name;
}

static bool index_threads(struct tables *t)
{
    struct tables_index *index = &t->by_thread;
    for (; index->indexed < t->threads_len; index->indexed++) {
        if (!rows_index(&index->map, thread_key(&t->threads[index->indexed]), index->indexed))
            return false;
    }
    return true;
}

enum status tables_thread(struct tables *t, const struct model_thread *th, uint32_t *id)
{
    /* A format without processes has none: process 0 is then understood. */
    bool has_process = th->process == 0 || th->process < t->processes_len;
    if (!has_process || th->name >= t->strings.len)
        return STATUS_INVALID;
    if (!index_threads(t))
        return STATUS_NO_MEMORY;
    uint64_t key = thread_key(th);
    const uint32_t *row = map_find(&t->by_thread.map, key);
    for (; row; row = map_find(&t->by_thread.map, key = rows_next_key(key))) {
        if (same_thread(&t->threads[*row], th)) {
            *id = *row;
            return STATUS_OK;
        }
    }
    enum status st = rows_reserve(&t->threads, &t->threads_cap, t->threads_len);
    if (st == STATUS_OK && !map_put(&t->by_thread.map, key, (uint32_t)t->threads_len))
        st = STATUS_NO_MEMORY;
    if (st != STATUS_OK)
        return st;
    t->threads[t->threads_len] = *th;
    *id = (uint32_t)t->threads_len++;
    t->by_thread.indexed = t->threads_len;
    return STATUS_OK;
}

static uint64_t labels_key(const struct model_label *labels, size_t len)
{
    uint64_t key = len;
    for (size_t i = 0; i < len; i++)
        key = map_mix(map_mix(key ^ map_pair(labels[i].key, labels[i].value)) + labels[i].unit);
    return key;
}

static bool same_labels(const struct model_label *a, const struct model_label *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (a[i].key != b[i].key || a[i].value != b[i].value || a[i].unit != b[i].unit)
            return false;
    }
    return true;
}

static const struct model_label *labels_of(const struct tables *t, size_t row)
{
    return t->labels ? t->labels + t->label_sets[row].first : NULL;
}

static bool index_label_sets(struct tables *t)
{
    struct tables_index *index = &t->by_label_set;
    for (; index->indexed < t->label_sets_len; index->indexed++) {
        const struct model_label_set *set = &t->label_sets[index->indexed];
        uint64_t key = labels_key(labels_of(t, index->indexed), set->len);
        if (!rows_index(&index->map, key, index->indexed))
            return false;
    }
    return true;
}

static enum status append_label_set(struct tables *t, const struct model_label *labels, size_t len,
                                    uint64_t key)
{
    enum status st = rows_reserve(&t->label_sets, &t->label_sets_cap, t->label_sets_len);
    if (st == STATUS_OK && t->labels_len + len > TABLES_MAX_ROWS)
        st = STATUS_TOO_LARGE;
    if (st == STATUS_OK && !array_reserve(&t->labels, &t->labels_cap, t->labels_len + len))
        st = STATUS_NO_MEMORY;
    if (st == STATUS_OK && !map_put(&t->by_label_set.map, key, (uint32_t)t->label_sets_len))
        st = STATUS_NO_MEMORY;
    if (st != STATUS_OK)
        return st;
    for (size_t i = 0; i < len; i++)
        t->labels[t->labels_len + i] = labels[i];
    t->label_sets[t->label_sets_len++] =
        (struct model_label_set){.first = (uint32_t)t->labels_len, .len = (uint32_t)len};
    t->labels_len += len;
    t->by_label_set.indexed = t->label_sets_len;
    return STATUS_OK;
}

enum status tables_label_set(struct tables *t, const struct model_label *labels, size_t len,
                             uint32_t *id)
{
    if (len > TABLES_MAX_LABELS)
        return STATUS_TOO_LARGE;
    size_t strings = t->strings.len;
    for (size_t i = 0; i < len; i++) {
        if (labels[i].key >= strings || labels[i].value >= strings || labels[i].unit >= strings)
            return STATUS_INVALID;
    }
    if (!index_label_sets(t))
        return STATUS_NO_MEMORY;
    uint64_t key = labels_key(labels, len);
    const uint32_t *row = map_find(&t->by_label_set.map, key);
    for (; row; row = map_find(&t->by_label_set.map, key = rows_next_key(key))) {
        const struct model_label_set *set = &t->label_sets[*row];
        if (set->len == len && same_labels(labels_of(t, *row), labels, len)) {
            *id = *row;
            return STATUS_OK;
        }
    }
    enum status st = append_label_set(t, labels, len, key);
    if (st == STATUS_OK)
        *id = (uint32_t)t->label_sets_len - 1;
    return st;
}
