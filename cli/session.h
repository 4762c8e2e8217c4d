#pragma once
/* One profiling session: a target, the stream of what is learnt of it, and its way to a server or
 * file. What `run` and `attach` share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/session_plan.h"
#include "collector/target/target.h"
#include "common/base/status.h"
#include "common/wire/wire.h"

struct session;

/* Makes ready what must be there before the target is started. The plan is borrowed until
 * session_open. */
enum status session_new(struct session **out, const struct session_plan *plan, struct error *err);

/* What a command is to be started with so that its allocations are followed; NULL = nothing. */
const char *const *session_environment(const struct session *s);

/* Starts sampling and connects (when there is a server). */
enum status session_open(struct session *s, struct target *target, struct error *err);

/* To be called every 100 ms or so from the thread that updates the target: counters, and why a
 * process has no stacks. */
void session_update(struct session *s);

/* What a person asked for, at the page or by signal: pause, rate, end. Any thread. */
void session_control(struct session *s, const struct wire_control *control);

/* Pauses, or goes on. */
void session_toggle_pause(struct session *s);

const char *session_id(const struct session *s);
const char *session_url(const struct session *s); /* "" without a server */
bool session_is_connected(const struct session *s);
bool session_is_stopped(const struct session *s); /* a person at the page stopped it */

struct session_summary {
    uint64_t samples, torn, missed, dropped;
    double collector_cpu_s;
    bool has_stacks;
    char reason[TARGET_REASON_MAX]; /* why not */
};

/* Frees a session that was not opened. Takes NULL. */
void session_free(struct session *s);

/* Sends the rest and frees. `exit_status` as in wire_bye; STATUS_UNREACHABLE when the server did
 * not acknowledge all of it. */
enum status session_close(struct session *s, int exit_status, const char *reason,
                          struct session_summary *summary, struct error *err);
