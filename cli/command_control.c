/* heliograph control: pause, resume, the rate and the end of a profile that is being taken. */

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/http_client.h"
#include "cli/local.h"

static enum status read_wish(const struct args *args, struct buf *body, struct error *err)
{
    bool must_pause = args_flag(args, "pause", false);
    bool must_resume = args_flag(args, "resume", false);
    bool must_stop = args_flag(args, "stop", false);
    double rate_hz = 0;
    enum status st = args_number(args, "rate", 0.1, 100000, &rate_hz, err);
    if (st != STATUS_OK)
        return st;
    if (must_pause && must_resume)
        return error_set(err, STATUS_USAGE, "--pause or --resume, not both");
    if (!must_pause && !must_resume && !must_stop && rate_hz <= 0)
        return error_set(err, STATUS_USAGE, "say what: --pause, --resume, --rate HZ or --stop");
    const char *comma = "";
    buf_put_byte(body, '{');
    if (must_pause || must_resume) {
        buf_printf(body, "\"paused\":%s", must_pause ? "true" : "false");
        comma = ",";
    }
    if (rate_hz > 0) {
        buf_printf(body, "%s\"rate_hz\":%.17g", comma, rate_hz);
        comma = ",";
    }
    if (must_stop)
        buf_printf(body, "%s\"stop\":true", comma);
    buf_put_byte(body, '}');
    return buf_status(body);
}

static int control(const struct args *args)
{
    struct error err = {0};
    struct buf body;
    struct buf url;
    struct buf answer;
    char local[256] = "";
    buf_init(&body, 1024);
    buf_init(&url, 4096);
    enum status st = read_wish(args, &body, &err);
    const char *server = args_text(args, "server");
    if (!server) {
        local_server_url(args_text(args, "store"), local, sizeof(local));
        server = local;
    }
    if (st == STATUS_OK && !server[0])
        st =
            error_set(&err, STATUS_UNREACHABLE, "no server is running; --server URL names another");
    if (st == STATUS_OK) {
        buf_printf(&url, "%s/api/v1/profiles/", server);
        http_put_escaped(&url, args->words[0]);
        buf_put_text(&url, "/control");
        buf_put_byte(&url, '\0');
        struct http_request request = {.method = "POST",
                                       .url = (const char *)url.data,
                                       .token = args_text(args, "token"),
                                       .body = body.data,
                                       .body_len = body.len,
                                       .type = "application/json"};
        st = http_call(&answer, &request, &err);
        if (st == STATUS_OK)
            buf_deinit(&answer);
    }
    buf_deinit(&url);
    buf_deinit(&body);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

static const struct option_row options[] = {
    {"pause", 0, NULL, "take no samples until --resume; the program goes on", NULL, NULL},
    {"resume", 0, NULL, "take samples again", NULL, NULL},
    {"rate", 'r', "HZ", "samples a second from now on", NULL, NULL},
    {"stop", 0, NULL, "end the profile; the program goes on", NULL, NULL},
    {"server", 0, "URL", "the server", "the one that runs here", "HELIOGRAPH_SERVER"},
    {"token", 0, "T", "its token", NULL, "HELIOGRAPH_TOKEN"},
    {"store", 0, "PATH", "store whose server is meant", "the default store", NULL},
    {0},
};

const struct command command_control = {
    .name = "control",
    .usage = "(--pause | --resume | --rate HZ | --stop) ID",
    .summary = "pause, resume, change the rate of or end a profile that is being taken",
    .details =
        "The same by signals to `heliograph run` or `attach`: SIGUSR1 pauses or resumes, SIGUSR2\n"
        "sets the rate to the number that comes with it (/bin/kill -q 500 -s USR2 PID), without\n"
        "one back to the rate of the start.",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = control,
};
