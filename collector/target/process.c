#include "collector/target/process.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROC_FILE_MAX = 16 << 20, READ_STEP = 4096 };

static bool read_all(int fd, struct buf *out)
{
    for (;;) {
        size_t before = out->len;
        uint8_t *room = buf_grow(out, READ_STEP);
        if (!room)
            return false;
        ssize_t got = read(fd, room, READ_STEP);
        out->len = before + (got > 0 ? (size_t)got : 0);
        if (got < 0)
            return false;
        if (got == 0)
            break;
    }
    buf_put_byte(out, 0);
    return buf_status(out) == STATUS_OK;
}

bool process_read_file(pid_t pid, const char *name, struct buf *out)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    buf_clear(out);
    bool is_read = read_all(fd, out);
    close(fd);
    return is_read;
}

bool process_stat(pid_t pid, struct process_stat *out)
{
    struct buf file;
    buf_init(&file, PROC_FILE_MAX);
    bool is_read = process_read_file(pid, "stat", &file);
    /* The name may hold spaces and parentheses: what counts comes after the last one. */
    const char *at = is_read ? strrchr((const char *)file.data, ')') : NULL;
    struct process_stat stat = {0};
    is_read = false;
    if (at && at[1] == ' ' && at[2] != '\0') {
        stat.state = at[2];
        unsigned long long field[30] = {0}; /* field[i] is field i of proc(5) */
        const char *next = at + 3;
        size_t i = 4;
        for (; i < sizeof(field) / sizeof(field[0]); i++) {
            char *end;
            field[i] = strtoull(next, &end, 10);
            if (end == next)
                break;
            next = end;
        }
        is_read = i > 28;
        stat.parent = (pid_t)field[4];
        stat.user_ticks = field[14];
        stat.system_ticks = field[15];
        stat.threads = field[20];
        stat.start_ticks = field[22];
        stat.stack_address = field[28];
    }
    buf_deinit(&file);
    if (is_read)
        *out = stat;
    return is_read;
}

static void make_printable(char *text)
{
    for (char *c = text; *c; c++) {
        if (iscntrl((unsigned char)*c))
            *c = '?';
    }
}

void process_command(pid_t pid, char *out, size_t size)
{
    struct buf file;
    buf_init(&file, PROC_FILE_MAX);
    out[0] = '\0';
    if (process_read_file(pid, "cmdline", &file) && file.len > 1) {
        size_t len = file.len - 1;
        while (len > 0 && file.data[len - 1] == '\0')
            len--;
        if (len > size - 1)
            len = size - 1;
        for (size_t i = 0; i < len; i++)
            out[i] = file.data[i] ? (char)file.data[i] : ' ';
        out[len] = '\0';
    } else if (process_read_file(pid, "comm", &file) && file.len > 1) {
        file.data[strcspn((const char *)file.data, "\n")] = '\0';
        snprintf(out, size, "[%s]", (const char *)file.data);
    }
    make_printable(out);
    buf_deinit(&file);
}

bool process_threads(pid_t pid, process_visit_fn visit, void *ctx)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return false;
    for (struct dirent *entry; (entry = readdir(tasks));) {
        char *end;
        long tid = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && tid > 0)
            visit(ctx, (pid_t)tid);
    }
    closedir(tasks);
    return true;
}

struct children {
    pid_t pid;
    struct buf file;
    process_visit_fn visit;
    void *ctx;
    bool is_read;
};

static void children_of_thread(void *ctx, pid_t tid)
{
    struct children *c = ctx;
    char name[64];
    snprintf(name, sizeof(name), "task/%d/children", (int)tid);
    if (!process_read_file(c->pid, name, &c->file))
        return;
    c->is_read = true;
    for (const char *next = (const char *)c->file.data;;) {
        char *end;
        long child = strtol(next, &end, 10);
        if (end == next)
            break;
        if (child > 0)
            c->visit(c->ctx, (pid_t)child);
        next = end;
    }
}

/* For kernels without CONFIG_PROC_CHILDREN: every process is asked for its parent. */
static bool children_by_search(pid_t pid, process_visit_fn visit, void *ctx)
{
    DIR *all = opendir("/proc");
    if (!all)
        return false;
    for (struct dirent *entry; (entry = readdir(all));) {
        char *end;
        long other = strtol(entry->d_name, &end, 10);
        struct process_stat stat;
        if (*end == '\0' && other > 0 && process_stat((pid_t)other, &stat) && stat.parent == pid)
            visit(ctx, (pid_t)other);
    }
    closedir(all);
    return true;
}

bool process_children(pid_t pid, process_visit_fn visit, void *ctx)
{
    struct children c = {.pid = pid, .visit = visit, .ctx = ctx};
    buf_init(&c.file, PROC_FILE_MAX);
    bool is_alive = process_threads(pid, children_of_thread, &c);
    buf_deinit(&c.file);
    if (is_alive && !c.is_read)
        return children_by_search(pid, visit, ctx);
    return is_alive;
}

/* The last number of "NSpid:" in a status file: the id in the innermost namespace, proc(5). Kernels
 * before 4.1 have none. */
static pid_t innermost_id(pid_t pid, const char *name, pid_t otherwise)
{
    static const char key[] = "\nNSpid:";
    struct buf file;
    buf_init(&file, PROC_FILE_MAX);
    pid_t id = otherwise;
    const char *at =
        process_read_file(pid, name, &file) ? strstr((const char *)file.data, key) : NULL;
    if (at) {
        const char *end = at + sizeof(key) - 1;
        end += strcspn(end, "\n");
        while (end > at && end[-1] >= '0' && end[-1] <= '9')
            end--;
        long number = strtol(end, NULL, 10);
        if (number > 0 && number <= INT32_MAX)
            id = (pid_t)number;
    }
    buf_deinit(&file);
    return id;
}

pid_t process_inner_pid(pid_t pid)
{
    return innermost_id(pid, "status", pid);
}

struct tid_search {
    pid_t pid, inner, outer;
};

static void compare_tid(void *ctx, pid_t id)
{
    struct tid_search *s = ctx;
    char name[48];
    if (s->outer != 0)
        return;
    snprintf(name, sizeof(name), "task/%d/status", (int)id);
    if (innermost_id(s->pid, name, 0) == s->inner)
        s->outer = id;
}

pid_t process_outer_tid(pid_t pid, pid_t tid)
{
    if (process_inner_pid(pid) == pid)
        return tid;
    struct tid_search s = {.pid = pid, .inner = tid};
    process_threads(pid, compare_tid, &s);
    return s.outer;
}
