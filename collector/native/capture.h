#pragma once
/* Takes one thread's registers and a copy of its stack.
 *
 * Of a thread that stands still for ptrace: all registers, then one process_vm_readv. Of one that
 * sleeps in a system call: /proc/PID/task/TID/syscall has its stack pointer and instruction, so it
 * need not be stopped; asked again afterwards, with its count of turns on a CPU, it must not have
 * moved. Nothing is unwound here: the thread goes on meanwhile. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/native/stack_copy.h"

enum {
    CAPTURE_FIRST = 16 << 10, /* bytes copied of a thread whose need is not known */
    CAPTURE_MAX = 1 << 20,
};

struct capture {
    struct stack_copy copy;
    bool is_valid;
    bool is_cut; /* the copy ends where it does because of `want`, not of the stack */
    size_t want; /* bytes to copy next time: grows when an unwind came short */
    uint8_t *bytes;
    size_t bytes_cap;
    char asleep[192]; /* what the kernel said of the sleeping thread */
};

void capture_init(struct capture *c);
void capture_deinit(struct capture *c);

/* Of a thread that stands still for this thread's ptrace. False: `is_valid` is false too. */
bool capture_stopped(struct capture *c, pid_t pid, pid_t tid);

/* Of a thread in a system call; false when it is not in one. */
bool capture_asleep(struct capture *c, pid_t pid, pid_t tid);

/* Whether it has slept ever since capture_asleep. What else was read of it meanwhile is then of
 * the same moment. */
bool capture_is_still_asleep(const struct capture *c, pid_t pid, pid_t tid);

/* After an unwind that came short: more next time, up to CAPTURE_MAX. */
void capture_ask_for_more(struct capture *c);
