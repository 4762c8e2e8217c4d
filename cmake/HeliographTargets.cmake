# heliograph_library(NAME sources... [LINK targets...])
#   One folder, one static library; headers are included from the program's root.
function(heliograph_library name)
    cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
    add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
    target_link_libraries(${name} PUBLIC hg_flags hg_sanitize ${ARG_LINK})
endfunction()

# heliograph_unit_test(NAME sources... [LINK targets...])
#   A Criterion program. Criterion lets LeakSanitizer failures pass, so their text fails the test.
function(heliograph_unit_test name)
    cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
    add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
    target_link_libraries(${name} PRIVATE hg_flags hg_sanitize ${ARG_LINK} PkgConfig::CRITERION)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties(${name} PROPERTIES
        LABELS unit
        TIMEOUT 300
        FAIL_REGULAR_EXPRESSION "ERROR: (Address|Leak)Sanitizer;runtime error:")
endfunction()

# heliograph_fuzz_target(NAME source [LINK targets...])
#   With HELIOGRAPH_FUZZ a libFuzzer program; otherwise a plain program that replays its corpus
#   (tests/fuzz/corpus/NAME and tests/fuzz/regressions/NAME), so that crashes stay fixed.
function(heliograph_fuzz_target name source)
    cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
    if(HELIOGRAPH_FUZZ)
        add_executable(${name} ${source})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(${name} ${source} "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.c")
    endif()
    target_link_libraries(${name} PRIVATE hg_flags hg_sanitize ${ARG_LINK})
    if(NOT HELIOGRAPH_FUZZ)
        add_test(NAME ${name} COMMAND ${name}
            "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}"
            "${PROJECT_SOURCE_DIR}/tests/fuzz/regressions/${name}")
        set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 300)
    endif()
endfunction()
