# cmake -DNPM= -DSOURCE= -DFOLDER= -P: npm ci of SOURCE's lock file in FOLDER, without what only
# the tests and the editor need.
file(MAKE_DIRECTORY "${FOLDER}")
file(COPY "${SOURCE}/package.json" "${SOURCE}/package-lock.json" DESTINATION "${FOLDER}")
execute_process(
    COMMAND "${NPM}" ci --omit=dev --prefer-offline --no-audit --no-fund --loglevel=error
    WORKING_DIRECTORY "${FOLDER}"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
    message("${output}")
    message(FATAL_ERROR
        "npm could not install the page's build tools (esbuild). The first build needs the network "
        "or a filled npm cache; behind a proxy, set npm's https-proxy.")
endif()
file(WRITE "${FOLDER}/installed" "")
