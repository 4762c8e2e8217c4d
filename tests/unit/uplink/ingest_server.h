#pragma once
/* The smallest server that collectors can talk to: civetweb, ingest and a store, nothing else. */

#include "backend/ingest/ingest.h"
#include "backend/store/library.h"

struct ingest_server;

struct ingest_server_options {
    const char *store_path;
    int port;           /* 0 = any free one */
    const char *token;  /* NULL = none wanted */
    const char *prefix; /* "/base": where it is mounted; NULL = "" */
    int upgrade_status; /* answers upgrades with this status instead; 0 = does not */
};

/* NULL (and words on stderr) when it cannot start. */
struct ingest_server *ingest_server_start(const struct ingest_server_options *options);
void ingest_server_stop(struct ingest_server *s);
int ingest_server_port(const struct ingest_server *s);
struct library *ingest_server_library(struct ingest_server *s);
struct ingest *ingest_server_ingest(struct ingest_server *s);

/* Cuts every connection that exists now. */
void ingest_server_cut(struct ingest_server *s);
