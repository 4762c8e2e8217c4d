# One interface target carries the flags that every target of ours is compiled with.
add_library(hg_flags INTERFACE)
target_compile_options(hg_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Wcast-qual -Wcast-align -Wwrite-strings
    -Wpointer-arith -Wdouble-promotion -Wimplicit-fallthrough -Wnull-dereference
    -fno-omit-frame-pointer -fstack-protector-strong)
target_compile_definitions(hg_flags INTERFACE _GNU_SOURCE)
target_include_directories(hg_flags INTERFACE "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}/generated")
if(HELIOGRAPH_WERROR)
    target_compile_options(hg_flags INTERFACE -Werror)
endif()

# The agent is preloaded into other people's programs: it takes the warnings but never a sanitizer.
add_library(hg_sanitize INTERFACE)
if(HELIOGRAPH_SANITIZE)
    target_compile_options(hg_sanitize INTERFACE
        -fsanitize=${HELIOGRAPH_SANITIZE} -fno-sanitize-recover=undefined)
    target_link_options(hg_sanitize INTERFACE -fsanitize=${HELIOGRAPH_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_definitions(hg_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(HELIOGRAPH_COVERAGE)
    target_compile_options(hg_sanitize INTERFACE --coverage -O0)
    target_link_options(hg_sanitize INTERFACE --coverage)
endif()
if(HELIOGRAPH_FUZZ)
    target_compile_options(hg_sanitize INTERFACE -fsanitize=fuzzer-no-link)
    target_link_options(hg_sanitize INTERFACE -fsanitize=fuzzer-no-link)
endif()
