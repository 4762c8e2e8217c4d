/* heliograph attach: profile a process that runs already. */

#include <errno.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/profiling.h"
#include "cli/session.h"
#include "common/base/log.h"

static int attach(const struct args *args)
{
    struct error err;
    char *end;
    errno = 0;
    long pid = strtol(args->words[0], &end, 10);
    if (errno || *end || pid <= 0 || pid > INT32_MAX) {
        log_error("\"%s\" is not a process number", args->words[0]);
        return status_exit_code(STATUS_USAGE);
    }
    struct profiling p;
    enum status st = profiling_prepare(&p, args, true, &err);
    if (st != STATUS_OK) {
        log_error("%s", err.text);
        return status_exit_code(st);
    }
    struct target_options options = {.follow_children = args_flag(args, "children", true)};
    st = target_attach(&p.target, (pid_t)pid, &options, &err);
    if (st == STATUS_OK) {
        profiling_name_process(&p, (pid_t)pid);
        st = profiling_start(&p, &err);
    }
    if (st != STATUS_OK) {
        log_error("%s", err.text);
        profiling_finish(&p);
        return status_exit_code(st);
    }
    profiling_follow(&p);
    return profiling_finish(&p);
}

static const struct option_row options[] = {
    SESSION_OPTIONS,
    {"inject", 0, NULL, "with --memory: load the agent through ptrace where Python cannot be asked",
     NULL, NULL},
    {0}};

const struct command command_attach = {
    .name = "attach",
    .usage = "[options] PID",
    .summary = "profile a running process and leave it running",
    .details =
        "Samples the Python stacks of PID and its children from outside and follows their memory.\n"
        "Nothing is loaded into the process, unless --memory asks for its allocations: then "
        "Python\n"
        "3.14 or later is asked to load the agent, and an older one only with --inject. Ctrl-C "
        "ends\n"
        "the profile, not the process; heliograph doctor says what this machine permits.",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = attach,
};
