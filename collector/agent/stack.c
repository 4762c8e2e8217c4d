/* Which stack: the thread walks its own frames, compares them with the last stack it saw, and
 * looks up only what changed. A thread's own frames never change under it, so this needs neither
 * the GIL nor a call into the interpreter. */
#include <string.h>

#include "collector/agent/agent.h"

enum { TRIE_FIRST = 1 << 12, POPS = 4 };

static inline uint64_t load(uint64_t address)
{
    uint64_t value;
    memcpy(&value, (const void *)(uintptr_t)address,
           sizeof(value)); // NOLINT(performance-no-int-to-ptr)
    return value;
}

static inline uint8_t load_byte(uint64_t address)
{
    return *(const uint8_t *)(uintptr_t)address; // NOLINT(performance-no-int-to-ptr)
}

/* How frames tell where they are. */
enum ip_kind {
    IP_INDEX,   /* up to 3.10: f_lasti */
    IP_POINTER, /* 3.11+: the address of the instruction */
    IP_COPIES,  /* free-threaded 3.14+: that, in the thread's own copy of the code's instructions */
};

/* The layout's facts, close together. */
static struct walk {
    bool has_stacks, has_cframe;
    enum ip_kind kind;
    uint8_t shim; /* 255 = there are none */
    uint32_t tstate, cframe, previous, code, ip, owner;
    uint64_t code_mask;
    uint32_t copy_index, copies, instructions; /* IP_COPIES */
} walk;

void agent_stack_init(void)
{
    const struct python_layout *l = &agent_python.layout;
    bool has_cframe = l->tstate_cframe != PYTHON_NO_FIELD;
    walk = (struct walk){
        .has_stacks = agent_python.has_stacks,
        .kind = l->ip != PYTHON_IP_POINTER               ? IP_INDEX
                : l->frame_tlbc_index == PYTHON_NO_FIELD ? IP_POINTER
                                                         : IP_COPIES,
        .has_cframe = has_cframe,
        .shim = l->frame_owner_shim,
        .tstate = has_cframe ? l->tstate_cframe : l->tstate_frame,
        .cframe = l->cframe_frame,
        .previous = l->frame_previous,
        .code = l->frame_code,
        .ip = l->frame_ip,
        .owner = l->frame_owner,
        .code_mask = ~(uint64_t)l->pointer_tag_mask,
        .copy_index = l->frame_tlbc_index,
        .copies = l->code_tlbc,
        .instructions = l->code_bytecode,
    };
}

/* Frames that the interpreter puts between those of the program, on the C stack. On the path they
 * are entries like others, but without a node of their own. */
static inline bool is_shim(uint64_t f)
{
    return walk.shim != 255 && load_byte(f + walk.owner) >= walk.shim;
}

static inline uint64_t previous_of(uint64_t f)
{
    return load(f + walk.previous);
}

static inline uint64_t code_of(uint64_t f)
{
    return load(f + walk.code) & walk.code_mask;
}

static inline uint32_t load_half(uint64_t address)
{
    uint32_t value;
    memcpy(&value, (const void *)(uintptr_t)address,
           sizeof(value)); // NOLINT(performance-no-int-to-ptr)
    return value;
}

/* The same instruction in the code object itself: a copy may go, and another code's come to its
 * place. co_tlbc is {Py_ssize_t size; char *entries[]}, entry 0 the code's own: pycore_code.h
 * @v3.14.0. */
static uint64_t canonical_ip(uint64_t f, uint64_t ip)
{
    uint32_t index = is_shim(f) ? 0 : load_half(f + walk.copy_index);
    if (index == 0)
        return ip;
    uint64_t code = code_of(f);
    uint64_t copies = load(code + walk.copies);
    if (!copies || index >= load(copies))
        return ip;
    return code + walk.instructions + (ip - load(copies + 8 + 8 * (uint64_t)index));
}

/* What tells one instruction from all others: its address, or the code's address and f_lasti.
 * `kind` is a constant where this is inlined. */
static inline __attribute__((always_inline)) uint64_t key_of(enum ip_kind kind, uint64_t f)
{
    if (kind == IP_POINTER)
        return load(f + walk.ip);
    if (kind == IP_COPIES)
        return canonical_ip(f, load(f + walk.ip));
    uint32_t last;
    memcpy(&last, (const void *)(uintptr_t)(f + walk.ip),
           sizeof(last)); // NOLINT(performance-no-int-to-ptr)
    return load(f + walk.code) << 16 | (last & 0xfffff);
}

/* ---- the trie: (parent, key) -> node ---- */

static uint32_t hash_of(const struct agent_thread *t, uint64_t key, uint32_t parent)
{
    return (uint32_t)((key ^ (uint64_t)parent * UINT64_C(0xff51afd7ed558ccd)) *
                          UINT64_C(0x9e3779b97f4a7c15) >>
                      t->trie_shift);
}

AGENT_COLD static bool grow(struct agent_thread *t)
{
    uint32_t cap = t->trie_cap ? t->trie_cap * 2 : TRIE_FIRST;
    struct agent_trie_slot *old = t->trie;
    struct agent_trie_slot *slots = agent_map(cap * sizeof(*slots));
    if (!slots)
        return false;
    uint32_t old_cap = t->trie_cap;
    t->trie = slots;
    t->trie_cap = cap;
    t->trie_shift = 64U - (uint32_t)__builtin_ctz(cap);
    for (uint32_t i = 0; i < old_cap; i++) {
        if (!old[i].node)
            continue;
        uint32_t at = hash_of(t, old[i].key, old[i].parent);
        while (slots[at].node)
            at = (at + 1) & (cap - 1);
        slots[at] = old[i];
    }
    if (old)
        agent_unmap(old, old_cap * sizeof(*old));
    return true;
}

/* Node 0 when a table is full or memory is short: "unknown" rather than wrong. */
AGENT_COLD static uint32_t new_node(struct agent_thread *t, uint64_t key, uint64_t code,
                                    uint32_t parent)
{
    if (t->nodes_used + 1 >= t->nodes_max)
        return 0;
    uint32_t definition = agent_code_define(code);
    uint32_t node = ++t->nodes_used;
    t->nodes[node] = (struct ring_node){
        .parent = parent,
        .code = definition,
        .instruction = agent_python.layout.ip == PYTHON_IP_POINTER ? (uint32_t)(key - code)
                                                                   : (uint32_t)(key & 0xfffff),
    };
    atomic_store_explicit(&t->ring.shared->nodes_used, node, memory_order_release);
    return node;
}

static __attribute__((noinline)) uint32_t find_child(struct agent_thread *t, uint64_t frame,
                                                     uint64_t key, uint32_t parent)
{
    uint64_t code = code_of(frame);
    uint32_t tagged = parent | agent_code_generation(code) << RING_NODE_BITS;
    if (AGENT_UNLIKELY(t->trie_len * 2 >= t->trie_cap) && !grow(t))
        return 0;
    uint32_t at = hash_of(t, key, tagged);
    while (t->trie[at].node) {
        if (t->trie[at].key == key && t->trie[at].parent == tagged)
            return t->trie[at].node;
        at = (at + 1) & (t->trie_cap - 1);
    }
    uint32_t node = new_node(t, key, code, parent);
    if (node) {
        t->trie[at] = (struct agent_trie_slot){.key = key, .parent = tagged, .node = node};
        t->trie_len++;
    }
    return node;
}

static inline uint32_t child(struct agent_thread *t, uint64_t frame, uint64_t key, uint32_t parent)
{
    struct agent_memo *m = &t->memo[(key / 2 + parent * 37) % AGENT_MEMO];
    if (AGENT_LIKELY(m->key == key && m->parent == parent))
        return m->node;
    uint32_t node = find_child(t, frame, key, parent);
    *m = (struct agent_memo){.key = key, .parent = parent, .node = node};
    return node;
}

void agent_stack_reset(struct agent_thread *t)
{
    struct agent_path_frame *root = t->path + AGENT_PATH;
    for (struct agent_path_frame *e = t->lowest ? t->lowest : root; e < root; e++)
        e->key = 0;
    t->leaf = t->lowest = root;
    t->code_epoch = agent_code_epoch;
    memset(t->memo, 0, sizeof(t->memo));
}

/* The frames of scratch[0 .. len), leaf first, stand on path entry `base`. */
static uint32_t stand_on(struct agent_thread *t, struct agent_path_frame *base, uint32_t len)
{
    uint32_t node = base->node;
    if (AGENT_UNLIKELY(base - len < t->path)) {
        agent_stack_reset(t); /* deeper than we tell apart */
        return 0;
    }
    while (len > 0) {
        const struct agent_path_frame *s = &t->scratch[--len];
        base--;
        if (base->key != s->key || base->parent != node || base->node == 0) {
            base->parent = node;
            base->key = s->key;
            base->node = is_shim(s->frame) ? node : child(t, s->frame, s->key, node);
        }
        base->frame = s->frame;
        node = base->node;
    }
    t->leaf = base;
    if (base < t->lowest)
        t->lowest = base;
    return node;
}

/* Without hope in the order of frames: all of them, compared from the root. */
AGENT_COLD static uint32_t walk_all(struct agent_thread *t, enum ip_kind kind, uint64_t f)
{
    uint32_t len = 0;
    for (; f && len < AGENT_PATH; f = previous_of(f)) {
        t->scratch[len].frame = f;
        t->scratch[len].key = key_of(kind, f);
        len++;
    }
    struct agent_path_frame *base = t->path + AGENT_PATH;
    if (!f) {
        while (len > 0 && base > t->leaf && base[-1].frame == t->scratch[len - 1].frame &&
               base[-1].key == t->scratch[len - 1].key) {
            base--;
            len--;
        }
    }
    return stand_on(t, base, len);
}

/* Where in the last stack a frame stands, if not more than POPS frames have been popped since. */
static inline __attribute__((always_inline)) struct agent_path_frame *
find_frame(struct agent_path_frame *e, uint64_t frame)
{
    for (uint32_t pops = 0; pops < POPS; pops++) {
        if (e[pops].frame == frame)
            return e + pops;
    }
    return e;
}

/* Whether frame `f` and all above it are as they were from `e` on. Each frame is read at the
 * address that is remembered, not at the one just read: so the processor need not wait for one
 * frame to begin with the next. */
static inline __attribute__((always_inline)) bool
is_unchanged(enum ip_kind kind, const struct agent_path_frame *e, uint64_t f)
{
    for (;; e++) {
        uint64_t here = e->frame;
        uint64_t same = here;
        __asm__("" : "+r"(same)); /* or the compiler takes f, which is equal, for the address */
        if (same != f)
            return false;
        if (!here)
            return true;
        if (key_of(kind, here) != e->key)
            return false;
        f = previous_of(here);
    }
}

/* From the leaf up: frames that are new or have moved on go to the scratch, until one is found as
 * it was; the rest must then be as it was, too. */
static inline __attribute__((always_inline)) uint32_t walk_changed(struct agent_thread *t,
                                                                   enum ip_kind kind, uint64_t top)
{
    if (AGENT_UNLIKELY(t->code_epoch != agent_code_epoch))
        agent_stack_reset(t);
    struct agent_path_frame *e = t->leaf;
    uint64_t f = top;
    uint32_t len = 0;
    while (f) {
        uint64_t key = key_of(kind, f);
        e = find_frame(e, f);
        if (e->frame == f) {
            if (e->key == key)
                break;
            e++;
        }
        if (AGENT_UNLIKELY(len == AGENT_PATH))
            return walk_all(t, kind, top);
        t->scratch[len].frame = f;
        t->scratch[len].key = key;
        len++;
        f = previous_of(f);
    }
    if (AGENT_UNLIKELY(!is_unchanged(kind, e, f)))
        return walk_all(t, kind, top);
    return stand_on(t, e, len);
}

static __attribute__((noinline)) uint32_t walk_pointers(struct agent_thread *t, uint64_t top)
{
    return walk_changed(t, IP_POINTER, top);
}

static __attribute__((noinline)) uint32_t walk_indices(struct agent_thread *t, uint64_t top)
{
    return walk_changed(t, IP_INDEX, top);
}

static __attribute__((noinline)) uint32_t walk_copies(struct agent_thread *t, uint64_t top)
{
    return walk_changed(t, IP_COPIES, top);
}

/* The leaf has moved on to another instruction, its callers have not. */
static __attribute__((noinline)) uint32_t step(struct agent_thread *t,
                                               struct agent_path_frame *leaf, uint64_t key)
{
    leaf->key = key;
    leaf->node = is_shim(leaf->frame) ? leaf->parent : child(t, leaf->frame, key, leaf->parent);
    return leaf->node;
}

uint32_t agent_stack_of_tstate(struct agent_thread *t, uint64_t tstate)
{
    if (AGENT_UNLIKELY(!tstate || !walk.has_stacks))
        return 0;
    uint64_t top = load(tstate + walk.tstate);
    if (walk.has_cframe)
        top = load(top + walk.cframe);
    if (AGENT_UNLIKELY(walk.kind != IP_POINTER))
        return walk.kind == IP_INDEX ? walk_indices(t, top) : walk_copies(t, top);
    struct agent_path_frame *e = t->leaf;
    if (AGENT_LIKELY(t->code_epoch == agent_code_epoch) && e->frame == top && top) {
        uint64_t key = key_of(IP_POINTER, top);
        if (AGENT_LIKELY(is_unchanged(IP_POINTER, e + 1, previous_of(top))))
            return key == e->key ? e->node : step(t, e, key);
    }
    return walk_pointers(t, top);
}
