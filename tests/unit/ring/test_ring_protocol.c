/* Every interleaving of a writer and a reader on a ring of two, step by step: each shared access of
 * ring/writer.h and ring_reader_advance() is one step of the model. Checked in every state that can
 * be reached: no record is overwritten before it is read, none is read before it is written, none
 * is lost, and nobody sleeps for ever. The model is sequentially consistent; that the accesses are
 * ordered enough for it on real machines is test_ring_threads' part. */

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { CAPACITY = 2, EVENTS = 5 };

enum writer_step {
    W_CHECK,      /* has room by the tail seen last? */
    W_REFRESH,    /* load tail */
    W_SAY_WAIT,   /* store is_waiting */
    W_LOOK_AGAIN, /* load tail once more */
    W_SLEEP,      /* futex: sleeps if the tail is still the one seen */
    W_ASLEEP,
    W_CLEAR, /* store is_waiting */
    W_WRITE,
    W_PUBLISH, /* store head */
    W_DONE,
};
enum reader_step {
    R_HEAD, /* load head */
    R_READ,
    R_ADVANCE, /* store tail */
    R_WAITING, /* load is_waiting */
    R_CLEAR,   /* store is_waiting: only in the broken protocols */
    R_WAKE,
    R_DONE,
};

struct state {
    uint8_t slot[CAPACITY]; /* 0 = read or never written */
    uint8_t head, tail, is_waiting;
    uint8_t w_step, w_head, w_tail, w_waited, r_step, r_tail, r_head;
};

/* Broken protocols, to see that the search finds what is wrong with them. */
static bool without_second_look, with_clearing_reader;

static uint8_t seen_states[1 << 22];
static size_t states, broken;

static size_t hash_of(const struct state *s)
{
    const uint8_t *b = (const uint8_t *)s;
    size_t n = 0;
    for (size_t i = 0; i < sizeof(*s); i++)
        n = n * 1000003 + b[i] + 1;
    return n;
}

/* Exact membership: open addressing over whole states. */
static struct state known[1 << 16];
static bool is_new(const struct state *s)
{
    size_t at = hash_of(s) % (sizeof(known) / sizeof(known[0]));
    while (seen_states[at]) {
        if (memcmp(&known[at], s, sizeof(*s)) == 0)
            return false;
        at = (at + 1) % (sizeof(known) / sizeof(known[0]));
    }
    seen_states[at] = 1;
    known[at] = *s;
    states++;
    cr_assert_lt(states, sizeof(known) / sizeof(known[0]) / 2);
    return true;
}

static bool step_writer(struct state *s)
{
    switch ((enum writer_step)s->w_step) {
    case W_CHECK:
        if (s->w_head == EVENTS)
            s->w_step = W_DONE;
        else
            s->w_step = s->w_head - s->w_tail < CAPACITY ? W_WRITE : W_REFRESH;
        return true;
    case W_REFRESH:
        s->w_tail = s->tail;
        s->w_step = s->w_head - s->w_tail >= CAPACITY ? W_SAY_WAIT
                    : s->w_waited                     ? W_CLEAR
                                                      : W_WRITE;
        return true;
    case W_SAY_WAIT:
        s->is_waiting = 1;
        s->w_waited = 1;
        s->w_step = without_second_look ? W_ASLEEP : W_LOOK_AGAIN;
        return true;
    case W_LOOK_AGAIN:
        s->w_tail = s->tail;
        s->w_step = s->w_head - s->w_tail < CAPACITY ? W_CLEAR : W_SLEEP;
        return true;
    case W_CLEAR:
        s->is_waiting = 0;
        s->w_waited = 0;
        s->w_step = W_WRITE;
        return true;
    case W_SLEEP: /* the kernel compares and sleeps in one step */
        s->w_step = s->tail == s->w_tail ? W_ASLEEP : W_REFRESH;
        return true;
    case W_WRITE:
        if (s->slot[s->w_head % CAPACITY] != 0)
            broken++; /* overwrites what nobody has read */
        s->slot[s->w_head % CAPACITY] = (uint8_t)(s->w_head + 1);
        s->w_step = W_PUBLISH;
        return true;
    case W_PUBLISH:
        s->head = ++s->w_head;
        s->w_step = W_CHECK;
        return true;
    default:
        return false;
    }
}

static bool step_reader(struct state *s)
{
    switch ((enum reader_step)s->r_step) {
    case R_HEAD:
        s->r_head = s->head;
        if (s->r_tail == EVENTS)
            s->r_step = R_DONE;
        else if (s->r_head != s->r_tail)
            s->r_step = R_READ;
        return true;
    case R_READ:
        if (s->slot[s->r_tail % CAPACITY] != s->r_tail + 1)
            broken++; /* not written yet, or another record */
        s->slot[s->r_tail % CAPACITY] = 0;
        if (++s->r_tail == s->r_head)
            s->r_step = R_ADVANCE;
        return true;
    case R_ADVANCE:
        s->tail = s->r_tail;
        s->r_step = R_WAITING;
        return true;
    case R_WAITING:
        s->r_step = !s->is_waiting ? R_HEAD : with_clearing_reader ? R_CLEAR : R_WAKE;
        return true;
    case R_CLEAR:
        s->is_waiting = 0;
        s->r_step = R_WAKE;
        return true;
    case R_WAKE:
        if (s->w_step == W_ASLEEP)
            s->w_step = W_REFRESH;
        s->r_step = R_HEAD;
        return true;
    default:
        return false;
    }
}

static size_t stuck, finished;

static void explore(const struct state *first)
{
    static struct state todo[1 << 16];
    size_t len = 0;
    memset(seen_states, 0, sizeof(seen_states));
    states = broken = stuck = finished = 0;
    if (is_new(first))
        todo[len++] = *first;
    while (len > 0) {
        struct state s = todo[--len];
        struct state w = s;
        struct state r = s;
        bool writer_can = step_writer(&w);
        bool reader_moves = step_reader(&r) && memcmp(&r, &s, sizeof(s)) != 0;
        if (s.w_step == W_DONE && s.r_step == R_DONE)
            finished++;
        else if (!writer_can && !reader_moves)
            stuck++;
        if (writer_can && is_new(&w))
            todo[len++] = w;
        if (reader_moves && is_new(&r))
            todo[len++] = r;
    }
}

Test(ring_protocol, holds_in_every_interleaving)
{
    struct state first = {0};
    explore(&first);
    cr_assert_gt(states, 300);
    cr_assert_eq(broken, 0);
    cr_assert_eq(stuck, 0);
    cr_assert_geq(finished, 1);
}

Test(ring_protocol, needs_the_second_look)
{
    struct state first = {0};
    without_second_look = true;
    explore(&first);
    cr_assert_gt(stuck, 0);
}

Test(ring_protocol, needs_the_writer_to_take_its_flag_back_itself)
{
    struct state first = {0};
    with_clearing_reader = true;
    explore(&first);
    cr_assert_gt(stuck, 0);
}
