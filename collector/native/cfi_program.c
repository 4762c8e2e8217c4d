#include "collector/native/cfi_program.h"

#include <string.h>

#include "collector/native/bytes.h"

enum { REMEMBERED_MAX = 16 };

/* How pointers are written: LSB 5.0, 10.5.1. */
enum {
    POINTER_ABSOLUTE = 0x00,
    POINTER_ULEB = 0x01,
    POINTER_U2 = 0x02,
    POINTER_U4 = 0x03,
    POINTER_U8 = 0x04,
    POINTER_SLEB = 0x09,
    POINTER_S2 = 0x0a,
    POINTER_S4 = 0x0b,
    POINTER_S8 = 0x0c,
    POINTER_FORMAT = 0x0f,
    POINTER_RELATIVE = 0x10, /* to its own place */
    POINTER_KIND = 0xf0,
};

/* DWARF 5, section 7.24. */
enum {
    OP_ADVANCE = 0x40, /* the upper two bits; the rest is an operand */
    OP_OFFSET = 0x80,
    OP_RESTORE = 0xc0,
    OP_SET_LOC = 0x01,
    OP_ADVANCE_1 = 0x02,
    OP_ADVANCE_2 = 0x03,
    OP_ADVANCE_4 = 0x04,
    OP_OFFSET_EXTENDED = 0x05,
    OP_RESTORE_EXTENDED = 0x06,
    OP_UNDEFINED = 0x07,
    OP_SAME_VALUE = 0x08,
    OP_REGISTER = 0x09,
    OP_REMEMBER = 0x0a,
    OP_RESTORE_STATE = 0x0b,
    OP_DEF_CFA = 0x0c,
    OP_DEF_CFA_REGISTER = 0x0d,
    OP_DEF_CFA_OFFSET = 0x0e,
    OP_DEF_CFA_EXPRESSION = 0x0f,
    OP_EXPRESSION = 0x10,
    OP_OFFSET_EXTENDED_SF = 0x11,
    OP_DEF_CFA_SF = 0x12,
    OP_DEF_CFA_OFFSET_SF = 0x13,
    OP_VAL_OFFSET = 0x14,
    OP_VAL_OFFSET_SF = 0x15,
    OP_VAL_EXPRESSION = 0x16,
    OP_ARGS_SIZE = 0x2e,
    OP_NEGATIVE_OFFSET = 0x2f,
};

/* One entry's outer shape. */
struct shell {
    struct cursor body; /* behind the id */
    size_t id_at;       /* where the id stands */
    uint64_t id;        /* 0 = CIE; else how far back its CIE begins */
    size_t next;
};

struct common {
    uint64_t code_align;
    int64_t data_align;
    uint64_t return_register;
    uint8_t pointer;
    bool has_length, is_signal;
    struct cursor program;
};

static bool read_shell(const struct image_bytes *frames, size_t at, struct shell *out)
{
    if (!frames->data || at > frames->len)
        return false;
    struct cursor c = cursor_over(frames->data + at, frames->len - at);
    uint64_t len = cursor_number(&c, 4);
    if (len == UINT32_MAX)
        len = cursor_number(&c, 8);
    if (c.failed || len < 4 || len > cursor_left(&c))
        return false;
    out->next = (size_t)(c.at - frames->data) + (size_t)len;
    out->id_at = (size_t)(c.at - frames->data);
    c.end = c.at + len;
    out->id = cursor_number(&c, 4);
    out->body = c;
    return true;
}

static bool read_pointer(const struct image_bytes *frames, struct cursor *c, uint8_t how,
                         uint64_t *out)
{
    static const uint8_t sizes[POINTER_FORMAT + 1] = {
        [POINTER_ABSOLUTE] = 8, [POINTER_U2] = 2, [POINTER_U4] = 4, [POINTER_U8] = 8,
        [POINTER_S2] = 2,       [POINTER_S4] = 4, [POINTER_S8] = 8};
    uint64_t place = frames->address + (uint64_t)(c->at - frames->data);
    uint8_t format = how & POINTER_FORMAT;
    uint8_t kind = how & POINTER_KIND;
    if (kind != 0 && kind != POINTER_RELATIVE)
        return false;
    uint64_t value;
    if (format == POINTER_ULEB)
        value = cursor_uleb(c);
    else if (format == POINTER_SLEB)
        value = (uint64_t)cursor_sleb(c);
    else if (sizes[format] == 0)
        return false;
    else if (format >= POINTER_S2)
        value = (uint64_t)cursor_signed(c, sizes[format]);
    else
        value = cursor_number(c, sizes[format]);
    *out = kind == POINTER_RELATIVE ? place + value : value;
    return !c->failed;
}

static bool skip_pointer(const struct image_bytes *frames, struct cursor *c, uint8_t how)
{
    uint64_t ignored;
    return read_pointer(frames, c, how & POINTER_FORMAT, &ignored);
}

/* "z", then for each letter its data; other letters end what can be understood. */
static bool read_augmentation(const struct image_bytes *frames, struct cursor *c,
                              const char *letters, struct common *out)
{
    if (letters[0] == '\0')
        return true;
    if (letters[0] != 'z')
        return false;
    out->has_length = true;
    uint64_t len = cursor_uleb(c);
    if (len > cursor_left(c))
        return false;
    struct cursor data = *c;
    data.end = data.at + len;
    c->at += len;
    for (const char *letter = letters + 1; *letter; letter++) {
        uint8_t how;
        switch (*letter) {
        case 'R':
            out->pointer = (uint8_t)cursor_number(&data, 1);
            break;
        case 'P':
            how = (uint8_t)cursor_number(&data, 1);
            if (!skip_pointer(frames, &data, how))
                return false;
            break;
        case 'L':
            (void)cursor_number(&data, 1);
            break;
        case 'S':
            out->is_signal = true;
            break;
        case 'B': /* arm64's: nothing to read */
            break;
        default:
            return false;
        }
    }
    return !data.failed;
}

static bool read_common(const struct image_bytes *frames, size_t at, struct common *out)
{
    struct shell shell;
    *out = (struct common){0};
    if (!read_shell(frames, at, &shell) || shell.id != 0)
        return false;
    struct cursor *c = &shell.body;
    uint64_t version = cursor_number(c, 1);
    const char *letters = (const char *)c->at;
    const uint8_t *end = memchr(letters, 0, cursor_left(c));
    if ((version != 1 && version != 3) || !end)
        return false;
    c->at = end + 1;
    out->code_align = cursor_uleb(c);
    out->data_align = cursor_sleb(c);
    out->return_register = version == 1 ? cursor_number(c, 1) : cursor_uleb(c);
    if (!read_augmentation(frames, c, letters, out) || c->failed ||
        out->return_register != REGISTER_IP)
        return false;
    out->program = *c;
    return true;
}

/* The FDE whose shell was read: its range, and where its program is. */
static bool read_function(const struct image_bytes *frames, const struct shell *shell,
                          struct common *common, struct cfi_entry *out, struct cursor *program)
{
    uint64_t size;
    struct cursor c = shell->body;
    if (shell->id == 0 || shell->id > shell->id_at ||
        !read_common(frames, shell->id_at - (size_t)shell->id, common) ||
        !read_pointer(frames, &c, common->pointer, &out->begin) ||
        !read_pointer(frames, &c, common->pointer & POINTER_FORMAT, &size))
        return false;
    if (common->has_length) {
        uint64_t len = cursor_uleb(&c);
        (void)cursor_take(&c, len);
    }
    out->end = out->begin + size;
    *program = c;
    return !c.failed && out->end >= out->begin;
}

bool cfi_next_entry(const struct image_bytes *frames, size_t *at, struct cfi_entry *out)
{
    struct shell shell;
    struct common common;
    struct cursor program;
    *out = (struct cfi_entry){.offset = *at};
    if (!read_shell(frames, *at, &shell))
        return false;
    out->is_function = read_function(frames, &shell, &common, out, &program);
    *at = shell.next;
    return true;
}

/* ---- running ---- */

struct run {
    const struct image_bytes *frames;
    const struct common *common;
    struct cfi_row row, initial;
    struct cfi_row remembered[REMEMBERED_MAX];
    size_t depth;
    uint64_t at, wanted;
    bool is_broken;
};

static void set_rule(struct run *r, uint64_t number, enum cfi_kind kind, int64_t value)
{
    if (number >= REGISTERS)
        return; /* vector registers and the like: of no use here */
    if (value > INT32_MAX || value < INT32_MIN)
        r->is_broken = true;
    else
        r->row.rules[number] = (struct cfi_rule){kind, (int32_t)value, 0};
}

static void set_cfa(struct run *r, uint64_t number, int64_t offset)
{
    if (number >= REGISTERS || offset > INT32_MAX || offset < INT32_MIN) {
        r->is_broken = true;
        return;
    }
    r->row.cfa_register = (uint8_t)number;
    r->row.cfa = (struct cfi_rule){CFI_IS, (int32_t)offset, 0};
}

static void take_expression(struct run *r, struct cursor *c, enum cfi_kind kind,
                            struct cfi_rule *out)
{
    uint64_t len = cursor_uleb(c);
    const uint8_t *bytes = cursor_take(c, len);
    if (!bytes || bytes - r->frames->data > INT32_MAX)
        r->is_broken = true;
    else
        *out = (struct cfi_rule){kind, (int32_t)(bytes - r->frames->data), (uint32_t)len};
}

static void restore(struct run *r, uint64_t number)
{
    if (number < REGISTERS)
        r->row.rules[number] = r->initial.rules[number];
}

static int64_t scaled(const struct run *r, int64_t factor)
{
    int64_t value;
    return __builtin_mul_overflow(factor, r->common->data_align, &value) ? INT64_MAX : value;
}

static void run_cfa(struct run *r, struct cursor *c, uint8_t op)
{
    uint64_t number = r->row.cfa_register;
    switch (op) {
    case OP_DEF_CFA:
        number = cursor_uleb(c);
        set_cfa(r, number, (int64_t)cursor_uleb(c));
        break;
    case OP_DEF_CFA_SF:
        number = cursor_uleb(c);
        set_cfa(r, number, scaled(r, cursor_sleb(c)));
        break;
    case OP_DEF_CFA_REGISTER:
        number = cursor_uleb(c);
        if (r->row.cfa.kind == CFI_IS)
            set_cfa(r, number, r->row.cfa.value);
        else
            r->is_broken = true;
        break;
    case OP_DEF_CFA_OFFSET:
        set_cfa(r, number, (int64_t)cursor_uleb(c));
        break;
    case OP_DEF_CFA_OFFSET_SF:
        set_cfa(r, number, scaled(r, cursor_sleb(c)));
        break;
    default:
        take_expression(r, c, CFI_IS_EXPRESSION, &r->row.cfa);
        break;
    }
}

static void run_rule(struct run *r, struct cursor *c, uint8_t op)
{
    uint64_t number = cursor_uleb(c);
    struct cfi_rule ignored;
    struct cfi_rule *rule = number < REGISTERS ? &r->row.rules[number] : &ignored;
    switch (op) {
    case OP_OFFSET_EXTENDED:
        set_rule(r, number, CFI_AT, scaled(r, (int64_t)cursor_uleb(c)));
        break;
    case OP_OFFSET_EXTENDED_SF:
        set_rule(r, number, CFI_AT, scaled(r, cursor_sleb(c)));
        break;
    case OP_NEGATIVE_OFFSET:
        set_rule(r, number, CFI_AT, scaled(r, -(int64_t)(cursor_uleb(c) & INT32_MAX)));
        break;
    case OP_VAL_OFFSET:
        set_rule(r, number, CFI_IS, scaled(r, (int64_t)cursor_uleb(c)));
        break;
    case OP_VAL_OFFSET_SF:
        set_rule(r, number, CFI_IS, scaled(r, cursor_sleb(c)));
        break;
    case OP_RESTORE_EXTENDED:
        restore(r, number);
        break;
    case OP_UNDEFINED:
        set_rule(r, number, CFI_UNDEFINED, 0);
        break;
    case OP_SAME_VALUE:
        set_rule(r, number, CFI_SAME, 0);
        break;
    case OP_REGISTER:
        set_rule(r, number, CFI_REGISTER, (int64_t)cursor_uleb(c));
        break;
    case OP_EXPRESSION:
        take_expression(r, c, CFI_AT_EXPRESSION, rule);
        break;
    case OP_VAL_EXPRESSION:
        take_expression(r, c, CFI_IS_EXPRESSION, rule);
        break;
    default:
        r->is_broken = true;
        break;
    }
}

static void advance(struct run *r, uint64_t by)
{
    r->at += by * r->common->code_align;
}

static void run_state(struct run *r, struct cursor *c, uint8_t op)
{
    switch (op) {
    case 0: /* nop */
        break;
    case OP_SET_LOC:
        if (!read_pointer(r->frames, c, r->common->pointer, &r->at))
            r->is_broken = true;
        break;
    case OP_ADVANCE_1:
    case OP_ADVANCE_2:
        advance(r, cursor_number(c, op == OP_ADVANCE_1 ? 1U : 2U));
        break;
    case OP_ADVANCE_4:
        advance(r, cursor_number(c, 4));
        break;
    case OP_REMEMBER:
        if (r->depth == REMEMBERED_MAX)
            r->is_broken = true;
        else
            r->remembered[r->depth++] = r->row;
        break;
    case OP_RESTORE_STATE:
        if (r->depth == 0)
            r->is_broken = true;
        else
            r->row = r->remembered[--r->depth];
        break;
    case OP_ARGS_SIZE:
        (void)cursor_uleb(c);
        break;
    default:
        run_rule(r, c, op);
        break;
    }
}

static void run_program(struct run *r, struct cursor c)
{
    while (!r->is_broken && cursor_left(&c) > 0 && r->at <= r->wanted) {
        uint8_t op = (uint8_t)cursor_number(&c, 1);
        uint8_t operand = op & 0x3f;
        if ((op & 0xc0) == OP_ADVANCE)
            advance(r, operand);
        else if ((op & 0xc0) == OP_OFFSET)
            set_rule(r, operand, CFI_AT, scaled(r, (int64_t)cursor_uleb(&c)));
        else if ((op & 0xc0) == OP_RESTORE)
            restore(r, operand);
        else if ((op >= OP_DEF_CFA && op <= OP_DEF_CFA_EXPRESSION) || op == OP_DEF_CFA_SF ||
                 op == OP_DEF_CFA_OFFSET_SF)
            run_cfa(r, &c, op);
        else
            run_state(r, &c, op);
        if (c.failed)
            r->is_broken = true;
    }
}

bool cfi_compute(const struct image_bytes *frames, size_t offset, uint64_t address,
                 struct cfi_row *out)
{
    struct shell shell;
    struct common common;
    struct cfi_entry entry;
    struct cursor program;
    if (!read_shell(frames, offset, &shell) ||
        !read_function(frames, &shell, &common, &entry, &program) || address < entry.begin ||
        address >= entry.end)
        return false;
    struct run r = {.frames = frames, .common = &common, .at = entry.begin, .wanted = UINT64_MAX};
    r.row.begin = entry.begin;
    r.row.is_signal = common.is_signal;
    r.row.cfa.kind = CFI_UNDEFINED;
    run_program(&r, common.program);
    r.initial = r.row;
    r.at = entry.begin;
    r.wanted = address;
    run_program(&r, program);
    if (r.is_broken || r.row.cfa.kind == CFI_UNDEFINED)
        return false;
    *out = r.row;
    return true;
}
