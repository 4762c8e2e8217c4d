/* Coming into a program that runs already, and leaving it again: what the lines of Python call that
 * the collector has it run. */
#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "collector/agent/agent.h"

/* 0 = the allocations are followed; else why not. */
enum {
    ATTACHED,
    ATTACH_TAKEN,
    ATTACH_NO_PYTHON,
    ATTACH_TOO_OLD,
    ATTACH_UNREACHABLE,
    ATTACH_BURIED
};

AGENT_API int heliograph_agent_attach(const char *path);
AGENT_API int heliograph_agent_detach(void);

static bool is_late; /* not preloaded: calls were rebound */

/* The caller (ctypes) has let go of the GIL for the call. */
static int with_gil(int (*what)(const char *path), const char *path)
{
    int (*ensure)(void) = NULL;
    void (*release)(int) = NULL;
    void *found = dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
    memcpy(&ensure, &found, sizeof(found));
    found = dlsym(RTLD_DEFAULT, "PyGILState_Release");
    memcpy(&release, &found, sizeof(found));
    if (!ensure || !release)
        return ATTACH_NO_PYTHON;
    int held = ensure();
    int result = what(path);
    release(held);
    return result;
}

static int attach(const char *path)
{
    if (agent_mode != RING_OFF) {
        if (!agent_is_collector_gone())
            return ATTACH_TAKEN;
        /* Killed, and its rings are not full yet: threads without the GIL finish what they do. */
        agent_mode = RING_OFF;
        const struct timespec moment = {.tv_nsec = 50000000};
        syscall(SYS_nanosleep, &moment, NULL);
    }
    agent_python_unhook();
    if (!agent_python.is_python)
        agent_python_init();
    if (!agent_python.is_python)
        return ATTACH_NO_PYTHON;
    if (agent_python.layout_result == PYTHON_LAYOUT_TOO_OLD)
        return ATTACH_TOO_OLD;
    if (agent_python_is_buried)
        return ATTACH_BURIED;
    is_late = agent_libc_is_late();
    if (!agent_open(path))
        return ATTACH_UNREACHABLE;
    agent_mode = (int)agent_control->mode;
    agent_python_hook(true);
    if (is_late)
        agent_rebind(true);
    return ATTACHED;
}

static int detach(const char *path)
{
    (void)path;
    agent_mode = RING_OFF;
    agent_python_unhook();
    if (is_late)
        agent_rebind(false);
    return 0;
}

int heliograph_agent_attach(const char *path)
{
    return with_gil(attach, path);
}

int heliograph_agent_detach(void)
{
    return with_gil(detach, NULL);
}
