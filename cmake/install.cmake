# `cmake --install`: the contract's headers, the libraries, and TriptychConfig.cmake, so that
# find_package(Triptych) gives triptych::triptych; the program and its default text besides.
#   --component Development   what another project needs
#   --component Runtime       the program
include(CMakePackageConfigHelpers)

add_library(triptych_all INTERFACE)
target_link_libraries(triptych_all INTERFACE
  triptych_contract triptych_reference triptych_tier triptych_model triptych_train)
set_target_properties(triptych_all PROPERTIES EXPORT_NAME triptych)
add_library(triptych::triptych ALIAS triptych_all)

install(TARGETS triptych_all triptych_contract triptych_reference triptych_gpu triptych_cuda
                triptych_ptx triptych_tier triptych_model triptych_train
        EXPORT TriptychTargets COMPONENT Development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/triptych DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT Development FILES_MATCHING PATTERN *.h)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Triptych)
install(EXPORT TriptychTargets NAMESPACE triptych:: DESTINATION ${package} COMPONENT Development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/TriptychConfig.cmake.in
  ${PROJECT_BINARY_DIR}/TriptychConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TriptychConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/TriptychConfig.cmake
              ${PROJECT_BINARY_DIR}/TriptychConfigVersion.cmake
        DESTINATION ${package} COMPONENT Development)
if(TARGET triptych)
  install(TARGETS triptych COMPONENT Runtime)
endif()
