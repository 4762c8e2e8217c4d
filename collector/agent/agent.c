/* Coming to life, in the process and in each of its threads; waiting for a full ring; going out. */
#include "collector/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WAITS = 4 };

__thread struct agent_thread *agent_self;
__thread int64_t agent_countdown;
static __thread int is_entering __attribute__((tls_model("initial-exec")));
/* Events to pass over before this thread looks for a slot again, after it found none. */
static __thread uint32_t refused_events __attribute__((tls_model("initial-exec")));

volatile int agent_mode = RING_OFF;
struct agent_process *agent_process;
const struct ring_control *agent_control;
struct agent_thread *volatile agent_turn_of;
volatile uint64_t agent_code_epoch = 1;
_Atomic uint64_t *agent_turns;

static struct ring_control *control; /* the shared tables, writable */
static char region_path[64];
static dev_t region_dev;
static ino_t region_ino;
static pthread_key_t end_key;

/* ---- plain system calls: libc's mmap is one of our hooks ---- */

static void *map_raw(size_t size, int protection, int flags, int fd, uint64_t offset)
{
    long map = syscall(SYS_mmap, NULL, size, protection, flags, fd, (long)offset);
    return map == -1 ? NULL
                     : (void *)map; // NOLINT(performance-no-int-to-ptr): a system call's word
}

void *agent_map(size_t size)
{
    void *map =
        map_raw(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map && madvise(map, size, MADV_WIPEONFORK) != 0) {
        agent_unmap(map, size);
        map = NULL;
    }
    return map;
}

void agent_unmap(void *map, size_t size)
{
    syscall(SYS_munmap, map, size);
}

uint64_t agent_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* The memfd, opened anew each time: a program may close every file it has. -1 when the collector
 * is gone or this process may not look at it. */
static int open_region(void)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, region_path, O_RDWR | O_CLOEXEC, 0);
    struct stat st;
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 &&
        (!region_ino || (st.st_ino == region_ino && st.st_dev == region_dev))) {
        region_ino = st.st_ino;
        region_dev = st.st_dev;
        return fd;
    }
    syscall(SYS_close, fd);
    return -1;
}

_Static_assert(sizeof(agent_python.layout) <= RING_PYTHON_BYTES, "the layout fits its slot");

static void *map_shared(int fd, uint64_t offset, size_t size)
{
    void *map = map_raw(size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, offset);
    if (map)
        madvise(map, size, MADV_DONTFORK);
    return map;
}

static struct ring_process *process_row(uint32_t slot)
{
    return (struct ring_process *)(void *)((uint8_t *)control + control->process_offset) + slot;
}

static struct ring_thread *thread_row(uint32_t slot)
{
    return (struct ring_thread *)(void *)((uint8_t *)control + control->thread_offset) + slot;
}

static bool take_slot(_Atomic uint32_t *state)
{
    uint32_t free_slot = RING_SLOT_FREE;
    return atomic_load_explicit(state, memory_order_relaxed) == RING_SLOT_FREE &&
           atomic_compare_exchange_strong(state, &free_slot, RING_SLOT_TAKEN);
}

/* ---- the process ---- */

AGENT_COLD static bool register_process(void)
{
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong(&agent_process->state, &none, 1))
        return none == 2;

    uint32_t pid = (uint32_t)syscall(SYS_getpid);
    for (uint32_t i = 0; i < control->processes; i++) {
        uint32_t slot = (pid + i) % control->processes;
        struct ring_process *row = process_row(slot);
        if (!take_slot(&row->state))
            continue;
        int fd = open_region();
        if (fd >= 0) {
            agent_process->definitions =
                map_shared(fd, ring_definition_offset(control, slot), control->definition_bytes);
            syscall(SYS_close, fd);
        }
        if (!agent_process->definitions) {
            atomic_store(&row->state, RING_SLOT_FREE);
            break;
        }
        row->pid = pid;
        row->parent_pid = (uint32_t)syscall(SYS_getppid);
        row->python_version = agent_python.layout.version;
        row->layout_result = agent_python.layout_result;
        atomic_store(&row->definitions_used, RING_DEFINITION_UNIT); /* 0 means unknown */
        row->python_len = sizeof(agent_python.layout);
        memcpy(row->python, &agent_python.layout, sizeof(agent_python.layout));
        agent_turns = &row->turns;
        agent_process->slot = slot;
        atomic_store_explicit(&row->state, RING_SLOT_READY, memory_order_release);
        atomic_fetch_add(&control->arrivals, 1);
        atomic_store(&agent_process->state, 2);
        return true;
    }
    atomic_fetch_add(&control->refused, 1);
    agent_mode = RING_OFF;
    return false;
}

uint8_t *agent_reserve(uint32_t len, uint32_t *unit)
{
    _Atomic uint64_t *used = &process_row(agent_process->slot)->definitions_used;
    uint64_t need =
        ((uint64_t)len + RING_DEFINITION_UNIT - 1) & ~(uint64_t)(RING_DEFINITION_UNIT - 1);
    uint64_t at = atomic_load(used);
    do {
        if (need > control->definition_bytes - at)
            return NULL;
    } while (!atomic_compare_exchange_weak(used, &at, at + need));
    *unit = (uint32_t)(at / RING_DEFINITION_UNIT);
    return agent_process->definitions + at;
}

_Atomic uint64_t *agent_arena_bytes(void)
{
    static _Atomic uint64_t nowhere;
    if (atomic_load(&agent_process->state) != 2)
        return &nowhere;
    return &process_row(agent_process->slot)->arena_bytes;
}

/* ---- threads ---- */

static struct agent_thread *pop_free_thread(void)
{
    uint64_t top = atomic_load(&agent_process->free_threads);
    while ((uint32_t)top != 0) {
        uint32_t index = (uint32_t)top - 1;
        uint64_t next = ((top >> 32) + 1) << 32 | atomic_load(&agent_process->free_next[index]);
        if (atomic_compare_exchange_weak(&agent_process->free_threads, &top, next))
            return agent_process->threads[index];
    }
    return NULL;
}

static void push_free_thread(struct agent_thread *t)
{
    uint64_t top = atomic_load(&agent_process->free_threads);
    uint64_t next;
    do {
        atomic_store(&agent_process->free_next[t->index], (uint32_t)top);
        next = ((top >> 32) + 1) << 32 | (t->index + 1);
    } while (!atomic_compare_exchange_weak(&agent_process->free_threads, &top, next));
}

AGENT_COLD static struct agent_thread *new_thread(void)
{
    uint32_t index = atomic_fetch_add(&agent_process->threads_len, 1);
    if (index >= RING_THREADS)
        return NULL;
    struct agent_thread *t = agent_map(sizeof(*t));
    if (!t)
        return NULL;
    for (uint32_t i = 0; i < control->threads; i++) {
        uint32_t slot = (agent_process->slot * 8 + index + i) % control->threads;
        struct ring_thread *row = thread_row(slot);
        if (!take_slot(&row->state))
            continue;
        uint8_t *data = NULL;
        int fd = open_region();
        if (fd >= 0) {
            data = map_shared(fd, ring_data_offset(control, slot), ring_data_bytes(control));
            syscall(SYS_close, fd);
        }
        if (!data) {
            atomic_store(&row->state, RING_SLOT_FREE);
            break;
        }
        row->process = agent_process->slot;
        t->slot = slot;
        t->index = index;
        t->nodes = (struct ring_node *)(void *)(data + ring_ring_bytes(control));
        t->nodes_max = control->nodes;
        t->random = agent_clock_ns() * UINT64_C(0x9e3779b97f4a7c15) | 1;
        agent_stack_reset(t);
        ring_writer_init(&t->ring, row, (struct ring_record *)(void *)data, control->records);
        atomic_store_explicit(&row->state, RING_SLOT_READY, memory_order_release);
        atomic_fetch_add(&control->arrivals, 1);
        agent_process->threads[index] = t;
        return t;
    }
    agent_unmap(t, sizeof(*t));
    return NULL;
}

/* The thread ends; its ring waits for the next one. Should another key's destructor allocate or
 * free after this, the thread takes a ring again, and this runs again. */
static void end_thread(void *value)
{
    struct agent_thread *t = value;
    if (t != agent_self || !t->is_alive)
        return;
    agent_self = NULL;
    push_free_thread(t);
}

AGENT_COLD static struct agent_thread *start_thread(void)
{
    if (atomic_load(&agent_process->state) != 2 && !register_process())
        return NULL;
    struct agent_thread *t = pop_free_thread();
    if (!t)
        t = new_thread();
    if (!t) {
        atomic_fetch_add(&control->refused, 1);
        refused_events = 1 << 16;
        return NULL;
    }
    t->is_alive = 1;
    t->busy = AGENT_IDLE;
    if (ring_writer_has_room(&t->ring) || ring_writer_refresh(&t->ring)) {
        ring_writer_put(&t->ring,
                        ring_word(RING_OWNER, RING_DOMAIN_OBJECT, (uint64_t)syscall(SYS_gettid)), 0,
                        0);
        ring_writer_publish(&t->ring);
    }
    agent_self = t;
    agent_draw(t);
    pthread_setspecific(end_key, t);
    return t;
}

/* ---- a full ring ---- */

bool agent_is_collector_gone(void)
{
    return atomic_load(&control->is_closed) ||
           (kill((pid_t)control->collector_pid, 0) != 0 && errno == ESRCH);
}

AGENT_COLD static void go_out(void)
{
    agent_mode = RING_OFF;
    agent_python_pending = 0;
}

static void sleep_on_tail(struct agent_thread *t)
{
    if (!ring_writer_before_wait(&t->ring))
        return;
    const struct timespec moment = {.tv_nsec = 1000000};
    syscall(SYS_futex, &t->ring.shared->tail, FUTEX_WAIT,
            (uint32_t)(t->ring.limit + RING_SPARE - t->ring.mask - 1), &moment, NULL, 0);
}

/* Until there is room, the collector is gone, has stood still for wait_ms, or WAITS times that have
 * passed. A machine with too much to do may well leave the collector waiting for a while. */
AGENT_COLD static bool wait_for_room(struct agent_thread *t)
{
    uint64_t bound_ns = (uint64_t)control->wait_ms * 1000000;
    uint64_t start_ns = agent_clock_ns();
    uint64_t moved_ns = start_ns;
    uint64_t heartbeat = atomic_load(&control->heartbeat);
    bool has_room = false;
    atomic_fetch_add_explicit(&t->ring.shared->lost_waits, 1, memory_order_relaxed);
    for (uint32_t n = 1; !has_room; n++) {
        sleep_on_tail(t); /* a millisecond at most */
        has_room = ring_writer_refresh(&t->ring);
        uint64_t now_ns = agent_clock_ns();
        uint64_t beat = atomic_load(&control->heartbeat);
        if (beat != heartbeat) {
            heartbeat = beat;
            moved_ns = now_ns;
        }
        if (now_ns - moved_ns > bound_ns || now_ns - start_ns > WAITS * bound_ns ||
            (n % 16 == 0 && agent_is_collector_gone()))
            break;
    }
    ring_writer_after_wait(&t->ring);
    return has_room;
}

/* In exact mode waits, within bounds; a ring that stays full is then only counted until it has room
 * again, without another wait. */
AGENT_COLD static bool make_room(struct agent_thread *t)
{
    bool has_room = ring_writer_refresh(&t->ring);
    if (!has_room && !t->is_degraded && control->mode == RING_EXACT)
        has_room = wait_for_room(t);
    if (!has_room) {
        uint64_t heartbeat = atomic_load(&control->heartbeat);
        if (!t->is_degraded || heartbeat != t->stalled_heartbeat) {
            t->stalled_heartbeat = heartbeat;
            t->stalled_since_ns = agent_clock_ns();
        }
        t->is_degraded = 1;
        if ((t->lost++ & 0xffff) == 0 &&
            (agent_is_collector_gone() ||
             agent_clock_ns() - t->stalled_since_ns > UINT64_C(30000000000)))
            go_out();
        return false;
    }
    if (t->is_degraded) {
        ring_writer_put(&t->ring, ring_word(RING_GAP, RING_DOMAIN_OBJECT, t->lost), 0, 0);
        t->is_degraded = 0;
        t->lost = 0;
    }
    return true;
}

void agent_take_turn(struct agent_thread *t)
{
    t->seen_turn = atomic_fetch_add_explicit(agent_turns, 1, memory_order_acq_rel) + 1;
    ring_writer_put(&t->ring, ring_word(RING_TURN, RING_DOMAIN_OBJECT, t->seen_turn), 0, 0);
    agent_turn_of = t;
}

void agent_note_turn(struct agent_thread *t)
{
    t->seen_turn = atomic_load_explicit(agent_turns, memory_order_acquire);
    ring_writer_put(&t->ring, ring_word(RING_AFTER, RING_DOMAIN_OBJECT, t->seen_turn), 0, 0);
}

AGENT_COLD struct agent_thread *agent_enter(struct agent_thread *t)
{
    if (agent_mode == RING_OFF || is_entering)
        return NULL;
    if (refused_events) {
        refused_events--;
        return NULL;
    }
    int saved = errno;
    is_entering = 1;
    if (!t || !t->is_alive)
        t = start_thread();
    if (t && !ring_writer_has_room(&t->ring) && !make_room(t))
        t = NULL;
    is_entering = 0;
    errno = saved;
    return t;
}

void agent_count_lost(enum ring_kind kind, size_t size)
{
    const struct agent_thread *t = agent_self;
    if (agent_mode == RING_OFF || !t || !t->is_alive)
        return;
    struct ring_thread *row = t->ring.shared;
    if (kind == RING_ALLOC || kind == RING_MAP) {
        atomic_fetch_add_explicit(&row->lost_allocations, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&row->lost_bytes, size, memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&row->lost_frees, 1, memory_order_relaxed);
    }
}

/* ---- the beginning ---- */

/* A child's first allocation makes it known, in sampled mode as in exact mode. */
static void after_fork_in_child(void)
{
    agent_countdown = 0;
}

static bool open_control(const char *path)
{
    size_t len = strlen(path);
    if (len >= sizeof(region_path))
        return false;
    memcpy(region_path, path, len + 1);
    int fd = open_region();
    if (fd < 0)
        return false;
    struct ring_control *head = map_raw(RING_PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (head && head->magic == RING_MAGIC && head->version == RING_VERSION &&
        (head->mode == RING_EXACT || head->mode == RING_SAMPLED))
        control = map_raw(head->definition_offset, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (head)
        agent_unmap(head, RING_PAGE);
    syscall(SYS_close, fd);
    agent_control = control;
    return control != NULL;
}

/* Rings of a former collector: their threads must come for new ones. No hook was in force, so none
 * of them is at work here. */
static void retire_threads(void)
{
    uint32_t len = agent_process ? atomic_load(&agent_process->threads_len) : 0;
    for (uint32_t i = 0; i < len && i < RING_THREADS; i++) {
        struct agent_thread *t = agent_process->threads[i];
        if (!t)
            continue;
        t->is_alive = 0;
        t->ring.limit = 0;
    }
    agent_turn_of = NULL;
}

bool agent_open(const char *path)
{
    static bool has_key;
    retire_threads();
    region_ino = 0;
    control = NULL;
    if (!open_control(path) || atomic_load(&control->is_closed))
        return false;
    struct agent_process *process = agent_map(sizeof(*process));
    if (!process || (!has_key && (pthread_key_create(&end_key, end_thread) != 0 ||
                                  pthread_atfork(NULL, NULL, after_fork_in_child) != 0)))
        return false;
    has_key = true;
    agent_process = process;
    agent_code_epoch++;
    return register_process();
}

__attribute__((constructor(101))) static void agent_start(void)
{
    int saved = errno;
    const char *path = getenv(RING_VARIABLE);
    if (path && *path) {
        agent_python_init();
        /* Of a Python that is too old the collector only learns that it is there. */
        if (agent_python.is_python && agent_open(path) &&
            agent_python.layout_result != PYTHON_LAYOUT_TOO_OLD) {
            agent_mode = (int)control->mode;
            agent_exec_init();
            agent_python_hook(false);
        }
    }
    errno = saved;
}
