#include "collector/python/code.h"

#include <string.h>

#include "collector/python/text.h"

enum { TYPE_NAME_MAX = 8 };

void python_code_init(struct python_code *code)
{
    *code = (struct python_code){0};
    buf_init(&code->name, 0);
    buf_init(&code->file, 0);
    buf_init(&code->lines, PYTHON_LINE_TABLE_MAX);
}

void python_code_deinit(struct python_code *code)
{
    buf_deinit(&code->name);
    buf_deinit(&code->file);
    buf_deinit(&code->lines);
}

void python_code_mark_range(const struct python_layout *layout, uint64_t address, uint64_t *begin,
                            uint64_t *len)
{
    /* The pointers stand side by side in every version; the line table's is the last. */
    uint64_t end = layout->code_linetable + sizeof(uint64_t);
    uint64_t first = layout->code_firstlineno;
    if (end - first > PYTHON_CODE_MARK_SIZE)
        first = end - PYTHON_CODE_MARK_SIZE;
    *begin = address + first;
    *len = end - first;
}

static bool has_type_code(const struct python_layout *layout, const struct memory_reader *reader,
                          uint64_t address)
{
    uint64_t type;
    uint64_t name;
    char text[TYPE_NAME_MAX];
    return memory_read_u64(reader, address + layout->object_type, &type) &&
           memory_read_u64(reader, type + layout->type_name, &name) &&
           memory_read(reader, name, text, sizeof("code")) &&
           memcmp(text, "code", sizeof("code")) == 0;
}

static bool read_bytes(const struct python_layout *layout, const struct memory_reader *reader,
                       uint64_t address, struct buf *out)
{
    uint64_t len;
    if (!memory_read_u64(reader, address + layout->var_size, &len) || len > PYTHON_LINE_TABLE_MAX)
        return false;
    if (len == 0) /* one line: nothing to say */
        return true;
    uint8_t *room = buf_grow(out, len);
    return room && memory_read(reader, address + layout->bytes_data, room, len);
}

static bool read_mark(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t address, struct python_code_mark *mark)
{
    uint64_t begin;
    uint64_t len;
    python_code_mark_range(layout, address, &begin, &len);
    memset(mark, 0, sizeof(*mark));
    return memory_read(reader, begin, mark->bytes, len);
}

static bool read_texts(const struct python_layout *layout, const struct memory_reader *reader,
                       uint64_t address, struct python_code *code)
{
    uint16_t name_field =
        layout->code_qualname != PYTHON_NO_FIELD ? layout->code_qualname : layout->code_name;
    uint64_t name;
    uint64_t file;
    uint64_t lines;
    return memory_read_u64(reader, address + name_field, &name) &&
           memory_read_u64(reader, address + layout->code_filename, &file) &&
           memory_read_u64(reader, address + layout->code_linetable, &lines) &&
           memory_read(reader, address + layout->code_firstlineno, &code->first_line,
                       sizeof(code->first_line)) &&
           python_text(layout, reader, name, &code->name) &&
           python_text(layout, reader, file, &code->file) &&
           read_bytes(layout, reader, lines, &code->lines);
}

bool python_code_read(const struct python_layout *layout, const struct memory_reader *reader,
                      uint64_t address, struct python_code *code)
{
    buf_clear(&code->name);
    buf_clear(&code->file);
    buf_clear(&code->lines);
    code->address = address;
    code->bytecode = 0;
    code->bytecode_size = 0;
    if (address == 0 || address > UINT64_MAX / 2 || !has_type_code(layout, reader, address) ||
        !read_mark(layout, reader, address, &code->mark) ||
        !read_texts(layout, reader, address, code))
        return false;

    uint64_t units;
    if (layout->ip == PYTHON_IP_POINTER) {
        code->bytecode = address + layout->code_bytecode;
        if (!memory_read_u64(reader, address + layout->var_size, &units))
            return false;
        code->bytecode_size = units * 2;
    } else {
        uint64_t bytes;
        if (!memory_read_u64(reader, address + layout->code_bytecode, &bytes) ||
            !memory_read_u64(reader, bytes + layout->var_size, &code->bytecode_size))
            return false;
    }
    if (code->bytecode_size > INT32_MAX)
        return false;

    struct python_code_mark after;
    return read_mark(layout, reader, address, &after) &&
           memcmp(&after, &code->mark, sizeof(after)) == 0 &&
           buf_status(&code->name) == STATUS_OK && buf_status(&code->file) == STATUS_OK;
}

/* co_tlbc points at {Py_ssize_t size; char *entries[]}: pycore_code.h @ v3.14.0. Entry 0 is the
 * code object's own bytecode. */
static bool thread_bytecode(const struct python_layout *layout, const struct memory_reader *reader,
                            const struct python_code *code, uint32_t tlbc, uint64_t *bytecode)
{
    uint64_t table;
    uint64_t len;
    return memory_read_u64(reader, code->address + layout->code_tlbc, &table) && table != 0 &&
           memory_read_u64(reader, table, &len) && tlbc < len &&
           memory_read_u64(reader, table + 8 + 8 * (uint64_t)tlbc, bytecode);
}

bool python_code_offset(const struct python_layout *layout, const struct memory_reader *reader,
                        const struct python_code *code, uint64_t ip, uint32_t tlbc, int64_t *offset)
{
    int64_t at;
    uint64_t bytecode = code->bytecode;
    switch (layout->ip) {
    case PYTHON_IP_POINTER:
        if (tlbc != 0 && !thread_bytecode(layout, reader, code, tlbc, &bytecode))
            return false;
        at = (int64_t)(ip - bytecode);
        break;
    case PYTHON_IP_UNITS:
        at = (int64_t)(int32_t)ip * 2;
        break;
    default:
        at = (int32_t)ip;
        break;
    }
    if (at < -2 || at >= (int64_t)code->bytecode_size)
        return false;
    *offset = at < 0 ? -1 : at;
    return true;
}

struct python_place python_code_place(const struct python_layout *layout,
                                      const struct python_code *code, int64_t offset)
{
    return python_place(layout->lines, code->lines.data, code->lines.len, code->first_line, offset);
}
