#include <criterion/criterion.h>
#include <stdlib.h>

#include "collector/native/cfi.h"
#include "collector/native/cfi_program.h"

/* A section with one CIE (CFA = rsp + 8, the return address at CFA - 8) and one FDE for
 * [0x1000, 0x1100) with the program that a test gives. Addresses are absolute. */
static uint8_t section[512];
static struct image_bytes frames;

static void put_u32(size_t at, uint32_t value)
{
    memcpy(section + at, &value, sizeof(value));
}

static void put_u64(size_t at, uint64_t value)
{
    memcpy(section + at, &value, sizeof(value));
}

static void make(const char *letters, const uint8_t *program, size_t len)
{
    static const uint8_t initial[] = {0x0c, 7, 8, 0x80 | 16, 1}; /* def_cfa, offset of the ip */
    memset(section, 0, sizeof(section));
    size_t at = 8;
    section[at++] = 1;
    memcpy(section + at, letters, strlen(letters) + 1);
    at += strlen(letters) + 1;
    section[at++] = 1;    /* code alignment */
    section[at++] = 0x78; /* data alignment: -8 */
    section[at++] = 16;
    if (letters[0] == 'z')
        section[at++] = 0;
    memcpy(section + at, initial, sizeof(initial));
    at += sizeof(initial);
    size_t function = (at + 7) & ~(size_t)7;
    put_u32(0, (uint32_t)function - 4);
    put_u32(function + 4, (uint32_t)function + 4); /* back to the CIE */
    put_u64(function + 8, 0x1000);
    put_u64(function + 16, 0x100);
    at = function + 24;
    if (letters[0] == 'z')
        section[at++] = 0;
    memcpy(section + at, program, len);
    at += len;
    put_u32(function, (uint32_t)(at - function) - 4);
    frames = (struct image_bytes){.data = section, .len = at + 4, .address = 0x400000};
}

static bool compute(uint64_t address, struct cfi_row *row)
{
    size_t at = 0;
    struct cfi_entry entry;
    while (cfi_next_entry(&frames, &at, &entry)) {
        if (entry.is_function)
            return cfi_compute(&frames, entry.offset, address, row);
    }
    return false;
}

Test(native_cfi, follows_a_function_that_pushes_its_frame_pointer)
{
    static const uint8_t program[] = {
        0x41, 0x0e, 16, 0x86, 2, /* after 1 byte: CFA = rsp + 16, rbp at CFA - 16 */
        0x43, 0x0d, 6,           /* after 3 more: CFA = rbp + 16 */
        0x42, 0x0a,              /* remember */
        0x0c, 7,    8,           /* CFA = rsp + 8 */
        0x41, 0x0b,              /* restore what was remembered */
    };
    struct cfi_row row;
    make("", program, sizeof(program));
    cr_assert(compute(0x1000, &row));
    cr_expect_eq(row.cfa_register, 7);
    cr_expect_eq(row.cfa.value, 8);
    cr_expect_eq(row.rules[6].kind, CFI_SAME);
    cr_assert(compute(0x1001, &row));
    cr_expect_eq(row.cfa.value, 16);
    cr_expect_eq(row.rules[6].kind, CFI_AT);
    cr_expect_eq(row.rules[6].value, -16);
    cr_expect_eq(row.rules[REGISTER_IP].value, -8);
    cr_assert(compute(0x1005, &row));
    cr_expect_eq(row.cfa_register, 6);
    cr_assert(compute(0x1006, &row));
    cr_expect_eq(row.cfa_register, 7);
    cr_assert(compute(0x1007, &row));
    cr_expect_eq(row.cfa_register, 6);
    cr_expect_eq(row.begin, 0x1000);
    cr_expect_not(compute(0x1100, &row), "behind its end");
    cr_expect_not(compute(0xfff, &row));
}

Test(native_cfi, knows_signal_frames_and_expressions)
{
    static const uint8_t program[] = {
        0x0f, 3,  0x77, 0x10, 0x06, /* CFA = *(rsp + 16) */
        0x10, 16, 2,    0x77, 0x20, /* the ip is saved at rsp + 32 */
        0x07, 3,                    /* rbx is undefined */
    };
    struct cfi_row row;
    make("zS", program, sizeof(program));
    cr_assert(compute(0x1050, &row));
    cr_expect(row.is_signal);
    cr_expect_eq(row.cfa.kind, CFI_IS_EXPRESSION);
    cr_expect_eq(row.cfa.len, 3);
    cr_expect_eq(section[row.cfa.value], 0x77);
    cr_expect_eq(row.rules[REGISTER_IP].kind, CFI_AT_EXPRESSION);
    cr_expect_eq(row.rules[3].kind, CFI_UNDEFINED);
}

Test(native_cfi, refuses_what_it_does_not_know)
{
    static const uint8_t unknown[] = {0x3f};
    static const uint8_t unbalanced[] = {0x0b};
    static const uint8_t endless[] = {0x0f, 0xff, 0x7f};
    struct cfi_row row;
    make("", unknown, sizeof(unknown));
    cr_expect_not(compute(0x1000, &row));
    make("", unbalanced, sizeof(unbalanced));
    cr_expect_not(compute(0x1000, &row));
    make("", endless, sizeof(endless));
    cr_expect_not(compute(0x1000, &row), "an expression longer than what is left");
    make("zX", unknown, 0);
    cr_expect_not(compute(0x1000, &row), "an augmentation that nobody knows");
}

Test(native_cfi, every_cut_of_a_section_is_survived)
{
    static const uint8_t program[] = {0x41, 0x0e, 16, 0x86, 2, 0x0f, 3, 0x77, 0x10, 0x06};
    make("zS", program, sizeof(program));
    size_t whole = frames.len;
    for (size_t len = 0; len < whole; len++) {
        /* Its own allocation, so that a sanitizer sees a byte too far. */
        struct cfi_row row;
        uint8_t *copy = malloc(len + 1);
        cr_assert(copy);
        memcpy(copy, section, len);
        struct image_bytes cut = {.data = realloc(copy, len ? len : 1), .len = len};
        size_t at = 0;
        struct cfi_entry entry;
        while (cfi_next_entry(&cut, &at, &entry)) {
            if (entry.is_function)
                (void)cfi_compute(&cut, entry.offset, 0x1001, &row);
        }
        free(cut.data);
    }
    frames.len = whole;
}
