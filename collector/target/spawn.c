#include "collector/target/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPAWN_CLOEXEC = 4 /* CLOSE_RANGE_CLOEXEC */, FALLBACK_FDS = 4096 };

static size_t env_name_len(const char *setting)
{
    return strcspn(setting, "=");
}

static bool is_set_again(const char *setting, const char *const *added)
{
    size_t len = env_name_len(setting);
    for (; added && *added; added++) {
        if (env_name_len(*added) == len && strncmp(*added, setting, len) == 0)
            return true;
    }
    return false;
}

/* Our environment with `added` over it. The strings are borrowed. */
static const char **make_environment(const char *const *added)
{
    size_t len = 0;
    for (char **e = environ; *e; e++)
        len++;
    for (const char *const *a = added; a && *a; a++)
        len++;
    const char **env = calloc(len + 1, sizeof(*env));
    if (!env)
        return NULL;
    len = 0;
    for (char **e = environ; *e; e++) {
        if (!is_set_again(*e, added))
            env[len++] = *e;
    }
    for (const char *const *a = added; a && *a; a++)
        env[len++] = *a;
    return env;
}

/* In the child: only async-signal-safe calls from here on. */
static void keep_descriptors(const struct target_options *options, int report)
{
    if (syscall(SYS_close_range, 3U, ~0U, SPAWN_CLOEXEC) != 0) {
        for (int fd = 3; fd < FALLBACK_FDS; fd++)
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    for (size_t i = 0; options && i < options->keep_fds_len; i++) {
        if (options->keep_fds[i] != report)
            (void)fcntl(options->keep_fds[i], F_SETFD, 0);
    }
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    struct sigaction plain = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGPIPE, &plain,
                    NULL); /* servers ignore it; the command should not inherit that */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_child(char *const argv[], const char **env,
                                const struct target_options *options, int report)
{
    keep_descriptors(options, report);
    reset_signals();
    union {
        const char **given;
        char *const *wanted;
    } environment = {.given = env}; /* execvpe writes into neither */
    execvpe(argv[0], argv, environment.wanted);
    int why = errno;
    ssize_t sent = write(report, &why, sizeof(why));
    (void)sent;
    _exit(127);
}

enum status spawn_command(pid_t *out, char *const argv[], const struct target_options *options,
                          struct error *err)
{
    int report[2];
    const char **env = make_environment(options ? options->env : NULL);
    if (!env)
        return error_set(err, STATUS_NO_MEMORY, "no memory to start %s", argv[0]);
    if (pipe2(report, O_CLOEXEC) != 0) {
        free(env);
        return error_set(err, STATUS_IO, "cannot start %s: %s", argv[0], strerror(errno));
    }

    pid_t pid = fork();
    if (pid == 0)
        run_child(argv, env, options, report[1]);
    int why = errno;
    free(env);
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return error_set(err, STATUS_IO, "cannot start %s: %s", argv[0], strerror(why));
    }

    /* The pipe closes at a good exec, and brings errno at a bad one. */
    ssize_t got;
    do
        got = read(report[0], &why, sizeof(why));
    while (got < 0 && errno == EINTR);
    close(report[0]);
    if (got == (ssize_t)sizeof(why)) {
        (void)waitpid(pid, NULL, 0);
        enum status st = why == ENOENT ? STATUS_NOT_FOUND : STATUS_DENIED;
        return error_set(err, st, "cannot run %s: %s", argv[0], strerror(why));
    }
    *out = pid;
    return STATUS_OK;
}
