# libdkvb-mpi and dkvb-mpi are built by default if an MPI is installed. A build for another processor leaves both out,
# as MPI's compiler wrappers are for this machine.
if(NOT CMAKE_CROSSCOMPILING)
  set(MPI_CXX_SKIP_MPICXX ON)
  find_package(MPI QUIET COMPONENTS C)
endif()
dkvb_optional(DKVB_MPI MPI_C_FOUND "libdkvb-mpi and dkvb-mpi, ranks on MPI" libopenmpi-dev)
