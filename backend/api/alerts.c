/* Rules over running programs, and what they found. */

#include "backend/alerts/alerts.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "backend/alerts/webhook.h"
#include "backend/api/inside.h"

enum { USUAL_ALERTS = 100, MOST_ALERTS = 1000 };

static const double usual_window_s[] = {[RULE_RSS] = 0, [RULE_GROWTH] = 300, [RULE_SHARE] = 60};

/* ---- rules ---- */

/* The path of an address and the secret are told to nobody. */
static void put_rule(struct json_out *j, const void *item, void *ctx)
{
    const struct library_rule *rule = item;
    (void)ctx;
    char url[200];
    webhook_mask_url(rule->url, url);
    json_put_u64(j, "number", rule->number);
    json_put_text(j, "name", rule->name);
    json_put_text(j, "kind", library_rule_kind_name(rule->kind));
    json_put_f64(j, "bound", rule->bound);
    json_put_f64(j, "window_s", rule->window_s);
    json_put_text(j, "program", rule->program);
    json_put_text(j, "function", rule->function);
    json_put_text(j, "webhook", url);
    json_put_bool(j, "is_signed", *rule->secret != '\0');
    json_put_u64(j, "created_unix_ms", rule->created_unix_ms);
}

struct alerts *api_alerts(struct http_request *r, struct api_server *s)
{
    struct alerts *alerts = atomic_load(&s->alerts);
    struct error err;
    if (alerts)
        return alerts;
    error_set(&err, STATUS_BUSY, "the server is still starting");
    http_fail(r, &err);
    return NULL;
}

static void put_health(struct json_out *j, struct alerts *alerts)
{
    struct alerts_stats stats;
    alerts_stats(alerts, &stats);
    json_out_key(j, "webhooks");
    json_out_object(j);
    json_put_u64(j, "delivered", stats.delivered);
    json_put_u64(j, "failed", stats.failed);
    json_put_u64(j, "retries", stats.retries);
    json_put_u64(j, "waiting", stats.waiting);
    json_put_u64(j, "no_room", stats.undelivered);
    json_out_end(j);
    json_put_u64(j, "alerts_dropped", stats.fired_dropped);
}

void api_rule_list(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct library_rule *rules = NULL;
    size_t len = 0;
    struct alerts *alerts = api_alerts(r, s);
    if (!alerts)
        return;
    if (library_rule_list(s->library, &rules, &len, &err) != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    api_put_items(&j, "rules", &(struct api_items){rules, len, sizeof(*rules), put_rule, NULL});
    put_health(&j, alerts);
    library_rules_free(rules, len);
    api_answer(r, 200, &body, &j);
}

/* The member's text, "" when absent; NULL when it is something else. */
static char *text_of(const cJSON *json, const char *name)
{
    static char nothing[] = "";
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    return !item ? nothing : cJSON_IsString(item) ? item->valuestring : NULL;
}

static enum status read_rule(const cJSON *json, struct library_rule *out, struct error *err)
{
    const cJSON *bound = cJSON_GetObjectItemCaseSensitive(json, "bound");
    const cJSON *window = cJSON_GetObjectItemCaseSensitive(json, "window_s");
    *out = (struct library_rule){
        .name = text_of(json, "name"),
        .program = text_of(json, "program"),
        .function = text_of(json, "function"),
        .url = text_of(json, "webhook"),
        .secret = text_of(json, "secret"),
    };
    enum status st = library_rule_kind_find(text_of(json, "kind"), &out->kind, err);
    if (st != STATUS_OK)
        return st;
    bool has_texts = out->name && out->program && out->function && out->url && out->secret;
    if (!has_texts || !cJSON_IsNumber(bound) || (window && !cJSON_IsNumber(window)))
        return error_set(
            err, STATUS_INVALID,
            "expected {\"name\":\"...\",\"kind\":\"rss|growth|share\",\"bound\":number}");
    out->bound = bound->valuedouble;
    out->window_s = window ? window->valuedouble : usual_window_s[out->kind];
    return STATUS_OK;
}

void api_rule_add(struct http_request *r, void *ctx)
{
    struct error err = {0};
    struct alerts *alerts = api_alerts(r, ctx);
    cJSON *json = alerts ? api_read_json(r) : NULL;
    if (!json)
        return;
    struct library_rule rule;
    enum status st = read_rule(json, &rule, &err);
    if (st == STATUS_OK)
        st = alerts_add_rule(alerts, &rule, &err);
    if (st == STATUS_OK) {
        struct buf body;
        struct json_out j;
        api_answer_begin(&body, &j);
        put_rule(&j, &rule, NULL);
        api_answer(r, 201, &body, &j);
    } else {
        http_fail(r, &err);
    }
    cJSON_Delete(json);
}

void api_rule_remove(struct http_request *r, void *ctx)
{
    struct error err = {0};
    struct alerts *alerts = api_alerts(r, ctx);
    uint64_t number;
    if (alerts && api_read_number(r, 0, &number))
        api_answer_empty(r, alerts_remove_rule(alerts, number, &err), &err);
}

/* That the receiver did not take it is what was asked for, and no fault of the request. */
void api_rule_test(struct http_request *r, void *ctx)
{
    struct error err = {0};
    struct alerts *alerts = api_alerts(r, ctx);
    uint64_t number;
    char answer[200] = "";
    if (!alerts || !api_read_number(r, 0, &number))
        return;
    enum status st = alerts_test_rule(alerts, number, answer, &err);
    if (st != STATUS_OK && st != STATUS_UNREACHABLE) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    json_put_bool(&j, "is_delivered", st == STATUS_OK);
    json_put_text(&j, "answer", st == STATUS_OK ? answer : err.text);
    api_answer(r, 200, &body, &j);
}

/* ---- alerts ---- */

static void put_alert(struct json_out *j, const void *item, void *ctx)
{
    const struct library_alert *alert = item;
    (void)ctx;
    json_put_u64(j, "number", alert->number);
    json_put_u64(j, "rule", alert->rule);
    json_put_text(j, "rule_name", alert->rule_name);
    json_put_text(j, "kind", library_rule_kind_name(alert->kind));
    json_put_text(j, "profile", alert->profile);
    json_put_text(j, "profile_name", alert->profile_name);
    json_put_text(j, "function", alert->function);
    json_put_text(j, "text", alert->text);
    json_put_f64(j, "at_s", alert->at_s);
    json_put_f64(j, "value", alert->value);
    json_put_f64(j, "baseline", alert->baseline);
    json_put_f64(j, "bound", alert->bound);
    json_put_u64(j, "created_unix_ms", alert->created_unix_ms);
    json_put_text(j, "delivery", library_delivery_name(alert->delivery));
    json_put_u64(j, "tries", alert->tries);
    json_put_text(j, "answer", alert->answer);
}

static void answer_alerts(struct http_request *r, struct api_server *s, const char *profile)
{
    struct error err = {0};
    struct library_alert *alerts = NULL;
    size_t len = 0;
    uint64_t limit = USUAL_ALERTS;
    enum status st = api_param_u64(r, "limit", MOST_ALERTS, &limit, &err);
    if (st == STATUS_OK && !http_granted(r)->is_redacted)
        st = library_alert_list(s->library, profile, limit, &alerts, &len, &err);
    if (st != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    struct buf body;
    struct json_out j;
    api_answer_begin(&body, &j);
    api_put_items(&j, "alerts", &(struct api_items){alerts, len, sizeof(*alerts), put_alert, NULL});
    library_alerts_free(alerts, len);
    api_answer(r, 200, &body, &j);
}

void api_alert_list(struct http_request *r, void *ctx)
{
    answer_alerts(r, ctx, NULL);
}

/* A redacted link shows none: a rule's name and words may name anything. */
void api_profile_alerts(struct http_request *r, void *ctx)
{
    struct api_server *s = ctx;
    struct error err = {0};
    struct library_row row;
    const char *id = http_part(r, 0);
    if (!api_check_id(r, id))
        return;
    if (library_row(s->library, id, &row, &err) != STATUS_OK) {
        http_fail(r, &err);
        return;
    }
    library_row_deinit(&row);
    answer_alerts(r, s, id);
}
