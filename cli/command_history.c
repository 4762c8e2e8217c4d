/* heliograph history: benchmarks over many runs. */

#include "backend/query/history.h"
#include "cli/commands.h"
#include "cli/local.h"

static enum status add_all(struct history *h, const struct args *args, struct error *err)
{
    for (int i = 0; i < args->words_len; i++) {
        struct local_profile p;
        size_t before = history_runs(h);
        enum status st = local_profile_open(&p, args->words[i], args_text(args, "store"), err);
        if (st != STATUS_OK)
            return st;
        st = history_add(h, p.profile, args->words[i], args->words[i]);
        local_profile_close(&p);
        if (st != STATUS_OK)
            return error_set(err, st, "%s: more runs or benchmarks than fit", args->words[i]);
        if (history_runs(h) == before)
            return error_set(err, STATUS_UNSUPPORTED, "%s holds no benchmarks", args->words[i]);
    }
    return history_finish(h);
}

static int history(const struct args *args)
{
    struct error err = {0};
    struct history *h = NULL;
    struct buf out;
    buf_init(&out, 0);
    enum status st = history_new(&h);
    if (st == STATUS_OK)
        st = add_all(h, args, &err);
    if (st == STATUS_OK)
        st = args_flag(args, "json", false) ? history_write_json(h, &out)
                                            : history_write_text(h, &out);
    if (st == STATUS_OK && args_flag(args, "json", false))
        buf_put_byte(&out, '\n');
    if (st == STATUS_OK)
        st = local_write("-", out.data, out.len, &err);
    size_t slower = st == STATUS_OK ? history_regressions(h) : 0;
    buf_deinit(&out);
    history_free(h);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    return slower && args_flag(args, "fail", false) ? status_exit_code(STATUS_CHECK) : 0;
}

static const struct option_row options[] = {
    {"json", 'j', NULL, "the stable JSON object of docs/compare.md", NULL, NULL},
    {"fail", 0, NULL, "exit 1 when a benchmark got slower in its machine's latest run", NULL, NULL},
    {"store", 0, "PATH", "the store to look ids up in", "the default store", NULL},
    {0},
};

const struct command command_history = {
    .name = "history",
    .usage = "[options] RUN RUN...",
    .summary = "benchmarks over many runs, what got slower marked",
    .details = "Each RUN is a pytest-benchmark file, or the id of one in heliograph list. Runs are "
               "put in order of time; each benchmark is compared with the same machine's run "
               "before, and marked when mean and median changed by 5 % or more and by more than "
               "chance.",
    .options = options,
    .min_words = 1,
    .max_words = 1000,
    .run = history,
};
