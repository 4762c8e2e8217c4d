/* Shares and tokens: kept as hashes, ended by time, by hand, and with their profile. */

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <string.h>

#include "backend/store/access.h"
#include "backend/store/db.h"
#include "backend/store/schema.h"
#include "common/base/clock.h"
#include "tests/unit/store/made_session.h"
#include "tests/unit/store/store_folder.h"

static struct store_folder folder;
static struct made made;
static char id[17];
static struct error err;
static struct library *l;

static void open_library(void)
{
    struct library_options options = {.path = folder.path};
    cr_assert_eq(library_open(&l, &options, &err), STATUS_OK, "%s", err.text);
}

static void setup(void)
{
    uint64_t next_seq;
    store_folder_make(&folder);
    made_id(3, id);
    open_library();
    struct wire_hello hello = made_hello(id);
    cr_assert_eq(library_begin(l, &hello, &next_seq, &err), STATUS_OK, "%s", err.text);
    const struct wire_batch *batch = made_batch(&made, 1);
    cr_assert_eq(library_append(l, id, batch, made.message.data, made.message.len, &err),
                 STATUS_OK);
    cr_assert_eq(library_end(l, id, LIBRARY_COMPLETE, NULL, &err), STATUS_OK, "%s", err.text);
}

static void teardown(void)
{
    library_close(l);
    made_deinit(&made);
    store_folder_remove(&folder);
}

TestSuite(access, .init = setup, .fini = teardown);

static void share(char secret[IDENT_TOKEN_CHARS + 1], uint64_t *number)
{
    char view[] = "view=flame";
    struct library_share s = {.view = view, .is_redacted = true};
    memcpy(s.profile, id, sizeof(s.profile));
    cr_assert_eq(library_share_add(l, &s, secret, &err), STATUS_OK, "%s", err.text);
    *number = s.number;
}

static enum status look(const char *secret)
{
    struct library_share found;
    enum status st = library_share_find(l, secret, strlen(secret), &found, &err);
    if (st == STATUS_OK)
        library_share_deinit(&found);
    return st;
}

Test(access, finds_a_share_by_its_secret_only)
{
    char secret[IDENT_TOKEN_CHARS + 1];
    uint64_t number;
    struct library_share found;
    share(secret, &number);
    cr_assert_eq(library_share_find(l, secret, IDENT_TOKEN_CHARS, &found, &err), STATUS_OK);
    cr_assert_str_eq(found.profile, id);
    cr_assert_str_eq(found.view, "view=flame");
    cr_assert(found.is_redacted);
    cr_assert_eq(found.number, number);
    library_share_deinit(&found);
    cr_assert_eq(look(""), STATUS_NOT_FOUND);
    cr_assert_eq(library_share_find(l, secret, IDENT_TOKEN_CHARS - 1, &found, &err),
                 STATUS_NOT_FOUND);
    secret[0] = secret[0] == 'a' ? 'b' : 'a';
    cr_assert_eq(look(secret), STATUS_NOT_FOUND);
}

Test(access, outlives_the_server_and_ends_with_the_profile)
{
    char secret[IDENT_TOKEN_CHARS + 1];
    uint64_t number;
    share(secret, &number);
    library_close(l);
    open_library();
    cr_assert_eq(look(secret), STATUS_OK);
    cr_assert_eq(library_delete(l, id, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(look(secret), STATUS_NOT_FOUND);
}

Test(access, refuses_what_has_expired_or_leads_nowhere)
{
    char view[] = "";
    char secret[IDENT_TOKEN_CHARS + 1];
    struct library_share s = {.view = view, .expires_unix_ms = 1};
    memcpy(s.profile, id, sizeof(s.profile));
    cr_assert_eq(library_share_add(l, &s, secret, &err), STATUS_INVALID);
    s.expires_unix_ms = 0;
    memcpy(s.profile, "aaaaaaaaaaaaaaaa", sizeof(s.profile));
    cr_assert_eq(library_share_add(l, &s, secret, &err), STATUS_NOT_FOUND);
}

Test(access, a_token_has_its_scope_until_it_is_revoked)
{
    char name[] = "ci";
    char secret[IDENT_TOKEN_CHARS + 1];
    enum library_scope scope;
    struct library_token t = {.name = name, .scope = LIBRARY_SCOPE_SEND};
    cr_assert_eq(library_token_add(l, &t, secret, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(library_token_find(l, secret, IDENT_TOKEN_CHARS, &scope, &err), STATUS_OK);
    cr_assert_eq(scope, LIBRARY_SCOPE_SEND);
    cr_assert_eq(look(secret), STATUS_NOT_FOUND, "a token is no link");
    cr_assert_eq(library_token_revoke(l, t.number, &err), STATUS_OK);
    cr_assert_eq(library_token_find(l, secret, IDENT_TOKEN_CHARS, &scope, &err), STATUS_NOT_FOUND);
    cr_assert_eq(library_token_revoke(l, t.number, &err), STATUS_NOT_FOUND);
}

/* What later versions add taken away again is a store of version 1 with everything in it. */
Test(access, a_store_of_version_1_keeps_its_profiles_and_takes_shares)
{
    library_close(l);
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(folder.path, &db), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(db,
                     "DROP TABLE share; DROP TABLE token; DROP TABLE note; DROP TABLE alert; "
                     "DROP TABLE rule; PRAGMA user_version=1",
                     NULL, NULL, NULL),
        SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    struct library_options looking = {.path = folder.path, .is_read_only = true};
    struct library_hold hold;
    cr_assert_eq(library_open(&l, &looking, &err), STATUS_OK, "read as it is: %s", err.text);
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    library_release(l, &hold);
    library_close(l);
    cr_assert_eq(store_folder_number(folder.path, "PRAGMA user_version"), 1);
    open_library();
    cr_assert_eq(store_folder_number(folder.path, "PRAGMA user_version"), SCHEMA_VERSION);
    cr_assert_eq(library_hold(l, id, &hold, &err), STATUS_OK, "%s", err.text);
    cr_assert(made_is_exactly(hold.profile, 1));
    library_release(l, &hold);
    char secret[IDENT_TOKEN_CHARS + 1];
    uint64_t number;
    share(secret, &number);
    cr_assert_eq(look(secret), STATUS_OK);
}
