/* heliograph diff: two profiles compared, for people and as a gate for CI. */

#include <string.h>

#include "backend/query/diff.h"
#include "backend/query/gate.h"
#include "cli/commands.h"
#include "cli/local.h"
#include "common/base/json_out.h"
#include "common/base/log.h"

/* What was asked, read before any file is. */
struct question {
    struct diff_options options;
    const char *expression;
    struct gate gate;
    size_t top;
    bool is_json;
};

struct verdict {
    bool holds;
    struct buf reasons; /* lines */
};

static enum status read_question(struct question *q, const struct args *args, struct error *err)
{
    double top = 20;
    q->options.value = args_text(args, "value");
    q->expression = args_text(args, "fail-if");
    q->is_json = args_flag(args, "json", false);
    enum status st = diff_normalise_find(args_text(args, "normalise"), &q->options.normalise, err);
    if (st == STATUS_OK)
        st = args_number(args, "top", 0, 1e9, &top, err);
    if (st == STATUS_OK && q->expression)
        st = gate_parse(&q->gate, q->expression, err);
    q->top = (size_t)top;
    return st;
}

static void write_verdict(struct json_out *j, const char *expression, const struct verdict *v)
{
    json_out_key(j, "gate");
    json_out_object(j);
    json_out_key(j, "expression");
    json_out_text(j, expression);
    json_put_bool(j, "holds", v->holds);
    json_out_key(j, "reasons");
    json_out_array(j);
    for (size_t at = 0; at < v->reasons.len;) {
        const uint8_t *end = memchr(v->reasons.data + at, '\n', v->reasons.len - at);
        size_t len = end ? (size_t)(end - (v->reasons.data + at)) : v->reasons.len - at;
        json_out_string(j, (const char *)v->reasons.data + at, len);
        at += len + 1;
    }
    json_out_end(j);
    json_out_end(j);
}

static enum status compose(const struct question *q, const struct diff *d, const struct verdict *v,
                           struct buf *out)
{
    if (!q->is_json)
        return diff_write_text(d, q->top, out);
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    diff_write_members(d, q->top, &j);
    if (q->expression)
        write_verdict(&j, q->expression, v);
    json_out_end(&j);
    buf_put_byte(out, '\n');
    return buf_status(out);
}

static void log_reasons(const struct question *q, const struct verdict *v)
{
    log_error("failed: %s", q->expression);
    for (size_t at = 0; at < v->reasons.len;) {
        const uint8_t *end = memchr(v->reasons.data + at, '\n', v->reasons.len - at);
        size_t len = end ? (size_t)(end - (v->reasons.data + at)) : v->reasons.len - at;
        log_error("  %.*s", (int)len, (const char *)v->reasons.data + at);
        at += len + 1;
    }
}

static enum status answer(const struct question *q, const struct profile *base,
                          const struct profile *target, struct error *err)
{
    struct diff d;
    struct verdict v = {0};
    struct buf out;
    enum status st = diff_build(&d, base, NULL, target, NULL, &q->options, err);
    if (st != STATUS_OK)
        return st;
    buf_init(&out, 0);
    buf_init(&v.reasons, 0);
    if (q->expression)
        st = gate_check(&q->gate, &d, &v.holds, &v.reasons, err);
    if (st == STATUS_OK && compose(q, &d, &v, &out) != STATUS_OK)
        st = error_set(err, STATUS_NO_MEMORY, "no memory for the comparison");
    if (st == STATUS_OK)
        st = local_write("-", out.data, out.len, err);
    if (st == STATUS_OK && v.holds) {
        log_reasons(q, &v);
        st = STATUS_CHECK;
    }
    buf_deinit(&v.reasons);
    buf_deinit(&out);
    diff_free(&d);
    return st;
}

static int diff(const struct args *args)
{
    struct error err = {0};
    struct question q = {0};
    struct local_profile base = {0};
    struct local_profile target = {0};
    const char *store = args_text(args, "store");
    enum status st = read_question(&q, args, &err);
    if (st == STATUS_OK)
        st = local_profile_open(&base, args->words[0], store, &err);
    if (st == STATUS_OK)
        st = local_profile_open(&target, args->words[1], store, &err);
    if (st == STATUS_OK)
        st = answer(&q, base.profile, target.profile, &err);
    if (target.profile)
        local_profile_close(&target);
    if (base.profile)
        local_profile_close(&base);
    if (st == STATUS_CHECK) /* the reasons are said */
        return status_exit_code(st);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

static const struct option_row options[] = {
    {"top", 'n', "N", "functions to show; 0 = all", "20", NULL},
    {"value", 0, "KEY", "which numbers, where the profiles have several", "the first of both",
     NULL},
    {"normalise", 0, "HOW", "none; total: as shares of the run; ncalls: of one call", "none", NULL},
    {"fail-if", 0, "EXPR", "exit 1 when this holds, as 'total(login) > +10% or peak > 200MB'", NULL,
     NULL},
    {"json", 'j', NULL, "the stable JSON object of docs/compare.md", NULL, NULL},
    {"store", 0, "PATH", "the store to look ids up in", "the default store", NULL},
    {0},
};

const struct command command_diff = {
    .name = "diff",
    .usage = "[options] BASE TARGET",
    .summary = "compare two profiles; a gate for CI",
    .details =
        "BASE and TARGET are files of any readable format, or ids of heliograph list. Functions "
        "are matched by module (or file name) and qualified name. Regressions come first, marked "
        "with !; of samples, only what is more than chance is called one.",
    .options = options,
    .min_words = 2,
    .max_words = 2,
    .run = diff,
};
