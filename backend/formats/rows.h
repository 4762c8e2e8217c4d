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
};
