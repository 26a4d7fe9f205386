# Whether libdkvb-reference is built: by default where there is an OpenBLAS that brings LAPACK and can be linked.
pkg_check_modules(OPENBLAS QUIET IMPORTED_TARGET openblas)
if(OPENBLAS_FOUND)
  include(CheckCSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES PkgConfig::OPENBLAS)
  check_c_source_compiles("
#include <cblas.h>
#include <f77blas.h>
int main(void)
{
    double one = 1.0;
    blasint n = 1, info;
    char triangle = 'U';
    BLASFUNC(dpotrf)(&triangle, &n, &one, &n, &info);
    return openblas_get_num_threads() < 1 || info != 0;
}
" DKVB_OPENBLAS_USABLE)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
if(OPENBLAS_FOUND AND DKVB_OPENBLAS_USABLE)
  set(reference_default ON)
else()
  set(reference_default OFF)
endif()
option(DKVB_REFERENCE "Build libdkvb-reference, linear heads on OpenBLAS" ${reference_default})
if(DKVB_REFERENCE AND NOT reference_default)
  message(FATAL_ERROR "DKVB_REFERENCE: no OpenBLAS with LAPACK was found; install it (Debian: libopenblas-dev), or leave "
    "libdkvb-reference out by -DDKVB_REFERENCE=OFF")
elseif(NOT DKVB_REFERENCE AND NOT reference_default)
  message(STATUS "libdkvb-reference is left out: no OpenBLAS with LAPACK was found (Debian: libopenblas-dev)")
elseif(NOT DKVB_REFERENCE)
  message(STATUS "libdkvb-reference is left out: DKVB_REFERENCE is OFF")
endif()
