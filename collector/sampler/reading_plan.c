#include "collector/sampler/reading_plan.h"

#include "common/base/array.h"

enum { CFRAME_SPAN = 2048 };

static uint64_t tstate_end(const struct python_layout *layout)
{
    const uint16_t fields[] = {layout->tstate_frame,
                               layout->tstate_cframe,
                               layout->tstate_thread_id,
                               layout->tstate_native_thread_id,
                               layout->tstate_base_frame,
                               layout->tstate_holds_gil,
                               layout->tstate_exc_info,
                               layout->tstate_exception,
                               layout->is_free_threaded ? layout->tstate_status : PYTHON_NO_FIELD};
    uint64_t end = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i] != PYTHON_NO_FIELD && fields[i] + 8U > end)
            end = fields[i] + 8U;
    }
    return end;
}

static size_t put_iov(struct reading *r, uint64_t address, uint64_t len)
{
    size_t at = r->bytes;
    r->iov[r->iov_len++] = (struct iovec){(void *)(uintptr_t)address, len};
    r->bytes += len;
    return at;
}

/* The pointers to the innermost frame, each from where it may be. Neighbours on the C stack come in
 * one piece. */
static void put_cframes(struct reading *r)
{
    uint16_t field = r->layout->cframe_frame;
    bool is_put[READING_CFRAMES] = {false};
    for (size_t i = 0; i < r->cframes_len; i++) {
        if (is_put[i])
            continue;
        uint64_t begin = r->cframes[i];
        uint64_t end = begin + sizeof(uint64_t);
        for (size_t k = i + 1; k < r->cframes_len; k++) {
            uint64_t low = r->cframes[k] < begin ? r->cframes[k] : begin;
            uint64_t high = r->cframes[k] + 8 > end ? r->cframes[k] + 8 : end;
            /* What an earlier piece has must not stretch this one to it: they may lie terabytes
             * apart. */
            if (is_put[k] || low / READING_PAGE != high / READING_PAGE || high - low > CFRAME_SPAN)
                continue;
            is_put[k] = true;
            begin = low;
            end = high;
        }
        size_t at = put_iov(r, begin + field, end - begin);
        for (size_t k = i; k < r->cframes_len; k++) {
            if (r->cframes[k] >= begin && r->cframes[k] + 8 <= end)
                r->top_at[k] = at + (r->cframes[k] - begin);
        }
    }
}

/* Those with a second copy come first: what is read once then lies between the copies. */
static void put_first_copies(struct reading *r, bool is_twice)
{
    for (size_t i = 0; i < r->regions_len; i++) {
        struct reading_region *g = &r->regions[i];
        if ((g->check_begin < g->end) == is_twice)
            g->first = (uint32_t)put_iov(r, g->begin, g->end - g->begin);
    }
}

bool reading_compile(struct reading *r)
{
    const struct python_layout *layout = r->layout;
    if (!array_reserve(&r->iov, &r->iov_cap, r->regions_len * 2 + 6 + READING_CFRAMES))
        return false;
    r->iov_len = 0;
    r->bytes = 0;
    uint64_t begin = reading_tstate_begin(layout);
    uint64_t end = tstate_end(layout);
    if (reading_has_cframe(layout))
        r->tstate_at = put_iov(r, r->tstate + begin, end - begin);
    if (!reading_has_chunks(layout))
        r->top_before_at = put_iov(r, r->tstate + layout->tstate_frame, sizeof(uint64_t));
    put_first_copies(r, true);
    put_first_copies(r, false);
    if (!reading_has_cframe(layout))
        r->tstate_at = put_iov(r, r->tstate + begin, end - begin);
    else
        put_cframes(r);
    for (size_t i = 0; i < r->regions_len; i++) {
        struct reading_region *g = &r->regions[i];
        if (g->check_begin < g->end)
            g->second = (uint32_t)put_iov(r, g->check_begin, g->end - g->check_begin);
    }
    if (reading_has_cframe(layout))
        r->cframe_again_at = put_iov(r, r->tstate + layout->tstate_cframe, sizeof(uint64_t));
    if (!reading_has_chunks(layout))
        r->top_after_at = put_iov(r, r->tstate + layout->tstate_frame, sizeof(uint64_t));
    return true;
}
