/* Kills the server, and then the collector, with SIGKILL at random moments while a collector
 * streams, and compares what the store has in the end with what was measured: no gap, no double,
 * nothing of what the collector had been acknowledged missing.
 *
 * HELIOGRAPH_RESUME_ROUNDS (8) kills of the server. */

#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/uplink/uplink.h"
#include "common/base/clock.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"
#include "tests/unit/uplink/ingest_server.h"

struct shared {
    atomic_uint_least64_t measured;     /* points handed to the stream */
    atomic_uint_least64_t acked_points; /* of them, known to be stored */
    atomic_uint_least64_t reconnects;
    atomic_bool is_over;
};

static struct shared *shared;
static struct store_folder folder;
static char id[17];
static int port;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "resume_uplink: %s: %s\n", what, why);
    exit(1);
}

/* A port that is free now, so that the server can come back at the same address. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        fail("port", "none free");
    close(fd);
    return ntohs(address.sin_port);
}

static pid_t start_server(void)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    struct ingest_server_options options = {.store_path = folder.path, .port = port};
    struct ingest_server *s = NULL;
    for (int i = 0; i < 100 && !(s = ingest_server_start(&options)); i++)
        usleep(50000);
    while (s)
        pause();
    _exit(1);
}

static void measure(struct stream *s, uint32_t metric)
{
    stream_lock(s);
    uint64_t n = atomic_load(&shared->measured);
    stream_point(s, metric, clock_monotonic_ns(), (double)n);
    stream_unlock(s);
    atomic_store(&shared->measured, n + 1);
}

static pid_t start_collector(const char *url)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    struct stream *s = NULL;
    struct uplink *u = NULL;
    struct error err;
    if (stream_new(&s, clock_monotonic_ns(), NULL) != STATUS_OK)
        fail("stream", "no memory");
    struct uplink_options options = {.server_url = url,
                                     .interval_ns = 5000000,
                                     .memory_bytes = 4096,
                                     .spool_dir = folder.dir,
                                     .hello = made_hello(id)};
    options.hello.token = (struct wire_bytes){"", 0};
    if (uplink_open(&u, s, &options, 20000, &err) != STATUS_OK)
        fail("uplink", err.text);
    uint32_t metric = stream_metric(s, "rss", "bytes", false, 0);
    /* Two takes after a moment, what was measured before it has certainly been taken. */
    struct uplink_state state;
    uint64_t mark_points = 0;
    uint64_t mark_seq = 0;
    while (!atomic_load(&shared->is_over)) {
        uplink_state(u, &state);
        atomic_store(&shared->reconnects, state.reconnects);
        if (state.acked_seq >= mark_seq) {
            atomic_store(&shared->acked_points, mark_points);
            mark_points = atomic_load(&shared->measured);
            mark_seq = state.taken_seq + 2;
        }
        for (int i = 0; i < 20; i++)
            measure(s, metric);
        usleep(10000);
    }
    struct wire_bye bye = {.reason = {"exited", 6}};
    if (uplink_close(u, &bye, 30000, &err) != STATUS_OK)
        fail("close", err.text);
    stream_free(s);
    _exit(0);
}

static uint64_t check_points(enum library_state want)
{
    struct library *l = NULL;
    struct library_hold hold;
    struct error err;
    struct library_options options = {.path = folder.path};
    if (library_open(&l, &options, &err) != STATUS_OK ||
        library_hold(l, id, &hold, &err) != STATUS_OK)
        fail("open afterwards", err.text);
    if (hold.state != want)
        fail("state", library_state_name(hold.state));
    if (hold.profile->notices_len > 0)
        fail("store", "it says it is damaged");
    uint64_t len = hold.profile->series_len ? hold.profile->series[0].len : 0;
    for (uint64_t i = 0; i < len; i++) {
        if (hold.profile->series[0].value[i] < (double)i ||
            hold.profile->series[0].value[i] > (double)i)
            fail("points", "one is missing or there twice");
    }
    library_release(l, &hold);
    library_close(l);
    return len;
}

static void kill_and_wait(pid_t child, int signal)
{
    kill(child, signal);
    waitpid(child, NULL, 0);
}

static int rounds_wanted(void)
{
    const char *text = getenv("HELIOGRAPH_RESUME_ROUNDS");
    int rounds = text ? atoi(text) : 0;
    return rounds > 0 ? rounds : 8;
}

static void run_session(int rounds, bool is_collector_killed)
{
    char url[64];
    memset(shared, 0, sizeof(*shared));
    port = free_port();
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    pid_t server = start_server();
    pid_t collector = start_collector(url);
    for (int i = 0; i < rounds; i++) {
        usleep((useconds_t)(rand() % 400000) + 20000);
        kill_and_wait(server, SIGKILL);
        usleep((useconds_t)(rand() % 100000));
        server = start_server();
    }
    usleep(1500000);
    if (is_collector_killed) {
        kill_and_wait(collector, SIGKILL);
    } else {
        int status = 0;
        atomic_store(&shared->is_over, true);
        waitpid(collector, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail("collector", "it did not end well");
    }
    uint64_t acked = atomic_load(&shared->acked_points);
    kill_and_wait(server, SIGKILL);
    uint64_t stored = check_points(is_collector_killed ? LIBRARY_INTERRUPTED : LIBRARY_COMPLETE);
    uint64_t measured = atomic_load(&shared->measured);
    if (!is_collector_killed && stored != measured)
        fail("points", "not all that was measured is stored");
    if (stored < acked)
        fail("points", "an acknowledged one is lost");
    printf("resume_uplink: %d kills of the server%s, %llu reconnects: %llu points measured, %llu "
           "known to be stored, %llu stored, no gap, no double\n",
           rounds, is_collector_killed ? " and one of the collector" : "",
           (unsigned long long)atomic_load(&shared->reconnects), (unsigned long long)measured,
           (unsigned long long)acked, (unsigned long long)stored);
}

int main(void)
{
    srand((unsigned)clock_unix_ns());
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("shared memory", "none");
    store_folder_make(&folder);
    made_id(1, id);
    run_session(rounds_wanted(), false);
    made_id(2, id);
    run_session(rounds_wanted(), true);
    store_folder_remove(&folder);
    return 0;
}
