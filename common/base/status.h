#pragma once
/* What a function that can fail says: a status for the program, words for the person.
 *
 * Results go out through pointers and are written only on STATUS_OK. The words are written once,
 * where the fault is first known (what, where in the input, what to do); callers pass them on. */

#include <stddef.h>

enum status {
    STATUS_OK = 0,
    STATUS_NO_MEMORY,
    STATUS_USAGE,       /* the call or command line is wrong */
    STATUS_INVALID,     /* the input is not what it should be */
    STATUS_UNSUPPORTED, /* well formed, but of a kind or version we do not read */
    STATUS_TOO_LARGE,   /* a limit was reached */
    STATUS_NOT_FOUND,
    STATUS_EXISTS,
    STATUS_DENIED,      /* the system or the server forbids it */
    STATUS_GONE,        /* the process or peer is no longer there */
    STATUS_BUSY,        /* try again later */
    STATUS_UNREACHABLE, /* no server answers */
    STATUS_IO,
    STATUS_CORRUPT, /* our own data is damaged */
    STATUS_CHECK,   /* a gate said no */
};

struct error {
    enum status status;
    char text[512];
};

/* Formats the words into `err` (which may be NULL) and returns `status`, so that a failing branch
 * is one line: return error_set(err, STATUS_INVALID, "...", ...). Control characters in the
 * arguments are replaced, since names come from foreign files and go to terminals. */
#define error_set(err, status, ...)                                                                \
    (error_write((err), (status), __VA_ARGS__), error_status(status))

/* error_set's two parts. Giving the status back where the compiler can see it tells it that a
 * failing branch fails. */
static inline enum status error_status(enum status status)
{
    return status;
}
void error_write(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the words already there. */
void error_prefix(struct error *err, const char *context);

/* Stable lower-case code, e.g. "too_large": the API's error code. */
const char *status_name(enum status status);

/* 0 done, 1 a gate said no, 2 usage or bad input, 3 not permitted or gone, 4 unreachable. */
int status_exit_code(enum status status);
