/* heliograph convert and export: any readable profile into any writable format. */

#include <stdio.h>
#include <string.h>

#include "backend/formats/format.h"
#include "cli/commands.h"
#include "cli/local.h"
#include "common/base/log.h"

static bool has_extension(const struct format *f, const char *extension)
{
    size_t len = strlen(extension);
    for (const char *at = f->extensions; at && *at;) {
        size_t word = strcspn(at, " ");
        if (word == len && memcmp(at, extension, len) == 0)
            return true;
        at += word + (at[word] == ' ');
    }
    return false;
}

/* By --to, else by the output's extension. */
static const struct format *choose(const char *to, const char *path)
{
    if (to)
        return format_by_name(to);
    const char *dot = strrchr(path, '.');
    for (const struct format *f = format_all(); dot && f->name; f++) {
        if (f->write && has_extension(f, dot + 1))
            return f;
    }
    return NULL;
}

static enum status list_writable(const char *asked, struct error *err)
{
    char names[384] = "";
    for (const struct format *f = format_all(); f->name; f++) {
        size_t used = strlen(names);
        if (f->write && used + strlen(f->name) + 3 < sizeof(names))
            snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", f->name);
    }
    return error_set(err, STATUS_USAGE, "\"%s\" is no format that can be written; --to takes %s",
                     asked, names);
}

static void tell_lost(const struct buf *lost)
{
    for (size_t at = 0; at < lost->len;) {
        const uint8_t *end = memchr(lost->data + at, '\n', lost->len - at);
        size_t len = end ? (size_t)(end - (lost->data + at)) : lost->len - at;
        if (len)
            log_warn("not in this format: %.*s", (int)len, (const char *)lost->data + at);
        at += len + 1;
    }
}

static enum status write_profile(const struct profile *p, const struct format *f, const char *path,
                                 struct error *err)
{
    struct buf out;
    struct buf lost;
    buf_init(&out, 0);
    buf_init(&lost, 1 << 20);
    enum status st = f->write(p, &out, &lost, err);
    if (st == STATUS_OK)
        st = local_write(path, out.data, out.len, err);
    if (st == STATUS_OK)
        tell_lost(&lost);
    buf_deinit(&out);
    buf_deinit(&lost);
    return st;
}

static int convert(const struct args *args)
{
    struct error err = {0};
    const char *path = args_text(args, "output");
    const char *to = args_text(args, "to");
    if (!path)
        path = "-";
    const struct format *f = choose(to, path);
    if (!f || !f->write)
        return local_fail(list_writable(to ? to : path, &err), &err);
    struct local_profile p;
    enum status st = local_profile_open(&p, args->words[0], args_text(args, "store"), &err);
    if (st != STATUS_OK)
        return local_fail(st, &err);
    st = write_profile(p.profile, f, path, &err);
    local_profile_close(&p);
    return st == STATUS_OK ? 0 : local_fail(st, &err);
}

static const struct option_row options[] = {
    {"output", 'o', "OUT", "where to; - = stdout", "-", NULL},
    {"to", 't', "FORMAT", "the format", "by OUT's extension", NULL},
    {"store", 0, "PATH", "the store to look an id up in", "the default store", NULL},
    {0},
};

const struct command command_convert = {
    .name = "convert",
    .usage = "FILE -o OUT [--to FORMAT]",
    .summary = "turn any readable profile into any writable format",
    .details = "No server is needed; - is stdin or stdout. What the format cannot hold is listed "
               "on stderr.",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = convert,
};

const struct command command_export = {
    .name = "export",
    .usage = "ID --to FORMAT [-o OUT]",
    .summary = "write a stored profile as a file",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = convert,
};
