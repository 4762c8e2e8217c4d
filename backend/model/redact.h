#pragma once
/* A profile as it may be shown to strangers: what ran and how long, not where.
 *
 * The same rows under the same numbers, with other texts: folders are cut from paths, addresses
 * and the host's name are replaced, and texts that name no code (arguments, environment, tags,
 * labels, notices' words, source lines) are gone. Only texts in roles listed in redact.c stay: what
 * a later version adds is left out until somebody decides. */

#include "backend/model/profile.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct redacted {
    struct profile profile; /* borrows most of the profile it was made of */
    struct strtab strings;
    struct model_process *processes;
    struct model_notice *notices;
    struct model_label_set *label_sets;
};

/* `p` must not change or go while `out` is used. */
enum status redact_profile(struct redacted *out, const struct profile *p);
void redacted_free(struct redacted *r); /* takes a zeroed one too */

/* Text as it may be shown: appended to `out`. `host` NULL or "" = none known. */
void redact_text(struct buf *out, const char *text, size_t len, const char *host);
