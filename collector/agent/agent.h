#pragma once
/* The agent's own state: what its hooks share.
 *
 * It runs inside other people's malloc. Nothing here allocates, locks, prints or changes errno.
 * All per-process and per-thread state lies in mappings that the kernel wipes in a forked child
 * (MADV_WIPEONFORK): a child finds no room in its ring, comes to agent_enter() and starts afresh,
 * without any work in the parent or on the fast path. */

#include <stddef.h>

#include "collector/python/layout.h"
#include "collector/ring/writer.h"

#define AGENT_LIKELY(x)   __builtin_expect(!!(x), 1)
#define AGENT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define AGENT_API         __attribute__((visibility("default")))
#define AGENT_COLD        __attribute__((cold, noinline))

enum {
    AGENT_PATH = 4096,          /* frames of one stack that are told apart */
    AGENT_MEMO = 256,           /* nodes found lately */
    AGENT_WATCH_BITS = 1 << 20, /* bits of the filter that frees look into */
    AGENT_WATCH_SLOTS = 1 << 17,
    AGENT_CODE_SLOTS = 1 << 16,
    AGENT_CODE_GENERATIONS = 1024,
};

enum agent_busy {
    AGENT_IDLE,
    AGENT_INSIDE,    /* the real allocator works for a hook that records: nested calls are silent */
    AGENT_RECORDING, /* a record is being written: only a signal handler can get here */
};

struct agent_path_frame {
    uint64_t frame, key;
    uint32_t node, parent; /* kept when the frame is popped: what is called once is called again */
};

struct agent_trie_slot {
    uint64_t key;
    uint32_t parent; /* and the generation of the code's address above RING_NODE_BITS */
    uint32_t node;   /* 0 = empty */
};

/* Looked into before the trie: small enough for the first cache, and emptied when a known code
 * object goes, so that it needs to know nothing of generations. */
struct agent_memo {
    uint64_t key;
    uint32_t parent, node;
};

struct agent_thread {
    struct ring_writer ring;
    uint32_t busy; /* enum agent_busy */
    uint32_t is_alive;
    uint64_t code_epoch;
    struct agent_path_frame *leaf;   /* the last stack seen: leaf first, up to path[AGENT_PATH] */
    struct agent_path_frame *lowest; /* the deepest ever, since the last reset */

    struct agent_trie_slot *trie;
    uint32_t trie_shift, trie_len, trie_cap;
    struct ring_node *nodes;
    uint32_t nodes_used, nodes_max;

    uint32_t slot, index;
    uint32_t is_degraded;
    uint64_t lost;      /* since the ring was full */
    uint64_t seen_turn; /* the turn that this ring last named */
    uint64_t every, random;
    uint64_t stalled_since_ns, stalled_heartbeat;

    struct agent_memo memo[AGENT_MEMO];

    /* Zeroed entries behind the root end every search. */
    struct agent_path_frame path[AGENT_PATH + 8];
    struct agent_path_frame scratch[AGENT_PATH + 8];
};

/* Wiped in a forked child. */
struct agent_process {
    _Atomic uint32_t state; /* 0 none, 1 coming, 2 there */
    uint32_t slot;
    uint8_t *definitions;
    _Atomic uint64_t free_threads; /* a stack: count of changes << 32 | index + 1 */
    _Atomic uint32_t threads_len;
    struct agent_thread *threads[RING_THREADS];
    _Atomic uint32_t free_next[RING_THREADS];
    struct {
        _Atomic uint64_t address;
        _Atomic uint32_t definition;
    } code[AGENT_CODE_SLOTS];
    /* Addresses whose free must be told: code objects with a definition, sampled blocks. */
    _Atomic uint64_t watch_bits[AGENT_WATCH_BITS / 64];
    _Atomic uint16_t watch_counts[AGENT_WATCH_BITS];
    _Atomic uint64_t watch[AGENT_WATCH_SLOTS]; /* address | 1 for code */
};

/* Said here as well as on the command line: else the compiler looks each of these up in the global
 * offset table, on the hottest of ways. */
#pragma GCC visibility push(hidden)

extern __thread struct agent_thread *agent_self __attribute__((tls_model("initial-exec")));

/* Sampled mode: bytes until the next sample. It starts at 0, so a thread's first allocation brings
 * it to agent_enter(). */
extern __thread int64_t agent_countdown __attribute__((tls_model("initial-exec")));

extern volatile int agent_mode; /* enum ring_mode; RING_OFF = every hook only passes on */
extern struct agent_process *agent_process;
extern const struct ring_control *agent_control;

/* Who wrote last under the GIL, and how often that changed (in this process's slot). */
extern struct agent_thread *volatile agent_turn_of;
extern _Atomic uint64_t *agent_turns;
extern volatile uint64_t agent_code_epoch; /* grows when a known code object is freed */

/* ---- agent.c ---- */

/* A thread that may write up to RING_SPARE records, or NULL: then the event is passed on
 * unrecorded (and counted, where a collector listens). For when agent_ready() says no. */
struct agent_thread *agent_enter(struct agent_thread *t);
void agent_take_turn(struct agent_thread *t);
void agent_note_turn(struct agent_thread *t);
void agent_count_lost(enum ring_kind kind, size_t size);
void *agent_map(size_t size); /* wiped on fork; NULL when there is none */
void agent_unmap(void *map, size_t size);
/* `len` bytes in the process's definitions, *unit saying where for records; NULL when full. */
uint8_t *agent_reserve(uint32_t len, uint32_t *unit);
uint64_t agent_clock_ns(void);
_Atomic uint64_t *agent_arena_bytes(void);

bool agent_is_collector_gone(void);

/* Takes up the shared memory at `path` anew, for a process that is not followed (mode off). */
bool agent_open(const char *path);

/* ---- libc.c, rebind.c ---- */
enum { AGENT_REBINDINGS = 20 };
struct agent_rebinding {
    const char *name;
    const void *hook, *real;
};
/* The function of that name that the program uses, other than ours; NULL when there is none. */
const void *agent_find_defined(const char *name);
size_t agent_libc_bindings(struct agent_rebinding *rows);

/* Whether the program's malloc is not ours, since we came after its start; then the real ones are
 * those it uses. */
bool agent_libc_is_late(void);

/* Makes the loaded objects call our malloc and mmap families, or theirs again. */
void agent_rebind(bool to_us);

/* ---- exec.c ---- */
void agent_exec_init(void);

/* ---- sample.c ---- */
void agent_draw(struct agent_thread *t); /* sets the thread's countdown to the next sample */

/* ---- stack.c ---- */
uint32_t agent_stack_of_tstate(struct agent_thread *t, uint64_t tstate);
void agent_stack_init(void); /* once agent_python is known */
void agent_stack_reset(struct agent_thread *t);

/* ---- code.c ---- */
uint32_t agent_code_define(uint64_t code); /* 0 = not known */
extern _Atomic uint16_t agent_code_generations[AGENT_CODE_GENERATIONS];

static inline _Atomic uint16_t *agent_code_generation_of(uint64_t code)
{
    return &agent_code_generations[(code >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

/* Changes when a code object at this address is freed; 12 bits. */
static inline uint32_t agent_code_generation(uint64_t code)
{
    return atomic_load_explicit(agent_code_generation_of(code), memory_order_relaxed) & 0xfff;
}

void agent_code_freed(uint64_t code);

/* ---- watch.c ---- */
bool agent_watch_add(uint64_t address, bool is_code);
/* Forgets it; false when it was not there. */
bool agent_watch_remove(uint64_t address, bool *is_code);

/* Blocks that lie together have their bits together: what a program frees all the time stays in the
 * first cache. */
static inline uint32_t agent_watch_hash(uint64_t address)
{
    return (uint32_t)(address >> 4 ^ address >> 24) & (AGENT_WATCH_BITS - 1);
}

static inline bool agent_is_watched(uint64_t address)
{
    uint32_t h = agent_watch_hash(address);
    return atomic_load_explicit(&agent_process->watch_bits[h / 64], memory_order_relaxed) >>
               h % 64 &
           1;
}

/* ---- python.c ---- */
extern struct agent_python {
    struct python_layout layout;
    enum python_layout_result layout_result;
    bool is_python, has_stacks;
    /* Set once the interpreter shuts down: from then on thread states vanish under their threads.
     */
    void *volatile *finalizing;
    uint64_t code_type;      /* address of PyCode_Type */
    void *(*attached)(void); /* the thread state that holds the GIL (3.12+: own, attached) */
    void *(*own)(void);      /* this thread's, with or without the GIL */
    /* Where `attached` looks, as far as it is known (up to 3.11). */
    void *volatile *attached_at;
} agent_python;

void agent_python_init(void);
/* Puts our allocators in front: now in a Python that runs already, else when it may. */
void agent_python_hook(bool is_running);
void agent_python_unhook(void);     /* with the GIL; takes them out again if nobody sits on top */
extern bool agent_python_is_buried; /* others still call our hooks, after we have gone */
extern volatile int agent_python_pending; /* hooks wait for the interpreter's start */
void agent_python_poll(void);

#pragma GCC visibility pop

/* ---- what a hook does ---- */

static inline bool agent_ready(const struct agent_thread *t)
{
    return AGENT_LIKELY(t != NULL) && AGENT_LIKELY(ring_writer_has_room(&t->ring));
}

/* Between begin and end a signal handler's own allocations are counted as lost, not written. */
static inline void agent_begin(struct agent_thread *t, bool has_gil)
{
    t->busy = AGENT_RECORDING;
    atomic_signal_fence(memory_order_seq_cst);
    if (AGENT_LIKELY(has_gil)) {
        if (AGENT_UNLIKELY(agent_turn_of != t))
            agent_take_turn(t);
    } else if (t->seen_turn != atomic_load_explicit(agent_turns, memory_order_relaxed)) {
        agent_note_turn(t);
    }
}

static inline void agent_end(struct agent_thread *t, enum agent_busy busy)
{
    ring_writer_publish(&t->ring);
    atomic_signal_fence(memory_order_seq_cst);
    t->busy = busy;
}

static inline void agent_put_block(struct agent_thread *t, enum ring_kind kind,
                                   enum ring_domain domain, uint64_t address, uint64_t size,
                                   uint32_t stack)
{
    uint32_t size32 = (uint32_t)size;
    if (AGENT_UNLIKELY(size >= RING_SIZE_EXTENDED)) {
        ring_writer_put(&t->ring, ring_word(RING_SIZE, domain, size), 0, 0);
        size32 = RING_SIZE_EXTENDED;
    }
    ring_writer_put(&t->ring, ring_word(kind, domain, address), size32, stack);
}

static inline void agent_put_free(struct agent_thread *t, enum ring_domain domain, uint64_t address)
{
    ring_writer_put(&t->ring, ring_word(RING_FREE, domain, address), 0, 0);
}
