/* What the optional Python module `heliograph` calls: marks and spans on the time line. */
#include <string.h>

#include "collector/agent/agent.h"

enum { NAME_MAX_BYTES = 1024 };

/* `kind` as in enum ring_mark. Does nothing when nobody listens. */
AGENT_API void heliograph_agent_mark(const char *name, size_t len, int kind);

void heliograph_agent_mark(const char *name, size_t len, int kind)
{
    struct agent_thread *t = agent_self;
    uint32_t unit = 0;
    if (agent_mode == RING_OFF || kind < RING_MARK_POINT || kind > RING_MARK_END ||
        (t && t->is_alive && t->busy != AGENT_IDLE))
        return;
    if (!agent_ready(t) && !(t = agent_enter(t)))
        return;
    if (len > NAME_MAX_BYTES)
        len = NAME_MAX_BYTES;
    uint8_t *text = agent_reserve((uint32_t)(sizeof(uint32_t) + len), &unit);
    if (!text)
        return;
    uint32_t len32 = (uint32_t)len;
    memcpy(text, &len32, sizeof(len32));
    memcpy(text + sizeof(len32), name, len);
    agent_begin(t, false);
    ring_writer_put(&t->ring, ring_word(RING_MARK, RING_DOMAIN_OBJECT, agent_clock_ns()),
                    (uint32_t)kind, unit);
    agent_end(t, AGENT_IDLE);
}
