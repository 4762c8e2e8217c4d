#pragma once
/* A profile's file with the sources its functions name, as the form that a server takes. */

#include "common/base/buf.h"
#include "common/base/status.h"

enum { UPLOAD_MAX_SOURCES = 200, UPLOAD_SOURCE_BYTES = 1 << 20, UPLOAD_SOURCES_BYTES = 32 << 20 };

/* Puts the form into `out` and its Content-Type into `type`. Sources are regular text files on this
 * machine that are named as Python's and Cython's are (.py, .pyw, .pyx, .pxd), the ones with most
 * functions in the profile first when there are more than may go along. How many are missing is
 * said. Any error of reading the profile is the server's to say: then the file goes alone. */
enum status upload_form(struct buf *out, char type[80], const struct buf *file, const char *name,
                        struct error *err);
