# Fails when docs/configuration.md is not what the .proto comments say.
# -DGENERATED=file -DCOMMITTED=file -DBUILD_DIRECTORY=folder
if(NOT EXISTS ${COMMITTED})
  set(differs 1)
else()
  execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${GENERATED} ${COMMITTED}
    RESULT_VARIABLE differs OUTPUT_QUIET ERROR_QUIET)
endif()
if(differs)
  message(FATAL_ERROR "docs/configuration.md is stale: the comments of proto/skimwatch/config/v1 say "
    "otherwise. Write it anew with: cmake --build ${BUILD_DIRECTORY} --target configuration-reference")
endif()
