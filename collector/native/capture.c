#include "collector/native/capture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#include "common/base/array.h"

enum { CS_64_BIT = 0x33, PAGE = 4096 };

void capture_init(struct capture *c)
{
    *c = (struct capture){.want = CAPTURE_FIRST};
}

void capture_deinit(struct capture *c)
{
    free(c->bytes);
    *c = (struct capture){0};
}

void capture_ask_for_more(struct capture *c)
{
    if (c->is_cut && c->want < CAPTURE_MAX)
        c->want *= 4; /* after at most three stacks that are cut, the fourth is whole */
}

/* A copy that reaches the stack's end is shorter than was asked for: no fault, just its end. One
 * request for a piece of each page would cost more than one that fails half way. */
static bool copy_stack(struct capture *c, pid_t pid)
{
    uint64_t begin = c->copy.registers.value[REGISTER_SP];
    c->copy.len = 0;
    c->is_cut = false;
    if (begin == 0 || begin > UINT64_MAX / 2 || !array_reserve(&c->bytes, &c->bytes_cap, c->want))
        return false;
    struct iovec local = {c->bytes, c->want};
    struct iovec remote[2];
    uint64_t first = PAGE - begin % PAGE;
    if (first > c->want)
        first = c->want;
    remote[0] = (struct iovec){(void *)(uintptr_t)begin, first};
    remote[1] = (struct iovec){(void *)(uintptr_t)(begin + first), c->want - first};
    ssize_t got = process_vm_readv(pid, &local, 1, remote, c->want > first ? 2 : 1, 0);
    if (got <= 0)
        return false;
    c->copy.begin = begin;
    c->copy.bytes = c->bytes;
    c->copy.len = (size_t)got;
    c->is_cut = (size_t)got == c->want;
    return true;
}

bool capture_stopped(struct capture *c, pid_t pid, pid_t tid)
{
    struct user_regs_struct regs;
    c->is_valid = false;
    if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) != 0 || regs.cs != CS_64_BIT)
        return false;
    c->copy.registers = (struct registers){
        .value = {regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi, regs.rbp, regs.rsp,
                  regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15,
                  regs.rip},
        .known = (UINT32_C(1) << REGISTERS) - 1,
    };
    c->is_valid = copy_stack(c, pid);
    return c->is_valid;
}

static size_t read_task_file(pid_t pid, pid_t tid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, out, size - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

/* The system call it sleeps in, with its arguments, stack pointer and instruction; then how long
 * it ran and how often it was put on a CPU. Both the same means: it did not run in between. */
static bool describe_sleep(pid_t pid, pid_t tid, char *out, size_t size)
{
    size_t len = read_task_file(pid, tid, "syscall", out, size);
    if (len == 0 || strncmp(out, "running", 7) == 0)
        return false;
    return read_task_file(pid, tid, "schedstat", out + len, size - len) > 0;
}

bool capture_asleep(struct capture *c, pid_t pid, pid_t tid)
{
    c->is_valid = false;
    if (!describe_sleep(pid, tid, c->asleep, sizeof(c->asleep)))
        return false;
    /* "NUMBER ARG0 ... ARG5 SP PC", or "-1 SP PC" outside of a system call: proc_pid_syscall(5) */
    const char *end = strchr(c->asleep, '\n');
    if (!end)
        return false;
    const char *pc_at = end;
    while (pc_at > c->asleep && pc_at[-1] != ' ')
        pc_at--;
    const char *sp_at = pc_at > c->asleep ? pc_at - 1 : c->asleep;
    while (sp_at > c->asleep && sp_at[-1] != ' ')
        sp_at--;
    if (sp_at == c->asleep)
        return false;
    c->copy.registers.known = 0;
    register_set(&c->copy.registers, REGISTER_SP, strtoull(sp_at, NULL, 16));
    register_set(&c->copy.registers, REGISTER_IP, strtoull(pc_at, NULL, 16));
    c->is_valid = copy_stack(c, pid);
    return c->is_valid;
}

bool capture_is_still_asleep(const struct capture *c, pid_t pid, pid_t tid)
{
    char now[sizeof(c->asleep)];
    return describe_sleep(pid, tid, now, sizeof(now)) && strcmp(now, c->asleep) == 0;
}
