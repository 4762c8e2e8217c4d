add_executable(round_trip round_trip.c)
target_link_libraries(round_trip PRIVATE hg_flags hg_sanitize same_profile hg_query hg_formats)

# The corpus when it is there, our own fixtures otherwise.
find_package(Python3 COMPONENTS Interpreter REQUIRED)
add_test(NAME round_trips COMMAND "${Python3_EXECUTABLE}"
    "${CMAKE_CURRENT_SOURCE_DIR}/round_trips.py" $<TARGET_FILE:round_trip>)
set_tests_properties(round_trips PROPERTIES LABELS unit TIMEOUT 1200)
