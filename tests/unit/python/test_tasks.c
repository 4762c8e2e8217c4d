/* asyncio's tasks: what .AsyncioDebug may say, and names. */
#include <criterion/criterion.h>
#include <string.h>

#include "collector/python/tasks.h"

enum { WORDS = 13, BASE = 0x10000, ROOM = 4096 };

/* As CPython 3.14.7 for x86-64 says. */
static const uint64_t words_314[WORDS] = {168, 136, 96,    108, 109, 128, 152,
                                          0,   0,   22000, 800, 808, 816};

static bool init(struct python_tasks *out, const uint64_t *words)
{
    return python_tasks_from_debug(out, (const uint8_t *)words, WORDS * sizeof(*words));
}

Test(python_tasks, the_debug_section_tells_where_they_are)
{
    uint64_t words[WORDS];
    struct python_tasks tasks;
    memcpy(words, words_314, sizeof(words));
    words[7] = 1 << 20;
    words[8] = 4096;
    cr_assert(init(&tasks, words));
    cr_expect_eq(tasks.coroutine, 128);
    cr_expect_eq(tasks.name, 136);
    cr_expect_eq(tasks.running, 808);
    cr_expect_eq(tasks.interp_head, 4096);
}

Test(python_tasks, a_section_that_contradicts_itself_is_not_believed)
{
    static const uint8_t used[] = {1, 5, 6, 8, 11, 12};
    for (size_t i = 0; i < sizeof(used); i++) {
        uint64_t words[WORDS];
        struct python_tasks tasks;
        memcpy(words, words_314, sizeof(words));
        words[7] = 1 << 20;
        words[8] = 4096;
        words[used[i]] = UINT64_MAX - 7;
        cr_expect_not(init(&tasks, words), "word %u", used[i]);
        words[used[i]] = 0;
        cr_expect_not(init(&tasks, words), "word %u", used[i]);
    }
    struct python_tasks tasks;
    cr_expect_not(python_tasks_from_debug(&tasks, (const uint8_t *)words_314, 96));
}

/* ---- objects in a made-up memory ---- */

static uint8_t memory[ROOM];

static bool find(void *ctx, uint64_t address, size_t len, struct memory_window *out)
{
    (void)ctx;
    if (address < BASE || address - BASE > ROOM || ROOM - (address - BASE) < len)
        return false;
    *out = (struct memory_window){BASE, BASE + ROOM, memory};
    return true;
}

static const struct memory_reader reader = {.find = find};

static void put(size_t at, uint64_t value, size_t size)
{
    memcpy(memory + at, &value, size);
}

static void make_type(const struct python_layout *layout, size_t at, const char *name)
{
    put(at + layout->type_name, BASE + at + 512, 8);
    memcpy(memory + at + 512, name, strlen(name) + 1);
}

static void expect_name(uint32_t version, size_t type, uint64_t tag, uint32_t digit,
                        const char *expected)
{
    struct python_layout layout;
    cr_assert_eq(python_layout_init(&layout, version, NULL, 0), PYTHON_LAYOUT_OK);
    memset(memory, 0, sizeof(memory));
    make_type(&layout, 1024, "int");
    make_type(&layout, 2048, "str");
    put(layout.object_type, BASE + type, 8);
    put(layout.var_size, tag, 8);
    put(layout.long_digit, digit, 4);
    struct buf name;
    buf_init(&name, 0);
    bool is_found = python_task_name(&layout, &reader, BASE, &name);
    cr_expect_eq(is_found, expected != NULL);
    if (expected)
        cr_expect(name.len == strlen(expected) && memcmp(name.data, expected, name.len) == 0);
    buf_deinit(&name);
}

Test(python_tasks, a_number_is_the_name_of_a_task_that_was_given_none)
{
    expect_name(0x030c01f0, 1024, 1 << 3, 17, "Task-17");
    expect_name(0x030b07f0, 1024, 1, 4, "Task-4");
}

Test(python_tasks, what_is_neither_text_nor_number_is_no_name)
{
    expect_name(0x030c01f0, 3072, 1 << 3, 17, NULL);
    expect_name(0x030c01f0, 1024, 100 << 3, 17, NULL); /* too many digits */
    expect_name(0x030c01f0, ROOM, 1 << 3, 17, NULL);   /* its type cannot be read */
}
