#pragma once
/* What the options of run and attach ask of a session, and how it introduces itself to a server. */

#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"
#include "collector/sampler/sampler.h"
#include "common/base/ident.h"
#include "common/base/status.h"
#include "common/wire/wire.h"

enum { SESSION_TAGS_MAX = 64, SESSION_ARGV_MAX = 256 };

struct session_plan {
    const char *server_url; /* NULL = none */
    const char *token, *name, *save_path;
    const char *const *tags;  /* "K=V", NULL-ended */
    const char *const *spans; /* patterns of functions, NULL-ended */
    double rate_hz;           /* 0 = no stacks */
    enum sampler_mode mode;
    double interval_s;     /* of the memory series */
    const char *memory;    /* "off", "sampled", "exact"; NULL = sampled if there is an agent */
    uint64_t memory_every; /* bytes between samples; 0 = the agent's own */
    bool is_quiet, is_attached, never_stop, exceptions, columns, may_inject;
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
        {"columns", 0,   NULL, "record which part of a line runs too (CPython 3.11 and later)",      \
         NULL,      NULL},                                                                           \
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

/* What a hello borrows its words from. */
struct session_names {
    char id[IDENT_CHARS + 1];
    char host[256];
    char producer[64];
    char name[256];
    struct wire_bytes argv[SESSION_ARGV_MAX];
    struct wire_tag tags[SESSION_TAGS_MAX];
};

/* All of the hello but the process and the time. Borrows from `names` and the plan. STATUS_IO:
 * no random numbers for its id. */
enum status session_hello(struct wire_hello *out, struct session_names *names,
                          const struct session_plan *plan, struct error *err);
