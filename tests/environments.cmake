# The determinism suite again, as if on other processors: a BLAS under a tier would pick its kernels by these
# names, and a row's bits must not depend on its shape there either. The reference tier has a product of its
# own, because OpenBLAS fails this (docs/design.md); so the suite is the proof that none has crept back in.
if(TARGET determinism_test AND NOT TRIPTYCH_SANITIZE)
  foreach(core Haswell SkylakeX)
    set(test determinism.${core})
    add_test(NAME ${test} COMMAND determinism_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    get_test_property(determinism TIMEOUT timeout)
    set_tests_properties(${test} PROPERTIES TIMEOUT ${timeout}
                         ENVIRONMENT OPENBLAS_CORETYPE=${core})
  endforeach()
endif()

# The GPU tiers' kernels again under all checkers of the software device, which have nothing to say of them.
if(TARGET gpu_kernels_test AND NOT TRIPTYCH_SANITIZE)
  add_test(NAME gpu_kernels.checked COMMAND gpu_kernels_test WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(gpu_kernels.checked PROPERTIES TIMEOUT 120 ENVIRONMENT TRIPTYCH_CHECK=all
                       FAIL_REGULAR_EXPRESSION "triptych: [a-z]+: ")
endif()
