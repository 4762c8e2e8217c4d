#include "backend/store/schema.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backend/store/db.h"

/* Row i brings a store of version i to version i + 1. Never change one that was released: add. */
static const char *const migrations[] = {
    /* A profile's messages hang on a row of `data`, not on the profile itself: while an import is
     * written, and after a profile is deleted, that row is trash, and freeing it happens in small
     * steps behind (also after a crash). chunk.key is data.key << 32 | the first batch's seq. */
    "CREATE TABLE data ("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  is_trash INTEGER NOT NULL);"
    "CREATE INDEX data_trash ON data(key) WHERE is_trash;"
    "CREATE TABLE chunk ("
    "  key INTEGER PRIMARY KEY,"
    "  last_seq INTEGER NOT NULL,"
    "  crc INTEGER NOT NULL,"
    "  message BLOB NOT NULL);"
    "CREATE TABLE profile ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  id TEXT NOT NULL UNIQUE,"
    "  data INTEGER NOT NULL UNIQUE REFERENCES data(key),"
    "  state INTEGER NOT NULL,"
    "  revision INTEGER NOT NULL,"
    "  next_seq INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER NOT NULL,"
    "  duration_ns INTEGER NOT NULL,"
    "  samples INTEGER NOT NULL,"
    "  chunks INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  source_bytes INTEGER NOT NULL,"
    "  peak_rss INTEGER NOT NULL,"
    "  is_compact INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  format TEXT NOT NULL,"
    "  producer TEXT NOT NULL,"
    "  summary TEXT NOT NULL,"
    "  tags TEXT NOT NULL,"
    "  shapes TEXT NOT NULL,"
    "  hello BLOB NOT NULL,"
    "  bye BLOB);"
    "CREATE INDEX profile_state ON profile(state, is_compact);"
    "CREATE INDEX profile_ended ON profile(ended_ms);",
    /* Share links and scoped tokens: of each secret its SHA-256. */
    "CREATE TABLE share ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  hash BLOB NOT NULL UNIQUE,"
    "  profile TEXT NOT NULL,"
    "  view TEXT NOT NULL,"
    "  is_redacted INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  expires_ms INTEGER NOT NULL);"
    "CREATE INDEX share_profile ON share(profile);"
    "CREATE TABLE token ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  hash BLOB NOT NULL UNIQUE,"
    "  name TEXT NOT NULL,"
    "  scope INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  expires_ms INTEGER NOT NULL);",
    /* What people pinned to a profile. */
    "CREATE TABLE note ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  profile TEXT NOT NULL,"
    "  text TEXT NOT NULL,"
    "  function INTEGER,"
    "  from_s REAL,"
    "  to_s REAL,"
    "  created_ms INTEGER NOT NULL);"
    "CREATE INDEX note_profile ON note(profile);",
    /* What to tell of running programs and where, and what was found. */
    "CREATE TABLE rule ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  kind INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  program TEXT NOT NULL,"
    "  function TEXT NOT NULL,"
    "  url TEXT NOT NULL,"
    "  secret TEXT NOT NULL,"
    "  bound REAL NOT NULL,"
    "  window_s REAL NOT NULL,"
    "  created_ms INTEGER NOT NULL);"
    "CREATE TABLE alert ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  rule INTEGER NOT NULL,"
    "  profile TEXT NOT NULL,"
    "  kind INTEGER NOT NULL,"
    "  rule_name TEXT NOT NULL,"
    "  function TEXT NOT NULL,"
    "  text TEXT NOT NULL,"
    "  at_s REAL NOT NULL,"
    "  value REAL NOT NULL,"
    "  baseline REAL NOT NULL,"
    "  bound REAL NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  delivery INTEGER NOT NULL,"
    "  tries INTEGER NOT NULL,"
    "  answer TEXT NOT NULL);"
    "CREATE INDEX alert_profile ON alert(profile);",
};
_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == SCHEMA_VERSION,
               "one migration for each version");

enum status schema_check(sqlite3 *db, const char *path, struct error *err)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t tables = 0;
    enum status st = db_number(db, "PRAGMA application_id", 0, &application, err);
    if (st == STATUS_OK)
        st = db_number(db, "PRAGMA user_version", 0, &version, err);
    if (st == STATUS_OK)
        st = db_number(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, err);
    if (st != STATUS_OK)
        return st;
    if (application == 0 && version == 0 && tables == 0)
        return STATUS_OK;
    if (application != SCHEMA_APPLICATION_ID)
        return error_set(err, STATUS_INVALID, "%s: a SQLite file, but not a Heliograph store",
                         path);
    if (version > SCHEMA_VERSION)
        return error_set(err, STATUS_UNSUPPORTED,
                         "%s: a store of version %lld; this heliograph knows up to %d: use the "
                         "newer one",
                         path, (long long)version, SCHEMA_VERSION);
    return STATUS_OK;
}

enum status schema_before_first_table(sqlite3 *db, struct error *err)
{
    /* Freed pages can go back to the system in small steps. No effect on a store with tables. */
    return db_exec(db, "PRAGMA auto_vacuum=INCREMENTAL", err);
}

static enum status migrate_one(sqlite3 *db, int version, struct error *err)
{
    char pragmas[128];
    snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id=%d; PRAGMA user_version=%d",
             SCHEMA_APPLICATION_ID, version);
    enum status st = db_exec(db, "BEGIN IMMEDIATE", err);
    if (st != STATUS_OK)
        return st;
    st = db_exec(db, migrations[version - 1], err);
    if (st == STATUS_OK)
        st = db_exec(db, pragmas, err);
    if (st == STATUS_OK)
        st = db_exec(db, "COMMIT", err);
    if (st != STATUS_OK && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

enum status schema_migrate_to(sqlite3 *db, const char *path, int version, struct error *err)
{
    int64_t now = 0;
    enum status st = schema_check(db, path, err);
    if (st == STATUS_OK)
        st = db_number(db, "PRAGMA user_version", 0, &now, err);
    for (int next = (int)now + 1; st == STATUS_OK && next <= version; next++)
        st = migrate_one(db, next, err);
    return st;
}

enum status schema_migrate(sqlite3 *db, const char *path, struct error *err)
{
    return schema_migrate_to(db, path, SCHEMA_VERSION, err);
}
