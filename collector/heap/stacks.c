/* From an agent's stack nodes to the stream's stacks: names and lines come out of the definitions
 * that the agent copied, through the same reader of code objects that the sampler uses. */
#include <stdlib.h>
#include <string.h>

#include "collector/heap/state.h"
#include "collector/python/memory_reader.h"
#include "collector/python/module.h"
#include "common/base/array.h"

enum { MAX_DEPTH = 8192 };

/* A code definition as a piece of the target's memory. */
static bool find_in_definition(void *ctx, uint64_t address, size_t len, struct memory_window *out)
{
    const struct ring_code *d = ctx;
    for (uint32_t i = 0; i < d->chunks; i++) {
        const struct ring_chunk *c = &d->chunk[i];
        if (address >= c->address && address - c->address <= c->len &&
            len <= c->len - (address - c->address)) {
            *out = (struct memory_window){
                .begin = c->address,
                .end = c->address + c->len,
                .bytes = (const uint8_t *)d + c->offset,
            };
            return true;
        }
    }
    return false;
}

static struct memory_reader definition_reader(const struct ring_code *d)
{
    return (struct memory_reader){.find = find_in_definition, .ctx = (void *)(uintptr_t)d};
}

static uint32_t intern(struct stream *s, const struct python_code *code)
{
    size_t module_len = 0;
    const char *file = (const char *)code->file.data;
    const char *module = python_module_of(file, code->file.len, &module_len);
    const struct wire_function f = {
        .name = stream_string(s, (const char *)code->name.data, code->name.len),
        .file = stream_string(s, file, code->file.len),
        .line = code->first_line,
        .module = stream_string(s, module, module_len),
        .kind = WIRE_PYTHON,
    };
    return stream_function(s, &f);
}

/* Needs the stream's lock. NULL when memory is short. */
static struct heap_code *code_of(struct heap *h, struct heap_process *p, uint32_t definition)
{
    const uint32_t *known = map_find(&p->code_of_definition, definition);
    if (known)
        return &p->codes[*known];
    if (!array_reserve(&p->codes, &p->codes_cap, p->codes_len + 1) ||
        !map_put(&p->code_of_definition, definition, (uint32_t)p->codes_len))
        return NULL;
    struct heap_code *c = &p->codes[p->codes_len++];
    *c = (struct heap_code){.definition = definition};
    python_code_init(&c->code);
    const struct ring_code *d = ring_definition(h->region, p->definitions, definition);
    if (d && p->has_layout) {
        struct memory_reader reader = definition_reader(d);
        if (python_code_read(&p->layout, &reader, d->address, &c->code)) {
            c->is_known = true;
            c->function = intern(h->stream, &c->code);
        }
    }
    return c;
}

/* The frame's row in the stream; false for frames that no person wrote: unreadable ones, and the
 * interpreter's own "__init__" shims, which have no line table (3.12+, Python/specialize.c). */
static bool frame_of(struct heap *h, struct heap_process *p, const struct ring_node *node,
                     uint32_t *frame)
{
    const struct heap_code *c = code_of(h, p, node->code);
    if (!c || !c->is_known || c->code.lines.len == 0)
        return false;
    const struct ring_code *d = ring_definition(h->region, p->definitions, node->code);
    struct memory_reader reader = definition_reader(d);
    uint64_t ip = node->instruction;
    int64_t offset;
    if (p->layout.ip == PYTHON_IP_POINTER)
        ip += c->code.address;
    struct wire_frame f = {.function = c->function};
    if (python_code_offset(&p->layout, &reader, &c->code, ip, 0, &offset))
        f.line = python_code_place(&p->layout, &c->code, offset).line;
    *frame = stream_frame(h->stream, &f);
    return true;
}

static bool reserve_nodes(struct heap_ring *r, uint32_t node)
{
    if (node < r->nodes_cap)
        return true;
    size_t cap = r->nodes_cap ? r->nodes_cap : 1024;
    while (cap <= node)
        cap *= 2;
    uint32_t *stacks = realloc(r->stack_of_node, cap * sizeof(*stacks));
    if (!stacks)
        return false;
    r->stack_of_node = stacks;
    uint32_t *sites = realloc(r->site_of_node, cap * 2 * sizeof(*sites));
    if (!sites)
        return false;
    r->site_of_node = sites;
    memset(stacks + r->nodes_cap, 0, (cap - r->nodes_cap) * sizeof(*stacks));
    memset(sites + r->nodes_cap * 2, 0, (cap - r->nodes_cap) * 2 * sizeof(*sites));
    r->nodes_cap = cap;
    return true;
}

uint32_t heap_stack_of(struct heap *h, struct heap_process *p, struct heap_ring *r, uint32_t node)
{
    if (node == 0 || node >= r->reader.nodes_max || !reserve_nodes(r, node))
        return 0;
    if (r->stack_of_node[node])
        return r->stack_of_node[node] - 1;

    /* Up to the first ancestor that is known, then down again. Parents come before their
     * children, which bounds the way. */
    static _Thread_local uint32_t way[MAX_DEPTH];
    size_t len = 0;
    uint32_t at = node;
    struct ring_node row;
    while (at != 0 && !r->stack_of_node[at] && len < MAX_DEPTH &&
           ring_reader_node(&r->reader, at, &row)) {
        way[len++] = at;
        at = row.parent;
    }
    uint32_t stack = at != 0 && r->stack_of_node[at] ? r->stack_of_node[at] - 1 : 0;
    stream_lock(h->stream);
    while (len > 0) {
        uint32_t frame;
        at = way[--len];
        if (ring_reader_node(&r->reader, at, &row) && frame_of(h, p, &row, &frame))
            stack = stream_stack(h->stream, stack, frame);
        r->stack_of_node[at] = stack + 1;
        h->totals.stacks++;
    }
    stream_unlock(h->stream);
    return stack;
}

void heap_codes_deinit(struct heap_process *p)
{
    for (size_t i = 0; i < p->codes_len; i++)
        python_code_deinit(&p->codes[i].code);
    free(p->codes);
    p->codes = NULL;
    p->codes_len = p->codes_cap = 0;
    map_deinit(&p->code_of_definition);
}
