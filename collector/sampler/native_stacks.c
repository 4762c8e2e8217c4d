#include "collector/sampler/native_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "collector/native/merge.h"
#include "collector/native/name.h"
#include "collector/native/unwind.h"
#include "collector/sampler/process.h"
#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/wire/wire.h"

enum {
    PLACES_MAX = 1 << 17,               /* then all are forgotten */
    PYTHONS_MAX = PYTHON_MAX_DEPTH + 1, /* with a mark */
    ITEMS_MAX = NATIVE_MAX_DEPTH + PYTHONS_MAX + 2,
};

static const uint64_t maps_every_ns = 1000000000;
static const uint64_t maps_at_need_ns = 50000000; /* when an address is in no known file */

struct native_scratch {
    struct native_frame frames[NATIVE_MAX_DEPTH];
    struct merge_native natives[NATIVE_MAX_DEPTH];
    uint32_t places[NATIVE_MAX_DEPTH];
    struct merge_run runs[PYTHONS_MAX];
    uint32_t items[ITEMS_MAX];
    struct native_place place;
};

void native_stacks_count(const struct native_stacks *n, struct stream *stream)
{
    const struct native_stacks_stats *stats = &n->stats;
    uint64_t cut = 0;
    for (size_t i = 0; i < UNWIND_ENDS; i++)
        cut += stats->cut[i];
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"native_whole", stats->whole},
        {"native_cut", cut},
        {"native_cut_no_code", stats->cut[UNWIND_NO_CODE]},
        {"native_cut_no_rule", stats->cut[UNWIND_NO_RULE]},
        {"native_cut_unknown_register", stats->cut[UNWIND_UNKNOWN]},
        {"native_cut_deep", stats->cut[UNWIND_SHORT] + stats->cut[UNWIND_TOO_DEEP]},
        {"native_cut_broken", stats->cut[UNWIND_BROKEN]},
        {"native_unplaced", stats->unplaced},
        {"native_unread", stats->unread},
        {"native_skipped", stats->skipped},
        {"native_stop_us", stats->stop_ns / 1000},
        {"native_cpu_us", n->unwind_ns / 1000},
    };
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        stream_counter_set(stream, counters[i].name, counters[i].value);
}

bool native_stacks_init(struct native_stacks *n, bool shows_interpreter)
{
    *n = (struct native_stacks){.shows_interpreter = shows_interpreter};
    image_store_init(&n->images);
    n->scratch = malloc(sizeof(*n->scratch));
    return n->scratch && namer_new(&n->namer);
}

void native_stacks_deinit(struct native_stacks *n)
{
    namer_free(n->namer);
    free(n->scratch);
    image_store_deinit(&n->images);
    *n = (struct native_stacks){0};
}

void native_process_init(struct native_process *np, struct native_stacks *n, pid_t pid)
{
    *np = (struct native_process){0};
    space_init(&np->space, &n->images, pid);
    map_init(&np->by_pc);
}

void native_process_deinit(struct native_process *np)
{
    for (size_t i = 0; i < np->others_len; i++) {
        thread_deinit(np->others[i]);
        free(np->others[i]);
    }
    free(np->others);
    free(np->places);
    free(np->frames);
    map_deinit(&np->by_pc);
    if (np->space.store)
        space_deinit(&np->space);
    *np = (struct native_process){0};
}

bool native_still_sleeps(const struct sampled_process *p, const struct sampled_thread *t)
{
    return t->capture && t->capture->is_valid && t->capture->asleep[0] && t->node != 0 &&
           capture_is_still_asleep(t->capture, p->pid, t->tid);
}

/* ---- names ---- */

static void forget_places(struct native_process *np)
{
    map_clear(&np->by_pc);
    np->places_len = 0;
    np->frames_len = 0;
}

static bool add_frames(struct native_process *np, struct stack_table *stacks,
                       const struct native_place *place, struct native_known *out)
{
    out->first = (uint32_t)np->frames_len;
    if (!array_reserve(&np->frames, &np->frames_cap, np->frames_len + place->len))
        return false;
    for (size_t i = 0; i < place->len; i++) {
        const struct native_name *name = &place->names[i];
        uint32_t function;
        uint32_t frame;
        if (!stack_table_other(stacks, WIRE_NATIVE, name->name, name->file, 0, place->module,
                               &function) ||
            !stack_table_frame(stacks, function, &(struct python_place){.line = name->line},
                               &frame))
            return false;
        np->frames[np->frames_len++] = frame;
    }
    out->len = (uint32_t)place->len;
    return true;
}

/* The place's number; UINT32_MAX when memory is short. */
static uint32_t find_place(struct native_stacks *n, struct native_process *np,
                           struct stack_table *stacks, uint64_t pc)
{
    uint32_t *known = map_find(&np->by_pc, pc);
    if (known)
        return *known;
    struct native_place *place = &n->scratch->place;
    namer_look(n->namer, &np->space, pc, place);
    struct native_known out = {.pc = pc,
                               .is_interpreter = place->is_interpreter,
                               .is_eval = place->is_eval,
                               .is_start = place->is_start};
    uint32_t id = (uint32_t)np->places_len;
    if (!add_frames(np, stacks, place, &out) ||
        !array_reserve(&np->places, &np->places_cap, np->places_len + 1) ||
        !map_put(&np->by_pc, pc, id))
        return UINT32_MAX;
    np->places[np->places_len++] = out;
    return id;
}

/* ---- one stack ---- */

static enum unwind_end unwind(struct native_stacks *n, struct native_process *np,
                              struct capture *capture, uint64_t now, size_t *len)
{
    if (space_update(&np->space, now, maps_every_ns) || np->places_len > PLACES_MAX)
        forget_places(np);
    enum unwind_end end =
        native_unwind(&np->space, &capture->copy, n->scratch->frames, NATIVE_MAX_DEPTH, len);
    if (end == UNWIND_NO_CODE && space_update(&np->space, now, maps_at_need_ns)) {
        forget_places(np);
        end = native_unwind(&np->space, &capture->copy, n->scratch->frames, NATIVE_MAX_DEPTH, len);
    }
    if (end == UNWIND_SHORT)
        capture_ask_for_more(capture);
    return end;
}

static bool name_all(struct native_stacks *n, struct native_process *np, struct stack_table *stacks,
                     const struct capture *capture, size_t len)
{
    const struct stack_copy *copy = &capture->copy;
    for (size_t i = 0; i < len; i++) {
        const struct native_frame *f = &n->scratch->frames[i];
        uint32_t place = find_place(n, np, stacks, f->pc);
        if (place == UINT32_MAX)
            return false;
        bool is_copied =
            f->cfa > f->sp && f->sp >= copy->begin && f->cfa - copy->begin <= copy->len;
        n->scratch->places[i] = place;
        n->scratch->natives[i] = (struct merge_native){
            .sp = f->sp,
            .cfa = f->cfa,
            .words = is_copied ? copy->bytes + (f->sp - copy->begin) : NULL,
            .saved = f->saved,
            .saved_known = f->saved_known,
            .is_eval = np->places[place].is_eval,
        };
    }
    return true;
}

static size_t find_runs(struct merge_run *runs, const struct python_frame *frames, size_t len)
{
    size_t count = 0;
    size_t first = 0;
    for (size_t i = 0; i < len; i++) {
        if (!frames[i].is_entry && i + 1 < len)
            continue;
        while (first < i && frames[first].address == 0) /* a mark, see tasks.h */
            first++;
        runs[count++] = (struct merge_run){i + 1, frames[i].entry, frames[first].address};
        first = i + 1;
    }
    return count;
}

/* What is left out: the interpreter's own functions and, outside of everything, how the C library
 * begins a program or a thread. */
static size_t leave_out_start(const struct native_stacks *n, const struct native_process *np,
                              size_t len)
{
    while (len > 1 && !(n->scratch->items[len - 1] & (MERGE_PYTHON | MERGE_CUT))) {
        const struct native_known *k = &np->places[n->scratch->places[n->scratch->items[len - 1]]];
        if (!k->is_start)
            break;
        len--;
    }
    return len;
}

static bool put_native(struct stack_table *stacks, const struct native_process *np,
                       const struct native_known *k, uint32_t *node)
{
    for (uint32_t i = k->len; i-- > 0;) {
        if (!stack_table_node(stacks, *node, np->frames[k->first + i], node))
            return false;
    }
    return true;
}

static bool put_words(struct stack_table *stacks, const char *words, uint32_t *node)
{
    uint32_t function;
    uint32_t frame;
    return stack_table_other(stacks, WIRE_SYNTHETIC, words, "", 0, "", &function) &&
           stack_table_frame(stacks, function, &(struct python_place){0}, &frame) &&
           stack_table_node(stacks, *node, frame, node);
}

/* From the items (innermost first) to the node; 0 when memory is short. */
static uint32_t build_node(const struct native_stacks *n, const struct native_process *np,
                           const struct sampled_thread *t, struct stack_table *stacks,
                           size_t items_len)
{
    uint32_t node = 0;
    for (size_t i = leave_out_start(n, np, items_len); i-- > 0;) {
        uint32_t item = n->scratch->items[i];
        bool is_put = true;
        if (item & MERGE_CUT) {
            is_put = put_words(stacks, "[native frames missing]", &node);
        } else if (item & MERGE_PYTHON) {
            size_t from_root = t->path_len - 1 - (item & ~(uint32_t)MERGE_PYTHON);
            uint32_t frame = stacks->nodes[t->path[from_root].node].frame;
            is_put = stack_table_node(stacks, node, frame, &node);
        } else {
            const struct native_known *k = &np->places[n->scratch->places[item]];
            if (!k->is_interpreter || n->shows_interpreter)
                is_put = put_native(stacks, np, k, &node);
        }
        if (!is_put)
            return 0;
    }
    return node;
}

static uint32_t merge(struct native_stacks *n, struct sampled_process *p, struct sampled_thread *t,
                      struct stack_table *stacks, const struct python_frame *frames, size_t len,
                      uint64_t now)
{
    size_t natives_len;
    struct native_process *np = &p->native;
    enum unwind_end end = unwind(n, np, t->capture, now, &natives_len);
    if (!name_all(n, np, stacks, t->capture, natives_len))
        return 0;
    struct merged merged = {.items = n->scratch->items};
    size_t runs_len = find_runs(n->scratch->runs, frames, len);
    merge_stacks(n->scratch->natives, natives_len, end == UNWIND_WHOLE, n->scratch->runs, runs_len,
                 len, &merged);
    if (merged.is_partial)
        n->stats.unplaced++;
    else if (end == UNWIND_WHOLE)
        n->stats.whole++;
    else
        n->stats.cut[end]++;
    return build_node(n, np, t, stacks, merged.len);
}

uint32_t native_stacks_merge(struct native_stacks *n, struct sampled_process *p,
                             struct sampled_thread *t, struct stack_table *stacks,
                             const struct python_frame *frames, size_t len, uint32_t node,
                             uint64_t now)
{
    uint64_t begin = clock_thread_cpu_ns();
    uint32_t both = 0;
    if (t->capture && t->capture->is_valid) {
        both = merge(n, p, t, stacks, frames, len, now);
    } else if (node != 0) {
        n->stats.unread++;
        both = node;
        if (!put_words(stacks, "[native frames not read]", &both))
            both = 0;
    }
    n->unwind_ns += clock_thread_cpu_ns() - begin;
    return both != 0 ? both : node;
}
