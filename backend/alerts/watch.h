#pragma once
/* What the rules see of live sessions. Not locked: its owner does (alerts.c). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/store/alerts.h"
#include "common/wire/wire.h"

struct watch;

struct watch *watch_new(void); /* NULL when memory is short */
void watch_free(struct watch *w);

/* Takes the rules (they are freed with it). What is known of sessions stays for rules that stay. */
void watch_set_rules(struct watch *w, struct library_rule *rules, size_t len);
const struct library_rule *watch_find_rule(const struct watch *w, uint64_t number);

/* What was found before this program started: it is not told anew while it lasts. */
bool watch_remember(struct watch *w, uint64_t rule, const char *profile);

/* What a batch made true. `found` is a fresh alert whose texts its taker frees
 * (library_alerts_free takes one that was malloc'ed). */
typedef void (*watch_found)(void *ctx, struct library_alert *found);
void watch_batch(struct watch *w, const char *id, const struct profile *p,
                 const struct wire_batch *batch, watch_found found, void *ctx);

/* Forgets sessions of which nothing came since then. */
void watch_forget(struct watch *w, uint64_t before_ns);

size_t watch_rules(const struct watch *w);
size_t watch_sessions(const struct watch *w); /* those with a rule */
