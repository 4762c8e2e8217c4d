#include "cli/profiling.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { MAX_RATE = 100000, UPDATE_MS = 100, TEND_MS = 1000, MAX_UNREACHED = 2 };

/* As nohup has it for hang-ups, and a shell for the quits of its background jobs. */
static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Signals come as data, on our thread: before any other thread is, which inherit the mask. One
 * thread without it, and Ctrl-C would end us with the default action and leave the command behind.
 * The spawned command has no signal blocked. */
static enum status take_signals(struct profiling *p, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    if (!is_ignored(SIGHUP))
        sigaddset(&set, SIGHUP);
    if (!is_ignored(SIGQUIT))
        sigaddset(&set, SIGQUIT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return error_set(err, STATUS_IO, "cannot block signals: %s", strerror(errno));
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (p->signal_fd < 0)
        return error_set(err, STATUS_IO, "cannot watch signals: %s", strerror(errno));
    return STATUS_OK;
}

static bool next_signal(struct profiling *p, struct signalfd_siginfo *info)
{
    return p->signal_fd >= 0 && read(p->signal_fd, info, sizeof(*info)) == (ssize_t)sizeof(*info);
}

enum status profiling_prepare(struct profiling *p, const struct args *args, bool is_attached,
                              struct error *err)
{
    *p = (struct profiling){
        .args = args, .signal_fd = -1, .end_reason = "exited", .is_attached = is_attached};
    enum status st = session_plan_read(&p->plan, args, err);
    if (st == STATUS_OK)
        st = args_seconds(args, "duration", &p->duration_s, err);
    if (st != STATUS_OK)
        return st;
    p->plan.is_attached = is_attached;
    p->plan.may_inject = is_attached && args_flag(args, "inject", false);
    if (p->plan.may_inject && !p->plan.memory)
        return error_set(err, STATUS_USAGE, "--inject is for --memory sampled or exact");
    p->plan.argv = args->words;
    p->plan.argc = args->words_len;
    if (p->plan.is_quiet)
        log_set_level(LOG_WARN);
    bool may_open = args_flag(args, "open", true);
    p->is_viewer_wanted = may_open || (p->duration_s <= 0 && !p->plan.save_path);
    /* Before any thread and before signals are blocked, so that the server has neither. */
    bool needs_server = !p->plan.server_url && (p->is_viewer_wanted || !p->plan.save_path);
    if (needs_server) {
        st = embedded_start(&p->server, args_text(args, "store"), err);
        if (st != STATUS_OK)
            return st;
        p->has_server = true;
        p->plan.server_url = p->server.url;
    }
    st = take_signals(p, err);
    if (st == STATUS_OK)
        st = session_new(&p->session, &p->plan, err);
    if (st != STATUS_OK)
        embedded_stop(&p->server);
    return st;
}

void profiling_name_process(struct profiling *p, pid_t pid)
{
    struct target_process list[1];
    if (target_list(p->target, list, 1) > 0)
        memcpy(p->attached_command, list[0].command, sizeof(p->attached_command));
    if (!p->attached_command[0])
        snprintf(p->attached_command, sizeof(p->attached_command), "process %d", (int)pid);
    p->attached_argv[0] = p->attached_command;
    p->plan.argv = p->attached_argv;
    p->plan.argc = 1;
}

enum status profiling_start(struct profiling *p, struct error *err)
{
    enum status st = session_open(p->session, p->target, err);
    if (st != STATUS_OK) {
        session_free(p->session);
        p->session = NULL;
        return st;
    }
    const char *url = session_url(p->session);
    if (*url) {
        log_info("watching process %d live at %s", (int)target_root(p->target), url);
        if (args_flag(p->args, "open", true) && browser_open(url))
            log_info("opened it in the browser (--no-open keeps it closed)");
    } else {
        log_info("watching process %d into %s", (int)target_root(p->target), p->plan.save_path);
    }
    return STATUS_OK;
}

/* SIGUSR1 pauses or goes on. SIGUSR2 sets the rate to the number sent with it (`/bin/kill -q 500 -s
 * USR2 PID`), without one back to what was asked for at the start. */
static bool is_control(struct profiling *p, const struct signalfd_siginfo *info)
{
    if (info->ssi_signo != SIGUSR1 && info->ssi_signo != SIGUSR2)
        return false;
    if (!p->session)
        return true;
    if (info->ssi_signo == SIGUSR1) {
        session_toggle_pause(p->session);
        return true;
    }
    bool has_rate = info->ssi_code == SI_QUEUE && info->ssi_int > 0 && info->ssi_int <= MAX_RATE;
    struct wire_control control = {.has_rate = true,
                                   .rate_hz = has_rate ? info->ssi_int : p->plan.rate_hz};
    session_control(p->session, &control);
    return true;
}

/* True when the session is to end. Ctrl-C and Ctrl-\ at a terminal reach a spawned command by
 * itself: it decides. Ours to hand on are the signals that only we got. */
static bool handle_signal(struct profiling *p, const struct signalfd_siginfo *info)
{
    if (is_control(p, info))
        return false;
    if (p->is_attached) {
        p->end_reason = "detached";
        return true;
    }
    /* The terminal went away, and with it whoever could press Ctrl-C. Of the processes in it the
     * kernel tells only the first. */
    bool is_hangup = info->ssi_signo == SIGHUP;
    if (is_hangup)
        p->is_viewer_wanted = false;
    bool is_from_terminal = info->ssi_code > 0 && !is_hangup;
    if (!is_from_terminal)
        target_signal(p->target, (int)info->ssi_signo);
    return false;
}

static void close_session(struct profiling *p, int exit_status)
{
    if (!p->session)
        return;
    struct error err;
    struct session_summary sum;
    char id[IDENT_CHARS + 1];
    memcpy(id, session_id(p->session), sizeof(id));
    enum status st = session_close(p->session, exit_status, p->end_reason, &sum, &err);
    p->session = NULL;
    if (st != STATUS_OK)
        log_warn("not all of the profile reached the server: %s", err.text);
    if (sum.has_stacks)
        log_info("profile %s: %llu samples, %llu torn, %llu ticks missed; the collector used "
                 "%.2f s of CPU",
                 id, (unsigned long long)sum.samples, (unsigned long long)sum.torn,
                 (unsigned long long)sum.missed, sum.collector_cpu_s);
    else
        log_info("profile %s: memory only: %s", id,
                 sum.reason[0]          ? sum.reason
                 : p->plan.rate_hz <= 0 ? "no stacks were asked for"
                                        : "no Python was seen before it ended");
    if (p->plan.save_path)
        log_info("saved to %s", p->plan.save_path);
}

/* The server's own end is no end of the profile: what was not acknowledged is kept and sent to the
 * next. */
static void tend_server(struct profiling *p, bool is_reached)
{
    struct error err = {0};
    switch (embedded_tend(&p->server, is_reached, &err)) {
    case EMBEDDED_SAME:
        break;
    case EMBEDDED_RESTARTED:
        log_warn("the server had ended; started again at %s", p->server.url);
        break;
    case EMBEDDED_LOST:
        p->has_server = false;
        log_warn("the server has ended and could not be started again (%s); the program goes on, "
                 "its profile stops here",
                 err.text);
        break;
    }
}

void profiling_follow(struct profiling *p)
{
    uint64_t end_ns =
        p->duration_s > 0 ? clock_monotonic_ns() + (uint64_t)(p->duration_s * 1e9) : UINT64_MAX;
    bool is_alive = true;
    uint64_t tend_ns = clock_monotonic_ns();
    uint64_t updated_ns = 0;
    int unreached = 0;
    while (is_alive) {
        is_alive = target_update(p->target, target_pace_ms(p->target));
        struct signalfd_siginfo info;
        if (next_signal(p, &info) && handle_signal(p, &info))
            break;
        if (p->has_server && clock_monotonic_ns() - tend_ns >= TEND_MS * 1000000ULL) {
            bool is_reached = !p->session || session_is_connected(p->session);
            unreached = is_reached ? 0 : unreached + 1;
            tend_server(p, unreached < MAX_UNREACHED);
            tend_ns = clock_monotonic_ns();
        }
        if (!p->session)
            continue;
        if (clock_monotonic_ns() - updated_ns >= UPDATE_MS * 1000000ULL) {
            session_update(p->session);
            updated_ns = clock_monotonic_ns();
        }
        bool is_over = clock_monotonic_ns() >= end_ns;
        if (!is_over && !session_is_stopped(p->session))
            continue;
        p->end_reason = is_over ? "duration" : "stopped";
        close_session(p, 0);
        if (p->is_attached)
            break;
        /* The command goes on by itself; we wait to hand on its exit code. */
        log_info("the profile has ended; the program goes on");
    }
}

static void serve_until_signal(struct profiling *p)
{
    if (p->server.pid == 0) {
        log_info("the page stays with the server that was running already, as long as that runs; "
                 "then: heliograph serve");
        return;
    }
    log_info("the page stays open at %s until Ctrl-C", p->server.url);
    while (p->has_server) {
        struct pollfd fd = {.fd = p->signal_fd, .events = POLLIN};
        struct signalfd_siginfo info;
        if (poll(&fd, 1, TEND_MS) > 0 && next_signal(p, &info))
            return;
        tend_server(p, true);
    }
}

int profiling_finish(struct profiling *p)
{
    int code = 0;
    if (p->target) {
        bool is_known = !p->is_attached && target_exit_status(p->target, &code);
        if (!is_known)
            code = 0;
        close_session(p, code);
        target_close(p->target);
        if (p->has_server && p->is_viewer_wanted)
            serve_until_signal(p);
    }
    session_free(p->session);
    embedded_stop(&p->server);
    if (p->signal_fd >= 0)
        close(p->signal_fd);
    return code < 0 ? 128 - code : code; /* as shells have it */
}
