#pragma once
/* Every format, two lines each: its declaration and its place in the table. Only format.c includes
 * this. Where two formats are equally sure of a file, the earlier row wins. */

#include "backend/formats/format.h"

extern const struct format format_pstats;
extern const struct format format_collapsed;
extern const struct format format_speedscope;
extern const struct format format_pprof;
extern const struct format format_heliograph;
extern const struct format format_austin_text;
extern const struct format format_austin_mojo;
extern const struct format format_mprof;
extern const struct format format_memory_lines;
extern const struct format format_cpuprofile;
extern const struct format format_heapprofile;
extern const struct format format_chrome_trace;
extern const struct format format_firefox;
extern const struct format format_tracemalloc;
extern const struct format format_lprof;
extern const struct format format_ystat;
extern const struct format format_pyinstrument_session;
extern const struct format format_pyinstrument_json;
extern const struct format format_pyinstrument_html_json;
extern const struct format format_tachyon_jsonl;
extern const struct format format_tachyon_flamegraph_html;
extern const struct format format_dhat;
extern const struct format format_heapsnapshot;
extern const struct format format_stackprof;
extern const struct format format_scalene;
extern const struct format format_pytest_benchmark;
extern const struct format format_csv;
extern const struct format format_json;
extern const struct format format_svg;
extern const struct format format_perf_script;
extern const struct format format_callgrind;
extern const struct format format_massif;
extern const struct format format_heaptrack;
extern const struct format format_gperftools;
extern const struct format format_tachyon;
extern const struct format format_html;
extern const struct format format_pprof_legacy;
extern const struct format format_vmprof;
extern const struct format format_memray;

static const struct format *const format_rows[] = {
    &format_pstats,
    &format_collapsed,
    &format_speedscope,
    &format_pprof,
    &format_heliograph,
    &format_austin_text,
    &format_austin_mojo,
    &format_mprof,
    &format_memory_lines,
    &format_cpuprofile,
    &format_heapprofile,
    &format_chrome_trace,
    &format_firefox,
    &format_tracemalloc,
    &format_lprof,
    &format_ystat,
    &format_pyinstrument_session,
    &format_pyinstrument_json,
    &format_pyinstrument_html_json,
    &format_tachyon_jsonl,
    &format_tachyon_flamegraph_html,
    &format_dhat,
    &format_heapsnapshot,
    &format_stackprof,
    &format_scalene,
    &format_pytest_benchmark,
    &format_csv,
    &format_json,
    &format_svg,
    &format_perf_script,
    &format_callgrind,
    &format_massif,
    &format_heaptrack,
    &format_gperftools,
    &format_tachyon,
    &format_html,
    &format_pprof_legacy,
    &format_vmprof,
    &format_memray,
};
