/* Code objects met on stacks: the memory that python_code_read() asks for is copied once into the
 * shared definitions, so that names and lines outlive them; and they are noticed when they are
 * freed, since another may come to their address. */
#include "collector/python/code.h"

#include <string.h>

#include "collector/agent/agent.h"
#include "collector/python/text.h"

enum { CODE_PROBES = 128, TYPE_NAME_BYTES = 8 };

_Atomic uint16_t agent_code_generations[AGENT_CODE_GENERATIONS];

static uint64_t load_u64(uint64_t address)
{
    uint64_t value;
    memcpy(&value, (const void *)(uintptr_t)address,
           sizeof(value)); // NOLINT(performance-no-int-to-ptr)
    return value;
}

static uint32_t load_u32(uint64_t address)
{
    uint32_t value;
    memcpy(&value, (const void *)(uintptr_t)address,
           sizeof(value)); // NOLINT(performance-no-int-to-ptr)
    return value;
}

/* Bytes of a str object from its header to its last character. */
static uint64_t text_size(uint64_t text)
{
    const struct python_layout *l = &agent_python.layout;
    uint64_t len = load_u64(text + l->unicode_length);
    uint32_t state = load_u32(text + l->unicode_state) >> l->unicode_kind_shift;
    uint32_t kind = state & 7;
    bool is_compact = state >> 3 & 1;
    bool is_ascii = state >> 4 & 1;
    if (!is_compact || kind == 0)
        return l->unicode_compact_data;
    if (len > PYTHON_TEXT_MAX)
        len = PYTHON_TEXT_MAX;
    return (is_ascii ? l->unicode_ascii_data : l->unicode_compact_data) + len * kind;
}

static uint64_t table_size(uint64_t bytes)
{
    const struct python_layout *l = &agent_python.layout;
    uint64_t len = load_u64(bytes + l->var_size);
    return l->bytes_data + (len <= PYTHON_LINE_TABLE_MAX ? len : 0);
}

static void add_chunk(struct ring_code *d, uint64_t address, uint64_t len)
{
    d->chunk[d->chunks].address = address;
    d->chunk[d->chunks].offset = d->bytes;
    d->chunk[d->chunks].len = (uint32_t)len;
    d->chunks++;
    d->bytes += (uint32_t)((len + 15) & ~UINT64_C(15));
}

static uint32_t write_definition(uint64_t code)
{
    const struct python_layout *l = &agent_python.layout;
    struct ring_code d = {.address = code, .bytes = (sizeof(d) + 15) & ~15U};
    uint64_t filename = load_u64(code + l->code_filename);
    uint64_t name =
        load_u64(code + (l->code_qualname != PYTHON_NO_FIELD ? l->code_qualname : l->code_name));
    uint64_t table = load_u64(code + l->code_linetable);
    uint64_t type = load_u64(code + l->object_type);
    if (!filename || !name || !table)
        return 0;
    add_chunk(&d, code, l->code_size);
    add_chunk(&d, filename, text_size(filename));
    add_chunk(&d, name, text_size(name));
    add_chunk(&d, table, table_size(table));
    add_chunk(&d, type + l->type_name, sizeof(uint64_t));
    add_chunk(&d, load_u64(type + l->type_name), TYPE_NAME_BYTES);
    if (l->ip != PYTHON_IP_POINTER)
        add_chunk(&d, load_u64(code + l->code_bytecode) + l->var_size, sizeof(uint64_t));

    uint32_t unit;
    uint8_t *out = agent_reserve(d.bytes, &unit);
    if (!out)
        return 0;
    for (uint32_t i = 0; i < d.chunks; i++)
        memcpy(out + d.chunk[i].offset,
               (const void *)(uintptr_t)d.chunk[i].address, // NOLINT(performance-no-int-to-ptr)
               d.chunk[i].len);
    memcpy(out, &d, sizeof(d));
    return unit;
}

AGENT_COLD uint32_t agent_code_define(uint64_t code)
{
    const struct python_layout *l = &agent_python.layout;
    if (!code || load_u64(code + l->object_type) != agent_python.code_type)
        return 0;
    uint32_t start = (uint32_t)((code >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 48);
    for (uint32_t i = 0; i < CODE_PROBES; i++) {
        uint32_t at = (start + i) & (AGENT_CODE_SLOTS - 1);
        uint64_t seen = atomic_load(&agent_process->code[at].address);
        if (seen == 0 &&
            atomic_compare_exchange_strong(&agent_process->code[at].address, &seen, code))
            seen = code;
        if (seen != code)
            continue;
        uint32_t definition = atomic_load(&agent_process->code[at].definition);
        if (definition)
            return definition;
        definition = write_definition(code);
        /* Unwatched, its successor at this address could be taken for it: better unknown. */
        if (definition && !agent_watch_add(code, true))
            return 0;
        atomic_store(&agent_process->code[at].definition, definition);
        return definition;
    }
    return 0;
}

AGENT_COLD void agent_code_freed(uint64_t code)
{
    uint32_t start = (uint32_t)((code >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 48);
    for (uint32_t i = 0; i < CODE_PROBES; i++) {
        uint32_t at = (start + i) & (AGENT_CODE_SLOTS - 1);
        if (atomic_load(&agent_process->code[at].address) == code) {
            atomic_store(&agent_process->code[at].definition, 0);
            break;
        }
    }
    atomic_fetch_add(agent_code_generation_of(code), 1);
    agent_code_epoch++;
}
