#include "collector/target/inject.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "collector/python/debugger.h"
#include "collector/target/memory.h"
#include "collector/target/python_find.h"
#include "collector/target/remote_call.h"

enum { INTERPRETERS_MAX = 1024 };

static bool write_memory(pid_t pid, uint64_t address, const void *data, size_t len)
{
    union {
        const void *given;
        void *wanted;
    } bytes = {.given = data}; /* process_vm_writev only reads it */
    struct iovec local = {.iov_base = bytes.wanted, .iov_len = len};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = len};
    return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

struct asked {
    struct python_debugger debugger;
    uint64_t tstate; /* the main thread's, of the main interpreter */
    bool is_enabled;
};

/* False when this Python takes no scripts. */
static bool look(const struct target_process *p, const struct memory_reader *reader,
                 struct asked *out)
{
    uint8_t runtime[PYTHON_DEBUG_OFFSETS_MAX];
    uint64_t interp;
    int32_t is_enabled;
    if (!memory_read(reader, p->python.runtime, runtime, sizeof(runtime)) ||
        !python_debugger_init(&out->debugger, runtime, sizeof(runtime)) ||
        !memory_read_u64(reader, p->python.runtime + p->python.layout.runtime_interpreters_head,
                         &interp))
        return false;
    for (int i = 0; i < INTERPRETERS_MAX; i++) { /* the main one is the last of the list */
        uint64_t next;
        if (!memory_read_u64(reader, interp + p->python.layout.interp_next, &next))
            return false;
        if (next == 0)
            break;
        interp = next;
    }
    if (!memory_read_u64(reader, interp + out->debugger.interp_main_thread, &out->tstate) ||
        !memory_read(reader, interp + out->debugger.interp_enabled, &is_enabled,
                     sizeof(is_enabled)) ||
        out->tstate == 0)
        return false;
    out->is_enabled = is_enabled == 1;
    return true;
}

enum status inject_check(const struct target_process *process, bool may_call, enum inject_way *way,
                         struct error *err)
{
    struct target_memory memory;
    struct asked asked;
    if (process->state != TARGET_PYTHON_READY)
        return error_set(err, STATUS_UNSUPPORTED, "%s",
                         process->reason[0] ? process->reason : "its Python is not ready");
    target_memory_init(&memory, process->pid);
    struct memory_reader reader = target_memory_reader(&memory);
    bool takes_scripts = look(process, &reader, &asked);
    target_memory_deinit(&memory);
    if (may_call || (takes_scripts && asked.is_enabled)) {
        *way = takes_scripts && asked.is_enabled ? INJECT_ASK : INJECT_CALL;
        return STATUS_OK;
    }
    if (takes_scripts)
        return error_set(err, STATUS_UNSUPPORTED,
                         "its Python was told to take no scripts (PYTHON_DISABLE_REMOTE_DEBUG); "
                         "--inject loads the agent through ptrace instead");
    return error_set(err, STATUS_UNSUPPORTED,
                     "Python %s takes no scripts from outside (3.14 does); --inject loads the "
                     "agent through ptrace instead",
                     process->python.version);
}

static enum status ask(const struct target_process *p, const char *path, struct error *err)
{
    struct target_memory memory;
    struct asked asked;
    target_memory_init(&memory, p->pid);
    struct memory_reader reader = target_memory_reader(&memory);
    bool is_there = look(p, &reader, &asked);
    const struct python_debugger *d = &asked.debugger;
    uint64_t breaker = 0;
    int32_t pending = 1;
    size_t len = strlen(path) + 1;
    if (is_there && len <= d->script_bytes &&
        write_memory(p->pid, asked.tstate + d->tstate_script, path, len) &&
        write_memory(p->pid, asked.tstate + d->tstate_pending, &pending, sizeof(pending)) &&
        memory_read_u64(&reader, asked.tstate + d->tstate_breaker, &breaker)) {
        breaker |= PYTHON_DEBUGGER_STOP_BIT;
        is_there =
            write_memory(p->pid, asked.tstate + d->tstate_breaker, &breaker, sizeof(breaker));
    } else {
        is_there = false;
    }
    target_memory_deinit(&memory);
    return is_there ? STATUS_OK
                    : error_set(err, STATUS_DENIED, "cannot write to process %d: %s", (int)p->pid,
                                strerror(errno));
}

static enum status call(const struct target_process *p, const char *text, struct error *err)
{
    uint64_t add_pending;
    uint64_t run_string;
    uint64_t result;
    if (!python_find_symbol(p->pid, "Py_AddPendingCall", &add_pending) ||
        !python_find_symbol(p->pid, "PyRun_SimpleString", &run_string))
        return error_set(err, STATUS_UNSUPPORTED,
                         "its Python does not export the functions that are needed");
    enum status st = remote_call(p->pid, add_pending, run_string, text, &result, err);
    if (st == STATUS_OK && (int32_t)result != 0)
        st = error_set(err, STATUS_BUSY, "the program has too many calls pending");
    return st;
}

enum status inject_python(const struct target_process *process, enum inject_way way,
                          const char *path, const char *text, struct error *err)
{
    return way == INJECT_ASK ? ask(process, path, err) : call(process, text, err);
}

void inject_cancel(const struct target_process *process, enum inject_way way)
{
    struct target_memory memory;
    struct asked asked;
    int32_t pending = 0;
    if (way != INJECT_ASK)
        return;
    target_memory_init(&memory, process->pid);
    struct memory_reader reader = target_memory_reader(&memory);
    if (look(process, &reader, &asked))
        (void)write_memory(process->pid, asked.tstate + asked.debugger.tstate_pending, &pending,
                           sizeof(pending));
    target_memory_deinit(&memory);
}
