#pragma once
/* The kernel's figures of one process: /proc/PID/{statm,stat,smaps_rollup} and its CPU clock. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct readings_basic {
    uint64_t rss_bytes;
    uint64_t threads;
    double cpu_percent; /* of one core, since the reading before */
};

struct readings_detail {
    uint64_t pss_bytes; /* shared pages divided by their users */
    uint64_t uss_bytes; /* pages that nobody else uses */
    uint64_t swap_bytes;
};

struct readings {
    pid_t pid;
    int folder, statm, stat; /* kept open: a reused pid cannot be mistaken for it */
    uint64_t cpu_ns, read_ns;
    struct readings_basic basic;
};

bool readings_open(struct readings *r, pid_t pid);
void readings_close(struct readings *r);

/* Fills r->basic; false when the process is gone. */
bool readings_basic(struct readings *r, uint64_t now_ns);

/* The kernel walks all its pages: milliseconds for a big process, of which the process itself may
 * have to wait for some. False when the kernel does not tell (any more). */
bool readings_detail(struct readings *r, struct readings_detail *out);

/* The parsers, for text with a NUL behind it. */
bool readings_parse_statm(const char *text, uint64_t page_bytes, uint64_t *rss_bytes);
bool readings_parse_stat(const char *text, uint64_t *cpu_ticks, uint64_t *threads);
bool readings_parse_smaps(const char *text, struct readings_detail *out);
