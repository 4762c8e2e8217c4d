#pragma once
/* What this machine lets us read, and what a person can do when it does not. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/status.h"

struct target_permission {
    bool has_ptrace_capability; /* CAP_SYS_PTRACE in the effective set */
    int yama_scope;             /* /proc/sys/kernel/yama/ptrace_scope; -1 = no Yama */
    bool is_root;
    bool is_container; /* as far as one can tell from inside */
    bool has_filter;   /* a seccomp filter stands between us and the kernel */
    bool can_read_children;
    bool can_read_others; /* of the same user */
    bool can_see_sleep;   /* where a thread sleeps: /proc/PID/task/TID/syscall */
};

void target_permission(struct target_permission *out);

/* Lines for `heliograph doctor`: what is allowed, and the command that allows the rest. */
void target_describe_permission(struct buf *out);

/* Who was not let in, and to what. */
struct target_denied {
    pid_t pid;
    uid_t owner, reader; /* real user of the process, our effective one */
    bool is_undumpable;  /* it, or the kernel for it, said no to all: setuid, PR_SET_DUMPABLE */
    bool is_other_space; /* of another user namespace, where our capabilities do not count */
};

/* What exactly is missing, and what a person can do: fits a target's `reason`. */
void target_explain_denied(const struct target_permission *p, const struct target_denied *d,
                           struct error *err);

/* Tries to read `pid`. STATUS_OK; STATUS_GONE; STATUS_DENIED with the reason and the cure. */
enum status target_check_readable(pid_t pid, struct error *err);
