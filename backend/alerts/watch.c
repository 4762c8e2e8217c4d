#include "backend/alerts/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/alerts/growth.h"
#include "backend/alerts/share.h"
#include "common/base/array.h"
#include "common/base/clock.h"

/* A value must fall this far below its bound before it is told of again. */
static const double calm = 0.9;

enum { MAX_SESSIONS = 8192 };

/* One rule over one session. */
struct judge {
    uint64_t rule;
    bool is_fired;
    struct growth growth;
    struct share share;
};

struct session {
    char id[IDENT_CHARS + 1];
    uint64_t last_seq, seen_ns;
    uint64_t rules_version; /* of `judges` */
    struct judge *judges;
    size_t judges_len;
};

struct remembered {
    uint64_t rule;
    char profile[IDENT_CHARS + 1];
};

struct watch {
    struct library_rule *rules;
    size_t rules_len;
    uint64_t rules_version;
    struct session *sessions;
    size_t sessions_len, sessions_cap;
    struct remembered *remembered;
    size_t remembered_len, remembered_cap;
};

struct watch *watch_new(void)
{
    return calloc(1, sizeof(struct watch));
}

static void free_judges(struct judge *judges, size_t len)
{
    for (size_t i = 0; i < len; i++)
        share_deinit(&judges[i].share);
    free(judges);
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->sessions_len; i++)
        free_judges(w->sessions[i].judges, w->sessions[i].judges_len);
    free(w->sessions);
    free(w->remembered);
    library_rules_free(w->rules, w->rules_len);
    free(w);
}

/* ---- rules ---- */

void watch_set_rules(struct watch *w, struct library_rule *rules, size_t len)
{
    library_rules_free(w->rules, w->rules_len);
    w->rules = rules;
    w->rules_len = len;
    w->rules_version++;
}

const struct library_rule *watch_find_rule(const struct watch *w, uint64_t number)
{
    for (size_t i = 0; i < w->rules_len; i++) {
        if (w->rules[i].number == number)
            return &w->rules[i];
    }
    return NULL;
}

bool watch_remember(struct watch *w, uint64_t rule, const char *profile)
{
    if (!array_reserve(&w->remembered, &w->remembered_cap, w->remembered_len + 1))
        return false;
    struct remembered *r = &w->remembered[w->remembered_len++];
    *r = (struct remembered){.rule = rule};
    snprintf(r->profile, sizeof(r->profile), "%s", profile);
    return true;
}

static bool was_fired(const struct watch *w, uint64_t rule, const char *profile)
{
    for (size_t i = 0; i < w->remembered_len; i++) {
        if (w->remembered[i].rule == rule && strcmp(w->remembered[i].profile, profile) == 0)
            return true;
    }
    return false;
}

/* ---- which rules a session has ---- */

static bool has_part(const char *text, const char *part)
{
    size_t len = strlen(part);
    for (; *text; text++) {
        if (strncasecmp(text, part, len) == 0)
            return true;
    }
    return false;
}

/* Its name as it was given, its command, or a tag. */
static bool is_about(const struct library_rule *rule, const struct profile *p)
{
    const struct strtab *strings = &p->tables.strings;
    if (!*rule->program || has_part(strtab_text(strings, p->name), rule->program))
        return true;
    for (size_t i = 0; i < p->argv_len; i++) {
        if (has_part(strtab_text(strings, p->argv[i]), rule->program))
            return true;
    }
    for (size_t i = 0; i < p->tags_len; i++) {
        const char *key = strtab_text(strings, p->tags[i].key);
        size_t len = strlen(key);
        if (strncmp(rule->program, key, len) == 0 && rule->program[len] == '=' &&
            strcmp(rule->program + len + 1, strtab_text(strings, p->tags[i].value)) == 0)
            return true;
    }
    return false;
}

static struct judge *find_judge(struct session *s, uint64_t rule)
{
    for (size_t i = 0; i < s->judges_len; i++) {
        if (s->judges[i].rule == rule)
            return &s->judges[i];
    }
    return NULL;
}

static void begin_judge(struct judge *judge, const struct watch *w, const struct session *s,
                        const struct library_rule *rule)
{
    *judge = (struct judge){.rule = rule->number, .is_fired = was_fired(w, rule->number, s->id)};
    if (rule->kind == RULE_GROWTH)
        growth_init(&judge->growth, rule->window_s);
    else if (rule->kind == RULE_SHARE)
        share_init(&judge->share, rule->window_s);
}

/* After the rules have changed. When memory is short it is tried again with the next batch. */
static bool bring_judges_up(struct watch *w, struct session *s, const struct profile *p)
{
    struct judge *judges = calloc(w->rules_len + 1, sizeof(*judges));
    if (!judges)
        return false;
    size_t len = 0;
    for (size_t i = 0; i < w->rules_len; i++) {
        if (!is_about(&w->rules[i], p))
            continue;
        struct judge *known = find_judge(s, w->rules[i].number);
        if (known) {
            judges[len++] = *known;
            known->share = (struct share){0}; /* moved */
        } else {
            begin_judge(&judges[len++], w, s, &w->rules[i]);
        }
    }
    free_judges(s->judges, s->judges_len);
    s->judges = judges;
    s->judges_len = len;
    s->rules_version = w->rules_version;
    return true;
}

void watch_forget(struct watch *w, uint64_t before_ns)
{
    for (size_t i = w->sessions_len; i-- > 0;) {
        if (w->sessions[i].seen_ns >= before_ns)
            continue;
        free_judges(w->sessions[i].judges, w->sessions[i].judges_len);
        w->sessions[i] = w->sessions[--w->sessions_len];
    }
}

/* Of as many as are kept, the one of which nothing came for longest makes room. */
static void make_room(struct watch *w)
{
    if (w->sessions_len < MAX_SESSIONS)
        return;
    uint64_t oldest = w->sessions[0].seen_ns;
    for (size_t i = 1; i < w->sessions_len; i++)
        oldest = w->sessions[i].seen_ns < oldest ? w->sessions[i].seen_ns : oldest;
    watch_forget(w, oldest + 1);
}

static struct session *find_session(struct watch *w, const char *id)
{
    for (size_t i = 0; i < w->sessions_len; i++) {
        if (strcmp(w->sessions[i].id, id) == 0)
            return &w->sessions[i];
    }
    make_room(w);
    if (!array_reserve(&w->sessions, &w->sessions_cap, w->sessions_len + 1))
        return NULL;
    struct session *s = &w->sessions[w->sessions_len++];
    *s = (struct session){0};
    snprintf(s->id, sizeof(s->id), "%s", id);
    return s;
}

/* ---- judging ---- */

struct hearing {
    const char *id;
    const struct profile *profile;
    watch_found found;
    void *ctx;
};

static void put_bytes(double bytes, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        bytes /= 1024;
    snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static char *sentence(const struct library_rule *rule, const char *name, const char *function,
                      double value, double baseline)
{
    char text[900];
    char now[32];
    char bound[32];
    put_bytes(value, now);
    put_bytes(rule->bound, bound);
    if (rule->kind == RULE_RSS)
        snprintf(text, sizeof(text), "%.200s: resident memory is %s, above %s", name, now, bound);
    else if (rule->kind == RULE_GROWTH)
        snprintf(text, sizeof(text), "%.200s: memory grows by %s a minute, more than %s", name, now,
                 bound);
    else
        snprintf(text, sizeof(text), "%.200s: %.400s takes %.0f %% of the time, %.0f %% before",
                 name, function, value * 100, baseline * 100);
    return strdup(text);
}

static void tell(const struct hearing *h, const struct library_rule *rule, uint64_t time_ns,
                 const char *function, double value, double baseline)
{
    struct library_alert *alert = calloc(1, sizeof(*alert));
    if (!alert)
        return;
    const struct strtab *strings = &h->profile->tables.strings;
    const char *name = strtab_text(strings, h->profile->name);
    if (!*name && h->profile->argv_len > 0)
        name = strtab_text(strings, h->profile->argv[0]);
    *alert = (struct library_alert){
        .rule = rule->number,
        .kind = rule->kind,
        .rule_name = strdup(rule->name),
        .profile_name = strdup(name),
        .function = strdup(function),
        .text = sentence(rule, name, function, value, baseline),
        .at_s = (double)time_ns / 1e9,
        .value = value,
        .baseline = baseline,
        .bound = rule->bound,
        .delivery = *rule->url ? ALERT_WAITING : ALERT_UNTOLD,
    };
    snprintf(alert->profile, sizeof(alert->profile), "%s", h->id);
    h->found(h->ctx, alert);
}

/* Whether the value is news: above the bound, and not so since it was told of. */
static bool is_news(struct judge *judge, double value, double bound)
{
    if (value > bound) {
        bool was = judge->is_fired;
        judge->is_fired = true;
        return !was;
    }
    if (value < bound * calm)
        judge->is_fired = false;
    return false;
}

static void judge_points(struct judge *judge, const struct library_rule *rule,
                         const struct wire_points *points, const struct hearing *h)
{
    for (size_t i = 0; i < points->len; i++) {
        double value = points->value[i];
        bool is_ready = rule->kind == RULE_RSS;
        if (rule->kind == RULE_GROWTH)
            is_ready = growth_add(&judge->growth, points->time_ns[i], points->value[i], &value);
        if (is_ready && is_news(judge, value, rule->bound))
            tell(h, rule, points->time_ns[i], "", value, 0);
    }
}

static void judge_rows(struct judge *judge, const struct library_rule *rule,
                       const struct wire_samples *rows, const struct hearing *h)
{
    struct share_rise rise;
    const struct tables *t = &h->profile->tables;
    if (!share_add(&judge->share, h->profile, rows, rule->function, &rise))
        return;
    const char *function = *rule->function
                               ? rule->function
                               : strtab_text(&t->strings, t->functions[rise.function].name);
    if (is_news(judge, rise.share - rise.baseline, rule->bound))
        tell(h, rule, rows->time_ns[rows->len - 1], function, rise.share, rise.baseline);
}

/* The series of the whole tree of processes. */
static bool is_rss(const struct profile *p, uint32_t metric)
{
    return metric < p->series_len && !p->series[metric].has_process &&
           strcmp(strtab_text(&p->tables.strings, p->series[metric].name), "rss") == 0;
}

/* The first set is where the time goes; a heap's rows are bytes. */
static bool is_time(const struct profile *p, uint32_t set)
{
    return set == 0 && p->sets_len > 0 &&
           strcmp(strtab_text(&p->tables.strings, p->sets[0].name), "heap") != 0;
}

static void judge_batch(struct judge *judge, const struct library_rule *rule,
                        const struct wire_batch *batch, const struct hearing *h)
{
    if (rule->kind == RULE_SHARE) {
        for (size_t i = 0; i < batch->samples_len; i++) {
            if (batch->samples[i].len > 0 && is_time(h->profile, batch->samples[i].set))
                judge_rows(judge, rule, &batch->samples[i], h);
        }
        return;
    }
    for (size_t i = 0; i < batch->points_len; i++) {
        if (is_rss(h->profile, batch->points[i].metric))
            judge_points(judge, rule, &batch->points[i], h);
    }
}

void watch_batch(struct watch *w, const char *id, const struct profile *p,
                 const struct wire_batch *batch, watch_found found, void *ctx)
{
    struct session *s = w->rules_len > 0 ? find_session(w, id) : NULL;
    if (!s)
        return;
    s->seen_ns = clock_monotonic_ns();
    if (s->rules_version != w->rules_version && !bring_judges_up(w, s, p))
        return;
    if (batch->seq <= s->last_seq)
        return; /* it could not be stored, and comes again */
    s->last_seq = batch->seq;
    struct hearing h = {id, p, found, ctx};
    for (size_t i = 0; i < s->judges_len; i++) {
        const struct library_rule *rule = watch_find_rule(w, s->judges[i].rule);
        if (rule)
            judge_batch(&s->judges[i], rule, batch, &h);
    }
}

size_t watch_rules(const struct watch *w)
{
    return w->rules_len;
}

size_t watch_sessions(const struct watch *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->sessions_len; i++)
        n += w->sessions[i].judges_len > 0;
    return n;
}
