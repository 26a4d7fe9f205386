# Target that builds the API reference, api/html/index.html in the build folder: cmake --build build/release --target
# docs
find_program(DOXYGEN_EXECUTABLE doxygen)
if(DOXYGEN_EXECUTABLE)
  file(READ ${PROJECT_SOURCE_DIR}/docs/Doxyfile doxyfile)
  string(CONFIGURE "${doxyfile}
INPUT            = \"${PROJECT_SOURCE_DIR}/include/dkvb\" \"${PROJECT_SOURCE_DIR}/docs/api.md\"
OUTPUT_DIRECTORY = \"${PROJECT_BINARY_DIR}/api\"
STRIP_FROM_PATH  = \"${PROJECT_SOURCE_DIR}\"
PROJECT_NUMBER   = ${PROJECT_VERSION}
" doxyfile @ONLY)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/Doxyfile CONTENT "${doxyfile}")
  add_custom_target(docs COMMAND ${DOXYGEN_EXECUTABLE} ${PROJECT_BINARY_DIR}/Doxyfile
    WORKING_DIRECTORY ${PROJECT_BINARY_DIR} COMMENT "Making the API reference" VERBATIM)
endif()
