# Debian 12's -dev packages; docs/dependencies.md says why each is here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(LWS REQUIRED IMPORTED_TARGET libwebsockets>=4.1)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd>=1.5)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(LIBDW REQUIRED IMPORTED_TARGET libdw>=0.188)
pkg_check_modules(LIBELF REQUIRED IMPORTED_TARGET libelf>=0.188)
find_library(IBERTY_LIBRARY NAMES iberty REQUIRED)

# Debian's civetweb has no .pc file, and its CMake package asks for a binary of another package.
find_library(CIVETWEB_LIBRARY NAMES civetweb REQUIRED)
find_path(CIVETWEB_INCLUDE_DIR NAMES civetweb.h REQUIRED)
add_library(hg_civetweb INTERFACE)
target_link_libraries(hg_civetweb INTERFACE ${CIVETWEB_LIBRARY} ${CMAKE_DL_LIBS} Threads::Threads)
target_include_directories(hg_civetweb SYSTEM INTERFACE ${CIVETWEB_INCLUDE_DIR})

if(HELIOGRAPH_TESTS)
    pkg_check_modules(CRITERION REQUIRED IMPORTED_TARGET criterion>=2.4)
    # The wire is written by hand; the tests hold it against generated code.
    pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
    find_program(PROTOC_C NAMES protoc-c REQUIRED)
endif()
