#include "backend/store/alerts.h"

#include <stdlib.h>
#include <string.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "backend/store/listing.h"
#include "common/base/clock.h"

static const char *const kind_names[] = {
    [RULE_RSS] = "rss", [RULE_GROWTH] = "growth", [RULE_SHARE] = "share"};

const char *library_rule_kind_name(enum rule_kind kind)
{
    return kind >= RULE_RSS && kind <= RULE_SHARE ? kind_names[kind] : "";
}

enum status library_rule_kind_find(const char *name, enum rule_kind *out, struct error *err)
{
    for (int i = RULE_RSS; i <= RULE_SHARE; i++) {
        if (name && strcmp(name, kind_names[i]) == 0) {
            *out = (enum rule_kind)i;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID, "a rule is of kind rss, growth or share");
}

const char *library_delivery_name(enum alert_delivery delivery)
{
    static const char *const names[] = {[ALERT_UNTOLD] = "none",
                                        [ALERT_WAITING] = "waiting",
                                        [ALERT_DELIVERED] = "delivered",
                                        [ALERT_FAILED] = "failed"};
    return delivery >= ALERT_UNTOLD && delivery <= ALERT_FAILED ? names[delivery] : "";
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    sqlite3_bind_text(stmt, at, text ? text : "", -1, SQLITE_STATIC);
}

/* ---- rules ---- */

void library_rules_free(struct library_rule *rules, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free(rules[i].name);
        free(rules[i].program);
        free(rules[i].function);
        free(rules[i].url);
        free(rules[i].secret);
    }
    free(rules);
}

static enum status insert_rule(struct writer *w, void *ctx, struct error *err)
{
    struct library_rule *rule = ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_NEW_RULE, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int(stmt, 1, (int)rule->kind);
    bind_text(stmt, 2, rule->name);
    bind_text(stmt, 3, rule->program);
    bind_text(stmt, 4, rule->function);
    bind_text(stmt, 5, rule->url);
    bind_text(stmt, 6, rule->secret);
    sqlite3_bind_double(stmt, 7, rule->bound);
    sqlite3_bind_double(stmt, 8, rule->window_s);
    sqlite3_bind_int64(stmt, 9, db_i64(rule->created_unix_ms));
    sqlite3_bind_int(stmt, 10, RULES_MAX);
    enum status st = db_run(writer_db(w), stmt, err);
    if (st != STATUS_OK)
        return st;
    if (sqlite3_changes(writer_db(w)) == 0)
        return error_set(err, STATUS_TOO_LARGE, "there are %d rules already: remove some first",
                         RULES_MAX);
    rule->number = (uint64_t)sqlite3_last_insert_rowid(writer_db(w));
    return STATUS_OK;
}

static enum status check_lengths(const struct library_rule *rule, struct error *err)
{
    const char *const names[] = {rule->name, rule->program, rule->function, rule->secret};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) > RULE_MAX_NAME)
            return error_set(err, STATUS_TOO_LARGE,
                             "a rule's name, program, function and secret may have %d bytes",
                             RULE_MAX_NAME);
    }
    if (strlen(rule->url) > RULE_MAX_URL)
        return error_set(err, STATUS_TOO_LARGE, "an address may have %d bytes", RULE_MAX_URL);
    return STATUS_OK;
}

enum status library_rule_add(struct library *l, struct library_rule *rule, struct error *err)
{
    enum status st = library_need_writer(l, err);
    if (st == STATUS_OK)
        st = check_lengths(rule, err);
    rule->created_unix_ms = clock_unix_ns() / 1000000;
    return st == STATUS_OK ? writer_run(l->writer, insert_rule, rule, err) : st;
}

static bool read_rule(sqlite3_stmt *stmt, void *item)
{
    struct library_rule *out = item;
    *out = (struct library_rule){
        .number = db_u64(stmt, 0),
        .kind = (enum rule_kind)sqlite3_column_int(stmt, 1),
        .name = listing_text(stmt, 2),
        .program = listing_text(stmt, 3),
        .function = listing_text(stmt, 4),
        .url = listing_text(stmt, 5),
        .secret = listing_text(stmt, 6),
        .bound = sqlite3_column_double(stmt, 7),
        .window_s = sqlite3_column_double(stmt, 8),
        .created_unix_ms = db_u64(stmt, 9),
    };
    return out->name && out->program && out->function && out->url && out->secret;
}

static void free_rules(void *rules, size_t len)
{
    library_rules_free(rules, len);
}

enum status library_rule_list(struct library *l, struct library_rule **rules, size_t *len,
                              struct error *err)
{
    static const struct listing listing = {
        "SELECT number, kind, name, program, function, url, secret, bound, window_s, created_ms "
        "FROM rule ORDER BY number",
        "rules", sizeof(**rules), read_rule, free_rules};
    struct listing_of of = {0};
    return listing_take(l, &listing, &of, rules, len, err);
}

static enum status delete_rule(struct writer *w, void *ctx, struct error *err)
{
    const uint64_t *number = ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_DELETE_RULE, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, db_i64(*number));
    enum status st = db_run(writer_db(w), stmt, err);
    if (st == STATUS_OK && sqlite3_changes(writer_db(w)) == 0)
        return error_set(err, STATUS_NOT_FOUND, "there is no rule %llu",
                         (unsigned long long)*number);
    return st;
}

enum status library_rule_remove(struct library *l, uint64_t number, struct error *err)
{
    enum status st = library_need_writer(l, err);
    return st == STATUS_OK ? writer_run(l->writer, delete_rule, &number, err) : st;
}

/* ---- alerts ---- */

void library_alerts_free(struct library_alert *alerts, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free(alerts[i].rule_name);
        free(alerts[i].profile_name);
        free(alerts[i].function);
        free(alerts[i].text);
        free(alerts[i].answer);
    }
    free(alerts);
}

static enum status make_room(struct writer *w, struct error *err)
{
    sqlite3_stmt *stmt = writer_statement(w, WRITE_OLD_ALERTS, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int(stmt, 1, ALERTS_MAX - 1);
    return db_run(writer_db(w), stmt, err);
}

static enum status insert_alert(struct writer *w, void *ctx, struct error *err)
{
    struct library_alert *alert = ctx;
    enum status st = make_room(w, err);
    sqlite3_stmt *stmt = st == STATUS_OK ? writer_statement(w, WRITE_NEW_ALERT, err) : NULL;
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, db_i64(alert->rule));
    bind_text(stmt, 2, alert->profile);
    sqlite3_bind_int(stmt, 3, (int)alert->kind);
    bind_text(stmt, 4, alert->rule_name);
    bind_text(stmt, 5, alert->function);
    bind_text(stmt, 6, alert->text);
    sqlite3_bind_double(stmt, 7, alert->at_s);
    sqlite3_bind_double(stmt, 8, alert->value);
    sqlite3_bind_double(stmt, 9, alert->baseline);
    sqlite3_bind_double(stmt, 10, alert->bound);
    sqlite3_bind_int64(stmt, 11, db_i64(alert->created_unix_ms));
    sqlite3_bind_int(stmt, 12, (int)alert->delivery);
    st = db_run(writer_db(w), stmt, err);
    if (st != STATUS_OK)
        return st;
    if (sqlite3_changes(writer_db(w)) == 0)
        return error_set(err, STATUS_NOT_FOUND, "no profile %.40s", alert->profile);
    alert->number = (uint64_t)sqlite3_last_insert_rowid(writer_db(w));
    return STATUS_OK;
}

enum status library_alert_add(struct library *l, struct library_alert *alert, struct error *err)
{
    enum status st = library_need_writer(l, err);
    alert->created_unix_ms = clock_unix_ns() / 1000000;
    return st == STATUS_OK ? writer_run(l->writer, insert_alert, alert, err) : st;
}

struct told_job {
    uint64_t number, tries;
    enum alert_delivery delivery;
    const char *answer;
};

static enum status update_alert(struct writer *w, void *ctx, struct error *err)
{
    const struct told_job *job = ctx;
    sqlite3_stmt *stmt = writer_statement(w, WRITE_ALERT_TOLD, err);
    if (!stmt)
        return err->status;
    sqlite3_bind_int64(stmt, 1, db_i64(job->number));
    sqlite3_bind_int(stmt, 2, (int)job->delivery);
    sqlite3_bind_int64(stmt, 3, db_i64(job->tries));
    bind_text(stmt, 4, job->answer);
    return db_run(writer_db(w), stmt, err);
}

enum status library_alert_told(struct library *l, uint64_t number, enum alert_delivery delivery,
                               uint64_t tries, const char *answer, struct error *err)
{
    struct told_job job = {number, tries, delivery, answer};
    enum status st = library_need_writer(l, err);
    return st == STATUS_OK ? writer_run(l->writer, update_alert, &job, err) : st;
}

static bool read_alert(sqlite3_stmt *stmt, void *item)
{
    struct library_alert *out = item;
    *out = (struct library_alert){
        .number = db_u64(stmt, 0),
        .rule = db_u64(stmt, 1),
        .kind = (enum rule_kind)sqlite3_column_int(stmt, 3),
        .rule_name = listing_text(stmt, 4),
        .profile_name = listing_text(stmt, 5),
        .function = listing_text(stmt, 6),
        .text = listing_text(stmt, 7),
        .at_s = sqlite3_column_double(stmt, 8),
        .value = sqlite3_column_double(stmt, 9),
        .baseline = sqlite3_column_double(stmt, 10),
        .bound = sqlite3_column_double(stmt, 11),
        .created_unix_ms = db_u64(stmt, 12),
        .delivery = (enum alert_delivery)sqlite3_column_int(stmt, 13),
        .tries = db_u64(stmt, 14),
        .answer = listing_text(stmt, 15),
    };
    const char *profile = (const char *)sqlite3_column_text(stmt, 2);
    strncpy(out->profile, profile ? profile : "", sizeof(out->profile) - 1);
    return out->rule_name && out->profile_name && out->function && out->text && out->answer;
}

static void free_alerts(void *alerts, size_t len)
{
    library_alerts_free(alerts, len);
}

enum status library_alert_list(struct library *l, const char *profile, size_t limit,
                               struct library_alert **alerts, size_t *len, struct error *err)
{
    static const struct listing listing = {
        "SELECT a.number, a.rule, a.profile, a.kind, a.rule_name, p.name, a.function, a.text, "
        "a.at_s, a.value, a.baseline, a.bound, a.created_ms, a.delivery, a.tries, a.answer "
        "FROM alert a JOIN profile p ON p.id = a.profile WHERE ?1 IS NULL OR a.profile = ?1 "
        "ORDER BY a.number DESC LIMIT ?2",
        "alerts", sizeof(**alerts), read_alert, free_alerts};
    struct listing_of of = {profile, true, (int64_t)limit};
    return listing_take(l, &listing, &of, alerts, len, err);
}
