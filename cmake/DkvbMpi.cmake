# libdkvb-mpi and dkvb-mpi are built by default where there is an MPI. A build for another processor leaves them out: the
# compiler wrappers of MPI are those of this machine.
if(NOT CMAKE_CROSSCOMPILING)
  set(MPI_CXX_SKIP_MPICXX ON)
  find_package(MPI QUIET COMPONENTS C)
endif()
dkvb_optional(DKVB_MPI MPI_C_FOUND "libdkvb-mpi and dkvb-mpi, ranks on MPI" libopenmpi-dev)
