#include "collector/target/remote_call.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"

enum {
    EVENT_SHIFT = 8,
    SIGNAL_MASK = 0x7f,
    STATE_MAX = 16384, /* xsave area, AMX included */
    RED_ZONE = 128,
    CODE_PIECE = 65536,
    HELD_MAX = 16,
};

static const uint64_t patience_ns = 1000000000;
static const uint64_t pace_ns = 200000;

struct remote {
    pid_t tid;
    struct user_regs_struct saved;
    uint8_t state[STATE_MAX];
    size_t state_len;
    uint64_t blocked;   /* its signal mask */
    int held[HELD_MAX]; /* signals that came meanwhile: handed over at the end */
    size_t held_len;
};

/* The next stop's signal; 0 = none came in time, -1 = the thread has gone. Never takes an exit
 * status: the thread may be somebody's child here. */
static int wait_for_stop(pid_t tid, uint64_t until_ns, bool *is_event)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WEXITED | WNOWAIT | WNOHANG | __WALL) != 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        if (info.si_pid != 0) {
            if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
                return -1;
            info = (siginfo_t){0};
            if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WNOHANG | __WALL) != 0)
                return -1;
            *is_event = info.si_status >> EVENT_SHIFT != 0;
            return info.si_status & SIGNAL_MASK;
        }
        if (clock_monotonic_ns() > until_ns)
            return 0;
        (void)clock_sleep_until(clock_monotonic_ns() + pace_ns);
    }
}

static void hold(struct remote *r, int signal_number)
{
    if (r->held_len < HELD_MAX)
        r->held[r->held_len++] = signal_number;
}

static bool save(struct remote *r)
{
    struct iovec state = {.iov_base = r->state, .iov_len = sizeof(r->state)};
    if (ptrace(PTRACE_GETREGS, r->tid, NULL, &r->saved) != 0 ||
        ptrace(PTRACE_GETREGSET, r->tid, (void *)(uintptr_t)NT_X86_XSTATE, &state) != 0)
        return false;
    r->state_len = state.iov_len;
    /* Everything waits but our own two: the kernel gives a fault that is blocked its default
     * action, for good. */
    uint64_t mask = ~(UINT64_C(1) << (SIGSEGV - 1) | UINT64_C(1) << (SIGTRAP - 1));
    return ptrace(PTRACE_GETSIGMASK, r->tid, (void *)sizeof(r->blocked), &r->blocked) == 0 &&
           ptrace(PTRACE_SETSIGMASK, r->tid, (void *)sizeof(mask), &mask) == 0;
}

static void restore(struct remote *r)
{
    struct iovec state = {.iov_base = r->state, .iov_len = r->state_len};
    (void)ptrace(PTRACE_SETREGSET, r->tid, (void *)(uintptr_t)NT_X86_XSTATE, &state);
    (void)ptrace(PTRACE_SETREGS, r->tid, NULL, &r->saved);
    (void)ptrace(PTRACE_SETSIGMASK, r->tid, (void *)sizeof(r->blocked), &r->blocked);
}

/* Starting from `regs`, until the thread stops with `signal_wanted`; other signals are held back.
 */
static enum status go(struct remote *r, int request, struct user_regs_struct *regs,
                      int signal_wanted, struct error *err)
{
    uint64_t until = clock_monotonic_ns() + patience_ns;
    if (ptrace(PTRACE_SETREGS, r->tid, NULL, regs) != 0)
        return error_set(err, STATUS_GONE, "the program's main thread has gone");
    for (;;) {
        bool is_event = false;
        if (ptrace(request, r->tid, NULL, NULL) != 0)
            return error_set(err, STATUS_GONE, "the program's main thread has gone");
        int signal_seen = wait_for_stop(r->tid, until, &is_event);
        if (signal_seen < 0)
            return error_set(err, STATUS_GONE, "the program's main thread has gone");
        if (signal_seen == 0) {
            if (ptrace(PTRACE_INTERRUPT, r->tid, NULL, NULL) == 0)
                (void)wait_for_stop(r->tid, clock_monotonic_ns() + patience_ns, &is_event);
            return error_set(err, STATUS_BUSY,
                             "the call into the program did not come back; it was taken back");
        }
        if (signal_seen == signal_wanted && !is_event)
            return ptrace(PTRACE_GETREGS, r->tid, NULL, regs) == 0
                       ? STATUS_OK
                       : error_set(err, STATUS_GONE, "the program's main thread has gone");
        if (!is_event)
            hold(r, signal_seen);
    }
}

/* The address of a `syscall` instruction: the kernel's own object in the process has one. */
static uint64_t find_syscall(pid_t pid)
{
    static const uint8_t instruction[] = {0x0f, 0x05};
    char path[48];
    char line[512];
    uint64_t found = 0;
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    uint8_t *code = malloc(CODE_PIECE);
    while (maps && code && !found && fgets(line, sizeof(line), maps)) {
        char *rest;
        uint64_t begin = strtoull(line, &rest, 16);
        uint64_t end = strtoull(rest + (*rest == '-'), &rest, 16);
        if (!strstr(line, "[vdso]") || end <= begin || end - begin > CODE_PIECE)
            continue;
        struct iovec local = {.iov_base = code, .iov_len = end - begin};
        struct iovec remote = {.iov_base = (void *)(uintptr_t)begin, .iov_len = end - begin};
        if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)(end - begin))
            continue;
        const uint8_t *at = memmem(code, end - begin, instruction, sizeof(instruction));
        found = at ? begin + (uint64_t)(at - code) : 0;
    }
    free(code);
    if (maps)
        (void)fclose(maps);
    return found;
}

/* Registers as they were, but on a stack of our own below what is in use, and in no system call. */
static struct user_regs_struct fresh(const struct remote *r)
{
    struct user_regs_struct regs = r->saved;
    regs.rsp = (regs.rsp - RED_ZONE - 1024) & ~UINT64_C(15);
    regs.orig_rax = UINT64_MAX;
    regs.eflags &= ~UINT64_C(0x500); /* no direction, no trap */
    return regs;
}

static enum status map_text(struct remote *r, pid_t pid, const char *text, uint64_t *page,
                            struct error *err)
{
    size_t len = strlen(text) + 1;
    struct user_regs_struct regs = fresh(r);
    regs.rip = find_syscall(pid);
    if (regs.rip == 0)
        return error_set(err, STATUS_UNSUPPORTED, "the program has no vdso");
    regs.rax = SYS_mmap;
    regs.rdi = 0;
    regs.rsi = len;
    regs.rdx = PROT_READ | PROT_WRITE;
    regs.r10 = MAP_PRIVATE | MAP_ANONYMOUS;
    regs.r8 = UINT64_MAX;
    regs.r9 = 0;
    enum status st = go(r, PTRACE_SINGLESTEP, &regs, SIGTRAP, err);
    if (st != STATUS_OK)
        return st;
    if (regs.rax >= UINT64_MAX - 4095)
        return error_set(err, STATUS_NO_MEMORY, "the program has no memory for a page more");
    union {
        const char *given;
        void *wanted;
    } bytes = {.given = text}; /* process_vm_writev only reads it */
    struct iovec local = {.iov_base = bytes.wanted, .iov_len = len};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)regs.rax, .iov_len = len};
    if (process_vm_writev(pid, &local, 1, &remote, 1, 0) != (ssize_t)len)
        return error_set(err, STATUS_DENIED, "cannot write to process %d: %s", (int)pid,
                         strerror(errno));
    *page = regs.rax;
    return STATUS_OK;
}

/* The call returns to address 0, which no program has: that fault is ours to see and nobody
 * else's. */
static enum status call(struct remote *r, pid_t pid, uint64_t function, uint64_t argument,
                        uint64_t page, uint64_t *result, struct error *err)
{
    const uint64_t nowhere = 0;
    struct user_regs_struct regs = fresh(r);
    regs.rsp -= sizeof(nowhere); /* as after a call instruction */
    regs.rip = function;
    regs.rdi = argument;
    regs.rsi = page;
    regs.rax = 0;
    struct iovec local = {.iov_base = (void *)(uintptr_t)&nowhere, .iov_len = sizeof(nowhere)};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)regs.rsp, .iov_len = sizeof(nowhere)};
    if (process_vm_writev(pid, &local, 1, &remote, 1, 0) != (ssize_t)sizeof(nowhere))
        return error_set(err, STATUS_DENIED, "cannot write to process %d: %s", (int)pid,
                         strerror(errno));
    enum status st = go(r, PTRACE_CONT, &regs, SIGSEGV, err);
    if (st != STATUS_OK)
        return st;
    if (regs.rip != 0)
        return error_set(err, STATUS_UNSUPPORTED, "the call into the program failed");
    *result = regs.rax;
    return STATUS_OK;
}

enum status remote_call(pid_t pid, uint64_t function, uint64_t argument, const char *text,
                        uint64_t *result, struct error *err)
{
    struct remote *r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(err, STATUS_NO_MEMORY, "no memory for a call");
    r->tid = pid;
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) != 0) {
        int why = errno;
        free(r);
        return error_set(err, STATUS_DENIED, "cannot trace process %d: %s", (int)pid,
                         strerror(why));
    }
    bool is_event = false;
    int stopped = 0;
    enum status st = STATUS_OK;
    if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0 ||
        (stopped = wait_for_stop(pid, clock_monotonic_ns() + patience_ns, &is_event)) <= 0)
        st = error_set(err, STATUS_BUSY, "process %d cannot be stopped just now", (int)pid);
    if (st == STATUS_OK && !is_event)
        hold(r, stopped);
    if (st == STATUS_OK && !save(r))
        st = error_set(err, STATUS_DENIED, "cannot read the registers of process %d: %s", (int)pid,
                       strerror(errno));
    if (st == STATUS_OK) {
        uint64_t page = 0;
        st = map_text(r, pid, text, &page, err);
        if (st == STATUS_OK)
            st = call(r, pid, function, argument, page, result, err);
        restore(r);
    }
    (void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
    for (size_t i = 0; i < r->held_len; i++)
        (void)syscall(SYS_tgkill, pid, pid, r->held[i]);
    free(r);
    return st;
}
