/* Gate expressions: what is taken has finite limits and named terms; what is refused says why. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/query/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct gate g;
    struct error err = {0};
    char *text = malloc(len + 1);
    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    if (gate_parse(&g, text, &err) == STATUS_OK) {
        check(g.len > 0 && g.len <= GATE_MAX_TERMS && g.terms[0].begins_group);
        for (size_t i = 0; i < g.len; i++) {
            check(isfinite(g.terms[i].limit) && g.terms[i].limit >= 0);
            check(g.terms[i].has_name == (g.terms[i].name[0] != '\0'));
            /* The text is as good a name as any. */
            gate_glob(g.terms[i].name, text, strlen(text));
        }
    } else {
        check(err.status == STATUS_USAGE && err.text[0] != '\0');
    }
    free(text);
    return 0;
}
