# libdkvb-reference is built by default if there is an OpenBLAS that includes LAPACK and can be linked.
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
  set(DKVB_OPENBLAS_FOUND ON)
endif()
dkvb_optional(DKVB_REFERENCE DKVB_OPENBLAS_FOUND "libdkvb-reference, linear heads on OpenBLAS" libopenblas-dev)
