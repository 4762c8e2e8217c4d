#include "collector/sampler/thread.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/native/capture.h"
#include "common/base/array.h"

/* A running thread's count moves at least with every timer tick (10 ms at 100 Hz): one that did not
 * for longer, and was not put on a CPU either, sleeps. */
static const uint64_t sleep_after_ns = 15000000;

bool thread_init(struct sampled_thread *t, const struct python_layout *layout,
                 struct target_memory *memory, uint64_t tstate, pid_t pid, pid_t tid)
{
    thread_init_plain(t, pid, tid);
    t->has_python = true;
    reading_init(&t->reading, layout, memory, tstate);
    return reading_compile(&t->reading);
}

void thread_init_plain(struct sampled_thread *t, pid_t pid, pid_t tid)
{
    *t = (struct sampled_thread){.tid = tid, .schedstat = -1, .syscall = -1, .last_row = ROWS_NONE};
    if (tid > 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
        t->schedstat = open(path, O_RDONLY | O_CLOEXEC);
    }
}

void thread_deinit(struct sampled_thread *t)
{
    reading_deinit(&t->reading);
    if (t->schedstat >= 0)
        close(t->schedstat);
    if (t->syscall >= 0)
        close(t->syscall);
    free(t->path);
    if (t->capture)
        capture_deinit(t->capture);
    free(t->capture);
    *t = (struct sampled_thread){.schedstat = -1, .syscall = -1};
}

bool thread_read_name(struct sampled_thread *t, pid_t pid)
{
    char path[64];
    char name[THREAD_NAME_MAX];
    if (t->has_own_name)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, (int)t->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, name, sizeof(name) - 1);
    close(fd);
    if (got <= 0)
        return false;
    name[got] = '\0';
    name[strcspn(name, "\n")] = '\0';
    if (strcmp(name, t->name) == 0)
        return false;
    memcpy(t->name, name, sizeof(name));
    return true;
}

bool thread_take_name(struct sampled_thread *t, const struct buf *name)
{
    size_t len = name->len < THREAD_NAME_MAX - 1 ? name->len : THREAD_NAME_MAX - 1;
    while (len > 0 && len < name->len && (name->data[len] & 0xc0) == 0x80)
        len--; /* not within a character */
    if (len == 0 || (strlen(t->name) == len && memcmp(t->name, name->data, len) == 0))
        return false;
    memcpy(t->name, name->data, len);
    t->name[len] = '\0';
    t->has_own_name = true;
    return true;
}

static const char *parse_u64(const char *at, uint64_t *out)
{
    uint64_t value = 0;
    while (*at >= '0' && *at <= '9')
        value = value * 10 + (uint64_t)(*at++ - '0');
    *out = value;
    return *at == ' ' ? at + 1 : at;
}

void thread_read_cpu(struct sampled_thread *t, uint64_t now)
{
    char text[96];
    uint64_t run_ns;
    uint64_t ready_ns;
    uint64_t runs;
    ssize_t got = t->schedstat >= 0 ? pread(t->schedstat, text, sizeof(text) - 1, 0) : -1;
    if (got <= 0) {
        t->is_asleep = false;
        return;
    }
    text[got] = '\0';
    parse_u64(parse_u64(parse_u64(text, &run_ns), &ready_ns), &runs);
    if (t->read_ns != 0 && run_ns > t->run_ns)
        t->unsettled_ns += run_ns - t->run_ns;
    if (t->read_ns != 0 && ready_ns > t->ready_ns)
        t->unsettled_ready_ns += ready_ns - t->ready_ns;
    if (t->read_ns == 0 || run_ns != t->run_ns || runs != t->runs)
        t->changed_ns = now;
    t->is_asleep = now - t->changed_ns > sleep_after_ns;
    t->run_ns = run_ns;
    t->ready_ns = ready_ns;
    t->runs = runs;
    t->read_ns = now;
}

bool thread_runs(const struct sampled_thread *t, uint64_t *runs)
{
    char text[96];
    uint64_t ns;
    ssize_t got = t->schedstat >= 0 ? pread(t->schedstat, text, sizeof(text) - 1, 0) : -1;
    if (got <= 0)
        return false;
    text[got] = '\0';
    parse_u64(parse_u64(parse_u64(text, &ns), &ns), runs);
    return true;
}

uint64_t thread_futex(struct sampled_thread *t, pid_t pid, uint64_t now, uint64_t every_ns)
{
    char text[64];
    if (now - t->futex_ns < every_ns)
        return t->futex;
    t->futex_ns = now;
    t->futex = 0;
    if (t->syscall < 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid, (int)t->tid);
        t->syscall = open(path, O_RDONLY | O_CLOEXEC);
    }
    ssize_t got = t->syscall >= 0 ? pread(t->syscall, text, sizeof(text) - 1, 0) : -1;
    if (got <= 0)
        return 0;
    text[got] = '\0';
    /* proc(5): the number of the call it blocks in, then its arguments; a futex's is its address.
     */
    char *rest;
    unsigned long number = strtoul(text, &rest, 10);
    if (rest != text && number == SYS_futex)
        t->futex = strtoull(rest, NULL, 16);
    return t->futex;
}

enum {
    SHARE_ONE = 1 << 20,
    UNSTEADY_FROM = SHARE_ONE / 10, /* of the first readings in vain */
    STEADY_FROM = SHARE_ONE / 14,
    NOTES = 256, /* of which the share is taken, about */
    NOTES_MIN = 32,
};

void thread_note_first(struct sampled_thread *t, bool was_good)
{
    int32_t now = was_good ? 0 : SHARE_ONE;
    t->notes += t->notes < NOTES;
    t->torn_share += (now - t->torn_share) / t->notes;
    t->is_unsteady =
        t->notes >= NOTES_MIN && t->torn_share > (t->is_unsteady ? STEADY_FROM : UNSTEADY_FROM);
}

void thread_forget_path(struct sampled_thread *t)
{
    t->path_len = 0;
    t->node = 0; /* also for one that sleeps: it is read again */
    t->is_asleep = false;
    t->changed_ns = t->read_ns;
}

bool thread_intern(struct sampled_thread *t, struct code_table *codes,
                   const struct memory_reader *reader, const struct python_frame *frames,
                   size_t len, uint32_t *node)
{
    if (!array_reserve(&t->path, &t->path_cap, len))
        return false;
    /* Most of a stack is as it was. */
    size_t same = 0;
    size_t common = t->path_len < len ? t->path_len : len;
    while (same < common && t->path[same].code == frames[len - 1 - same].code &&
           t->path[same].ip == frames[len - 1 - same].ip)
        same++;

    uint32_t parent = same > 0 ? t->path[same - 1].node : 0;
    for (size_t i = same; i < len; i++) {
        const struct python_frame *f = &frames[len - 1 - i];
        uint32_t frame;
        t->path_len = i;
        if (!code_table_frame(codes, reader, f, &frame) ||
            !stack_table_node(codes->stacks, parent, frame, &parent))
            return false;
        t->path[i].code = f->code;
        t->path[i].ip = f->ip;
        t->path[i].node = parent;
    }
    t->path_len = len;
    *node = parent;
    return true;
}
