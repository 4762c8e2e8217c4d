# A target for each reader of JSON and protobuf formats; they differ in the format's name only.
foreach(format speedscope pprof chrome-trace cpuprofile heapprofile heapsnapshot firefox
        pyinstrument-session pyinstrument-json scalene pytest-benchmark tachyon-jsonl
        tachyon-flamegraph-html dhat stackprof)
    string(REPLACE "-" "_" name "fuzz_${format}")
    heliograph_fuzz_target(${name} fuzz_reader.c LINK hg_formats)
    target_compile_definitions(${name} PRIVATE FUZZ_FORMAT="${format}")
endforeach()
heliograph_fuzz_target(fuzz_json_in fuzz_json_in.c LINK hg_formats)
