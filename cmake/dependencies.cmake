# The third-party libraries. Each is looked for on the system first, then fetched from its
# upstream repository at a pinned tag (TRIPTYCH_FETCH says which may be). What was found, fetched
# or missing is collected in TRIPTYCH_SUMMARY for the table at the end of the configuration.
include(FetchContent)
set(TRIPTYCH_SUMMARY "")
set(TRIPTYCH_INSTALL "apt-get install")

# One row of the summary: name, version, state, and the remedy where something is missing.
macro(triptych_report name version state remedy)
  list(APPEND TRIPTYCH_SUMMARY "${name}|${version}|${state}|${remedy}")
endmacro()

# triptych_library(name PACKAGE p VERSION v TARGET t GIT url TAG tag APT package
#                  [OPTIONAL what_is_lost] [HEADERS folder])
# Afterwards TARGET exists, unless the library is OPTIONAL and was neither found nor fetched.
# HEADERS: a header-only library; when fetched, its own CMake project is not entered.
macro(triptych_library name)
  cmake_parse_arguments(lib "" "PACKAGE;VERSION;TARGET;GIT;TAG;APT;OPTIONAL;HEADERS" "" ${ARGN})
  find_package(${lib_PACKAGE} ${lib_VERSION} QUIET)
  if(TARGET ${lib_TARGET})
    triptych_report("${name}" "${${lib_PACKAGE}_VERSION}" found "")
  elseif(TRIPTYCH_FETCH STREQUAL "ALL" OR (TRIPTYCH_FETCH STREQUAL "NEEDED" AND NOT lib_OPTIONAL))
    message(STATUS "${name} is not on this system: fetching ${lib_TAG} from ${lib_GIT} "
                   "(to install it instead: ${TRIPTYCH_INSTALL} ${lib_APT})")
    string(TOLOWER ${lib_PACKAGE} content)
    if(lib_HEADERS)
      set(subdir SOURCE_SUBDIR no-such-folder)
    else()
      set(subdir "")
    endif()
    FetchContent_Declare(${content} GIT_REPOSITORY ${lib_GIT} GIT_TAG ${lib_TAG} GIT_SHALLOW ON
                         SYSTEM ${subdir})
    FetchContent_MakeAvailable(${content})
    if(lib_HEADERS AND NOT TARGET ${lib_TARGET})
      add_library(${lib_TARGET} INTERFACE IMPORTED)
      target_include_directories(${lib_TARGET} SYSTEM INTERFACE
                                 ${${content}_SOURCE_DIR}/${lib_HEADERS})
    endif()
    triptych_report("${name}" "${lib_TAG}" fetched "")
  elseif(lib_OPTIONAL)
    triptych_report("${name}" "-" "missing: ${lib_OPTIONAL}" "${TRIPTYCH_INSTALL} ${lib_APT}")
  else()
    message(FATAL_ERROR "${name} ${lib_VERSION} or newer is missing: ${TRIPTYCH_INSTALL} ${lib_APT}"
                        " (or script/bootstrap, or -DTRIPTYCH_FETCH=ALL)")
  endif()
endmacro()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

triptych_library(Eigen PACKAGE Eigen3 VERSION 3.4 TARGET Eigen3::Eigen HEADERS .
                 GIT https://gitlab.com/libeigen/eigen.git TAG 3.4.0 APT libeigen3-dev)
set(FMT_INSTALL ON)
triptych_library(fmt PACKAGE fmt VERSION 9 TARGET fmt::fmt
                 GIT https://github.com/fmtlib/fmt.git TAG 10.2.1 APT libfmt-dev)
set(SPDLOG_FMT_EXTERNAL ON)
triptych_library(spdlog PACKAGE spdlog VERSION 1.9 TARGET spdlog::spdlog
                 GIT https://github.com/gabime/spdlog.git TAG v1.14.1 APT libspdlog-dev)
triptych_library(CLI11 PACKAGE CLI11 VERSION 2.1 TARGET CLI11::CLI11 HEADERS include
                 GIT https://github.com/CLIUtils/CLI11.git TAG v2.4.2 APT libcli11-dev)
triptych_library(nlohmann_json PACKAGE nlohmann_json VERSION 3.10 HEADERS include
                 TARGET nlohmann_json::nlohmann_json
                 GIT https://github.com/nlohmann/json.git TAG v3.11.3 APT nlohmann-json3-dev)
if(TRIPTYCH_TESTS)
  set(INSTALL_GTEST OFF)
  triptych_library(GoogleTest PACKAGE GTest VERSION 1.11 TARGET GTest::gtest_main
                   OPTIONAL "no tests" APT libgtest-dev
                   GIT https://github.com/google/googletest.git TAG v1.14.0)
endif()
if(TRIPTYCH_BENCH)
  set(BENCHMARK_ENABLE_TESTING OFF)
  set(BENCHMARK_ENABLE_INSTALL OFF)
  triptych_library("Google Benchmark" PACKAGE benchmark VERSION 1.6 TARGET benchmark::benchmark
                   OPTIONAL "no `triptych bench`" APT libbenchmark-dev
                   GIT https://github.com/google/benchmark.git TAG v1.8.5)
endif()

# OpenBLAS is the benchmarks' yardstick alone (docs/design.md says why); it is not fetched.
find_package(OpenBLAS CONFIG QUIET)
if(OpenBLAS_FOUND)
  set(triptych_blas ${OpenBLAS_LIBRARIES})
  triptych_report(OpenBLAS "${OpenBLAS_VERSION}" found "")
else()
  set(triptych_blas "")
  triptych_report(OpenBLAS "-" "missing: no yardstick in `triptych bench`"
                  "${TRIPTYCH_INSTALL} libopenblas-dev")
endif()

# What nvcc compresses PTX with: of use to programs that bring such PTX to the software device. Not fetched.
add_library(triptych_compression INTERFACE)
foreach(row "zstd|ZSTD|zstd.h" "lz4|LZ4|lz4.h")
  string(REPLACE "|" ";" row "${row}")
  list(GET row 0 name)
  list(GET row 1 NAME)
  list(GET row 2 header)
  find_library(TRIPTYCH_${NAME}_LIBRARY ${name})
  find_path(TRIPTYCH_${NAME}_INCLUDE ${header})
  mark_as_advanced(TRIPTYCH_${NAME}_LIBRARY TRIPTYCH_${NAME}_INCLUDE)
  if(TRIPTYCH_${NAME}_LIBRARY AND TRIPTYCH_${NAME}_INCLUDE)
    target_link_libraries(triptych_compression INTERFACE ${TRIPTYCH_${NAME}_LIBRARY})
    target_include_directories(triptych_compression SYSTEM INTERFACE ${TRIPTYCH_${NAME}_INCLUDE})
    target_compile_definitions(triptych_compression INTERFACE TRIPTYCH_HAVE_${NAME}=1)
    triptych_report(${name} "" found "")
  else()
    target_compile_definitions(triptych_compression INTERFACE TRIPTYCH_HAVE_${NAME}=0)
    triptych_report(${name} "-" "missing: no PTX compressed with it on the software device"
                    "${TRIPTYCH_INSTALL} lib${name}-dev")
  endif()
endforeach()

# Eigen as we use it. Its templates are instantiated in many objects, and the linker keeps one
# copy of each: so everything that includes Eigen must see these same definitions.
add_library(triptych_eigen INTERFACE)
target_link_libraries(triptych_eigen INTERFACE $<BUILD_INTERFACE:Eigen3::Eigen>)
target_compile_definitions(triptych_eigen INTERFACE
  $<BUILD_INTERFACE:EIGEN_MPL2_ONLY> $<BUILD_INTERFACE:EIGEN_DONT_PARALLELIZE>)
