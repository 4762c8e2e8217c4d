#pragma once
/* Time in nanoseconds. Sessions count from their own start on the monotonic clock. */

#include <stdbool.h>
#include <stdint.h>

uint64_t clock_monotonic_ns(void);
uint64_t clock_unix_ns(void);
uint64_t clock_thread_cpu_ns(void);  /* CPU time of the calling thread */
uint64_t clock_process_cpu_ns(void); /* CPU time of this process */

/* Sleeps until the monotonic clock shows `deadline_ns`; false when a signal came first. */
bool clock_sleep_until(uint64_t deadline_ns);
