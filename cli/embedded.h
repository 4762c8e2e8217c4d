#pragma once
/* The server that `run`, `attach` and `open` start when none is named: a process of its own, so
 * that neither can take the other down. When another Heliograph already serves the same store,
 * that server is used instead. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/status.h"

struct embedded {
    char url[256];
    const char *store;
    pid_t pid; /* 0: somebody else's server, or none */
    unsigned restarts;
};

/* Starts `heliograph serve` on the first free port from 7700 of the loopback and waits until it
 * serves. `store` NULL = the default store. */
enum status embedded_start(struct embedded *out, const char *store, struct error *err);

/* What became of the server since the last look. */
enum embedded_change {
    EMBEDDED_SAME,
    EMBEDDED_RESTARTED, /* it had ended; another has its address and store */
    EMBEDDED_LOST,      /* it has ended, and none could take its place: `err` says why */
};

/* To be called once a second or so. A server that was killed is started again at its address, a
 * few times: who watches and who sends comes back by itself. `is_reached` false = a shared server
 * did not answer lately; when it has gone, the first to notice takes its place. */
enum embedded_change embedded_tend(struct embedded *e, bool is_reached, struct error *err);

/* SIGTERM, waits for a clean end. Nothing for somebody else's server. */
void embedded_stop(struct embedded *e);

/* Opens the page in the person's browser when there is a desktop to do it; false when not. */
bool browser_open(const char *url);
