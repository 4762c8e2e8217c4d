/* The body of OpenTelemetry's route: what is taken makes whole profiles, each with at most a sample
 * for every byte that came. */

#include "backend/formats/otlp.h"
#include "tests/fuzz/check_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct otlp_request request;
    struct error err = {0};
    if (otlp_read(&request, data, len, &err) != STATUS_OK) {
        check(err.text[0] != '\0');
        return 0;
    }
    check(request.resources_len <= OTLP_MAX_RESOURCES);
    for (size_t i = 0; i < request.resources_len; i++) {
        struct profile *p = request.resources[i].profile;
        for (size_t k = 0; k < p->sets_len; k++)
            check(p->sets[k].len <= len);
        if (profile_finish(p) == STATUS_OK)
            check_profile(p);
    }
    otlp_free(&request);
    return 0;
}
