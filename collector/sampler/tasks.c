#include "collector/sampler/tasks.h"

#include <string.h>
#include <sys/uio.h>

#include "collector/target/python_find.h"
#include "common/base/clock.h"
#include "common/wire/wire.h"

/* A look that finds nothing is repeated after so many times what it took, and a part of how long
 * it has been looked for: asyncio that is imported late is missed for a sixteenth of that time. */
enum { LOOK_COSTS = 200, LOOK_PART = 16 };
static const uint64_t look_max_ns = 16000000000;

void task_names_init(struct task_names *n, struct stack_table *stacks)
{
    *n = (struct task_names){.stacks = stacks};
    map_init(&n->frames);
}

void task_names_deinit(struct task_names *n)
{
    map_deinit(&n->frames);
}

/* FNV-1a */
static uint64_t hash_of(const uint8_t *data, size_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return hash;
}

static bool is_numbered(const struct buf *name)
{
    static const char prefix[] = "Task-";
    size_t at = sizeof(prefix) - 1;
    if (name->len <= at || memcmp(name->data, prefix, at) != 0)
        return false;
    while (at < name->len && name->data[at] >= '0' && name->data[at] <= '9')
        at++;
    return at == name->len;
}

static bool frame_of_name(struct task_names *n, const struct buf *name, uint32_t *frame)
{
    uint64_t key = hash_of(name->data, name->len);
    const uint32_t *known = map_find(&n->frames, key);
    if (known) {
        *frame = *known;
        return true;
    }
    bool is_number = is_numbered(name);
    size_t *count = is_number ? &n->numbered : &n->named;
    if (*count >= (is_number ? TASKS_NUMBERED_MAX : TASKS_NAMED_MAX)) {
        const char *text = is_number ? "Task-*" : "(other tasks)";
        n->is_folded = true;
        return stack_table_mark(n->stacks, text, strlen(text), WIRE_TASK, frame);
    }
    if (!stack_table_mark(n->stacks, (const char *)name->data, name->len, WIRE_TASK, frame) ||
        !map_put(&n->frames, key, *frame))
        return false;
    ++*count;
    return true;
}

/* ---- finding them ---- */

static bool look(struct task_finder *f, const struct task_place *place)
{
    struct memory_reader reader = target_memory_reader(place->memory);
    uint8_t bytes[PYTHON_ASYNCIO_BYTES];
    uint64_t address;
    uint64_t size;
    if (place->layout->task_coroutine != PYTHON_NO_FIELD)
        return python_tasks_find(&f->tasks, place->layout, &reader, place->interp);
    return python_find_section(place->pid, "_asyncio", ".AsyncioDebug", &address, &size) &&
           size >= sizeof(bytes) && memory_read(&reader, address, bytes, sizeof(bytes)) &&
           python_tasks_from_debug(&f->tasks, bytes, sizeof(bytes));
}

bool tasks_find(struct task_finder *f, const struct task_place *place)
{
    if (!f->is_found)
        f->is_found = look(f, place);
    return f->is_found;
}

/* Programs with generators and no asyncio are looked through ever more rarely. */
static bool find_now_and_then(struct task_finder *f, const struct task_place *place, uint64_t now)
{
    if (f->is_found)
        return true;
    if (now < f->look_ns)
        return false;
    if (f->first_look_ns == 0)
        f->first_look_ns = now;
    uint64_t begin_ns = clock_monotonic_ns();
    bool is_found = tasks_find(f, place);
    uint64_t wait_ns = (clock_monotonic_ns() - begin_ns) * LOOK_COSTS;
    if (wait_ns < (now - f->first_look_ns) / LOOK_PART)
        wait_ns = (now - f->first_look_ns) / LOOK_PART;
    f->look_ns = now + (wait_ns < look_max_ns ? wait_ns : look_max_ns);
    return is_found;
}

/* ---- the running one ---- */

static void *pointer_to(uint64_t address)
{
    return (void *)(uintptr_t)address; /* in the other process */
}

/* The same task as last time, by one read: its coroutine, its name's object and that one's bytes.
 */
static bool is_last(const struct task_finder *f, const struct task_view *last,
                    const struct task_place *place)
{
    uint64_t running = last->task;
    uint64_t coroutine;
    uint64_t name;
    uint8_t bytes[TASK_NAME_BYTES];
    struct iovec local[4] = {{&coroutine, 8}, {&name, 8}, {bytes, sizeof(bytes)}, {&running, 8}};
    struct iovec remote[4] = {
        {pointer_to(last->task + f->tasks.coroutine), 8},
        {pointer_to(last->task + f->tasks.name), 8},
        {pointer_to(last->name), sizeof(bytes)},
        {pointer_to(place->tstate + f->tasks.running), 8},
    };
    size_t len = f->tasks.running != 0 ? 4 : 3;
    ssize_t want = (ssize_t)(2 * 8 + sizeof(bytes) + (len == 4 ? 8 : 0));
    if (last->task == 0 || !last->is_whole)
        return false;
    return process_vm_readv(place->pid, local, len, remote, len, 0) == want &&
           running == last->task && coroutine == last->coroutine && name == last->name &&
           memcmp(bytes, last->name_bytes, sizeof(bytes)) == 0;
}

static size_t index_of(const struct python_frame *frames, size_t len, uint64_t generator)
{
    for (size_t i = len; i-- > 0;) { /* the task is nearer to the root */
        if (frames[i].generator == generator)
            return i;
    }
    return len;
}

/* Reads a task anew; false when its coroutine is not on the stack or it has no name. */
static bool view(const struct task_finder *f, struct task_names *names,
                 const struct task_place *place, uint64_t task, struct task_view *out)
{
    struct memory_reader reader = target_memory_reader(place->memory);
    struct task_view v = {.task = task};
    struct buf text;
    if (!memory_read_u64(&reader, task + f->tasks.coroutine, &v.coroutine) ||
        !memory_read_u64(&reader, task + f->tasks.name, &v.name))
        return false;
    v.is_whole = memory_read(&reader, v.name, v.name_bytes, sizeof(v.name_bytes));
    buf_init(&text, 0);
    bool is_named = python_task_name(place->layout, &reader, v.name, &text) && text.len > 0 &&
                    frame_of_name(names, &text, &v.frame);
    /* A short text lies whole in the bytes that are compared: the header is of 64 at most. */
    v.is_whole = v.is_whole && text.len <= TASK_NAME_BYTES - 64;
    buf_deinit(&text);
    if (is_named)
        *out = v;
    return is_named;
}

static bool has_generators(const struct python_frame *frames, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (frames[i].generator != 0)
            return true;
    }
    return false;
}

/* Where its outermost coroutine is in the stack; `len` = nowhere. */
static size_t find_running(struct task_finder *f, struct task_names *names, struct task_view *last,
                           const struct task_place *place, const struct python_frame *frames,
                           size_t len)
{
    uint64_t running[PYTHON_RUNNING_MAX];
    struct memory_reader reader = target_memory_reader(place->memory);
    size_t at = last->task != 0 ? index_of(frames, len, last->coroutine) : len;
    if (at < len && is_last(f, last, place))
        return at;
    size_t count = python_tasks_running(&f->tasks, place->layout, &reader, place->tstate, running);
    for (size_t i = 0; i < count; i++) {
        uint64_t coroutine;
        if (!memory_read_u64(&reader, running[i] + f->tasks.coroutine, &coroutine))
            continue;
        at = coroutine != 0 ? index_of(frames, len, coroutine) : len;
        if (at < len && view(f, names, place, running[i], last) && last->coroutine == coroutine)
            return at;
    }
    return len;
}

void tasks_mark(struct task_finder *f, struct task_names *names, struct task_view *last,
                const struct task_place *place, uint64_t now, struct python_frame *frames,
                size_t *len)
{
    if (!has_generators(frames, *len) || !find_now_and_then(f, place, now))
        return;
    size_t at = find_running(f, names, last, place, frames, *len);
    if (at == *len)
        return;
    memmove(&frames[at + 2], &frames[at + 1], (*len - at - 1) * sizeof(*frames));
    frames[at + 1] = (struct python_frame){.ip = last->frame};
    ++*len;
}
