# What memory_programs/storm.py loads.
add_library(memory_storm MODULE "${CMAKE_CURRENT_LIST_DIR}/memory_storm.c")
target_link_libraries(memory_storm PRIVATE hg_flags)
set_target_properties(memory_storm PROPERTIES PREFIX "")
