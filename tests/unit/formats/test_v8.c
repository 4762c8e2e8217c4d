#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

#define FRAME(name)                                                                                \
    "\"callFrame\":{\"functionName\":\"" name                                                      \
    "\",\"url\":\"a.js\",\"lineNumber\":4,\"columnNumber\":0}"
#define NODES                                                                                      \
    "{\"nodes\":[{\"id\":1," FRAME("(root)") ",\"children\":[2]},{\"id\":2," FRAME(                \
        "f") ",\"hitCount\":3,\"children\":[3]},{\"id\":3," FRAME("g") "}],"

static struct error err;

Test(cpuprofile, gives_a_sample_the_time_that_follows_it)
{
    struct profile *p = load_text(NODES "\"startTime\":100,\"endTime\":200,\"samples\":[2,3,2],"
                                        "\"timeDeltas\":[10,20,-5]}",
                                  &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_of(p, 0, 0), 15000);
    cr_assert_eq(self_of(p, 0, 0, "f"), 20000);
    cr_assert_eq(self_of(p, 0, 0, "g"), -5000);
    cr_assert_eq(total_with(p, 0, 0, "(root)"), 15000);
    cr_assert_eq(p->tables.functions[1].line, 5);
    cr_assert_eq(p->duration_ns, 100000);
    profile_free(p);
}

Test(cpuprofile, counts_hits_when_there_are_no_times)
{
    struct profile *p = load_text(NODES "\"startTime\":1,\"endTime\":2}", &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(self_of(p, 0, 0, "f"), 3);
    profile_free(p);
}

Test(cpuprofile, reads_the_nested_shape_of_old_chrome)
{
    struct profile *p = load_text(
        "{\"head\":{\"functionName\":\"(root)\",\"url\":\"\",\"lineNumber\":0,\"id\":1,"
        "\"hitCount\":0,\"children\":[{\"functionName\":\"f\",\"url\":\"a.js\",\"lineNumber\":1,"
        "\"id\":2,\"hitCount\":1,\"children\":[]}]},\"startTime\":1.0,\"endTime\":2.0,"
        "\"samples\":[2,2],\"timestamps\":[1500000,1750000]}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(self_of(p, 0, 0, "f"), 250000000);
    profile_free(p);
}

Test(cpuprofile, refuses_cycles_strangers_and_two_parents)
{
    static const char *const bad[] = {
        "{\"nodes\":[{\"id\":1," FRAME("a") ",\"children\":[2]},{\"id\":2," FRAME(
            "b") ",\"children\":[1]}],\"startTime\":0,\"endTime\":1,\"samples\":[1],"
                 "\"timeDeltas\":[1]}",
        NODES "\"startTime\":0,\"endTime\":1,\"samples\":[9],\"timeDeltas\":[1]}",
        "{\"nodes\":[{\"id\":1," FRAME("a") ",\"children\":[3]},{\"id\":2," FRAME(
            "b") ",\"children\":[3]},{\"id\":3," FRAME("c") "}],\"startTime\":0}",
        "{\"nodes\":[{\"id\":1," FRAME("a") "},{\"id\":1," FRAME("b") "}],\"startTime\":0}",
        "{\"nodes\":[{\"id\":1}],\"startTime\":0}",
        "{\"nodes\":[],\"startTime\":0,\"timeDeltas\":[]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_null(load_text(bad[i], &err), "%s", bad[i]);
        cr_assert(strstr(err.text, "cpuprofile:"), "%s", err.text);
    }
}

Test(heapprofile, takes_each_nodes_own_bytes)
{
    struct profile *p = load_text(
        "{\"head\":{" FRAME("(root)") ",\"selfSize\":0,\"id\":1,\"children\":[{" FRAME(
            "f") ",\"selfSize\":64,\"id\":2,\"children\":[{" FRAME("g") ",\"selfSize\":8,\"id\":3,"
                                                                        "\"children\":[]}]}]},"
                                                                        "\"samples\":[]}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(self_of(p, 0, 0, "f"), 64);
    cr_assert_eq(total_with(p, 0, 0, "f"), 72);
    profile_free(p);
}

#define SNAPSHOT(count, nodes)                                                                     \
    "{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\"],"           \
    "\"node_types\":[[\"hidden\",\"object\"],\"string\",\"number\",\"number\"],"                   \
    "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"]},\"node_count\":" count              \
    ",\"edge_count\":1},\"nodes\":" nodes ",\"edges\":[0,0,4],\"strings\":[\"\",\"A\",\"B\"]}"

Test(heapsnapshot, adds_up_objects_by_type_and_name)
{
    struct profile *p = load_text(SNAPSHOT("3", "[1,1,1,8, 1,1,3,16, 0,2,5,4]"), &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(self_of(p, 0, 0, "A"), 24);
    cr_assert_eq(self_of(p, 0, 1, "A"), 2);
    cr_assert_eq(total_with(p, 0, 0, "object"), 24);
    cr_assert_eq(total_of(p, 0, 0), 28);
    profile_free(p);
}

Test(heapsnapshot, refuses_counts_and_strings_that_do_not_fit)
{
    cr_assert_null(load_text(SNAPSHOT("4", "[1,1,1,8]"), &err));
    cr_assert_null(load_text(SNAPSHOT("1", "[1,7,1,8]"), &err));
    cr_assert_null(load_text(SNAPSHOT("1", "[1,1,1]"), &err));
    cr_assert_null(load_text(SNAPSHOT("1", "[5,1,1,8]"), &err));
}
