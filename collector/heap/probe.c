/* heap_probe: runs a command with the agent, drains it, and prints what the stream was told as one
 * JSON object: the collector's memory side alone, for tests and benchmarks.
 *
 *   heap_probe AGENT exact|sampled [--every BYTES] [--interval MS] [--no-rows] [--paths] -- COMMAND
 * [ARG...]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/heap/heap.h"
#include "collector/stream/stream.h"
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/json_out.h"
#include "common/base/map.h"

enum { VALUES = 7 };

/* Rows are summed by (stack, process, domain). */
struct sum {
    uint32_t stack;
    uint64_t process;
    uint32_t domain;
    int64_t value[VALUES];
};

struct collected {
    struct wire_bytes *strings;
    size_t strings_len, strings_cap;
    struct wire_function *functions;
    size_t functions_len, functions_cap;
    struct wire_frame *frames;
    size_t frames_len, frames_cap;
    struct wire_stack *stacks;
    size_t stacks_len, stacks_cap;
    struct wire_thread *threads;
    size_t threads_len, threads_cap;
    struct wire_process *processes;
    size_t processes_len, processes_cap;
    struct sum *sums;
    size_t sums_len, sums_cap;
    struct wire_span *spans;
    size_t spans_len, spans_cap;
    struct map sum_of;
    uint64_t points, rows, last_time_ns;
    bool is_disordered;
    double highest;
};

static void *must(void *p)
{
    if (!p) {
        fputs("heap_probe: no memory\n", stderr);
        exit(3);
    }
    return p;
}

#define APPEND(c, list, row)                                                                       \
    do {                                                                                           \
        if (!array_reserve(&(c)->list, &(c)->list##_cap, (c)->list##_len + 1))                     \
            must(NULL);                                                                            \
        (c)->list[(c)->list##_len++] = (row);                                                      \
    } while (0)

static struct wire_bytes keep(struct wire_bytes b)
{
    char *copy = must(malloc(b.len + 1));
    memcpy(copy, b.data, b.len);
    copy[b.len] = '\0';
    return (struct wire_bytes){copy, b.len};
}

static void add_sample(struct collected *c, const struct wire_samples *s, size_t i)
{
    uint32_t stack = s->stack ? s->stack[i] : 0;
    const struct wire_thread *thread = &c->threads[s->thread ? s->thread[i] : 0];
    uint32_t domain = s->state ? s->state[i] >> 6 : 0;
    uint64_t key = map_mix(map_pair(stack, domain)) ^ thread->process;
    uint32_t *known = map_find(&c->sum_of, key);
    if (!known) {
        struct sum fresh = {.stack = stack, .process = thread->process, .domain = domain};
        if (!map_put(&c->sum_of, key, (uint32_t)c->sums_len))
            must(NULL);
        APPEND(c, sums, fresh);
        known = map_find(&c->sum_of, key);
    }
    struct sum *sum = &c->sums[*known];
    for (size_t v = 0; v < s->values_len && v < VALUES; v++)
        sum->value[v] += s->values[v].value ? s->values[v].value[i] : s->values[v].constant;
    if (s->time_ns[i] < c->last_time_ns)
        c->is_disordered = true;
    c->last_time_ns = s->time_ns[i];
    c->rows++;
}

static enum status collect(void *ctx, uint64_t seq, const uint8_t *message, size_t len)
{
    struct collected *c = ctx;
    struct error err;
    struct wire_to_server m;
    struct arena *arena = must(arena_new());
    (void)seq;
    if (wire_decode_to_server(&m, message, len, arena, &err) != STATUS_OK) {
        fprintf(stderr, "heap_probe: %s\n", err.text);
        exit(3);
    }
    const struct wire_batch *b = &m.batch;
    for (size_t i = 0; i < b->strings_len; i++)
        APPEND(c, strings, keep(b->strings[i]));
    for (size_t i = 0; i < b->functions_len; i++)
        APPEND(c, functions, b->functions[i]);
    for (size_t i = 0; i < b->frames_len; i++)
        APPEND(c, frames, b->frames[i]);
    for (size_t i = 0; i < b->stacks_len; i++)
        APPEND(c, stacks, b->stacks[i]);
    for (size_t i = 0; i < b->threads_len; i++) {
        if (b->threads[i].index == c->threads_len)
            APPEND(c, threads, b->threads[i]);
    }
    for (size_t i = 0; i < b->processes_len; i++) {
        if (b->processes[i].index == c->processes_len)
            APPEND(c, processes, b->processes[i]);
    }
    for (size_t i = 0; i < b->spans_len; i++)
        APPEND(c, spans, b->spans[i]);
    for (size_t i = 0; i < b->samples_len; i++) {
        for (size_t k = 0; k < b->samples[i].len; k++)
            add_sample(c, &b->samples[i], k);
    }
    for (size_t i = 0; i < b->points_len; i++) {
        c->points += b->points[i].len;
        for (size_t k = 0; k < b->points[i].len; k++) {
            if (b->points[i].value[k] > c->highest)
                c->highest = b->points[i].value[k];
        }
    }
    arena_free(arena);
    return STATUS_OK;
}

static void put_u64(struct json_out *j, const char *key, uint64_t value)
{
    json_put_u64(j, key, value);
}

static void put_i64(struct json_out *j, const char *key, int64_t value)
{
    json_out_key(j, key);
    json_out_i64(j, value);
}

/* The names from the root on, with semicolons between them. */
static void put_path(struct json_out *j, const struct collected *c, uint32_t stack)
{
    uint32_t way[512];
    size_t len = 0;
    struct buf path;
    for (; stack && len < sizeof(way) / sizeof(way[0]); stack = c->stacks[stack].parent)
        way[len++] = c->functions[c->frames[c->stacks[stack].frame].function].name;
    buf_init(&path, 0);
    while (len > 0) {
        const struct wire_bytes *name = &c->strings[way[--len]];
        buf_put(&path, name->data, name->len);
        if (len > 0)
            buf_put_byte(&path, ';');
    }
    json_put_string(j, "path", (const char *)path.data, path.len);
    buf_deinit(&path);
}

static void put_sums(struct json_out *j, const struct collected *c, bool has_paths)
{
    static const char *const domains[] = {"object", "malloc", "mmap", "unknown"};
    json_out_key(j, "sums");
    json_out_array(j);
    for (size_t i = 0; i < c->sums_len; i++) {
        const struct sum *s = &c->sums[i];
        const struct wire_frame *frame = &c->frames[c->stacks[s->stack].frame];
        const struct wire_function *f = &c->functions[frame->function];
        json_out_object(j);
        json_put_string(j, "function", c->strings[f->name].data, c->strings[f->name].len);
        json_put_string(j, "file", c->strings[f->file].data, c->strings[f->file].len);
        put_u64(j, "line", frame->line);
        put_u64(j, "pid", s->process < c->processes_len ? c->processes[s->process].pid : 0);
        json_out_key(j, "domain");
        json_out_text(j, domains[s->domain & 3]);
        if (has_paths)
            put_path(j, c, s->stack);
        put_i64(j, "allocated", s->value[0]);
        put_i64(j, "allocations", s->value[1]);
        put_i64(j, "freed", s->value[2]);
        put_i64(j, "frees", s->value[3]);
        put_i64(j, "temporary", s->value[4]);
        put_i64(j, "temporaries", s->value[5]);
        json_out_end(j);
    }
    json_out_end(j);
}

static void put_spans(struct json_out *j, const struct collected *c)
{
    json_out_key(j, "spans");
    json_out_array(j);
    for (size_t i = 0; i < c->spans_len; i++) {
        const struct wire_span *s = &c->spans[i];
        json_out_object(j);
        json_put_string(j, "name", c->strings[s->name].data, c->strings[s->name].len);
        put_u64(j, "begin_ns", s->begin_ns);
        put_u64(j, "end_ns", s->end_ns);
        put_u64(j, "tid", c->threads[s->thread].tid);
        put_u64(j, "level", s->level);
        json_put_f64(j, "begin_bytes", s->begin_value);
        json_put_f64(j, "end_bytes", s->end_value);
        json_out_end(j);
    }
    json_out_end(j);
}

static void print_all(const struct collected *c, const struct heap_totals *t, int status,
                      bool has_rows, bool has_paths, uint64_t own_cpu_ns)
{
    struct buf out;
    struct json_out j;
    struct rusage children;
    struct rusage own;
    getrusage(RUSAGE_CHILDREN, &children);
    getrusage(RUSAGE_SELF, &own);
    buf_init(&out, 0);
    json_out_init(&j, &out);
    json_out_object(&j);
    put_i64(&j, "status", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    put_u64(&j, "allocated_bytes", t->allocated_bytes);
    put_u64(&j, "allocations", t->allocations);
    put_u64(&j, "freed_bytes", t->freed_bytes);
    put_u64(&j, "frees", t->frees);
    put_u64(&j, "in_use_bytes", t->in_use_bytes);
    put_u64(&j, "peak_bytes", t->peak_bytes);
    put_u64(&j, "events", t->events);
    put_u64(&j, "lost", t->lost);
    put_u64(&j, "waits", t->waits);
    put_u64(&j, "unknown_frees", t->unknown_frees);
    put_u64(&j, "inherited_frees", t->inherited_frees);
    put_u64(&j, "processes", t->processes);
    put_u64(&j, "threads", t->threads);
    put_u64(&j, "stacks", t->stacks);
    put_u64(&j, "table_bytes", t->table_bytes);
    put_u64(&j, "peak_blocks", t->peak_blocks);
    put_u64(&j, "rows", c->rows);
    put_u64(&j, "points", c->points);
    json_put_f64(&j, "highest_point", c->highest);
    json_put_bool(&j, "is_ordered", !c->is_disordered);
    put_u64(&j, "target_cpu_us",
            (uint64_t)(children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000 +
                (uint64_t)(children.ru_utime.tv_usec + children.ru_stime.tv_usec));
    put_u64(&j, "target_max_rss_kib", (uint64_t)children.ru_maxrss);
    put_u64(&j, "collector_cpu_us", own_cpu_ns / 1000);
    put_u64(&j, "collector_max_rss_kib", (uint64_t)own.ru_maxrss);
    put_spans(&j, c);
    if (has_rows)
        put_sums(&j, c, has_paths);
    json_out_end(&j);
    fwrite(out.data, 1, out.len, stdout);
    fputc('\n', stdout);
    buf_deinit(&out);
}

static pid_t start(const struct heap *h, char **command)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (const char *const *e = heap_environment(h); *e; e++)
        putenv((char *)(uintptr_t)*e);
    /* Standard output is the result's: the command talks on standard error. */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(command[0], command);
    fprintf(stderr, "heap_probe: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

static void take(struct stream *s, struct collected *c)
{
    size_t messages;
    if (stream_take(s, collect, c, &messages) != STATUS_OK)
        must(NULL);
}

int main(int argc, char **argv)
{
    struct heap_options options = {0};
    bool has_rows = true;
    bool has_paths = false;
    int i = 3;
    if (argc < 4)
        return 2;
    options.agent_path = argv[1];
    options.mode = strcmp(argv[2], "exact") == 0 ? HEAP_EXACT : HEAP_SAMPLED;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--no-rows") == 0)
            has_rows = false;
        else if (strcmp(argv[i], "--paths") == 0)
            has_paths = true;
        else if (strcmp(argv[i], "--every") == 0 && i + 1 < argc)
            options.every_bytes = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--interval") == 0 && i + 1 < argc)
            options.interval_ns = strtoull(argv[++i], NULL, 10) * 1000000;
        else
            return 2;
    }
    if (i + 1 >= argc)
        return 2;

    struct error err;
    struct stream *stream = NULL;
    struct heap *heap = NULL;
    struct collected c = {0};
    map_init(&c.sum_of);
    APPEND(&c, strings, keep((struct wire_bytes){"", 0}));
    APPEND(&c, functions, (struct wire_function){0});
    APPEND(&c, frames, (struct wire_frame){0});
    APPEND(&c, stacks, (struct wire_stack){0});
    if (stream_new(&stream, clock_monotonic_ns(), NULL) != STATUS_OK)
        must(NULL);
    if (heap_open(&heap, stream, &options, &err) != STATUS_OK) {
        fprintf(stderr, "heap_probe: %s\n", err.text);
        return 3;
    }
    int status = 0;
    pid_t pid = start(heap, argv + i + 1);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        clock_sleep_until(clock_monotonic_ns() + 20000000);
        take(stream, &c);
    }
    clock_sleep_until(clock_monotonic_ns() + 50000000);
    heap_flush(heap);
    struct heap_totals totals;
    heap_totals(heap, &totals);
    heap_close(heap);
    uint64_t own_cpu_ns = clock_process_cpu_ns();
    take(stream, &c);
    print_all(&c, &totals, status, has_rows, has_paths, own_cpu_ns);
    stream_free(stream);
    return 0;
}
