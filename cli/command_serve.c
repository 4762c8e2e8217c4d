/* heliograph serve: the server. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/api/api.h"
#include "cli/commands.h"
#include "cli/version.h"
#include "common/base/log.h"

enum {
    MAX_HOSTS = 32,
    TOKEN_MIN = 16,
    TOKEN_MAX = 512,
    STARTING_MS = 5000,
    MAX_CONNECTIONS = 4096
};

/* What `embedded.c` waits for: one line of how it went. */
static void tell_parent(int fd, const char *kind, const char *words)
{
    if (fd < 0)
        return;
    char line[1024];
    int len = snprintf(line, sizeof(line), "%s %s\n", kind, words);
    if (len > 0 && write(fd, line, (size_t)len) < 0) {
        /* The parent is gone; its death signal ends us. */
    }
    close(fd);
}

/* The first line of the file, which must be ours alone. */
static enum status read_token_file(const char *path, char *token, size_t size, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            close(fd);
        return error_set(err, STATUS_USAGE, "cannot read the token file %s: %s", path,
                         strerror(errno));
    }
    ssize_t got = read(fd, token, size - 1);
    close(fd);
    if (st.st_mode & 077)
        return error_set(err, STATUS_USAGE, "the token file %s can be read by others; chmod 600 %s",
                         path, path);
    if (got < 0)
        return error_set(err, STATUS_USAGE, "cannot read the token file %s", path);
    token[got] = '\0';
    token[strcspn(token, "\r\n")] = '\0';
    return STATUS_OK;
}

static enum status read_token(const struct args *args, char *token, size_t size, struct error *err)
{
    const char *path = args_text(args, "token-file");
    const char *variable = getenv("HELIOGRAPH_TOKEN");
    token[0] = '\0';
    enum status st = STATUS_OK;
    if (path)
        st = read_token_file(path, token, size, err);
    else if (variable && snprintf(token, size, "%s", variable) >= (int)size)
        st = error_set(err, STATUS_USAGE, "HELIOGRAPH_TOKEN is too long");
    if (st == STATUS_OK && token[0] && strlen(token) < TOKEN_MIN)
        st = error_set(err, STATUS_USAGE, "a token has at least %d characters", TOKEN_MIN);
    return st;
}

/* "a,b" into pieces; the copy holds them. */
static enum status split_hosts(char *copy, const char *hosts[MAX_HOSTS], size_t *len,
                               struct error *err)
{
    char *rest = NULL;
    *len = 0;
    for (char *host = strtok_r(copy, ", ", &rest); host; host = strtok_r(NULL, ", ", &rest)) {
        if (*len == MAX_HOSTS)
            return error_set(err, STATUS_USAGE, "more than %d hosts in one option", MAX_HOSTS);
        hosts[(*len)++] = host;
    }
    return STATUS_OK;
}

static void wait_for_end(const sigset_t *signals)
{
    int signal_number;
    while (sigwait(signals, &signal_number) != 0) {
    }
}

struct serving {
    struct library *library;
    struct api_server *server;
    char token[TOKEN_MAX];
    char url[128];
};

static enum status read_library_options(const struct args *args, struct library_options *out,
                                        struct error *err)
{
    *out = (struct library_options){.path = args_text(args, "store")};
    const char *retain = args_text(args, "retain");
    return retain ? library_parse_retention(retain, &out->retention, err) : STATUS_OK;
}

static enum status start(struct serving *s, const struct args *args, struct error *err)
{
    struct library_options store;
    const char *allow = args_text(args, "allow-host");
    const char *webhook = args_text(args, "webhook-host");
    char *hosts_copy = strdup(allow ? allow : "");
    char *webhook_copy = strdup(webhook ? webhook : "");
    if (!hosts_copy || !webhook_copy) {
        free(hosts_copy);
        free(webhook_copy);
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    const char *hosts[MAX_HOSTS];
    const char *webhook_hosts[MAX_HOSTS];
    const char *listen = args_text(args, "listen");
    struct api_options options = {
        .listen = listen && strcmp(listen, "127.0.0.1:7700+") == 0 ? NULL : listen,
        .allow_hosts = hosts,
        .webhook_hosts = webhook_hosts,
        .version = version_text(),
        .build = version_build(),
    };
    if (!listen)
        options.listen = "127.0.0.1:7700";
    double collectors = 0;
    double viewers = 0;
    enum status st = split_hosts(hosts_copy, hosts, &options.allow_hosts_len, err);
    if (st == STATUS_OK)
        st = split_hosts(webhook_copy, webhook_hosts, &options.webhook_hosts_len, err);
    if (st == STATUS_OK)
        st = args_size(args, "max-upload", &options.max_upload, err);
    if (st == STATUS_OK)
        st = args_number(args, "max-collectors", 1, MAX_CONNECTIONS, &collectors, err);
    if (st == STATUS_OK)
        st = args_number(args, "max-viewers", 1, MAX_CONNECTIONS, &viewers, err);
    options.max_collectors = (uint32_t)collectors;
    options.max_viewers = (uint32_t)viewers;
    if (st == STATUS_OK)
        st = read_token(args, s->token, sizeof(s->token), err);
    double uploads = 0;
    if (st == STATUS_OK)
        st = args_number(args, "upload-rate", 1, 1e6, &uploads, err);
    options.uploads_per_minute = (uint32_t)uploads;
    options.trust_proxy = args_text(args, "trust-proxy");
    if (st == STATUS_OK)
        st = read_library_options(args, &store, err);
    if (st == STATUS_OK)
        st = library_open(&s->library, &store, err);
    if (st == STATUS_OK) {
        options.library = s->library;
        options.token = s->token[0] ? s->token : NULL;
        st = api_server_start(&s->server, &options, s->url, err);
    }
    if (st == STATUS_OK)
        st = library_set_url(s->library, s->url, err);
    free(hosts_copy);
    free(webhook_copy);
    return st;
}

/* Of two `run`s at the same moment one has the store first, and no address to tell yet: the other
 * waits for it. An owner that has gone meanwhile leaves the store to us. */
static bool is_owner_starting(const struct args *args)
{
    struct library_owner owner;
    return library_lock_owner(args_text(args, "store"), &owner, NULL) != STATUS_OK || !owner.url[0];
}

static void tell_failure(int ready_fd, const struct args *args, enum status st,
                         const struct error *err)
{
    struct library_owner owner;
    if (st == STATUS_BUSY &&
        library_lock_owner(args_text(args, "store"), &owner, NULL) == STATUS_OK && owner.url[0])
        tell_parent(ready_fd, "busy", owner.url);
    else
        tell_parent(ready_fd, "error", err->text);
    if (ready_fd < 0)
        log_error("%s", err->text);
}

/* A copy of the store, also while another server has it open. */
static int back_up(const struct args *args, const char *path)
{
    struct error err = {0};
    struct library_options options = {.path = args_text(args, "store"), .is_read_only = true};
    struct library *library;
    enum status st = library_open(&library, &options, &err);
    if (st == STATUS_OK) {
        st = library_backup(library, path, &err);
        library_close(library);
    }
    if (st == STATUS_OK)
        log_info("the store is copied to %s", path);
    else
        log_error("%s", err.text);
    return status_exit_code(st);
}

static int serve(const struct args *args)
{
    struct error err = {0};
    const char *backup = args_text(args, "backup");
    if (backup)
        return back_up(args, backup);
    double ready = -1;
    enum status st = args_number(args, "ready-fd", 0, 1024, &ready, &err);
    int ready_fd = (int)ready;
    if (args_flag(args, "quiet", false))
        log_set_level(LOG_WARN);
    log_set_json(args_flag(args, "log-json", false));

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    struct serving s = {0};
    if (st == STATUS_OK)
        st = start(&s, args, &err);
    for (int waited = 0; ready_fd >= 0 && st == STATUS_BUSY && !s.library && waited < STARTING_MS &&
                         is_owner_starting(args);
         waited += 50) {
        poll(NULL, 0, 50);
        st = start(&s, args, &err);
    }
    if (st == STATUS_OK) {
        tell_parent(ready_fd, "url", s.url);
        log_info("serving at %s (Ctrl-C stops)", s.url);
        wait_for_end(&signals);
    } else {
        tell_failure(ready_fd, args, st, &err);
    }
    if (s.library)
        library_wake_all(s.library);
    api_server_stop(s.server);
    library_close(s.library);
    return status_exit_code(st);
}

static const struct option_row options[] = {
    {"listen", 'l', "HOST:PORT", "address to listen at; port 0 = any free one", "127.0.0.1:7700",
     NULL},
    {"store", 0, "PATH", "the store", "$XDG_DATA_HOME/heliograph/heliograph.db", NULL},
    {"token-file", 0, "F", "file (mode 600) with the token that clients need", NULL, NULL},
    {"allow-host", 0, "H,H", "more names this server is reached by", NULL, NULL},
    {"trust-proxy", 0, "ADDRESS", "a reverse proxy there may say who asks (X-Forwarded-*)", NULL,
     NULL},
    {"webhook-host", 0, "H,H", "the only hosts that alerts are posted to", NULL, NULL},
    {"upload-rate", 0, "N", "uploads a minute taken from one address", "600", NULL},
    {"max-upload", 0, "SIZE", "largest upload", "256MiB", NULL},
    {"max-collectors", 0, "N", "programs watched at the same time", "64", NULL},
    {"max-viewers", 0, "N", "pages that follow live at the same time", "128", NULL},
    {"retain", 0, "AGE|SIZE", "delete profiles older than AGE or above SIZE together", "for ever",
     NULL},
    {"backup", 0, "FILE", "copy the store to FILE and end; also beside a running server", NULL,
     NULL},
    {"log-json", 0, NULL, "log one JSON object a line", NULL, NULL},
    {"ready-fd", 0, "N", "write the address to this descriptor when serving", NULL, NULL},
    {"quiet", 'q', NULL, "log warnings and errors only", NULL, NULL},
    {0},
};

const struct command command_serve = {
    .name = "serve",
    .usage = "[options]",
    .summary = "run the server: receives, stores and shows profiles",
    .details =
        "Listens on the loopback only unless --listen says otherwise; any other address needs a\n"
        "token (--token-file or HELIOGRAPH_TOKEN). TLS is a reverse proxy's task: see "
        "docs/security.md.",
    .options = options,
    .max_words = 0,
    .run = serve,
};
