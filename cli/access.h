#pragma once
/* What `share` and `token` have in common: a running server owns the store, and is asked; without
 * one the store is opened here. */

#include "backend/store/access.h"
#include "cli/options.h"

struct cJSON;

struct access {
    char server[256]; /* "" = none runs, and `library` is the store */
    struct library *library;
};

enum status access_open(struct access *a, const struct args *args, struct error *err);
void access_close(struct access *a);

/* Asks the server. `body` NULL = none; `*answer` (cJSON_Delete it) is NULL when there is none. */
enum status access_call(const struct access *a, const char *method, const char *path,
                        struct cJSON *body, struct cJSON **answer, struct error *err);

/* The words behind --expires: seconds from now, 0 = never; `otherwise` when absent. */
enum status access_expiry(const struct args *args, double otherwise, double *seconds,
                          struct error *err);
uint64_t access_expires_ms(double seconds);

/* "list": the head, and the rows of the server that runs or of the store. */
typedef enum status (*access_rows)(const struct access *a, struct error *err);
int access_list(const struct args *args, const char *head, access_rows server, access_rows here);

/* "revoke N [N...]": the words after the first. */
int access_revoke(const struct args *args, const char *what,
                  enum status (*here)(struct library *l, uint64_t number, struct error *err));

/* "2026-05-09 07:30", or "never" for 0. */
void access_time(uint64_t unix_ms, char out[32]);
/* Foreign text for a terminal. */
void access_print(const char *text);

uint64_t access_u64(const struct cJSON *object, const char *name);
const char *access_text(const struct cJSON *object, const char *name); /* "" when absent */
