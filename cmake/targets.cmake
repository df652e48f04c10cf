# How our own targets are made.

# The warnings, the processor and the floating-point rules of everything we compile.
# -ffp-contract=off: a*b+c is two roundings wherever it stands, so that the same source gives the
# same bits on every compiler; where one rounding is wanted the source says std::fma.
# -Wno-(maybe-)uninitialized: GCC 12 reports its own vector intrinsics and std::string with them, and
# other places on each processor; Clang's -Wuninitialized and the sanitizers find what is really not set.
function(triptych_compile_flags target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wimplicit-fallthrough -Wno-missing-field-initializers
    -ffp-contract=off
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized;-Wno-maybe-uninitialized>"
    $<$<BOOL:${TRIPTYCH_WERROR}>:-Werror>
    $<$<BOOL:${TRIPTYCH_MARCH}>:-march=${TRIPTYCH_MARCH}>)
  if(TRIPTYCH_SANITIZE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${TRIPTYCH_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${TRIPTYCH_SANITIZE})
  endif()
endfunction()

# Leaves out, where the undefined-behaviour sanitizer is on, what doubles the time to compile templates and
# what the address sanitizer finds as well.
function(triptych_sanitize_less target)
  if(TRIPTYCH_SANITIZE MATCHES "undefined")
    target_compile_options(${target} PRIVATE -fno-sanitize=null,alignment,object-size,vptr)
  endif()
endfunction()

# Not optimised under the sanitizers, but for fuzzing: little time is spent in it, and it is compiled sooner.
function(triptych_sanitize_slowly target)
  if(TRIPTYCH_SANITIZE AND NOT TRIPTYCH_SANITIZE MATCHES "fuzzer")
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# Everything of ours may use these two, and nothing that we install shows them.
function(triptych_common_libraries target)
  target_link_libraries(${target} PRIVATE
    fmt::fmt $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
endfunction()

# triptych_precompile(target headers...): a header compiled once for all the target's sources, where the
# presets ask for it. Sources name all that they use all the same: other presets build without.
function(triptych_precompile target)
  if(TRIPTYCH_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# Where only some tests are built, nothing is that they do not need.
function(triptych_on_demand target)
  if(TRIPTYCH_TEST_LABEL)
    set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
endfunction()

# triptych_folder(name [HOT] LINK targets... [PRIVATE targets...] [KERNELS cuda|ptx] [PRECOMPILE headers...])
# The static library triptych_<name> of src/<name>/*.cpp; an interface library while there are none. HOT: tests
# spend their time in it, so it is optimised under the sanitizers too.
function(triptych_folder name)
  cmake_parse_arguments(arg "HOT" "KERNELS" "LINK;PRIVATE;PRECOMPILE" ${ARGN})
  string(REPLACE "/" "_" target triptych_${name})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(arg_KERNELS)
    cmake_language(CALL triptych_${arg_KERNELS}_kernels kernel_sources)
    list(APPEND sources ${kernel_sources})
  endif()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_link_libraries(${target} PUBLIC ${arg_LINK} PRIVATE ${arg_PRIVATE})
    triptych_compile_flags(${target})
    if(NOT arg_HOT)
      triptych_sanitize_slowly(${target})
    endif()
    triptych_common_libraries(${target})
    triptych_precompile(${target} <fmt/format.h> <algorithm> <filesystem> <functional> <map> <memory>
                                  <span> <string> <vector> ${arg_PRECOMPILE})
    triptych_on_demand(${target})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_features(${target} INTERFACE cxx_std_20)
    target_link_libraries(${target} INTERFACE ${arg_LINK} ${arg_PRIVATE})
  endif()
  if(name MATCHES "^emulator/")
    # Parts of shared libraries.
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL "INTERFACE_LIBRARY")
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    endif()
  endif()
  string(REPLACE "triptych_" "" export ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${export})
endfunction()

# triptych_program(name source): the command-line program in bin/, if its source is there.
function(triptych_program name source)
  file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${source})
  if(NOT found)
    return()
  endif()
  add_executable(${name} ${found})
  triptych_compile_flags(${name})
  triptych_common_libraries(${name})
  target_link_libraries(${name} PRIVATE triptych_app spdlog::spdlog CLI11::CLI11)
  if(TARGET triptych_benchmarks)
    target_link_libraries(${name} PRIVATE triptych_benchmarks)
    target_compile_definitions(${name} PRIVATE TRIPTYCH_HAVE_BENCHMARK=1)
  endif()
  target_compile_definitions(${name} PRIVATE TRIPTYCH_VERSION="${PROJECT_VERSION}")
  triptych_on_demand(${name})
endfunction()

# triptych_emulator_library(name version folder LINK targets...): lib/emulator/lib<name>.so.<version> of
# src/emulator/<folder>/*.cpp, which exports what <folder>/exports.map names and nothing else, so that programs
# that know nothing of it find the software device by LD_LIBRARY_PATH.
function(triptych_emulator_library name version folder)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/emulator/${folder}/*.cpp)
  set(exports ${PROJECT_SOURCE_DIR}/src/emulator/${folder}/exports.map)
  set(target triptych_emulator_${folder})
  add_library(${target} SHARED ${sources})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PRIVATE ${arg_LINK})
  triptych_compile_flags(${target})
  triptych_sanitize_slowly(${target})
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${name} VERSION ${version} SOVERSION ${version} CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/emulator
    BUILD_RPATH "$ORIGIN" LINK_DEPENDS ${exports})
  target_link_options(${target} PRIVATE -Wl,--version-script=${exports} -Wl,-z,nodelete)
  triptych_on_demand(${target})
endfunction()
