#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/target/permission.h"
#include "collector/target/process.h"
#include "collector/target/target.h"

/* exec's arguments are not const for historical reasons only. */
static char *const *arguments(const char *const *argv)
{
    union {
        const char *const *given;
        char *const *wanted;
    } same = {.given = argv};
    return same.wanted;
}

static struct target *spawn(const char *const argv[], const struct target_options *options)
{
    struct target *t = NULL;
    struct error err = {0};
    cr_assert_eq(target_spawn(&t, arguments(argv), options, &err), STATUS_OK, "%s", err.text);
    return t;
}

static int wait_for_exit(struct target *t)
{
    int status = -1;
    for (int i = 0; i < 200 && target_update(t, 50); i++) {
    }
    cr_expect(target_exit_status(t, &status));
    return status;
}

static size_t open_descriptors(void)
{
    size_t len = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        len++;
    closedir(d);
    return len;
}

Test(target_spawn, passes_the_exit_status_on)
{
    const char *argv[] = {"sh", "-c", "exit 42", NULL};
    struct target *t = spawn(argv, NULL);
    cr_expect_eq(wait_for_exit(t), 42);
    target_close(t);
}

Test(target_spawn, a_high_exit_code_is_no_signal)
{
    const char *argv[] = {"sh", "-c", "exit 255", NULL};
    struct target *t = spawn(argv, NULL);
    cr_expect_eq(wait_for_exit(t), 255);
    target_close(t);
}

Test(target_spawn, a_signal_is_its_number_below_zero)
{
    const char *argv[] = {"sh", "-c", "kill -TERM $$", NULL};
    struct target *t = spawn(argv, NULL);
    cr_expect_eq(wait_for_exit(t), -SIGTERM);
    target_close(t);
}

Test(target_spawn, leaves_nothing_behind_when_there_is_no_such_command)
{
    const char *argv[] = {"heliograph-no-such-command", NULL};
    struct target *t = NULL;
    struct error err = {0};
    size_t before = open_descriptors();
    cr_expect_eq(target_spawn(&t, arguments(argv), NULL, &err), STATUS_NOT_FOUND);
    cr_expect_not_null(strstr(err.text, "heliograph-no-such-command"));
    cr_expect_eq(open_descriptors(), before);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "a child is left");
}

Test(target_spawn, the_command_inherits_what_it_should_and_nothing_else)
{
    int leaked = open("/dev/null", O_RDONLY);
    int kept = open("/dev/null", O_RDONLY);
    char script[256];
    snprintf(script, sizeof(script),
             "test ! -e /proc/self/fd/%d && test -e /proc/self/fd/%d && test \"$HG_A\" = 1 && "
             "test \"$HG_B\" = new && grep -q 'SigBlk:.0000000000000000' /proc/self/status",
             leaked, kept);
    const char *argv[] = {"sh", "-c", script, NULL};
    setenv("HG_B", "old", 1);
    const char *env[] = {"HG_A=1", "HG_B=new", NULL};
    struct target_options options = {.env = env, .keep_fds = &kept, .keep_fds_len = 1};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    struct target *t = spawn(argv, &options);
    cr_expect_eq(wait_for_exit(t), 0);
    target_close(t);
    close(leaked);
    close(kept);
}

Test(target_update, notices_an_exit_at_once)
{
    const char *argv[] = {"sleep", "0.2", NULL};
    struct target *t = spawn(argv, NULL);
    bool is_alive = target_update(t, 5000) && target_update(t, 5000);
    cr_expect_not(is_alive, "one of two waits must have been cut short");
    target_close(t);
}

Test(target_update, a_thousand_children_cost_no_descriptor, .timeout = 120)
{
    const char *argv[] = {"sh", "-c", "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done",
                          NULL};
    struct target_options options = {.follow_children = true};
    size_t before = open_descriptors();
    struct target *t = spawn(argv, &options);
    size_t most = 0;
    while (target_update(t, 2)) {
        size_t now = open_descriptors();
        if (now > most)
            most = now;
    }
    cr_expect_lt(most, before + 20);
    uint64_t seen;
    uint64_t not_followed;
    target_counts(t, &seen, &not_followed);
    cr_expect_gt(seen, 1);
    cr_expect_eq(not_followed, 0);
    target_close(t);
    cr_expect_eq(open_descriptors(), before);
}

Test(target_update, sees_children_and_an_exec)
{
    const char *argv[] = {"sh", "-c", "sleep 0.7 & sleep 0.3; exec sleep 0.5", NULL};
    struct target_options options = {.follow_children = true};
    struct target *t = spawn(argv, &options);
    bool has_child = false;
    bool has_exec = false;
    while (target_update(t, 20)) {
        struct target_process list[8];
        size_t len = target_list(t, list, 8);
        for (size_t i = 0; i < len && i < 8; i++) {
            has_child |= list[i].parent == target_root(t);
            has_exec |= list[i].is_root && list[i].epoch > 0;
        }
    }
    cr_expect(has_child);
    cr_expect(has_exec);
    target_close(t);
}

Test(target_update, a_program_without_python_gets_a_reason)
{
    const char *argv[] = {"sleep", "1", NULL};
    struct target *t = spawn(argv, NULL);
    struct target_process p = {0};
    while (target_update(t, 50) && p.state != TARGET_PYTHON_NONE)
        (void)target_list(t, &p, 1);
    cr_expect_eq(p.state, TARGET_PYTHON_NONE);
    cr_expect_not_null(strstr(p.reason, "sleep"));
    cr_expect_str_eq(p.command, "sleep 1");
    target_signal(t, SIGKILL);
    cr_expect_eq(wait_for_exit(t), -SIGKILL);
    target_close(t);
}

Test(target_attach, refuses_a_process_that_is_not_there)
{
    struct target *t = NULL;
    struct error err;
    cr_expect_eq(target_attach(&t, 1 << 30, NULL, &err), STATUS_GONE);
    cr_expect_eq(target_attach(&t, -5, NULL, &err), STATUS_GONE);
    cr_expect_eq(target_check_readable(1 << 30, &err), STATUS_GONE);
    cr_expect_eq(target_check_readable(getpid(), &err), STATUS_OK);
}

/* What a person is told says what is missing, and fits where processes keep it. */
Test(target_permission, says_what_is_missing)
{
    static const struct {
        struct target_permission p;
        struct target_denied d;
        const char *words[3];
    } cases[] = {
        {{.yama_scope = 3, .has_ptrace_capability = true}, {0}, {"ptrace_scope is 3", "restarted"}},
        {{.yama_scope = 2}, {0}, {"ptrace_scope is 2", "CAP_SYS_PTRACE", "with sudo"}},
        {{.yama_scope = 2, .is_container = true},
         {0},
         {"ptrace_scope is 2", "--cap-add=SYS_PTRACE"}},
        {{.yama_scope = 1}, {0}, {"ptrace_scope is 1", "heliograph run", "ptrace_scope=0"}},
        {{.yama_scope = 1}, {.owner = 7}, {"of user 7", "CAP_SYS_PTRACE", "with sudo"}},
        {{.yama_scope = -1, .is_container = true}, {.owner = 7}, {"of user 7", "--cap-add"}},
        {{.yama_scope = 0}, {.is_undumpable = true}, {"not dumpable", "CAP_SYS_PTRACE"}},
        {{.yama_scope = -1}, {0}, {"without CAP_SYS_PTRACE", "with sudo"}},
        {{.yama_scope = -1, .is_container = true, .has_filter = true},
         {0},
         {"without CAP_SYS_PTRACE", "seccomp", "--cap-add"}},
        {{.yama_scope = 1, .has_ptrace_capability = true},
         {.is_other_space = true},
         {"user namespace", "does not count"}},
        {{.yama_scope = 1, .has_ptrace_capability = true, .is_container = true, .has_filter = true},
         {0},
         {"in spite of CAP_SYS_PTRACE", "seccomp=unconfined"}},
        {{.has_ptrace_capability = true}, {0}, {"in spite of", "SELinux"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        struct target_denied d = cases[i].d;
        d.pid = INT32_MAX;
        target_explain_denied(&cases[i].p, &d, &err);
        cr_expect_eq(err.status, STATUS_DENIED);
        cr_expect_lt(strlen(err.text), TARGET_REASON_MAX, "%s", err.text);
        for (size_t k = 0; k < 3 && cases[i].words[k]; k++)
            cr_expect_not_null(strstr(err.text, cases[i].words[k]), "%s: %s", cases[i].words[k],
                               err.text);
    }
}

Test(target_process, the_stat_of_this_process_is_read)
{
    struct process_stat stat;
    cr_assert(process_stat(getpid(), &stat));
    cr_expect_eq(stat.parent, getppid());
    cr_expect_geq(stat.threads, 1);
    cr_expect_neq(stat.start_ticks, 0);
}
