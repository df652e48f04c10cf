# Runs PROGRAM, with -D ARGUMENT=… if it takes one, and holds what it does against what a check is
# expected to do:
#   -D EXPECT=right     exit code 0
#   -D EXPECT=wrong     exit code 1 and a verdict; with -D SOURCE=file, the one that the file's first
#                       line says: // verdict: …
execute_process(COMMAND ${PROGRAM} ${ARGUMENT} RESULT_VARIABLE code OUTPUT_VARIABLE said ERROR_VARIABLE said)
message("${said}")
if(EXPECT STREQUAL "right")
  if(NOT code STREQUAL "0")
    message(FATAL_ERROR "wanted exit code 0, got ${code}")
  endif()
  return()
endif()

if(NOT code STREQUAL "1")
  message(FATAL_ERROR "wanted exit code 1 and a verdict, got ${code}")
endif()
set(verdict "wrong: ")
if(SOURCE)
  file(STRINGS ${SOURCE} first LIMIT_COUNT 1)
  string(REPLACE "\\;" ";" first "${first}")  # it is a list of one line
  if(NOT first MATCHES "^// verdict: (.+)$")
    message(FATAL_ERROR "${SOURCE}: its first line is not '// verdict: …'")
  endif()
  string(APPEND verdict "${CMAKE_MATCH_1}\n")
endif()
string(FIND "${said}" "${verdict}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "wanted a line that says: ${verdict}")
endif()
