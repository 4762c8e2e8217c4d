/* The uplink against a real server: what the stream had to say is what the store has. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/uplink/uplink.h"
#include "common/base/clock.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"
#include "tests/unit/uplink/ingest_server.h"

static struct store_folder folder;
static struct ingest_server *server;
static struct stream *s;
static struct uplink *u;
static struct error err;
static char id[17];
static char url[64];
static uint32_t metric;
static uint64_t points;

static void start_server(struct ingest_server_options options)
{
    options.store_path = folder.path;
    server = ingest_server_start(&options);
    cr_assert_not_null(server);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", ingest_server_port(server),
             options.prefix ? options.prefix : "");
}

static void setup(void)
{
    store_folder_make(&folder);
    made_id(5, id);
    points = 0;
    cr_assert_eq(stream_new(&s, clock_monotonic_ns(), NULL), STATUS_OK);
    metric = stream_metric(s, "rss", "bytes", false, 0);
}

static void teardown(void)
{
    stream_free(s);
    ingest_server_stop(server);
    store_folder_remove(&folder);
}

TestSuite(uplink, .init = setup, .fini = teardown, .timeout = 60);

static struct uplink_options options_with(const char *token)
{
    struct uplink_options options = {
        .server_url = url, .interval_ns = 3000000, .hello = made_hello(id)};
    options.welcome_ns = 3000000000; /* a server that stops leaves those in its queue hanging */
    options.hello.token = (struct wire_bytes){.data = token, .len = strlen(token)};
    return options;
}

static enum status open_uplink(int wait_ms)
{
    struct uplink_options options = options_with("");
    return uplink_open(&u, s, &options, wait_ms, &err);
}

/* Each point's value is its number: order, gaps and doubles are seen. */
static void add_points(int n)
{
    stream_lock(s);
    for (int i = 0; i < n; i++)
        stream_point(s, metric, clock_monotonic_ns(), (double)points++);
    stream_unlock(s);
}

static void stream_for(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        add_points(5);
        usleep(4000);
    }
}

/* Streams until the state is as wanted: machines under load are slow. */
static void stream_until(uint64_t acked_seq, uint64_t reconnects)
{
    struct uplink_state state = {0};
    for (int i = 0; i < 2000; i++) {
        stream_for(1);
        uplink_state(u, &state);
        if (state.is_connected && state.acked_seq >= acked_seq && state.reconnects >= reconnects)
            return;
    }
    cr_assert_fail("acked %llu, reconnects %llu", (unsigned long long)state.acked_seq,
                   (unsigned long long)state.reconnects);
}

static enum status close_uplink(int wait_ms)
{
    struct wire_bye bye = {.exit_status = 0, .reason = {"exited", 6}};
    return uplink_close(u, &bye, wait_ms, &err);
}

static void expect_all(enum library_state state)
{
    struct library_hold hold;
    struct library *l = ingest_server_library(server);
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(hold.state, state, "%s", library_state_name(hold.state));
    cr_assert_eq(hold.profile->series_len, 1);
    cr_assert_eq(hold.profile->series[0].len, points, "%zu of %llu", hold.profile->series[0].len,
                 (unsigned long long)points);
    for (uint64_t i = 0; i < points; i++)
        cr_assert_float_eq(hold.profile->series[0].value[i], (double)i, 1e-9);
    library_release(l, &hold);
}

Test(uplink, brings_everything_to_the_store)
{
    start_server((struct ingest_server_options){0});
    cr_assert_eq(open_uplink(5000), STATUS_OK, "%s", err.text);
    char want[200];
    snprintf(want, sizeof(want), "%s/p/%s", url, id);
    cr_assert_str_eq(uplink_url(u), want);
    stream_until(10, 0);
    cr_assert_eq(close_uplink(15000), STATUS_OK, "%s", err.text);
    expect_all(LIBRARY_COMPLETE);
}

Test(uplink, finds_a_server_under_a_base_path)
{
    start_server((struct ingest_server_options){.prefix = "/team/x"});
    cr_assert_eq(open_uplink(5000), STATUS_OK, "%s", err.text);
    cr_assert_eq(close_uplink(15000), STATUS_OK, "%s", err.text);
}

Test(uplink, resumes_without_gap_or_double_when_the_connection_is_cut)
{
    start_server((struct ingest_server_options){0});
    cr_assert_eq(open_uplink(5000), STATUS_OK, "%s", err.text);
    for (uint64_t i = 1; i <= 5; i++) {
        ingest_server_cut(server);
        stream_until(i * 5, i);
    }
    cr_assert_eq(close_uplink(15000), STATUS_OK, "%s", err.text);
    expect_all(LIBRARY_COMPLETE);
}

Test(uplink, resumes_when_the_server_is_started_again)
{
    start_server((struct ingest_server_options){0});
    int port = ingest_server_port(server);
    cr_assert_eq(open_uplink(5000), STATUS_OK, "%s", err.text);
    stream_for(20);
    ingest_server_stop(server);
    stream_for(100);
    start_server((struct ingest_server_options){.port = port});
    stream_for(20);
    cr_assert_eq(close_uplink(15000), STATUS_OK, "%s", err.text);
    expect_all(LIBRARY_COMPLETE);
}

Test(uplink, spools_what_memory_does_not_hold)
{
    start_server((struct ingest_server_options){0});
    int port = ingest_server_port(server);
    struct uplink_options options = options_with("");
    options.memory_bytes = 200;
    options.spool_dir = folder.dir;
    cr_assert_eq(uplink_open(&u, s, &options, 5000, &err), STATUS_OK, "%s", err.text);
    ingest_server_stop(server);
    stream_for(100);
    start_server((struct ingest_server_options){.port = port});
    cr_assert_eq(close_uplink(15000), STATUS_OK, "%s", err.text);
    expect_all(LIBRARY_COMPLETE);
}

Test(uplink, leaves_in_the_stream_what_the_spool_does_not_take)
{
    start_server((struct ingest_server_options){0});
    int port = ingest_server_port(server);
    struct uplink_options options = options_with("");
    options.memory_bytes = 200;
    options.spool_bytes = 300;
    cr_assert_eq(uplink_open(&u, s, &options, 5000, &err), STATUS_OK, "%s", err.text);
    ingest_server_stop(server);
    stream_for(100);
    start_server((struct ingest_server_options){.port = port});
    stream_for(300); /* until it has come back and there is room again */
    cr_assert_eq(close_uplink(15000), STATUS_OK, "%s", err.text);
    expect_all(LIBRARY_COMPLETE);
}

Test(uplink, says_that_no_server_answers)
{
    snprintf(url, sizeof(url), "http://127.0.0.1:9");
    cr_assert_eq(open_uplink(300), STATUS_UNREACHABLE);
    cr_assert_not_null(strstr(err.text, "http://127.0.0.1:9"), "%s", err.text);
}

Test(uplink, says_what_the_server_did_not_acknowledge)
{
    start_server((struct ingest_server_options){0});
    cr_assert_eq(open_uplink(5000), STATUS_OK);
    ingest_server_stop(server);
    server = NULL;
    add_points(5);
    cr_assert_eq(close_uplink(200), STATUS_UNREACHABLE);
    cr_assert_not_null(strstr(err.text, "acknowledged"), "%s", err.text);
}

Test(uplink, is_refused_without_the_right_token)
{
    start_server((struct ingest_server_options){.token = "right"});
    struct uplink_options options = options_with("wrong");
    cr_assert_eq(uplink_open(&u, s, &options, 5000, &err), STATUS_DENIED, "%s", err.text);
    cr_assert_not_null(strstr(err.text, "token"), "%s", err.text);
    options = options_with("right");
    cr_assert_eq(uplink_open(&u, s, &options, 5000, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(close_uplink(15000), STATUS_OK);
    options = options_with("wrong\r\nX-Other: y");
    cr_assert_eq(uplink_open(&u, s, &options, 5000, &err), STATUS_USAGE, "%s", err.text);
}

Test(uplink, takes_an_http_401_for_a_refusal)
{
    start_server((struct ingest_server_options){.upgrade_status = 401});
    cr_assert_eq(open_uplink(5000), STATUS_DENIED, "%s", err.text);
}

Test(uplink, waits_for_a_server_that_is_busy)
{
    start_server((struct ingest_server_options){.upgrade_status = 503});
    cr_assert_eq(open_uplink(500), STATUS_UNREACHABLE);
    cr_assert_not_null(strstr(err.text, "503"), "%s", err.text);
}

static atomic_int pauses;

static void on_control(void *ctx, const struct wire_control *control)
{
    (void)ctx;
    if (control->has_paused && control->paused)
        atomic_fetch_add(&pauses, 1);
}

Test(uplink, hands_over_what_people_want_even_when_nothing_is_measured)
{
    start_server((struct ingest_server_options){0});
    struct uplink_options options = options_with("");
    struct wire_control pause = {.has_paused = true, .paused = true};
    options.on_control = on_control;
    cr_assert_eq(uplink_open(&u, s, &options, 5000, &err), STATUS_OK);
    cr_assert_eq(ingest_control(ingest_server_ingest(server), id, &pause, &err), STATUS_OK);
    for (int i = 0; i < 300 && atomic_load(&pauses) == 0; i++)
        usleep(10000);
    cr_assert_eq(atomic_load(&pauses), 1);
    cr_assert_eq(close_uplink(15000), STATUS_OK);
}

Test(uplink, streams_and_saves_at_once)
{
    char path[400];
    start_server((struct ingest_server_options){0});
    snprintf(path, sizeof(path), "%s/a.heliograph", folder.dir);
    struct uplink_options options = options_with("");
    options.save_path = path;
    cr_assert_eq(uplink_open(&u, s, &options, 5000, &err), STATUS_OK);
    stream_for(20);
    cr_assert_eq(close_uplink(15000), STATUS_OK, "%s", err.text);
    expect_all(LIBRARY_COMPLETE);
    size_t len = 0;
    free(store_folder_read(path, &len));
    cr_assert_gt(len, 200);
}

/* The program that is profiled is made by fork and exec while the uplink is open. */
Test(uplink, leaves_no_descriptor_to_programs_started_meanwhile)
{
    start_server((struct ingest_server_options){0});
    bool was_open[256];
    for (int fd = 0; fd < 256; fd++)
        was_open[fd] = fcntl(fd, F_GETFD) >= 0;
    cr_assert_eq(open_uplink(5000), STATUS_OK);
    for (int fd = 0; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || was_open[fd])
            continue;
        char link[64];
        char target[256] = "";
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (readlink(link, target, sizeof(target) - 1) < 0)
            continue;
        cr_expect(flags & FD_CLOEXEC, "descriptor %d, %s", fd, target);
    }
    cr_assert_eq(close_uplink(15000), STATUS_OK);
}

/* As a server does that is stopped with a connection in its queue: nothing is refused or closed. */
static int listen_silently(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
    return fd;
}

Test(uplink, tries_again_when_a_server_accepts_and_says_nothing)
{
    int fd = listen_silently();
    struct uplink_options options = options_with("");
    options.welcome_ns = 50000000;
    cr_assert_eq(uplink_open(&u, s, &options, 0, &err), STATUS_OK, "%s", err.text);
    int first = accept(fd, NULL, NULL);
    int second = accept(fd, NULL, NULL); /* without another try this is where the test ends */
    cr_assert_geq(second, 0);
    cr_assert_eq(close_uplink(0), STATUS_UNREACHABLE);
    close(first);
    close(second);
    close(fd);
}
