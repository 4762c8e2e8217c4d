#pragma once
/* What part of a profile a question is about. All fields zero = everything. The same filter serves
 * every question; those without samples (a call graph has no time or thread) ignore what they
 * cannot know. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/values.h"
#include "common/base/status.h"

/* Which allocator a heap's row is about: bits 6 and 7 of its state (docs/memory.md). */
enum heap_domain { HEAP_DOMAIN_OBJECT, HEAP_DOMAIN_MALLOC, HEAP_DOMAIN_MMAP };
enum { HEAP_DOMAIN_SHIFT = 6 };

enum group_by { GROUP_BY_NOTHING, GROUP_BY_MODULE, GROUP_BY_PACKAGE, GROUP_BY_FILE };

struct query_filter {
    const char *value; /* a key of values.h; NULL = the first */
    bool has_from, has_to;
    uint64_t from_ns, to_ns; /* from inclusive, to exclusive */
    const uint32_t *threads, *processes;
    size_t threads_len, processes_len; /* 0 = all */
    uint32_t states;                   /* WIRE_ON_CPU | ...: any of these; 0 = all */
    uint32_t domains;                  /* of a heap's rows: bit 1 << enum heap_domain; 0 = all */
    bool has_focus;
    uint32_t focus; /* function: only stacks with it, re-rooted at its outermost frame */
    const uint32_t *hide;
    size_t hide_len; /* functions: their frames are taken out, their time goes to the caller */
    const uint32_t *hide_modules, *hide_packages;
    size_t hide_modules_len, hide_packages_len; /* the same for all of these functions' modules */
    /* Of pictures only (flame.h, timeline.h): numbers of functions stay numbers of functions. */
    enum group_by group; /* one box for the functions of a module, package or file in a row */
    bool collapses;      /* a function that recurs on a stack is taken back to its outermost box */
};

/* "module", "package", "file"; NULL or "" = by nothing. STATUS_INVALID lists them. */
enum status filter_group_find(const char *name, enum group_by *out, struct error *err);

/* Reads one of the API's parameters into the filter: "from", "to" (seconds), "thread",
 * "process", "state", "domain", "focus", "hide", "hidemod", "hidepkg", "value". Lists go into
 * `arena`.
 * `*is_known` says whether the name is one of these. STATUS_INVALID for a bad number. */
struct arena;
enum status filter_set(struct query_filter *f, struct arena *arena, const char *name,
                       const char *text, bool *is_known, struct error *err);

/* Which rows of a set pass: thread table and the range of rows, worked out once. */
struct filter_rows {
    const struct sample_set *set;
    size_t begin, end; /* rows to look at */
    bool checks_time;  /* the set is not in order: look at each row's time too */
    uint64_t from_ns, to_ns;
    uint8_t *thread_passes; /* by thread number, NULL = all */
    size_t threads_len;
    uint32_t states, domains;
};
/* `is_ordered`: the set's times are known to grow. */
enum status filter_rows_init(struct filter_rows *r, const struct profile *p,
                             const struct sample_set *set, bool is_ordered,
                             const struct query_filter *f);
void filter_rows_deinit(struct filter_rows *r);

/* Without branches where it can be: states and threads are as good as random to the processor. */
static inline bool filter_rows_pass(const struct filter_rows *r, size_t row)
{
    bool passes = true;
    if (r->thread_passes) {
        uint32_t thread = r->set->thread ? r->set->thread[row] : 0;
        passes = thread < r->threads_len && r->thread_passes[thread];
    }
    if (r->states)
        passes = passes & (r->set->state && (r->set->state[row] & r->states));
    if (r->domains)
        passes =
            passes & (r->domains >> (r->set->state ? r->set->state[row] >> HEAP_DOMAIN_SHIFT : 0));
    if (r->checks_time) {
        uint64_t t = r->set->time_ns[row];
        passes = passes & (t >= r->from_ns) & (t < r->to_ns);
    }
    return passes;
}
