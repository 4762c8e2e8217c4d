#pragma once
/* Every format, a line each. Only format.c includes this. Where two formats are equally sure of a
 * file, the earlier one wins. */

#include "backend/formats/format.h"

#define FORMATS(ROW)                                                                               \
    ROW(pstats)                                                                                    \
    ROW(collapsed)                                                                                 \
    ROW(speedscope)                                                                                \
    ROW(pprof)                                                                                     \
    ROW(heliograph)                                                                                \
    ROW(austin_text)                                                                               \
    ROW(austin_mojo)                                                                               \
    ROW(mprof)                                                                                     \
    ROW(memory_lines)                                                                              \
    ROW(cpuprofile)                                                                                \
    ROW(heapprofile)                                                                               \
    ROW(chrome_trace)                                                                              \
    ROW(firefox)                                                                                   \
    ROW(tracemalloc)                                                                               \
    ROW(lprof)                                                                                     \
    ROW(ystat)                                                                                     \
    ROW(pyinstrument_session)                                                                      \
    ROW(pyinstrument_json)                                                                         \
    ROW(pyinstrument_html_json)                                                                    \
    ROW(tachyon_jsonl)                                                                             \
    ROW(tachyon_flamegraph_html)                                                                   \
    ROW(dhat)                                                                                      \
    ROW(heapsnapshot)                                                                              \
    ROW(stackprof)                                                                                 \
    ROW(scalene)                                                                                   \
    ROW(pytest_benchmark)                                                                          \
    ROW(csv)                                                                                       \
    ROW(json)                                                                                      \
    ROW(svg)                                                                                       \
    ROW(perf_script)                                                                               \
    ROW(callgrind)                                                                                 \
    ROW(massif)                                                                                    \
    ROW(heaptrack)                                                                                 \
    ROW(gperftools)                                                                                \
    ROW(tachyon)                                                                                   \
    ROW(html)                                                                                      \
    ROW(pprof_legacy)                                                                              \
    ROW(vmprof)                                                                                    \
    ROW(memray)

#define FORMAT_DECLARE(name) extern const struct format format_##name;
#define FORMAT_PLACE(name)   &format_##name,

FORMATS(FORMAT_DECLARE)
static const struct format *const format_rows[] = {FORMATS(FORMAT_PLACE)};
