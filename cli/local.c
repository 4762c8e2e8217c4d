#include "cli/local.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/formats/format.h"
#include "common/base/ident.h"
#include "common/base/log.h"

static enum status open_from_store(struct local_profile *out, const char *id, const char *store,
                                   struct error *err)
{
    struct library_options options = {.path = store, .is_read_only = true};
    enum status st = library_open(&out->library, &options, err);
    if (st == STATUS_OK)
        st = library_hold(out->library, id, &out->hold, err);
    if (st != STATUS_OK) {
        library_close(out->library);
        return st;
    }
    out->profile = out->hold.profile;
    return STATUS_OK;
}

static enum status say_neither(const char *name, struct error *err)
{
    return error_set(err, STATUS_NOT_FOUND,
                     "there is neither a file nor a profile \"%.200s\" (heliograph list shows the "
                     "profiles of the store)",
                     name);
}

/* Files are mapped: one that shrinks while it is read must not look like a crash. */
static void file_was_cut(int number)
{
    static const char words[] = "heliograph: the file was cut short while it was read\n";
    (void)number;
    (void)!write(STDERR_FILENO, words, sizeof(words) - 1);
    _exit(status_exit_code(STATUS_INVALID));
}

enum status local_profile_open(struct local_profile *out, const char *name, const char *store,
                               struct error *err)
{
    *out = (struct local_profile){0};
    bool is_file = strcmp(name, "-") == 0 || access(name, F_OK) == 0;
    if (!is_file && ident_is_valid(name, IDENT_CHARS)) {
        enum status st = open_from_store(out, name, store, err);
        return st == STATUS_NOT_FOUND ? say_neither(name, err)
                                      : st; /* a store too may be missing */
    }
    if (!is_file)
        return say_neither(name, err);
    struct sigaction cut = {.sa_handler = file_was_cut};
    struct sigaction before;
    sigaction(SIGBUS, &cut, &before);
    enum status st = format_load_path(name, NULL, &out->owned, err);
    sigaction(SIGBUS, &before, NULL);
    out->profile = out->owned;
    return st;
}

void local_profile_close(struct local_profile *p)
{
    profile_free(p->owned);
    if (p->hold.profile)
        library_release(p->library, &p->hold);
    library_close(p->library);
    *p = (struct local_profile){0};
}

void local_server_url(const char *store, char *url, size_t size)
{
    struct library_owner owner;
    if (library_lock_owner(store, &owner, NULL) != STATUS_OK)
        owner.url[0] = '\0';
    snprintf(url, size, "%s", owner.url);
}

enum status local_write(const char *path, const void *data, size_t len, struct error *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (!file)
        return error_set(err, STATUS_IO, "cannot write %s: %s", path, strerror(errno));
    bool is_written = fwrite(data, 1, len, file) == len && fflush(file) == 0;
    int why = errno;
    if (file != stdout && fclose(file) != 0)
        is_written = false;
    return is_written ? STATUS_OK
                      : error_set(err, STATUS_IO, "cannot write %s: %s", path, strerror(why));
}

int local_fail(enum status st, const struct error *err)
{
    log_error("%s", err->text);
    return status_exit_code(st);
}
