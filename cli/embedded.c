#include "cli/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { READY_MS = 15000, STOP_MS = 5000, MAX_RESTARTS = 5 };

static const char first_free_port[] = "127.0.0.1:7700+";

/* The words of the command line; made before the fork, since another thread may hold a lock that
 * the child would wait for. */
struct serve_words {
    const char *argv[10];
    char fd[16];
};

static void make_words(struct serve_words *out, const char *listen, const char *store, int ready_fd)
{
    snprintf(out->fd, sizeof(out->fd), "%d", ready_fd);
    const char *argv[10] = {"heliograph", "serve", "--listen", listen,
                            "--ready-fd", out->fd, "--quiet"};
    if (store) {
        argv[7] = "--store";
        argv[8] = store;
    }
    memcpy(out->argv, argv, sizeof(argv));
}

/* In the child: its own session, so that the terminal's Ctrl-C goes to the target and to us, and
 * an end with its parent. */
static void become_server(const struct serve_words *words, int ready_fd, pid_t parent)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    fcntl(ready_fd, F_SETFD, 0);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd >= 0) {
        dup2(null_fd, STDIN_FILENO);
        dup2(null_fd, STDOUT_FILENO);
    }
    union {
        const char *const *in;
        char *const *out;
    } argv = {.in = words->argv};
    execv("/proc/self/exe", argv.out);
    _exit(127);
}

/* The server writes one line: "url http://..." when it serves, "busy http://..." when another
 * has the store, "error status words" when it cannot. */
static enum status read_line(int fd, char *line, size_t size, struct error *err)
{
    size_t len = 0;
    uint64_t deadline = clock_monotonic_ns() + READY_MS * 1000000ULL;
    while (len + 1 < size) {
        uint64_t now = clock_monotonic_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = now < deadline ? poll(&p, 1, (int)((deadline - now) / 1000000) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t got = ready > 0 ? read(fd, line + len, size - 1 - len) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
        if (line[len - 1] == '\n') {
            line[len - 1] = '\0';
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_UNREACHABLE,
                     "the server did not start; heliograph serve says why");
}

static enum status take_url(struct embedded *e, const char *url, struct error *err)
{
    size_t len = strlen(url);
    if (len >= sizeof(e->url))
        return error_set(err, STATUS_IO, "the server's address is too long");
    memcpy(e->url, url, len + 1);
    return STATUS_OK;
}

static enum status understand(struct embedded *e, const char *line, struct error *err)
{
    if (strncmp(line, "url ", 4) == 0)
        return take_url(e, line + 4, err);
    if (strncmp(line, "busy http", 9) == 0) {
        if (take_url(e, line + 5, err) != STATUS_OK)
            return STATUS_IO;
        waitpid(e->pid, NULL, 0);
        e->pid = 0;
        return STATUS_OK;
    }
    const char *words = strncmp(line, "error ", 6) == 0 ? line + 6 : line;
    return error_set(err, STATUS_IO, "%s", words);
}

static enum status start_at(struct embedded *out, const char *listen, struct error *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return error_set(err, STATUS_IO, "cannot make a pipe: %s", strerror(errno));
    struct serve_words words;
    make_words(&words, listen, out->store, pipe_fds[1]);
    pid_t parent = getpid();
    struct embedded e = {.store = out->store, .restarts = out->restarts, .pid = fork()};
    if (e.pid == 0)
        become_server(&words, pipe_fds[1], parent);
    close(pipe_fds[1]);
    if (e.pid < 0) {
        close(pipe_fds[0]);
        return error_set(err, STATUS_IO, "cannot start the server: %s", strerror(errno));
    }
    char line[1024];
    enum status st = read_line(pipe_fds[0], line, sizeof(line), err);
    close(pipe_fds[0]);
    if (st == STATUS_OK)
        st = understand(&e, line, err);
    if (st != STATUS_OK) {
        embedded_stop(&e);
        return st;
    }
    *out = e;
    return STATUS_OK;
}

enum status embedded_start(struct embedded *out, const char *store, struct error *err)
{
    *out = (struct embedded){.store = store};
    return start_at(out, first_free_port, err);
}

/* At the old address only: pages and collectors know no other. */
static enum embedded_change take_its_place(struct embedded *e, struct error *err)
{
    static const char scheme[] = "http://";
    struct embedded next = {.store = e->store, .restarts = e->restarts + 1};
    char listen[sizeof(e->url)];
    const char *host =
        strncmp(e->url, scheme, sizeof(scheme) - 1) == 0 ? e->url + sizeof(scheme) - 1 : e->url;
    snprintf(listen, sizeof(listen), "%s", host);
    listen[strcspn(listen, "/")] = '\0';
    if (next.restarts > MAX_RESTARTS) {
        error_set(err, STATUS_UNREACHABLE, "it ended %d times", MAX_RESTARTS + 1);
        return EMBEDDED_LOST;
    }
    if (start_at(&next, listen, err) != STATUS_OK)
        return EMBEDDED_LOST;
    bool is_ours = next.pid > 0;
    /* Busy: whoever shared it with us has already brought one back, or it was only slow. */
    if (!is_ours)
        next.restarts = e->restarts;
    *e = next;
    return is_ours ? EMBEDDED_RESTARTED : EMBEDDED_SAME;
}

enum embedded_change embedded_tend(struct embedded *e, bool is_reached, struct error *err)
{
    bool has_ended = e->pid > 0 && waitpid(e->pid, NULL, WNOHANG) != 0;
    if (!has_ended && (e->pid > 0 || is_reached))
        return EMBEDDED_SAME;
    e->pid = 0;
    return take_its_place(e, err);
}

void embedded_stop(struct embedded *e)
{
    if (e->pid <= 0)
        return;
    kill(e->pid, SIGTERM);
    for (int waited = 0; waited < STOP_MS; waited += 20) {
        if (waitpid(e->pid, NULL, WNOHANG) != 0) {
            e->pid = 0;
            return;
        }
        poll(NULL, 0, 20);
    }
    kill(e->pid, SIGKILL);
    waitpid(e->pid, NULL, 0);
    e->pid = 0;
}

/* What we do with signals is not for others: a browser that blocks SIGTERM cannot be ended. */
static void give_back_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

bool browser_open(const char *url)
{
    const char *display = getenv("WAYLAND_DISPLAY");
    if (!display)
        display = getenv("DISPLAY");
    if (!display || !*display || !isatty(STDERR_FILENO))
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        /* Twice, so that the browser is nobody's child and leaves no zombie. */
        setsid();
        pid_t second = fork();
        if (second != 0)
            _exit(second < 0);
        int null_fd = open("/dev/null", O_RDWR);
        if (null_fd >= 0) {
            dup2(null_fd, STDIN_FILENO);
            dup2(null_fd, STDOUT_FILENO);
            dup2(null_fd, STDERR_FILENO);
        }
        give_back_signals();
        execlp("xdg-open", "xdg-open", url, (char *)NULL);
        _exit(127);
    }
    int how = 1;
    return pid > 0 && waitpid(pid, &how, 0) == pid && how == 0;
}
