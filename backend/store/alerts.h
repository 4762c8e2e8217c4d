#pragma once
/* What people want to be told of while programs run (rules), and what was found (alerts). Rules
 * hold where to tell it; alerts keep a rule's words, so that they outlive it, and go with their
 * profile. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/store/library.h"
#include "common/base/ident.h"
#include "common/base/status.h"

enum {
    RULES_MAX = 100,
    ALERTS_MAX = 10000, /* the oldest make room */
    RULE_MAX_NAME = 200,
    RULE_MAX_URL = 2000,
};

enum rule_kind {
    RULE_RSS = 1, /* resident memory above `bound` bytes */
    RULE_GROWTH,  /* it grows by more than `bound` bytes a minute, over `window_s` */
    RULE_SHARE,   /* a function takes `bound` more of the time than before, in `window_s` */
};
const char *library_rule_kind_name(enum rule_kind kind); /* "rss", "growth", "share" */
enum status library_rule_kind_find(const char *name, enum rule_kind *out, struct error *err);

struct library_rule {
    uint64_t number;
    enum rule_kind kind;
    char *name;
    char *program;  /* part of a session's name, or a tag "key=value"; "" = every session */
    char *function; /* of RULE_SHARE: its name, counted with all it calls; "" = any, by itself */
    char *url;      /* "" = nobody is told */
    char *secret;   /* signs what is told; "" = unsigned */
    double bound, window_s;
    uint64_t created_unix_ms;
};
void library_rules_free(struct library_rule *rules, size_t len);

/* `rule` gets its number and time. STATUS_TOO_LARGE above the limits. */
enum status library_rule_add(struct library *l, struct library_rule *rule, struct error *err);
enum status library_rule_list(struct library *l, struct library_rule **rules, size_t *len,
                              struct error *err);
enum status library_rule_remove(struct library *l, uint64_t number, struct error *err);

/* How far the telling is. */
enum alert_delivery {
    ALERT_UNTOLD, /* the rule has no address */
    ALERT_WAITING,
    ALERT_DELIVERED,
    ALERT_FAILED,
};
const char *library_delivery_name(enum alert_delivery delivery);

struct library_alert {
    uint64_t number, rule;
    char profile[IDENT_CHARS + 1];
    enum rule_kind kind;
    char *rule_name, *profile_name, *function, *text; /* text: one sentence */
    double at_s, value, baseline, bound;              /* at_s: session time */
    uint64_t created_unix_ms;
    enum alert_delivery delivery;
    uint64_t tries;
    char *answer; /* of the last try, in words */
};
void library_alerts_free(struct library_alert *alerts, size_t len);

/* `alert` gets its number and time. STATUS_NOT_FOUND when its profile is gone. */
enum status library_alert_add(struct library *l, struct library_alert *alert, struct error *err);
enum status library_alert_told(struct library *l, uint64_t number, enum alert_delivery delivery,
                               uint64_t tries, const char *answer, struct error *err);

/* Newest first, at most `limit`; of one profile, or of all (NULL). */
enum status library_alert_list(struct library *l, const char *profile, size_t limit,
                               struct library_alert **alerts, size_t *len, struct error *err);
