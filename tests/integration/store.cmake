# Kill tests of the store and of the way to it: plain programs, so that processes can die in them.
add_executable(crash_store "${CMAKE_CURRENT_LIST_DIR}/crash_store.c")
target_link_libraries(crash_store PRIVATE hg_store hg_made_session)
add_test(NAME crash_store COMMAND crash_store)
set_tests_properties(crash_store PROPERTIES LABELS integration TIMEOUT 900
    FAIL_REGULAR_EXPRESSION "ERROR: (Address|Leak|Thread)Sanitizer;runtime error:")

add_executable(resume_uplink "${CMAKE_CURRENT_LIST_DIR}/resume_uplink.c")
target_link_libraries(resume_uplink PRIVATE hg_uplink hg_ingest_server hg_made_session)
add_test(NAME resume_uplink COMMAND resume_uplink)
set_tests_properties(resume_uplink PROPERTIES LABELS integration TIMEOUT 900
    FAIL_REGULAR_EXPRESSION "ERROR: (Address|Leak|Thread)Sanitizer;runtime error:")
