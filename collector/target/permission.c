#include "collector/target/permission.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAPABILITY_SYS_PTRACE = 19, SECCOMP_FILTER = 2 };

static bool read_line(const char *path, const char *key, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool is_found = false;
    while (!is_found && fgets(out, (int)size, f))
        is_found = strncmp(out, key, strlen(key)) == 0;
    fclose(f);
    return is_found;
}

/* A number of /proc/PID/status; 0 when it cannot be read. */
static unsigned long long status_number(const char *path, const char *key, int base)
{
    char line[128];
    if (!read_line(path, key, line, sizeof(line)))
        return 0;
    return strtoull(line + strlen(key), NULL, base);
}

static bool has_capability(void)
{
    return status_number("/proc/self/status", "CapEff:", 16) >> CAPABILITY_SYS_PTRACE & 1;
}

/* Tried on a child of our own: seccomp profiles (older Docker's, gVisor's) forbid ptrace whatever
 * capabilities there are. */
static bool try_ptrace(void)
{
    bool can_stop = false;
    pid_t pid = fork();
    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    if (pid < 0)
        return false;
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
        can_stop = ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0;
    (void)kill(pid, SIGKILL);
    int status = 0;
    pid_t ended;
    do
        ended = waitpid(pid, &status, __WALL);
    while ((ended < 0 && errno == EINTR) || (ended == pid && WIFSTOPPED(status)));
    return can_stop;
}

void target_permission(struct target_permission *out)
{
    char line[256];
    struct target_permission p = {
        .has_ptrace_capability = has_capability(),
        .yama_scope = -1,
        .is_root = geteuid() == 0,
        .has_filter = status_number("/proc/self/status", "Seccomp:", 10) == SECCOMP_FILTER,
        .is_container = access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0,
    };
    if (read_line("/proc/sys/kernel/yama/ptrace_scope", "", line, sizeof(line)))
        p.yama_scope = (int)strtol(line, NULL, 10);
    p.can_read_children = p.yama_scope < 2 || (p.yama_scope == 2 && p.has_ptrace_capability);
    p.can_read_others = p.yama_scope < 1 || (p.yama_scope < 3 && p.has_ptrace_capability);
    p.can_see_sleep = access("/proc/self/syscall", R_OK) == 0;
    *out = p;
}

/* Native frames need more than reading memory: see docs/sampling.md. */
static void describe_native(struct buf *out, const struct target_permission *p)
{
    bool can_stop = try_ptrace();
    bool is_whole = can_stop && p->can_see_sleep;
    buf_printf(out, "native frames (`--native`): %s\n",
               is_whole           ? "yes"
               : can_stop         ? "of running threads only"
               : p->can_see_sleep ? "of sleeping threads only"
                                  : "no");
    if (!can_stop && p->is_container)
        buf_put_text(out, "  ptrace is forbidden: start the container with --cap-add=SYS_PTRACE "
                          "(and, on kernels before 4.8, --security-opt seccomp=unconfined)\n");
    else if (!can_stop)
        buf_put_text(out, "  ptrace is forbidden (kernel.yama.ptrace_scope=3, a seccomp profile or "
                          "a security module); samples of running threads have Python frames "
                          "only\n");
    if (!p->can_see_sleep)
        buf_put_text(out, "  /proc/PID/syscall cannot be read: this kernel was built without "
                          "CONFIG_HAVE_ARCH_TRACEHOOK\n");
}

void target_describe_permission(struct buf *out)
{
    struct target_permission p;
    target_permission(&p);
    buf_printf(out, "programs started by `heliograph run`: %s\n",
               p.can_read_children ? "yes" : "no");
    buf_printf(out, "running programs of the same user (`heliograph attach`): %s\n",
               p.can_read_others ? "yes" : "no");
    buf_printf(out, "programs of other users: %s\n", p.has_ptrace_capability ? "yes" : "no");
    describe_native(out, &p);
    if (p.yama_scope >= 1 && !p.has_ptrace_capability)
        buf_printf(out,
                   "  kernel.yama.ptrace_scope is %d; to allow more: sudo sysctl "
                   "kernel.yama.ptrace_scope=%d, or run heliograph with sudo\n",
                   p.yama_scope, 0);
    if (p.yama_scope == 3)
        buf_put_text(out, "  ptrace_scope 3 can only be left by a restart of the machine\n");
    if (p.is_container && !p.has_ptrace_capability)
        buf_put_text(out, "  in a container: start it with --cap-add=SYS_PTRACE\n");
}

/* ---- one process that did not let us in ---- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat x;
    struct stat y;
    /* Who may not look is not told: then nothing is claimed. */
    return stat(a, &x) != 0 || stat(b, &y) != 0 || (x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static struct target_denied look_at_denied(pid_t pid)
{
    char path[64];
    struct stat folder;
    struct target_denied d = {.pid = pid, .reader = geteuid()};
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    d.owner = (uid_t)status_number(path, "Uid:", 10);
    /* The kernel gives the files of who is not dumpable to root (proc(5)). */
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    d.is_undumpable = stat(path, &folder) == 0 && folder.st_uid != d.owner && folder.st_uid == 0;
    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    d.is_other_space = !is_same_file(path, "/proc/self/ns/user");
    return d;
}

void target_explain_denied(const struct target_permission *p, const struct target_denied *d,
                           struct error *err)
{
    /* With sudo a person has the capability, but not in a container that was started without. */
    const char *cure = p->is_container ? "start the container with --cap-add=SYS_PTRACE"
                                       : "run heliograph with sudo";
    int pid = (int)d->pid;
    if (p->yama_scope == 3)
        error_set(err, STATUS_DENIED,
                  "not permitted to read process %d: kernel.yama.ptrace_scope is 3, which forbids "
                  "it to everybody until the machine is restarted",
                  pid);
    else if (p->has_ptrace_capability && d->is_other_space)
        error_set(err, STATUS_DENIED,
                  "not permitted to read process %d: it runs in another user namespace, in which "
                  "the CAP_SYS_PTRACE that heliograph has does not count: run it outside",
                  pid);
    else if (p->has_ptrace_capability)
        error_set(err, STATUS_DENIED,
                  "not permitted to read process %d in spite of CAP_SYS_PTRACE: %s", pid,
                  p->has_filter && p->is_container
                      ? "a seccomp filter: start the container with "
                        "--security-opt seccomp=unconfined"
                      : "a security module (SELinux, AppArmor) or a seccomp filter forbids it");
    else if (d->owner != d->reader)
        error_set(err, STATUS_DENIED,
                  "not permitted to read process %d of user %u: that takes CAP_SYS_PTRACE, which "
                  "heliograph (user %u) does not have: %s",
                  pid, d->owner, d->reader, cure);
    else if (d->is_undumpable)
        error_set(err, STATUS_DENIED,
                  "not permitted to read process %d: it is not dumpable (setuid, or it asked for "
                  "that), which takes CAP_SYS_PTRACE: %s",
                  pid, cure);
    else if (p->yama_scope == 2)
        error_set(err, STATUS_DENIED,
                  "not permitted to read process %d: kernel.yama.ptrace_scope is 2, which takes "
                  "CAP_SYS_PTRACE: %s",
                  pid, cure);
    else if (p->yama_scope == 1)
        error_set(err, STATUS_DENIED,
                  "not permitted to read process %d: kernel.yama.ptrace_scope is 1, which lets "
                  "only its parent: start it with `heliograph run`, %s, or: sudo sysctl "
                  "kernel.yama.ptrace_scope=0",
                  pid, cure);
    else
        error_set(err, STATUS_DENIED,
                  "not permitted to read process %d without CAP_SYS_PTRACE%s: %s", pid,
                  p->has_filter ? " (a seccomp filter may forbid it too)" : "", cure);
}

enum status target_check_readable(pid_t pid, struct error *err)
{
    char byte;
    struct iovec local = {.iov_base = &byte, .iov_len = 1};
    /* Nothing is ever mapped at 16: "bad address" means that we were let in. */
    struct iovec remote = {.iov_base = (void *)(uintptr_t)16, .iov_len = 1};
    if (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
        return STATUS_OK;
    if (errno == ESRCH)
        return error_set(err, STATUS_GONE, "there is no process %d", (int)pid);
    if (errno == ENOSYS)
        return error_set(err, STATUS_DENIED,
                         "this system does not allow process_vm_readv (a seccomp profile?)");

    struct target_permission p;
    struct target_denied d = look_at_denied(pid);
    target_permission(&p);
    target_explain_denied(&p, &d, err);
    return STATUS_DENIED;
}
