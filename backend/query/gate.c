#include "backend/query/gate.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const char *text;
    size_t at;
    struct error *err;
};

static enum status fail(const struct parser *p, const char *wanted)
{
    const char *rest = p->text + p->at;
    if (!*rest)
        return error_set(p->err, STATUS_USAGE, "gate: %s is missing at its end (character %zu)",
                         wanted, p->at + 1);
    return error_set(p->err, STATUS_USAGE, "gate, character %zu: %s is wanted, not \"%.20s\"",
                     p->at + 1, wanted, rest);
}

static void skip_space(struct parser *p)
{
    while (p->text[p->at] == ' ' || p->text[p->at] == '\t')
        p->at++;
}

static bool is_word(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

/* Takes a whole word. */
static bool take_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(p->text + p->at, word, len) != 0 || is_word(p->text[p->at + len]))
        return false;
    p->at += len;
    return true;
}

static enum status parse_metric(struct parser *p, struct gate_term *t)
{
    static const char *const names[] = {
        [GATE_SELF] = "self",         [GATE_TOTAL] = "total",         [GATE_CALLS] = "calls",
        [GATE_PEAK] = "peak",         [GATE_ALLOCATED] = "allocated", [GATE_MEAN] = "mean",
        [GATE_DURATION] = "duration",
    };
    skip_space(p);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (take_word(p, names[i])) {
            t->metric = (enum gate_metric)i;
            return STATUS_OK;
        }
    }
    return fail(p, "self, total, calls, peak, allocated, mean or duration");
}

/* Up to the parenthesis that closes the first one: names may hold pairs. */
static enum status parse_name(struct parser *p, struct gate_term *t)
{
    skip_space(p);
    if (p->text[p->at] != '(')
        return STATUS_OK;
    size_t start = ++p->at;
    size_t depth = 1;
    while (p->text[p->at]) {
        depth += p->text[p->at] == '(';
        depth -= p->text[p->at] == ')';
        if (depth == 0)
            break;
        p->at++;
    }
    if (depth)
        return fail(p, "\")\"");
    size_t end = p->at;
    while (start < end && p->text[start] == ' ')
        start++;
    while (end > start && p->text[end - 1] == ' ')
        end--;
    if (start == end)
        return fail(p, "a name or pattern");
    if (end - start > GATE_MAX_NAME)
        return error_set(p->err, STATUS_USAGE, "gate, character %zu: the name is longer than %d",
                         start + 1, GATE_MAX_NAME);
    memcpy(t->name, p->text + start, end - start);
    t->name[end - start] = '\0';
    t->has_name = true;
    p->at++;
    return STATUS_OK;
}

static enum status parse_op(struct parser *p, struct gate_term *t)
{
    skip_space(p);
    char c = p->text[p->at];
    if (c != '>' && c != '<')
        return fail(p, t->has_name ? ">, >=, < or <=" : "\"(\", >, >=, < or <=");
    p->at++;
    bool has_equal = p->text[p->at] == '=';
    p->at += has_equal;
    t->op = c == '>' ? (has_equal ? GATE_MORE_EQUAL : GATE_MORE)
                     : (has_equal ? GATE_LESS_EQUAL : GATE_LESS);
    return STATUS_OK;
}

/* Digits with at most one point: strtod alone would take "inf", "nan" and "0x10". */
static enum status parse_number(struct parser *p, struct gate_term *t)
{
    skip_space(p);
    t->is_growth = p->text[p->at] == '+';
    p->at += t->is_growth;
    skip_space(p);
    char digits[32];
    size_t len = 0;
    size_t points = 0;
    while (isdigit((unsigned char)p->text[p->at + len]) || p->text[p->at + len] == '.') {
        if (len + 1 >= sizeof(digits))
            return fail(p, "a number of less than 32 digits");
        digits[len] = p->text[p->at + len];
        points += digits[len++] == '.';
    }
    if (len == points || points > 1)
        return fail(p, t->is_growth ? "a number" : "a number, or + and a number");
    digits[len] = '\0';
    t->limit = strtod(digits, NULL);
    p->at += len;
    return STATUS_OK;
}

static enum status parse_unit(struct parser *p, struct gate_term *t)
{
    static const struct {
        const char *name;
        enum gate_unit unit;
        double scale;
    } units[] = {
        {"us", GATE_SECONDS, 1e-6},  {"ms", GATE_SECONDS, 1e-3}, {"s", GATE_SECONDS, 1},
        {"KB", GATE_BYTES, 1e3},     {"MB", GATE_BYTES, 1e6},    {"KiB", GATE_BYTES, 0x1p10},
        {"MiB", GATE_BYTES, 0x1p20}, {"B", GATE_BYTES, 1},
    };
    skip_space(p);
    if (p->text[p->at] == '%') {
        p->at++;
        t->unit = GATE_PERCENT;
        t->limit /= 100;
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (take_word(p, units[i].name)) {
            t->unit = units[i].unit;
            t->limit *= units[i].scale;
            return STATUS_OK;
        }
    }
    t->unit = GATE_PLAIN;
    return STATUS_OK;
}

/* What no profile could answer is a mistake in the expression. */
static enum status check_term(const struct parser *p, const struct gate_term *t, size_t start)
{
    const char *why = NULL;
    bool is_time = t->metric == GATE_MEAN || t->metric == GATE_DURATION;
    bool is_size = t->metric == GATE_PEAK || t->metric == GATE_ALLOCATED;
    if ((t->metric == GATE_SELF || t->metric == GATE_MEAN) && !t->has_name)
        why = "it needs a name, as in self(login) or mean(*)";
    else if (t->metric == GATE_DURATION && t->has_name)
        why = "duration is the whole profile's and takes no name";
    else if ((is_time && t->unit == GATE_BYTES) || (is_size && t->unit == GATE_SECONDS) ||
             (t->metric == GATE_CALLS && (t->unit == GATE_BYTES || t->unit == GATE_SECONDS)))
        why = "its unit is not one of this metric";
    else if (t->unit == GATE_PERCENT && !t->is_growth && (!t->has_name || t->metric == GATE_MEAN))
        why = "a share of what? +N% is the growth over the base";
    return why ? error_set(p->err, STATUS_USAGE, "gate, character %zu: %s", start + 1, why)
               : STATUS_OK;
}

static enum status parse_term(struct parser *p, struct gate_term *t)
{
    skip_space(p);
    size_t start = p->at;
    enum status st = parse_metric(p, t);
    if (st == STATUS_OK)
        st = parse_name(p, t);
    if (st == STATUS_OK)
        st = parse_op(p, t);
    if (st == STATUS_OK)
        st = parse_number(p, t);
    if (st == STATUS_OK)
        st = parse_unit(p, t);
    return st == STATUS_OK ? check_term(p, t, start) : st;
}

enum status gate_parse(struct gate *out, const char *text, struct error *err)
{
    struct parser p = {.text = text, .err = err};
    struct gate g = {0};
    if (strlen(text) > GATE_MAX_TEXT)
        return error_set(err, STATUS_USAGE, "the gate is longer than %d characters", GATE_MAX_TEXT);
    bool begins_group = true;
    for (;;) {
        if (g.len == GATE_MAX_TERMS)
            return error_set(err, STATUS_USAGE, "gate, character %zu: more than %d terms", p.at + 1,
                             GATE_MAX_TERMS);
        struct gate_term *t = &g.terms[g.len++];
        enum status st = parse_term(&p, t);
        if (st != STATUS_OK)
            return st;
        t->begins_group = begins_group;
        skip_space(&p);
        if (!p.text[p.at])
            break;
        begins_group = take_word(&p, "or");
        if (!begins_group && !take_word(&p, "and"))
            return fail(&p, "a unit, \"and\", \"or\" or the end");
    }
    *out = g;
    return STATUS_OK;
}

/* Goes back to the last star only: an earlier one could not do better. */
bool gate_glob(const char *pattern, const char *text, size_t len)
{
    const char *star = NULL;
    size_t resume = 0;
    size_t i = 0;
    while (i < len) {
        if (*pattern == '*') {
            star = pattern++;
            resume = i;
        } else if (*pattern && (*pattern == '?' || *pattern == text[i])) {
            pattern++;
            i++;
        } else if (star) {
            pattern = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
