"""libdkvb-mpi, loaded when it is first used, so that other programs need no MPI."""

import functools

from . import _companion, _ffi


@functools.lru_cache(maxsize=None)
def library():
    """Loads the library libdkvb-mpi, declares its functions for ctypes, and returns the library. Raises ImportError,
    which says how to get libdkvb-mpi, if libdkvb-mpi is missing."""
    return _companion.load("mpi", "DKVB_MPI_LIBRARY", _ffi.MPI_PROTOTYPES,
                           lambda loaded: loaded.dkvb_mpi_error(),
                           "A wheel does not carry it, since it belongs to one MPI; it is built with libdkvb where MPI is "
                           "(Debian: libopenmpi-dev): install it beside libdkvb, or set DKVB_MPI_LIBRARY to its path. "
                           "dkvb.mpi.ranks() needs mpi4py only")
