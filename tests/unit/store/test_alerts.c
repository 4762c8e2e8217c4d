/* Rules and alerts: what is kept of them, how many, and for how long. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/store/alerts.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

static struct store_folder folder;
static struct library *l;
static char id[17];
static struct error err;

static void setup(void)
{
    uint64_t next_seq;
    store_folder_make(&folder);
    made_id(3, id);
    struct library_options options = {.path = folder.path};
    cr_assert_eq(library_open(&l, &options, &err), STATUS_OK, "%s", err.text);
    struct wire_hello hello = made_hello(id);
    cr_assert_eq(library_begin(l, &hello, &next_seq, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, &err), STATUS_OK, "%s", err.text);
}

static void teardown(void)
{
    library_close(l);
    store_folder_remove(&folder);
}

TestSuite(alerts, .init = setup, .fini = teardown);

static char name[] = "a rule";
static char url[] = "https://hooks.example.org/x";
static char nothing[] = "";

static struct library_rule made_rule(void)
{
    return (struct library_rule){.kind = RULE_GROWTH,
                                 .name = name,
                                 .program = nothing,
                                 .function = nothing,
                                 .url = url,
                                 .secret = nothing,
                                 .bound = 0.1,
                                 .window_s = 300};
}

static struct library_alert made_alert(void)
{
    struct library_alert a = {.rule = 1,
                              .kind = RULE_RSS,
                              .rule_name = name,
                              .function = nothing,
                              .text = name,
                              .at_s = 1.5,
                              .delivery = ALERT_WAITING};
    memcpy(a.profile, id, sizeof(a.profile));
    return a;
}

static size_t count(const char *profile, size_t limit)
{
    struct library_alert *alerts;
    size_t len;
    cr_assert_eq(library_alert_list(l, profile, limit, &alerts, &len, &err), STATUS_OK);
    library_alerts_free(alerts, len);
    return len;
}

Test(alerts, a_rule_is_kept_as_it_was_given)
{
    struct library_rule rule = made_rule();
    struct library_rule *rules;
    size_t len;
    cr_assert_eq(library_rule_add(l, &rule, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(library_rule_list(l, &rules, &len, &err), STATUS_OK);
    cr_assert_eq(len, 1);
    cr_assert_eq(rules[0].number, rule.number);
    cr_assert_eq(rules[0].kind, RULE_GROWTH);
    cr_assert_str_eq(rules[0].url, url);
    cr_assert_float_eq(rules[0].bound, 0.1, 0);
    library_rules_free(rules, len);
    cr_assert_eq(library_rule_remove(l, rule.number, &err), STATUS_OK);
    cr_assert_eq(library_rule_remove(l, rule.number, &err), STATUS_NOT_FOUND);
}

Test(alerts, rules_are_so_many_and_no_more)
{
    struct library_rule rule = made_rule();
    for (int i = 0; i < RULES_MAX; i++)
        cr_assert_eq(library_rule_add(l, &rule, &err), STATUS_OK, "%d: %s", i, err.text);
    cr_assert_eq(library_rule_add(l, &rule, &err), STATUS_TOO_LARGE);
}

Test(alerts, what_became_of_telling_is_kept)
{
    struct library_alert alert = made_alert();
    struct library_alert *alerts;
    size_t len;
    cr_assert_eq(library_alert_add(l, &alert, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(library_alert_told(l, alert.number, ALERT_FAILED, 3, "HTTP 500", &err), STATUS_OK);
    cr_assert_eq(library_alert_list(l, id, 10, &alerts, &len, &err), STATUS_OK);
    cr_assert_eq(len, 1);
    cr_assert_eq(alerts[0].delivery, ALERT_FAILED);
    cr_assert_eq(alerts[0].tries, 3);
    cr_assert_str_eq(alerts[0].answer, "HTTP 500");
    library_alerts_free(alerts, len);
}

Test(alerts, they_go_with_their_profile)
{
    struct library_alert alert = made_alert();
    cr_assert_eq(library_alert_add(l, &alert, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(library_delete(l, id, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_folder_number(folder.path, "SELECT count(*) FROM alert"), 0);
    cr_assert_eq(library_alert_add(l, &alert, &err), STATUS_NOT_FOUND);
}

Test(alerts, the_oldest_make_room)
{
    char sql[600];
    struct library_alert alert = made_alert();
    library_close(l);
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO alert SELECT i, 1, '%s', 1, '', '', '', 0, 0, 0, 0, 0, 0, 0, '' FROM n",
             ALERTS_MAX, id);
    store_folder_number(folder.path, sql);
    struct library_options options = {.path = folder.path};
    cr_assert_eq(library_open(&l, &options, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(library_alert_add(l, &alert, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(store_folder_number(folder.path, "SELECT count(*) FROM alert"), ALERTS_MAX);
    cr_assert_eq(store_folder_number(folder.path, "SELECT min(number) FROM alert"), 2);
    cr_assert_eq(count(NULL, 20), 20);
    cr_assert_eq(count("aaaaaaaaaaaaaaaa", 20), 0);
}
