#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

#define TABLES                                                                                     \
    "\"stackTable\":{\"frame\":[0,1],\"prefix\":[null,0],\"length\":2},"                           \
    "\"frameTable\":{\"func\":[0,1],\"line\":[null,4]},"                                           \
    "\"funcTable\":{\"name\":[0,1],\"fileName\":[null,2],\"resource\":[-1,-1],"                    \
    "\"lineNumber\":[null,3]},\"stringArray\":[\"main\",\"f\",\"f.js\"]"
#define META    "{\"meta\":{\"version\":29,\"preprocessedProfileVersion\":47,\"startTime\":1000},"
#define SAMPLES "\"samples\":{\"stack\":[1,0,null],\"time\":[5,6.5,8]}"

static struct error err;

Test(firefox, reads_tables_of_each_thread)
{
    struct profile *p =
        load_text(META "\"threads\":[{\"name\":\"GeckoMain\",\"pid\":\"3\",\"tid\":4," SAMPLES
                       "," TABLES "},{\"name\":\"Other\",\"tid\":5," SAMPLES "," TABLES "}]}",
                  &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->sets[0].len, 6);
    cr_assert_eq(self_of(p, 0, 0, "f"), 2);
    cr_assert_eq(total_with(p, 0, 0, "main"), 4);
    cr_assert_eq(p->sets[0].time_ns[0], 0);
    cr_assert_eq(p->start_unix_ns, 1005000000);
    cr_assert_eq(p->tables.threads[1].tid + p->tables.threads[0].tid, 9);
    profile_free(p);
}

Test(firefox, reads_shared_tables_sources_and_prefix_offsets)
{
    struct profile *p = load_text(
        "{\"meta\":{\"preprocessedProfileVersion\":66},\"threads\":[{\"name\":\"t\",\"samples\":{"
        "\"stack\":[1],\"timeDeltas\":[2],\"weight\":[7],\"weightType\":\"bytes\"}}],\"shared\":{"
        "\"stringArray\":[\"a\",\"f.py\"],\"sources\":{\"filename\":[1]},\"funcTable\":{\"name\":"
        "[0],\"source\":[0]},\"frameTable\":{\"func\":[0]},\"stackTable\":{\"frame\":[0,0],"
        "\"prefixOffset\":[0,1]}}}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_with(p, 0, 0, "a"), 7);
    cr_assert_str_eq(text_at(p, p->sets[0].types[0].unit), "bytes");
    cr_assert_eq(p->tables.stack_depth[p->sets[0].stack ? p->sets[0].stack[0] : 0], 2);
    cr_assert_str_eq(text_at(p, p->tables.functions[1].file), "f.py");
    profile_free(p);
}

Test(firefox, reads_raw_gecko_rows_with_locations)
{
    struct profile *p = load_text(
        "{\"meta\":{\"version\":9,\"startTime\":5},\"libs\":[],\"threads\":[{\"name\":\"m\","
        "\"samples\":{\"data\":[[1,0],[0,1]],\"schema\":{\"stack\":0,\"time\":1}},"
        "\"stackTable\":{\"schema\":{\"prefix\":0,\"frame\":1},\"data\":[[null,0],[0,1]]},"
        "\"frameTable\":{\"schema\":{\"location\":0},\"data\":[[0],[1]]},"
        "\"stringTable\":[\"(root)\",\"f (http://x/a.js:3:4)\"]}]}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(self_of(p, 0, 0, "f"), 1);
    const struct wire_function *f = &p->tables.functions[p->tables.functions_len - 1];
    cr_assert_str_eq(text_at(p, f->file), "http://x/a.js");
    cr_assert_eq(f->line, 3);
    profile_free(p);
}

Test(firefox, refuses_indices_that_are_not_there)
{
    static const char *const bad[] = {
        META "\"threads\":[{\"samples\":{\"stack\":[9],\"time\":[0]}," TABLES "}]}",
        META
        "\"threads\":[{" SAMPLES ",\"stackTable\":{\"frame\":[0,0],\"prefix\":[1,0]},"
        "\"frameTable\":{\"func\":[0]},\"funcTable\":{\"name\":[0]},\"stringArray\":[\"a\"]}]}",
        META
        "\"threads\":[{" SAMPLES ",\"stackTable\":{\"frame\":[5],\"prefix\":[null]},"
        "\"frameTable\":{\"func\":[0]},\"funcTable\":{\"name\":[0]},\"stringArray\":[\"a\"]}]}",
        META "\"threads\":{}}",
        META "\"threads\":[1]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_null(load_text(bad[i], &err), "%s", bad[i]);
        cr_assert(strstr(err.text, "firefox"), "%s", err.text);
    }
}
