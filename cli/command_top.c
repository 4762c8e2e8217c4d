/* heliograph top: the functions that run now, in the terminal. The same stream, wire and table as
 * everywhere; only the way between them is short. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "backend/model/apply.h"
#include "backend/query/table.h"
#include "cli/commands.h"
#include "cli/local.h"
#include "collector/sampler/sampler.h"
#include "common/base/clock.h"
#include "common/wire/wire.h"

struct top {
    struct target *target;
    struct stream *stream;
    struct sampler *sampler;
    struct profile *profile;
    struct query_cache *cache;
    struct termios saved;
    bool is_terminal, is_paused, is_raw;
    const char *sort;
    double window_s;
    int signal_fd;
};

static enum status take_message(void *ctx, uint64_t seq, const uint8_t *message, size_t len)
{
    struct top *t = ctx;
    (void)seq;
    struct wire_to_server decoded;
    struct arena *arena = arena_new();
    if (!arena)
        return STATUS_NO_MEMORY;
    enum status st = wire_decode_to_server(&decoded, message, len, arena, NULL);
    if (st == STATUS_OK && decoded.kind == WIRE_BATCH)
        st = apply_batch(t->profile, &decoded.batch, NULL);
    arena_free(arena);
    return st;
}

static void screen_size(int *rows, int *columns)
{
    struct winsize size;
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col;
    *rows = is_known ? size.ws_row : 24;
    *columns = is_known ? size.ws_col : 80;
}

static void put_clipped(struct buf *out, const char *text, int width)
{
    int used = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c && used < width; c++) {
        /* Continuation bytes take no column of their own. */
        used += (*c & 0xc0) != 0x80;
        buf_put_byte(out, *c < 0x20 || *c == 0x7f ? '?' : *c);
    }
}

static void put_row(struct buf *out, const struct top *t, const struct table *table,
                    const struct table_row *row, int columns)
{
    const struct wire_function *f = &t->profile->tables.functions[row->function];
    const struct strtab *strings = &t->profile->tables.strings;
    double whole = table->total > 0 ? table->total : 1;
    char where[512];
    snprintf(where, sizeof(where), "%s (%s:%u)", strtab_text(strings, f->name),
             strtab_text(strings, f->file), f->line);
    buf_printf(out, "%6.1f%% %6.1f%% %8.2f %8.2f  ", 100 * row->self / whole,
               100 * row->total / whole, row->self / 1e9, row->total / 1e9);
    put_clipped(out, where, columns - 36);
    buf_put_text(out, "\x1b[K\n");
}

static void compose(struct top *t, struct buf *out)
{
    int rows;
    int columns;
    screen_size(&rows, &columns);
    struct sampler_stats stats;
    sampler_stats(t->sampler, &stats);
    char head[160];
    snprintf(head, sizeof(head),
             "heliograph top: process %d, %llu samples, %llu torn%s  "
             "(s self, t total, n name, p pause, r reset, q quit)",
             (int)target_root(t->target), (unsigned long long)stats.samples,
             (unsigned long long)stats.torn, t->is_paused ? ", paused" : "");
    buf_printf(out, "%.*s\x1b[K\n", columns, head);
    buf_put_text(out, "   self   total   self s  total s  function\x1b[K\n");
    struct query_filter filter = {0};
    uint64_t window_ns = (uint64_t)(t->window_s * 1e9);
    if (window_ns && t->profile->duration_ns > window_ns) {
        filter.has_from = true;
        filter.from_ns = t->profile->duration_ns - window_ns;
    }
    struct table table;
    struct table_options options = {.sort = t->sort, .limit = (size_t)(rows > 6 ? rows - 4 : 2)};
    struct error err;
    if (table_build(&table, t->profile, t->cache, &filter, &options, &err) != STATUS_OK) {
        buf_put_text(out, "waiting for stacks\x1b[K\n");
        return;
    }
    for (size_t i = 0; i < table.len; i++)
        put_row(out, t, &table, &table.rows[i], columns);
    table_free(&table);
}

static void draw(struct top *t)
{
    struct buf out;
    buf_init(&out, 0);
    if (t->is_terminal)
        buf_put_text(&out, "\x1b[H");
    compose(t, &out);
    if (t->is_terminal)
        buf_put_text(&out, "\x1b[J");
    (void)local_write("-", out.data, out.len, NULL);
    buf_deinit(&out);
}

static enum status forget(struct top *t)
{
    query_cache_free(t->cache);
    t->cache = query_cache_new();
    /* The tables go on growing in the stream, so only the samples are dropped. */
    for (size_t i = 0; i < t->profile->sets_len; i++)
        t->profile->sets[i].len = 0;
    return t->cache ? STATUS_OK : STATUS_NO_MEMORY;
}

/* False to quit. */
static bool handle_key(struct top *t, char key)
{
    switch (key) {
    case 's':
        t->sort = "self";
        break;
    case 't':
        t->sort = "total";
        break;
    case 'n':
        t->sort = "name";
        break;
    case 'p':
    case ' ':
        t->is_paused = !t->is_paused;
        sampler_set_paused(t->sampler, t->is_paused);
        break;
    case 'r':
        return forget(t) == STATUS_OK;
    case 'q':
        return false;
    default:
        break;
    }
    return true;
}

static bool wait_for_key(struct top *t, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = t->signal_fd, .events = POLLIN},
                            {.fd = t->is_raw ? STDIN_FILENO : -1, .events = POLLIN}};
    if (poll(fds, 2, timeout_ms) <= 0)
        return true;
    if (fds[0].revents)
        return false;
    char key;
    return read(STDIN_FILENO, &key, 1) != 1 || handle_key(t, key);
}

static void take_terminal(struct top *t)
{
    t->is_terminal = isatty(STDOUT_FILENO);
    t->is_raw = t->is_terminal && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &t->saved) == 0;
    if (t->is_raw) {
        struct termios raw = t->saved;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    if (t->is_terminal)
        (void)local_write("-", "\x1b[?1049h\x1b[?25l", 14, NULL);
}

static void give_terminal_back(struct top *t)
{
    if (t->is_terminal)
        (void)local_write("-", "\x1b[?25h\x1b[?1049l", 14, NULL);
    if (t->is_raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
}

static void watch(struct top *t, double duration_s)
{
    uint64_t end =
        duration_s > 0 ? clock_monotonic_ns() + (uint64_t)(duration_s * 1e9) : UINT64_MAX;
    take_terminal(t);
    bool goes_on = true;
    while (goes_on && clock_monotonic_ns() < end) {
        goes_on = wait_for_key(t, 500) && target_update(t->target, 0);
        size_t messages;
        if (stream_take(t->stream, take_message, t, &messages) != STATUS_OK)
            break;
        if (t->is_terminal)
            draw(t);
    }
    give_terminal_back(t);
    draw(t);
}

static enum status open_all(struct top *t, pid_t pid, double rate_hz, struct error *err)
{
    struct target_options target_options = {.follow_children = true};
    enum status st = target_attach(&t->target, pid, &target_options, err);
    if (st == STATUS_OK)
        st = stream_new(&t->stream, clock_monotonic_ns(), NULL);
    if (st == STATUS_OK)
        st = profile_new(&t->profile);
    if (st == STATUS_OK) {
        struct sampler_options options = {.rate_hz = rate_hz};
        st = sampler_open(&t->sampler, t->target, t->stream, &options, err);
    }
    t->cache = query_cache_new();
    return st;
}

static void close_all(struct top *t)
{
    sampler_close(t->sampler);
    query_cache_free(t->cache);
    profile_free(t->profile);
    stream_free(t->stream);
    target_close(t->target);
    if (t->signal_fd >= 0)
        close(t->signal_fd);
}

static int top(const struct args *args)
{
    struct error err = {0};
    struct top t = {.sort = "self", .signal_fd = -1};
    double rate = 100;
    double duration = 0;
    long pid = strtol(args->words[0], NULL, 10);
    enum status st = args_number(args, "rate", 0.1, 10000, &rate, &err);
    if (st == STATUS_OK)
        st = args_seconds(args, "window", &t.window_s, &err);
    if (st == STATUS_OK)
        st = args_seconds(args, "duration", &duration, &err);
    if (st == STATUS_OK && pid <= 0)
        st = error_set(&err, STATUS_USAGE, "\"%s\" is not a process number", args->words[0]);
    if (st == STATUS_OK) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        t.signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
        st = open_all(&t, (pid_t)pid, rate, &err);
    }
    if (st == STATUS_OK)
        watch(&t, duration);
    close_all(&t);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

static const struct option_row options[] = {
    {"rate", 'r', "HZ", "samples a second of every thread", "100", NULL},
    {"window", 'w', "S", "count only the last S seconds", "all", NULL},
    {"duration", 'd', "S", "end after this long", NULL, NULL},
    {0},
};

const struct command command_top = {
    .name = "top",
    .usage = "[options] PID",
    .summary = "show the functions that run now, in the terminal",
    .details = "Keys: s, t, n sort by self, total, name; p pauses; r starts over; q ends. Without "
               "a terminal\n"
               "the table is printed once, at the end.",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = top,
};
