# The test `consumer`: installs the build BUILD into a fresh prefix under it, then configures, builds
# and runs the project SOURCE against that prefix. Any failure stops with the step's output.
set(prefix ${BUILD}/consumer/prefix)
set(work ${BUILD}/consumer/build)
file(REMOVE_RECURSE ${BUILD}/consumer)

function(step name)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "consumer: ${name} failed (${status}):\n${said}")
  endif()
  message(STATUS "${name}: good")
  set(said "${said}" PARENT_SCOPE)
endfunction()

step(install ${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix} --component Development)
file(GLOB_RECURSE headers ${prefix}/*.h)
if(NOT headers)
  message(FATAL_ERROR "consumer: no header was installed")
endif()
file(READ ${prefix}/${LIBDIR}/cmake/Triptych/TriptychTargets.cmake exported)
string(FIND "${exported}" "${REPOSITORY}" at)
if(NOT at EQUAL -1)
  message(FATAL_ERROR "consumer: the installed package mentions the source folder ${REPOSITORY}")
endif()
step(configure ${CMAKE_COMMAND} -S ${SOURCE} -B ${work} -G ${GENERATOR}
     -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_PREFIX_PATH=${prefix} -D CMAKE_BUILD_TYPE=Release
     -D CMAKE_CXX_FLAGS=-Wall\ -Wextra\ -Werror)
step(build ${CMAKE_COMMAND} --build ${work})
step(run ${work}/consumer)
message(STATUS "${said}")
