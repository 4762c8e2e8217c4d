#pragma once
/* Another process's memory, through process_vm_readv. */

#include <sys/types.h>

#include "collector/python/memory_reader.h"

enum { TARGET_MEMORY_PAGE = 4096 };

/* Reads what is asked and, when it is small, the page around it, since one call costs the same.
 * Not for several threads at once. */
struct target_memory {
    pid_t pid;
    uint64_t reads;
    int error; /* errno of the last failure */
    uint64_t big_size;
    uint8_t *big;
    uint8_t page[TARGET_MEMORY_PAGE];
};

void target_memory_init(struct target_memory *m, pid_t pid);
void target_memory_deinit(struct target_memory *m);

/* Valid as long as `m` stays where it is. */
struct memory_reader target_memory_reader(struct target_memory *m);
