/* Drives the sampler for the tests and the benchmark, without a server: samples a command or a
 * process, and prints what reached the stream as collapsed stacks.
 *
 *   sampler_probe [--rate HZ] [--duration S] [--mode wall|cpu|gil|exception] [--exceptions]
 *                 [--never-stop] [--stop-share F] [--native] [--quiet] (PID | -- COMMAND...)
 *
 * stdout: thread;function (file:line);... samples wall_ns cpu_ns stopped has_gil wants_gil in_gc
 *         has_exception
 *         with --native each native function is preceded by a "~", other marks by a "!"
 * stderr: one JSON line with the sampler's counters. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "collector/procstat/procstat.h"
#include "collector/sampler/sampler.h"
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/map.h"

struct tables {
    struct arena *arena;
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
    struct line {
        uint32_t thread, stack;
        uint64_t samples, stopped, has_gil, wants_gil, in_gc, has_exception;
        int64_t wall, cpu;
    } * lines;
    size_t lines_len, lines_cap;
    struct map by_stack;
    bool is_quiet, is_native;
    struct {
        char name[48];
        uint64_t value;
    } counters[64]; /* as the stream tells them */
    size_t counters_len;
    uint64_t points;
};

#define TAKE_TABLE(field, item)                                                                    \
    for (size_t i = 0; i < batch->field##_len; i++) {                                              \
        size_t at = (size_t)batch->first_##item + i;                                               \
        if (!array_reserve(&t->field, &t->field##_cap, at + 1))                                    \
            abort();                                                                               \
        t->field[at] = batch->field[i];                                                            \
        if (at >= t->field##_len)                                                                  \
            t->field##_len = at + 1;                                                               \
    }

static int64_t value_of(const struct wire_samples *s, size_t column, size_t row)
{
    return s->values[column].value ? s->values[column].value[row] : s->values[column].constant;
}

static void take_samples(struct tables *t, const struct wire_samples *s)
{
    for (size_t i = 0; i < s->len; i++) {
        uint32_t thread = s->thread ? s->thread[i] : 0;
        uint32_t stack = s->stack ? s->stack[i] : 0;
        uint32_t state = s->state ? s->state[i] : 0;
        uint64_t key = map_pair(thread, stack);
        uint32_t *known = map_find(&t->by_stack, key);
        if (!known) {
            if (!array_reserve(&t->lines, &t->lines_cap, t->lines_len + 1) ||
                !map_put(&t->by_stack, key, (uint32_t)t->lines_len))
                abort();
            t->lines[t->lines_len++] = (struct line){.thread = thread, .stack = stack};
            known = map_find(&t->by_stack, key);
        }
        struct line *line = &t->lines[*known];
        line->samples++;
        line->wall += value_of(s, 0, i);
        line->cpu += value_of(s, 1, i);
        line->stopped += (state & WIRE_STOPPED_TO_READ) != 0;
        line->has_gil += (state & WIRE_HAS_GIL) != 0;
        line->wants_gil += (state & WIRE_WANTS_GIL) != 0;
        line->in_gc += (state & WIRE_IN_GC) != 0;
        line->has_exception += (state & WIRE_HAS_EXCEPTION) != 0;
    }
}

static void take_batch(struct tables *t, const struct wire_batch *batch)
{
    TAKE_TABLE(strings, string)
    TAKE_TABLE(functions, function)
    TAKE_TABLE(frames, frame)
    TAKE_TABLE(stacks, stack)
    for (size_t i = 0; i < batch->threads_len; i++) {
        size_t at = batch->threads[i].index;
        if (!array_reserve(&t->threads, &t->threads_cap, at + 1))
            abort();
        t->threads[at] = batch->threads[i];
        if (at >= t->threads_len)
            t->threads_len = at + 1;
    }
    for (size_t i = 0; i < batch->processes_len; i++) {
        size_t at = batch->processes[i].index;
        if (!array_reserve(&t->processes, &t->processes_cap, at + 1))
            abort();
        t->processes[at] = batch->processes[i];
        if (at >= t->processes_len)
            t->processes_len = at + 1;
    }
    for (size_t i = 0; i < batch->samples_len; i++)
        take_samples(t, &batch->samples[i]);
    for (size_t i = 0; i < batch->points_len; i++)
        t->points += batch->points[i].len;
    for (size_t i = 0; i < batch->counters_len; i++) {
        const struct wire_counter *c = &batch->counters[i];
        char name[48];
        snprintf(name, sizeof(name), "%.*s", (int)c->name.len, c->name.data);
        size_t at = 0;
        while (at < t->counters_len && strcmp(t->counters[at].name, name) != 0)
            at++;
        if (at == sizeof(t->counters) / sizeof(t->counters[0]))
            abort();
        if (at == t->counters_len)
            memcpy(t->counters[t->counters_len++].name, name, sizeof(name));
        t->counters[at].value = c->value;
    }
    for (size_t i = 0; i < batch->notices_len; i++)
        fprintf(stderr, "notice: %.*s\n", (int)batch->notices[i].text.len,
                batch->notices[i].text.data);
}

static enum status put(void *ctx, uint64_t seq, const uint8_t *message, size_t len)
{
    struct tables *t = ctx;
    struct wire_to_server decoded;
    struct error err;
    (void)seq;
    if (t->is_quiet)
        return STATUS_OK;
    uint8_t *copy = arena_alloc(t->arena, len);
    if (!copy)
        abort();
    memcpy(copy, message, len);
    enum status st = wire_decode_to_server(&decoded, copy, len, t->arena, &err);
    if (st != STATUS_OK) {
        fprintf(stderr, "cannot decode a batch: %s\n", err.text);
        return st;
    }
    if (decoded.kind == WIRE_BATCH)
        take_batch(t, &decoded.batch);
    return STATUS_OK;
}

static void print_frames(const struct tables *t, uint32_t stack)
{
    if (stack == 0 || stack >= t->stacks_len)
        return;
    print_frames(t, t->stacks[stack].parent);
    const struct wire_frame *frame = &t->frames[t->stacks[stack].frame];
    const struct wire_function *f = &t->functions[frame->function];
    const char *mark = !t->is_native || f->kind == WIRE_PYTHON ? ""
                       : f->kind == WIRE_NATIVE                ? "~"
                                                               : "!";
    printf(";%s%.*s (%.*s:%u)", mark, (int)t->strings[f->name].len, t->strings[f->name].data,
           (int)t->strings[f->file].len, t->strings[f->file].data, frame->line);
}

static void print_lines(const struct tables *t)
{
    for (size_t i = 0; i < t->lines_len; i++) {
        const struct line *l = &t->lines[i];
        const struct wire_thread *thread = &t->threads[l->thread];
        printf("%.*s/%" PRIu64, (int)thread->name.len, thread->name.data, thread->tid);
        print_frames(t, l->stack);
        printf(" %" PRIu64 " %" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
               " %" PRIu64 "\n",
               l->samples, l->wall, l->cpu, l->stopped, l->has_gil, l->wants_gil, l->in_gc,
               l->has_exception);
    }
}

static void print_stats(const struct sampler_stats *s, const struct tables *t, uint64_t ns,
                        int exit_status)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr,
            "{\"seconds\": %.6f, \"ticks\": %" PRIu64 ", \"samples\": %" PRIu64
            ", \"torn\": %" PRIu64 ", \"retried\": %" PRIu64 ", \"stopped\": %" PRIu64
            ", \"stopped_ns\": %" PRIu64 ", \"skipped\": %" PRIu64 ", \"missed\": %" PRIu64
            ", \"errors\": %" PRIu64 ", \"reads\": %" PRIu64
            ", \"cpu_seconds\": %.6f, \"points\": %" PRIu64 ", \"processes\": %zu"
            ", \"rss_kib\": %ld, \"exit\": %d",
            (double)ns / 1e9, s->ticks, s->samples, s->torn, s->retried, s->stopped, s->stopped_ns,
            s->skipped, s->missed, s->errors, s->reads, (double)s->cpu_ns / 1e9, t->points,
            t->processes_len, usage.ru_maxrss, exit_status);
    for (size_t i = 0; i < t->counters_len; i++)
        fprintf(stderr, "%s\"%s\": %" PRIu64, i ? ", " : ", \"counters\": {", t->counters[i].name,
                t->counters[i].value);
    fprintf(stderr, "%s}\n", t->counters_len ? "}" : "");
}

int main(int argc, char **argv)
{
    struct sampler_options options = {.rate_hz = 100};
    struct target_options target_options = {.follow_children = true};
    struct tables t = {0};
    double duration = 0;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--") == 0)
            break;
        if (strcmp(argv[at], "--exceptions") == 0)
            options.exceptions = true;
        else if (strcmp(argv[at], "--never-stop") == 0)
            options.never_stop = true;
        else if (strcmp(argv[at], "--quiet") == 0)
            t.is_quiet = true;
        else if (strcmp(argv[at], "--native") == 0)
            options.native = t.is_native = true;
        else if (at + 1 < argc && strcmp(argv[at], "--rate") == 0)
            options.rate_hz = strtod(argv[++at], NULL);
        else if (at + 1 < argc && strcmp(argv[at], "--duration") == 0)
            duration = strtod(argv[++at], NULL);
        else if (at + 1 < argc && strcmp(argv[at], "--stop-share") == 0)
            options.stop_share = strtod(argv[++at], NULL);
        else if (at + 1 < argc && strcmp(argv[at], "--mode") == 0)
            options.mode = strcmp(argv[++at], "cpu") == 0       ? SAMPLER_CPU
                           : strcmp(argv[at], "gil") == 0       ? SAMPLER_GIL
                           : strcmp(argv[at], "exception") == 0 ? SAMPLER_EXCEPTION
                                                                : SAMPLER_WALL;
    }
    if (at >= argc)
        return 2;

    struct error err;
    struct target *target;
    struct stream *stream;
    struct sampler *sampler;
    struct procstat *procstat;
    bool is_command = strcmp(argv[at], "--") == 0;
    enum status st = is_command
                         ? target_spawn(&target, argv + at + 1, &target_options, &err)
                         : target_attach(&target, (pid_t)atoi(argv[at]), &target_options, &err);
    uint64_t begin = clock_monotonic_ns();
    if (st == STATUS_OK)
        st = stream_new(&stream, begin, NULL);
    if (st == STATUS_OK)
        st = sampler_open(&sampler, target, stream, &options, &err);
    if (st == STATUS_OK)
        st = procstat_open(&procstat, target, stream, &(struct procstat_options){0}, &err);
    if (st != STATUS_OK) {
        fprintf(stderr, "sampler_probe: %s\n", err.text);
        return status_exit_code(st);
    }
    map_init(&t.by_stack);
    t.arena = arena_new();
    if (!array_reserve(&t.strings, &t.strings_cap, 1))
        abort();
    t.strings[0] = (struct wire_bytes){0}; /* is never sent */
    size_t messages;
    while (target_update(target, 50) &&
           (duration <= 0 || (double)(clock_monotonic_ns() - begin) < duration * 1e9))
        stream_take(stream, put, &t, &messages);
    if (is_command)
        target_signal(target, SIGTERM);

    struct sampler_stats stats;
    uint64_t ns = clock_monotonic_ns() - begin;
    procstat_close(procstat);
    sampler_set_paused(sampler, true);
    (void)clock_sleep_until(clock_monotonic_ns() + 150000000);
    sampler_stats(sampler, &stats);
    sampler_close(sampler);
    stream_take(stream, put, &t, &messages);
    int exit_status = -1;
    for (int i = 0; i < 40 && is_command && !target_exit_status(target, &exit_status); i++)
        target_update(target, 50);
    if (!t.is_quiet)
        print_lines(&t);
    print_stats(&stats, &t, ns, exit_status);
    target_close(target);
    stream_free(stream);
    map_deinit(&t.by_stack);
    arena_free(t.arena);
    free(t.strings);
    free(t.functions);
    free(t.frames);
    free(t.stacks);
    free(t.threads);
    free(t.processes);
    free(t.lines);
    return 0;
}
