#include <criterion/criterion.h>
#include <string.h>

#include "collector/python/module.h"
#include "collector/python/text.h"

/* A str as 3.12 lays it out, at address 4096. */
static uint8_t memory[65536];
enum { BASE = 4096 };

static bool find(void *ctx, uint64_t address, size_t len, struct memory_window *out)
{
    (void)ctx;
    *out = (struct memory_window){BASE, BASE + sizeof(memory), memory};
    return memory_window_holds(out, address, len);
}

static bool read_text(uint64_t len, unsigned kind, bool is_ascii, bool is_compact, const void *data,
                      size_t size, struct buf *out)
{
    struct python_layout layout;
    struct memory_reader reader = {.find = find};
    python_layout_init(&layout, 0x030c00f0, NULL, 0);
    uint32_t state = kind << 2 | (uint32_t)is_compact << 5 | (uint32_t)is_ascii << 6;
    memset(memory, 0, sizeof(memory));
    memcpy(memory + layout.unicode_length, &len, sizeof(len));
    memcpy(memory + layout.unicode_state, &state, sizeof(state));
    memcpy(memory + (is_ascii ? layout.unicode_ascii_data : layout.unicode_compact_data), data,
           size);
    buf_init(out, 0);
    return python_text(&layout, &reader, BASE, out);
}

static void expect(struct buf *out, const char *text)
{
    buf_put_byte(out, 0);
    cr_expect_str_eq((const char *)out->data, text);
    buf_deinit(out);
}

Test(python_text, reads_each_kind_as_utf8)
{
    struct buf out;
    const uint8_t latin[] = {'g', 'r', 0xf6, 0xdf, 'e'};
    const uint16_t narrow[] = {0x4e2d, 0xd800, 'x'};
    const uint32_t wide[] = {0x1f600, 'y'};
    cr_expect(read_text(5, 1, true, true, "hello", 5, &out));
    expect(&out, "hello");
    cr_expect(read_text(5, 1, false, true, latin, 5, &out));
    expect(&out, "gr\xc3\xb6\xc3\x9f"
                 "e");
    cr_expect(read_text(3, 2, false, true, narrow, 6, &out));
    expect(&out, "\xe4\xb8\xad\xef\xbf\xbdx");
    cr_expect(read_text(2, 4, false, true, wide, 8, &out));
    expect(&out, "\xf0\x9f\x98\x80y");
    cr_expect(read_text(0, 1, true, true, "", 0, &out));
    expect(&out, "");
}

Test(python_text, follows_the_pointer_of_a_string_that_is_not_compact)
{
    struct buf out;
    uint64_t elsewhere = BASE + 1000;
    memory[0] = 0;
    cr_expect(read_text(3, 1, false, false, &elsewhere, 8, &out));
    cr_expect_eq(out.len, 3);
    buf_deinit(&out);
}

Test(python_text, refuses_what_cannot_be_a_string)
{
    struct buf out;
    cr_expect_not(read_text(5, 3, false, true, "hello", 5, &out));
    cr_expect_not(read_text(5, 2, true, true, "hello", 5, &out));
    cr_expect_not(read_text(UINT64_MAX, 1, true, true, "hello", 5, &out));
    cr_expect_eq(out.len, 0);
}

Test(python_text, a_very_long_one_is_cut)
{
    struct buf out;
    cr_expect(read_text(50000, 1, true, true, "hello", 5, &out));
    cr_expect_eq(out.len, PYTHON_TEXT_MAX);
    buf_deinit(&out);
}

Test(python_module, is_the_package_that_a_person_would_name)
{
    static const char *const cases[][2] = {
        {"/opt/app/venv/lib/python3.11/site-packages/numpy/core/numeric.py", "numpy"},
        {"/usr/lib/python3/dist-packages/six.py", "six"},
        {"/usr/lib/python3.11/json/decoder.py", "json"},
        {"/usr/lib/python3.13t/threading.py", "threading"},
        {"<frozen importlib._bootstrap>", "importlib"},
        {"<frozen zipimport>", "zipimport"},
        {"<string>", "<string>"},
        {"app/login.py", "login"},
        {"/srv/shop/cart/__init__.py", "cart"},
        {"/srv/shop/cart/__main__.py", "cart"},
        {"__init__.py", "__init__"},
        {"/srv/python/tool.py", "tool"},
        {"plain", "plain"},
        {"", ""},
        {"/", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len;
        const char *module = python_module_of(cases[i][0], strlen(cases[i][0]), &len);
        cr_expect(len == strlen(cases[i][1]) && memcmp(module, cases[i][1], len) == 0,
                  "%s: %.*s, not %s", cases[i][0], (int)len, module, cases[i][1]);
    }
}
