/* When to sample: the distance in bytes from one sample to the next is exponential, so each byte
 * is as likely as any other to be the one, whatever was allocated before. */
#include <string.h>

#include "collector/agent/agent.h"

enum { WITHOUT_RING = 1 << 20 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state; /* xorshift64* */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* Natural logarithm of 0 < x <= 1 without libm: exponent by bits, the mantissa m in [sqrt(1/2),
 * sqrt(2)) by the series of 2 artanh((m - 1) / (m + 1)), good to 1e-11. */
static double natural_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
    double m;
    memcpy(&m, &bits, sizeof(m));
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    double z = (m - 1) / (m + 1);
    double y = z * z;
    double series =
        1 + y * (1 / 3.0 +
                 y * (1 / 5.0 + y * (1 / 7.0 + y * (1 / 9.0 + y * (1 / 11.0 + y * (1 / 13.0))))));
    return exponent * 0.6931471805599453 + 2 * z * series;
}

void agent_draw(struct agent_thread *t)
{
    if (!t || !t->is_alive) { /* without a ring: look again some time */
        agent_countdown = WITHOUT_RING;
        return;
    }
    if (agent_control->mode != RING_SAMPLED) {
        agent_countdown = 0; /* not looked at; a later collector may sample */
        return;
    }
    uint64_t every = atomic_load_explicit(&agent_control->every_bytes, memory_order_relaxed);
    if (every == 0)
        every = 1;
    if (every != t->every && t->busy == AGENT_IDLE && ring_writer_has_room(&t->ring)) {
        ring_writer_put(&t->ring, ring_word(RING_EVERY, RING_DOMAIN_OBJECT, every), 0, 0);
        ring_writer_publish(&t->ring);
        t->every = every;
    }
    double u = (double)((next_random(&t->random) >> 11) + 1) * 0x1p-53;
    double gap = -natural_log(u) * (double)t->every;
    agent_countdown = gap >= 0x1p62 ? INT64_MAX / 2 : (int64_t)gap;
}
