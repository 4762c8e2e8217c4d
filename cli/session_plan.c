#include "cli/session_plan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/version.h"

enum { MAX_SPAN_CHARS = 256 };

/* Spans come from the samples of the stacks. */
static enum status check_spans(const struct session_plan *plan, struct error *err)
{
    size_t len = 0;
    for (; plan->spans[len]; len++) {
        size_t chars = strlen(plan->spans[len]);
        if (chars == 0 || chars > MAX_SPAN_CHARS)
            return error_set(err, STATUS_USAGE,
                             "--span takes MODULE.FUNCTION of 1 to %d characters, not \"%.40s\"",
                             MAX_SPAN_CHARS, plan->spans[len]);
    }
    if (len > SAMPLER_SPANS_MAX)
        return error_set(err, STATUS_USAGE, "at most %d --span", SAMPLER_SPANS_MAX);
    if (len > 0 && plan->rate_hz <= 0)
        return error_set(err, STATUS_USAGE,
                         "--span sees functions in the samples, which --no-stacks leaves out");
    return STATUS_OK;
}

static enum status check_tags(const char *const *tags, struct error *err)
{
    for (size_t i = 0; tags && tags[i]; i++) {
        const char *equals = strchr(tags[i], '=');
        if (!equals || equals == tags[i])
            return error_set(err, STATUS_USAGE, "--tag takes KEY=VALUE, not \"%s\"", tags[i]);
        if (i == SESSION_TAGS_MAX)
            return error_set(err, STATUS_USAGE, "at most %d tags", SESSION_TAGS_MAX);
    }
    return STATUS_OK;
}

static const char *const mode_names[] = {[SAMPLER_WALL] = "wall",
                                         [SAMPLER_CPU] = "cpu",
                                         [SAMPLER_GIL] = "gil",
                                         [SAMPLER_EXCEPTION] = "exception"};

static enum status read_mode(const char *name, enum sampler_mode *out, struct error *err)
{
    for (size_t i = 0; name && i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
        if (strcmp(mode_names[i], name) == 0) {
            *out = (enum sampler_mode)i;
            return STATUS_OK;
        }
    }
    if (!name)
        return STATUS_OK; /* as it is */
    return error_set(err, STATUS_USAGE, "--mode is wall, cpu, gil or exception, not \"%s\"", name);
}

enum status session_plan_read(struct session_plan *out, const struct args *args, struct error *err)
{
    struct session_plan plan = {
        .server_url = args_text(args, "server"),
        .token = args_text(args, "token"),
        .name = args_text(args, "name"),
        .save_path = args_text(args, "save"),
        .tags = args->tags,
        .spans = args->spans,
        .rate_hz = 100,
        .interval_s = 0.1,
        .memory = args_text(args, "memory"),
        .is_quiet = args_flag(args, "quiet", false),
        .may_send_sources = args_flag(args, "sources", true),
        .never_stop = args_flag(args, "never-stop", false),
        .is_native = args_flag(args, "native", false) || args_flag(args, "interpreter", false),
        .with_interpreter = args_flag(args, "interpreter", false),
        .exceptions = args_flag(args, "exceptions", false),
        .columns = args_flag(args, "columns", false),
    };
    enum status st = args_number(args, "rate", 0.1, 100000, &plan.rate_hz, err);
    if (st == STATUS_OK)
        st = read_mode(args_text(args, "mode"), &plan.mode, err);
    if (st == STATUS_OK)
        st = args_seconds(args, "interval", &plan.interval_s, err);
    if (st == STATUS_OK)
        st = args_size(args, "memory-every", &plan.memory_every, err);
    if (st == STATUS_OK && plan.interval_s < 0.01)
        st = error_set(err, STATUS_USAGE, "--interval is at least 10ms");
    if (st != STATUS_OK)
        return st;
    if (plan.memory && strcmp(plan.memory, "off") != 0 && strcmp(plan.memory, "sampled") != 0 &&
        strcmp(plan.memory, "exact") != 0)
        return error_set(err, STATUS_USAGE, "--memory is off, sampled or exact, not \"%s\"",
                         plan.memory);
    if (args_flag(args, "no-stacks", false))
        plan.rate_hz = 0;
    st = check_spans(&plan, err);
    if (st == STATUS_OK)
        st = check_tags(plan.tags, err);
    if (st != STATUS_OK)
        return st;
    *out = plan;
    return STATUS_OK;
}

static struct wire_bytes bytes_of(const char *text)
{
    return (struct wire_bytes){.data = text, .len = strlen(text)};
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* "python3 -u app.py x" is app.py, "python3 -m http.server" is http.server, all else is itself. */
static const char *name_of_command(char *const *argv, int argc)
{
    if (argc == 0)
        return "program";
    if (strncmp(base_name(argv[0]), "python", 6) != 0)
        return base_name(argv[0]);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-m") == 0 && i + 1 < argc)
            return argv[i + 1];
        if (strcmp(argv[i], "-c") == 0)
            return "python -c";
        if (strcmp(argv[i], "-X") == 0 || strcmp(argv[i], "-W") == 0)
            i++;
        else if (argv[i][0] != '-')
            return base_name(argv[i]);
    }
    return base_name(argv[0]);
}

enum status session_hello(struct wire_hello *out, struct session_names *names,
                          const struct session_plan *plan, struct error *err)
{
    if (!ident_random(names->id, IDENT_CHARS))
        return error_set(err, STATUS_IO, "the kernel gives no random numbers");
    if (gethostname(names->host, sizeof(names->host) - 1) != 0)
        names->host[0] = '\0';
    snprintf(names->producer, sizeof(names->producer), "heliograph %s", version_text());
    snprintf(names->name, sizeof(names->name), "%s",
             plan->name ? plan->name : name_of_command(plan->argv, plan->argc));
    size_t argv_len = 0;
    for (int i = 0; i < plan->argc && argv_len < SESSION_ARGV_MAX; i++)
        names->argv[argv_len++] = bytes_of(plan->argv[i]);
    size_t tags_len = 0;
    for (; plan->tags && plan->tags[tags_len]; tags_len++) {
        const char *equals = strchr(plan->tags[tags_len], '=');
        names->tags[tags_len].key =
            (struct wire_bytes){plan->tags[tags_len], (size_t)(equals - plan->tags[tags_len])};
        names->tags[tags_len].value = bytes_of(equals + 1);
    }
    *out = (struct wire_hello){
        .protocol = WIRE_PROTOCOL,
        .session = bytes_of(names->id),
        .token = bytes_of(plan->token ? plan->token : ""),
        .name = bytes_of(names->name),
        .host = bytes_of(names->host),
        .producer = bytes_of(names->producer),
        .mode = bytes_of(mode_names[plan->mode]),
        .rate_hz = plan->rate_hz,
        .argv = names->argv,
        .argv_len = argv_len,
        .tags = names->tags,
        .tags_len = tags_len,
    };
    return STATUS_OK;
}
