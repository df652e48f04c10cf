# The determinism suite again, as if on other processors: a BLAS under a tier would pick its kernels by these
# names, and a row's bits must not depend on its shape there either. The reference tier has a product of its
# own, because OpenBLAS fails this (docs/design.md); so the suite is the proof that none has crept back in.
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
