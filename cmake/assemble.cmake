# Assembles TEXT with PTXAS into CUBIN, warnings being errors, and writes what ptxas says about
# registers and memory to CUBIN.txt. ARCHITECTURE, if empty, is what the text's .target names.
if(NOT ARCHITECTURE)
  file(STRINGS ${TEXT} target LIMIT_COUNT 1 REGEX "^[ \t]*\\.target")
  if(NOT target MATCHES "\\.target[ \t]+([a-z0-9_]+)")
    message(FATAL_ERROR "${TEXT}: there is no .target line")
  endif()
  set(ARCHITECTURE ${CMAKE_MATCH_1})
endif()
execute_process(
  COMMAND ${PTXAS} --warning-as-error -v -arch=${ARCHITECTURE} ${TEXT} -o ${CUBIN}
  RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT status EQUAL 0)
  file(REMOVE ${CUBIN})
  message(FATAL_ERROR "ptxas refuses ${TEXT} for ${ARCHITECTURE}:\n${said}")
endif()
string(REGEX REPLACE "ptxas info    : Compile time[^\n]*\n?" "" said "${said}")
file(WRITE ${CUBIN}.txt "architecture ${ARCHITECTURE}\n${said}")
