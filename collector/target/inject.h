#pragma once
/* Has a Python that runs already run a few lines of our own, in its main thread, at a point where
 * it is safe to: the interpreter chooses it.
 *
 * From 3.14 on Python takes such lines (PEP 768): their path is written where it looks. Before, one
 * function of Python is called through ptrace: Py_AddPendingCall, which may be called at any time
 * from any thread and leaves the lines for the interpreter to run. Its thread stands still for
 * well under a millisecond and then goes on where it was, a system call included; but some calls
 * (epoll_wait) end with EINTR then, so this is only done for who asks for it. */

#include "collector/target/target.h"

enum inject_way {
    INJECT_ASK,  /* Python's own protocol */
    INJECT_CALL, /* a call through ptrace */
};

/* How it can be done. STATUS_UNSUPPORTED with the reason, and the option that would help. */
enum status inject_check(const struct target_process *process, bool may_call, enum inject_way *way,
                         struct error *err);

/* Leaves the lines for the program to run; does not wait until it has. `path` is a file with them
 * that the process can open, `text` the lines themselves. */
enum status inject_python(const struct target_process *process, enum inject_way way,
                          const char *path, const char *text, struct error *err);

/* Takes back what has not been run yet, where that can be done (INJECT_ASK). */
void inject_cancel(const struct target_process *process, enum inject_way way);
