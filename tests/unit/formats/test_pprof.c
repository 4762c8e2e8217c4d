#include <criterion/criterion.h>

#include "common/base/buf.h"
#include "tests/unit/formats/profile_sums.h"

/* A small writer of its own: the tests do not lean on the one they check. */
static void put_varint(struct buf *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_put_byte(b, (uint8_t)(value | 0x80));
    buf_put_byte(b, (uint8_t)value);
}

static void put_number(struct buf *b, uint32_t field, uint64_t value)
{
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, value);
}

static void put_bytes(struct buf *b, uint32_t field, const void *data, size_t len)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, len);
    buf_put(b, data, len);
}

static void put_message(struct buf *b, uint32_t field, struct buf *message)
{
    put_bytes(b, field, message->data, message->len);
    buf_clear(message);
}

static struct buf file, message, inner;
static struct error err;

static void begin(void)
{
    buf_init(&file, 0);
    buf_init(&message, 0);
    buf_init(&inner, 0);
}

static void end(void)
{
    buf_deinit(&file);
    buf_deinit(&message);
    buf_deinit(&inner);
}

static void put_type(uint64_t name, uint64_t unit)
{
    put_number(&message, 1, name);
    put_number(&message, 2, unit);
    put_message(&file, 1, &message);
}

static void put_function(uint64_t id, uint64_t name, uint64_t file_name)
{
    put_number(&message, 1, id);
    put_number(&message, 2, name);
    put_number(&message, 4, file_name);
    put_message(&file, 5, &message);
}

static void put_line(uint64_t function, uint64_t line)
{
    put_number(&inner, 1, function);
    put_number(&inner, 2, line);
    put_message(&message, 4, &inner);
}

static void put_strings(void)
{
    static const char *const strings[] = {"",   "samples", "count", "cpu",    "nanoseconds",
                                          "in", "out",     "a.py",  "thread", "T-1"};
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        put_bytes(&file, 6, strings[i], strlen(strings[i]));
}

/* Two value types; location 900 has "in" inlined into "out", location 5 only an address. */
static void put_profile(void)
{
    put_type(1, 2);
    put_type(3, 4);
    put_number(&message, 1, 900); /* not packed */
    put_number(&message, 1, 5);
    put_varint(&inner, 1);
    put_varint(&inner, 10);
    put_message(&message, 2, &inner); /* packed */
    put_number(&inner, 1, 8);
    put_number(&inner, 2, 9);
    put_message(&message, 3, &inner);
    put_message(&file, 2, &message);
    put_number(&message, 1, 900);
    put_line(77, 3);
    put_line(78, 4);
    put_message(&file, 4, &message);
    put_number(&message, 1, 5);
    put_number(&message, 3, 0x400250);
    put_message(&file, 4, &message);
    put_function(77, 5, 7);
    put_function(78, 6, 7);
    put_bytes(&file, 4000, "unknown", 7);
    put_strings();
}

Test(pprof, reads_inlined_lines_addresses_and_labels, .init = begin, .fini = end)
{
    put_profile();
    struct profile *p = load(file.data, file.len, &err);
    cr_assert(p, "%s", err.text);
    /* the last type is the default and comes first */
    cr_assert_str_eq(text_at(p, p->sets[0].types[0].name), "cpu");
    cr_assert_str_eq(text_at(p, p->sets[0].types[0].unit), "ns");
    cr_assert_eq(self_of(p, 0, 0, "in"), 10);
    cr_assert_eq(total_with(p, 0, 0, "out"), 10);
    cr_assert_eq(total_with(p, 0, 1, "0x400250"), 1);
    cr_assert_eq(self_of(p, 0, 1, "out"), 0);
    cr_assert_eq(p->tables.label_sets_len, 2);
    uint32_t thread = p->sets[0].thread ? p->sets[0].thread[0] : 0;
    cr_assert_str_eq(text_at(p, p->tables.threads[thread].name), "T-1");
    profile_free(p);
}

Test(pprof, refuses_every_cut_of_a_file_or_reads_less, .init = begin, .fini = end)
{
    put_profile();
    for (size_t len = 0; len < file.len; len++) {
        struct profile *p = load(file.data, len, &err);
        cr_assert(p || err.text[0]);
        profile_free(p);
    }
}

Test(pprof, refuses_ids_that_are_not_there, .init = begin, .fini = end)
{
    put_type(1, 2);
    put_number(&message, 1, 3);
    put_number(&message, 2, 1);
    put_message(&file, 2, &message);
    put_strings();
    cr_assert_null(load(file.data, file.len, &err));
    cr_assert(strstr(err.text, "location") && strstr(err.text, "byte"), "%s", err.text);
}

Test(pprof, refuses_values_that_do_not_match_the_types, .init = begin, .fini = end)
{
    put_type(1, 2);
    put_number(&message, 2, 1);
    put_number(&message, 2, 1);
    put_message(&file, 2, &message);
    put_strings();
    cr_assert_null(load(file.data, file.len, &err));
    cr_assert(strstr(err.text, "values"), "%s", err.text);
}

Test(pprof, reads_back_what_it_writes, .init = begin, .fini = end)
{
    struct buf lost;
    buf_init(&lost, 0);
    put_profile();
    struct profile *p = load(file.data, file.len, &err);
    cr_assert(p, "%s", err.text);
    struct profile *again = write_and_read(p, "pprof", &lost, &err);
    cr_assert(again, "%s", err.text);
    cr_assert_str_eq(text_at(again, again->sets[0].types[0].name), "cpu");
    for (size_t type = 0; type < 2; type++) {
        cr_assert_eq(total_of(again, 0, type), total_of(p, 0, type));
        cr_assert_eq(self_of(again, 0, type, "in"), self_of(p, 0, type, "in"));
    }
    cr_assert_eq(again->tables.label_sets_len, p->tables.label_sets_len);
    cr_assert_eq(lost.len, 0, "%.*s", (int)lost.len, (const char *)lost.data);
    profile_free(p);
    profile_free(again);
    buf_deinit(&lost);
}
