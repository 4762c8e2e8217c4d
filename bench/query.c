/* How long a question about a large profile takes: 10 million samples of 8 threads on 1 million
 * distinct stacks (10,000 functions, 6 to 19 frames, 2.3 million rows), in memory as a server holds
 * it. CPU time of this thread, the least of several runs; the first question also builds the tree
 * the others share. bench_query.py builds and runs it. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/callers.h"
#include "backend/query/flame.h"
#include "backend/query/table.h"
#include "common/base/clock.h"

enum {
    FUNCTIONS = 10000,
    LEAVES = 1000000, /* stacks that samples end in */
    SAMPLES = 10000000,
    THREADS = 8,
    TICK_NS = 1250000,
    REPEATS = 5,
};

static uint64_t random_state = 88172645463325252ULL;

/* xorshift64 (Marsaglia 2003) */
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) % limit);
}

static void must(enum status st, const char *what)
{
    if (st == STATUS_OK)
        return;
    fprintf(stderr, "%s failed: %s\n", what, status_name(st));
    exit(1);
}

static void make_functions(struct profile *p)
{
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "function_%u", i);
        struct wire_function f = {.line = i % 400};
        uint32_t id;
        must(tables_string(&p->tables, name, (size_t)len, &f.name), "string");
        must(tables_function(&p->tables, &f, &id), "function");
        struct wire_frame frame = {.function = id, .line = i % 400 + 3};
        must(tables_frame(&p->tables, &frame, &id), "frame");
    }
}

/* Programs branch little near the root and much at the leaves: a callee is one of few. */
static uint32_t callee(uint32_t caller, uint32_t depth, uint32_t last)
{
    uint32_t choices = depth + 3 < last ? 2 : 60;
    return (caller * 31 + random_below(choices) * 7 + 1) % FUNCTIONS;
}

static uint32_t *make_stacks(struct profile *p)
{
    uint32_t *leaves = malloc(LEAVES * sizeof(*leaves));
    uint8_t *is_leaf = calloc(64u << 20, 1);
    if (!leaves || !is_leaf)
        exit(1);
    for (size_t n = 0; n < LEAVES;) {
        uint32_t depth = 6 + random_below(14);
        uint32_t stack = 0;
        uint32_t function = 0;
        for (uint32_t d = 0; d < depth; d++) {
            function = callee(function, d, depth);
            must(tables_stack(&p->tables, stack, function + 1, &stack), "stack");
        }
        if (is_leaf[stack])
            continue;
        is_leaf[stack] = 1;
        leaves[n++] = stack;
    }
    free(is_leaf);
    return leaves;
}

static void make_samples(struct profile *p, const uint32_t *leaves)
{
    uint32_t set;
    uint32_t column;
    must(profile_add_set(p, "cpu", 10000000, &set), "set");
    must(profile_add_value_type(p, set, "wall", "ns", &column), "value type");
    for (uint64_t tid = 0; tid < THREADS; tid++) {
        struct model_thread t = {.tid = tid + 1};
        uint32_t id;
        must(tables_thread(&p->tables, &t, &id), "thread");
    }
    for (uint64_t i = 0; i < SAMPLES; i++) {
        /* Half of the time in the same few stacks, as programs are. */
        uint32_t pick = i % 2 ? random_below(LEAVES) : random_below(1000);
        int64_t value = 10000000;
        struct profile_sample s = {
            .time_ns = i * TICK_NS,
            .thread = (uint32_t)(i % THREADS),
            .state = random_below(8),
            .stack = leaves[pick],
            .values = &value,
        };
        must(profile_add_sample(p, set, &s), "sample");
    }
    must(profile_finish(p), "finish");
}

/* ---- questions ---- */

struct question {
    const char *name;
    void (*ask)(const struct profile *p, struct query_cache *cache, const struct query_filter *f,
                const struct flame_options *o);
    struct query_filter filter;
    struct flame_options options;
};

static size_t answered;

static void ask_flame(const struct profile *p, struct query_cache *cache,
                      const struct query_filter *f, const struct flame_options *o)
{
    struct flame flame;
    struct buf out;
    must(flame_build(&flame, p, cache, f, o, NULL), "flame");
    buf_init(&out, 0);
    must(flame_write_binary(&flame, p, o, &out), "flame");
    answered = out.len;
    buf_deinit(&out);
    flame_free(&flame);
}

static void ask_table(const struct profile *p, struct query_cache *cache,
                      const struct query_filter *f, const struct flame_options *o)
{
    (void)o;
    struct table t;
    struct buf out;
    must(table_build(&t, p, cache, f, &(struct table_options){0}, NULL), "table");
    buf_init(&out, 0);
    must(table_write_json(&t, p, 1, &out), "table");
    answered = out.len;
    buf_deinit(&out);
    table_free(&t);
}

static void ask_callers(const struct profile *p, struct query_cache *cache,
                        const struct query_filter *f, const struct flame_options *o)
{
    (void)o;
    struct callers c;
    must(callers_build(&c, p, cache, f, 77, NULL), "callers");
    answered = c.callers_len + c.callees_len;
    callers_free(&c);
}

static double least_ms(const struct question *q, const struct profile *p, struct query_cache *cache,
                       int repeats)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < repeats; i++) {
        uint64_t begin = clock_thread_cpu_ns();
        q->ask(p, cache, &q->filter, &q->options);
        uint64_t spent = clock_thread_cpu_ns() - begin;
        least = spent < least ? spent : least;
    }
    return (double)least / 1e6;
}

int main(void)
{
    struct profile *p;
    must(profile_new(&p), "profile");
    make_functions(p);
    uint32_t *leaves = make_stacks(p);
    make_samples(p, leaves);
    free(leaves);

    static const uint32_t thread = 3;
    const uint64_t end = (uint64_t)SAMPLES * TICK_NS;
    const struct flame_options pixels = {.min_fraction = 1.0 / 20000};
    const struct question questions[] = {
        {"flame, to a pixel's width", ask_flame, {0}, pixels},
        {"  10 % of the time",
         ask_flame,
         {.has_from = true, .from_ns = end / 2, .has_to = true, .to_ns = end / 2 + end / 10},
         pixels},
        {"  95 % of the time", ask_flame, {.has_from = true, .from_ns = end / 20}, pixels},
        {"  one thread of eight", ask_flame, {.threads = &thread, .threads_len = 1}, pixels},
        {"  on-CPU only", ask_flame, {.states = WIRE_ON_CPU}, pixels},
        {"  focused on a function", ask_flame, {.has_focus = true, .focus = 77}, pixels},
        {"  inverted", ask_flame, {0}, {.is_inverted = true, .min_fraction = 1.0 / 20000}},
        {"flame, every box", ask_flame, {0}, {0}},
        {"table", ask_table, {0}, {0}},
        {"  95 % of the time", ask_table, {.has_from = true, .from_ns = end / 20}, {0}},
        {"callers and callees", ask_callers, {0}, {0}},
    };
    struct query_cache *cache = query_cache_new();
    printf("%d samples, %zu stacks, %.0f MB in memory\n", SAMPLES, p->tables.stacks_len - 1,
           (double)profile_size(p) / 1e6);
    printf("%-28s %8s %12s\n", "question", "CPU ms", "answer");
    double first = least_ms(&questions[0], p, cache, 1);
    printf("%-28s %8.1f %12zu\n", "the first one", first, answered);
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        double ms = least_ms(&questions[i], p, cache, REPEATS);
        printf("%-28s %8.1f %12zu\n", questions[i].name, ms, answered);
    }
    printf("cache: %.0f MB\n", (double)query_cache_size(cache) / 1e6);
    query_cache_free(cache);
    profile_free(p);
    return 0;
}
