# The documentation's site, by the target `docs`; the test `docs` builds it and fails on any warning.
find_program(TRIPTYCH_DOXYGEN doxygen)
if(NOT TRIPTYCH_DOXYGEN)
  triptych_report(Doxygen - "missing: no documentation" "${TRIPTYCH_INSTALL} doxygen")
  return()
endif()
execute_process(COMMAND ${TRIPTYCH_DOXYGEN} --version OUTPUT_VARIABLE version
                OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX REPLACE " .*" "" version "${version}")
triptych_report(Doxygen ${version} found "")

set(TRIPTYCH_DOCS_DIR ${PROJECT_BINARY_DIR}/docs)
configure_file(${PROJECT_SOURCE_DIR}/docs/Doxyfile.in ${TRIPTYCH_DOCS_DIR}/Doxyfile @ONLY)
add_custom_target(docs COMMAND ${TRIPTYCH_DOXYGEN} ${TRIPTYCH_DOCS_DIR}/Doxyfile
                  COMMENT "The site: ${TRIPTYCH_DOCS_DIR}/html/index.html" VERBATIM)
if(TRIPTYCH_TESTS AND NOT TRIPTYCH_TEST_LABEL)
  add_test(NAME docs COMMAND ${TRIPTYCH_DOXYGEN} ${TRIPTYCH_DOCS_DIR}/Doxyfile)
  set_tests_properties(docs PROPERTIES TIMEOUT 120)
endif()
