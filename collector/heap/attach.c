/* Bringing the agent into a program that runs already: a few lines of Python load it and say how
 * that went. Both the lines and their answer are memfds of ours, so nothing is left behind
 * anywhere. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/heap/state.h"
#include "collector/target/inject.h"
#include "common/base/buf.h"
#include "common/base/clock.h"

struct heap_attachment {
    struct target_process process;
    enum inject_way way;
    int script_fd, answer_fd;
    enum heap_attach_state state;
};

enum { ANSWER_MAX = 512, PAUSE_MS = 10, RTLD_NOW_NUMBER = 2, RTLD_NOLOAD_NUMBER = 4 };

/* As the agent's attach.c numbers them. */
static const char *const refusals[] = {
    [1] = "another collector follows its allocations",
    [2] = "its Python does not export what the agent needs",
    [3] = "its Python is older than 3.8",
    [4] = "it cannot open this collector's shared memory",
    [5] = "another tool has put its hooks over those of an earlier attach",
};

static void put_quoted(struct buf *out, const char *text)
{
    buf_put_byte(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ')
            buf_printf(out, "\\x%02x", c);
        else
            buf_put_byte(out, c);
    }
    buf_put_byte(out, '"');
}

/* Calls `function` of the agent. First of all the answer is opened: lines that run when we have
 * gone do nothing. ctypes itself is not imported, only its C part, which is small. */
static void put_script(struct buf *out, const struct heap *h, const char *function,
                       const char *argument, int flags)
{
    char answer[64];
    snprintf(answer, sizeof(answer), "/proc/%d/fd/%d", (int)getpid(), h->attachment->answer_fd);
    /* A child that was forked meanwhile has the lines, too. */
    buf_printf(out, "def load():\n import posix\n if posix.getpid() != %d:\n  return\n with open(",
               (int)h->attachment->process.pid);
    put_quoted(out, answer);
    buf_put_text(out, ", 'w') as out:\n  try:\n   import _ctypes\n   agent = _ctypes.dlopen(");
    put_quoted(out, h->agent);
    buf_printf(out, ", %d)\n   code = _ctypes.call_function(_ctypes.dlsym(agent, ", flags);
    put_quoted(out, function);
    buf_put_text(out, "), (");
    if (argument) {
        buf_put_byte(out, 'b');
        put_quoted(out, argument);
        buf_put_byte(out, ',');
    }
    buf_put_text(out, "))\n   out.write('code %d' % code)\n"
                      "  except Exception as why:\n"
                      "   out.write('error %s: %s' % (type(why).__name__, why))\n"
                      "try:\n load()\nexcept Exception:\n pass\n");
}

static enum status send(struct heap *h, const char *function, const char *argument, int flags,
                        struct error *err)
{
    struct heap_attachment *a = h->attachment;
    struct buf script;
    struct buf line;
    char path[64];
    buf_init(&script, 0);
    buf_init(&line, 0);
    put_script(&script, h, function, argument, flags);
    buf_put_byte(&script, '\0');
    /* In a namespace of its own, also where it would be run in the program's. */
    buf_put_text(&line, "exec(");
    put_quoted(&line, (const char *)script.data);
    buf_put_text(&line, ", {})\n");
    buf_put_byte(&line, '\0');
    enum status st = buf_status(&script);
    if (st == STATUS_OK)
        st = buf_status(&line);
    if (st != STATUS_OK) {
        st = error_set(err, st, "no memory for the agent's script");
    } else if (ftruncate(a->answer_fd, 0) != 0 || ftruncate(a->script_fd, 0) != 0 ||
               pwrite(a->script_fd, script.data, script.len - 1, 0) != (ssize_t)script.len - 1) {
        st = error_set(err, STATUS_IO, "cannot write the agent's script: %s", strerror(errno));
    } else {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), a->script_fd);
        st = inject_python(&a->process, a->way, path, (const char *)line.data, err);
    }
    buf_deinit(&script);
    buf_deinit(&line);
    return st;
}

/* What the process could not open, it could not answer either: better said beforehand. */
static enum status check_reach(const struct target_process *p, struct error *err)
{
    static const char *const namespaces[] = {"pid", "mnt"};
    char path[64];
    struct stat theirs;
    struct stat ours;
    snprintf(path, sizeof(path), "/proc/%d", (int)p->pid);
    if (stat(path, &theirs) != 0)
        return error_set(err, STATUS_GONE, "process %d has ended", (int)p->pid);
    if (theirs.st_uid != geteuid() && theirs.st_uid != 0)
        return error_set(err, STATUS_DENIED,
                         "it belongs to another user, who may not open this collector's memory: "
                         "run heliograph as that user");
    for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
        char own[64];
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)p->pid, namespaces[i]);
        snprintf(own, sizeof(own), "/proc/self/ns/%s", namespaces[i]);
        if (stat(path, &theirs) == 0 && stat(own, &ours) == 0 && theirs.st_ino != ours.st_ino)
            return error_set(err, STATUS_UNSUPPORTED,
                             "it runs in a container of its own: run heliograph in there");
    }
    return STATUS_OK;
}

enum status heap_attach(struct heap *h, const struct target_process *process, bool may_inject,
                        struct error *err)
{
    enum inject_way way;
    enum status st = check_reach(process, err);
    if (st == STATUS_OK)
        st = inject_check(process, may_inject, &way, err);
    if (st != STATUS_OK)
        return st;
    struct heap_attachment *a = calloc(1, sizeof(*a));
    if (!a)
        return error_set(err, STATUS_NO_MEMORY, "no memory for the heap");
    a->process = *process;
    a->way = way;
    a->script_fd = memfd_create("heliograph-script", MFD_CLOEXEC);
    a->answer_fd = memfd_create("heliograph-answer", MFD_CLOEXEC);
    h->attachment = a;
    if (a->script_fd < 0 || a->answer_fd < 0)
        st = error_set(err, STATUS_IO, "cannot make a memfd: %s", strerror(errno));
    if (st == STATUS_OK)
        st = send(h, "heliograph_agent_attach", ring_region_path(h->region), RTLD_NOW_NUMBER, err);
    if (st == STATUS_OK)
        a->state = HEAP_ATTACH_WAITING;
    else
        heap_attachment_free(h);
    return st;
}

/* What the lines answered; empty when they have not run yet. */
static size_t read_answer(const struct heap_attachment *a, char *out, size_t size)
{
    ssize_t got = pread(a->answer_fd, out, size - 1, 0);
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

enum heap_attach_state heap_attach_state(struct heap *h, char *reason, size_t size)
{
    char answer[ANSWER_MAX];
    struct heap_attachment *a = h->attachment;
    reason[0] = '\0';
    if (!a)
        return HEAP_ATTACH_NONE;
    if (a->state == HEAP_ATTACH_WAITING && read_answer(a, answer, sizeof(answer)) > 0) {
        unsigned long code =
            strncmp(answer, "code ", 5) == 0 ? strtoul(answer + 5, NULL, 10) : UINT32_MAX;
        a->state = code == 0 ? HEAP_ATTACH_DONE : HEAP_ATTACH_FAILED;
        if (code != 0)
            snprintf(reason, size, "%s",
                     code < sizeof(refusals) / sizeof(refusals[0]) ? refusals[code] : answer);
    }
    return a->state;
}

bool heap_detach(struct heap *h, uint32_t wait_ms)
{
    char answer[ANSWER_MAX];
    struct heap_attachment *a = h->attachment;
    if (!a || (a->state != HEAP_ATTACH_DONE && a->state != HEAP_ATTACH_WAITING))
        return true;
    if (a->state == HEAP_ATTACH_WAITING &&
        heap_attach_state(h, answer, sizeof(answer)) == HEAP_ATTACH_WAITING) {
        inject_cancel(&a->process, a->way);
        return true;
    }
    if (a->state != HEAP_ATTACH_DONE || kill(a->process.pid, 0) != 0)
        return true;
    if (send(h, "heliograph_agent_detach", NULL, RTLD_NOW_NUMBER | RTLD_NOLOAD_NUMBER, NULL) !=
        STATUS_OK)
        return false;
    for (uint32_t waited = 0;; waited += PAUSE_MS) {
        if (read_answer(a, answer, sizeof(answer)) > 0)
            return strcmp(answer, "code 0") == 0;
        if (waited >= wait_ms || kill(a->process.pid, 0) != 0)
            return kill(a->process.pid, 0) != 0;
        (void)clock_sleep_until(clock_monotonic_ns() + PAUSE_MS * UINT64_C(1000000));
    }
}

void heap_attachment_free(struct heap *h)
{
    struct heap_attachment *a = h->attachment;
    if (!a)
        return;
    if (a->script_fd >= 0)
        close(a->script_fd);
    if (a->answer_fd >= 0)
        close(a->answer_fd);
    free(a);
    h->attachment = NULL;
}
