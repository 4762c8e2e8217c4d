/* The malloc and mmap families, interposed by name. Each hook passes on at once when there is
 * nothing to record, or when a PyMem hook above it already does. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/agent/agent.h"

/* Declared here because not every libc has all of them. */
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t alignment, size_t size);

/* ---- the real ones: each pointer first leads to a finder that replaces it ---- */

static void *first_malloc(size_t size);
static void *first_calloc(size_t count, size_t size);
static void *first_realloc(void *old, size_t size);
static void first_free(void *p);
static int first_posix_memalign(void **out, size_t alignment, size_t size);
static void *first_aligned_alloc(size_t alignment, size_t size);
static void *first_memalign(size_t alignment, size_t size);
static void *first_valloc(size_t size);
static void *first_pvalloc(size_t size);
static void *first_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
static int first_munmap(void *at, size_t size);
static void *first_mremap(void *old, size_t old_size, size_t size, int flags, ...);

static struct {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *old, size_t size);
    void (*free)(void *p);
    int (*posix_memalign)(void **out, size_t alignment, size_t size);
    void *(*aligned_alloc)(size_t alignment, size_t size);
    void *(*memalign)(size_t alignment, size_t size);
    void *(*valloc)(size_t size);
    void *(*pvalloc)(size_t size);
    void *(*mmap)(void *at, size_t size, int protection, int flags, int fd, off_t offset);
    int (*munmap)(void *at, size_t size);
    void *(*mremap)(void *old, size_t old_size, size_t size, int flags, ...);
} real = {first_malloc,         first_calloc,        first_realloc,  first_free,
          first_posix_memalign, first_aligned_alloc, first_memalign, first_valloc,
          first_pvalloc,        first_mmap,          first_munmap,   first_mremap};

/* What is asked for while dlsym looks for the real malloc comes from here and is never freed. */
static _Alignas(16) uint8_t early[16 << 10];
static _Atomic size_t early_used;
static int is_finding;

static bool is_early(const void *p)
{
    return (uintptr_t)p - (uintptr_t)early < sizeof(early);
}

static void *early_alloc(size_t size)
{
    size_t need = (size + 15) & ~(size_t)15;
    size_t at = atomic_fetch_add(&early_used, need + 16);
    if (need < size || at > sizeof(early) || need + 16 > sizeof(early) - at) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(early + at, &size, sizeof(size));
    return early + at + 16;
}

#define FIND_NEXT(member)                                                                          \
    do {                                                                                           \
        void *found = dlsym(RTLD_NEXT, #member);                                                   \
        if (found)                                                                                 \
            memcpy(&real.member, &found, sizeof(found));                                           \
    } while (0)

static bool find_real(void)
{
    if (is_finding)
        return false;
    is_finding = 1;
    FIND_NEXT(malloc);
    FIND_NEXT(calloc);
    FIND_NEXT(realloc);
    FIND_NEXT(free);
    FIND_NEXT(posix_memalign);
    FIND_NEXT(aligned_alloc);
    FIND_NEXT(memalign);
    FIND_NEXT(valloc);
    FIND_NEXT(pvalloc);
    FIND_NEXT(mmap);
    FIND_NEXT(munmap);
    FIND_NEXT(mremap);
    is_finding = 0;
    return true;
}

#define FIND_DEFAULT(member)                                                                       \
    do {                                                                                           \
        const void *found = agent_find_defined(#member);                                           \
        if (found)                                                                                 \
            memcpy(&real.member, &found, sizeof(found));                                           \
    } while (0)

/* What the program itself calls, which may be another library's than libc's. */
static void find_program_s(void)
{
    FIND_DEFAULT(malloc);
    FIND_DEFAULT(calloc);
    FIND_DEFAULT(realloc);
    FIND_DEFAULT(free);
    FIND_DEFAULT(posix_memalign);
    FIND_DEFAULT(aligned_alloc);
    FIND_DEFAULT(memalign);
    FIND_DEFAULT(valloc);
    FIND_DEFAULT(pvalloc);
    FIND_DEFAULT(mmap);
    FIND_DEFAULT(munmap);
    FIND_DEFAULT(mremap);
}

static void *first_malloc(size_t size)
{
    return find_real() ? real.malloc(size) : early_alloc(size);
}

static void *first_calloc(size_t count, size_t size)
{
    if (find_real())
        return real.calloc(count, size);
    return count && size > SIZE_MAX / count ? NULL : early_alloc(count * size);
}

static void *first_realloc(void *old, size_t size)
{
    if (find_real())
        return real.realloc(old, size);
    void *p = early_alloc(size);
    if (p && old) {
        size_t old_size;
        memcpy(&old_size, (uint8_t *)old - 16, sizeof(old_size));
        memcpy(p, old, old_size < size ? old_size : size);
    }
    return p;
}

static void first_free(void *p)
{
    if (!is_early(p) && find_real())
        real.free(p);
}

static int first_posix_memalign(void **out, size_t alignment, size_t size)
{
    return find_real() ? real.posix_memalign(out, alignment, size) : ENOMEM;
}

static void *first_aligned_alloc(size_t alignment, size_t size)
{
    return find_real() ? real.aligned_alloc(alignment, size) : NULL;
}

static void *first_memalign(size_t alignment, size_t size)
{
    return find_real() ? real.memalign(alignment, size) : NULL;
}

static void *first_valloc(size_t size)
{
    return find_real() ? real.valloc(size) : NULL;
}

static void *first_pvalloc(size_t size)
{
    return find_real() ? real.pvalloc(size) : NULL;
}

static void *first_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return find_real() ? real.mmap(at, size, protection, flags, fd, offset) : MAP_FAILED;
}

static int first_munmap(void *at, size_t size)
{
    return find_real() ? real.munmap(at, size) : -1;
}

static void *first_mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
    (void)find_real();
    return real.mremap == first_mremap ? MAP_FAILED : real.mremap(old, old_size, size, flags);
}

/* ---- recording ---- */

/* The thread state whose frames are this thread's, and whether it holds the GIL. */
static uint64_t thread_state(bool *has_gil)
{
    void *own = agent_python.own();
    void *attached = agent_python.attached ? agent_python.attached() : NULL;
    /* 3.12+: "attached" is this thread's own, also in a subinterpreter. */
    bool is_new = agent_python.layout.version >= 0x030c0000;
    bool is_attached = attached && (is_new || own == attached);
    *has_gil = is_attached && !agent_python.layout.is_free_threaded;
    if (is_attached)
        return (uint64_t)(uintptr_t)attached;
    /* Without the GIL, a shutting down interpreter may free our thread state any moment. */
    return agent_python.finalizing && *agent_python.finalizing ? 0 : (uint64_t)(uintptr_t)own;
}

static void put_alloc(struct agent_thread *t, enum ring_kind kind, enum ring_domain domain,
                      const void *p, size_t size)
{
    bool has_gil;
    uint64_t tstate = thread_state(&has_gil);
    agent_begin(t, has_gil);
    agent_put_block(t, kind, domain, (uint64_t)(uintptr_t)p, size,
                    agent_stack_of_tstate(t, tstate));
}

static void put_release(struct agent_thread *t, enum ring_kind kind, enum ring_domain domain,
                        const void *p, size_t size)
{
    bool has_gil;
    (void)thread_state(&has_gil);
    agent_begin(t, has_gil);
    if (kind == RING_FREE)
        agent_put_free(t, domain, (uint64_t)(uintptr_t)p);
    else
        agent_put_block(t, kind, domain, (uint64_t)(uintptr_t)p, size, 0);
}

/* A thread to record with, or NULL: off, silent, or (counted) without room. */
static inline struct agent_thread *recorder(enum ring_kind kind, size_t size)
{
    struct agent_thread *t = agent_self;
    if (agent_mode == RING_OFF)
        return NULL;
    if (AGENT_UNLIKELY(agent_python_pending))
        agent_python_poll();
    if (t && t->is_alive && t->busy != AGENT_IDLE) {
        if (t->busy == AGENT_RECORDING)
            agent_count_lost(kind, size);
        return NULL;
    }
    if (!agent_ready(t) && !(t = agent_enter(t)))
        agent_count_lost(kind, size);
    return t;
}

/* Sampled mode: whether the countdown does not run out with these bytes. Bytes that are nobody's to
 * count (nested calls) move it too: a sample that falls on them is none, and another is drawn. */
static inline bool is_passed_over(size_t size)
{
    return AGENT_LIKELY(agent_mode == RING_SAMPLED)
               ? AGENT_LIKELY((agent_countdown -= (int64_t)size) >= 0)
               : agent_mode == RING_OFF;
}

AGENT_COLD static void sampled_alloc(const void *p, size_t size)
{
    bool was_counted = agent_self && agent_self->is_alive;
    struct agent_thread *t = recorder(RING_ALLOC, size);
    if (!t) {
        agent_draw(agent_self);
        return;
    }
    if (!was_counted)
        agent_countdown -= (int64_t)size;
    if (agent_countdown >= 0)
        return;
    if (agent_watch_add((uint64_t)(uintptr_t)p, false)) {
        put_alloc(t, RING_ALLOC, RING_DOMAIN_MALLOC, p, size);
        agent_end(t, AGENT_IDLE);
    } else {
        agent_count_lost(RING_ALLOC, size);
    }
    agent_draw(t);
}

static void exact_alloc(enum ring_kind kind, enum ring_domain domain, const void *p, size_t size)
{
    struct agent_thread *t = recorder(kind, size);
    if (!t)
        return;
    put_alloc(t, kind, domain, p, size);
    agent_end(t, AGENT_IDLE);
}

static inline void *allocated(void *p, size_t size)
{
    if (AGENT_LIKELY(agent_mode != RING_OFF) && p) {
        if (agent_mode == RING_SAMPLED)
            sampled_alloc(p, size);
        else
            exact_alloc(RING_ALLOC, RING_DOMAIN_MALLOC, p, size);
    }
    return p;
}

/* Before the block goes: once it has gone, its address may be another thread's. */
static inline void releasing(const void *p)
{
    struct agent_thread *t;
    bool is_code;
    if (agent_mode == RING_SAMPLED) {
        if (AGENT_LIKELY(!agent_is_watched((uint64_t)(uintptr_t)p)))
            return;
        if (!agent_watch_remove((uint64_t)(uintptr_t)p, &is_code))
            return;
        if (is_code) {
            agent_code_freed((uint64_t)(uintptr_t)p);
            return;
        }
    }
    t = recorder(RING_FREE, 0);
    if (t) {
        put_release(t, RING_FREE, RING_DOMAIN_MALLOC, p, 0);
        agent_end(t, AGENT_IDLE);
    }
}

/* ---- coming late ---- */

bool agent_libc_is_late(void)
{
    void *(*ours)(size_t) = malloc;
    void *theirs = dlsym(RTLD_DEFAULT, "malloc");
    if (memcmp(&ours, &theirs, sizeof(theirs)) == 0)
        return false;
    (void)find_real();
    find_program_s();
    return true;
}

/* ---- the malloc family ---- */

AGENT_API void *malloc(size_t size)
{
    if (is_passed_over(size))
        return real.malloc(size);
    return allocated(real.malloc(size), size);
}

AGENT_API void *calloc(size_t count, size_t size)
{
    if (is_passed_over(count * size))
        return real.calloc(count, size);
    return allocated(real.calloc(count, size), count * size);
}

AGENT_API void free(void *p)
{
    if (AGENT_UNLIKELY(is_early(p)) || !p)
        return;
    if (agent_mode != RING_OFF)
        releasing(p);
    real.free(p);
}

AGENT_API void free_sized(void *p, size_t size)
{
    (void)size;
    free(p);
}

AGENT_API void free_aligned_sized(void *p, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    free(p);
}

AGENT_COLD static void *early_to_real(const uint8_t *old, size_t size)
{
    size_t old_size;
    memcpy(&old_size, old - 16, sizeof(old_size));
    void *p = malloc(size);
    if (p)
        memcpy(p, old, old_size < size ? old_size : size);
    return p;
}

AGENT_API void *realloc(void *old, size_t size)
{
    if (AGENT_UNLIKELY(is_early(old)))
        return early_to_real(old, size);
    if (agent_mode == RING_OFF)
        return real.realloc(old, size);
    if (agent_mode == RING_SAMPLED) {
        if (old)
            releasing(old); /* should realloc fail, this one sample counts as freed early */
        if (is_passed_over(size))
            return real.realloc(old, size);
        return allocated(real.realloc(old, size), size);
    }
    void *p = real.realloc(old, size);
    struct agent_thread *t = p || size == 0 ? recorder(RING_ALLOC, size) : NULL;
    if (t) {
        /* Told after the fact: should another thread already have the old address, the collector
         * sets their order right. */
        if (old)
            put_release(t, RING_FREE, RING_DOMAIN_MALLOC, old, 0);
        if (p)
            put_alloc(t, RING_ALLOC, RING_DOMAIN_MALLOC, p, size);
        agent_end(t, AGENT_IDLE);
    }
    return p;
}

AGENT_API void *reallocarray(void *old, size_t count, size_t size)
{
    if (count && size > SIZE_MAX / count) {
        errno = ENOMEM;
        return NULL;
    }
    // NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): as the caller wishes
    return realloc(old, count * size);
}

AGENT_API int posix_memalign(void **out, size_t alignment, size_t size)
{
    int failed = real.posix_memalign(out, alignment, size);
    if (!failed && !is_passed_over(size))
        (void)allocated(*out, size);
    return failed;
}

AGENT_API void *aligned_alloc(size_t alignment, size_t size)
{
    void *p = real.aligned_alloc(alignment, size);
    return is_passed_over(size) ? p : allocated(p, size);
}

AGENT_API void *memalign(size_t alignment, size_t size)
{
    void *p = real.memalign(alignment, size);
    return is_passed_over(size) ? p : allocated(p, size);
}

AGENT_API void *valloc(size_t size)
{
    void *p = real.valloc(size);
    return is_passed_over(size) ? p : allocated(p, size);
}

AGENT_API void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = real.pvalloc(size);
    size = (size + page - 1) & ~(page - 1);
    return is_passed_over(size) ? p : allocated(p, size);
}

/* ---- mappings: anonymous ones are memory asked for; files belong to the page cache. They are few
 * and dear, so sampled mode records them all. ---- */

/* Address space that is only set aside: mimalloc, which Python may use, takes a whole GiB of it. */
static bool is_reserve(int protection, int flags)
{
    return protection == PROT_NONE || (flags & MAP_NORESERVE);
}

static void unmapped(struct agent_thread *t, const void *p, size_t size)
{
    if (!t)
        return;
    put_release(t, RING_UNMAP, RING_DOMAIN_MMAP, p, size);
    agent_end(t, AGENT_IDLE);
}

AGENT_API void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *p = real.mmap(at, size, protection, flags, fd, offset);
    if (p != MAP_FAILED && (flags & MAP_ANONYMOUS) && agent_mode != RING_OFF &&
        !is_reserve(protection, flags))
        exact_alloc(RING_MAP, RING_DOMAIN_MMAP, p, size);
    return p;
}

AGENT_API void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

AGENT_API int munmap(void *at, size_t size)
{
    if (agent_mode != RING_OFF)
        unmapped(recorder(RING_UNMAP, size), at, size);
    return real.munmap(at, size);
}

AGENT_API void *mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, one line above
    void *at = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    void *p =
        at ? real.mremap(old, old_size, size, flags, at) : real.mremap(old, old_size, size, flags);
    if (p != MAP_FAILED && agent_mode != RING_OFF) {
        unmapped(recorder(RING_UNMAP, old_size), old, old_size);
        exact_alloc(RING_REMAP, RING_DOMAIN_MMAP, p, size);
    }
    return p;
}

/* ---- by name, for programs that were there before us ---- */

#define BIND(name)                                                                                 \
    do {                                                                                           \
        const void *found = agent_find_defined(#name);                                             \
        const void *hook;                                                                          \
        __typeof__(&(name)) function = (name);                                                     \
        memcpy(&hook, &function, sizeof(hook));                                                    \
        if (found)                                                                                 \
            rows[len++] = (struct agent_rebinding){#name, hook, found};                            \
    } while (0)

size_t agent_libc_bindings(struct agent_rebinding *rows)
{
    size_t len = 0;
    BIND(malloc);
    BIND(calloc);
    BIND(realloc);
    BIND(reallocarray);
    BIND(free);
    BIND(free_sized);
    BIND(free_aligned_sized);
    BIND(posix_memalign);
    BIND(aligned_alloc);
    BIND(memalign);
    BIND(valloc);
    BIND(pvalloc);
    BIND(mmap);
    BIND(mmap64);
    BIND(munmap);
    BIND(mremap);
    return len;
}
