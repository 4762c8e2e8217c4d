/* heliograph report: a profile's numbers in the terminal. */

#include "backend/query/stats.h"
#include "cli/commands.h"
#include "cli/local.h"

static enum status compose(const struct args *args, const struct profile *p, struct buf *out,
                           struct error *err)
{
    double top = 20;
    struct query_filter filter = {.value = args_text(args, "value")};
    double from = -1;
    double to = -1;
    enum status st = args_number(args, "top", 0, 1e9, &top, err);
    if (st == STATUS_OK)
        st = args_seconds(args, "from", &from, err);
    if (st == STATUS_OK)
        st = args_seconds(args, "to", &to, err);
    if (st != STATUS_OK)
        return st;
    filter.has_from = from >= 0;
    filter.has_to = to >= 0;
    filter.from_ns = filter.has_from ? (uint64_t)(from * 1e9) : 0;
    filter.to_ns = filter.has_to ? (uint64_t)(to * 1e9) : 0;
    struct stats_options options = {.top = (size_t)top, .sort = args_text(args, "sort")};
    if (args_flag(args, "json", false))
        return stats_write_json(p, NULL, &filter, &options, out, err);
    return stats_write_text(p, NULL, &filter, &options, out, err);
}

static int report(const struct args *args)
{
    struct error err = {0};
    struct local_profile p;
    enum status st = local_profile_open(&p, args->words[0], args_text(args, "store"), &err);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    struct buf out;
    buf_init(&out, 0);
    st = compose(args, p.profile, &out, &err);
    if (st == STATUS_OK)
        st = local_write("-", out.data, out.len, &err);
    buf_deinit(&out);
    local_profile_close(&p);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

static const struct option_row options[] = {
    {"top", 'n', "N", "functions and lines to show, half as many in each list of memory; 0 = all",
     "20", NULL},
    {"sort", 's', "K", "self, total, name, file, samples, ncalls, tottime, cumtime; -K turns it",
     "self", NULL},
    {"value", 0, "KEY", "which numbers, where a profile has several", "the first", NULL},
    {"from", 0, "S", "only from this second on", NULL, NULL},
    {"to", 0, "S", "only before this second", NULL, NULL},
    {"json", 'j', NULL, "the stable JSON object of docs/api.md", NULL, NULL},
    {"store", 0, "PATH", "the store to look an id up in", "the default store", NULL},
    {0},
};

const struct command command_report = {
    .name = "report",
    .usage = "[options] FILE|ID",
    .summary = "print a profile's totals, functions, lines and memory",
    .details =
        "FILE is a saved profile of any readable format (- = stdin), ID one of heliograph list.",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = report,
};
