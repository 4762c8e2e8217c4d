#pragma once
/* The server that `run`, `attach` and `open` start when none is named: a process of its own, so
 * that neither can take the other down. When another Heliograph already serves the same store,
 * that server is used instead. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/status.h"

struct embedded {
    char url[256];
    pid_t pid; /* 0: somebody else's server */
};

/* Starts `heliograph serve` on the first free port from 7700 of the loopback and waits until it
 * serves. `store` NULL = the default store. */
enum status embedded_start(struct embedded *out, const char *store, struct error *err);

/* SIGTERM, waits for a clean end. Nothing for somebody else's server. */
void embedded_stop(struct embedded *e);

/* Whether our server process is still there (true for somebody else's). */
bool embedded_is_alive(struct embedded *e);

/* Opens the page in the person's browser when there is a desktop to do it; false when not. */
bool browser_open(const char *url);
