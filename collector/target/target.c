#include "collector/target/target.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/target/permission.h"
#include "collector/target/process.h"
#include "collector/target/python_find.h"
#include "collector/target/spawn.h"
#include "common/base/array.h"
#include "common/base/clock.h"

static const uint64_t ms = 1000000;

/* A program is young until SETTLED_MS after its fork or exec: a Python in it, or an exec of one
 * (the shims of version managers are shell scripts), is to be expected any moment. */
enum {
    SETTLED_MS = 500,
    OFTEN_MS = 2000,
    YOUNG_PACE_MS = 5,
    OFTEN_PACE_MS = 20,
    PACE_MS = 25,
    SLOW_PACE_MS = 100,
    SELDOM_PACE_MS = 1000,
    FEW = 4, /* processes looked at every PACE_MS */
};

struct entry {
    struct target_process info;
    int pidfd;              /* -1 where the kernel gives none */
    uint64_t start_ticks;   /* with the pid, the process's name for good */
    uint64_t stack_address; /* these two change with an exec */
    uint64_t executable;
    uint64_t since_ns; /* of the fork or the last exec, as seen */
    uint64_t next_look_ns;
};

struct target {
    pthread_mutex_t lock; /* of all below; only target_update changes it */
    struct entry *entries;
    size_t len, cap;
    struct pollfd *polls;
    size_t polls_cap;
    atomic_uint_fast64_t generation;
    uint64_t seen, not_followed;
    uint32_t next_serial;
    pid_t root;
    bool is_spawned, is_root_gone, has_exit_status;
    int exit_status;
    bool follow_children;
};

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The descriptors of a big tree do not fit into the usual soft limit of 1024. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static uint64_t executable_of(pid_t pid)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    return stat(path, &st) == 0 ? (uint64_t)st.st_ino ^ (uint64_t)st.st_dev << 40 : 0;
}

static void changed(struct target *t)
{
    atomic_fetch_add(&t->generation, 1);
}

static struct entry *find_entry(struct target *t, pid_t pid)
{
    for (size_t i = 0; i < t->len; i++) {
        if (t->entries[i].info.pid == pid)
            return &t->entries[i];
    }
    return NULL;
}

static void begin_looking(struct entry *e, uint64_t now)
{
    e->info.state = TARGET_PYTHON_LOOKING;
    e->info.runtime[0] = '\0';
    e->info.reason[0] = '\0';
    e->since_ns = now;
    e->next_look_ns = now;
    process_command(e->info.pid, e->info.command, sizeof(e->info.command));
}

static void add_entry(struct target *t, pid_t pid, pid_t parent)
{
    struct process_stat stat;
    t->seen++;
    if (t->len >= TARGET_MAX_PROCESSES || !array_reserve(&t->entries, &t->cap, t->len + 1)) {
        t->not_followed++;
        return;
    }
    if (!process_stat(pid, &stat))
        return;
    struct entry *e = &t->entries[t->len++];
    *e = (struct entry){
        .info = {.serial = t->next_serial++,
                 .pid = pid,
                 .parent = parent,
                 .is_root = pid == t->root},
        .pidfd = open_pidfd(pid),
        .start_ticks = stat.start_ticks,
        .stack_address = stat.stack_address,
        .executable = executable_of(pid),
    };
    begin_looking(e, clock_monotonic_ns());
    changed(t);
}

static void take_exit_status(struct target *t)
{
    siginfo_t info = {0};
    if (!t->is_spawned || t->has_exit_status ||
        waitid(P_PID, (id_t)t->root, &info, WEXITED | WNOHANG) != 0 || info.si_pid != t->root)
        return;
    t->exit_status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    t->has_exit_status = true;
}

static void remove_entry(struct target *t, size_t index)
{
    struct entry *e = &t->entries[index];
    if (e->pidfd >= 0)
        close(e->pidfd);
    if (e->info.is_root) {
        t->is_root_gone = true;
        take_exit_status(t);
    }
    memmove(e, e + 1, (t->len - index - 1) * sizeof(*e));
    t->len--;
    changed(t);
}

/* Waits for an exit; marks in `revents` who is gone. */
static void wait_for_exits(struct target *t, int timeout_ms)
{
    if (!array_reserve(&t->polls, &t->polls_cap, t->len + 1))
        return;
    for (size_t i = 0; i < t->len; i++)
        t->polls[i] = (struct pollfd){.fd = t->entries[i].pidfd, .events = POLLIN};
    (void)poll(t->polls, t->len, timeout_ms);
}

static void remove_gone(struct target *t)
{
    for (size_t i = t->len; i-- > 0;) {
        struct entry *e = &t->entries[i];
        struct process_stat stat;
        bool is_gone = t->polls_cap > i && t->polls[i].revents != 0;
        if (e->pidfd < 0)
            is_gone = !process_stat(e->info.pid, &stat) || stat.state == 'Z' ||
                      stat.start_ticks != e->start_ticks;
        if (is_gone)
            remove_entry(t, i);
    }
}

static void notice_exec(struct target *t, struct entry *e, uint64_t now)
{
    struct process_stat stat;
    if (!process_stat(e->info.pid, &stat))
        return;
    uint64_t executable = executable_of(e->info.pid);
    if (executable == 0) /* a zombie has none, nor has who is dying */
        return;
    if (stat.stack_address == e->stack_address && executable == e->executable)
        return;
    e->stack_address = stat.stack_address;
    e->executable = executable;
    e->info.epoch++;
    begin_looking(e, now);
    changed(t);
}

static void look_for_python(struct target *t, struct entry *e, uint64_t now)
{
    enum target_python_state state = e->info.state;
    if (now < e->next_look_ns || (state != TARGET_PYTHON_LOOKING && state != TARGET_PYTHON_NONE))
        return;
    uint64_t age = now - e->since_ns;
    bool is_young = age < SETTLED_MS * ms;
    e->next_look_ns = now + ms * (is_young              ? YOUNG_PACE_MS
                                  : age < OFTEN_MS * ms ? OFTEN_PACE_MS
                                                        : SELDOM_PACE_MS);

    struct python_found found;
    python_find(e->info.pid, &found);
    if (found.state == TARGET_PYTHON_NONE && is_young)
        return;
    if (found.state == state)
        return;
    e->info.state = found.state;
    e->info.python = found.python;
    memcpy(e->info.runtime, found.runtime, sizeof(e->info.runtime));
    memcpy(e->info.reason, found.reason, sizeof(e->info.reason));
    changed(t);
}

struct new_children {
    struct target *t;
    pid_t parent;
};

static void add_child(void *ctx, pid_t pid)
{
    struct new_children *c = ctx;
    if (!find_entry(c->t, pid))
        add_entry(c->t, pid, c->parent);
}

/* One round over all; children found in it are looked at in the same round. */
static void look_at_all(struct target *t)
{
    uint64_t now = clock_monotonic_ns();
    for (size_t i = 0; i < t->len; i++) {
        notice_exec(t, &t->entries[i], now);
        look_for_python(t, &t->entries[i], now);
        if (t->follow_children) {
            struct new_children c = {.t = t, .parent = t->entries[i].info.pid};
            process_children(c.parent, add_child, &c);
        }
    }
}

static enum status make_target(struct target **out, const struct target_options *options,
                               struct error *err)
{
    struct target *t = calloc(1, sizeof(*t));
    if (!t)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the target");
    pthread_mutex_init(&t->lock, NULL);
    t->follow_children = options && options->follow_children;
    *out = t;
    return STATUS_OK;
}

enum status target_spawn(struct target **out, char *const argv[],
                         const struct target_options *options, struct error *err)
{
    struct target *t;
    enum status st = make_target(&t, options, err);
    if (st != STATUS_OK)
        return st;
    st = spawn_command(&t->root, argv, options, err);
    if (st != STATUS_OK) {
        target_close(t);
        return st;
    }
    raise_descriptor_limit();
    t->is_spawned = true;
    add_entry(t, t->root, getpid());
    *out = t;
    return STATUS_OK;
}

enum status target_attach(struct target **out, pid_t pid, const struct target_options *options,
                          struct error *err)
{
    struct process_stat stat;
    if (pid <= 0 || !process_stat(pid, &stat) || stat.state == 'Z')
        return error_set(err, STATUS_GONE, "there is no process %d", (int)pid);
    enum status st = target_check_readable(pid, err);
    if (st != STATUS_OK)
        return st;
    struct target *t;
    st = make_target(&t, options, err);
    if (st != STATUS_OK)
        return st;
    raise_descriptor_limit();
    t->root = pid;
    add_entry(t, pid, stat.parent);
    *out = t;
    return STATUS_OK;
}

void target_close(struct target *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->len; i++) {
        if (t->entries[i].pidfd >= 0)
            close(t->entries[i].pidfd);
    }
    pthread_mutex_destroy(&t->lock);
    free(t->entries);
    free(t->polls);
    free(t);
}

bool target_update(struct target *t, int timeout_ms)
{
    wait_for_exits(t, timeout_ms);
    pthread_mutex_lock(&t->lock);
    remove_gone(t);
    look_at_all(t);
    if (!find_entry(t, t->root) && !t->is_root_gone) {
        t->is_root_gone = true; /* gone before it could be entered */
        take_exit_status(t);
    }
    bool is_alive = !t->is_root_gone;
    pthread_mutex_unlock(&t->lock);
    return is_alive;
}

int target_pace_ms(const struct target *t)
{
    uint64_t now = clock_monotonic_ns();
    size_t looking = 0;
    for (size_t i = 0; i < t->len; i++) {
        enum target_python_state state = t->entries[i].info.state;
        bool is_open = state == TARGET_PYTHON_LOOKING || state == TARGET_PYTHON_NONE;
        looking += is_open && now - t->entries[i].since_ns < SETTLED_MS * ms;
    }
    if (looking > 0 && t->len <= 4 * FEW)
        return YOUNG_PACE_MS;
    int pace = PACE_MS * (int)(1 + t->len / FEW);
    return pace < SLOW_PACE_MS ? pace : SLOW_PACE_MS;
}

uint64_t target_generation(const struct target *t)
{
    return atomic_load(&t->generation);
}

size_t target_list(struct target *t, struct target_process *out, size_t max)
{
    pthread_mutex_lock(&t->lock);
    size_t len = t->len;
    for (size_t i = 0; i < len && i < max; i++)
        out[i] = t->entries[i].info;
    pthread_mutex_unlock(&t->lock);
    return len;
}

pid_t target_root(const struct target *t)
{
    return t->root;
}

bool target_exit_status(struct target *t, int *status)
{
    pthread_mutex_lock(&t->lock);
    if (t->is_root_gone)
        take_exit_status(t);
    bool has_status = t->has_exit_status;
    if (has_status)
        *status = t->exit_status;
    pthread_mutex_unlock(&t->lock);
    return has_status;
}

void target_signal(struct target *t, int signal)
{
    pthread_mutex_lock(&t->lock);
    struct entry *root = find_entry(t, t->root);
    if (root && root->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, root->pidfd, signal, NULL, 0);
    else if (root)
        (void)kill(t->root, signal);
    pthread_mutex_unlock(&t->lock);
}

void target_counts(struct target *t, uint64_t *seen, uint64_t *not_followed)
{
    pthread_mutex_lock(&t->lock);
    *seen = t->seen;
    *not_followed = t->not_followed;
    pthread_mutex_unlock(&t->lock);
}
