#pragma once
/* One profiling session: a target, the stream of what is learnt of it, and its way to a server or
 * file. What `run` and `attach` share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "collector/target/target.h"
#include "common/base/ident.h"
#include "common/base/status.h"
#include "common/wire/wire.h"

struct session;

struct session_plan {
    const char *server_url; /* NULL = none */
    const char *token, *name, *save_path;
    const char *const *tags;  /* "K=V", NULL-ended */
    const char *const *spans; /* patterns of functions, NULL-ended */
    double rate_hz;           /* 0 = no stacks */
    const char *mode;         /* "wall", "cpu", "gil", "exception" */
    double interval_s;        /* of the memory series */
    const char *memory;       /* "off", "sampled", "exact"; NULL = sampled if there is an agent */
    uint64_t memory_every;    /* bytes between samples; 0 = the agent's own */
    bool is_quiet, is_attached, never_stop, exceptions, may_inject;
    bool may_send_sources;            /* when somebody at the page asks */
    bool is_native, with_interpreter; /* native frames; the interpreter's own too */
    char *const *argv;                /* what the profile is of */
    int argc;
};

/* The options of run and attach that make a plan; a table row for each is in SESSION_OPTIONS. */
#define SESSION_OPTIONS                                                                              \
    {                                                                                                \
        "server",           0, "URL", "send to this server instead of starting one", NULL,           \
        "HELIOGRAPH_SERVER"},                                                                        \
        {"token", 0, "T", "the server's token", NULL, "HELIOGRAPH_TOKEN"},                           \
        {"name", 'n', "N", "what to call the profile", "made from the command", NULL},               \
        {"tag", 't', "K=V", "a tag; may be given several times", NULL, NULL},                        \
        {"rate", 'r', "HZ", "samples a second of every thread", "100", NULL},                        \
        {"mode",                                                                                     \
         'm',                                                                                        \
         "wall|cpu|gil|exception",                                                                   \
         "which threads to sample: all, those on a CPU, the GIL's, those with an exception",         \
         "wall",                                                                                     \
         NULL},                                                                                      \
        {"exceptions", 0,   NULL, "note in every mode who raises or handles an exception",           \
         NULL,         NULL},                                                                        \
        {"never-stop", 0,   NULL, "never pause a thread for a sample that changes while it is read", \
         NULL,         NULL},                                                                        \
        {"span", 0,   "MODULE.FUNCTION", "mark when this function ran (globs; several times)",       \
         NULL,   NULL},                                                                              \
        {"native", 0,   NULL, "C, C++ and Rust frames too, also of programs without Python",         \
         NULL,     NULL},                                                                            \
        {"interpreter", 0, NULL, "--native with the interpreter's own functions", NULL, NULL},       \
        {"no-stacks", 0, NULL, "follow memory only", NULL, NULL},                                    \
        {"memory",  0,   "off|sampled|exact", "follow allocations; attach: only when it is given",   \
         "sampled", NULL},                                                                           \
        {"memory-every", 0, "BYTES", "mean distance of sampled allocations", "512KiB", NULL},        \
        {"interval", 'i', "S", "between readings of the memory's size", "0.1", NULL},                \
        {"sources", 0, NULL, "let the page ask for source files; --no-sources refuses", NULL, NULL}, \
        {"children", 0,   NULL, "follow child processes; --no-children for the root only",           \
         NULL,       NULL},                                                                          \
        {"duration", 'd', "S", "profile for this long, then let go", NULL, NULL},                    \
        {"save", 'o', "FILE", "also write the profile to FILE (.heliograph)", NULL, NULL},           \
        {"store", 0, "PATH", "store of the server that is started", "the default store", NULL},      \
        {"open", 0, NULL, "open the page in the browser; --no-open to only print it", NULL, NULL},   \
    {                                                                                                \
        "quiet", 'q', NULL, "say only what went wrong", NULL, NULL                                   \
    }

enum status session_plan_read(struct session_plan *out, const struct args *args, struct error *err);

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
