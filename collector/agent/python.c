/* Python's own allocators (domains OBJ and MEM; RAW is malloc) through PyMem_SetAllocator, with
 * every function of Python's found by name: no header of it, no link to it.
 *
 * Exact mode records every call under the domain "object" and keeps the libc hooks below silent
 * meanwhile. Sampled mode decides by size who counts: small requests here, what pymalloc passes on
 * to malloc there. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/agent/agent.h"

/* Include/cpython/pymem.h @v3.8.18 .. v3.13.0 */
struct allocator {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t count, size_t size);
    void *(*realloc)(void *ctx, void *p, size_t size);
    void (*free)(void *ctx, void *p);
};

/* Include/cpython/objimpl.h @v3.8.18 .. v3.13.0 */
struct arena_allocator {
    void *ctx;
    void *(*alloc)(void *ctx, size_t size);
    void (*free)(void *ctx, void *p, size_t size);
};

enum { DOMAIN_MEM = 1, DOMAIN_OBJ = 2 };
enum {
    PYMALLOC_SMALL = 512, /* SMALL_REQUEST_THRESHOLD, Objects/obmalloc.c */
    DEBUG_EXTRA = 24,     /* what the debug allocator adds to a request */
};

struct agent_python agent_python;
volatile int agent_python_pending;
bool agent_python_is_buried;

static void (*get_allocator)(int domain, struct allocator *out);
static void (*set_allocator)(int domain, struct allocator *in);
static void (*get_arena)(struct arena_allocator *out);
static void (*set_arena)(struct arena_allocator *in);
static int (*is_initialized)(void);

static struct allocator real_obj, real_mem;
static struct arena_allocator real_arena;
static size_t small_limit = PYMALLOC_SMALL;
static bool is_hooked;

static inline uint32_t current_stack(struct agent_thread *t)
{
    void *tstate = AGENT_LIKELY(agent_python.attached_at != NULL) ? *agent_python.attached_at
                                                                  : agent_python.attached();
    return agent_stack_of_tstate(t, (uint64_t)(uintptr_t)tstate);
}

AGENT_COLD static struct agent_thread *enter(struct agent_thread *t)
{
    /* What stands where a version keeps it is still asked once in a while. */
    if (agent_python.attached_at && *agent_python.attached_at != agent_python.attached())
        agent_python.attached_at = NULL;
    t = agent_enter(t);
    if (!t && agent_mode == RING_OFF)
        agent_python_unhook();
    return t;
}

static inline void record_alloc(struct agent_thread *t, void *p, size_t size)
{
    agent_begin(t, !agent_python.layout.is_free_threaded);
    agent_put_block(t, RING_ALLOC, RING_DOMAIN_OBJECT, (uint64_t)(uintptr_t)p, size,
                    current_stack(t));
}

static inline void record_free(struct agent_thread *t, void *p)
{
    uint64_t address = (uint64_t)(uintptr_t)p;
    bool is_code;
    agent_begin(t, !agent_python.layout.is_free_threaded);
    if (AGENT_UNLIKELY(agent_is_watched(address)) && agent_watch_remove(address, &is_code) &&
        is_code)
        agent_code_freed(address);
    agent_put_free(t, RING_DOMAIN_OBJECT, address);
}

/* ---- exact ---- */

static inline __attribute__((always_inline)) void *exact_malloc(const struct allocator *real,
                                                                void *ctx, size_t size)
{
    struct agent_thread *t = agent_self;
    if (!agent_ready(t) && !(t = enter(t))) {
        agent_count_lost(RING_ALLOC, size);
        return real->malloc(ctx, size);
    }
    t->busy = AGENT_INSIDE;
    void *p = real->malloc(ctx, size);
    if (AGENT_LIKELY(p != NULL)) {
        record_alloc(t, p, size);
        agent_end(t, AGENT_IDLE);
    } else {
        t->busy = AGENT_IDLE;
    }
    return p;
}

static inline __attribute__((always_inline)) void *
exact_calloc(const struct allocator *real, void *ctx, size_t count, size_t size)
{
    struct agent_thread *t = agent_self;
    if (!agent_ready(t) && !(t = enter(t))) {
        agent_count_lost(RING_ALLOC, count * size);
        return real->calloc(ctx, count, size);
    }
    t->busy = AGENT_INSIDE;
    void *p = real->calloc(ctx, count, size);
    if (AGENT_LIKELY(p != NULL)) {
        record_alloc(t, p, count * size);
        agent_end(t, AGENT_IDLE);
    } else {
        t->busy = AGENT_IDLE;
    }
    return p;
}

static inline __attribute__((always_inline)) void *exact_realloc(const struct allocator *real,
                                                                 void *ctx, void *old, size_t size)
{
    struct agent_thread *t = agent_self;
    if (!agent_ready(t) && !(t = enter(t))) {
        agent_count_lost(RING_FREE, 0);
        agent_count_lost(RING_ALLOC, size);
        return real->realloc(ctx, old, size);
    }
    t->busy = AGENT_INSIDE;
    void *p = real->realloc(ctx, old, size);
    if (AGENT_LIKELY(p != NULL)) {
        agent_begin(t, !agent_python.layout.is_free_threaded);
        if (old)
            agent_put_free(t, RING_DOMAIN_OBJECT, (uint64_t)(uintptr_t)old);
        record_alloc(t, p, size);
        agent_end(t, AGENT_IDLE);
    } else {
        t->busy = AGENT_IDLE;
    }
    return p;
}

static inline __attribute__((always_inline)) void exact_free(const struct allocator *real,
                                                             void *ctx, void *p)
{
    if (!p)
        return;
    struct agent_thread *t = agent_self;
    if (!agent_ready(t) && !(t = enter(t))) {
        agent_count_lost(RING_FREE, 0);
        real->free(ctx, p);
        return;
    }
    record_free(t, p);
    agent_end(t, AGENT_INSIDE);
    real->free(ctx, p);
    t->busy = AGENT_IDLE;
}

/* ---- sampled: decide, then go straight on; the rare sample takes the slow way ---- */

static void *sampled_record(void *p, size_t size)
{
    struct agent_thread *t = agent_self;
    bool was_counted = t && t->is_alive;
    if (!agent_ready(t) && !(t = enter(t))) {
        agent_count_lost(RING_ALLOC, size);
        agent_draw(agent_self);
        return p;
    }
    if (!was_counted) /* a thread that just came, or a forked child */
        agent_countdown -= (int64_t)size;
    if (agent_countdown >= 0)
        return p;
    if (!p || t->busy != AGENT_IDLE) {
        agent_draw(t);
        return p;
    }
    if (agent_watch_add((uint64_t)(uintptr_t)p, false)) {
        record_alloc(t, p, size);
        agent_end(t, AGENT_IDLE);
    } else {
        agent_count_lost(RING_ALLOC, size);
    }
    agent_draw(t);
    return p;
}

static void sampled_forget(void *p)
{
    struct agent_thread *t = agent_self;
    uint64_t address = (uint64_t)(uintptr_t)p;
    bool is_code;
    if (!agent_watch_remove(address, &is_code))
        return;
    if (is_code) {
        agent_code_freed(address);
        return;
    }
    if (!agent_ready(t) && !(t = enter(t))) {
        agent_count_lost(RING_FREE, 0);
        return;
    }
    agent_begin(t, !agent_python.layout.is_free_threaded);
    agent_put_free(t, RING_DOMAIN_OBJECT, address);
    agent_end(t, AGENT_IDLE);
}

AGENT_COLD static void *sampled_malloc_slow(const struct allocator *real, void *ctx, size_t size)
{
    return sampled_record(real->malloc(ctx, size), size);
}

AGENT_COLD static void *sampled_calloc_slow(const struct allocator *real, void *ctx, size_t count,
                                            size_t size)
{
    return sampled_record(real->calloc(ctx, count, size), count * size);
}

AGENT_COLD static void *sampled_realloc_slow(const struct allocator *real, void *ctx, void *old,
                                             size_t size)
{
    /* A failure leaves the old block alive and forgotten: counted as freed early, which is rarer
     * than any sample. */
    if (old && agent_is_watched((uint64_t)(uintptr_t)old))
        sampled_forget(old);
    void *p = real->realloc(ctx, old, size);
    return size <= small_limit && agent_countdown < 0 ? sampled_record(p, size) : p;
}

AGENT_COLD static void sampled_free_slow(const struct allocator *real, void *ctx, void *p)
{
    sampled_forget(p);
    real->free(ctx, p);
}

static inline __attribute__((always_inline)) bool is_sampled(size_t size)
{
    return size <= small_limit && AGENT_UNLIKELY((agent_countdown -= (int64_t)size) < 0);
}

static inline __attribute__((always_inline)) void *sampled_malloc(const struct allocator *real,
                                                                  void *ctx, size_t size)
{
    if (is_sampled(size))
        return sampled_malloc_slow(real, ctx, size);
    return real->malloc(ctx, size);
}

static inline __attribute__((always_inline)) void *
sampled_calloc(const struct allocator *real, void *ctx, size_t count, size_t size)
{
    if (is_sampled(count * size))
        return sampled_calloc_slow(real, ctx, count, size);
    return real->calloc(ctx, count, size);
}

static inline __attribute__((always_inline)) void *
sampled_realloc(const struct allocator *real, void *ctx, void *old, size_t size)
{
    if (is_sampled(size) || (old && AGENT_UNLIKELY(agent_is_watched((uint64_t)(uintptr_t)old))))
        return sampled_realloc_slow(real, ctx, old, size);
    return real->realloc(ctx, old, size);
}

static inline __attribute__((always_inline)) void sampled_free(const struct allocator *real,
                                                               void *ctx, void *p)
{
    if (AGENT_UNLIKELY(agent_is_watched((uint64_t)(uintptr_t)p)))
        sampled_free_slow(real, ctx, p);
    else
        real->free(ctx, p);
}

/* One set of entry points for each mode and domain, so that nothing is looked up at run time. They
 * are given the real allocator's own ctx. */
#define AGENT_ENTRY_POINTS(mode, domain)                                                           \
    static void *mode##_##domain##_malloc(void *ctx, size_t size)                                  \
    {                                                                                              \
        return mode##_malloc(&real_##domain, ctx, size);                                           \
    }                                                                                              \
    static void *mode##_##domain##_calloc(void *ctx, size_t count, size_t size)                    \
    {                                                                                              \
        return mode##_calloc(&real_##domain, ctx, count, size);                                    \
    }                                                                                              \
    static void *mode##_##domain##_realloc(void *ctx, void *old, size_t size)                      \
    {                                                                                              \
        return mode##_realloc(&real_##domain, ctx, old, size);                                     \
    }                                                                                              \
    static void mode##_##domain##_free(void *ctx, void *p)                                         \
    {                                                                                              \
        mode##_free(&real_##domain, ctx, p);                                                       \
    }                                                                                              \
    static const struct allocator mode##_##domain = {                                              \
        NULL, mode##_##domain##_malloc, mode##_##domain##_calloc, mode##_##domain##_realloc,       \
        mode##_##domain##_free};

AGENT_ENTRY_POINTS(exact, obj)
AGENT_ENTRY_POINTS(exact, mem)
AGENT_ENTRY_POINTS(sampled, obj)
AGENT_ENTRY_POINTS(sampled, mem)

/* ---- arenas: memory that pymalloc hands out in small pieces must not count twice ---- */

static struct agent_thread *quiet_thread(void)
{
    struct agent_thread *t = agent_self;
    return t && t->is_alive ? t : agent_enter(t);
}

static void *arena_alloc_hook(void *ctx, size_t size)
{
    struct agent_thread *t = quiet_thread();
    uint32_t busy = t ? t->busy : AGENT_IDLE;
    (void)ctx;
    if (t)
        t->busy = AGENT_INSIDE;
    void *p = real_arena.alloc(real_arena.ctx, size);
    if (t)
        t->busy = busy;
    if (p)
        atomic_fetch_add(agent_arena_bytes(), size);
    return p;
}

static void arena_free_hook(void *ctx, void *p, size_t size)
{
    struct agent_thread *t = quiet_thread();
    uint32_t busy = t ? t->busy : AGENT_IDLE;
    (void)ctx;
    if (t)
        t->busy = AGENT_INSIDE;
    real_arena.free(real_arena.ctx, p, size);
    if (t)
        t->busy = busy;
    atomic_fetch_sub(agent_arena_bytes(), size);
}

/* ---- putting them there ---- */

static void *find(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

/* dlsym gives an object pointer, a call needs a function pointer: POSIX promises they are alike. */
#define FIND_FUNCTION(variable, name)                                                              \
    do {                                                                                           \
        void *found = find(name);                                                                  \
        memcpy(&(variable), &found, sizeof(found));                                                \
    } while (0)

static uint32_t hex_version(const char *text)
{
    uint32_t part[3] = {0};
    for (int i = 0; i < 3; i++) {
        while (*text >= '0' && *text <= '9')
            part[i] = part[i] * 10 + (uint32_t)(*text++ - '0');
        if (*text == '.')
            text++;
        else
            break;
    }
    uint32_t level = *text == 'a' ? 0xa : *text == 'b' ? 0xb : *text == 'r' ? 0xc : 0xf;
    return part[0] << 24 | part[1] << 16 | part[2] << 8 | level << 4;
}

void agent_python_init(void)
{
    const char *(*get_version)(void) = NULL;
    FIND_FUNCTION(get_version, "Py_GetVersion");
    FIND_FUNCTION(get_allocator, "PyMem_GetAllocator");
    FIND_FUNCTION(set_allocator, "PyMem_SetAllocator");
    FIND_FUNCTION(get_arena, "PyObject_GetArenaAllocator");
    FIND_FUNCTION(set_arena, "PyObject_SetArenaAllocator");
    FIND_FUNCTION(is_initialized, "Py_IsInitialized");
    FIND_FUNCTION(agent_python.own, "PyGILState_GetThisThreadState");
    FIND_FUNCTION(agent_python.attached, "PyThreadState_GetUnchecked");
    if (!agent_python.attached)
        FIND_FUNCTION(agent_python.attached, "_PyThreadState_UncheckedGet");
    agent_python.is_python = get_version && get_allocator && set_allocator && get_arena &&
                             set_arena && is_initialized && agent_python.own;
    if (!agent_python.is_python)
        return;
    uint32_t version = hex_version(get_version());
    agent_python.layout_result = python_layout_init(&agent_python.layout, version,
                                                    find("_PyRuntime"), PYTHON_DEBUG_OFFSETS_MAX);
    if (agent_python.layout_result == PYTHON_LAYOUT_OK &&
        agent_python.layout.runtime_finalizing != PYTHON_NO_FIELD)
        agent_python.finalizing =
            (void *volatile *)(void *)((uint8_t *)find("_PyRuntime") +
                                       agent_python.layout.runtime_finalizing);
    if (agent_python.layout_result == PYTHON_LAYOUT_OK &&
        agent_python.layout.runtime_tstate_current != PYTHON_NO_FIELD)
        agent_python.attached_at =
            (void *volatile *)(void *)((uint8_t *)find("_PyRuntime") +
                                       agent_python.layout.runtime_tstate_current);
    agent_python.code_type = (uint64_t)(uintptr_t)find("PyCode_Type");
    agent_python.layout.version = version;
}

/* Python sets its allocators itself, over ours, when it is told which (PYTHONMALLOC, -X dev): then
 * our turn comes after it has started. */
static bool is_allocator_chosen(const char **name)
{
    *name = getenv("PYTHONMALLOC");
    const char *dev = getenv("PYTHONDEVMODE");
    if (*name && **name)
        return true;
    if (dev && *dev) {
        *name = "debug";
        return true;
    }
    char line[4096];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0);
    long len = fd < 0 ? 0 : syscall(SYS_read, fd, line, sizeof(line) - 1);
    if (fd >= 0)
        syscall(SYS_close, fd);
    for (long i = 0; i + 5 < len; i++) {
        bool is_start = i == 0 || line[i - 1] == '\0';
        if (is_start && (memcmp(line + i, "-Xdev", 6) == 0 ||
                         (i + 6 < len && memcmp(line + i, "-X\0dev", 7) == 0))) {
            *name = "debug";
            return true;
        }
    }
    return false;
}

static void hook_arenas(void)
{
    struct arena_allocator arena = {NULL, arena_alloc_hook, arena_free_hook};
    struct arena_allocator now;
    get_arena(&now);
    if (now.alloc == arena_alloc_hook)
        return;
    real_arena = now;
    set_arena(&arena);
}

static void hook_now(void)
{
    struct allocator obj = agent_mode == RING_EXACT ? exact_obj : sampled_obj;
    struct allocator mem = agent_mode == RING_EXACT ? exact_mem : sampled_mem;
    hook_arenas();
    get_allocator(DOMAIN_OBJ, &real_obj);
    get_allocator(DOMAIN_MEM, &real_mem);
    obj.ctx = real_obj.ctx;
    mem.ctx = real_mem.ctx;
    set_allocator(DOMAIN_OBJ, &obj);
    set_allocator(DOMAIN_MEM, &mem);
    is_hooked = true;
    /* Only from here on is it noticed when a code object goes. */
    agent_python.has_stacks = agent_python.layout_result == PYTHON_LAYOUT_OK &&
                              agent_python.attached && agent_python.code_type;
    agent_stack_init();
}

void agent_python_hook(bool is_running)
{
    const char *name = NULL;
    /* mimalloc, which free-threaded builds always have, takes nothing from malloc: all is counted
     * here. */
    small_limit = agent_python.layout.is_free_threaded ? SIZE_MAX : PYMALLOC_SMALL;
    if (!is_allocator_chosen(&name)) {
        hook_now();
        return;
    }
    if (strcmp(name, "malloc") == 0 || strcmp(name, "malloc_debug") == 0)
        small_limit = 0; /* sampled mode: all of it comes by the libc hooks */
    else if (strcmp(name, "debug") == 0 || strcmp(name, "pymalloc_debug") == 0)
        small_limit = PYMALLOC_SMALL - DEBUG_EXTRA;
    else if (strncmp(name, "mimalloc", strlen("mimalloc")) == 0)
        small_limit = SIZE_MAX;
    if (is_running) {
        hook_now();
        return;
    }
    /* Nobody sets these: what pymalloc maps meanwhile is not counted beside what lies in it. */
    hook_arenas();
    agent_python_pending = 1;
}

void agent_python_poll(void)
{
    if (agent_mode == RING_OFF || !is_initialized())
        return;
    agent_python_pending = 0;
    hook_now();
}

/* Only where we are still on top: whoever wrapped us later holds pointers to our functions. */
void agent_python_unhook(void)
{
    struct allocator obj, mem;
    struct arena_allocator arena;
    if (!is_hooked)
        return;
    is_hooked = false;
    get_arena(&arena);
    if (arena.alloc == arena_alloc_hook)
        set_arena(&real_arena);
    get_allocator(DOMAIN_OBJ, &obj);
    get_allocator(DOMAIN_MEM, &mem);
    if (obj.malloc == exact_obj_malloc || obj.malloc == sampled_obj_malloc)
        set_allocator(DOMAIN_OBJ, &real_obj);
    else
        agent_python_is_buried = true;
    if (mem.malloc == exact_mem_malloc || mem.malloc == sampled_mem_malloc)
        set_allocator(DOMAIN_MEM, &real_mem);
    else
        agent_python_is_buried = true;
}
