/* The parts of the uplink that need no server: addresses, the outbox, the file. */

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/model/apply.h"
#include "collector/uplink/outbox.h"
#include "collector/uplink/save.h"
#include "collector/uplink/uplink.h"
#include "collector/uplink/url.h"
#include "common/base/clock.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

static struct error err;

Test(url, reads_host_port_and_base)
{
    static const struct {
        const char *text, *host;
        int port;
        const char *base;
    } cases[] = {
        {"http://127.0.0.1:7700", "127.0.0.1", 7700, ""},
        {"http://localhost", "localhost", URL_DEFAULT_PORT, ""},
        {"HTTP://a.example-1.org:1/", "a.example-1.org", 1, ""},
        {"http://h:65535/team/profiles//", "h", 65535, "/team/profiles"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct url url;
        cr_assert_eq(url_parse(&url, cases[i].text, &err), STATUS_OK, "%s", err.text);
        cr_assert_str_eq(url.host, cases[i].host);
        cr_assert_eq(url.port, cases[i].port);
        cr_assert_str_eq(url.base, cases[i].base);
    }
}

Test(url, refuses_what_is_no_server)
{
    static const char *const texts[] = {
        "",
        "127.0.0.1:7700",
        "http://",
        "http://:7700",
        "http://h:",
        "http://h:0",
        "http://h:65536",
        "http://h:7a",
        "ftp://h",
        "http://user@h",
        "http://h/a b",
        "http://h/?q",
        "http://h\r\nX: y",
        "https://h",
        "http://[::1]:7700",
        "http://h:99999999999999999999",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct url url;
        cr_assert_neq(url_parse(&url, texts[i], &err), STATUS_OK, "%s", texts[i]);
        cr_assert_gt(strlen(err.text), 0);
    }
}

/* A message whose bytes follow from its seq. */
static size_t make_item(uint8_t *data, uint64_t seq)
{
    size_t len = (size_t)(seq * 37 % 500) + 1;
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(seq + i);
    return len;
}

static void expect_item(struct outbox *o, uint64_t seq)
{
    uint8_t want[512];
    size_t len = make_item(want, seq);
    struct buf got;
    buf_init(&got, 0);
    cr_assert_eq(outbox_read(o, seq, &got, &err), STATUS_OK, "%llu: %s", (unsigned long long)seq,
                 err.text);
    cr_assert_eq(got.len, len);
    cr_assert_eq(memcmp(got.data, want, len), 0, "%llu", (unsigned long long)seq);
    buf_deinit(&got);
}

Test(outbox, keeps_order_across_memory_and_spool)
{
    struct outbox o;
    uint8_t data[512];
    outbox_init(&o, 2000, 1 << 20, NULL);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        size_t len = make_item(data, seq);
        cr_assert_eq(outbox_add(&o, seq, data, len, &err), STATUS_OK, "%s", err.text);
        cr_assert_leq(o.memory_used, 2000);
    }
    cr_assert_gt(o.spooled, 900);
    for (uint64_t seq = 1; seq <= 1000; seq++)
        expect_item(&o, seq);
    outbox_drop(&o, 990);
    cr_assert_eq(outbox_first_seq(&o), 991);
    cr_assert_eq(outbox_read(&o, 990, &(struct buf){0}, &err), STATUS_NOT_FOUND);
    cr_assert_eq(outbox_read(&o, 1001, &(struct buf){0}, &err), STATUS_NOT_FOUND);
    expect_item(&o, 991);
    outbox_drop(&o, 1000);
    cr_assert_eq(outbox_first_seq(&o), 0);
    cr_assert_eq(o.memory_used, 0);
    struct stat info;
    cr_assert_eq(fstat(o.spool_fd, &info), 0);
    cr_assert_eq(info.st_size, 0, "an empty spool takes no room");
    cr_assert_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(info.st_nlink, 0, "it has no name");
    outbox_deinit(&o);
}

Test(outbox, uses_the_spool_round_and_round)
{
    struct outbox o;
    uint8_t data[512];
    outbox_init(&o, 0, 5000, NULL);
    uint64_t oldest = 1;
    for (uint64_t seq = 1; seq <= 5000; seq++) {
        size_t len = make_item(data, seq);
        while (outbox_add(&o, seq, data, len, &err) == STATUS_TOO_LARGE) {
            expect_item(&o, oldest);
            outbox_drop(&o, oldest++);
        }
        expect_item(&o, seq);
        cr_assert_leq(o.spool_tail, 5000);
    }
    for (uint64_t seq = oldest; seq <= 5000; seq++)
        expect_item(&o, seq);
    outbox_deinit(&o);
}

Test(outbox, says_when_it_is_full_and_adds_nothing)
{
    struct outbox o;
    uint8_t data[512] = {0};
    outbox_init(&o, 1000, 1000, NULL);
    for (uint64_t seq = 1; seq <= 4; seq++)
        cr_assert_eq(outbox_add(&o, seq, data, 500, &err), STATUS_OK);
    cr_assert_eq(outbox_add(&o, 5, data, 500, &err), STATUS_TOO_LARGE);
    cr_assert_eq(o.len, 4);
    outbox_drop(&o, 1);
    cr_assert_eq(outbox_add(&o, 5, data, 500, &err), STATUS_OK);
    outbox_deinit(&o);
    outbox_init(&o, 0, 1000, "/nonexistent");
    cr_assert_eq(outbox_add(&o, 1, data, 500, &err), STATUS_OK, "an empty one takes anything");
    cr_assert_eq(outbox_add(&o, 2, data, 500, &err), STATUS_IO);
    outbox_deinit(&o);
}

/* Reads a .heliograph file as docs/heliograph-file.md describes it. */
static size_t read_file(const char *path, struct profile *p, bool *has_bye)
{
    size_t len = 0;
    size_t messages = 0;
    uint8_t *content = (uint8_t *)store_folder_read(path, &len);
    size_t at = strlen(SAVE_MAGIC);
    cr_assert_geq(len, at);
    cr_assert_eq(memcmp(content, SAVE_MAGIC, at), 0);
    *has_bye = false;
    while (at < len) {
        cr_assert_geq(len - at, 4);
        size_t size = (size_t)content[at] | (size_t)content[at + 1] << 8 |
                      (size_t)content[at + 2] << 16 | (size_t)content[at + 3] << 24;
        at += 4;
        cr_assert_geq(len - at, size);
        struct arena *arena = arena_new();
        struct wire_to_server message;
        cr_assert_eq(wire_decode_to_server(&message, content + at, size, arena, &err), STATUS_OK);
        cr_assert_eq(message.kind == WIRE_HELLO, messages == 0);
        if (message.kind == WIRE_HELLO)
            cr_assert_eq(message.hello.token.len, 0);
        if (message.kind == WIRE_BATCH)
            cr_assert_eq(apply_batch(p, &message.batch, &err), STATUS_OK, "%s", err.text);
        *has_bye = message.kind == WIRE_BYE;
        arena_free(arena);
        at += size;
        messages++;
    }
    free(content);
    return messages;
}

static void add_points(struct stream *s, uint32_t metric, int n)
{
    stream_lock(s);
    for (int i = 0; i < n; i++)
        stream_point(s, metric, clock_monotonic_ns(), i);
    stream_unlock(s);
}

Test(save, writes_what_the_stream_had_to_say)
{
    struct store_folder folder;
    struct stream *s = NULL;
    struct uplink *u = NULL;
    struct profile *p = NULL;
    char path[400];
    char id[17];
    store_folder_make(&folder);
    snprintf(path, sizeof(path), "%s/a.heliograph", folder.dir);
    cr_assert_eq(stream_new(&s, clock_monotonic_ns(), NULL), STATUS_OK);
    struct uplink_options options = {
        .save_path = path, .interval_ns = 5000000, .hello = made_hello(made_id(1, id))};
    cr_assert_eq(uplink_open(&u, s, &options, 0, &err), STATUS_OK, "%s", err.text);
    stream_lock(s);
    uint32_t metric = stream_metric(s, "rss", "bytes", false, 0);
    stream_unlock(s);
    for (int i = 0; i < 10; i++) {
        add_points(s, metric, 7);
        usleep(6000);
    }
    struct wire_bye bye = {.exit_status = 3, .reason = {"exited", 6}};
    cr_assert_eq(uplink_close(u, &bye, 1000, &err), STATUS_OK, "%s", err.text);
    bool has_bye = false;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    cr_assert_gt(read_file(path, p, &has_bye), 3, "several batches, each written at once");
    cr_assert(has_bye);
    cr_assert_eq(p->series[0].len, 70);
    profile_free(p);
    stream_free(s);
    store_folder_remove(&folder);
}

Test(save, says_that_a_file_cannot_be_written)
{
    struct stream *s = NULL;
    struct uplink *u = NULL;
    char id[17];
    cr_assert_eq(stream_new(&s, clock_monotonic_ns(), NULL), STATUS_OK);
    struct uplink_options options = {.save_path = "/nonexistent/a.heliograph",
                                     .hello = made_hello(made_id(1, id))};
    cr_assert_eq(uplink_open(&u, s, &options, 0, &err), STATUS_IO);
    cr_assert_not_null(strstr(err.text, "/nonexistent/a.heliograph"));
    options.save_path = "/dev/full";
    cr_assert_eq(uplink_open(&u, s, &options, 0, &err), STATUS_IO, "a full disk: %s", err.text);
    stream_free(s);
}
