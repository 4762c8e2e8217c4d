#include "collector/sampler/reading.h"

#include <stdlib.h>
#include <string.h>

#include "collector/sampler/reading_plan.h"
#include "common/base/array.h"

enum {
    SLACK = 1024,     /* read beyond the innermost frame: where the next calls go */
    CHECK_MARGIN = 8, /* more frames in the second copy than are compared */
    STACK_GAP = 1024, /* frames nearer than this are read together */
    HEAP_GAP = 4096,  /* up to 3.10 frames lie about on the heap */
    UNUSED_MAX = 16,  /* walks after which a region is dropped */
    TIDY_EVERY = 4,
    TRIM_EVERY = 256,
    SINGLE_MAX = 512,
    REGION_MAX = 1 << 20,
    STATUS_ACTIVE = 1 << 4, /* PyThreadState._status.active: Include/cpython/pystate.h @ v3.13.0 */
};

void reading_init(struct reading *r, const struct python_layout *layout,
                  struct target_memory *memory, uint64_t tstate)
{
    *r = (struct reading){.layout = layout, .memory = memory, .tstate = tstate};
}

void reading_deinit(struct reading *r)
{
    free(r->regions);
    free(r->iov);
    *r = (struct reading){0};
}

/* Makes sure that `cframe` is among them; whether it was. The oldest one leaves. */
static bool use_cframe(struct reading *r, uint64_t cframe)
{
    size_t at = 0;
    while (at < r->cframes_len && r->cframes[at] != cframe)
        at++;
    bool is_known = at < r->cframes_len;
    if (!is_known) {
        if (r->cframes_len < READING_CFRAMES)
            r->cframes_len++;
        at = r->cframes_len - 1;
        memmove(r->cframes + 1, r->cframes, at * sizeof(r->cframes[0]));
        r->cframes[0] = cframe;
    }
    return is_known;
}

void reading_forget(struct reading *r)
{
    r->regions_len = 0;
    r->last_hit = 0;
    r->cframes_len = 0;
}

static bool region_holds(const struct reading_region *g, uint64_t address, size_t len)
{
    return address >= g->begin && address < g->end && g->end - address >= len;
}

static struct reading_region *find_region(struct reading *r, uint64_t address, size_t len)
{
    if (r->last_hit < r->regions_len && region_holds(&r->regions[r->last_hit], address, len))
        return &r->regions[r->last_hit];
    size_t low = 0;
    size_t high = r->regions_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->regions[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < r->regions_len && region_holds(&r->regions[low], address, len)) {
        r->last_hit = low;
        return &r->regions[low];
    }
    return NULL;
}

/* The unwinder's reader: predicted regions first, then the target itself. */
static bool find_bytes(void *ctx, uint64_t address, size_t len, struct memory_window *out)
{
    struct reading *r = ctx;
    struct reading_region *g = find_region(r, address, len);
    if (g) {
        g->is_used = true;
        *out = (struct memory_window){g->begin, g->end, r->slice + g->first};
        return true;
    }
    r->is_missed = true;
    if (r->missed_len < sizeof(r->missed) / sizeof(r->missed[0])) {
        r->missed[r->missed_len].address = address;
        r->missed[r->missed_len++].len = len;
    }
    struct memory_reader direct = target_memory_reader(r->memory);
    return direct.find(direct.ctx, address, len, out);
}

/* ---- learning where to look ---- */

static void merge_with_next(struct reading *r, size_t index)
{
    uint64_t gap = reading_has_chunks(r->layout) ? STACK_GAP : HEAP_GAP;
    while (index + 1 < r->regions_len) {
        struct reading_region *g = &r->regions[index];
        struct reading_region *next = g + 1;
        if (next->begin > g->end && next->begin - g->end > gap)
            break;
        if (next->end - g->begin > REGION_MAX)
            break;
        if (next->end > g->end)
            g->end = next->end;
        g->is_single = false;
        memmove(next, next + 1, (r->regions_len - index - 2) * sizeof(*next));
        r->regions_len--;
    }
}

static void add_range(struct reading *r, uint64_t begin, uint64_t len)
{
    if (begin == 0 || begin > UINT64_MAX / 2)
        return;
    struct reading_region range = {
        .begin = begin, .end = begin + len, .is_single = true, .is_used = true};
    struct reading_region *known = find_region(r, begin, len);
    if (known && !known->is_single) {
        known->is_used = true;
        return;
    }
    size_t at = 0; /* behind those that begin no later */
    for (size_t high = r->regions_len; at < high;) {
        size_t middle = at + (high - at) / 2;
        if (r->regions[middle].begin <= begin)
            at = middle + 1;
        else
            high = middle;
    }
    if (at > 0 && range.end <= r->regions[at - 1].end) {
        r->regions[at - 1].is_used = true;
        if (range.begin != r->regions[at - 1].begin)
            r->regions[at - 1].is_single = false;
        return;
    }
    if (r->regions_len >= READING_MAX_REGIONS ||
        !array_reserve(&r->regions, &r->regions_cap, r->regions_len + 1))
        return;
    memmove(&r->regions[at + 1], &r->regions[at], (r->regions_len - at) * sizeof(range));
    r->regions[at] = range;
    r->regions_len++;
    merge_with_next(r, at);
    if (at > 0)
        merge_with_next(r, at - 1);
}

static void add_slack(struct reading *r, const struct python_frame *leaf)
{
    struct reading_region *g = find_region(r, leaf->address, r->layout->frame_size);
    if (!g || g->is_single)
        return;
    uint64_t end = leaf->address + r->layout->frame_size + SLACK;
    uint64_t page_end =
        (leaf->address + r->layout->frame_size + READING_PAGE - 1) / READING_PAGE * READING_PAGE;
    if (end > page_end)
        end = page_end;
    if (end > g->end)
        g->end = end;
    size_t index = (size_t)(g - r->regions);
    if (index + 1 < r->regions_len && r->regions[index + 1].begin < g->end)
        merge_with_next(r, index);
}

static void place_checks(struct reading *r, const struct python_frame *frames, size_t len)
{
    for (size_t i = 0; i < r->regions_len; i++) {
        struct reading_region *g = &r->regions[i];
        g->check_begin = g->end - g->begin <= SINGLE_MAX ? g->begin : g->end;
    }
    /* A shim on the C stack stands still, in all its life, while the frame above it is there. */
    for (size_t i = 0; i < len; i++) {
        struct reading_region *g =
            frames[i].entry ? find_region(r, frames[i].entry, r->layout->frame_size) : NULL;
        if (g)
            g->check_begin = g->end;
    }
    for (size_t i = 0; i < len && i < READING_CHECK_DEPTH + CHECK_MARGIN; i++) {
        struct reading_region *g = find_region(r, frames[i].address, r->layout->frame_size);
        if (g && frames[i].address < g->check_begin)
            g->check_begin = frames[i].address;
    }
}

static void learn(struct reading *r, const struct python_frame *frames, size_t len)
{
    for (size_t i = 0; i < r->missed_len; i++)
        add_range(r, r->missed[i].address, r->missed[i].len);
    for (size_t i = 0; i < len; i++)
        add_range(r, frames[i].address, r->layout->frame_size);
    if (len > 0)
        add_slack(r, &frames[0]);
    place_checks(r, frames, len);
    reading_compile(r);
}

/* Shortens regions to where the stack reached lately: what lies beyond would be read in vain. */
static bool trim(struct reading *r)
{
    bool is_changed = false;
    for (size_t i = 0; i < r->regions_len; i++) {
        struct reading_region *g = &r->regions[i];
        if (g->used_end > g->begin && g->used_end < g->end) {
            g->end = g->used_end;
            is_changed = true;
        }
        g->used_end = 0;
    }
    return is_changed;
}

/* Drops regions that no walk came by for a while, and what is read in vain beyond the stack. */
static void tidy(struct reading *r, const struct python_frame *frames, size_t len)
{
    size_t kept = 0;
    bool is_changed = false;
    for (size_t i = 0; i < r->regions_len; i++) {
        struct reading_region *g = &r->regions[i];
        if (g->unused > UNUSED_MAX)
            is_changed = true;
        else
            r->regions[kept++] = *g;
    }
    r->regions_len = kept;
    r->last_hit = 0;

    if (reading_has_chunks(r->layout) && r->walks % TRIM_EVERY == 0)
        is_changed = trim(r) || is_changed;
    if (is_changed) {
        place_checks(r, frames, len);
        reading_compile(r);
    }
}

/* ---- judging what was read ---- */

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* Whether [begin, begin + len) is the same in both copies. Sets `is_covered` to false when the
 * second copy does not reach that far. */
static bool is_same(const struct reading *r, const struct reading_region *g, uint64_t begin,
                    uint64_t len, bool *is_covered)
{
    if (begin < g->check_begin || begin + len > g->end) {
        *is_covered = false;
        return true;
    }
    return memcmp(r->slice + g->first + (begin - g->begin),
                  r->slice + g->second + (begin - g->check_begin), len) == 0;
}

/* Whether the frame says in both copies that it is being run. Callers were found equal before. */
static bool runs(const struct reading *r, const struct reading_region *g, uint64_t frame)
{
    uint64_t at = frame + r->layout->frame_state;
    return r->slice[g->first + (at - g->begin)] == r->layout->frame_state_runs &&
           (at < g->check_begin ||
            r->slice[g->second + (at - g->check_begin)] == r->layout->frame_state_runs);
}

/* A generator's frame is copied into it as a thread's, with no caller, and only then made its own:
 * who takes it so, and has it running a moment later, would take it for the root of the stack. */
static bool has_same_owner(const struct reading *r, const struct reading_region *g, uint64_t frame,
                           bool *is_covered)
{
    const uint16_t owner = r->layout->frame_owner;
    return owner == PYTHON_NO_FIELD || is_same(r, g, frame + owner, 1, is_covered);
}

/* Whether the single frames that the walk came by, other than the innermost, stood still. */
static bool singles_hold(const struct reading *r, uint64_t leaf, bool *is_covered)
{
    const size_t size = r->layout->frame_size;
    for (size_t i = 0; i < r->regions_len; i++) {
        const struct reading_region *g = &r->regions[i];
        bool is_twice = g->check_begin < g->end;
        if (g->is_single && g->is_used && is_twice && g->begin != leaf &&
            g->end - g->begin >= size && !is_same(r, g, g->begin, size, is_covered))
            return false;
    }
    return true;
}

static enum reading_result compare_copies(struct reading *r, const struct python_frame *frames,
                                          size_t len)
{
    const struct python_layout *layout = r->layout;
    const size_t size = layout->frame_size;
    bool is_covered = true;
    for (size_t i = 0; i < len && i < READING_CHECK_DEPTH; i++) {
        struct reading_region *g = find_region(r, frames[i].address, size);
        uint64_t at = frames[i].address;
        if (!g)
            return READING_MISSED;
        if (layout->frame_state != PYTHON_NO_FIELD && !runs(r, g, at))
            return READING_TORN;
        if (i == 0) {
            if (!g->is_single && at + size + SLACK > g->used_end)
                g->used_end = at + size + SLACK;
            /* It runs: its position and variables may move, but not whose frame it is. */
            if (!is_same(r, g, at + layout->frame_previous, 8, &is_covered) ||
                !is_same(r, g, at + layout->frame_code, 8, &is_covered) ||
                !has_same_owner(r, g, at, &is_covered))
                return READING_TORN;
            continue;
        }
        /* A caller stands still, with its variables, up to where the callee begins. */
        uint64_t callee = frames[i - 1].address;
        uint64_t span = size;
        if (reading_has_chunks(layout) && callee > at && callee - at < READING_PAGE &&
            callee - at >= size && region_holds(g, callee, size))
            span = callee - at;
        if (!is_same(r, g, at, span, &is_covered))
            return READING_TORN;
    }
    if (!singles_hold(r, len > 0 ? frames[0].address : 0, &is_covered))
        return READING_TORN;
    return is_covered ? READING_OK : READING_MISSED;
}

/* Takes what the thread state says, and whose it is: one that was made for a thread that has not
 * begun yet belongs to nobody. */
enum owner { OWNER_SAME, OWNER_NONE_YET, OWNER_OTHER };
static enum owner take_tstate(struct reading *r, uint64_t *top, uint64_t *base)
{
    const struct python_layout *layout = r->layout;
    const uint8_t *tstate = r->slice + r->tstate_at - reading_tstate_begin(layout);
    uint64_t id = layout->tstate_native_thread_id != PYTHON_NO_FIELD
                      ? load_u64(tstate + layout->tstate_native_thread_id)
                      : load_u64(tstate + layout->tstate_thread_id);
    r->next = load_u64(tstate + layout->tstate_next);
    if (layout->tstate_holds_gil != PYTHON_NO_FIELD) {
        uint32_t holds;
        memcpy(&holds, tstate + layout->tstate_holds_gil, sizeof(holds));
        r->holds_gil = holds != 0;
    }
    if (layout->is_free_threaded) {
        uint32_t status;
        memcpy(&status, tstate + layout->tstate_status, sizeof(status));
        r->holds_gil = status & STATUS_ACTIVE;
    }
    r->exception = load_u64(tstate + layout->tstate_exception);
    r->exc_info = load_u64(tstate + layout->tstate_exc_info);
    *base = layout->tstate_base_frame != PYTHON_NO_FIELD
                ? load_u64(tstate + layout->tstate_base_frame)
                : 0;
    *top = reading_has_cframe(layout) ? load_u64(tstate + layout->tstate_cframe)
                                      : load_u64(tstate + layout->tstate_frame);
    if (id != r->thread_id)
        return OWNER_OTHER;
    return id == 0 ? OWNER_NONE_YET : OWNER_SAME;
}

/* Where the stack begins, by the thread's state in the slice: READING_OK when there is one. */
static enum reading_result find_top(struct reading *r, uint64_t *top, uint64_t *base)
{
    const uint8_t *slice = r->slice;
    enum owner owner = take_tstate(r, top, base);
    if (owner != OWNER_SAME)
        return owner == OWNER_OTHER ? READING_GONE : READING_EMPTY;
    if (reading_has_cframe(r->layout)) {
        uint64_t again = load_u64(slice + r->cframe_again_at);
        if (*top == 0)
            return READING_EMPTY;
        if (again != 0 && !use_cframe(r, again)) {
            reading_compile(r);
            return READING_MISSED;
        }
        if (*top != again)
            return READING_TORN;
        size_t which = 0;
        while (r->cframes[which] != *top)
            which++;
        *top = load_u64(slice + r->top_at[which]);
    }
    if (!reading_has_chunks(r->layout) &&
        (load_u64(slice + r->top_before_at) != *top || load_u64(slice + r->top_after_at) != *top))
        return READING_TORN;
    return *top == 0 || *top == *base ? READING_EMPTY : READING_OK;
}

enum reading_result reading_frames(struct reading *r, const uint8_t *slice,
                                   struct python_frame *frames, size_t max, size_t *len)
{
    uint64_t top;
    uint64_t base;
    r->slice = slice;
    r->is_missed = false;
    r->missed_len = 0;
    *len = 0;
    for (size_t i = 0; i < r->regions_len; i++) {
        struct reading_region *g = &r->regions[i];
        g->unused = g->is_used ? 0 : g->unused < UINT8_MAX ? (uint8_t)(g->unused + 1) : UINT8_MAX;
        g->is_used = false;
    }
    enum reading_result found = find_top(r, &top, &base);
    if (found != READING_OK)
        return found;

    struct memory_reader reader = {.find = find_bytes, .ctx = r};
    enum python_unwind_result result =
        python_unwind(r->layout, &reader, top, base, frames, max, len);
    /* A generator that is suspended now ran only for a moment of the reading: torn, too. */
    if (result != PYTHON_UNWIND_OK) {
        *len = 0;
        return result == PYTHON_UNWIND_TOO_DEEP ? READING_TOO_DEEP : READING_BROKEN;
    }
    if (r->is_missed) {
        learn(r, frames, *len);
        return READING_MISSED;
    }
    if (*len == 0)
        return READING_EMPTY;

    enum reading_result judged = compare_copies(r, frames, *len);
    if (judged == READING_MISSED)
        learn(r, frames, *len);
    else if (judged == READING_OK && ++r->walks % TIDY_EVERY == 0)
        tidy(r, frames, *len);
    return judged;
}
