#include "collector/procstat/readings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, SECOND = 1000000000 };

static int open_folder(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_file(int folder, const char *name)
{
    return folder >= 0 ? openat(folder, name, O_RDONLY | O_CLOEXEC) : -1;
}

static bool read_text(int fd, char *text, size_t size)
{
    ssize_t got = fd >= 0 ? pread(fd, text, size - 1, 0) : -1;
    if (got <= 0)
        return false;
    text[got] = '\0';
    return true;
}

bool readings_open(struct readings *r, pid_t pid)
{
    int folder = open_folder(pid);
    *r = (struct readings){.pid = pid,
                           .folder = folder,
                           .statm = open_file(folder, "statm"),
                           .stat = open_file(folder, "stat")};
    if (r->statm >= 0 && r->stat >= 0)
        return true;
    readings_close(r);
    return false;
}

void readings_close(struct readings *r)
{
    const int files[] = {r->folder, r->statm, r->stat};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i] >= 0)
            close(files[i]);
    }
    r->folder = r->statm = r->stat = -1;
}

bool readings_parse_statm(const char *text, uint64_t page_bytes, uint64_t *rss_bytes)
{
    char *end;
    (void)strtoull(text, &end, 10);
    if (end == text || *end != ' ')
        return false;
    const char *second = end + 1;
    uint64_t pages = strtoull(second, &end, 10);
    if (end == second)
        return false;
    *rss_bytes = pages * page_bytes;
    return true;
}

/* Fields 14, 15 (user and system ticks) and 20 (threads) of proc(5); the name before them may hold
 * spaces and parentheses. */
bool readings_parse_stat(const char *text, uint64_t *cpu_ticks, uint64_t *threads)
{
    const char *next = strrchr(text, ')');
    if (!next || next[1] != ' ' || next[2] == '\0')
        return false;
    uint64_t field[21] = {0};
    next += 3;
    for (size_t i = 4; i < sizeof(field) / sizeof(field[0]); i++) {
        char *end;
        field[i] = strtoull(next, &end, 10);
        if (end == next)
            return false;
        next = end;
    }
    *cpu_ticks = field[14] + field[15];
    *threads = field[20];
    return true;
}

static bool parse_kilobytes(const char *line, const char *key, uint64_t *sum)
{
    size_t len = strlen(key);
    if (strncmp(line, key, len) != 0)
        return false;
    *sum += strtoull(line + len, NULL, 10) * 1024;
    return true;
}

bool readings_parse_smaps(const char *text, struct readings_detail *out)
{
    struct readings_detail d = {0};
    bool has_pss = false;
    while (text && *text) {
        has_pss |= parse_kilobytes(text, "Pss:", &d.pss_bytes);
        (void)parse_kilobytes(text, "Private_Clean:", &d.uss_bytes);
        (void)parse_kilobytes(text, "Private_Dirty:", &d.uss_bytes);
        (void)parse_kilobytes(text, "Private_Hugetlb:", &d.uss_bytes);
        (void)parse_kilobytes(text, "Swap:", &d.swap_bytes);
        text = strchr(text, '\n');
        if (text)
            text++;
    }
    if (has_pss)
        *out = d;
    return has_pss;
}

/* The process's CPU clock is exact, the ticks in stat are whole hundredths of a second. */
static uint64_t read_cpu_ns(pid_t pid, uint64_t ticks)
{
    struct timespec ts;
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &ts) == 0)
        return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
    long per_second = sysconf(_SC_CLK_TCK);
    return per_second > 0 ? ticks * (SECOND / (uint64_t)per_second) : 0;
}

bool readings_basic(struct readings *r, uint64_t now_ns)
{
    char text[TEXT_MAX];
    uint64_t ticks;
    struct readings_basic b;
    if (!read_text(r->statm, text, sizeof(text)) ||
        !readings_parse_statm(text, (uint64_t)sysconf(_SC_PAGESIZE), &b.rss_bytes) ||
        !read_text(r->stat, text, sizeof(text)) || !readings_parse_stat(text, &ticks, &b.threads) ||
        b.rss_bytes == 0)
        return false; /* no memory left: a zombie */
    uint64_t cpu_ns = read_cpu_ns(r->pid, ticks);
    b.cpu_percent = 0;
    if (r->read_ns != 0 && now_ns > r->read_ns && cpu_ns >= r->cpu_ns)
        b.cpu_percent = 100.0 * (double)(cpu_ns - r->cpu_ns) / (double)(now_ns - r->read_ns);
    r->cpu_ns = cpu_ns;
    r->read_ns = now_ns;
    r->basic = b;
    return true;
}

/* Opened anew each time: an open smaps file is about the memory that the process had when it was
 * opened, and exec takes that away (fs/proc/task_mmu.c, proc_maps_open). */
bool readings_detail(struct readings *r, struct readings_detail *out)
{
    char text[TEXT_MAX];
    int smaps = open_file(r->folder, "smaps_rollup");
    bool is_read = read_text(smaps, text, sizeof(text)) && readings_parse_smaps(text, out);
    if (smaps >= 0)
        close(smaps);
    return is_read;
}
