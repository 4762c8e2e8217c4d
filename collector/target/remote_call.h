#pragma once
/* Calls a function in another process through ptrace, x86-64 only. */

#include <stdint.h>
#include <sys/types.h>

#include "common/base/status.h"

/* In the main thread of `pid`: puts `text` (with its NUL) into a fresh page of the process and
 * calls `function(argument, page)`. The thread then goes on as if nothing had been. STATUS_DENIED
 * when it may not be traced, STATUS_BUSY when the call did not come back within a second. */
enum status remote_call(pid_t pid, uint64_t function, uint64_t argument, const char *text,
                        uint64_t *result, struct error *err);
