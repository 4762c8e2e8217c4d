/* heliograph run: profile a command. */

#include "cli/commands.h"
#include "cli/embedded.h"
#include "cli/profiling.h"
#include "cli/session.h"
#include "common/base/log.h"

static int run(const struct args *args)
{
    struct error err;
    struct profiling p;
    enum status st = profiling_prepare(&p, args, false, &err);
    if (st != STATUS_OK) {
        log_error("%s", err.text);
        return status_exit_code(st);
    }
    struct target_options options = {.follow_children = args_flag(args, "children", true),
                                     .env = session_environment(p.session)};
    st = target_spawn(&p.target, args->words, &options, &err);
    if (st == STATUS_OK)
        st = profiling_start(&p, &err);
    if (st != STATUS_OK) {
        log_error("%s", err.text);
        /* A program that could not be watched still runs to its end; one that could not be
         * started leaves the shell's codes: 127 not found, 126 not executable. */
        if (!p.target) {
            profiling_finish(&p);
            return st == STATUS_NOT_FOUND ? 127 : st == STATUS_DENIED ? 126 : status_exit_code(st);
        }
        log_warn("the program runs without being profiled");
    }
    profiling_follow(&p);
    return profiling_finish(&p);
}

static const struct option_row options[] = {SESSION_OPTIONS, {0}};

const struct command command_run = {
    .name = "run",
    .usage = "[options] [--] COMMAND [ARG...]",
    .summary = "profile a command and show it live in the browser",
    .details =
        "Starts COMMAND, samples the Python stacks of all its threads and processes from outside,\n"
        "follows its memory, and serves the page on the first free port from 7700 (loopback "
        "only).\n"
        "After the command has ended the page stays until Ctrl-C; with --duration or --save and\n"
        "--no-open it ends by itself. The exit code is the command's own (128 + signal).",
    .options = options,
    .stops_at_word = true,
    .min_words = 1,
    .max_words = -1,
    .run = run,
};
