/* The second half of a take: the delivery is cut into messages below the wire's limits and put,
 * without the stream's lock. A message is counted only when its put has succeeded; what was not
 * put waits for the next take. */

#include <assert.h>
#include <string.h>

#include "collector/stream/state.h"
#include "common/base/clock.h"

/* The most one row can cost on the wire: a varint of 64 bits takes 10 bytes, of 32 bits 5. */
enum {
    PIECE_BYTES = 4 << 20, /* well below WIRE_MAX_MESSAGE: a lost piece is cheap to send again */
    STRING_COST = 8,       /* beside its bytes */
    FUNCTION_COST = 5 * 5,
    FRAME_COST = 5 * 5,
    STACK_COST = 2 * 5,
    ACTOR_COST = 64, /* process or thread, beside its texts */
    DECLARATION_COST = 1024,
    SAMPLE_COST = 10 + 4 * 5,
    POINT_COST = 20,
    GROUP_COST = 64, /* head of a group of samples or points */
    SPAN_COST = 64,
    NOTICE_COST = 64,
    COUNTER_COST = 64,
    SOURCE_COST = 64, /* beside its text */
};

struct cut {
    struct wire_batch piece;
    size_t budget;
    size_t samples_at, samples_cursor, points_at, points_cursor; /* where the next piece begins */
};

/* How many of `len` rows fit. A table that does not fit whole ends the piece, so that no row is
 * sent before the rows it points to. */
static size_t fit(struct cut *c, size_t len, size_t cost)
{
    size_t n = c->budget / cost;
    if (n < len) {
        c->budget = 0;
        return n;
    }
    c->budget -= len * cost;
    return len;
}

/* As fit, where the cost differs from row to row: `spend` in turn. */
static bool spend(struct cut *c, size_t cost)
{
    if (cost > c->budget) {
        c->budget = 0;
        return false;
    }
    c->budget -= cost;
    return true;
}

static void cut_tables(struct cut *c)
{
    struct wire_batch *p = &c->piece;
    size_t n = 0;
    while (n < p->strings_len && spend(c, STRING_COST + p->strings[n].len))
        n++;
    p->strings_len = n;
    p->functions_len = fit(c, p->functions_len, FUNCTION_COST);
    p->frames_len = fit(c, p->frames_len, FRAME_COST);
    p->stacks_len = fit(c, p->stacks_len, STACK_COST);
    n = 0;
    while (n < p->processes_len &&
           spend(c, ACTOR_COST + p->processes[n].command.len + p->processes[n].runtime.len))
        n++;
    p->processes_len = n;
    n = 0;
    while (n < p->threads_len && spend(c, ACTOR_COST + p->threads[n].name.len))
        n++;
    p->threads_len = n;
    p->sets_len = fit(c, p->sets_len, DECLARATION_COST);
    p->metrics_len = fit(c, p->metrics_len, DECLARATION_COST);
}

static bool is_zero(const uint32_t *column, size_t len)
{
    return len == 0 || (column[0] == 0 && memcmp(column, column + 1, (len - 1) * 4) == 0);
}

static bool is_constant(const int64_t *column, size_t len)
{
    return len == 0 || memcmp(column, column + 1, (len - 1) * 8) == 0;
}

/* Columns that say nothing stay off the wire. */
static void describe_samples(struct wire_samples *out, const struct stream_rows *rows, size_t from,
                             size_t len)
{
    out->len = len;
    out->time_ns = rows->time_ns + from;
    out->stack = rows->stack + from;
    out->thread = is_zero(rows->thread + from, len) ? NULL : rows->thread + from;
    out->state = is_zero(rows->state + from, len) ? NULL : rows->state + from;
    for (size_t v = 0; v < out->values_len; v++) {
        const int64_t *column = rows->value[v] + from;
        out->values[v].value = is_constant(column, len) ? NULL : column;
        out->values[v].constant = len ? column[0] : 0;
    }
}

static void cut_samples(struct stream_delivery *d, struct cut *c)
{
    c->piece.samples = d->samples + d->samples_at;
    while (c->samples_at < d->samples_len && spend(c, GROUP_COST)) {
        struct wire_samples *group = &d->samples[c->samples_at];
        const struct stream_rows *rows = &d->rows[c->samples_at];
        size_t left = rows->len - c->samples_cursor;
        size_t n = fit(c, left, SAMPLE_COST + 10 * group->values_len);
        describe_samples(group, rows, c->samples_cursor, n);
        c->piece.samples_len++;
        c->samples_cursor += n;
        if (n == left) {
            c->samples_at++;
            c->samples_cursor = 0;
        }
    }
}

static void cut_points(struct stream_delivery *d, struct cut *c)
{
    c->piece.points = d->points + d->points_at;
    while (c->points_at < d->points_len && spend(c, GROUP_COST)) {
        struct wire_points *group = &d->points[c->points_at];
        const struct stream_point_rows *rows = &d->point_rows[c->points_at];
        size_t left = rows->len - c->points_cursor;
        size_t n = fit(c, left, POINT_COST);
        group->len = n;
        group->time_ns = rows->time_ns + c->points_cursor;
        group->value = rows->value + c->points_cursor;
        c->piece.points_len++;
        c->points_cursor += n;
        if (n == left) {
            c->points_at++;
            c->points_cursor = 0;
        }
    }
}

static void cut_events(struct cut *c)
{
    struct wire_batch *p = &c->piece;
    p->spans_len = fit(c, p->spans_len, SPAN_COST);
    size_t n = 0;
    while (n < p->notices_len &&
           spend(c, NOTICE_COST + p->notices[n].code.len + p->notices[n].text.len))
        n++;
    p->notices_len = n;
    p->counters_len = fit(c, p->counters_len, COUNTER_COST);
    n = 0;
    while (n < p->sources_len && spend(c, SOURCE_COST + p->sources[n].text.len))
        n++;
    p->sources_len = n;
}

static void cut_piece(struct stream_delivery *d, struct cut *c)
{
    *c = (struct cut){.piece = d->all,
                      .budget = PIECE_BYTES,
                      .samples_at = d->samples_at,
                      .samples_cursor = d->samples_cursor,
                      .points_at = d->points_at,
                      .points_cursor = d->points_cursor};
    cut_tables(c);
    cut_samples(d, c);
    cut_points(d, c);
    cut_events(c);
}

/* New rows are counted by their numbers: rows that come again do not move the count. */
static uint64_t count_processes(const struct wire_batch *p)
{
    uint64_t known = p->first_process;
    for (size_t i = 0; i < p->processes_len; i++)
        known += p->processes[i].index == known;
    return known;
}

static uint64_t count_threads(const struct wire_batch *p)
{
    uint64_t known = p->first_thread;
    for (size_t i = 0; i < p->threads_len; i++)
        known += p->threads[i].index == known;
    return known;
}

#define ADVANCE(all, piece, rows, first)                                                           \
    do {                                                                                           \
        (all)->first += (piece)->rows##_len;                                                       \
        (all)->rows += (piece)->rows##_len;                                                        \
        (all)->rows##_len -= (piece)->rows##_len;                                                  \
    } while (0)

#define ADVANCE_ROWS(all, piece, rows)                                                             \
    do {                                                                                           \
        (all)->rows += (piece)->rows##_len;                                                        \
        (all)->rows##_len -= (piece)->rows##_len;                                                  \
    } while (0)

/* The piece has been put: the delivery begins behind it. */
static void advance(struct stream_delivery *d, const struct cut *c)
{
    struct wire_batch *all = &d->all;
    const struct wire_batch *p = &c->piece;
    ADVANCE(all, p, strings, first_string);
    ADVANCE(all, p, functions, first_function);
    ADVANCE(all, p, frames, first_frame);
    ADVANCE(all, p, stacks, first_stack);
    all->first_process = count_processes(p);
    all->first_thread = count_threads(p);
    ADVANCE_ROWS(all, p, processes);
    ADVANCE_ROWS(all, p, threads);
    ADVANCE_ROWS(all, p, sets);
    ADVANCE_ROWS(all, p, metrics);
    ADVANCE_ROWS(all, p, spans);
    ADVANCE_ROWS(all, p, notices);
    ADVANCE_ROWS(all, p, counters);
    ADVANCE_ROWS(all, p, sources);
    d->samples_at = c->samples_at;
    d->samples_cursor = c->samples_cursor;
    d->points_at = c->points_at;
    d->points_cursor = c->points_cursor;
}

static bool is_used_up(const struct stream_delivery *d)
{
    const struct wire_batch *b = &d->all;
    return d->samples_at == d->samples_len && d->points_at == d->points_len &&
           b->strings_len + b->functions_len + b->frames_len + b->stacks_len + b->processes_len +
                   b->threads_len + b->sets_len + b->metrics_len + b->spans_len + b->notices_len +
                   b->counters_len + b->sources_len ==
               0;
}

static enum status put_piece(struct stream *s, stream_put_fn put, void *ctx)
{
    struct cut c;
    cut_piece(&s->delivery, &c);
    c.piece.seq = s->last_seq + 1;

    buf_clear(&s->message);
    enum status st = wire_encode_batch(&s->message, &c.piece);
    assert(st != STATUS_TOO_LARGE); /* or PIECE_BYTES is wrong */
    if (st == STATUS_OK)
        st = put(ctx, c.piece.seq, s->message.data, s->message.len);
    if (st != STATUS_OK)
        return st;
    advance(&s->delivery, &c);
    stream_lock(s);
    s->last_seq++;
    stream_unlock(s);
    return STATUS_OK;
}

enum status stream_take(struct stream *s, stream_put_fn put, void *ctx, size_t *messages)
{
    size_t done = 0;
    enum status st = STATUS_OK;
    /* First what an earlier take could not put, then what has come since. */
    for (int round = 0; round < 2 && st == STATUS_OK; round++) {
        if (round == 1) {
            stream_lock(s);
            st = stream_collect(s, clock_monotonic_ns());
            stream_unlock(s);
        }
        while (st == STATUS_OK && s->delivery.is_open) {
            st = put_piece(s, put, ctx);
            if (st != STATUS_OK)
                break;
            done++;
            if (is_used_up(&s->delivery))
                stream_delivery_free(&s->delivery);
        }
    }
    if (messages)
        *messages = done;
    return st;
}
