/* How long profiles are kept. */

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "backend/store/db.h"
#include "backend/store/inside.h"
#include "common/base/clock.h"
#include "common/base/log.h"

static const struct {
    const char *name;
    bool is_age;
    double factor; /* milliseconds or bytes */
} units[] = {
    {"s", true, 1e3},       {"min", true, 60e3},     {"h", true, 3600e3},    {"d", true, 86400e3},
    {"w", true, 604800e3},  {"y", true, 31557600e3}, {"kB", false, 1e3},     {"MB", false, 1e6},
    {"GB", false, 1e9},     {"TB", false, 1e12},     {"KiB", false, 0x1p10}, {"MiB", false, 0x1p20},
    {"GiB", false, 0x1p30}, {"TiB", false, 0x1p40},
};

static enum status parse_one(const char **text, struct library_retention *out, const char *whole,
                             struct error *err)
{
    char *end = NULL;
    double amount = strtod(*text, &end);
    size_t len = 0;
    while (isalpha((unsigned char)end[len]))
        len++;
    if (end != *text && isfinite(amount) && amount > 0) {
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            if (strlen(units[i].name) != len || strncasecmp(units[i].name, end, len) != 0)
                continue;
            double value = amount * units[i].factor;
            if (value < 1 || value > 9e18)
                break;
            *(units[i].is_age ? &out->age_ms : &out->bytes) = (uint64_t)value;
            *text = end + len;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_USAGE,
                     "'%s' says neither an age (s, min, h, d, w, y) nor a size (kB, MB, GB, TB): "
                     "30d, 10GB or 30d,10GB",
                     whole);
}

enum status library_parse_retention(const char *text, struct library_retention *out,
                                    struct error *err)
{
    struct library_retention parsed = {0};
    const char *at = text;
    enum status st = parse_one(&at, &parsed, text, err);
    if (st == STATUS_OK && *at == ',') {
        at++;
        st = parse_one(&at, &parsed, text, err);
    }
    if (st == STATUS_OK && *at != '\0')
        st = error_set(err, STATUS_USAGE, "'%s': what does '%s' mean?", text, at);
    if (st == STATUS_OK)
        *out = parsed;
    return st;
}

enum { JUMP_MS = 600000, CALM_MS = 3600000 };

static uint64_t boot_ms(void)
{
    struct timespec ts; /* counts while the machine sleeps, too */
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool retain_clock_is_calm(struct retain_clock *c, uint64_t wall_ms, uint64_t steady_ms)
{
    int64_t offset = (int64_t)(wall_ms - steady_ms);
    int64_t jump = offset - c->offset_ms;
    bool is_first = c->steady_ms == 0;
    c->offset_ms = offset;
    c->steady_ms = steady_ms ? steady_ms : 1;
    if (!is_first && (jump > JUMP_MS || jump < -JUMP_MS))
        c->not_before_ms = steady_ms + CALM_MS;
    return steady_ms >= c->not_before_ms;
}

enum status retain_in_background(struct library *l, struct error *err)
{
    struct library_retention wanted = l->retention;
    bool was_calm = l->retain_clock.not_before_ms == 0;
    if (!retain_clock_is_calm(&l->retain_clock, clock_unix_ns() / 1000000, boot_ms())) {
        if (was_calm)
            log_warn("the system's clock has jumped: no profile is deleted for its age within the "
                     "next hour");
        wanted.age_ms = 0;
    } else {
        l->retain_clock.not_before_ms = 0;
    }
    return wanted.age_ms || wanted.bytes ? library_retain(l, &wanted, NULL, err) : STATUS_OK;
}

struct candidate {
    char id[IDENT_CHARS + 1];
    uint64_t ended_ms;
    uint64_t store_bytes; /* of all profiles together */
};

/* The profile that ended longest ago. */
static enum status find_oldest(struct library *l, struct candidate *out, bool *has_one,
                               struct error *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    enum status st = reader_take(l, &db, err);
    *has_one = false;
    if (st == STATUS_OK)
        st = db_prepare(db, &stmt,
                        "SELECT id, ended_ms, (SELECT sum(bytes) FROM profile) FROM profile "
                        "WHERE state != ?1 ORDER BY ended_ms, number LIMIT 1",
                        err);
    if (st == STATUS_OK) {
        sqlite3_bind_int(stmt, 1, LIBRARY_LIVE);
        st = db_step(db, stmt, has_one, err);
    }
    if (st == STATUS_OK && *has_one) {
        const char *id = (const char *)sqlite3_column_text(stmt, 0);
        *out = (struct candidate){.ended_ms = db_u64(stmt, 1), .store_bytes = db_u64(stmt, 2)};
        strncpy(out->id, id ? id : "", IDENT_CHARS);
    }
    sqlite3_finalize(stmt);
    reader_give(l, db);
    return st;
}

enum status library_retain(struct library *l, const struct library_retention *retention,
                           uint64_t *deleted, struct error *err)
{
    uint64_t count = 0;
    enum status st = library_need_writer(l, err);
    while (st == STATUS_OK) {
        struct candidate oldest;
        bool has_one = false;
        st = find_oldest(l, &oldest, &has_one, err);
        if (st != STATUS_OK || !has_one)
            break;
        uint64_t now = clock_unix_ns() / 1000000;
        bool is_old = retention->age_ms && oldest.ended_ms + retention->age_ms < now;
        bool is_too_much = retention->bytes && oldest.store_bytes > retention->bytes;
        if (!is_old && !is_too_much)
            break;
        st = library_delete(l, oldest.id, err);
        if (st == STATUS_NOT_FOUND || st == STATUS_BUSY)
            st = STATUS_OK; /* somebody else deleted it, or its collector came back */
        else
            count += st == STATUS_OK;
    }
    if (deleted)
        *deleted = count;
    return st;
}
