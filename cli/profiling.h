#pragma once
/* The course of `run` and `attach`: server, session, following the target, the end.
 *
 * Prepare, set `target`, start, follow, finish. Finish takes whatever state the
 * others left and gives the exit code. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/embedded.h"
#include "cli/options.h"
#include "cli/session.h"

struct profiling {
    const struct args *args;
    struct session_plan plan;
    struct embedded server;
    bool has_server; /* of our own, or shared with another Heliograph */
    struct target *target;
    struct session *session;
    bool is_attached;
    bool is_viewer_wanted; /* stay and serve after the end */
    double duration_s;     /* 0 = to the end of the target */
    int signal_fd;
    const char *end_reason;
    char *attached_argv[2];
    char attached_command[TARGET_COMMAND_MAX];
};

/* Reads the options, starts the server when one is needed, makes the session ready. */
enum status profiling_prepare(struct profiling *p, const struct args *args, bool is_attached,
                              struct error *err);

/* Names an attached process by its command line. */
void profiling_name_process(struct profiling *p, pid_t pid);

/* Takes over SIGINT, SIGTERM and SIGHUP, opens the session and says where to look. */
enum status profiling_start(struct profiling *p, struct error *err);

/* Until the target ends, the time is over or a signal asks to stop. */
void profiling_follow(struct profiling *p);

int profiling_finish(struct profiling *p);
