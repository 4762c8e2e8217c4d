/* heliograph dump and doctor: one look at a process, and at what this machine permits. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/local.h"
#include "collector/sampler/sampler.h"
#include "collector/target/permission.h"
#include "common/base/log.h"

enum { LOCALS_BYTES = 200, LOCALS_BYTES_MAX = 65536 };

static enum status read_async(const char *text, bool *tasks, struct error *err)
{
    *tasks = text && strcmp(text, "all") == 0;
    if (text && !*tasks && strcmp(text, "running") != 0)
        return error_set(err, STATUS_USAGE, "--async is running or all, not \"%s\"", text);
    return STATUS_OK;
}

static int dump(const struct args *args)
{
    struct error err = {0};
    char *end;
    errno = 0;
    long pid = strtol(args->words[0], &end, 10);
    if (errno || *end || pid <= 0 || pid > INT32_MAX) {
        error_set(&err, STATUS_USAGE, "\"%s\" is not a process number", args->words[0]);
        return local_fail(STATUS_USAGE, &err);
    }
    struct buf out;
    uint64_t locals_bytes = LOCALS_BYTES;
    bool tasks = false;
    enum status st = args_size(args, "locals-size", &locals_bytes, &err);
    if (st == STATUS_OK && (locals_bytes < 16 || locals_bytes > LOCALS_BYTES_MAX))
        st = error_set(&err, STATUS_USAGE, "--locals-size is 16 to %d bytes", LOCALS_BYTES_MAX);
    if (st == STATUS_OK)
        st = read_async(args_text(args, "async"), &tasks, &err);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    buf_init(&out, 0);
    struct sampler_dump_options options = {
        .json = args_flag(args, "json", false),
        .native = args_flag(args, "native", false) || args_flag(args, "interpreter", false),
        .native_interpreter = args_flag(args, "interpreter", false),
        .columns = args_flag(args, "columns", false),
        .tasks = tasks,
        .locals_bytes = args_flag(args, "locals", false) ? (uint32_t)locals_bytes : 0,
    };
    st = sampler_dump((pid_t)pid, &options, &out, &err);
    if (st == STATUS_OK)
        st = local_write("-", out.data, out.len, &err);
    buf_deinit(&out);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

static const struct option_row dump_options[] = {
    {"json", 'j', NULL, "as JSON", NULL, NULL},
    {"native", 0, NULL, "C, C++ and Rust frames too, also of programs without Python", NULL, NULL},
    {"locals", 'l', NULL, "the variables of each frame, and what they hold", NULL, NULL},
    {"locals-size", 0, "BYTES", "of what a variable holds, at most this is shown", "200", NULL},
    {"async", 0, "running|all", "asyncio's tasks: those that run, or those that wait too",
     "running", NULL},
    {"columns", 0, NULL, "which part of its line runs (CPython 3.11 and later)", NULL, NULL},
    {"interpreter", 0, NULL, "--native with the interpreter's own functions", NULL, NULL},
    {0},
};

const struct command command_dump = {
    .name = "dump",
    .usage = "[options] PID",
    .summary = "print the stacks of all threads of a process, once",
    .options = dump_options,
    .min_words = 1,
    .max_words = 1,
    .run = dump,
};

static int doctor(const struct args *args)
{
    (void)args;
    struct error err = {0};
    struct buf out;
    buf_init(&out, 0);
    target_describe_permission(&out);
    char path[4096];
    struct error store_err = {0};
    if (library_default_path(path, sizeof(path), &store_err) == STATUS_OK) {
        char url[256];
        local_server_url(NULL, url, sizeof(url));
        buf_printf(&out, "store: %s%s%s\n", path, url[0] ? ", served at " : "", url);
    } else {
        buf_printf(&out, "store: %s\n", store_err.text);
    }
    enum status st = local_write("-", out.data, out.len, &err);
    buf_deinit(&out);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

static const struct option_row doctor_options[] = {{0}};

const struct command command_doctor = {
    .name = "doctor",
    .usage = "",
    .summary = "say what this machine permits and what to do about it",
    .options = doctor_options,
    .max_words = 0,
    .run = doctor,
};
