#include <string.h>

#include "backend/query/heap_values.h"
#include "backend/query/leaks.h"
#include "backend/query/memory.h"
#include "backend/query/stats.h"
#include "backend/query/summary.h"
#include "common/base/arena.h"
#include "small_profile.h"

enum { SECOND = 1000000000, KB = 1024 };

/* Rows as the collector's heap writes them, all seven columns. */
static struct profile *make_heap(uint64_t period)
{
    static const char *const columns[][2] = {
        {"allocated", "bytes"}, {"allocations", "count"}, {"freed", "bytes"}, {"frees", "count"},
        {"temporary", "bytes"}, {"temporaries", "count"}, {"born", "ns"},
    };
    struct profile *p = small_new(NULL, NULL, NULL);
    uint32_t set = 0;
    uint32_t column = 0;
    cr_assert_eq(profile_add_set(p, "heap", period, &set), STATUS_OK);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        cr_assert_eq(profile_add_value_type(p, set, columns[i][0], columns[i][1], &column),
                     STATUS_OK);
    return p;
}

struct row {
    const char *frames;
    double at_s, born_s;
    int64_t got, gots, gone, gones;
    uint32_t domain;
};

static void put(struct profile *p, struct row r)
{
    int64_t values[7] = {
        r.got, r.gots, r.gone, r.gones, r.gone / 2, r.gones / 2, (int64_t)(r.born_s * SECOND)};
    struct profile_sample s = {.time_ns = (uint64_t)(r.at_s * SECOND),
                               .stack = small_stack(p, r.frames),
                               .state = r.domain << HEAP_DOMAIN_SHIFT,
                               .values = values};
    cr_assert_eq(profile_add_sample(p, 0, &s), STATUS_OK);
}

static struct profile *make_small(uint64_t period)
{
    struct profile *p = make_heap(period);
    put(p, (struct row){"main;cache:12", 1, 1, 1000, 10, 0, 0, 0});
    put(p, (struct row){"main;load:5", 2, 2, 5000, 5, 0, 0, 1});
    put(p, (struct row){"main;other;load:6", 2, 2, 300, 3, 0, 0, 1});
    put(p, (struct row){"main;load:5", 3, 2, 0, 0, 4000, 4, 1});
    put(p, (struct row){"main;cache:12", 4, 4, 500, 5, 0, 0, 0});
    return p;
}

static struct memory ask(const struct profile *p, struct query_filter f, struct memory_options o)
{
    struct memory m;
    struct error err = {0};
    cr_assert_eq(memory_build(&m, p, &f, &o, &err), STATUS_OK, "%s", err.text);
    return m;
}

static struct memory_amount of(const struct profile *p, const struct memory *m, const char *name,
                               uint32_t line, enum memory_measure measure)
{
    for (size_t i = 0; i < m->len; i++) {
        uint32_t string = p->tables.functions[m->rows[i].function].name;
        if (strcmp(strtab_text(&p->tables.strings, string), name) == 0 && m->rows[i].line == line)
            return m->rows[i].of[measure];
    }
    return (struct memory_amount){-1, -1};
}

Test(memory, tells_bytes_and_blocks_by_line)
{
    struct profile *p = make_small(1);
    struct memory m = ask(p, (struct query_filter){0}, (struct memory_options){0});
    cr_assert_eq(m.places, 3);
    cr_assert_eq(of(p, &m, "cache", 12, MEMORY_IN_USE).bytes, 1500);
    cr_assert_eq(of(p, &m, "cache", 12, MEMORY_IN_USE).count, 15);
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_IN_USE).bytes, 1000);
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_ALLOCATED).bytes, 5000);
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_FREED).count, 4);
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_PEAK).bytes, 5000, "most was in use at 2 s");
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_TEMPORARY).bytes, 2000);
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_SHORT).bytes, 0, "they lived a second");
    cr_assert_eq(m.peak_ns, 2 * (uint64_t)SECOND);
    cr_assert_eq(m.total[MEMORY_PEAK].bytes, 6300);
    cr_assert_eq(m.rows[0].of[MEMORY_IN_USE].bytes, 1500, "the largest first");
    memory_free(&m);
    m = ask(p, (struct query_filter){0},
            (struct memory_options){.by = MEMORY_BY_FUNCTION, .short_ns = SECOND + 1});
    cr_assert_eq(of(p, &m, "load", 0, MEMORY_SHORT).bytes, 4000);
    cr_assert_eq(m.places, 2);
    cr_assert_eq(of(p, &m, "load", 0, MEMORY_IN_USE).bytes, 1300);
    memory_free(&m);
    m = ask(p, (struct query_filter){0},
            (struct memory_options){.by = MEMORY_BY_STACK, .limit = 2});
    cr_assert_eq(m.places, 3);
    cr_assert_eq(m.len, 2);
    memory_free(&m);
    profile_free(p);
}

Test(memory, compares_two_moments)
{
    struct profile *p = make_small(1);
    struct query_filter end = {.has_to = true, .to_ns = 3500000000};
    struct memory_options o = {
        .sort = MEMORY_GROWN, .has_base = true, .base_ns = 1 * (uint64_t)SECOND};
    struct memory m = ask(p, end, o);
    cr_assert_eq(m.total[MEMORY_BASE].bytes, 1000, "the moment itself is counted");
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_GROWN).bytes, 1000);
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_GROWN).count, 1);
    cr_assert_eq(of(p, &m, "cache", 12, MEMORY_GROWN).bytes, 0);
    memory_free(&m);
    o.base_ns = 2 * (uint64_t)SECOND;
    m = ask(p, end, o);
    cr_assert_eq(of(p, &m, "load", 5, MEMORY_GROWN).bytes, -4000, "less is told as less");
    cr_assert_eq(m.rows[0].of[MEMORY_GROWN].bytes, -4000, "the largest change first");
    memory_free(&m);
    profile_free(p);
}

Test(memory, follows_the_filter)
{
    struct profile *p = make_small(1);
    struct arena *arena = arena_new();
    struct query_filter f = {0};
    struct error err = {0};
    bool is_known;
    cr_assert_eq(filter_set(&f, arena, "domain", "malloc,mmap", &is_known, &err), STATUS_OK);
    struct memory m = ask(p, f, (struct memory_options){0});
    cr_assert_eq(m.total[MEMORY_ALLOCATED].bytes, 5300);
    cr_assert_eq(m.total[MEMORY_PEAK].bytes, 5300, "the peak of what is looked at");
    memory_free(&m);
    cr_assert_eq(filter_set(&f, arena, "domain", "stone", &is_known, &err), STATUS_INVALID);
    f = (struct query_filter){.has_focus = true, .focus = small_function(p, "other")};
    m = ask(p, f, (struct memory_options){0});
    cr_assert_eq(m.total[MEMORY_ALLOCATED].bytes, 300);
    memory_free(&m);
    uint32_t hidden = small_function(p, "load");
    f = (struct query_filter){.hide = &hidden, .hide_len = 1};
    m = ask(p, f, (struct memory_options){.by = MEMORY_BY_FUNCTION});
    cr_assert_eq(of(p, &m, "main", 0, MEMORY_ALLOCATED).bytes, 5000, "it goes to the caller");
    memory_free(&m);
    arena_free(arena);
    profile_free(p);
}

Test(memory, says_how_sure_an_estimate_is)
{
    /* Many small blocks: the bound of docs/memory.md. One of many times the step: known. */
    cr_assert_float_eq(memory_standard_error((struct memory_amount){1 << 30, 1 << 24}, 1 << 19),
                       23726566, 2000);
    cr_assert_lt(memory_standard_error((struct memory_amount){1 << 30, 1}, 1 << 19), 1);
    cr_assert_float_eq(memory_standard_error((struct memory_amount){1 << 30, 1 << 24}, 0), 0, 0);
    struct profile *p = make_small(524288);
    struct memory m = ask(p, (struct query_filter){0}, (struct memory_options){0});
    cr_assert_eq(m.every_bytes, 524288);
    cr_assert_not(m.has_temporary, "a sample does not tell what came in between");
    memory_free(&m);
    cr_assert_eq(profile_set_counter(p, "heap_every_bytes_most", 1 << 21), STATUS_OK);
    cr_assert_eq(heap_every_bytes(p, &p->sets[0]), 1 << 21, "the longest step of the run");
    profile_free(p);
}

Test(memory, needs_allocations_over_time)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    struct memory m;
    struct leaks l;
    struct error err;
    struct query_filter f = {0};
    struct memory_options o = {0};
    cr_assert_eq(memory_build(&m, p, &f, &o, &err), STATUS_UNSUPPORTED);
    cr_assert_eq(leaks_find(&l, p, &f, MEMORY_BY_LINE, &err), STATUS_UNSUPPORTED);
    profile_free(p);
}

Test(memory, report_says_what_is_not_known)
{
    struct profile *p = make_small(524288);
    struct query_filter everything = {0};
    struct stats_options all = {0};
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(stats_write_text(p, NULL, &everything, &all, &b, NULL), STATUS_OK);
    buf_put_byte(&b, 0);
    const char *text = (const char *)b.data;
    cr_assert(strstr(text, "of it temporary     not known in sampled mode"), "%s", text);
    cr_assert(strstr(text, "one sample each 512 KiB"), "%s", text);
    cr_assert(strstr(text, "most in use         6.15 KiB \xc2\xb1 "), "%s", text);
    buf_deinit(&b);
    profile_free(p);
    p = make_heap(1);
    buf_init(&b, 0);
    cr_assert_eq(stats_write_text(p, NULL, &everything, &all, &b, NULL), STATUS_OK);
    buf_put_byte(&b, 0);
    text = (const char *)b.data;
    cr_assert(strstr(text, "no allocation was seen"), "%s", text);
    cr_assert_null(strstr(text, "allocated in all"), "%s", text);
    cr_assert_null(strstr(text, "self %"), "no list without rows: %s", text);
    buf_deinit(&b);
    profile_free(p);
}

Test(memory, the_sentence_says_whose_the_heap_was)
{
    struct profile *p = make_small(1);
    struct buf b;
    buf_init(&b, 0);
    cr_assert_eq(summary_write(p, NULL, &b), STATUS_OK);
    buf_put_byte(&b, 0);
    cr_assert(strstr((const char *)b.data, "84 % of the heap from load (load.py:10)"), "%s",
              (const char *)b.data);
    buf_deinit(&b);
    profile_free(p);
}

/* ---- leaks ---- */

enum { RUN_S = 60 };

/* Every half second: a leak of 20 KB, a cache that is full after 30 s, work that comes and goes,
 * memory that swells and shrinks; at the end the program gives all back. */
static struct profile *make_run(uint64_t period, bool gives_back)
{
    struct profile *p = make_heap(period);
    int64_t leaked = 0;
    int64_t cached = 0;
    for (int i = 1; i < RUN_S * 2; i++) {
        double t = i * 0.5;
        put(p, (struct row){"main;leak:3", t, t, 20 * KB, 10, 0, 0, 0});
        leaked += 20 * KB;
        if (t < 30) {
            put(p, (struct row){"main;cache:4", t, t, 40 * KB, 5, 0, 0, 0});
            cached += 40 * KB;
        }
        put(p, (struct row){"main;work:5", t, t, 900 * KB, 90, 0, 0, 0});
        put(p, (struct row){"main;work:5", t + 0.2, t, 0, 0, 900 * KB, 90, 0});
        if (i % 20 < 10)
            put(p, (struct row){"main;swell:6", t + 0.2, t, 100 * KB, 1, 0, 0, 0});
        else
            put(p, (struct row){"main;swell:6", t + 0.2, t - 5, 0, 0, 100 * KB, 1, 0});
    }
    if (gives_back) {
        put(p, (struct row){"main;leak:3", RUN_S - 0.2, 1, 0, 0, leaked, leaked / 2048, 0});
        put(p, (struct row){"main;cache:4", RUN_S - 0.2, 1, 0, 0, cached, cached / 8192, 0});
    }
    return p;
}

static struct leaks look(const struct profile *p, struct query_filter f)
{
    struct leaks l;
    struct error err = {0};
    cr_assert_eq(leaks_find(&l, p, &f, MEMORY_BY_LINE, &err), STATUS_OK, "%s", err.text);
    return l;
}

Test(leaks, finds_the_leak_and_not_the_cache_nor_the_work)
{
    for (int gives_back = 0; gives_back < 2; gives_back++) {
        struct profile *p = make_run(1, gives_back);
        struct leaks l = look(p, (struct query_filter){0});
        cr_assert_eq(l.windows, LEAKS_WINDOWS);
        cr_assert_eq(l.len, 1);
        cr_assert_eq(l.items[0].line, 3);
        cr_assert_float_eq(l.items[0].bytes_per_min, 2400 * KB, 60 * KB);
        cr_assert_gt(l.items[0].confidence, 0.999);
        cr_assert_eq(l.items[0].rises, l.items[0].steps);
        leaks_free(&l);
        profile_free(p);
    }
}

Test(leaks, of_a_window_finds_the_cache_while_it_fills)
{
    struct profile *p = make_run(1, false);
    struct leaks l = look(p, (struct query_filter){.has_to = true, .to_ns = 25 * (uint64_t)SECOND});
    cr_assert_eq(l.len, 2, "until then it may well be one");
    cr_assert_eq(l.items[0].line, 4, "the fastest first");
    leaks_free(&l);
    l = look(p, (struct query_filter){.has_from = true, .from_ns = 35 * (uint64_t)SECOND});
    cr_assert_eq(l.len, 1);
    leaks_free(&l);
    profile_free(p);
}

Test(leaks, of_samples_must_stand_out_of_their_error)
{
    /* 2.3 MB grown in all: with one sample each 2 MiB that is one block or none. */
    struct profile *p = make_run(2 << 20, false);
    struct leaks l = look(p, (struct query_filter){0});
    cr_assert_eq(l.len, 0);
    leaks_free(&l);
    profile_free(p);
    p = make_run(64 * KB, false);
    l = look(p, (struct query_filter){0});
    cr_assert_eq(l.len, 1);
    cr_assert_gt(l.items[0].error_bytes, 0);
    leaks_free(&l);
    profile_free(p);
}

Test(leaks, are_not_told_of_a_short_run)
{
    struct profile *p = make_small(1);
    struct query_filter f = {.has_from = true, .has_to = true, .from_ns = 0, .to_ns = SECOND / 2};
    struct leaks l = look(p, f);
    cr_assert(l.is_too_short);
    cr_assert_eq(l.len, 0);
    leaks_free(&l);
    profile_free(p);
}
