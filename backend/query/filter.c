#include "backend/query/filter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"

enum { MAX_LIST = 4096 };

/* A time in seconds as nanoseconds; no time can be before the session's start. */
static enum status read_time(const char *text, uint64_t *ns, struct error *err)
{
    char *end = NULL;
    double s = strtod(text, &end);
    if (end == text || *end || !isfinite(s))
        return error_set(err, STATUS_INVALID, "\"%.40s\" is not a time in seconds", text);
    if (s < 0)
        s = 0;
    /* Rounded: 1.4 s is 1,400,000,000 ns although 1.4 * 1e9 may be a little less. */
    *ns = s >= 1e10 ? UINT64_MAX : (uint64_t)llround(s * 1e9);
    return STATUS_OK;
}

static enum status read_number(const char **text, uint32_t *value, struct error *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long v = **text >= '0' && **text <= '9' ? strtoul(*text, &end, 10) : 0;
    if (!end || end == *text || errno || v > UINT32_MAX)
        return error_set(err, STATUS_INVALID, "\"%.40s\" is not a list of numbers", *text);
    *value = (uint32_t)v;
    *text = end;
    return STATUS_OK;
}

static enum status read_list(struct arena *arena, const char *text, const uint32_t **items,
                             size_t *len, struct error *err)
{
    size_t count = 1;
    for (const char *c = text; *c; c++)
        count += *c == ',';
    if (count > MAX_LIST)
        return error_set(err, STATUS_TOO_LARGE, "a list of more than %d numbers", MAX_LIST);
    uint32_t *list = arena_alloc(arena, count * sizeof(*list));
    if (!list)
        return error_set(err, STATUS_NO_MEMORY, "no memory for a list");
    size_t n = 0;
    while (*text) {
        enum status st = read_number(&text, &list[n], err);
        if (st != STATUS_OK)
            return st;
        n++;
        if (*text == ',')
            text++;
        else if (*text)
            return error_set(err, STATUS_INVALID, "\"%.40s\" is not a list of numbers", text);
    }
    *items = list;
    *len = n;
    return STATUS_OK;
}

struct word {
    const char *name;
    uint32_t bit;
};

/* "gil,gc": the bits of these words. `what` names them in the error. */
static enum status read_words(const char *text, const struct word *known, size_t len,
                              const char *what, uint32_t *out, struct error *err)
{
    uint32_t bits = 0;
    while (*text) {
        size_t n = strcspn(text, ",");
        uint32_t bit = 0;
        for (size_t i = 0; i < len; i++) {
            if (strlen(known[i].name) == n && memcmp(known[i].name, text, n) == 0)
                bit = known[i].bit;
        }
        if (!bit)
            return error_set(err, STATUS_INVALID, "\"%.40s\" is not %s", text, what);
        bits |= bit;
        text += n + (text[n] == ',');
    }
    *out = bits;
    return STATUS_OK;
}

static enum status read_states(const char *text, uint32_t *states, struct error *err)
{
    static const struct word known[] = {{"oncpu", WIRE_ON_CPU},
                                        {"gil", WIRE_HAS_GIL},
                                        {"wantsgil", WIRE_WANTS_GIL},
                                        {"gc", WIRE_IN_GC},
                                        {"exception", WIRE_HAS_EXCEPTION}};
    return read_words(text, known, sizeof(known) / sizeof(known[0]),
                      "a state (oncpu, gil, wantsgil, gc, exception)", states, err);
}

static enum status read_domains(const char *text, uint32_t *domains, struct error *err)
{
    static const struct word known[] = {{"object", 1U << HEAP_DOMAIN_OBJECT},
                                        {"malloc", 1U << HEAP_DOMAIN_MALLOC},
                                        {"mmap", 1U << HEAP_DOMAIN_MMAP}};
    return read_words(text, known, sizeof(known) / sizeof(known[0]),
                      "a domain (object, malloc, mmap)", domains, err);
}

enum status filter_set(struct query_filter *f, struct arena *arena, const char *name,
                       const char *text, bool *is_known, struct error *err)
{
    *is_known = true;
    if (strcmp(name, "value") == 0) {
        f->value = *text ? text : NULL;
        return STATUS_OK;
    }
    bool is_empty = !*text;
    enum status st = STATUS_OK;
    if (strcmp(name, "from") == 0) {
        st = is_empty ? st : read_time(text, &f->from_ns, err);
        f->has_from = !is_empty;
    } else if (strcmp(name, "to") == 0) {
        st = is_empty ? st : read_time(text, &f->to_ns, err);
        f->has_to = !is_empty;
    } else if (strcmp(name, "thread") == 0) {
        st = read_list(arena, text, &f->threads, &f->threads_len, err);
    } else if (strcmp(name, "process") == 0) {
        st = read_list(arena, text, &f->processes, &f->processes_len, err);
    } else if (strcmp(name, "hide") == 0) {
        st = read_list(arena, text, &f->hide, &f->hide_len, err);
    } else if (strcmp(name, "hidemod") == 0) {
        st = read_list(arena, text, &f->hide_modules, &f->hide_modules_len, err);
    } else if (strcmp(name, "hidepkg") == 0) {
        st = read_list(arena, text, &f->hide_packages, &f->hide_packages_len, err);
    } else if (strcmp(name, "state") == 0) {
        st = read_states(text, &f->states, err);
    } else if (strcmp(name, "domain") == 0) {
        st = read_domains(text, &f->domains, err);
    } else if (strcmp(name, "focus") == 0) {
        const char *at = text;
        st = is_empty ? st : read_number(&at, &f->focus, err);
        if (st == STATUS_OK && *at && !is_empty)
            st = error_set(err, STATUS_INVALID, "\"%.40s\" is not a function's number", text);
        f->has_focus = !is_empty;
    } else {
        *is_known = false;
    }
    return st;
}

enum status filter_group_find(const char *name, enum group_by *out, struct error *err)
{
    static const char *const names[] = {"", "module", "package", "file"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name ? name : "", names[i]) == 0) {
            *out = (enum group_by)i;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID, "group is module, package or file, not \"%.40s\"", name);
}

/* First row at or after `t` of an ordered set. */
static size_t lower_bound(const struct sample_set *set, uint64_t t)
{
    size_t low = 0;
    size_t high = set->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (set->time_ns[mid] < t)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool has_number(const uint32_t *items, size_t len, uint32_t value)
{
    for (size_t i = 0; i < len; i++) {
        if (items[i] == value)
            return true;
    }
    return false;
}

/* A thread that the table does not know (number 0 of a profile without threads) is of process 0. */
static enum status choose_threads(struct filter_rows *r, const struct profile *p,
                                  const struct query_filter *f)
{
    const struct tables *t = &p->tables;
    r->threads_len = t->threads_len ? t->threads_len : 1;
    r->thread_passes = calloc(r->threads_len, 1);
    if (!r->thread_passes)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < r->threads_len; i++) {
        uint32_t process = i < t->threads_len ? t->threads[i].process : 0;
        bool is_thread = f->threads_len == 0 || has_number(f->threads, f->threads_len, i);
        bool is_process =
            f->processes_len == 0 || has_number(f->processes, f->processes_len, process);
        r->thread_passes[i] = is_thread && is_process;
    }
    return STATUS_OK;
}

enum status filter_rows_init(struct filter_rows *r, const struct profile *p,
                             const struct sample_set *set, bool is_ordered,
                             const struct query_filter *f)
{
    *r = (struct filter_rows){.set = set, .end = set->len, .states = f->states};
    /* Only a heap's rows have a domain: other questions are not about memory. */
    if (strcmp(strtab_text(&p->tables.strings, set->name), "heap") == 0)
        r->domains = f->domains;
    r->from_ns = f->has_from ? f->from_ns : 0;
    r->to_ns = f->has_to ? f->to_ns : UINT64_MAX;
    if (set->time_ns && (f->has_from || f->has_to)) {
        r->checks_time = !is_ordered;
        if (is_ordered) {
            r->begin = lower_bound(set, r->from_ns);
            r->end = f->has_to ? lower_bound(set, r->to_ns) : set->len;
            if (r->end < r->begin)
                r->end = r->begin;
        }
    }
    if (f->threads_len || f->processes_len)
        return choose_threads(r, p, f);
    return STATUS_OK;
}

void filter_rows_deinit(struct filter_rows *r)
{
    free(r->thread_passes);
    r->thread_passes = NULL;
}
