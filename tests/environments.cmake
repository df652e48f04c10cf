# The determinism suite again, as if on other processors: a BLAS under a tier picks its kernels by these
# names, and a row's bits must not depend on its shape there either.
if(TARGET determinism_test)
  foreach(core Haswell SkylakeX)
    set(test ${prefix}determinism.${core})
    add_test(NAME ${test} COMMAND determinism_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    get_test_property(${prefix}determinism TIMEOUT timeout)
    get_test_property(${prefix}determinism LABELS labels)
    set_tests_properties(${test} PROPERTIES TIMEOUT ${timeout} LABELS "${labels}"
                         ENVIRONMENT OPENBLAS_CORETYPE=${core})
  endforeach()
endif()
