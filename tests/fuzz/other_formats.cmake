# A target for each reader of text, marshal, pickle and binary formats, as in json_formats.cmake.
foreach(format pstats collapsed heliograph austin-text austin-mojo mprof memory_profiler-text
        tracemalloc lprof yappi-ystat perf-script callgrind massif heaptrack gperftools-cpu
        tachyon-binary pprof-legacy-text vmprof memray html)
    string(REPLACE "-" "_" name "fuzz_${format}")
    heliograph_fuzz_target(${name} fuzz_reader.c LINK hg_formats)
    target_compile_definitions(${name} PRIVATE FUZZ_FORMAT="${format}")
endforeach()
heliograph_fuzz_target(fuzz_otlp fuzz_otlp.c LINK hg_formats)
