/* The addresses whose free must be told: a counting filter in front of an exact table, without
 * locks. The same address is never added or removed by two threads at once, since whoever does
 * either owns the block. */
#include "collector/agent/agent.h"

enum { PROBES = 256 };
static const uint64_t gone = 2; /* a removed entry: searches go on, additions may take it */

static uint32_t slot_of(uint64_t address, uint32_t probe)
{
    uint64_t mixed = (address >> 4) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)((mixed >> 40) + probe) & (AGENT_WATCH_SLOTS - 1);
}

AGENT_COLD bool agent_watch_add(uint64_t address, bool is_code)
{
    uint64_t entry = address | (is_code ? 1 : 0);
    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic uint64_t *slot = &agent_process->watch[slot_of(address, i)];
        uint64_t seen = atomic_load_explicit(slot, memory_order_relaxed);
        if ((seen & ~UINT64_C(1)) == address)
            return atomic_exchange(slot, entry) != 0;
        if (seen != 0 && seen != gone)
            continue;
        if (!atomic_compare_exchange_strong(slot, &seen, entry))
            continue;
        uint32_t h = agent_watch_hash(address);
        atomic_fetch_add(&agent_process->watch_counts[h], 1);
        atomic_fetch_or(&agent_process->watch_bits[h / 64], UINT64_C(1) << h % 64);
        return true;
    }
    return false;
}

AGENT_COLD bool agent_watch_remove(uint64_t address, bool *is_code)
{
    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic uint64_t *slot = &agent_process->watch[slot_of(address, i)];
        uint64_t seen = atomic_load_explicit(slot, memory_order_relaxed);
        if (seen == 0)
            return false;
        if ((seen & ~UINT64_C(1)) != address)
            continue;
        *is_code = seen & 1;
        atomic_store(slot, gone);
        uint32_t h = agent_watch_hash(address);
        if (atomic_fetch_sub(&agent_process->watch_counts[h], 1) == 1) {
            atomic_fetch_and(&agent_process->watch_bits[h / 64], ~(UINT64_C(1) << h % 64));
            /* Another thread may have added one of the same hash in between. */
            if (atomic_load(&agent_process->watch_counts[h]) != 0)
                atomic_fetch_or(&agent_process->watch_bits[h / 64], UINT64_C(1) << h % 64);
        }
        return true;
    }
    return false;
}
