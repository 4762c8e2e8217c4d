#pragma once
/* OpenTelemetry's profiles signal, as exporters send it: ExportProfilesServiceRequest of
 * opentelemetry/proto/profiles/v1development (opentelemetry-proto 1.9: samples refer to stacks of
 * the dictionary). Alpha: unknown fields are passed over, index 0 of every table means "none". */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/status.h"

enum { OTLP_MAX_RESOURCES = 256, OTLP_MAX_ATTRIBUTES = 32, OTLP_MAX_TEXT = 256 };

/* What one program sent. */
struct otlp_resource {
    char name[OTLP_MAX_TEXT]; /* service.name, or "unknown_service" */
    struct otlp_attribute {
        char key[OTLP_MAX_TEXT], value[OTLP_MAX_TEXT];
    } * attributes; /* texts only; longer ones are cut */
    size_t attributes_len;
    uint64_t begin_unix_ns; /* 0 = not told */
    struct profile *profile;
};

struct otlp_request {
    struct otlp_resource *resources;
    size_t resources_len, resources_cap;
};

/* STATUS_INVALID, STATUS_TOO_LARGE, STATUS_NO_MEMORY; `out` is to be freed only on success. */
enum status otlp_read(struct otlp_request *out, const uint8_t *data, size_t len, struct error *err);
void otlp_free(struct otlp_request *r);
