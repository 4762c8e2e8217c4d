# Watched by test_native.py; never sanitized: a program of other people's is not either.
add_executable(native_plain native_programs/plain.c)
target_compile_options(native_plain PRIVATE -Wall -Wextra -O2 -g -fomit-frame-pointer)
target_link_libraries(native_plain PRIVATE Threads::Threads)
target_link_options(native_plain PRIVATE -Wl,--build-id=sha1)
