#include "common/base/seed.h"

#include <sys/random.h>

#include "common/base/clock.h"

uint64_t seed_random(void)
{
    uint64_t seed;
    /* Early in a boot the kernel may have none to give without waiting: the clock is better than
     * nothing, and nothing secret depends on it. */
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = clock_monotonic_ns() * 0x9e3779b97f4a7c15ULL;
    return seed;
}
