# What `make install` and `make package` put where. The man page and the completions come from the
# program's own option tables.
include(GNUInstallDirs)

set(generated "${PROJECT_BINARY_DIR}/share")
file(MAKE_DIRECTORY "${generated}")
add_custom_command(
    OUTPUT "${generated}/heliograph.1" "${generated}/heliograph.bash" "${generated}/_heliograph"
        "${generated}/heliograph.fish"
    COMMAND heliograph man > "${generated}/heliograph.1"
    COMMAND heliograph completion bash > "${generated}/heliograph.bash"
    COMMAND heliograph completion zsh > "${generated}/_heliograph"
    COMMAND heliograph completion fish > "${generated}/heliograph.fish"
    DEPENDS heliograph
    COMMENT "Writing the man page and completions"
    VERBATIM)
add_custom_target(heliograph_share ALL DEPENDS "${generated}/heliograph.1")

install(TARGETS heliograph RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# The agent (installed by its own folder) is looked for beside the program, then in ../lib/heliograph.
install(FILES "${generated}/heliograph.1" DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES "${generated}/heliograph.bash"
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME heliograph)
install(FILES "${generated}/_heliograph" DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES "${generated}/heliograph.fish"
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

set(CPACK_PACKAGE_NAME heliograph)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "Heliograph developers <developers@heliograph.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "live CPU and memory profiler for Python")
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/cmake/package/postinst"
    "${PROJECT_SOURCE_DIR}/cmake/package/prerm"
    "${PROJECT_SOURCE_DIR}/cmake/package/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
install(FILES "${PROJECT_SOURCE_DIR}/cmake/package/heliograph.service"
    DESTINATION lib/systemd/system COMPONENT package EXCLUDE_FROM_ALL)
set(CPACK_DEB_COMPONENT_INSTALL OFF)
# All that `make install` puts somewhere, and then what only a package has.
set(CPACK_INSTALL_CMAKE_PROJECTS
    "${PROJECT_BINARY_DIR};heliograph;ALL;/" "${PROJECT_BINARY_DIR};heliograph;package;/")
include(CPack)
