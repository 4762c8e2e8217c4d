/* Where webhooks may go, how they are signed, and when they come again. */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "backend/alerts/deliver.h"
#include "backend/alerts/webhook.h"

static struct error err;

static bool may_connect(const struct webhook_policy *policy, const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return webhook_may_connect(policy, (const struct sockaddr *)&v4);
    cr_assert_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1, "%s", text);
    return webhook_may_connect(policy, (const struct sockaddr *)&v6);
}

static const char *const outside[] = {"8.8.8.8",     "172.15.0.1",   "172.32.0.1",    "192.169.0.1",
                                      "100.128.0.1", "2001:4860::1", "::ffff:8.8.8.8"};
static const char *const inside[] = {
    "127.0.0.1",  "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255",  "192.168.1.1",
    "100.64.0.1", "::1",       "fc00::1",  "fd12::1",    "::ffff:10.0.0.1", "64:ff9b::7f00:1"};
static const char *const never[] = {
    "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255",        "::",
    "fe80::1", "febf::1",         "ff02::1",   "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"};

static void check_each(const char *const *list, size_t len, const struct webhook_policy *policy,
                       bool wanted)
{
    for (size_t i = 0; i < len; i++)
        cr_assert_eq(may_connect(policy, list[i]), wanted, "%s", list[i]);
}

static void check_reach(const struct webhook_policy *policy, bool to_world, bool to_inside)
{
    check_each(outside, sizeof(outside) / sizeof(outside[0]), policy, to_world);
    check_each(inside, sizeof(inside) / sizeof(inside[0]), policy, to_inside);
    check_each(never, sizeof(never) / sizeof(never[0]), policy, false);
}

Test(webhook, a_server_of_this_machine_may_post_inside_and_outside)
{
    struct webhook_policy policy = {.may_go_inside = true};
    check_reach(&policy, true, true);
}

Test(webhook, a_server_that_others_reach_posts_outside_only)
{
    struct webhook_policy policy = {0};
    check_reach(&policy, true, false);
}

Test(webhook, a_listed_host_may_be_inside)
{
    char host[] = "hooks.example.org:8443";
    char *hosts[] = {host};
    struct webhook_policy policy = {.hosts = hosts, .hosts_len = 1};
    check_reach(&policy, true, true);
    cr_assert_eq(webhook_check_url(&policy, "https://Hooks.example.org:8443/x", &err), STATUS_OK);
    cr_assert_eq(webhook_check_url(&policy, "https://hooks.example.org/x", &err), STATUS_DENIED);
    cr_assert_eq(webhook_check_url(&policy, "https://hooks.example.org.evil:8443/", &err),
                 STATUS_DENIED);
}

Test(webhook, only_the_host_of_an_address_is_shown)
{
    char out[200];
    webhook_mask_url("https://hooks.example.org/services/T0/B0/secret", out);
    cr_assert_str_eq(out, "https://hooks.example.org/\xe2\x80\xa6");
    webhook_mask_url("http://box:9?token=secret", out);
    cr_assert_str_eq(out, "http://box:9/\xe2\x80\xa6");
    webhook_mask_url("http://box", out);
    cr_assert_str_eq(out, "http://box");
    webhook_mask_url("", out);
    cr_assert_str_eq(out, "");
}

static void sign(const char *secret, const char *text, char out[65])
{
    struct buf body;
    buf_init(&body, 0);
    buf_put_text(&body, text);
    webhook_sign(secret, &body, out);
    buf_deinit(&body);
}

/* RFC 4231, test cases 2 and 6 (a key longer than a block). */
Test(webhook, signatures_are_those_of_rfc_4231)
{
    char out[65];
    char long_key[132];
    sign("Jefe", "what do ya want for nothing?", out);
    cr_assert_str_eq(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(long_key, 0xaa, 131);
    long_key[131] = '\0';
    sign(long_key, "Test Using Larger Than Block-Size Key - Hash Key First", out);
    cr_assert_str_eq(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

Test(webhook, each_pause_is_longer)
{
    cr_assert_eq(deliver_pause_ns(0), 0);
    for (unsigned tries = 1; tries < DELIVER_TRIES; tries++)
        cr_assert_geq(deliver_pause_ns(tries), 1000000000ULL + 3 * deliver_pause_ns(tries - 1));
}

static bool never_find(void *ctx, uint64_t rule, char **url, char **secret)
{
    (void)ctx;
    (void)rule;
    (void)url;
    (void)secret;
    return false;
}

static void count_told(void *ctx, uint64_t alert, enum alert_delivery delivery, uint64_t tries,
                       const char *answer)
{
    (void)alert;
    (void)tries;
    (void)answer;
    *(size_t *)ctx += delivery == ALERT_FAILED;
}

Test(webhook, only_so_many_wait)
{
    struct deliver *d;
    struct webhook_policy policy = {0};
    size_t told = 0;
    struct deliver_owner owner = {never_find, count_told, &told};
    struct deliver_stats stats;
    cr_assert_eq(deliver_new(&d, &policy, &owner, &err), STATUS_OK);
    for (uint64_t i = 0; i <= DELIVER_MAX_WAITING; i++) {
        struct buf body;
        buf_init(&body, 0);
        buf_put_text(&body, "{}");
        cr_assert_eq(deliver_add(d, i, 1, &body, &err),
                     i < DELIVER_MAX_WAITING ? STATUS_OK : STATUS_TOO_LARGE);
    }
    deliver_step(d, 0); /* their rule is gone: all are given up, and said to be */
    deliver_stats(d, &stats);
    cr_assert_eq(stats.failed, DELIVER_MAX_WAITING);
    cr_assert_eq(stats.waiting, 0);
    cr_assert_eq(told, DELIVER_MAX_WAITING);
    deliver_free(d);
}
