#pragma once
/* Who besides the owner may do what: share links (one profile, read-only) and scoped tokens. Of a
 * secret only its SHA-256 is stored; it is told once, when it is made. Numbers name a share or
 * token in lists: they are no secrets. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/store/library.h"
#include "common/base/ident.h"
#include "common/base/status.h"

enum {
    ACCESS_MAX_SHARES = 10000,
    ACCESS_MAX_TOKENS = 1000,
    ACCESS_MAX_VIEW = 64 << 10, /* bytes of a page's state */
    ACCESS_MAX_NAME = 200,
};

struct library_share {
    uint64_t number;
    char profile[IDENT_CHARS + 1];
    char *view; /* the page's state, as in its URL after '#' */
    bool is_redacted;
    uint64_t created_unix_ms, expires_unix_ms; /* 0 = never */
};
void library_share_deinit(struct library_share *share);
void library_shares_free(struct library_share *shares, size_t len);

/* `share` gets its number and time; `secret` the link's token. STATUS_NOT_FOUND without such a
 * profile, STATUS_TOO_LARGE above the limits. Shares whose time is over go on this occasion. */
enum status library_share_add(struct library *l, struct library_share *share,
                              char secret[IDENT_TOKEN_CHARS + 1], struct error *err);

/* STATUS_NOT_FOUND, with the same words, for a secret that never was, was revoked or has expired.
 */
enum status library_share_find(struct library *l, const char *secret, size_t len,
                               struct library_share *out, struct error *err);

/* Newest first; `profile` NULL = of all. Those that have expired are left out. */
enum status library_share_list(struct library *l, const char *profile,
                               struct library_share **shares, size_t *len, struct error *err);
enum status library_share_revoke(struct library *l, uint64_t number, struct error *err);

/* ---- tokens ---- */

enum library_scope { LIBRARY_SCOPE_READ = 1, LIBRARY_SCOPE_SEND, LIBRARY_SCOPE_ADMIN };
const char *library_scope_name(enum library_scope scope); /* "read", "send", "admin" */
enum status library_scope_find(const char *name, enum library_scope *out, struct error *err);

struct library_token {
    uint64_t number;
    char *name; /* what it is for */
    enum library_scope scope;
    uint64_t created_unix_ms, expires_unix_ms; /* 0 = never */
};
void library_tokens_free(struct library_token *tokens, size_t len);

/* As with shares. */
enum status library_token_add(struct library *l, struct library_token *token,
                              char secret[IDENT_TOKEN_CHARS + 1], struct error *err);
enum status library_token_find(struct library *l, const char *secret, size_t len,
                               enum library_scope *scope, struct error *err);
enum status library_token_list(struct library *l, struct library_token **tokens, size_t *len,
                               struct error *err);
enum status library_token_revoke(struct library *l, uint64_t number, struct error *err);
