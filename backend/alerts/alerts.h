#pragma once
/* Rules over running programs, and telling of what they find.
 *
 * Each batch of a live session is judged as it comes, with a few sums a row and no question to the
 * store (watch.h); one thread behind stores what was found and posts it (deliver.h). A rule tells
 * once, and again only after the value has been a tenth below its bound. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/store/alerts.h"
#include "backend/store/library.h"
#include "common/base/status.h"

struct alerts;

struct alerts_options {
    const char *base_url; /* of this server, for the links in what is told */
    /* Whether webhooks may go to this machine and to private networks. Those for links and for
     * groups (169.254.0.0/16, fe80::/10, multicast) are never spoken to: clouds tell secrets there.
     */
    bool may_go_inside;
    const char *const *hosts; /* if any are given, only to these */
    size_t hosts_len;
};

/* Sees the library's batches from now on, and keeps what is found. */
enum status alerts_new(struct alerts **out, struct library *library, struct error *err);
/* Now it is known where we are: what was found and what an earlier server left is told. Before it
 * only alerts_free may be called. */
enum status alerts_begin(struct alerts *a, const struct alerts_options *options, struct error *err);
/* When no batch comes any more. What is not told yet waits in the store. Takes NULL. */
void alerts_free(struct alerts *a);

/* What the rule says is checked, also its address: STATUS_INVALID, STATUS_DENIED. */
enum status alerts_add_rule(struct alerts *a, struct library_rule *rule, struct error *err);
enum status alerts_remove_rule(struct alerts *a, uint64_t number, struct error *err);

/* Posts a test to the rule's address now and waits for it: STATUS_UNREACHABLE with the words when
 * it was not taken. STATUS_NOT_FOUND without such a rule, STATUS_INVALID when it has no address. */
enum status alerts_test_rule(struct alerts *a, uint64_t number, char answer[200],
                             struct error *err);

struct alerts_stats {
    uint64_t rules, watched;       /* sessions with a rule */
    uint64_t fired, fired_dropped; /* dropped: more at once than are kept */
    uint64_t delivered, failed, retries, waiting, undelivered; /* undelivered: no room to wait */
};
void alerts_stats(struct alerts *a, struct alerts_stats *out);
