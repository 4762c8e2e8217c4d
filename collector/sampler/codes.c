#include "collector/sampler/codes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "common/base/array.h"

enum { PLACES_MAX = 1 << 20, CHECK_AT_ONCE = 64 };

void code_table_init(struct code_table *t, const struct python_layout *layout,
                     struct stack_table *stacks, bool with_columns)
{
    *t = (struct code_table){.layout = layout, .stacks = stacks, .with_columns = with_columns};
    map_init(&t->by_address);
    map_init(&t->by_ip);
    python_code_init(&t->scratch);
}

void code_table_deinit(struct code_table *t)
{
    for (size_t i = 0; i < t->slots_len; i++)
        free(t->slots[i].lines);
    free(t->slots);
    free(t->places);
    free(t->dead);
    map_deinit(&t->by_address);
    map_deinit(&t->by_ip);
    python_code_deinit(&t->scratch);
}

static bool fill_slot(struct code_table *t, struct code_slot *slot)
{
    const struct python_code *code = &t->scratch;
    uint32_t function;
    if (!stack_table_function(t->stacks, (const char *)code->name.data, code->name.len,
                              (const char *)code->file.data, code->file.len, code->first_line,
                              &function))
        return false;
    uint8_t *lines = malloc(code->lines.len + 1);
    if (!lines)
        return false;
    if (code->lines.len > 0)
        memcpy(lines, code->lines.data, code->lines.len);
    *slot = (struct code_slot){
        .address = code->address,
        .bytecode = code->bytecode,
        .bytecode_size = code->bytecode_size,
        .first_line = code->first_line,
        .function = function,
        .mark = code->mark,
        .lines = lines,
        .lines_len = code->lines.len,
    };
    return true;
}

static bool find_slot(struct code_table *t, const struct memory_reader *reader, uint64_t address,
                      uint32_t *out)
{
    uint32_t *known = map_find(&t->by_address, address);
    if (known) {
        *out = *known;
        return true;
    }
    uint32_t id = (uint32_t)t->slots_len;
    if (!array_reserve(&t->slots, &t->slots_cap, t->slots_len + 1) ||
        !python_code_read(t->layout, reader, address, &t->scratch) || !fill_slot(t, &t->slots[id]))
        return false;
    if (!map_put(&t->by_address, address, id)) {
        free(t->slots[id].lines);
        return false;
    }
    t->slots_len++;
    *out = id;
    return true;
}

static void forget_places(struct code_table *t)
{
    map_clear(&t->by_ip);
    t->places_len = 0;
}

/* Slow path: an instruction that was not seen before. */
static bool add_place(struct code_table *t, const struct memory_reader *reader,
                      const struct python_frame *f, uint64_t key, uint32_t *frame)
{
    uint32_t slot_id;
    int64_t offset;
    if (!find_slot(t, reader, f->code, &slot_id))
        return false;
    struct code_slot *slot = &t->slots[slot_id];
    slot->is_used = true; /* also when the ip does not fit: another object may live there by now */
    struct python_code code = {
        .address = slot->address,
        .bytecode = slot->bytecode,
        .bytecode_size = slot->bytecode_size,
        .first_line = slot->first_line,
        .lines = {.data = slot->lines, .len = slot->lines_len},
    };
    if (!python_code_offset(t->layout, reader, &code, f->ip, f->tlbc, &offset))
        return false;
    struct python_place place = python_code_place(t->layout, &code, offset);
    if (!t->with_columns)
        place = (struct python_place){.line = place.line};
    if (!stack_table_frame(t->stacks, slot->function, &place, frame))
        return false;

    if (t->places_len >= PLACES_MAX)
        forget_places(t);
    if (array_reserve(&t->places, &t->places_cap, t->places_len + 1) &&
        map_put(&t->by_ip, key, (uint32_t)t->places_len))
        t->places[t->places_len++] = (struct code_place){f->code, f->ip, slot_id, *frame};
    return true;
}

bool code_table_frame(struct code_table *t, const struct memory_reader *reader,
                      const struct python_frame *f, uint32_t *frame)
{
    if (f->code == 0) { /* a mark, see tasks.h */
        *frame = (uint32_t)f->ip;
        return true;
    }
    uint64_t key = t->layout->ip == PYTHON_IP_POINTER ? f->ip : f->code ^ f->ip << 44;
    for (uint32_t *known; (known = map_find(&t->by_ip, key)); key++) {
        struct code_place *place = &t->places[*known];
        if (place->code != f->code || place->ip != f->ip)
            continue;
        t->slots[place->slot].is_used = true;
        *frame = place->frame;
        return true;
    }
    return add_place(t, reader, f, key, frame);
}

void code_table_mark_used(struct code_table *t, uint64_t address)
{
    uint32_t *slot = map_find(&t->by_address, address);
    if (slot)
        t->slots[*slot].is_used = true;
}

/* Compares up to CHECK_AT_ONCE slots in one call. */
static size_t check_some(struct code_table *t, pid_t pid, const uint32_t *ids, size_t len)
{
    struct python_code_mark now[CHECK_AT_ONCE];
    struct iovec remote[CHECK_AT_ONCE];
    struct iovec local[CHECK_AT_ONCE];
    memset(now, 0, sizeof(now));
    for (size_t i = 0; i < len; i++) {
        uint64_t begin;
        uint64_t size;
        python_code_mark_range(t->layout, t->slots[ids[i]].address, &begin, &size);
        remote[i] = (struct iovec){(void *)(uintptr_t)begin, size};
        local[i] = (struct iovec){now[i].bytes, size};
    }
    /* What cannot be read stays zero and differs. */
    for (size_t done = 0; done < len;) {
        ssize_t got = process_vm_readv(pid, local + done, len - done, remote + done, len - done, 0);
        if (got < 0)
            got = 0;
        for (; done < len && got >= (ssize_t)local[done].iov_len; done++)
            got -= (ssize_t)local[done].iov_len;
        if (done < len) {
            memset(now[done].bytes, 0, sizeof(now[done].bytes));
            done++;
        }
    }
    size_t dead = 0;
    for (size_t i = 0; i < len; i++) {
        struct code_slot *slot = &t->slots[ids[i]];
        slot->is_used = false;
        if (memcmp(&slot->mark, &now[i], sizeof(slot->mark)) != 0) {
            slot->is_dead = true;
            dead++;
        }
    }
    return dead;
}

size_t code_table_check(struct code_table *t, pid_t pid)
{
    uint32_t ids[CHECK_AT_ONCE];
    size_t len = 0;
    size_t dead = 0;
    t->dead_len = 0;
    for (size_t i = 0; i < t->slots_len; i++) {
        if (!t->slots[i].is_used || t->slots[i].is_dead)
            continue;
        ids[len++] = (uint32_t)i;
        if (len == CHECK_AT_ONCE) {
            dead += check_some(t, pid, ids, len);
            len = 0;
        }
    }
    if (len > 0)
        dead += check_some(t, pid, ids, len);
    if (dead == 0)
        return 0;

    /* Rare: look everything up anew. */
    forget_places(t);
    map_clear(&t->by_address);
    size_t kept = 0;
    for (size_t i = 0; i < t->slots_len; i++) {
        if (t->slots[i].is_dead) {
            free(t->slots[i].lines);
            if (array_reserve(&t->dead, &t->dead_cap, t->dead_len + 1))
                t->dead[t->dead_len++] = t->slots[i].function;
            continue;
        }
        t->slots[kept] = t->slots[i];
        if (map_put(&t->by_address, t->slots[kept].address, (uint32_t)kept))
            kept++;
        else
            free(t->slots[kept].lines);
    }
    t->slots_len = kept;
    return dead;
}

bool code_table_is_doubtful(const struct code_table *t, uint32_t node)
{
    for (; node != 0; node = t->stacks->nodes[node].parent) {
        uint32_t function = t->stacks->frames[t->stacks->nodes[node].frame].function;
        for (size_t i = 0; i < t->dead_len; i++) {
            if (t->dead[i] == function)
                return true;
        }
    }
    return false;
}
