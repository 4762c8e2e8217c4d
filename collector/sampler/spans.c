#include "collector/sampler/spans.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"

enum { PATH_TEXT = 1024, CHAIN_MAX = 256, GENERATIONS = 3 };

bool spans_init(struct span_watch *w, const char *const *patterns, struct stack_table *stacks)
{
    *w = (struct span_watch){.patterns = patterns, .stacks = stacks};
    map_init(&w->kept);
    return true;
}

void spans_deinit(struct span_watch *w)
{
    free(w->wanted);
    free(w->nearest);
    free(w->rows);
    map_deinit(&w->kept);
    *w = (struct span_watch){0};
}

/* ---- which functions ---- */

/* "/app/jobs/load.py" -> "app.jobs.load"; a package's own files are the package. */
static size_t dotted_module(const char *file, char *out, size_t size)
{
    static const char own[] = "/__init__";
    size_t len = strlen(file);
    if (len > 3 && memcmp(file + len - 3, ".py", 3) == 0)
        len -= 3;
    if (len >= sizeof(own) && memcmp(file + len - (sizeof(own) - 1), own, sizeof(own) - 1) == 0)
        len -= sizeof(own) - 1;
    while (len > 0 && *file == '/') {
        file++;
        len--;
    }
    if (len + 1 >= size) { /* the end of a long path is what matters */
        file += len + 2 - size;
        len = size - 2;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = file[i] == '/' ? '.' : file[i];
    out[len] = '\0';
    return len;
}

/* The path itself, and all that is left of it behind a dot, as long as the function is in it. */
static bool match_tails(const char *pattern, const char *path, const char *function)
{
    const char *at = path;
    while (at <= function) {
        if (fnmatch(pattern, at, 0) == 0)
            return true;
        const char *dot = strchr(at, '.');
        if (!dot)
            break;
        at = dot + 1;
    }
    return false;
}

/* Without the class: "load.Loader.run" is taken for "load.run". */
static bool match_classless(const char *pattern, const char *path, const char *function)
{
    char shorter[PATH_TEXT];
    const char *last = strrchr(pattern, '.');
    size_t len = strlen(pattern);
    if (!last || last == pattern || len >= sizeof(shorter))
        return false;
    const char *class = last - 1;
    while (class > pattern && class[-1] != '.')
        class --;
    size_t head = (size_t)(class - pattern);
    memcpy(shorter, pattern, head);
    memcpy(shorter + head, last + 1, len - (size_t)(last + 1 - pattern) + 1);
    return match_tails(shorter, path, function);
}

bool spans_match(const char *pattern, const char *file, const char *name, bool has_qualname)
{
    char path[2 * PATH_TEXT];
    size_t len = dotted_module(file, path, PATH_TEXT);
    if (snprintf(path + len, sizeof(path) - len, ".%s", name) >= (int)(sizeof(path) - len))
        return false;
    const char *function = path + len + 1;
    return match_tails(pattern, path, function) ||
           (!has_qualname && match_classless(pattern, path, function));
}

/* "load.Loader.run": enough to know it by on a plot. */
static uint32_t name_of(struct span_watch *w, const char *file, const char *name)
{
    char path[2 * PATH_TEXT];
    uint32_t id;
    size_t len = dotted_module(file, path, PATH_TEXT);
    const char *module = strrchr(path, '.');
    module = module ? module + 1 : path;
    if (snprintf(path + len, sizeof(path) - len, ".%s", name) < 0 ||
        !strtab_add(&w->stacks->texts, module, strlen(module), &id))
        return 0;
    return id;
}

static uint32_t ask_patterns(struct span_watch *w, const struct stack_function *f,
                             bool has_qualname)
{
    const char *file = strtab_text(&w->stacks->texts, f->file);
    const char *name = strtab_text(&w->stacks->texts, f->name);
    bool is_wanted = false;
    for (size_t i = 0;
         f->kind == WIRE_PYTHON && w->patterns && w->patterns[i] && i < SAMPLER_SPANS_MAX; i++) {
        if (!spans_match(w->patterns[i], file, name, has_qualname))
            continue;
        w->met |= UINT64_C(1) << i;
        is_wanted = true;
    }
    return is_wanted ? name_of(w, file, name) + 2 : 1;
}

/* The name to give its spans; false when they are not wanted. */
static bool is_wanted(struct span_watch *w, uint32_t function, bool has_qualname, uint32_t *name)
{
    if (function >= w->wanted_len) {
        if (!array_reserve(&w->wanted, &w->wanted_cap, (size_t)function + 1))
            return false;
        memset(w->wanted + w->wanted_len, 0, (w->wanted_cap - w->wanted_len) * sizeof(*w->wanted));
        w->wanted_len = w->wanted_cap;
    }
    if (w->wanted[function] == 0)
        w->wanted[function] = ask_patterns(w, &w->stacks->functions[function], has_qualname);
    *name = w->wanted[function] - 2;
    return w->wanted[function] > 1;
}

static uint32_t function_of(const struct span_watch *w, uint32_t node)
{
    return w->stacks->frames[w->stacks->nodes[node].frame].function;
}

/* A node's parent has a smaller number, so its answer is there already. */
static uint32_t nearest_of(struct span_watch *w, uint32_t node, bool has_qualname)
{
    uint32_t name;
    if (node >= w->nearest_len) {
        if (!array_reserve(&w->nearest, &w->nearest_cap, w->stacks->nodes_len))
            return 0;
        if (w->nearest_len == 0)
            w->nearest[w->nearest_len++] = 0;
        for (; w->nearest_len < w->stacks->nodes_len; w->nearest_len++) {
            uint32_t at = (uint32_t)w->nearest_len;
            w->nearest[at] = is_wanted(w, function_of(w, at), has_qualname, &name)
                                 ? at
                                 : w->nearest[w->stacks->nodes[at].parent];
        }
    }
    return w->nearest[node];
}

/* ---- rows ---- */

/* A process that has ended had at its end what it had at the last look. */
static double resident_bytes(struct span_watch *w, pid_t pid)
{
    char path[48];
    char text[128];
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *second = strchr(text, ' ');
    double bytes = second ? (double)strtoull(second, NULL, 10) * (double)sysconf(_SC_PAGESIZE) : 0;
    if (bytes == 0)
        return w->sized_pid == pid ? w->sized_bytes : 0;
    w->sized_pid = pid;
    w->sized_bytes = bytes;
    return bytes;
}

/* The limit keeps a function that runs a hundred times a second from filling the plot. */
static bool may_keep(struct span_watch *w, uint32_t name, uint64_t len_ns)
{
    uint32_t *kept = map_find(&w->kept, name);
    if (kept)
        return len_ns >= SPAN_LONG_NS || (*kept)++ < SAMPLER_SPANS_EACH;
    return map_put(&w->kept, name, 1);
}

static void add_row(struct span_watch *w, const struct span_row *row, bool is_counted)
{
    if ((is_counted && !may_keep(w, row->name, row->end_ns - row->begin_ns)) ||
        !array_reserve(&w->rows, &w->rows_cap, w->rows_len + 1)) {
        w->dropped++;
        return;
    }
    w->rows[w->rows_len++] = *row;
}

static struct span_row row_of(const struct span_thread *t, uint32_t level,
                              const struct span_place *place)
{
    const struct span_open *o = &t->open[level];
    return (struct span_row){
        .name = o->name,
        .process = place->process,
        .thread = place->thread,
        .level = level,
        .begin_ns = o->begin_ns,
        .begin_bytes = o->begin_bytes,
    };
}

/* Ends all from `from` on, innermost first. */
static void close_from(struct span_watch *w, struct span_thread *t, uint32_t from,
                       const struct span_place *place, uint64_t end_ns)
{
    if (from >= t->len)
        return;
    double bytes = resident_bytes(w, place->pid);
    while (t->len > from) {
        t->len--;
        struct span_row row = row_of(t, t->len, place);
        row.end_ns = end_ns;
        row.end_bytes = bytes;
        add_row(w, &row, !t->open[t->len].is_told);
    }
}

struct chain {
    struct {
        uint32_t site, name;
    } link[CHAIN_MAX]; /* innermost first */
    size_t len;
};

static void follow(struct span_watch *w, uint32_t node, bool has_qualname, struct chain *c)
{
    uint32_t name;
    c->len = 0;
    for (uint32_t at = nearest_of(w, node, has_qualname); at && c->len < CHAIN_MAX;) {
        uint32_t site = w->stacks->nodes[at].parent;
        if (is_wanted(w, function_of(w, at), has_qualname, &name)) {
            c->link[c->len].site = site;
            c->link[c->len].name = name;
            c->len++;
        }
        at = nearest_of(w, site, has_qualname);
    }
}

/* Outermost first, each name once. */
static uint32_t unfold(const struct chain *c, struct span_open *out)
{
    uint32_t len = 0;
    for (size_t i = c->len; i-- > 0 && len < SPAN_DEPTH;) {
        uint32_t seen = 0;
        while (seen < len && out[seen].name != c->link[i].name)
            seen++;
        if (seen == len)
            out[len++] = (struct span_open){.site = c->link[i].site, .name = c->link[i].name};
    }
    return len;
}

void spans_see(struct span_watch *w, struct span_thread *t, const struct span_place *place,
               uint32_t node, uint64_t now)
{
    if (!w->patterns)
        return;
    uint64_t before = t->seen_ns;
    bool is_same = before != 0 && node == t->node;
    t->seen_ns = now;
    t->node = node;
    if (is_same)
        return;
    struct chain chain;
    struct span_open wanted[SPAN_DEPTH];
    follow(w, node, place->has_qualname, &chain);
    uint32_t len = unfold(&chain, wanted);
    uint64_t middle = before ? before + (now - before) / 2 : now;
    uint32_t same = 0;
    while (same < len && same < t->len && t->open[same].site == wanted[same].site &&
           t->open[same].name == wanted[same].name)
        same++;
    close_from(w, t, same, place, middle);
    if (same == len)
        return;
    double bytes = resident_bytes(w, place->pid);
    for (; t->len < len; t->len++) {
        t->open[t->len] = wanted[t->len];
        t->open[t->len].begin_ns = middle;
        t->open[t->len].begin_bytes = bytes;
    }
}

void spans_end(struct span_watch *w, struct span_thread *t, const struct span_place *place)
{
    close_from(w, t, 0, place, t->seen_ns);
    *t = (struct span_thread){0};
}

void spans_tell_open(struct span_watch *w, struct span_thread *t, const struct span_place *place)
{
    for (uint32_t i = 0; i < t->len; i++) {
        /* What will be over soon need not be told twice. */
        if (t->open[i].is_told || t->seen_ns - t->open[i].begin_ns < SPAN_LONG_NS)
            continue;
        struct span_row row = row_of(t, i, place);
        t->open[i].is_told = true;
        add_row(w, &row, false);
    }
}

/* ---- garbage ---- */

static void add_gc(struct span_watch *w, const struct span_place *place, int generation,
                   uint64_t begin_ns, uint64_t end_ns)
{
    char text[32];
    double bytes = resident_bytes(w, place->pid);
    struct span_row row = {
        .process = place->process,
        .begin_ns = begin_ns,
        .end_ns = end_ns,
        .begin_bytes = bytes,
        .end_bytes = bytes,
    };
    int len = generation < 0 ? snprintf(text, sizeof(text), "GC")
                             : snprintf(text, sizeof(text), "GC generation %d", generation);
    if (strtab_add(&w->stacks->texts, text, (size_t)len, &row.name))
        add_row(w, &row, true);
}

void spans_see_gc(struct span_watch *w, struct span_gc *gc, const struct span_place *place,
                  bool is_running, const uint64_t *collections, uint64_t now, uint64_t total[3])
{
    uint64_t middle = gc->seen_ns ? gc->seen_ns + (now - gc->seen_ns) / 2 : now;
    int oldest = -1; /* generation that was collected since */
    for (int g = 0; collections && g < GENERATIONS; g++) {
        uint64_t grown = collections[g] - gc->collections[g];
        gc->collections[g] = collections[g];
        if (!gc->has_collections || grown == 0 || grown > UINT32_MAX)
            continue;
        total[g] += grown;
        oldest = g;
    }
    gc->has_collections = collections != NULL;
    gc->seen_ns = now;
    if (is_running && !gc->is_running)
        gc->begin_ns = middle;
    /* Between two looks a collection of the young goes unseen, and is only counted; one of all
     * objects is worth a mark. */
    if (!is_running && gc->is_running)
        add_gc(w, place, oldest, gc->begin_ns, middle);
    else if (!is_running && oldest == GENERATIONS - 1)
        add_gc(w, place, oldest, middle, middle);
    gc->is_running = is_running;
}

/* ---- giving ---- */

void spans_doubt_rows(struct span_watch *w, uint32_t process, uint64_t since_ns)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->rows_len; i++) {
        if (w->rows[i].process == process && w->rows[i].begin_ns >= since_ns)
            w->dropped++;
        else
            w->rows[kept++] = w->rows[i];
    }
    w->rows_len = kept;
}

void spans_doubt_open(struct span_thread *t, uint64_t since_ns)
{
    while (t->len > 0 && t->open[t->len - 1].begin_ns >= since_ns)
        t->len--;
    t->seen_ns = 0;
}

void spans_give(struct span_watch *w, struct stream *stream)
{
    for (size_t i = 0; i < w->rows_len; i++) {
        const struct span_row *r = &w->rows[i];
        const struct wire_span span = {
            .name = stream_string(stream, strtab_text(&w->stacks->texts, r->name),
                                  strtab_len(&w->stacks->texts, r->name)),
            .begin_ns = r->begin_ns,
            .end_ns = r->end_ns,
            .process = r->process,
            .thread = r->thread,
            .begin_value = r->begin_bytes,
            .end_value = r->end_bytes,
            .level = r->level,
        };
        stream_span(stream, &span);
    }
    w->rows_len = 0;
}
