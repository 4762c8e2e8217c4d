/* What the store costs: batches and samples acknowledged per second (decoded, checked, applied,
 * committed with fsync), how long one batch waits for its ack, and how long a stored session takes
 * to be read back, as it came and after merging.
 *
 * A batch is 1000 samples of 8 threads with their time, thread, stack and one value, as a collector
 * at 100 Hz makes it about once a second; its stacks come as they are first seen. Beside it the
 * disk's own figure: one 8 KiB write and its fdatasync. bench_store.py builds and runs it. */

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backend/ingest/ingest.h"
#include "bench/server_load/batches.h"
#include "common/base/clock.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

enum { BATCH_SAMPLES = 1000, THREADS = 8, MAX_COLLECTORS = 64 };

struct session {
    uint8_t **message;
    size_t *len;
    size_t batches;
    size_t bytes;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_store: %s: %s\n", what, why);
    exit(1);
}

/* ---- the session that is sent ---- */

static struct session make_session(size_t batches)
{
    static struct batches made = {.stacks = BATCHES_MAX_STACKS,
                                  .fresh = BATCHES_MAX_FRESH, /* many at first, fewer later */
                                  .early = 40,
                                  .later = 20,
                                  .has_values = true,
                                  .threads = THREADS,
                                  .rows = BATCH_SAMPLES,
                                  .interval_ns = 10000000,
                                  .random = 88172645463325252ULL};
    struct session s = {.batches = batches};
    s.message = calloc(batches, sizeof(*s.message));
    s.len = calloc(batches, sizeof(*s.len));
    if (!s.message || !s.len)
        fail("session", "no memory");
    for (size_t i = 0; i < batches; i++) {
        struct buf out;
        buf_init(&out, 0);
        if (batches_next(&made, &out) != STATUS_OK)
            fail("session", "a batch could not be encoded");
        s.message[i] = buf_take(&out, &s.len[i]);
        s.bytes += s.len[i];
    }
    return s;
}

/* ---- collectors ---- */

static struct session session;
static struct store_folder folder;
static struct library *library;
static struct ingest *hub;
static uint64_t end_ns;

struct collector {
    pthread_t thread;
    unsigned number;
    size_t limit; /* batches; 0 = until the time is over */
    uint64_t batches, longest_ns, sum_ns;
};

static bool ignore_reply(void *ctx, const uint8_t *message, size_t len)
{
    (void)ctx;
    (void)message;
    (void)len;
    return true;
}

static void *collect(void *arg)
{
    struct collector *c = arg;
    char id[17];
    struct ingest_peer *peer = NULL;
    struct buf hello;
    struct error err;
    struct wire_hello h = made_hello(made_id(c->number, id));
    buf_init(&hello, 0);
    if (wire_encode_hello(&hello, &h) != STATUS_OK ||
        ingest_open(hub, ignore_reply, NULL, true, &peer, &err) != STATUS_OK ||
        ingest_message(peer, hello.data, hello.len, &err) != STATUS_OK)
        fail("collector", err.text);
    uint64_t before = clock_monotonic_ns();
    for (size_t i = 0; i < session.batches; i++) {
        if (c->limit ? i >= c->limit : before >= end_ns)
            break;
        if (ingest_message(peer, session.message[i], session.len[i], &err) != STATUS_OK)
            fail("batch", err.text);
        uint64_t now = clock_monotonic_ns();
        c->longest_ns = now - before > c->longest_ns ? now - before : c->longest_ns;
        c->sum_ns += now - before;
        before = now;
        c->batches++;
    }
    ingest_close(peer);
    buf_deinit(&hello);
    return NULL;
}

static void open_store(void)
{
    struct error err;
    struct library_options options = {.path = folder.path};
    if (library_open(&library, &options, &err) != STATUS_OK)
        fail("open", err.text);
    struct ingest_options in = {.library = library, .base_url = ""};
    if (ingest_new(&hub, &in, &err) != STATUS_OK)
        fail("open", err.text);
}

static void close_store(void)
{
    ingest_free(hub);
    library_close(library);
}

static void bench_ingest(unsigned collectors, unsigned seconds)
{
    static struct collector all[MAX_COLLECTORS];
    struct library_stats stats;
    store_folder_make(&folder);
    open_store();
    uint64_t cpu = clock_process_cpu_ns();
    uint64_t begin_ns = clock_monotonic_ns();
    end_ns = begin_ns + (uint64_t)seconds * 1000000000;
    for (unsigned i = 0; i < collectors; i++) {
        all[i] = (struct collector){.number = i + 1};
        pthread_create(&all[i].thread, NULL, collect, &all[i]);
    }
    uint64_t batches = 0;
    uint64_t longest_ns = 0;
    uint64_t sum_ns = 0;
    for (unsigned i = 0; i < collectors; i++) {
        pthread_join(all[i].thread, NULL);
        batches += all[i].batches;
        sum_ns += all[i].sum_ns;
        longest_ns = all[i].longest_ns > longest_ns ? all[i].longest_ns : longest_ns;
    }
    double wall = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    double used = (double)(clock_process_cpu_ns() - cpu) / 1e9;
    library_stats(library, &stats);
    printf("%10u %14.0f %14.2f %12.1f %12.2f %12.1f %12.2f\n", collectors, (double)batches / wall,
           (double)batches * BATCH_SAMPLES / wall / 1e6,
           (double)batches / (double)(stats.commits ? stats.commits : 1),
           (double)sum_ns / (double)(batches ? batches : 1) / 1e6, (double)longest_ns / 1e6,
           used / wall);
    close_store();
    store_folder_remove(&folder);
}

/* ---- reading ---- */

static double time_hold(unsigned number)
{
    char id[17];
    struct error err;
    struct library_hold hold;
    uint64_t before = clock_monotonic_ns();
    if (library_hold(library, made_id(number, id), &hold, &err) != STATUS_OK)
        fail("read", err.text);
    double seconds = (double)(clock_monotonic_ns() - before) / 1e9;
    library_release(library, &hold);
    return seconds;
}

static double file_mb(void)
{
    struct library_stats stats;
    library_stats(library, &stats);
    return (double)stats.file_bytes / 1e6;
}

static void bench_reading(size_t batches)
{
    struct error err;
    struct collector c = {.number = 1, .limit = batches};
    store_folder_make(&folder);
    open_store();
    collect(&c);
    close_store();
    /* As it came: merging is what library_compact does, so the store is looked at read-only. */
    struct library_options options = {.path = folder.path, .is_read_only = true};
    if (library_open(&library, &options, &err) != STATUS_OK)
        fail("open", err.text);
    double mb = file_mb();
    double seconds = time_hold(1);
    library_close(library);
    open_store();
    uint64_t before = clock_monotonic_ns();
    if (library_compact(library, &err) != STATUS_OK)
        fail("merge", err.text);
    double merge_seconds = (double)(clock_monotonic_ns() - before) / 1e9;
    close_store();
    open_store();
    double merged_seconds = time_hold(1);
    double merged_mb = file_mb();
    printf("%9.0f M %14.3f %12.1f %14.3f %14.3f %14.1f\n", (double)batches * BATCH_SAMPLES / 1e6,
           seconds, mb, merge_seconds, merged_seconds, merged_mb);
    close_store();
    store_folder_remove(&folder);
}

static void bench_disk(void)
{
    static char block[8192];
    char path[400];
    store_folder_make(&folder);
    snprintf(path, sizeof(path), "%s/plain", folder.dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint64_t begin_ns = clock_monotonic_ns();
    unsigned n = 0;
    for (; fd >= 0 && clock_monotonic_ns() - begin_ns < 1000000000; n++) {
        if (pwrite(fd, block, sizeof(block), (off_t)(n % 512) * (off_t)sizeof(block)) < 0 ||
            fdatasync(fd) != 0)
            fail("disk", "cannot be written");
    }
    printf("the disk: %u writes of 8 KiB with fdatasync in a second, one at a time\n", n);
    close(fd);
    store_folder_remove(&folder);
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 3;
    session = make_session(10000);
    printf("%zu batches of %d samples: %.2f bytes a sample as sent\n", session.batches,
           BATCH_SAMPLES, (double)session.bytes / (double)session.batches / BATCH_SAMPLES);
    bench_disk();
    printf("%10s %14s %14s %12s %12s %12s %12s\n", "collectors", "batches/s", "M samples/s",
           "per commit", "mean ms", "longest ms", "CPU cores");
    bench_ingest(1, seconds);
    bench_ingest(8, seconds);
    bench_ingest(64, seconds);
    printf("\n%11s %14s %12s %14s %14s %14s\n", "samples", "read back s", "file MB", "merging s",
           "read merged s", "merged MB");
    bench_reading(1000);
    bench_reading(10000);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak memory of all this: %.0f MB\n", (double)usage.ru_maxrss / 1024);
    return 0;
}
