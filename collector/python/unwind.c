#include "collector/python/unwind.h"

#include <string.h>

/* enum _frameowner, Include/internal/pycore_frame.h since v3.11.0 */
enum { FRAME_OWNED_BY_GENERATOR = 1 };

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t generator_of(const struct python_layout *layout, uint64_t frame,
                             const uint8_t *bytes)
{
    if (layout->frame_generator != PYTHON_NO_FIELD)
        return load_u64(bytes + layout->frame_generator);
    return bytes[layout->frame_owner] == FRAME_OWNED_BY_GENERATOR ? frame - layout->generator_frame
                                                                  : 0;
}

enum python_unwind_result python_top_frame(const struct python_layout *layout,
                                           const struct memory_reader *reader, uint64_t tstate,
                                           uint64_t *frame)
{
    uint64_t at = tstate + layout->tstate_frame;
    if (layout->tstate_cframe != PYTHON_NO_FIELD) {
        if (!memory_read_u64(reader, tstate + layout->tstate_cframe, &at))
            return PYTHON_UNWIND_UNREADABLE;
        if (at == 0) {
            *frame = 0;
            return PYTHON_UNWIND_OK;
        }
        at += layout->cframe_frame;
    }
    return memory_read_u64(reader, at, frame) ? PYTHON_UNWIND_OK : PYTHON_UNWIND_UNREADABLE;
}

/* False when it has no code: it is only being made, or was just left (3.15 clears those). */
static bool take_frame(const struct python_layout *layout, uint64_t frame, const uint8_t *bytes,
                       struct python_frame *f)
{
    const bool has_entry_flag = layout->frame_is_entry != PYTHON_NO_FIELD;
    *f = (struct python_frame){.address = frame};
    f->code = load_u64(bytes + layout->frame_code) & ~(uint64_t)layout->pointer_tag_mask;
    f->generator = generator_of(layout, frame, bytes);
    if (layout->ip == PYTHON_IP_POINTER) {
        f->ip = load_u64(bytes + layout->frame_ip);
    } else {
        uint32_t lasti;
        memcpy(&lasti, bytes + layout->frame_ip, sizeof(lasti));
        f->ip = lasti;
    }
    f->is_entry = layout->frame_owner == PYTHON_NO_FIELD ||
                  (has_entry_flag && bytes[layout->frame_is_entry] != 0);
    if (layout->frame_tlbc_index != PYTHON_NO_FIELD)
        memcpy(&f->tlbc, bytes + layout->frame_tlbc_index, sizeof(f->tlbc));
    return f->code != 0;
}

enum python_unwind_result python_unwind(const struct python_layout *layout,
                                        const struct memory_reader *reader, uint64_t frame,
                                        uint64_t base, struct python_frame *frames, size_t max,
                                        size_t *len)
{
    struct memory_window window = {0};
    const size_t size = layout->frame_size;
    const bool has_owner = layout->frame_owner != PYTHON_NO_FIELD;
    size_t count = 0;
    bool is_root = true;  /* of the last one passed */
    uint64_t passed = 0;  /* a circle comes by here again: Brent's algorithm */
    size_t passed_at = 1; /* the next power of two */

    /* Shims count too, so that a circle of them ends. Frames of coroutines that were left make
     * circles when they are read torn; to go round them to the end would be long. */
    for (size_t steps = 0; frame != 0 && frame != base; steps++) {
        if (frame % sizeof(uint64_t) != 0)
            return PYTHON_UNWIND_BROKEN;
        if (frame == passed)
            return PYTHON_UNWIND_TOO_DEEP;
        if (steps == passed_at) {
            passed = frame;
            passed_at *= 2;
        }
        const uint8_t *bytes = memory_at(reader, &window, frame, size);
        if (!bytes)
            return PYTHON_UNWIND_UNREADABLE;
        if (steps >= max)
            return PYTHON_UNWIND_TOO_DEEP;

        if (!has_owner || bytes[layout->frame_owner] < layout->frame_owner_shim) {
            if (!take_frame(layout, frame, bytes, &frames[count]))
                return PYTHON_UNWIND_BROKEN;
            count++;
            is_root = !has_owner || bytes[layout->frame_owner] != FRAME_OWNED_BY_GENERATOR;
            frame = load_u64(bytes + layout->frame_previous);
            continue;
        }
        is_root = true;
        if (count > 0) {
            frames[count - 1].is_entry = true;
            frames[count - 1].entry = frame;
        }
        frame = load_u64(bytes + layout->frame_previous);
    }
    *len = count;
    return frame == 0 && !is_root ? PYTHON_UNWIND_SUSPENDED : PYTHON_UNWIND_OK;
}
