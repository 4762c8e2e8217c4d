# What test_faults.py preloads.
add_library(fault_shim MODULE "${CMAKE_CURRENT_LIST_DIR}/fault_shim.c")
target_link_libraries(fault_shim PRIVATE hg_flags)
set_target_properties(fault_shim PROPERTIES PREFIX "")
