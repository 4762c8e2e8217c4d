#pragma once
/* The tables of the store and how older stores become newer ones. */

#include <sqlite3.h>

#include "common/base/status.h"

enum {
    SCHEMA_VERSION = 4,
    SCHEMA_READABLE = 1, /* older stores of this version on are read without being changed */
    SCHEMA_APPLICATION_ID = 0x48474c31 /* "HGL1" */
};

/* Whether this file is an empty one or a store that we can read: changes nothing. */
enum status schema_check(sqlite3 *db, const char *path, struct error *err);

/* What SQLite only accepts while the file is empty. */
enum status schema_before_first_table(sqlite3 *db, struct error *err);

/* Every step in a transaction of its own: a store is always at a whole version. */
enum status schema_migrate(sqlite3 *db, const char *path, struct error *err);

/* For tests: as schema_migrate, but stops at `version`. */
enum status schema_migrate_to(sqlite3 *db, const char *path, int version, struct error *err);
